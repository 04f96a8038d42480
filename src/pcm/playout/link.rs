//! What the thread that receives and the thread that plays tell each other.
//!
//! Invariant: one atomic per fact, each written by one side only. Together with the ring this is
//! all they share; neither ever waits for the other.
//!
//! Playing is described by a *line*: frame `m` of the stream is played at `offset + m / rate`. The
//! player says which line it is on; the receiver says from which line on it may begin.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32,
    Ordering::{Relaxed, SeqCst},
};

use crate::pcm::{Nanos, Pace};

use super::buffer::Playout;

/// Stands for "not playing" and for "not yet".
const NEVER: Nanos = Nanos::MAX;

/// The facts.
#[derive(Debug)]
pub struct Link {
    // Written by the receiver.
    begin: AtomicI64,
    pace: AtomicU32,
    flush: AtomicBool,
    // Written by the player.
    offset: AtomicI64,
    period: AtomicI64,
    delay: AtomicI64,
    underruns: AtomicU32,
    concealed: AtomicU32,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            begin: AtomicI64::new(NEVER),
            pace: AtomicU32::new(0),
            flush: AtomicBool::new(false),
            offset: AtomicI64::new(NEVER),
            period: AtomicI64::new(0),
            delay: AtomicI64::new(0),
            underruns: AtomicU32::new(0),
            concealed: AtomicU32::new(0),
        }
    }

    /// Receiver: play on line `begin` or any later one, at this pace.
    pub fn order(&self, begin: Nanos, pace: Pace) {
        self.begin.store(begin, Relaxed);
        self.pace.store(pace.ppm.to_bits(), Relaxed);
    }

    /// Receiver: what is in the ring is of no use any more.
    pub fn flush(&self) {
        self.begin.store(NEVER, Relaxed);
        self.flush.store(true, SeqCst);
    }

    /// Player: asks whether to empty the ring; asked once, answered once.
    pub(super) fn take_flush(&self) -> bool {
        // Looked at first, because a swap costs the other core its cache line on every turn.
        self.flush.load(Relaxed) && self.flush.swap(false, SeqCst)
    }

    /// Player: asks from which line on it may begin.
    pub(super) fn begin(&self) -> Nanos {
        self.begin.load(Relaxed)
    }

    /// Player: asks how fast to go.
    pub(super) fn pace(&self) -> Pace {
        Pace {
            ppm: f32::from_bits(self.pace.load(Relaxed)),
        }
    }

    /// Player: tells where it is; no offset while it is not playing.
    pub(super) fn tell(&self, offset: Option<Nanos>, period: Nanos, delay: Nanos) {
        self.period.store(period, Relaxed);
        self.delay.store(delay, Relaxed);
        self.offset.store(offset.unwrap_or(NEVER), Relaxed);
    }

    /// Player: the ring ran dry.
    pub(super) fn count_underrun(&self) {
        self.underruns.fetch_add(1, Relaxed);
    }

    /// Player: so many frames were made up.
    pub(super) fn count_concealed(&self, frames: usize) {
        self.concealed.fetch_add(frames as u32, Relaxed);
    }

    /// Receiver: asks where the player is.
    pub fn playout(&self) -> Playout {
        let offset = self.offset.load(Relaxed);
        Playout {
            offset: (offset != NEVER).then_some(offset),
            period: self.period.load(Relaxed),
            delay: self.delay.load(Relaxed),
            underruns: self.underruns.load(Relaxed),
        }
    }

    /// Receiver: takes the number of frames made up since it last asked.
    pub fn take_concealed(&self) -> u32 {
        self.concealed.swap(0, Relaxed)
    }
}
