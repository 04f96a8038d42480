//! What runs on PipeWire's real-time thread for a stream that plays: one turn of it.
//!
//! Invariant: no allocation, lock, log or system call. What it shares with the rest of the program
//! is in [`Controls`], atomics only. Nothing that is heard ever jumps: neither the volume, nor the
//! hush on top of it, nor the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use pipewire::stream::Stream;

use crate::pcm::shaping::Shaper;
use crate::pcm::{Cycle, Source};

use super::clock::{self, RateMatch};
use super::gain::Gain;
use super::hatch::Inlet;
use super::reference::Reference;

/// How long a change of volume takes, in milliseconds.
const VOLUME_RAMP_MS: u32 = 20;
/// How long it takes until a stream is not heard because of something else, or heard again, in
/// milliseconds.
const HUSH_RAMP_MS: u32 = 50;
/// How long the last fade takes, in milliseconds.
const LAST_RAMP_MS: u32 = 10;

/// No longer than this a source waits until all its channels are linked, in milliseconds. It takes a
/// turn or two.
const LINKING_MS: u32 = 100;

/// How long it is silent before its sound is shaped otherwise, in milliseconds: longer than a shaper
/// keeps what was heard.
const UNHEARD_MS: u32 = 10;

/// What the audio thread tells the real-time thread about a stream, and what it hears back.
pub(super) struct Controls {
    gain: AtomicU32,
    hushed: AtomicBool,
    linked: AtomicBool,
    stopping: AtomicBool,
    silent: AtomicBool,
    rate_match: RateMatch,
}

impl Controls {
    pub(super) fn new(gain: f32, hushed: bool) -> Self {
        Self {
            gain: AtomicU32::new(gain.to_bits()),
            hushed: AtomicBool::new(hushed),
            linked: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            rate_match: RateMatch::default(),
        }
    }

    pub(super) fn set_gain(&self, gain: f32) {
        self.gain.store(gain.to_bits(), Relaxed);
    }

    /// Asks for silence whatever the gain, or takes that back.
    pub(super) fn hush(&self, on: bool) {
        self.hushed.store(on, Relaxed);
    }

    /// Says whether all channels are linked.
    pub(super) fn link(&self, on: bool) {
        self.linked.store(on, Relaxed);
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

    /// Where the area through which the rate is matched goes to, as PipeWire lends it.
    pub(super) fn rate_match(&self) -> &RateMatch {
        &self.rate_match
    }

    fn gain(&self) -> f32 {
        f32::from_bits(self.gain.load(Relaxed))
    }

    /// The factor on top of the gain.
    fn hush_gain(&self) -> f32 {
        if self.hushed.load(Relaxed) { 0.0 } else { 1.0 }
    }
}

/// One stream, as the real-time thread knows it.
pub(super) struct Turner {
    source: Option<Box<dyn Source + Send>>,
    inlet: Inlet<Box<dyn Source + Send>>,
    /// What is done to the sound behind the volume.
    shaper: Option<Box<Shaper>>,
    shaping: Inlet<Box<Shaper>>,
    controls: Arc<Controls>,
    gain: Gain,
    hush: Gain,
    rate: u32,
    channels: usize,
    /// Who has to know what is heard.
    reference: Option<Arc<Reference>>,
    /// How many samples are consumed in place of each nominal one.
    ratio: f64,
    /// For how many frames it has waited to be linked.
    waited: u32,
    /// For how many frames nothing has gone into the shaper.
    unheard: u32,
}

impl Turner {
    pub(super) fn new(
        (inlet, shaping): (Inlet<Box<dyn Source + Send>>, Inlet<Box<Shaper>>),
        controls: Arc<Controls>,
        (rate, channels): (u32, u8),
        reference: Option<Arc<Reference>>,
    ) -> Self {
        let gain = Gain::new(controls.gain());
        let hush = Gain::new(controls.hush_gain());
        Self {
            source: None,
            inlet,
            shaper: None,
            shaping,
            controls,
            gain,
            hush,
            rate,
            channels: usize::from(channels),
            reference,
            ratio: 1.0,
            waited: 0,
            unheard: 0,
        }
    }

    /// Fills one buffer.
    pub(super) fn process(&mut self, stream: &Stream) {
        let cycle = clock::cycle(stream, self.rate);
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
        let frames = samples.len() / self.channels;
        let waits = self.waits(frames);
        if self.source.is_none() || waits {
            // Nothing is heard that could jump (what is linked nowhere neither), and what begins now
            // must not be heard first.
            self.shaping.take(&mut self.shaper);
            self.hush = Gain::new(self.controls.hush_gain());
        } else if self.unheard >= self.frames(UNHEARD_MS) {
            self.shaping.take(&mut self.shaper);
        }
        self.inlet.take(&mut self.source);
        let later = self.shaper.as_ref().map_or(0, |shaper| shaper.delay());
        let cycle = Cycle {
            delay: cycle.delay + later,
            ..cycle
        };
        match &mut self.source {
            Some(source) if !waits => {
                self.ratio = source.pull(samples, cycle).ratio();
                // A source that is to go faster has more frames consumed for each that comes out.
                self.controls.rate_match.set(self.ratio.recip());
            }
            _ => samples.fill(0.0),
        }
        if self.controls.stopping.load(Relaxed) {
            if self.gain.is_silent() {
                self.inlet.give_back(&mut self.source);
                // By then the shaper has given back what it held of the fade as well.
                if self.unheard >= self.frames(UNHEARD_MS) {
                    self.controls.silent.store(true, Relaxed);
                }
            }
            self.gain.move_to(0.0, self.frames(LAST_RAMP_MS));
        } else {
            let target = self.controls.gain();
            self.gain.move_to(target, self.frames(VOLUME_RAMP_MS));
        }
        // Another shape begins unheard.
        let hush = if self.shaping.has_fresh() {
            0.0
        } else {
            self.controls.hush_gain()
        };
        self.hush.move_to(hush, self.frames(HUSH_RAMP_MS));
        let began = self.gain.is_silent() || self.hush.is_silent();
        self.gain.apply(samples, self.channels);
        self.hush.apply(samples, self.channels);
        self.unheard = if began && (self.gain.is_silent() || self.hush.is_silent()) {
            self.unheard.saturating_add(frames as u32)
        } else {
            0
        };
        if let Some(shaper) = &mut self.shaper {
            shaper.apply(samples);
        }
        if let Some(reference) = &self.reference {
            reference.write(samples, self.ratio, cycle.now);
        }
    }

    /// Says whether a turn of so many frames would not be heard on every channel.
    fn waits(&mut self, frames: usize) -> bool {
        if self.controls.linked.load(Relaxed) {
            self.waited = 0;
            return false;
        }
        let waits = self.waited < self.frames(LINKING_MS);
        if waits {
            self.waited += frames as u32;
        }
        waits
    }

    fn frames(&self, ms: u32) -> u32 {
        self.rate / 1000 * ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::hatch::{Hatch, hatch};
    use crate::pcm::Pace;
    use crate::pcm::shaping::Shape;

    const RATE: u32 = 48_000;
    /// The hush ramp in frames.
    const RAMP: usize = 2_400;

    /// Plays the same sample for ever.
    struct Steady(f32);

    impl Source for Steady {
        fn pull(&mut self, out: &mut [f32], _: Cycle) -> Pace {
            out.fill(self.0);
            Pace::NOMINAL
        }
    }

    struct Bench {
        hatch: Hatch<Box<dyn Source + Send>>,
        shapers: Hatch<Box<Shaper>>,
        controls: Arc<Controls>,
        turner: Turner,
    }

    impl Bench {
        fn new(gain: f32, hushed: bool) -> Self {
            let (sources, inlet) = hatch();
            let (shapers, shaping) = hatch();
            let controls = Arc::new(Controls::new(gain, hushed));
            controls.link(true);
            let inlets = (inlet, shaping);
            let turner = Turner::new(inlets, Arc::clone(&controls), (RATE, 1), None);
            Self {
                hatch: sources,
                shapers,
                controls,
                turner,
            }
        }

        fn play(&mut self, sample: f32) {
            self.controls.play();
            assert!(self.hatch.hand(Box::new(Steady(sample))).is_ok());
        }

        /// What is heard in so many frames, in turns of 5 ms.
        fn heard(&mut self, frames: usize) -> Vec<f32> {
            let mut out = vec![f32::NAN; frames];
            for turn in out.chunks_mut(240) {
                self.turner.fill(turn, Cycle { now: 0, delay: 0 });
            }
            out
        }
    }

    fn largest_step(sound: &[f32]) -> f32 {
        let steps = sound.windows(2).map(|w| (w[1] - w[0]).abs());
        steps.fold(0.0, f32::max)
    }

    #[test]
    fn a_hush_fades_out_and_in_whatever_the_volume_does_meanwhile() {
        let mut bench = Bench::new(0.8, false);
        bench.play(1.0);
        let mut sound = bench.heard(480);
        assert_eq!(sound, [0.8; 480]);
        bench.controls.hush(true);
        sound.extend(bench.heard(RAMP + 240));
        assert!(sound[480 + RAMP / 2] > 0.3);
        assert_eq!(bench.heard(480), [0.0; 480]);
        bench.controls.set_gain(0.25);
        assert_eq!(bench.heard(4_800), [0.0; 4_800]);
        bench.controls.hush(false);
        sound.extend(bench.heard(RAMP + 240));
        assert!(largest_step(&sound) < 1.0 / 2_300.0);
        assert_eq!(bench.heard(240), [0.25; 240]);
    }

    #[test]
    fn a_hush_taken_back_on_the_way_turns_round() {
        let mut bench = Bench::new(1.0, false);
        bench.play(1.0);
        let mut sound = bench.heard(240);
        for on in [true, false, true, false] {
            bench.controls.hush(on);
            sound.extend(bench.heard(960));
        }
        sound.extend(bench.heard(2 * RAMP));
        assert!(largest_step(&sound) < 1.0 / 2_300.0);
        assert_eq!(sound.last(), Some(&1.0));
    }

    #[test]
    fn what_is_played_while_hushed_is_not_heard_from_its_first_sample_on() {
        for begun_hushed in [true, false] {
            let mut bench = Bench::new(1.0, begun_hushed);
            assert_eq!(bench.heard(480), [0.0; 480]);
            bench.controls.hush(true);
            bench.play(1.0);
            assert_eq!(bench.heard(480), [0.0; 480]);
            bench.play(0.5);
            assert_eq!(bench.heard(480), [0.0; 480]);
        }
    }

    #[test]
    fn a_hush_that_ended_in_silence_holds_nothing_back() {
        let mut bench = Bench::new(1.0, true);
        bench.play(1.0);
        bench.heard(480);
        bench.controls.stop();
        bench.heard(1_440);
        assert!(bench.controls.is_silent());
        bench.controls.hush(false);
        bench.play(1.0);
        // No longer than the ramp back from the last fade.
        assert_eq!(bench.heard(1_200)[1_000..], [1.0; 200]);
    }

    /// Counts up, one with each turn.
    struct Counting(f32);

    impl Source for Counting {
        fn pull(&mut self, out: &mut [f32], _: Cycle) -> Pace {
            self.0 += 1.0;
            out.fill(self.0);
            Pace::NOMINAL
        }
    }

    #[test]
    fn what_is_not_linked_on_all_channels_waits() {
        let mut bench = Bench::new(1.0, false);
        bench.controls.link(false);
        assert!(bench.hatch.hand(Box::new(Counting(0.0))).is_ok());
        assert_eq!(bench.heard(480), [0.0; 480]);
        bench.controls.link(true);
        assert_eq!(bench.heard(240), [1.0; 240]);
        bench.controls.link(false);
        assert_eq!(bench.heard(240), [0.0; 240]);
        bench.controls.link(true);
        assert_eq!(bench.heard(240), [2.0; 240]);
    }

    #[test]
    fn what_is_never_linked_on_all_channels_does_not_wait_for_ever() {
        let mut bench = Bench::new(1.0, false);
        bench.controls.link(false);
        bench.play(1.0);
        assert_eq!(bench.heard(4_800), [0.0; 4_800]);
        assert_eq!(bench.heard(240), [1.0; 240]);
    }

    #[test]
    fn what_waits_can_be_stopped() {
        let mut bench = Bench::new(1.0, false);
        bench.controls.link(false);
        bench.play(1.0);
        bench.heard(240);
        bench.controls.stop();
        bench.heard(1_440);
        assert!(bench.controls.is_silent());
    }

    fn shape(bench: &mut Bench, shape: &Shape) {
        let shaper = Box::new(Shaper::new(shape, RATE, 1));
        assert!(bench.shapers.hand(shaper).is_ok());
    }

    #[test]
    fn another_shape_begins_unheard_and_is_heard_without_a_jump() {
        let mut bench = Bench::new(1.0, false);
        let low = Shape {
            ceiling: Some(-6),
            ..Shape::default()
        };
        shape(&mut bench, &low);
        bench.play(1.0);
        let half = 10_f32.powf(-0.3);
        assert_eq!(
            bench.heard(960)[480..],
            [half; 480],
            "the first is there at once"
        );
        let mut sound = vec![half];
        shape(&mut bench, &Shape::default());
        sound.extend(bench.heard(4 * RAMP));
        assert!(largest_step(&sound) < 1.0 / 2_300.0);
        assert_eq!(bench.heard(240), [1.0; 240]);
        bench.shapers.sweep();
        shape(&mut bench, &low);
        let mut sound = vec![1.0];
        sound.extend(bench.heard(6 * RAMP));
        assert!(largest_step(&sound) < 1.0 / 1_000.0);
        assert!((bench.heard(240)[239] - half).abs() < 1e-4);
    }

    /// Tells the delay it is told.
    struct Delayed(Arc<AtomicU32>);

    impl Source for Delayed {
        fn pull(&mut self, out: &mut [f32], cycle: Cycle) -> Pace {
            self.0.store(cycle.delay as u32, Relaxed);
            out.fill(0.0);
            Pace::NOMINAL
        }
    }

    #[test]
    fn what_a_shape_takes_is_told_as_delay() {
        let mut bench = Bench::new(1.0, false);
        let told = Arc::new(AtomicU32::new(1));
        let source = Box::new(Delayed(Arc::clone(&told)));
        assert!(bench.hatch.hand(source).is_ok());
        bench.heard(240);
        assert_eq!(told.load(Relaxed), 0);
        let shaped = Shape {
            ceiling: Some(0),
            ..Shape::default()
        };
        shape(&mut bench, &shaped);
        bench.heard(3 * RAMP);
        assert_eq!(told.load(Relaxed), 5_000_000);
    }
}
