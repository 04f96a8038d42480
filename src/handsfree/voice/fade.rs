//! Between sound and silence, and between one loudness and another.
//!
//! Invariant: pure. What comes out never jumps, whatever sound begins, ends or goes missing; and once
//! a fade to silence is over there are nothing but zeros, not even the faintest sound.

/// How long a fade takes, in parts of a second.
const FADES_PER_SECOND: u32 = 200;

/// One step of the phone's control, in decibels.
const STEP: f32 = 2.0;

/// Returns the gain for a setting of the phone, 0 to 15 (HFP 1.9, 4.28): the highest leaves sound
/// as it is, the lowest is silence.
pub(super) fn gain_of(steps: u8) -> f32 {
    match steps {
        0 => 0.0,
        1..15 => 10_f32.powf((f32::from(steps) - 15.0) * STEP / 20.0),
        _ => 1.0,
    }
}

/// The sound of the room on its way to the phone.
#[derive(Clone, Debug)]
pub(super) struct Fade {
    /// How many samples a fade takes.
    length: usize,
    gain: f32,
    target: f32,
    step: f32,
    /// The last sample that came out.
    last: f32,
    /// What was cut off: the sample at which it was, and for how many more it fades out.
    tail: (f32, usize),
}

impl Fade {
    /// Makes one for sound of `rate`; it begins in silence.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            length: (rate / FADES_PER_SECOND).max(1) as usize,
            gain: 0.0,
            target: 0.0,
            step: 0.0,
            last: 0.0,
            tail: (0.0, 0),
        }
    }

    /// Sets out for a gain from 0 to 1.
    pub(super) fn aim(&mut self, target: f32) {
        if target != self.target {
            self.target = target;
            self.step = (target - self.gain) / self.length as f32;
        }
    }

    /// The sound breaks off here: what was heard fades out, and what comes next fades in.
    pub(super) fn break_off(&mut self) {
        self.tail = (self.last, self.length);
        self.gain = 0.0;
        self.step = self.target / self.length as f32;
    }

    /// Lets sound through.
    pub(super) fn sound(&mut self, samples: &mut [f32]) {
        for sample in samples {
            if self.gain != self.target {
                let next = self.gain + self.step;
                let passed = (self.target - next) * self.step <= 0.0;
                self.gain = if passed { self.target } else { next };
            }
            // Not by multiplication alone: silence must be silence whatever came in.
            let heard = if self.gain == 0.0 {
                0.0
            } else {
                *sample * self.gain
            };
            *sample = heard + self.fading();
            self.last = *sample;
        }
    }

    /// Fills `out` when there is no sound.
    pub(super) fn silence(&mut self, out: &mut [f32]) {
        for sample in out {
            *sample = self.fading();
            self.last = *sample;
        }
    }

    fn fading(&mut self) -> f32 {
        let (from, left) = self.tail;
        if left == 0 {
            return 0.0;
        }
        self.tail.1 = left - 1;
        from * (left - 1) as f32 / self.length as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: u32 = 8_000;
    /// 5 ms.
    const LENGTH: usize = 40;

    fn heard(fade: &mut Fade, samples: usize) -> Vec<f32> {
        let mut sound = vec![1.0; samples];
        fade.sound(&mut sound);
        sound
    }

    fn silence(fade: &mut Fade, samples: usize) -> Vec<f32> {
        let mut sound = vec![f32::NAN; samples];
        fade.silence(&mut sound);
        sound
    }

    #[test]
    fn steps_are_two_decibels() {
        for (steps, gain) in [(0, 0.0), (1, 0.0398), (14, 0.7943), (15, 1.0), (99, 1.0)] {
            assert!((gain_of(steps) - gain).abs() < 1e-4, "{steps}");
        }
        assert!((1..=15).all(|steps| gain_of(steps) > gain_of(steps - 1)));
    }

    #[test]
    fn muted_sound_is_nothing_but_zeros() {
        let mut fade = Fade::new(RATE);
        fade.aim(1.0);
        assert_eq!(heard(&mut fade, LENGTH + 20)[LENGTH..], [1.0; 20]);
        fade.aim(0.0);
        let mut sound = heard(&mut fade, LENGTH + 1);
        assert!(sound[LENGTH / 2] > 0.4);
        assert_eq!(sound.pop(), Some(0.0));
        let mut none = [f32::NAN, f32::INFINITY, 1.0];
        fade.sound(&mut none);
        assert_eq!(none, [0.0; 3]);
    }

    #[test]
    fn sound_that_goes_missing_fades_to_zeros() {
        let mut fade = Fade::new(RATE);
        fade.aim(0.5);
        heard(&mut fade, 100);
        fade.break_off();
        let sound = silence(&mut fade, LENGTH + 10);
        assert!(sound[0] > 0.48 && sound[LENGTH / 2] > 0.2);
        assert_eq!(sound[LENGTH - 1..], [0.0; 11]);
        let back = heard(&mut fade, LENGTH + 10);
        assert!(back[0] < 0.02);
        assert_eq!(back[LENGTH..], [0.5; 10]);
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_jumps(
            turns in prop::collection::vec((0_u8..4, 0_u8..16, 1_usize..100), 1..30),
        ) {
            let mut fade = Fade::new(RATE);
            let mut sound = vec![0.0];
            for (turn, steps, samples) in turns {
                match turn {
                    0 => fade.aim(gain_of(steps)),
                    1 => fade.break_off(),
                    2 => {
                        fade.break_off();
                        sound.extend(silence(&mut fade, samples));
                    }
                    _ => sound.extend(heard(&mut fade, samples)),
                }
            }
            for pair in sound.windows(2) {
                // A fade in over a fade out.
                prop_assert!((pair[1] - pair[0]).abs() < 2.01 / LENGTH as f32, "{:?}", pair);
            }
        }
    }
}
