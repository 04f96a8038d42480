//! When packets go to the phone.
//!
//! Invariant: pure; time comes in. Packets go as often as the phone's come, for both are made of the
//! slots of one link, and what goes at another rate fills the controller up or leaves it dry. They go
//! by the clock and not in answer to the phone's, of which some are late and some are lost: sending
//! only when something came starves some links.
//!
//! The clock is a phase-locked loop. It compares when packets come with when they should, looks at
//! the most punctual one of each quarter of a second, and takes lateness of whole packets for packets
//! that were lost. The first may itself be late by more than a packet, so what should come when is
//! known only after the first quarter.

use crate::hfp::Codec;
use crate::pcm::{MILLISECOND, Nanos, SECOND};

/// For how long the phone may be silent before packets go all the same.
const SILENCE: Nanos = 50 * MILLISECOND;
/// Packets that may go at once when some are overdue.
const MOST_AT_ONCE: f64 = 3.0;
/// How long the most punctual packet is looked for.
const WINDOW: f64 = 0.25 * SECOND as f64;
/// After such a pause packets come anew, and tell nothing about when they should have.
const PAUSE: f64 = SECOND as f64;
/// How fast the clock follows, in parts of the distance per second.
const GAIN: f64 = 0.5;
/// A quarter of the gain squared, for which the loop does not swing.
const INTEGRAL_GAIN: f64 = GAIN * GAIN / 4.0;
/// No two clocks differ by more, in parts.
const CLOCKS: f64 = 0.002;

/// Returns how long the sound in so many bytes of packets lasts: a frame of 60 bytes is 7.5 ms, and
/// CVSD links carry 8000 samples of two bytes in a second.
pub(super) fn lasting(codec: Codec, bytes: usize) -> Nanos {
    let byte = match codec {
        Codec::Cvsd => 62_500,
        Codec::Msbc | Codec::Lc3Swb => 125_000,
    };
    bytes as Nanos * byte
}

/// Says when packets are due. Times within are in nanoseconds since `epoch`.
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    epoch: Nanos,
    /// How long the sound of a packet of ours lasts.
    interval: f64,
    /// By which part it lasts longer on the link than by our clock.
    stretch: f64,
    /// When the next packet is due; nothing before the first.
    next: Option<f64>,
    arrivals: Arrivals,
}

/// When the phone's packets come.
#[derive(Clone, Copy, Debug, Default)]
struct Arrivals {
    /// When the one before came; nothing before the first.
    last: Option<f64>,
    /// When the next one should come.
    expected: f64,
    /// When the present window began.
    since: f64,
    /// How late the most punctual one in it was.
    earliest: f64,
    /// Whether a window has told by how much the first one was late.
    settled: bool,
}

impl Pacer {
    /// Makes one at `now` for packets whose sound lasts `interval`.
    pub(super) fn new(now: Nanos, interval: Nanos) -> Self {
        Self {
            epoch: now,
            interval: interval as f64,
            stretch: 0.0,
            next: None,
            arrivals: Arrivals::default(),
        }
    }

    /// Our packets are of another size from here on.
    pub(super) fn set_interval(&mut self, interval: Nanos) {
        self.interval = interval as f64;
    }

    /// A packet came whose sound `lasts` so long.
    pub(super) fn arrived(&mut self, now: Nanos, lasts: Nanos) {
        let now = self.since_epoch(now);
        let slot = (lasts.max(1) as f64) * (1.0 + self.stretch);
        let next = self.next.get_or_insert(now);
        let arrivals = &mut self.arrivals;
        if arrivals.last.is_none_or(|last| now - last > PAUSE) {
            *arrivals = Arrivals {
                last: Some(now),
                expected: now + slot,
                since: now,
                earliest: 0.0,
                settled: false,
            };
            return;
        }
        arrivals.last = Some(now);
        arrivals.earliest = arrivals.earliest.min(now - arrivals.expected);
        arrivals.expected += slot;
        let elapsed = now - arrivals.since;
        if elapsed < WINDOW {
            return;
        }
        let earliest = std::mem::replace(&mut arrivals.earliest, f64::INFINITY);
        arrivals.since = now;
        if !arrivals.settled {
            arrivals.settled = true;
            arrivals.expected += earliest;
            return;
        }
        let lost = (earliest / slot).round() * slot;
        let late = earliest - lost;
        let seconds = (elapsed / SECOND as f64).min(1.0);
        let shift = late * GAIN * seconds;
        *next += shift;
        arrivals.expected += lost + shift;
        let turned = late / SECOND as f64 * INTEGRAL_GAIN * seconds;
        self.stretch = (self.stretch + turned).clamp(-CLOCKS, CLOCKS);
    }

    /// Takes the next packet that is due at `now`, and returns when it was. To be asked until there
    /// is none; what is overdue beyond a few packets is passed over.
    pub(super) fn due(&mut self, now: Nanos) -> Option<Nanos> {
        if now < self.deadline() {
            return None;
        }
        let due = self.next.unwrap_or(SILENCE as f64);
        let interval = self.interval * (1.0 + self.stretch);
        let overdue = ((self.since_epoch(now) - due) / interval).floor() + 1.0;
        let due = due + (overdue - MOST_AT_ONCE).max(0.0) * interval;
        self.next = Some(due + interval);
        Some(self.epoch + due as Nanos)
    }

    /// Returns when the next packet is due.
    pub(super) fn deadline(&self) -> Nanos {
        // Rounded up, so that it is due then.
        self.epoch + self.next.unwrap_or(SILENCE as f64).ceil() as Nanos
    }

    fn since_epoch(&self, now: Nanos) -> f64 {
        (now - self.epoch) as f64
    }
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
