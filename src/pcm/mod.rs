//! Samples on their way: what the rooms that make or take sound and the room that plays and
//! captures it share.
//!
//! Invariant: nothing here knows of Bluetooth, codecs or PipeWire. Samples are interleaved `f32`,
//! times are [`Nanos`] of the monotonic clock, and whatever the audio thread touches neither
//! allocates, locks, logs nor calls the system.

mod conceal;
mod meters;
pub mod playout;
mod priority;
mod ring;
mod ringtone;
pub mod shaping;
mod signal;
mod wav;

pub use conceal::Concealer;
pub use meters::{Meters, Reading};
pub use priority::ask_for_real_time;
pub use ring::{Reader, RingFull, Writer, ring};
pub use ringtone::{Melody, RingTone};
pub use signal::Signal;
pub use wav::{MAX_BYTES, MAX_SECONDS, Recording, WavError};

/// Nanoseconds of `CLOCK_MONOTONIC`, which packets are stamped with and PipeWire counts in.
pub type Nanos = i64;

/// Nanoseconds in a second.
pub const SECOND: Nanos = 1_000_000_000;

/// Nanoseconds in a millisecond.
pub const MILLISECOND: Nanos = 1_000_000;

/// Converts a number of frames to the time they last.
pub fn duration_of(frames: u64, rate: u32) -> Nanos {
    let rate = u64::from(rate.max(1));
    let (seconds, rest) = (frames / rate, frames % rate);
    // Split, so that it does not overflow within the life of the machine.
    (seconds * SECOND as u64 + rest * SECOND as u64 / rate) as Nanos
}

/// Converts a time to the number of frames that fit into it; none when it is negative.
pub fn frames_in(time: Nanos, rate: u32) -> usize {
    let frames = i128::from(time) * i128::from(rate) / i128::from(SECOND);
    usize::try_from(frames).unwrap_or(0)
}

/// Returns the monotonic clock.
pub fn now() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec * SECOND + time.tv_nsec
}

/// One turn of the audio graph, as seen by a stream in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// When the turn began, by the clock of the graph.
    pub now: Nanos,
    /// For a source, how long from then until the first frame of the turn is heard; for a sink, how
    /// long before then its first sample was picked up.
    pub delay: Nanos,
}

/// How much faster than nominal frames are to pass: out of a source, or into a sink.
///
/// At +100 ppm a source of 48 kHz is played at 48 004.8 frames in each second of the graph, and a
/// sink of 16 kHz gets 16 001.6 samples. So a source whose buffer fills up asks for more than
/// nominal, and a sink whose buffer fills up for less.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Parts per million; negative is slower.
    pub ppm: f32,
}

impl Pace {
    /// As fast as the rate says.
    pub const NOMINAL: Self = Self { ppm: 0.0 };

    /// Returns the number of frames that are to pass in place of each nominal one.
    pub fn ratio(self) -> f64 {
        1.0 + f64::from(self.ppm) * 1e-6
    }
}

/// What the audio thread pulls sound from.
pub trait Source: Send {
    /// Fills `out` with interleaved frames, with silence if there is nothing else, and says how
    /// fast it wants to go on. Runs on the real-time thread: no allocation, lock, log or system
    /// call.
    fn pull(&mut self, out: &mut [f32], cycle: Cycle) -> Pace;
}

/// What the audio thread pushes captured sound into.
pub trait Sink: Send {
    /// Takes the samples of one turn, a single channel, and says how fast it wants to go on. How
    /// many they are differs from turn to turn. Runs on the real-time thread: no allocation, lock,
    /// log or system call.
    fn push(&mut self, samples: &[f32], cycle: Cycle) -> Pace;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_time_convert_both_ways() {
        assert_eq!(duration_of(44_100, 44_100), SECOND);
        assert_eq!(duration_of(441, 44_100), 10 * MILLISECOND);
        assert_eq!(frames_in(10 * MILLISECOND, 44_100), 441);
        assert_eq!(frames_in(-1, 44_100), 0);
        let year = 365 * 86_400 * 48_000_u64;
        assert_eq!(duration_of(year, 48_000), 365 * 86_400 * SECOND);
    }

    #[test]
    fn a_faster_pace_passes_more() {
        assert_eq!(Pace::NOMINAL.ratio(), 1.0);
        assert!((Pace { ppm: 500.0 }.ratio() - 1.0005).abs() < 1e-9);
    }
}
