//! The graph's clock as a stream reads it, and how the stream's own is matched to it.
//!
//! Invariant: as for all that runs on the real-time thread: no allocation, lock, log or system
//! call.

use std::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Release},
};

use pipewire::spa::sys::{SPA_IO_RATE_MATCH_FLAG_ACTIVE, spa_io_rate_match};
use pipewire::stream::Stream;
use pipewire::sys::{pw_stream_get_time_n, pw_time};

use crate::pcm::{Cycle, Nanos, SECOND, duration_of};

/// The area through which PipeWire's resampler between a stream and the graph is steered. It is
/// PipeWire's own memory; null while it has lent us none.
#[derive(Default)]
pub(super) struct RateMatch(AtomicPtr<spa_io_rate_match>);

impl RateMatch {
    /// Takes the area as PipeWire lent it; null when it took it back.
    pub(super) fn lend(&self, area: *mut spa_io_rate_match) {
        self.0.store(area, Release);
    }

    /// Sets how many frames come out of the resampler in place of each nominal one, for the same
    /// number of frames into it. For a stream that plays they come out towards the graph, for one
    /// that captures towards us. PipeWire 1.4 rounds the rate of what goes in down to whole hertz.
    pub(super) fn set(&self, rate: f64) {
        let area = self.0.load(Acquire);
        if !area.is_null() {
            // SAFETY: PipeWire lends the area from the time it says so until it sets it to null,
            // and both it and we touch it on the real-time thread only.
            unsafe {
                (*area).rate = rate;
                (*area).flags |= SPA_IO_RATE_MATCH_FLAG_ACTIVE;
            }
        }
    }
}

/// Returns how many samples go into PipeWire's resampler in place of each nominal one of `rate` Hz
/// when there should be `ratio`: what is left after 1.4 has rounded.
pub(super) fn whole_hertz(ratio: f64, rate: u32) -> f64 {
    let rate = f64::from(rate);
    (rate * ratio).floor() / rate
}

/// Reads the graph's clock, and how long the way is between a stream of `rate` Hz and the device at
/// the graph's edge: the way that is still to go for what is played, or that was come for what is
/// captured.
pub(super) fn cycle(stream: &Stream, rate: u32) -> Cycle {
    // SAFETY: pw_time is plain data; zero is what an old library leaves in newer fields.
    let mut time: pw_time = unsafe { std::mem::zeroed() };
    // SAFETY: the stream lives, `time` is as long as we say, and the call is real-time safe.
    unsafe { pw_stream_get_time_n(stream.as_raw_ptr(), &mut time, size_of::<pw_time>()) };
    let ticks = |count: i64| -> Nanos {
        let (num, denom) = (i64::from(time.rate.num), i64::from(time.rate.denom.max(1)));
        count.max(0) * num * SECOND / denom
    };
    Cycle {
        now: time.now,
        delay: ticks(time.delay) + duration_of(time.buffered, rate),
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn the_rate_goes_into_the_area_while_it_is_lent() {
        // SAFETY: plain data.
        let mut area: spa_io_rate_match = unsafe { std::mem::zeroed() };
        let rate_match = RateMatch::default();
        rate_match.set(0.9);
        rate_match.lend(&raw mut area);
        rate_match.set(1.001);
        rate_match.lend(ptr::null_mut());
        rate_match.set(0.9);
        assert_eq!(area.rate, 1.001);
        assert_eq!(area.flags, SPA_IO_RATE_MATCH_FLAG_ACTIVE);
    }

    #[test]
    fn rates_are_rounded_down_to_whole_hertz() {
        for (ratio, hertz) in [(1.0, 8_000.0), (1.0002, 8_001.0), (0.9999, 7_999.0)] {
            assert_eq!((whole_hertz(ratio, 8_000) * 8_000.0).round(), hertz);
            assert!(whole_hertz(ratio, 8_000) <= ratio);
        }
    }
}
