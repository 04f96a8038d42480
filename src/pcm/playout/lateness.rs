//! When packets come: the line that punctual ones are on, and how far behind it the others are.
//!
//! Invariant: pure, of fixed size, and forgetful: the line follows a drifting clock within seconds,
//! the lateness is that of the last minute.

use crate::pcm::{MILLISECOND, Nanos, SECOND};

/// The line of punctual packets: the earliest of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Baseline {
    /// The earliest of each second, newest first.
    seconds: [Option<Nanos>; Self::SECONDS],
    newest: Nanos,
}

impl Baseline {
    /// Long enough to see a punctual packet among late ones, short enough that the line of a phone
    /// 100 parts per million slow lags by less than a millisecond.
    const SECONDS: usize = 8;

    /// Takes note of a packet on line `line` that came at `now`; returns the line of punctual ones.
    pub(super) fn add(&mut self, now: Nanos, line: Nanos) -> Nanos {
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

    /// Moves the line: punctual packets come later by so much from now on.
    pub(super) fn shift(&mut self, by: Nanos) {
        for earliest in self.seconds.iter_mut().flatten() {
            *earliest += by;
        }
    }

    /// Returns the line, once there was a packet.
    pub(super) fn value(&self) -> Option<Nanos> {
        self.seconds.iter().flatten().min().copied()
    }
}

/// How late packets were during the last minute.
#[derive(Clone, Debug)]
pub(super) struct Lateness {
    /// How many packets were how many milliseconds late, in each stretch of ten seconds, newest
    /// first.
    stretches: [[u16; Self::BINS]; Self::STRETCHES],
    /// The same of all stretches together.
    sums: [u32; Self::BINS],
    total: u32,
    newest: Nanos,
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            stretches: [[0; Self::BINS]; Self::STRETCHES],
            sums: [0; Self::BINS],
            total: 0,
            newest: 0,
        }
    }
}

impl Lateness {
    const BINS: usize = 256;
    const STRETCHES: usize = 6;
    const STRETCH: Nanos = 10 * SECOND;
    /// Takes note of a packet that was `late` at `now`.
    pub(super) fn add(&mut self, now: Nanos, late: Nanos) {
        let stretch = now / Self::STRETCH;
        let passed = usize::try_from(stretch - self.newest).unwrap_or(0);
        for _ in 0..passed.min(Self::STRETCHES) {
            self.forget_a_stretch();
        }
        self.newest = self.newest.max(stretch);
        let late = usize::try_from(late / MILLISECOND).unwrap_or(0);
        let bin = late.min(Self::BINS - 1);
        if let Some(count) = self.stretches[0][bin].checked_add(1) {
            self.stretches[0][bin] = count;
            self.sums[bin] += 1;
            self.total += 1;
        }
    }

    /// Returns what all packets but one in `rare` were not later than, to the millisecond above.
    pub(super) fn high(&self, rare: u32) -> Nanos {
        let mut later = 0;
        for (bin, count) in self.sums.iter().enumerate().rev() {
            later += count;
            if later > self.total / rare {
                return (bin as Nanos + 1) * MILLISECOND;
            }
        }
        0
    }

    /// Returns how many packets were as late as this, or later.
    pub(super) fn count_from(&self, late: Nanos) -> u32 {
        let bin = usize::try_from(late / MILLISECOND).unwrap_or(0);
        self.sums.iter().skip(bin).sum()
    }

    fn forget_a_stretch(&mut self) {
        self.stretches.rotate_right(1);
        for (sum, count) in self.sums.iter_mut().zip(&mut self.stretches[0]) {
            *sum -= u32::from(*count);
            self.total -= u32::from(*count);
            *count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_is_the_earliest_of_the_last_seconds() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.value(), None);
        assert_eq!(baseline.add(0, 500), 500);
        assert_eq!(baseline.add(1, 400), 400);
        assert_eq!(baseline.add(2, 450), 400);
        assert_eq!(baseline.add(7 * SECOND, 450), 400);
        assert_eq!(baseline.add(8 * SECOND, 460), 450);
        assert_eq!(baseline.add(1000 * SECOND, 470), 470);
        baseline.shift(30);
        assert_eq!(baseline.value(), Some(500));
        assert_eq!(baseline.add(1001 * SECOND, 510), 500);
    }

    #[test]
    fn lateness_is_that_of_nearly_all_packets_of_a_minute() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.high(400), 0);
        for n in 0..1000 {
            let late = if n % 500 == 0 { 90 } else { n % 10 };
            lateness.add(SECOND + n, late * MILLISECOND);
        }
        assert_eq!(lateness.high(400), 10 * MILLISECOND);
        for n in 0..10 {
            lateness.add(30 * SECOND + n, 50 * MILLISECOND);
        }
        assert_eq!(lateness.high(400), 51 * MILLISECOND);
        assert_eq!(lateness.count_from(50 * MILLISECOND), 12);
        assert_eq!(lateness.count_from(91 * MILLISECOND), 0);
        lateness.add(85 * SECOND, 2 * MILLISECOND);
        assert_eq!(lateness.high(400), 51 * MILLISECOND);
        lateness.add(95 * SECOND, 2 * MILLISECOND);
        assert_eq!(lateness.high(400), 3 * MILLISECOND);
    }

    #[test]
    fn what_is_very_late_counts_as_late() {
        let mut lateness = Lateness::default();
        lateness.add(SECOND, Nanos::MAX);
        assert_eq!(lateness.high(400), 256 * MILLISECOND);
    }
}
