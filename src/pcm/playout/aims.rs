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
    /// No stream waits longer; the ring has to hold more.
    pub last: Nanos,
    /// A packet later than this could not be waited for: what comes with it is another stretch of
    /// sound.
    pub pause: Nanos,
    /// For decoding, and for threads that wake up late.
    pub safety: Nanos,
    /// One packet in so many may come later than is waited for.
    pub rare: u32,
    /// How fast the target falls, in parts per million of the time that passes.
    pub fall_ppm: Nanos,
    /// How far the pace bends to stay near the target, in parts per million, the difference of the
    /// clocks aside.
    pub bend_ppm: f64,
}

/// How long music waits before it is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delay {
    /// No longer than it has to, and then less than is safe with a phone far away.
    Low,
    /// No longer than it has to.
    #[default]
    Balanced,
    /// Long enough for whatever the air does in an ordinary home.
    Robust,
    /// So many milliseconds, [`Self::SHORTEST`] to [`Self::LONGEST`], whatever is missed.
    Fixed(u16),
}

impl Delay {
    /// The shortest that can be asked for, in milliseconds.
    pub const SHORTEST: u16 = 10;
    /// The longest.
    pub const LONGEST: u16 = 300;
    /// Whoever wants less than this many milliseconds wants pictures to go with the sound.
    const PROMPT: u16 = 20;

    /// Makes one of so many milliseconds, if it can be had.
    pub fn fixed(milliseconds: u16) -> Option<Self> {
        (Self::SHORTEST..=Self::LONGEST)
            .contains(&milliseconds)
            .then_some(Self::Fixed(milliseconds))
    }

    /// Says whether what happens besides waiting should be as short as can be.
    pub fn is_prompt(self) -> bool {
        match self {
            Self::Low => true,
            Self::Balanced | Self::Robust => false,
            Self::Fixed(milliseconds) => milliseconds < Self::PROMPT,
        }
    }

    /// Returns what is aimed at for it.
    pub fn aims(self) -> Aims {
        match self {
            Self::Low => Aims::LOW,
            Self::Balanced => Aims::MUSIC,
            Self::Robust => Aims::ROBUST,
            Self::Fixed(milliseconds) => {
                let length = Nanos::from(milliseconds) * MILLISECOND;
                Aims {
                    first: length,
                    least: length,
                    last: length,
                    ..Aims::MUSIC
                }
            }
        }
    }
}

impl Aims {
    /// For music that goes with pictures, from a phone nearby: what comes later than usual is missed
    /// once, and waited for from then on.
    pub const LOW: Self = Self {
        first: 25 * MILLISECOND,
        least: 10 * MILLISECOND,
        last: 150 * MILLISECOND,
        rare: 400,
        fall_ppm: 450,
        ..Self::MUSIC
    };

    /// For music from behind a wall: packets of a fifth of a second are not missed, however rarely
    /// they come so late.
    pub const ROBUST: Self = Self {
        first: 200 * MILLISECOND,
        least: 200 * MILLISECOND,
        last: 300 * MILLISECOND,
        pause: 300 * MILLISECOND,
        safety: 5 * MILLISECOND,
        fall_ppm: 200,
        ..Self::MUSIC
    };

    /// For music: packets of 10 to 30 ms in bursts, through air that was clean for a minute and need
    /// not stay so, ears that notice a pace, and nobody who waits: of a minute's packets none is missed
    /// that could have been waited for.
    pub const MUSIC: Self = Self {
        first: 35 * MILLISECOND,
        least: 20 * MILLISECOND,
        last: 250 * MILLISECOND,
        pause: 250 * MILLISECOND,
        safety: 3 * MILLISECOND,
        rare: 10_000,
        fall_ppm: 400,
        bend_ppm: 475.0,
    };

    /// For calls: packets of 3 or 7.5 ms at the even rate of the controller, which repeats what was
    /// lost in time or not at all, and people who wait for each other's words. Lateness is never
    /// less than a millisecond, so the least is 4 ms and a turn of the graph.
    pub const VOICE: Self = Self {
        first: 12 * MILLISECOND,
        least: 4 * MILLISECOND,
        last: 100 * MILLISECOND,
        pause: 100 * MILLISECOND,
        safety: 3 * MILLISECOND,
        rare: 400,
        fall_ppm: 1000,
        bend_ppm: 1500.0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_can_be_reached() {
        let fixed =
            [Delay::SHORTEST, 80, Delay::LONGEST].map(|length| Delay::fixed(length).unwrap());
        let delays = [Delay::Low, Delay::Balanced, Delay::Robust];
        let music = delays.into_iter().chain(fixed).map(Delay::aims);
        for aims in music.chain([Aims::VOICE]) {
            assert!(aims.least <= aims.first && aims.first <= aims.last);
            assert!(aims.pause >= aims.last.min(Aims::MUSIC.pause));
            assert!(aims.bend_ppm > aims.fall_ppm as f64);
        }
        assert!(Delay::Low.is_prompt() && !Delay::Balanced.is_prompt());
        assert!(Delay::Fixed(19).is_prompt() && !Delay::Fixed(20).is_prompt());
        assert_eq!(Delay::fixed(9).or(Delay::fixed(301)), None);
    }
}
