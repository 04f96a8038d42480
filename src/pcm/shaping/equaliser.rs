//! Five bands that are louder or softer: a shelf at each end and three bells between them.
//!
//! Second-order filters by the formulas of R. Bristow-Johnson's "Cookbook formulae for audio equalizer
//! biquad filter coefficients", in the transposed direct form II.
//!
//! Invariant: a band of 0 dB has no filter. What is left in a filter after silence is cleared before it
//! becomes so small that processors slow down.

use std::f64::consts::{SQRT_2, TAU};

/// How many bands there are.
pub const BANDS: usize = 5;

/// Hz: the corners of the shelves and the middles of the bells.
const FREQUENCIES: [f64; BANDS] = [100.0, 300.0, 1_000.0, 3_000.0, 8_000.0];
/// How wide a bell is: its frequency by its width. At a third of the gain each reaches to the next.
const QUALITY: f64 = 0.8;
/// No filter is nearer to half of the rate than this part of it.
const HIGHEST: f64 = 0.45;
/// Less than this is silence.
const NOTHING: f64 = 1e-20;

/// All of it, for one stream.
pub(super) struct Equaliser {
    channels: usize,
    filters: Vec<Filter>,
}

impl Equaliser {
    /// Makes one whose bands are so many dB louder; none if all are as they were.
    pub(super) fn new(gains: &[i8; BANDS], rate: u32, channels: usize) -> Option<Self> {
        let rate = f64::from(rate.max(1));
        let filters: Vec<_> = FREQUENCIES
            .iter()
            .zip(gains)
            .enumerate()
            .filter(|(_, (_, gain))| **gain != 0)
            .map(|(band, (frequency, gain))| {
                let frequency = frequency.min(HIGHEST * rate);
                Filter::new(band, frequency / rate, f64::from(*gain))
            })
            .collect();
        (!filters.is_empty()).then_some(Self { channels, filters })
    }

    /// Filters interleaved frames of one channel or two.
    pub(super) fn apply(&mut self, samples: &mut [f32]) {
        for filter in &mut self.filters {
            for frame in samples.chunks_exact_mut(self.channels) {
                for (sample, state) in frame.iter_mut().zip(&mut filter.states) {
                    *sample = filter.coefficients.pass(f64::from(*sample), state) as f32;
                }
            }
            for held in filter.states.as_flattened_mut() {
                if held.abs() < NOTHING {
                    *held = 0.0;
                }
            }
        }
    }
}

/// What a filter has in memory of one channel.
type State = [f64; 2];

struct Filter {
    coefficients: Coefficients,
    states: [State; 2],
}

impl Filter {
    /// Makes the one of a band, at a part of the rate, so many dB louder.
    fn new(band: usize, frequency: f64, gain: f64) -> Self {
        let amplitude = 10_f64.powf(gain / 40.0);
        let coefficients = match band {
            0 => Coefficients::shelf(frequency, amplitude, -1.0),
            4 => Coefficients::shelf(frequency, amplitude, 1.0),
            _ => Coefficients::bell(frequency, amplitude),
        };
        Self {
            coefficients,
            states: [[0.0; 2]; 2],
        }
    }
}

/// Of the input now and the two before, and of the two outputs before; the first output's is 1.
struct Coefficients {
    forward: [f64; 3],
    back: [f64; 2],
}

impl Coefficients {
    fn bell(frequency: f64, amplitude: f64) -> Self {
        let (sin, cos) = (TAU * frequency).sin_cos();
        let alpha = sin / (2.0 * QUALITY);
        Self::normal(
            [1.0 + alpha * amplitude, -2.0 * cos, 1.0 - alpha * amplitude],
            [1.0 + alpha / amplitude, -2.0 * cos, 1.0 - alpha / amplitude],
        )
    }

    /// As steep as can be without a bump: the low one with `side` -1, the high one with 1.
    fn shelf(frequency: f64, amplitude: f64, side: f64) -> Self {
        let (sin, cos) = (TAU * frequency).sin_cos();
        let alpha = sin / SQRT_2;
        let slope = 2.0 * amplitude.sqrt() * alpha;
        let (more, less) = (amplitude + 1.0, side * (amplitude - 1.0));
        Self::normal(
            [
                amplitude * (more + less * cos + slope),
                -2.0 * side * amplitude * (amplitude - 1.0 + side * more * cos),
                amplitude * (more + less * cos - slope),
            ],
            [
                more - less * cos + slope,
                2.0 * side * (amplitude - 1.0 - side * more * cos),
                more - less * cos - slope,
            ],
        )
    }

    fn normal(forward: [f64; 3], back: [f64; 3]) -> Self {
        Self {
            forward: forward.map(|each| each / back[0]),
            back: [back[1] / back[0], back[2] / back[0]],
        }
    }

    fn pass(&self, sample: f64, state: &mut State) -> f64 {
        let out = self.forward[0] * sample + state[0];
        state[0] = self.forward[1] * sample - self.back[0] * out + state[1];
        state[1] = self.forward[2] * sample - self.back[1] * out;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    /// By how many dB a tone is louder behind it, once it has settled.
    fn gain(gains: [i8; BANDS], rate: u32, frequency: f64) -> f64 {
        let count = rate as usize;
        let tone: Vec<f32> = (0..count)
            .map(|n| (TAU * frequency * n as f64 / f64::from(rate)).sin() as f32 * 0.1)
            .collect();
        let mut heard = tone.clone();
        if let Some(mut equaliser) = Equaliser::new(&gains, rate, 1) {
            equaliser.apply(&mut heard);
        }
        let power = |sound: &[f32]| -> f64 {
            let settled = &sound[count / 2..];
            settled.iter().map(|s| f64::from(*s).powi(2)).sum()
        };
        10.0 * (power(&heard) / power(&tone)).log10()
    }

    #[test]
    fn each_band_moves_its_own_sound_and_leaves_the_far_ones() {
        let places = [30.0, 300.0, 1_000.0, 3_000.0, 18_000.0];
        for band in 0..BANDS {
            for wanted in [-12, -3, 6, 12] {
                let mut gains = [0; BANDS];
                gains[band] = wanted;
                let there = gain(gains, RATE, places[band]);
                assert!((there - f64::from(wanted)).abs() < 0.7, "{band} {there}");
                let far = if band < 2 { 12_000.0 } else { 60.0 };
                let far = gain(gains, RATE, far);
                assert!(far.abs() < 0.7, "{band}: {far} dB far away");
            }
        }
    }

    #[test]
    fn what_is_flat_needs_no_filter() {
        assert!(Equaliser::new(&[0; BANDS], RATE, 2).is_none());
    }

    #[test]
    fn a_low_rate_is_no_trouble() {
        for frequency in [50.0, 3_500.0, 7_000.0] {
            let there = gain([12; BANDS], 16_000, frequency);
            assert!((3.0..30.0).contains(&there), "{there} dB at {frequency} Hz");
        }
    }

    #[test]
    fn channels_do_not_hear_each_other() {
        let mut equaliser = Equaliser::new(&[6, -6, 6, -6, 6], RATE, 2).unwrap();
        let mut samples = vec![0.0; 2_000];
        samples[0] = 1.0;
        equaliser.apply(&mut samples);
        assert!(
            samples
                .iter()
                .skip(1)
                .step_by(2)
                .all(|sample| *sample == 0.0)
        );
        assert!(samples[2] != 0.0);
    }

    #[test]
    fn silence_ends_it() {
        let mut equaliser = Equaliser::new(&[12; BANDS], RATE, 1).unwrap();
        let mut sound = vec![1.0; 480];
        equaliser.apply(&mut sound);
        for _ in 0..200 {
            sound.fill(0.0);
            equaliser.apply(&mut sound);
        }
        assert!(sound.iter().all(|sample| *sample == 0.0));
        let held = equaliser.filters.iter().flat_map(|it| it.states[0]);
        assert!(held.into_iter().all(|held| held == 0.0));
    }

    #[test]
    fn the_bands_lie_where_they_are_said_to() {
        let steps = FREQUENCIES.windows(2).map(|w| w[1] / w[0]);
        assert!(steps.clone().all(|step| (2.5..=3.5).contains(&step)));
    }
}
