//! How music and calls differ for whoever plays them.
//!
//! Invariant: plain numbers; `least <= first <= last`, and the pace may bend by more than the target
//! falls, or it would never be reached.

use crate::pcm::{MILLISECOND, Nanos};

/// What a [`Controller`](super::Controller) aims at for one kind of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aims {
    /// The latency to begin with, before anything is known of the phone.
    pub first: Nanos,
    /// No stream waits less.
    pub least: Nanos,
    /// No stream waits longer; the ring has to hold more. A packet later than this could not be
    /// waited for: what comes with it is another stretch of sound.
    pub last: Nanos,
    /// For decoding, and for threads that wake up late.
    pub safety: Nanos,
    /// How fast the target falls, in parts per million of the time that passes.
    pub fall_ppm: Nanos,
    /// How far the pace bends to stay near the target, in parts per million, the difference of the
    /// clocks aside.
    pub bend_ppm: f64,
}

impl Aims {
    /// For music: packets of 10 to 30 ms in bursts, through air that was clean for a minute and need
    /// not stay so, and ears that notice a pace.
    pub const MUSIC: Self = Self {
        first: 40 * MILLISECOND,
        least: 20 * MILLISECOND,
        last: 250 * MILLISECOND,
        safety: 3 * MILLISECOND,
        fall_ppm: 400,
        bend_ppm: 500.0,
    };

    /// For calls: packets of 3 or 7.5 ms at the even rate of the controller, which repeats what was
    /// lost in time or not at all, and people who wait for each other's words. Lateness is never
    /// less than a millisecond, so the least is 4 ms and a turn of the graph.
    pub const VOICE: Self = Self {
        first: 12 * MILLISECOND,
        least: 4 * MILLISECOND,
        last: 100 * MILLISECOND,
        safety: 3 * MILLISECOND,
        fall_ppm: 1000,
        bend_ppm: 1500.0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_can_be_reached() {
        for aims in [Aims::MUSIC, Aims::VOICE] {
            assert!(aims.least <= aims.first && aims.first <= aims.last);
            assert!(aims.bend_ppm > aims.fall_ppm as f64);
        }
    }
}
