//! How long sound waits before it is played, and how fast it is played to keep it so.
//!
//! Invariant: pure; time comes in with the packets. A packet's *lateness* is how much later it came
//! than the most punctual ones of late; *latency* is how long a punctual packet waits, and must
//! cover the lateness of nearly all packets plus one turn of the audio graph, which takes its
//! frames all at once. That sum is the *target*.
//!
//! Both clocks are lines: a punctual frame `m` arrives at `base + m / rate` and is played at
//! `offset + m / rate`, so the latency is `offset - base`, however unevenly packets come.

use crate::pcm::{MILLISECOND, Nanos, Pace, SECOND, duration_of};

use super::lateness::{Baseline, Lateness};

/// Where the player is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Playout {
    /// Frame `m` is played at `offset + m / rate`; nothing while nothing is played.
    pub offset: Option<Nanos>,
    /// How long one turn of the audio graph is.
    pub period: Nanos,
    /// How long from the turn in which a frame is played until it is heard.
    pub delay: Nanos,
    /// How often the buffer ran dry so far.
    pub underruns: u32,
}

/// What follows for the player.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orders {
    /// It may begin to play on this line or a later one.
    pub begin: Nanos,
    /// How fast to play.
    pub pace: Pace,
}

/// Decides for one stream.
#[derive(Clone, Debug)]
pub struct Controller {
    rate: u32,
    baseline: Baseline,
    lateness: Lateness,
    target: Nanos,
    /// Lateness that made the buffer run dry; forgotten slowly.
    held: Nanos,
    underruns: u32,
    servo: Servo,
    last: Option<Nanos>,
}

/// The latency to begin with, before anything is known of the phone.
const FIRST_TARGET: Nanos = 40 * MILLISECOND;
/// For decoding, and for threads that wake up late.
const SAFETY: Nanos = 3 * MILLISECOND;
/// No stream waits less: air that was clean for a minute need not stay so.
const LEAST_TARGET: Nanos = 20 * MILLISECOND;
/// No stream waits longer than this; the ring holds more.
const LAST_TARGET: Nanos = 250 * MILLISECOND;
/// How fast the target falls, in parts of the time that passes: a pace ears do not notice.
const FALL_PPM: Nanos = 400;
/// A packet this late could not be waited for: what comes with it is another stretch of music. If
/// it is a burst after a pause of the radio, its last packets are punctual again.
const PAUSE: Nanos = LAST_TARGET;

impl Controller {
    /// Makes one for a stream of `rate`.
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            baseline: Baseline::default(),
            lateness: Lateness::default(),
            target: FIRST_TARGET,
            held: 0,
            underruns: 0,
            servo: Servo::default(),
            last: None,
        }
    }

    /// Takes note of a packet that arrived at `now`, whose first frame is number `frame` of the
    /// stream.
    pub fn arrived(&mut self, now: Nanos, frame: u64, playout: Playout) -> Orders {
        let line = now - duration_of(frame, self.rate);
        if self
            .baseline
            .value()
            .is_some_and(|base| line - base > PAUSE)
        {
            self.baseline = Baseline::default();
        }
        let base = self.baseline.add(now, line);
        let late = line - base;
        self.lateness.add(now, late);
        let elapsed = self.last.map_or(0, |last| (now - last).clamp(0, SECOND));
        self.last = Some(now);
        let before = self.target;
        self.aim(late, elapsed, playout);
        let fallen = (before - self.target).max(0);
        if let Some(offset) = playout.offset {
            self.servo
                .follow(offset - base, self.target, fallen, elapsed);
        } else {
            self.servo.rest();
        }
        Orders {
            begin: base + self.target,
            pace: self.servo.pace(),
        }
    }

    /// The frames were numbered anew, or some were dropped: forgets when packets come, but not
    /// how evenly.
    pub fn restart(&mut self) {
        self.baseline = Baseline::default();
        self.servo.rest();
    }

    fn aim(&mut self, late: Nanos, elapsed: Nanos, playout: Playout) {
        let fall = elapsed * FALL_PPM / 1_000_000;
        self.held = (self.held - fall).max(0);
        if playout.underruns != self.underruns {
            self.underruns = playout.underruns;
            self.held = self.held.max(late);
        }
        let jitter = self.jitter().max(self.held);
        let wanted = (jitter + playout.period + SAFETY).clamp(LEAST_TARGET, LAST_TARGET);
        self.target = wanted.max(self.target - fall);
    }

    /// Returns how long a punctual packet should wait.
    pub fn target(&self) -> Nanos {
        self.target
    }

    /// Returns how long a punctual packet does wait; the target while nothing is played.
    pub fn latency(&self) -> Nanos {
        self.servo.latency().unwrap_or(self.target)
    }

    /// Returns how late nearly all packets are at most.
    pub fn jitter(&self) -> Nanos {
        self.lateness.high()
    }

    /// Returns how much faster the phone's clock runs than the sound card's.
    pub fn drift(&self) -> Pace {
        Pace {
            ppm: self.servo.integral as f32,
        }
    }
}

/// Turns the distance from the target into a pace.
#[derive(Clone, Debug, Default)]
struct Servo {
    /// In nanoseconds, smoothed; nothing until it was measured.
    latency: Option<f64>,
    /// Parts per million that hold the latency where it is: the difference of the clocks.
    integral: f64,
    ppm: f64,
}

impl Servo {
    /// Of the distance, in parts per second: a distance is closed in about ten seconds.
    const GAIN: f64 = 0.1;
    /// A quarter of the gain squared, for which the loop does not swing.
    const INTEGRAL_GAIN: f64 = Self::GAIN * Self::GAIN / 4.0;
    /// The time over which latency is smoothed, in seconds.
    const SMOOTHING: f64 = 1.0;
    /// A change from one packet to the next that is not drift: the player began anew.
    const JUMP: f64 = 4.0 * MILLISECOND as f64;
    /// A pace that ears do not notice, in parts per million.
    const GENTLE: f64 = 500.0;
    /// A pace for a buffer that is far off.
    const FIRM: f64 = 5000.0;
    /// That far off.
    const FAR: f64 = 60.0 * MILLISECOND as f64;
    /// Further off than this it is no drift, and nothing to learn the clocks from.
    const NEAR: f64 = 15.0 * MILLISECOND as f64;

    fn follow(&mut self, latency: Nanos, target: Nanos, fallen: Nanos, elapsed: Nanos) {
        let raw = latency as f64;
        let seconds = elapsed as f64 / SECOND as f64;
        let smooth = match self.latency {
            Some(before) if (raw - before).abs() < Self::JUMP => {
                before + (raw - before) * (seconds / Self::SMOOTHING).min(1.0)
            }
            _ => raw,
        };
        self.latency = Some(smooth);
        let distance = smooth - target as f64;
        let limit = if distance.abs() > Self::FAR {
            Self::FIRM
        } else {
            Self::GENTLE
        };
        // A falling target is followed at once, so that the integral holds nothing but the
        // difference of the clocks. A nanosecond per second is a thousandth part per million.
        let falling = if elapsed > 0 {
            fallen as f64 * 1e6 / elapsed as f64
        } else {
            0.0
        };
        let wanted = falling + distance * Self::GAIN * 1e-3;
        let bend = wanted.clamp(-limit, limit);
        if bend == wanted && distance.abs() < Self::NEAR {
            let turned = distance * Self::INTEGRAL_GAIN * 1e-3 * seconds;
            self.integral = (self.integral + turned).clamp(-Self::GENTLE, Self::GENTLE);
        }
        self.ppm = bend + self.integral;
    }

    /// Nothing is played: only the difference of the clocks is worth keeping.
    fn rest(&mut self) {
        self.latency = None;
        self.ppm = self.integral;
    }

    fn pace(&self) -> Pace {
        Pace {
            ppm: self.ppm as f32,
        }
    }

    fn latency(&self) -> Option<Nanos> {
        self.latency.map(|latency| latency as Nanos)
    }
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
