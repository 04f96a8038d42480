//! What the owner of a box has done to all sound before it is heard: tone, channels, a ceiling.
//!
//! Invariant: real-time safe once made. What is off costs nothing and changes no sample; with a ceiling
//! no sample of a stream is above it, whatever comes.

mod equaliser;
mod limiter;

pub use equaliser::BANDS;

use equaliser::Equaliser;
use limiter::Limiter;

use super::{Nanos, duration_of};

/// What is done; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How much louder each band is, in dB, [`Self::QUIETEST_BAND`] to [`Self::LOUDEST_BAND`], from the
    /// lowest to the highest: around 100 Hz and below, 300 Hz, 1 kHz, 3 kHz, 8 kHz and above.
    pub equaliser: [i8; BANDS],
    /// Both channels play the mean of both.
    pub mono: bool,
    /// How much softer one channel is than the other, in percent: the right one if negative.
    pub balance: i8,
    /// What no sample exceeds, in dBFS, at most 0; anything goes without.
    pub ceiling: Option<i8>,
}

impl Shape {
    /// The most by which a band can be softer, in dB.
    pub const QUIETEST_BAND: i8 = -12;
    /// The most by which a band can be louder, in dB.
    pub const LOUDEST_BAND: i8 = 12;
    /// The lowest ceiling, in dBFS.
    pub const LOWEST_CEILING: i8 = -40;
}

/// Does it to one stream.
pub struct Shaper {
    channels: usize,
    rate: u32,
    equaliser: Option<Equaliser>,
    mono: bool,
    /// The factor of each channel.
    sides: Option<[f32; 2]>,
    limiter: Option<Limiter>,
}

impl Shaper {
    /// Makes one for a stream of so many Hz and channels, 1 or 2.
    pub fn new(shape: &Shape, rate: u32, channels: usize) -> Self {
        let stereo = channels == 2;
        let softer = 1.0 - f32::from(shape.balance.unsigned_abs().min(100)) / 100.0;
        let sides = match shape.balance {
            0 => None,
            ..0 => Some([1.0, softer]),
            1.. => Some([softer, 1.0]),
        };
        let level = |ceiling: i8| 10_f32.powf(f32::from(ceiling) / 20.0);
        Self {
            channels,
            rate,
            equaliser: Equaliser::new(&shape.equaliser, rate, channels),
            mono: shape.mono && stereo,
            sides: sides.filter(|_| stereo),
            limiter: shape
                .ceiling
                .map(|ceiling| Limiter::new(level(ceiling), rate, channels)),
        }
    }

    /// Returns by how much later sound comes out than it went in.
    pub fn delay(&self) -> Nanos {
        let frames = self.limiter.as_ref().map_or(0, Limiter::look_ahead);
        duration_of(frames as u64, self.rate)
    }

    /// Does it to interleaved frames.
    pub fn apply(&mut self, samples: &mut [f32]) {
        if let Some(equaliser) = &mut self.equaliser {
            equaliser.apply(samples);
        }
        if self.mono {
            for frame in samples.chunks_exact_mut(self.channels) {
                frame.fill((frame[0] + frame[1]) * 0.5);
            }
        }
        if let Some(sides) = self.sides {
            for frame in samples.chunks_exact_mut(self.channels) {
                frame[0] *= sides[0];
                frame[1] *= sides[1];
            }
        }
        if let Some(limiter) = &mut self.limiter {
            limiter.apply(samples);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::MILLISECOND;

    const RATE: u32 = 48_000;

    fn shaped(shape: &Shape, channels: usize, samples: &[f32]) -> Vec<f32> {
        let mut samples = samples.to_vec();
        Shaper::new(shape, RATE, channels).apply(&mut samples);
        samples
    }

    #[test]
    fn what_is_off_changes_nothing() {
        let samples: Vec<f32> = (0..2_000).map(|n| (n as f32).sin() * 3.0).collect();
        for channels in [1, 2] {
            assert_eq!(shaped(&Shape::default(), channels, &samples), samples);
            let shaper = Shaper::new(&Shape::default(), RATE, channels);
            assert_eq!(shaper.delay(), 0);
        }
    }

    #[test]
    fn one_driver_plays_both_channels() {
        let mono = Shape {
            mono: true,
            ..Shape::default()
        };
        assert_eq!(
            shaped(&mono, 2, &[1.0, 0.0, 0.5, -0.5]),
            [0.5, 0.5, 0.0, 0.0]
        );
        assert_eq!(shaped(&mono, 1, &[1.0, 0.0]), [1.0, 0.0]);
    }

    #[test]
    fn balance_softens_the_other_side() {
        for (balance, expected) in [(-100, [1.0, 0.0]), (25, [0.75, 1.0]), (100, [0.0, 1.0])] {
            let shape = Shape {
                balance,
                ..Shape::default()
            };
            assert_eq!(shaped(&shape, 2, &[1.0, 1.0]), expected, "{balance}");
            assert_eq!(shaped(&shape, 1, &[1.0, 1.0]), [1.0, 1.0]);
        }
    }

    #[test]
    fn a_ceiling_holds_behind_everything_else_and_tells_its_delay() {
        let shape = Shape {
            equaliser: [12; BANDS],
            mono: true,
            balance: 50,
            ceiling: Some(-6),
        };
        let samples: Vec<f32> = (0..20_000).map(|n| (n as f32 * 0.05).sin()).collect();
        let highest = shaped(&shape, 2, &samples)
            .into_iter()
            .map(f32::abs)
            .fold(0.0, f32::max);
        assert!((0.49..=0.5012).contains(&highest), "{highest}");
        let delay = Shaper::new(&shape, RATE, 2).delay();
        assert_eq!(delay, 5 * MILLISECOND);
    }
}
