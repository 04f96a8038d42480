//! When packets come: the line that punctual ones are on, and how far behind it the others are.
//!
//! Invariant: pure, of fixed size, and forgetful: the line follows a drifting clock within seconds,
//! the lateness is that of the last minute.

use crate::pcm::{MILLISECOND, Nanos, SECOND};

/// The line of punctual packets: the earliest of the last seconds.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The earliest of each second, newest first.
    seconds: [Option<Nanos>; Self::SECONDS],
    newest: Nanos,
}

impl Baseline {
    /// Long enough to see a punctual packet among late ones, short enough that the line of a phone
    /// 100 parts per million slow lags by less than a millisecond.
    const SECONDS: usize = 8;

    /// Takes note of a packet on line `line` that came at `now`; returns the line of punctual ones.
    pub fn add(&mut self, now: Nanos, line: Nanos) -> Nanos {
        let second = now / SECOND;
        if self.value().is_none() {
            self.newest = second;
        }
        while self.newest < second {
            self.newest += 1;
            self.seconds.rotate_right(1);
            self.seconds[0] = None;
            if self.value().is_none() {
                self.newest = second;
            }
        }
        let earliest = self.seconds[0].map_or(line, |before| before.min(line));
        self.seconds[0] = Some(earliest);
        self.value().unwrap_or(line)
    }

    /// Returns the line, once there was a packet.
    pub fn value(&self) -> Option<Nanos> {
        self.seconds.iter().flatten().min().copied()
    }
}

/// How late packets were during the last minute.
#[derive(Clone, Debug)]
pub struct Lateness {
    /// How many packets were how many milliseconds late, in each stretch of ten seconds, newest
    /// first.
    stretches: [[u16; Self::BINS]; Self::STRETCHES],
    newest: Nanos,
    high: Nanos,
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            stretches: [[0; Self::BINS]; Self::STRETCHES],
            newest: 0,
            high: 0,
        }
    }
}

impl Lateness {
    const BINS: usize = 256;
    const STRETCHES: usize = 6;
    const STRETCH: Nanos = 10 * SECOND;
    /// One packet in so many may come later than what [`Self::high`] says.
    const RARE: u32 = 400;

    /// Takes note of a packet that was `late` at `now`.
    pub fn add(&mut self, now: Nanos, late: Nanos) {
        let stretch = now / Self::STRETCH;
        let passed = usize::try_from(stretch - self.newest).unwrap_or(0);
        for _ in 0..passed.min(Self::STRETCHES) {
            self.stretches.rotate_right(1);
            self.stretches[0] = [0; Self::BINS];
        }
        self.newest = self.newest.max(stretch);
        let bin = usize::try_from(late / MILLISECOND).unwrap_or(0);
        let count = &mut self.stretches[0][bin.min(Self::BINS - 1)];
        *count = count.saturating_add(1);
        self.high = self.percentile();
    }

    /// Returns what nearly all packets were not later than, to the millisecond above.
    pub fn high(&self) -> Nanos {
        self.high
    }

    fn percentile(&self) -> Nanos {
        let count = |bin: usize| -> u32 { self.stretches.iter().map(|s| u32::from(s[bin])).sum() };
        let total: u32 = (0..Self::BINS).map(count).sum();
        let mut later = 0;
        for bin in (0..Self::BINS).rev() {
            later += count(bin);
            if later > total / Self::RARE {
                return (bin as Nanos + 1) * MILLISECOND;
            }
        }
        0
    }
}
