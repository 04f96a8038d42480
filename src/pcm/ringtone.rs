//! The ring tone for calls whose phone sends none of its own.
//!
//! Invariant: real-time safe, for all that takes memory, a file or long arithmetic is done when it is
//! made, which is why that is not for the event loop; never a step: each ring begins and ends in
//! silence. It has no end; whoever plays it fades it out.

mod melody;

use super::conceal::rise;
use super::{Cycle, Pace, Recording, Source};

pub use melody::Melody;

/// How long a recording takes to become loud, and to fall silent, in milliseconds.
const EDGE_MS: usize = 5;
/// How long it is quiet before a recording begins anew, in milliseconds.
const PAUSE_MS: usize = 1_000;

/// Rings, pauses, and so on, in a single channel.
#[derive(Clone, Debug)]
pub struct RingTone {
    /// What sounds; the rest of the period is the pause.
    ring: Vec<f32>,
    rate: u32,
    /// In frames, as is where it is.
    period: usize,
    position: usize,
}

fn frames(rate: u32, ms: usize) -> usize {
    (rate as usize * ms / 1_000).max(1)
}

impl RingTone {
    /// Makes a built-in one for a stream with `rate` frames in a second; it begins with a ring.
    pub fn built_in(melody: Melody, rate: u32) -> Self {
        let period = frames(rate, melody.period_ms());
        let time = |frame: usize| frame as f64 / f64::from(rate);
        let mut ring: Vec<f32> = (0..period).map(|it| melody.sample(time(it))).collect();
        let sounds = ring.iter().rposition(|sample| *sample != 0.0);
        ring.truncate(sounds.map_or(0, |last| last + 1));
        ring.shrink_to_fit();
        Self {
            ring,
            rate,
            period,
            position: 0,
        }
    }

    /// Makes one of a recording, which is played over and over with a pause of a second.
    pub fn recorded(Recording { rate, mut samples }: Recording) -> Self {
        let edge = frames(rate, EDGE_MS);
        let length = samples.len();
        for (frame, sample) in samples.iter_mut().enumerate() {
            let nearest = frame.min(length - 1 - frame);
            *sample *= rise(nearest as f32 / edge as f32);
        }
        Self {
            period: length + frames(rate, PAUSE_MS),
            ring: samples,
            rate,
            position: 0,
        }
    }

    /// Returns how many frames it has in a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }
}

impl Source for RingTone {
    fn pull(&mut self, out: &mut [f32], _: Cycle) -> Pace {
        for sample in out {
            *sample = self.ring.get(self.position).copied().unwrap_or(0.0);
            self.position = (self.position + 1) % self.period;
        }
        Pace::NOMINAL
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    const RATES: [u32; 3] = [16_000, 44_100, 48_000];

    /// So many frames of it, pulled in pieces of `piece` frames.
    fn pulled(mut tone: RingTone, frames: usize, piece: usize) -> Vec<f32> {
        let mut sound = vec![f32::NAN; frames];
        for out in sound.chunks_mut(piece) {
            let cycle = Cycle { now: 0, delay: 0 };
            assert_eq!(tone.pull(out, cycle), Pace::NOMINAL);
        }
        sound
    }

    /// Two periods of a melody.
    fn heard(melody: Melody, rate: u32, piece: usize) -> Vec<f32> {
        let tone = RingTone::built_in(melody, rate);
        let frames = 2 * tone.period;
        pulled(tone, frames, piece)
    }

    fn loudest(sound: &[f32]) -> f32 {
        sound.iter().map(|sample| sample.abs()).fold(0.0, f32::max)
    }

    /// How much of a pitch is in a sound: 1 for a wave of full scale.
    fn share_of(pitch: f32, sound: &[f32], rate: u32) -> f32 {
        let turn = TAU * pitch / rate as f32;
        let (mut real, mut imaginary) = (0.0_f64, 0.0_f64);
        for (frame, sample) in sound.iter().enumerate() {
            let angle = f64::from(turn) * frame as f64;
            real += f64::from(*sample) * angle.cos();
            imaginary += f64::from(*sample) * angle.sin();
        }
        (real.hypot(imaginary) * 2.0 / sound.len() as f64) as f32
    }

    #[test]
    fn a_warble_rings_twice_and_pauses() {
        for rate in RATES {
            let sound = heard(Melody::Warble, rate, 480);
            let part = |from: usize, to: usize| {
                let frames = |ms: usize| rate as usize * ms / 1_000;
                loudest(&sound[frames(from)..frames(to)])
            };
            for ring in [0, 600] {
                assert!(part(ring, ring + 1) < 0.01, "{rate} {ring}");
                assert!(part(ring + 50, ring + 250) > 0.4, "{rate} {ring}");
                assert!(part(ring + 398, ring + 400) < 0.01, "{rate} {ring}");
            }
            assert_eq!((part(401, 600), part(1_001, 3_000)), (0.0, 0.0));
        }
    }

    #[test]
    fn each_is_loud_enough_begins_and_ends_in_silence_and_comes_again() {
        for melody in Melody::ALL {
            for rate in RATES {
                let sound = heard(melody, rate, 512);
                let (first, second) = sound.split_at(sound.len() / 2);
                assert_eq!(first, second, "{melody:?}");
                let loudest = loudest(first);
                assert!((0.4..=0.5).contains(&loudest), "{melody:?}: {loudest}");
                assert_eq!(first[0], 0.0);
                let sounds = first.iter().rposition(|it| it.abs() > 0.0).unwrap();
                let seconds = sounds as f32 / rate as f32;
                assert!((0.9..2.5).contains(&seconds), "{melody:?}: {seconds} s");
                assert!(first[sounds - 8..=sounds].iter().all(|it| it.abs() < 0.002));
            }
        }
    }

    #[test]
    fn none_has_steps() {
        for melody in Melody::ALL {
            let rate = 192_000;
            let sound = heard(melody, rate, 512);
            let steps = sound.windows(2).map(|w| (w[1] - w[0]).abs());
            let steepest = steps.fold(0.0, f32::max);
            // No more than a wave of the highest pitch that any of them has, as loud as can be.
            assert!(steepest < 0.5 * TAU * 5_700.0 / rate as f32, "{melody:?}");
        }
    }

    #[test]
    fn each_sounds_like_itself() {
        let rate = 48_000;
        let ring = |melody: Melody| heard(melody, rate, 512)[..rate as usize].to_vec();
        for (melody, pitches, foreign) in [
            (Melody::Warble, [659.26, 880.0], 1046.5),
            (Melody::Bell, [1046.5, 1318.5], 659.26),
            (Melody::Chime, [783.99, 523.25], 880.0),
            (Melody::Marimba, [783.99, 1046.5], 880.0),
        ] {
            let sound = ring(melody);
            for pitch in pitches {
                let (own, other) = (
                    share_of(pitch, &sound, rate),
                    share_of(foreign, &sound, rate),
                );
                assert!(
                    own > 0.02 && own > 4.0 * other,
                    "{melody:?} {pitch}: {own} {other}"
                );
            }
        }
    }

    #[test]
    fn no_memory_is_taken_for_the_pause() {
        for melody in Melody::ALL {
            let tone = RingTone::built_in(melody, 48_000);
            assert!(tone.ring.capacity() < 48_000 * 5 / 2, "{melody:?}");
            assert!(tone.period >= 3 * 48_000, "{melody:?}");
        }
    }

    #[test]
    fn the_length_of_a_turn_does_not_matter() {
        for melody in Melody::ALL {
            assert_eq!(heard(melody, 48_000, 64), heard(melody, 48_000, 1_023));
        }
    }

    #[test]
    fn each_is_found_by_its_name() {
        for melody in Melody::ALL {
            assert_eq!(Melody::named(melody.name()), Some(melody));
        }
        assert_eq!(Melody::named("Bell"), None);
        assert_eq!(Melody::default(), Melody::Warble);
    }

    #[test]
    fn a_recording_is_played_over_and_over_with_a_pause_and_without_a_click() {
        let samples = vec![1.0; 2_000];
        let rate = 8_000;
        let tone = RingTone::recorded(Recording { rate, samples });
        assert_eq!(tone.rate(), rate);
        let sound = pulled(tone, 20_000, 333);
        for ring in [0, 10_000] {
            let ring = &sound[ring..ring + 10_000];
            assert_eq!((ring[0], ring[1_999]), (0.0, 0.0));
            assert_eq!(ring[40..1_960], [1.0; 1_920]);
            assert_eq!(ring[2_000..], [0.0; 8_000]);
            let steps = ring.windows(2).map(|w| (w[1] - w[0]).abs());
            assert!(steps.fold(0.0, f32::max) < 0.05);
        }
    }

    #[test]
    fn a_recording_of_one_sample_is_silence() {
        let tone = RingTone::recorded(Recording {
            rate: 48_000,
            samples: vec![1.0],
        });
        assert_eq!(loudest(&pulled(tone, 96_000, 4_800)), 0.0);
    }
}
