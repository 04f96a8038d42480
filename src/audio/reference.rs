//! What the voice of a call plays, for whoever has to take it out of what the microphone hears.
//!
//! Invariant: as for all that runs on the real-time thread: no allocation, lock, log or system
//! call, and neither side waits for the other. The reader has what is played before it comes back,
//! and always as long before: no canceller follows an echo that wanders or leaps.
//!
//! Both sides count in the time of the phone: the voice is consumed a little faster or slower than
//! its rate says, and so is the microphone captured, each by its own [`Pace`](crate::pcm::Pace). As
//! the sound in between knows nothing of that, the reader goes as much faster as the one is than the
//! other. Where a turn of either graph was missed, the clock tells.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicI64, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::pcm::{Nanos, SECOND, duration_of};

use super::clock;

/// How many samples are kept: half a second of the highest rate of a call.
const KEPT: usize = 1 << 14;
/// What waits longer than this has nothing to do with what comes back now.
const MOST: u64 = KEPT as u64 / 2;
/// By how much the reader stays behind beside a turn, in parts of a second: blocks and the two
/// sides' turns go slowly in and out of step.
const MARGINS_PER_SECOND: u32 = 500;
/// After so many silent blocks the voice rested, and did not just come late.
const REST: u32 = 10;
/// What is further from its place, in parts of a second, for so many turns, has leapt.
const LEAPS_PER_SECOND: u32 = 500;
const LEAP_TURNS: u32 = 8;
/// Who lacks samples a second time within so many blocks is in the wrong place, and did not just miss
/// some turns of the voice.
const CALM: u32 = 100;
/// How much of the news of a turn is believed of what only drifts, and within how many seconds it is
/// made good.
const BELIEF: f64 = 0.01;
const DRIFT_SECONDS: f64 = 10.0;

/// The last of what a voice played. One writes, any number read.
pub(super) struct Reference {
    samples: Box<[AtomicU32]>,
    rate: u32,
    written: AtomicU64,
    /// How many were written at once.
    turn: AtomicU32,
    /// When the first sample was due, had all gone on like the last turn.
    line: AtomicI64,
    ratio: AtomicU64,
}

impl Reference {
    /// Makes one for what is played at `rate` Hz.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            samples: (0..KEPT).map(|_| AtomicU32::new(0)).collect(),
            rate,
            written: AtomicU64::new(0),
            turn: AtomicU32::new(0),
            line: AtomicI64::new(0),
            ratio: AtomicU64::new(1.0_f64.to_bits()),
        }
    }

    /// Takes what is played in the turn that began at `now`. `ratio` is how many samples are
    /// consumed in place of each nominal one.
    pub(super) fn write(&self, samples: &[f32], ratio: f64, now: Nanos) {
        let begin = self.written.load(Relaxed);
        for (at, sample) in (begin..).zip(samples) {
            self.place(at).store(sample.to_bits(), Relaxed);
        }
        self.turn.store(samples.len() as u32, Relaxed);
        self.ratio.store(ratio.to_bits(), Relaxed);
        self.line
            .store(now - duration_of(begin, self.rate), Relaxed);
        self.written.store(begin + samples.len() as u64, Release);
    }

    /// Returns the sample that is due at `now`.
    fn due(&self, now: Nanos) -> f64 {
        let since = now - self.line.load(Relaxed);
        since as f64 * f64::from(self.rate) / SECOND as f64
    }

    fn sample(&self, at: u64) -> f64 {
        f64::from(f32::from_bits(self.place(at).load(Relaxed)))
    }

    fn place(&self, at: u64) -> &AtomicU32 {
        &self.samples[(at % KEPT as u64) as usize]
    }
}

/// Reads block by block what was played while a block was captured, or a little later.
pub(super) struct Far {
    reference: Arc<Reference>,
    /// The next sample, and how far beyond it to read.
    at: u64,
    beyond: f64,
    /// How many samples are passed for each that is captured.
    step: f64,
    /// For how many blocks there was nothing to read.
    silent: u32,
    place: Place,
}

/// How far the reader should be from what is due, and is.
#[derive(Default)]
struct Place {
    usual: Option<f64>,
    drift: f64,
    astray: u32,
    /// For how many blocks there was something to read.
    calm: u32,
}

impl Far {
    /// Begins with what will be written from now on.
    pub(super) fn new(reference: Arc<Reference>) -> Self {
        let at = reference.written.load(Acquire);
        Self {
            reference,
            at,
            beyond: 0.0,
            step: 1.0,
            silent: REST,
            place: Place::default(),
        }
    }

    /// A turn that was captured begins at `now`; of what was captured before, so many samples wait
    /// for their block. Stays where it is in time, at once while there is nothing to read.
    pub(super) fn follow(&mut self, now: Nanos, waiting: usize) {
        if self.silent >= REST {
            self.place = Place::default();
            // The clock may have put it where nothing was played by then.
            self.at = self.at.min(self.reference.written.load(Acquire));
            return;
        }
        let next = self.at as f64 + self.beyond + waiting as f64 * self.step;
        let off = self.reference.due(now) - next;
        if self.silent > 0 {
            let wander = self.place.usual.map_or(0.0, |usual| off - usual);
            self.at = self.at.saturating_add_signed(wander as i64);
            return;
        }
        let wander = off - *self.place.usual.get_or_insert(off);
        let leap = f64::from(self.reference.rate / LEAPS_PER_SECOND);
        if wander.abs() < leap {
            self.place.astray = 0;
            self.place.drift += BELIEF * (wander - self.place.drift);
            return;
        }
        self.place.astray += 1;
        if self.place.astray == LEAP_TURNS {
            self.place.astray = 0;
            self.at = self.at.saturating_add_signed(wander as i64);
        }
    }

    /// Reads the next block: silence while nothing is played. `ratio` is how many samples are
    /// captured in place of each nominal one.
    pub(super) fn read(&mut self, block: &mut [f32], ratio: f64) {
        let rate = self.reference.rate;
        let played = f64::from_bits(self.reference.ratio.load(Relaxed));
        let back = self.place.drift / (f64::from(rate) * DRIFT_SECONDS);
        self.step = clock::whole_hertz(played, rate) / ratio + back;
        // Two more than are passed, to read between them.
        let needed = (self.beyond + self.step * block.len() as f64) as u64 + 2;
        let turn = u64::from(self.reference.turn.load(Relaxed));
        let behind = u64::from(rate / MARGINS_PER_SECOND) + turn;
        let there = self.reference.written.load(Acquire).saturating_sub(self.at);
        // Whoever has no place yet, or came too early for it, lets more wait, or would again.
        let is_lost = self.silent > 0 && self.place.usual.is_none();
        let wanted = needed + if is_lost { behind } else { 0 };
        if there < wanted {
            if self.silent == 0 && self.place.calm < CALM {
                self.place = Place::default();
            }
            self.place.calm = 0;
            self.silent = self.silent.saturating_add(1);
            return block.fill(0.0);
        }
        if self.silent >= REST || there > wanted + MOST {
            self.at += there - needed - behind.min(there - needed);
            self.place = Place::default();
        }
        self.silent = 0;
        self.place.calm = self.place.calm.saturating_add(1);
        for sample in block {
            *sample = self.between() as f32;
            self.beyond += self.step;
            let passed = self.beyond.floor();
            self.at += passed as u64;
            self.beyond -= passed;
        }
    }

    /// Reads between samples, along the cubic through the nearest four.
    fn between(&self) -> f64 {
        let x = self.beyond;
        let [a, b, c, d] =
            [u64::MAX, 0, 1, 2].map(|place| self.reference.sample(self.at.wrapping_add(place)));
        let curve = 3.0 * (b - c) + d - a;
        b + 0.5 * x * (c - a + x * (2.0 * a - 5.0 * b + 4.0 * c - d + x * curve))
    }
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
