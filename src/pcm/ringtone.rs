//! The ring tone for calls whose phone sends none of its own.
//!
//! Invariant: arithmetic only, so real-time safe; never louder than half of full scale, and never a
//! step: each ring begins and ends in silence. It has no end; whoever plays it fades it out.

use std::f32::consts::TAU;

use super::conceal::rise;
use super::{Cycle, Pace, Source};

/// The two pitches in Hz, E and A: high enough for the smallest speaker, low enough for old ears.
const PITCHES: [f32; 2] = [659.26, 880.0];
/// How often it goes from the one to the other and back, in a second.
const WARBLE: f32 = 12.5;
/// The loudest sample.
const LEVEL: f32 = 0.5;
/// How long a ring takes to become loud, in seconds.
const ATTACK: f32 = 0.02;
/// How long it takes to die away, in seconds.
const DECAY: f32 = 0.12;

/// How long a ring is, in milliseconds.
const RING_MS: usize = 400;
/// From the beginning of the first ring to that of the second, in milliseconds.
const SECOND_MS: usize = 600;
/// From the beginning of a pair of rings to that of the next, in milliseconds.
const PERIOD_MS: usize = 3_000;

/// Rings twice, pauses, and so on, in a single channel.
#[derive(Clone, Debug)]
pub struct RingTone {
    rate: f32,
    /// All in frames, as is where it is.
    ring: usize,
    second: usize,
    period: usize,
    position: usize,
}

impl RingTone {
    /// Makes one for a stream with `rate` frames in a second; it begins with a ring.
    pub fn new(rate: u32) -> Self {
        let frames = |ms: usize| (rate as usize * ms / 1_000).max(1);
        Self {
            rate: rate as f32,
            ring: frames(RING_MS),
            second: frames(SECOND_MS),
            period: frames(PERIOD_MS),
            position: 0,
        }
    }

    /// The sample at `frame` of the period.
    fn sample(&self, frame: usize) -> f32 {
        let into = frame.checked_sub(self.second).unwrap_or(frame);
        if into >= self.ring {
            return 0.0;
        }
        let time = into as f32 / self.rate;
        let left = (self.ring - into) as f32 / self.rate;
        let loudness = LEVEL * rise(time / ATTACK) * rise(left / DECAY);
        let [low, high] = PITCHES.map(|pitch| angle(pitch, time).sin());
        let share = 0.5 - 0.5 * angle(WARBLE, time).cos();
        loudness * (low + share * (high - low))
    }
}

/// How far a wave of so many Hz has turned; whole turns are left out, since they cost precision.
fn angle(hz: f32, time: f32) -> f32 {
    TAU * (hz * time).fract()
}

impl Source for RingTone {
    fn pull(&mut self, out: &mut [f32], _: Cycle) -> Pace {
        for sample in out {
            *sample = self.sample(self.position);
            self.position = (self.position + 1) % self.period;
        }
        Pace::NOMINAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 3] = [16_000, 44_100, 48_000];

    /// So many seconds of it, pulled in pieces of `piece` frames.
    fn heard(rate: u32, seconds: usize, piece: usize) -> Vec<f32> {
        let mut tone = RingTone::new(rate);
        let mut sound = vec![f32::NAN; rate as usize * seconds];
        for out in sound.chunks_mut(piece) {
            let cycle = Cycle { now: 0, delay: 0 };
            assert_eq!(tone.pull(out, cycle), Pace::NOMINAL);
        }
        sound
    }

    fn loudest(sound: &[f32]) -> f32 {
        sound.iter().map(|sample| sample.abs()).fold(0.0, f32::max)
    }

    #[test]
    fn it_rings_twice_and_pauses() {
        for rate in RATES {
            let sound = heard(rate, 3, 480);
            let part = |from: usize, to: usize| {
                let frames = |ms: usize| rate as usize * ms / 1_000;
                loudest(&sound[frames(from)..frames(to)])
            };
            for ring in [0, 600] {
                assert!(part(ring, ring + 1) < 0.01, "{rate} {ring}");
                assert!(part(ring + 50, ring + 250) > 0.4, "{rate} {ring}");
                assert!(part(ring + 398, ring + 400) < 0.01, "{rate} {ring}");
            }
            assert_eq!((part(400, 600), part(1_000, 3_000)), (0.0, 0.0));
            assert!(loudest(&sound) <= 0.5);
        }
    }

    #[test]
    fn it_has_no_steps_not_even_where_it_begins_anew() {
        for rate in RATES {
            let sound = heard(rate, 6, 512);
            assert_eq!(sound[0], 0.0);
            let steepest = LEVEL * TAU * PITCHES[1] / rate as f32;
            let step = sound.windows(2).map(|w| (w[1] - w[0]).abs());
            assert!(step.fold(0.0, f32::max) < steepest * 1.05, "{rate}");
            let (first, second) = sound.split_at(sound.len() / 2);
            assert_eq!(first, second);
        }
    }

    #[test]
    fn the_length_of_a_turn_does_not_matter() {
        assert_eq!(heard(48_000, 3, 64), heard(48_000, 3, 1_023));
    }
}
