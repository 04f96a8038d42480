//! The microphone's end of the way to the phone: what PipeWire's real-time thread pushes into.
//!
//! Invariant: real-time safe. It puts what was picked up into the ring, says on which line it is, and
//! passes on how fast the thread wants more. One atomic per fact, each written by one side only.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

use crate::pcm::{Cycle, Nanos, Pace, Reader, Sink, Writer, duration_of, ring};

/// What the ring holds, in milliseconds: more than any turn of a graph and any target.
const RING_MS: u32 = 400;

/// Stands for "not yet".
const NEVER: Nanos = Nanos::MAX;

/// What the two ends tell each other.
#[derive(Debug)]
pub(super) struct Tap {
    // Written by the sink.
    line: AtomicI64,
    period: AtomicI64,
    // Written by the thread.
    pace: AtomicU32,
}

/// How samples came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Sample `m` was picked up at `line + m / rate`.
    pub(super) line: Nanos,
    /// How long one turn of the audio graph is.
    pub(super) period: Nanos,
}

impl Tap {
    /// Thread: asks how samples come; nothing before the first.
    pub(super) fn told(&self) -> Option<Told> {
        let line = self.line.load(Relaxed);
        (line != NEVER).then(|| Told {
            line,
            period: self.period.load(Relaxed),
        })
    }

    /// Thread: wants samples at this pace.
    pub(super) fn order(&self, pace: Pace) {
        self.pace.store(pace.ppm.to_bits(), Relaxed);
    }
}

/// The thread's end of the way.
pub(super) struct Inlet {
    pub(super) ring: Reader,
    pub(super) tap: Arc<Tap>,
}

/// Takes what was picked up.
pub(super) struct Capture {
    ring: Writer,
    tap: Arc<Tap>,
    rate: u32,
    /// Samples put into the ring so far.
    written: u64,
}

/// Makes a way for captured sound of `rate`.
pub(super) fn capture(rate: u32) -> (Capture, Inlet) {
    let (writer, reader) = ring(1, (rate / 1000 * RING_MS) as usize);
    let tap = Arc::new(Tap {
        line: AtomicI64::new(NEVER),
        period: AtomicI64::new(0),
        pace: AtomicU32::new(0),
    });
    let capture = Capture {
        ring: writer,
        tap: Arc::clone(&tap),
        rate,
        written: 0,
    };
    (capture, Inlet { ring: reader, tap })
}

impl Sink for Capture {
    fn push(&mut self, samples: &[f32], cycle: Cycle) -> Pace {
        // A ring that runs over is one that nobody takes from, and whoever begins to drops the
        // oldest.
        if self.ring.push(samples).is_ok() {
            self.written += samples.len() as u64;
        }
        if !samples.is_empty() {
            let period = duration_of(samples.len() as u64, self.rate);
            self.tap.period.store(period, Relaxed);
            let line = cycle.now - duration_of(self.written, self.rate);
            self.tap.line.store(line, Relaxed);
        }
        Pace {
            ppm: f32::from_bits(self.tap.pace.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::{MILLISECOND, SECOND};

    #[test]
    fn what_is_pushed_is_told_and_paced() {
        let (mut capture, mut inlet) = capture(16_000);
        let at = |now: Nanos| Cycle { now, delay: 0 };
        assert_eq!(inlet.tap.told(), None);
        assert_eq!(capture.push(&[], at(SECOND)), Pace::NOMINAL);
        assert_eq!(inlet.tap.told(), None);
        capture.push(&[0.25; 80], at(SECOND));
        inlet.tap.order(Pace { ppm: -70.0 });
        let pace = capture.push(&[0.5; 160], at(SECOND + 10 * MILLISECOND));
        assert_eq!(pace, Pace { ppm: -70.0 });
        let told = Told {
            line: SECOND - 5 * MILLISECOND,
            period: 10 * MILLISECOND,
        };
        assert_eq!(inlet.tap.told(), Some(told));
        let mut sound = [0.0; 300];
        assert_eq!(inlet.ring.pop(&mut sound), 240);
        assert_eq!((sound[79], sound[80], sound[239]), (0.25, 0.5, 0.5));
    }

    #[test]
    fn a_ring_that_nobody_takes_from_keeps_its_numbers() {
        let (mut capture, mut inlet) = capture(8_000);
        for turn in 0..100 {
            let now = turn * 10 * MILLISECOND;
            capture.push(&[0.5; 80], Cycle { now, delay: 0 });
        }
        assert_eq!(inlet.ring.level(), 3200);
        let told = inlet.tap.told().unwrap();
        assert_eq!(told.line, 990 * MILLISECOND - 400 * MILLISECOND);
        assert_eq!(inlet.ring.skip(3200), 3200);
    }
}
