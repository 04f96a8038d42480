//! How long sound waits before it is played, and how fast it is played to keep it so.
//!
//! Invariant: pure; time comes in with the packets. A packet's *lateness* is how much later it came
//! than the most punctual ones of late; *latency* is how long a punctual packet waits, and must
//! cover the lateness of nearly all packets plus one turn of the audio graph, which takes its
//! frames all at once. That sum is the *target*.
//!
//! Both clocks are lines: a punctual frame `m` arrives at `base + m / rate` and is played at
//! `offset + m / rate`, so the latency is `offset - base`, however unevenly packets come.

use crate::pcm::{Nanos, Pace, SECOND, duration_of};

use super::aims::Aims;
use super::lateness::{Baseline, Lateness};
use super::servo::Servo;

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
    aims: Aims,
    baseline: Baseline,
    lateness: Lateness,
    target: Nanos,
    /// Lateness that made the buffer run dry; forgotten slowly.
    held: Nanos,
    underruns: u32,
    servo: Servo,
    last: Option<Nanos>,
}

impl Controller {
    /// The part of the lateness by which the next one may be longer, while there was none like it before.
    const MARGIN: Nanos = 8;

    /// Makes one for a stream of `rate`.
    pub fn new(rate: u32, aims: Aims) -> Self {
        Self {
            rate,
            aims,
            baseline: Baseline::default(),
            lateness: Lateness::default(),
            target: aims.first,
            held: 0,
            underruns: 0,
            servo: Servo::new(aims.bend_ppm),
            last: None,
        }
    }

    /// Begins with what had to be waited for before, if that is more than is usual: what the air was
    /// like then it is most likely still, and need not be heard once more.
    #[must_use]
    pub fn after(mut self, learned: Nanos) -> Self {
        self.target = learned.clamp(self.aims.first, self.aims.last);
        self
    }

    /// Takes note of a packet that arrived at `now`, whose first frame is number `frame` of the
    /// stream.
    pub fn arrived(&mut self, now: Nanos, frame: u64, playout: Playout) -> Orders {
        let line = now - duration_of(frame, self.rate);
        // If it is a burst after a pause of the radio, its last packets are punctual again.
        let paused = self
            .baseline
            .value()
            .is_some_and(|base| line - base > self.aims.pause);
        if paused {
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

    /// So many frames were lost, and neither they nor anything in their place have numbers: what
    /// comes after them is later by as much than its numbers say, and is not late. Were it taken
    /// for late, the target would rise, and to wait longer brings back nothing that is lost.
    pub fn left_out(&mut self, frames: u64) {
        self.baseline.shift(duration_of(frames, self.rate));
    }

    /// The frames were numbered anew, or some were dropped: forgets when packets come, but not
    /// how evenly.
    pub fn restart(&mut self) {
        self.baseline = Baseline::default();
        self.servo.rest();
    }

    fn aim(&mut self, late: Nanos, elapsed: Nanos, playout: Playout) {
        let fall = elapsed * self.aims.fall_ppm / 1_000_000;
        self.held = (self.held - fall).max(0);
        if playout.underruns != self.underruns {
            self.underruns = playout.underruns;
            self.held = self.held.max(late);
        }
        let jitter = self.jitter().max(self.held);
        let aims = &self.aims;
        // A pause of the air is seen as long as the first packet in it was late, which is shorter by up to
        // what that packet lasts. The more pauses were seen, the nearer the longest of them is to that.
        let like_it = Nanos::from(self.lateness.count_from(jitter - jitter / Self::MARGIN));
        let margin = jitter / (Self::MARGIN + 2 * like_it);
        let wanted = (jitter + margin + playout.period + aims.safety).clamp(aims.least, aims.last);
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
        self.lateness.high(self.aims.rare)
    }

    /// Returns how much faster the phone's clock runs than the sound card's.
    pub fn drift(&self) -> Pace {
        self.servo.drift()
    }
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
