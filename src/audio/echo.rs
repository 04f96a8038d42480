//! Taking out of what the microphone hears what the other end of the call said, so that it does not
//! hear itself.
//!
//! Invariant: whoever gets the rest gets as many samples in each turn as were captured, a block and
//! the canceller's own few milliseconds later, and gets the sound of the room also while nothing is
//! played. As for all that runs on the real-time thread, nothing here allocates, locks, logs or asks
//! the system.
//!
//! This is WebRTC's canceller in PipeWire's plugin for it, without PipeWire's module around it: up
//! to 1.4 that one pairs what is captured with what is played by the order in which the two began,
//! keeps for good whatever came too early of either, and says nothing at all while nothing is
//! played. Here they are paired in [`reference`](super::reference).
//!
//! ```text
//! voice ─▶ Turner ──▶ stream ─▶ loudspeaker ~~ room ~~▶ microphone
//!             └─▶ Reference ─▶ Far ─▶ Canceller ◀─ EchoFree ◀─┘
//!                                         └─▶ Bass ─▶ the phone
//! ```

use std::f64::consts::{PI, SQRT_2};
use std::sync::Arc;

use crate::pcm::{Cycle, Pace, Sink, duration_of};

use super::canceller::{Canceller, block};
use super::reference::{Far, Reference};

/// More than any turn of a graph has; what has more is passed on in pieces.
const TURN: usize = 8192;

/// Takes a reference out of what is captured, and passes the rest on.
pub(super) struct EchoFree<C> {
    sink: Box<dyn Sink + Send>,
    far: Far,
    /// Leaves in the last what is left of the first without the second: a block of each.
    cancel: C,
    rate: u32,
    near: Box<[f32]>,
    played: Box<[f32]>,
    rest: Box<[f32]>,
    /// How much of the block is captured; so much of the rest of the last one is passed on.
    at: usize,
    bass: Bass,
    turn: Box<[f32]>,
    /// How many samples are captured in place of each nominal one.
    ratio: f64,
}

/// Makes a sink that passes on to `sink` what is pushed into it at `rate` Hz, without what comes back
/// of what `reference` has. The canceller is one for that rate.
pub(super) fn echo_free(
    sink: Box<dyn Sink + Send>,
    reference: &Arc<Reference>,
    mut canceller: Canceller,
    rate: u32,
) -> Box<dyn Sink + Send> {
    let far = Far::new(Arc::clone(reference));
    let cancel = move |near: &[f32], played: &mut [f32], rest: &mut [f32]| {
        canceller.run(near, played, rest);
    };
    Box::new(EchoFree::new(sink, far, rate, cancel))
}

impl<C: FnMut(&[f32], &mut [f32], &mut [f32])> EchoFree<C> {
    fn new(sink: Box<dyn Sink + Send>, far: Far, rate: u32, cancel: C) -> Self {
        let silence = |samples| vec![0.0; samples].into_boxed_slice();
        Self {
            sink,
            far,
            cancel,
            rate,
            near: silence(block(rate)),
            played: silence(block(rate)),
            rest: silence(block(rate)),
            at: 0,
            bass: Bass::new(rate),
            turn: silence(TURN),
            ratio: 1.0,
        }
    }

    /// Takes a sample in, and gives out the one that came a block before.
    fn pass(&mut self, sample: f32) -> f32 {
        let out = self.bass.pass(self.rest[self.at]);
        self.near[self.at] = sample;
        self.at += 1;
        if self.at == self.near.len() {
            self.at = 0;
            self.far.read(&mut self.played, self.ratio);
            (self.cancel)(&self.near, &mut self.played, &mut self.rest);
        }
        out
    }
}

impl<C: FnMut(&[f32], &mut [f32], &mut [f32]) + Send> Sink for EchoFree<C> {
    fn push(&mut self, samples: &[f32], cycle: Cycle) -> Pace {
        self.far.follow(cycle.now, self.at);
        let cycle = Cycle {
            now: cycle.now,
            delay: cycle.delay + duration_of(self.near.len() as u64, self.rate),
        };
        if samples.is_empty() {
            return self.sink.push(samples, cycle);
        }
        let mut pace = Pace::NOMINAL;
        for piece in samples.chunks(TURN) {
            for (n, sample) in piece.iter().enumerate() {
                self.turn[n] = self.pass(*sample);
            }
            pace = self.sink.push(&self.turn[..piece.len()], cycle);
        }
        self.ratio = pace.ratio();
        pace
    }
}

/// Gives back the bass that the canceller took.
///
/// WebRTC cuts below 100 Hz where it cancels echo, as a Butterworth of the second order, which also
/// turns the phase up to 500 Hz: voices sound thin, and unlike themselves. This has the inverse of
/// it, and the same again at a frequency that no voice reaches.
struct Bass {
    now: f64,
    /// For the last samples that went in and came out.
    before: [f64; 2],
    after: [f64; 2],
    state: [f64; 2],
}

impl Bass {
    /// What WebRTC cuts below, and what is to be left of that, in Hz.
    const TAKEN: f64 = 100.0;
    const LEFT: f64 = 40.0;

    fn new(rate: u32) -> Self {
        let (gain, before) = high_pass(Self::TAKEN, rate);
        let (left, after) = high_pass(Self::LEFT, rate);
        let now = left / gain;
        Self {
            now,
            before: before.map(|factor| factor * now),
            after,
            state: [0.0; 2],
        }
    }

    fn pass(&mut self, sample: f32) -> f32 {
        let sample = f64::from(sample);
        let out = self.now * sample + self.state[0];
        self.state[0] = self.before[0] * sample - self.after[0] * out + self.state[1];
        self.state[1] = self.before[1] * sample - self.after[1] * out;
        out as f32
    }
}

/// Returns a Butterworth high pass of the second order: its gain, and what is fed back of the last
/// two samples. What goes in is the second difference.
fn high_pass(hertz: f64, rate: u32) -> (f64, [f64; 2]) {
    let w = (PI * hertz / f64::from(rate)).tan();
    let gain = (1.0 + SQRT_2 * w + w * w).recip();
    let after = [2.0 * (w * w - 1.0), 1.0 - SQRT_2 * w + w * w];
    (gain, after.map(|factor| factor * gain))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::pcm::MILLISECOND;

    const RATE: u32 = 16_000;

    /// Keeps what it gets.
    struct Kept(Sender<(Vec<f32>, Cycle)>);

    impl Sink for Kept {
        fn push(&mut self, samples: &[f32], cycle: Cycle) -> Pace {
            self.0.send((samples.to_vec(), cycle)).unwrap();
            Pace { ppm: 70.0 }
        }
    }

    type Bench<C> = (EchoFree<C>, Arc<Reference>, Receiver<(Vec<f32>, Cycle)>);

    fn bench<C: FnMut(&[f32], &mut [f32], &mut [f32])>(cancel: C) -> Bench<C> {
        let (sender, kept) = channel();
        let reference = Arc::new(Reference::new(RATE));
        let far = Far::new(Arc::clone(&reference));
        let mut free = EchoFree::new(Box::new(Kept(sender)), far, RATE, cancel);
        // Bass that is neither taken nor given back.
        free.bass = Bass {
            now: 1.0,
            before: [0.0; 2],
            after: [0.0; 2],
            state: [0.0; 2],
        };
        (free, reference, kept)
    }

    fn counted(samples: std::ops::Range<u32>) -> Vec<f32> {
        samples.map(|n| n as f32).collect()
    }

    #[test]
    fn turns_keep_their_length_and_come_a_block_later() {
        let (mut free, _, kept) = bench(|near, _, rest| rest.copy_from_slice(near));
        let mut pushed = 0;
        let mut heard = Vec::new();
        for turn in [85, 86, 1, 0, 159, 160, 500, 20_000, 85] {
            let sound = counted(pushed..pushed + turn);
            pushed += turn;
            let cycle = Cycle {
                now: 7,
                delay: MILLISECOND,
            };
            let pace = free.push(&sound, cycle);
            let mut got = 0;
            while let Ok((samples, at)) = kept.try_recv() {
                assert_eq!((at.now, at.delay), (7, 11 * MILLISECOND));
                got += samples.len();
                heard.extend(samples);
            }
            assert_eq!(got, sound.len());
            assert_eq!(pace.ppm, 70.0);
        }
        assert_eq!(heard[..160], [0.0; 160]);
        assert_eq!(heard[160..], counted(0..pushed - 160));
    }

    #[test]
    fn what_was_played_meanwhile_is_there_to_be_taken_out() {
        let (mut free, reference, kept) = bench(|near, played, rest| {
            for ((rest, near), played) in rest.iter_mut().zip(near).zip(played) {
                *rest = near - *played;
            }
        });
        for turn in 0..1_000 {
            let cycle = Cycle {
                now: turn * 5 * MILLISECOND,
                delay: 0,
            };
            reference.write(&[0.5; 80], 1.0, cycle.now);
            free.push(&[if turn < 10 { 0.0 } else { 0.75 }; 80], cycle);
        }
        let heard: Vec<f32> = kept.try_iter().flat_map(|(samples, _)| samples).collect();
        assert_eq!(heard[1_600..], [0.25; 80_000 - 1_600]);
    }

    #[test]
    fn bass_comes_back_as_it_was_but_for_what_nobody_says() {
        for rate in [8_000, 16_000, 32_000] {
            for (hertz, least) in [(10.0, -30.0), (60.0, -1.5), (120.0, -0.1), (1_000.0, -0.01)] {
                let mut bass = Bass::new(rate);
                let (gain, [after, last]) = high_pass(Bass::TAKEN, rate);
                let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
                let mut power = 0.0;
                for n in 0..2 * rate {
                    let now = (2.0 * PI * hertz * f64::from(n) / f64::from(rate)).sin();
                    let cut = gain * (now - 2.0 * x[0] + x[1]) - after * y[0] - last * y[1];
                    (x, y) = ([now, x[0]], [cut, y[0]]);
                    let back = f64::from(bass.pass(cut as f32));
                    if n >= rate {
                        power += 2.0 * back * back / f64::from(rate);
                    }
                }
                let level = 10.0 * power.log10();
                let most = if hertz < 20.0 { -20.0 } else { 0.05 };
                assert!(
                    (least..most).contains(&level),
                    "{hertz} Hz at {rate}: {level} dB"
                );
            }
        }
    }
}
