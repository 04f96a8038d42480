//! What can be read off a voice link while it is up.
//!
//! Invariant: atomics only, each written by one thread; a reading is a glance, not a transaction.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The dials of one voice link.
#[derive(Debug, Default)]
pub struct VoiceMeters {
    pub(super) received: AtomicU64,
    pub(super) doubted: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) concealed_us: AtomicU64,
    pub(super) underruns: AtomicU32,
    pub(super) overruns: AtomicU32,
    pub(super) buffered: AtomicI64,
    pub(super) target: AtomicI64,
    pub(super) jitter: AtomicI64,
    pub(super) drift_ppm: AtomicI32,
    pub(super) sent: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) captured: AtomicI64,
    pub(super) capture_underruns: AtomicU32,
    pub(super) capture_overruns: AtomicU32,
}

/// What the dials of a voice link showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoiceReading {
    /// Packets that arrived.
    pub received: u64,
    /// Packets that the controller had doubts about, or nothing to put in.
    pub doubted: u64,
    /// Frames that never arrived.
    pub lost: u64,
    /// Frames that could not be decoded, or were in a packet that was doubted.
    pub damaged: u64,
    /// How much sound was made up in place of what was lost, damaged or late.
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
    /// How much faster the phone's clock runs than the sound card's, in parts per million.
    pub drift_ppm: i32,
    /// Packets that the kernel took for the phone.
    pub sent: u64,
    /// Packets that it did not take, and that are gone.
    pub unsent: u64,
    /// How long captured sound waits for its packet; zero while there is none.
    pub captured: Duration,
    /// How often there was too little of it.
    pub capture_underruns: u32,
    /// How often there was so much that the oldest was thrown away.
    pub capture_overruns: u32,
}

impl VoiceMeters {
    /// Reads all dials.
    pub fn read(&self) -> VoiceReading {
        let time = |dial: &AtomicI64| {
            Duration::from_nanos(u64::try_from(dial.load(Relaxed)).unwrap_or_default())
        };
        VoiceReading {
            received: self.received.load(Relaxed),
            doubted: self.doubted.load(Relaxed),
            lost: self.lost.load(Relaxed),
            damaged: self.damaged.load(Relaxed),
            concealed: Duration::from_micros(self.concealed_us.load(Relaxed)),
            underruns: self.underruns.load(Relaxed),
            overruns: self.overruns.load(Relaxed),
            buffered: time(&self.buffered),
            target: time(&self.target),
            jitter: time(&self.jitter),
            drift_ppm: self.drift_ppm.load(Relaxed),
            sent: self.sent.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            captured: time(&self.captured),
            capture_underruns: self.capture_underruns.load(Relaxed),
            capture_overruns: self.capture_overruns.load(Relaxed),
        }
    }
}
