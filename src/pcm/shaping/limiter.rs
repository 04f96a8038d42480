//! A ceiling: what would be above it is turned down before it comes, and up again after it.
//!
//! The gain that each frame needs is known [`LOOK_AHEAD_MS`] before it is played. The gain of a moment is
//! the mean, over as long, of the least that any frame within reach needs; so it moves without a corner,
//! and has arrived when the frame that needs it is played.
//!
//! Invariant: no frame that comes out is above the ceiling; what never was above it comes out as it went
//! in; all channels have the same gain, so that nothing moves to the side.

/// How early a loud frame is known, in milliseconds: shorter, and turning down would be heard as a click.
const LOOK_AHEAD_MS: u32 = 5;
/// How long it takes until two thirds of what was turned down are back, in milliseconds.
const RELEASE_MS: f32 = 100.0;
/// A gain of 1. Gains are whole numbers, so that their sum stays exact for years.
const FULL: u32 = 1 << 30;

/// Holds one stream below the ceiling.
pub(super) struct Limiter {
    channels: usize,
    ceiling: f32,
    /// The part of what is missing that comes back with each frame.
    release: f32,
    /// The frames that wait, and where the oldest is.
    waiting: Vec<f32>,
    /// The gain over the last frames that are waiting, whose mean is applied.
    gains: Vec<u32>,
    /// The sum of those.
    sum: u64,
    place: usize,
    needs: Least,
    gain: u32,
}

impl Limiter {
    /// Makes one with a ceiling above 0, for a stream of so many Hz and channels.
    pub(super) fn new(ceiling: f32, rate: u32, channels: usize) -> Self {
        let length = (rate * LOOK_AHEAD_MS / 1000).max(1) as usize;
        Self {
            channels,
            ceiling,
            release: 1.0 - (-1000.0 / (RELEASE_MS * rate.max(1) as f32)).exp(),
            waiting: vec![0.0; length * channels],
            gains: vec![FULL; length],
            sum: length as u64 * u64::from(FULL),
            place: 0,
            needs: Least::new(length + 1),
            gain: FULL,
        }
    }

    /// By how many frames sound comes out later.
    pub(super) fn look_ahead(&self) -> usize {
        self.gains.len()
    }

    /// Takes interleaved frames and puts those in their place that are due.
    pub(super) fn apply(&mut self, samples: &mut [f32]) {
        for frame in samples.chunks_exact_mut(self.channels) {
            let peak = frame
                .iter()
                .fold(0.0, |peak: f32, each| peak.max(each.abs()));
            let gain = self.next_gain(peak);
            let first = self.place * self.channels;
            let waiting = &mut self.waiting[first..first + self.channels];
            for (sample, waiting) in frame.iter_mut().zip(waiting) {
                let due = std::mem::replace(waiting, *sample);
                // The last bit of a gain, or of a product, may be too high.
                *sample = (due * gain).clamp(-self.ceiling, self.ceiling);
            }
            self.place = (self.place + 1) % self.gains.len();
        }
    }

    /// Takes note of the frame that comes in; returns the gain of the one that goes out.
    fn next_gain(&mut self, peak: f32) -> f32 {
        let needed = if peak > self.ceiling {
            (self.ceiling / peak * FULL as f32) as u32
        } else {
            FULL
        };
        let least = self.needs.add(needed);
        let missing = FULL - self.gain;
        // At least a little, or it would never be whole again.
        let back = ((missing as f32 * self.release) as u32).max(1).min(missing);
        self.gain = least.min(self.gain + back);
        let before = std::mem::replace(&mut self.gains[self.place], self.gain);
        self.sum = self.sum - u64::from(before) + u64::from(self.gain);
        let mean = self.sum / self.gains.len() as u64;
        mean as f32 / FULL as f32
    }
}

/// The least of the last numbers, as many as it was made for.
struct Least {
    /// The numbers that may still become the least, growing, each with when it came.
    rising: Vec<(u64, u32)>,
    first: usize,
    count: usize,
    now: u64,
}

impl Least {
    fn new(window: usize) -> Self {
        Self {
            rising: vec![(0, 0); window],
            first: 0,
            count: 0,
            now: 0,
        }
    }

    /// Takes one more number; returns the least of the window.
    fn add(&mut self, number: u32) -> u32 {
        let window = self.rising.len();
        if self.count > 0 && self.rising[self.first].0 + window as u64 <= self.now {
            self.first = (self.first + 1) % window;
            self.count -= 1;
        }
        while self.count > 0 && self.rising[(self.first + self.count - 1) % window].1 >= number {
            self.count -= 1;
        }
        self.rising[(self.first + self.count) % window] = (self.now, number);
        self.count += 1;
        self.now += 1;
        self.rising[self.first].1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: u32 = 48_000;
    const DELAY: usize = 240;

    fn limited(ceiling: f32, channels: usize, samples: &[f32]) -> Vec<f32> {
        let mut samples = samples.to_vec();
        let mut limiter = Limiter::new(ceiling, RATE, channels);
        // In turns of any length.
        for turn in samples.chunks_mut(97 * channels) {
            limiter.apply(turn);
        }
        samples
    }

    fn tone(frequency: f32, level: f32, frames: usize) -> Vec<f32> {
        (0..frames)
            .map(|n| (std::f32::consts::TAU * frequency * n as f32 / RATE as f32).sin() * level)
            .collect()
    }

    #[test]
    fn what_is_below_the_ceiling_only_comes_later() {
        let sound = tone(441.0, 0.5, 4_800);
        let heard = limited(0.5, 1, &sound);
        assert_eq!(heard[..DELAY], [0.0; DELAY]);
        assert_eq!(heard[DELAY..], sound[..4_800 - DELAY]);
    }

    #[test]
    fn a_burst_is_turned_down_before_it_comes_and_up_after_it() {
        let mut sound = tone(1_000.0, 0.2, 48_000);
        for (sample, loud) in sound[9_600..12_000]
            .iter_mut()
            .zip(tone(1_000.0, 1.0, 2_400))
        {
            *sample = loud;
        }
        let heard = limited(0.5, 1, &sound);
        let step = |sound: &[f32]| {
            let steps = sound.windows(2).map(|w| (w[1] - w[0]).abs());
            steps.fold(0.0, f32::max)
        };
        assert!(
            step(&heard) <= step(&sound),
            "no step that was not there before"
        );
        let peak = |from: usize, to: usize| {
            let part = heard[from + DELAY..to + DELAY].iter();
            part.map(|sample| sample.abs()).fold(0.0, f32::max)
        };
        assert!((0.49..=0.5).contains(&peak(9_700, 11_900)));
        assert!((0.199..=0.2001).contains(&peak(0, 9_300)));
        assert!(peak(12_100, 12_200) < 0.15, "it comes back slowly");
        assert!((0.198..=0.2001).contains(&peak(40_000, 47_000)));
    }

    #[test]
    fn a_loud_tone_stays_one() {
        let heard = limited(0.25, 1, &tone(441.0, 1.0, 48_000));
        let settled = &heard[24_000..];
        let part = |frequency: f32| {
            let turns = std::f32::consts::TAU * frequency / RATE as f32;
            let (sin, cos) = settled
                .iter()
                .enumerate()
                .fold((0.0, 0.0), |(s, c), (n, x)| {
                    let angle = turns * (n as f32 + 24_000.0);
                    (s + x * angle.sin(), c + x * angle.cos())
                });
            f32::hypot(sin, cos) * 2.0 / settled.len() as f32
        };
        assert!((0.245..=0.2501).contains(&part(441.0)), "{}", part(441.0));
        assert!(
            part(3.0 * 441.0) < 0.001,
            "distorted: {}",
            part(3.0 * 441.0)
        );
    }

    #[test]
    fn it_is_whole_again_after_a_while() {
        let mut sound = tone(1_000.0, 2.0, 480);
        sound.extend(tone(1_000.0, 0.4, 4 * 48_000));
        let heard = limited(0.5, 1, &sound);
        let end = sound.len() - 4_800;
        assert_eq!(heard[end..], sound[end - DELAY..sound.len() - DELAY]);
    }

    proptest! {
        #[test]
        fn nothing_is_above_the_ceiling_and_nothing_moves_to_the_side(
            levels in prop::collection::vec((0.0_f32..8.0, 1_usize..700), 1..12),
            ceiling in 0.01_f32..1.0,
            seed in any::<u32>(),
        ) {
            let mut noise = seed | 1;
            let mut sound = Vec::new();
            for (level, frames) in levels {
                for _ in 0..frames {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let sample = (noise >> 8) as f32 / (1 << 23) as f32 - 1.0;
                    sound.extend([sample * level, sample * level * 0.5]);
                }
            }
            for frame in limited(ceiling, 2, &sound).chunks(2) {
                prop_assert!(frame[0].abs() <= ceiling);
                prop_assert!((frame[1] - frame[0] * 0.5).abs() <= f32::EPSILON * ceiling.max(1.0));
            }
        }

        #[test]
        fn the_least_of_a_window_is_that(
            numbers in prop::collection::vec(0_u32..50, 1..200), window in 1_usize..20,
        ) {
            let mut least = Least::new(window);
            for (at, number) in numbers.iter().enumerate() {
                let first = (at + 1).saturating_sub(window);
                let found = least.add(*number);
                prop_assert_eq!(Some(&found), numbers[first..=at].iter().min());
            }
        }
    }
}
