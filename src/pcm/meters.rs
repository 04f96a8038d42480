//! What can be read off a stream while it runs.
//!
//! Invariant: atomics only, each written by one thread; a reading is a glance, not a transaction.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The dials of one stream.
#[derive(Debug, Default)]
pub struct Meters {
    pub(crate) packets: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) concealed_us: AtomicU64,
    pub(crate) underruns: AtomicU32,
    pub(crate) overruns: AtomicU32,
    pub(crate) buffered: AtomicI64,
    pub(crate) target: AtomicI64,
    pub(crate) jitter: AtomicI64,
    pub(crate) delay: AtomicI64,
    pub(crate) pace_ppm: AtomicI32,
    pub(crate) drift_ppm: AtomicI32,
    pub(crate) bit_rate: AtomicU32,
}

/// What the dials of a stream showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Packets that arrived.
    pub packets: u64,
    /// Packets that never arrived.
    pub lost: u64,
    /// Packets, or frames within them, that could not be decoded.
    pub refused: u64,
    /// How much sound was made up in place of what was lost or late.
    pub concealed: Duration,
    /// How often the buffer ran dry.
    pub underruns: u32,
    /// How often it ran over.
    pub overruns: u32,
    /// How long a packet that comes in time waits in the buffer.
    pub buffered: Duration,
    /// How long it should.
    pub target: Duration,
    /// How late packets come, nearly all of them.
    pub jitter: Duration,
    /// From the arrival of a packet to the sound of it.
    pub delay: Duration,
    /// How much faster than its own clock the stream is played just now, in parts per million.
    pub pace_ppm: i32,
    /// How much faster the phone's clock runs than the sound card's, in parts per million.
    pub drift_ppm: i32,
    /// What the phone sends, in bits per second.
    pub bit_rate: u32,
}

impl Meters {
    /// Reads all dials.
    pub fn read(&self) -> Reading {
        let time = |dial: &AtomicI64| {
            Duration::from_nanos(u64::try_from(dial.load(Relaxed)).unwrap_or_default())
        };
        Reading {
            packets: self.packets.load(Relaxed),
            lost: self.lost.load(Relaxed),
            refused: self.refused.load(Relaxed),
            concealed: Duration::from_micros(self.concealed_us.load(Relaxed)),
            underruns: self.underruns.load(Relaxed),
            overruns: self.overruns.load(Relaxed),
            buffered: time(&self.buffered),
            target: time(&self.target),
            jitter: time(&self.jitter),
            delay: time(&self.delay),
            pace_ppm: self.pace_ppm.load(Relaxed),
            drift_ppm: self.drift_ppm.load(Relaxed),
            bit_rate: self.bit_rate.load(Relaxed),
        }
    }
}
