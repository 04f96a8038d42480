//! What runs on PipeWire's real-time thread: one turn of one stream.
//!
//! Invariant: no allocation, lock, log or system call. What it shares with the rest of the program
//! is in [`Controls`], atomics only.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use pipewire::spa::sys::{SPA_IO_RATE_MATCH_FLAG_ACTIVE, spa_io_rate_match};
use pipewire::stream::Stream;
use pipewire::sys::{pw_stream_get_time_n, pw_time};

use crate::pcm::{Cycle, Nanos, Pace, SECOND, Source, duration_of};

use super::gain::Gain;
use super::hatch::Inlet;

/// How long a change of volume takes, in milliseconds.
const VOLUME_RAMP_MS: u32 = 20;
/// How long the last fade takes, in milliseconds.
const LAST_RAMP_MS: u32 = 10;

/// What the audio thread tells the real-time thread about a stream, and what it hears back.
pub(super) struct Controls {
    gain: AtomicU32,
    stopping: AtomicBool,
    silent: AtomicBool,
    /// PipeWire's own memory; null while it has lent us none.
    rate_match: AtomicPtr<spa_io_rate_match>,
}

impl Controls {
    pub(super) fn new(gain: f32) -> Self {
        Self {
            gain: AtomicU32::new(gain.to_bits()),
            stopping: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            rate_match: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(super) fn set_gain(&self, gain: f32) {
        self.gain.store(gain.to_bits(), Relaxed);
    }

    /// Takes the last fade back.
    pub(super) fn play(&self) {
        self.silent.store(false, Relaxed);
        self.stopping.store(false, Relaxed);
    }

    /// Asks for the last fade.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Says whether a whole turn of silence went out after the last fade.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Relaxed)
    }

    /// Takes the area through which the rate is matched, as PipeWire lent it.
    pub(super) fn set_rate_match(&self, area: *mut spa_io_rate_match) {
        self.rate_match.store(area, Release);
    }

    fn gain(&self) -> f32 {
        f32::from_bits(self.gain.load(Relaxed))
    }

    fn match_rate(&self, pace: Pace) {
        let area = self.rate_match.load(Acquire);
        if !area.is_null() {
            // SAFETY: PipeWire lends the area from the time it says so until it sets it to null,
            // and both it and we touch it on this thread only.
            unsafe {
                (*area).rate = pace.ratio().recip();
                (*area).flags |= SPA_IO_RATE_MATCH_FLAG_ACTIVE;
            }
        }
    }
}

/// One stream, as the real-time thread knows it.
pub(super) struct Turner {
    source: Option<Box<dyn Source + Send>>,
    inlet: Inlet,
    controls: Arc<Controls>,
    gain: Gain,
    rate: u32,
    channels: usize,
}

impl Turner {
    pub(super) fn new(inlet: Inlet, controls: Arc<Controls>, rate: u32, channels: u8) -> Self {
        let gain = Gain::new(controls.gain());
        Self {
            source: None,
            inlet,
            controls,
            gain,
            rate,
            channels: usize::from(channels),
        }
    }

    /// Fills one buffer.
    pub(super) fn process(&mut self, stream: &Stream) {
        let cycle = self.cycle(stream);
        let Some(mut buffer) = stream.dequeue_buffer() else {
            return;
        };
        let requested = usize::try_from(buffer.requested()).unwrap_or(0);
        let Some(data) = buffer.datas_mut().first_mut() else {
            return;
        };
        let stride = self.channels * size_of::<f32>();
        let mut frames = 0;
        if let Some(bytes) = data.data() {
            let room = bytes.len() / stride;
            frames = if requested == 0 {
                room
            } else {
                room.min(requested)
            };
            // SAFETY: any bytes are valid samples, and the slice is cut where they are aligned;
            // PipeWire aligns its buffers far better than that.
            let (_, samples, _) = unsafe { bytes[..frames * stride].align_to_mut::<f32>() };
            self.fill(samples, cycle);
        }
        let chunk = data.chunk_mut();
        *chunk.offset_mut() = 0;
        *chunk.stride_mut() = stride as i32;
        *chunk.size_mut() = (frames * stride) as u32;
    }

    fn fill(&mut self, samples: &mut [f32], cycle: Cycle) {
        self.inlet.take(&mut self.source);
        match &mut self.source {
            Some(source) => self.controls.match_rate(source.pull(samples, cycle)),
            None => samples.fill(0.0),
        }
        if self.controls.stopping.load(Relaxed) {
            if self.gain.is_silent() {
                self.inlet.give_back(&mut self.source);
                self.controls.silent.store(true, Relaxed);
            }
            self.gain.move_to(0.0, self.rate / 1000 * LAST_RAMP_MS);
        } else {
            let target = self.controls.gain();
            self.gain.move_to(target, self.rate / 1000 * VOLUME_RAMP_MS);
        }
        self.gain.apply(samples, self.channels);
    }

    /// Reads the graph's clock, and how long the way to the output is.
    fn cycle(&self, stream: &Stream) -> Cycle {
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
            delay: ticks(time.delay) + duration_of(time.buffered, self.rate),
        }
    }
}
