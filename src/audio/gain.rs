//! How loud a stream is, moved without clicks.
//!
//! Invariant: pure; the gain never moves faster than its whole range within the ramp.

/// A gain on its way to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    value: f32,
    target: f32,
    step: f32,
}

impl Gain {
    /// Makes one that stands at `value`.
    pub(super) fn new(value: f32) -> Self {
        Self {
            value,
            target: value,
            step: 0.0,
        }
    }

    /// Sets out for `target`, to be there after `frames`. Goes on if it is on its way there.
    pub(super) fn move_to(&mut self, target: f32, frames: u32) {
        if target != self.target {
            self.target = target;
            self.step = (target - self.value) / frames.max(1) as f32;
        }
    }

    /// Says whether it has arrived at silence.
    pub(super) fn is_silent(&self) -> bool {
        self.value == 0.0 && self.target == 0.0
    }

    /// Applies it to interleaved frames.
    pub(super) fn apply(&mut self, samples: &mut [f32], channels: usize) {
        if self.value == self.target && self.value == 1.0 {
            return;
        }
        for frame in samples.chunks_exact_mut(channels) {
            if self.value != self.target {
                let next = self.value + self.step;
                let passed = (self.target - next) * self.step <= 0.0;
                self.value = if passed { self.target } else { next };
            }
            frame.iter_mut().for_each(|sample| *sample *= self.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(gain: &mut Gain, frames: usize) -> Vec<f32> {
        let mut samples = vec![1.0; frames * 2];
        gain.apply(&mut samples, 2);
        assert!(samples.chunks(2).all(|frame| frame[0] == frame[1]));
        samples.into_iter().step_by(2).collect()
    }

    #[test]
    fn it_moves_in_even_steps_and_arrives_exactly() {
        let mut gain = Gain::new(0.25);
        assert_eq!(applied(&mut gain, 3), [0.25; 3]);
        gain.move_to(1.0, 30);
        let way: Vec<f32> = [applied(&mut gain, 10), applied(&mut gain, 30)].concat();
        assert!(
            way.windows(2)
                .all(|w| (0.0..0.0251).contains(&(w[1] - w[0])))
        );
        assert_eq!(way[30..], [1.0; 10]);
        gain.move_to(0.0, 10);
        assert!(!gain.is_silent());
        assert_eq!(applied(&mut gain, 12)[10..], [0.0; 2]);
        assert!(gain.is_silent());
    }

    #[test]
    fn a_new_target_on_the_way_is_no_jump() {
        let mut gain = Gain::new(1.0);
        gain.move_to(0.0, 100);
        let mut way = applied(&mut gain, 50);
        gain.move_to(1.0, 100);
        way.extend(applied(&mut gain, 101));
        assert!(way.windows(2).all(|w| (w[1] - w[0]).abs() < 0.011));
        assert_eq!(way.last(), Some(&1.0));
    }
}
