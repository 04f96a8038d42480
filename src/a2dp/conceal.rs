//! What to play when the next sound is missing: the last sound once more, in step with itself, and
//! fading.
//!
//! Invariant: pure and without allocation after construction. What comes out never steps further
//! from one frame to the next than the sound before it did in the same place, so a gap is heard as
//! a dip and never as a click; after 60 ms there is silence.
//!
//! The gap is filled with what was heard one *lag* earlier, the lag being the shift at which the
//! last few milliseconds resemble what came before them most. Sound that returns is faded in over
//! the repetition; from silence, which is also how a stream begins, it fades in more slowly.

/// Fills gaps in one stream.
#[derive(Clone, Debug)]
pub struct Concealer {
    channels: usize,
    /// What was played last, newest at the end.
    history: Vec<f32>,
    /// The same with the channels added up, only up to date while a lag is looked for.
    mono: Vec<f32>,
    times: Times,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Sound comes as it should.
    Steady,
    /// Sound is missing: so many frames so far, repeated at this lag.
    Missing { frames: usize, lag: usize },
    /// Sound has returned: so many frames of the fade are done.
    Returning {
        missing: usize,
        lag: usize,
        done: usize,
        fade: usize,
    },
}

/// The durations of the concealment, in frames.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// At full level.
    hold: usize,
    /// Until silence.
    fade: usize,
    /// Over the repetition back to sound.
    return_fast: usize,
    /// From silence back to sound.
    return_slow: usize,
    /// In which the step at a seam is smoothed away.
    seam: usize,
    /// Compared when a lag is looked for.
    template: usize,
    /// The shortest lag: the highest pitch that is followed, others fit in whole multiples.
    shortest: usize,
    /// The longest lag.
    longest: usize,
}

impl Times {
    fn at(rate: u32) -> Self {
        let frames = |tenths_of_ms: usize| (rate as usize * tenths_of_ms).div_ceil(10_000);
        Self {
            hold: frames(100),
            fade: frames(600),
            return_fast: frames(50),
            return_slow: frames(100),
            seam: frames(10),
            template: frames(60),
            shortest: frames(25),
            longest: frames(200),
        }
    }

    fn gain(&self, missing: usize) -> f32 {
        if missing <= self.hold {
            1.0
        } else if missing >= self.fade {
            0.0
        } else {
            let done = (missing - self.hold) as f32 / (self.fade - self.hold) as f32;
            1.0 - rise(done)
        }
    }
}

/// Rises from 0 to 1 with a level start and end.
fn rise(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

impl Concealer {
    /// Makes one for a stream of this format; it begins in silence.
    pub fn new(rate: u32, channels: usize) -> Self {
        let times = Times::at(rate);
        let frames = times.longest + times.template + 1;
        Self {
            channels,
            history: vec![0.0; frames * channels],
            mono: vec![0.0; frames],
            times,
            state: State::Missing {
                frames: times.fade,
                lag: times.longest,
            },
        }
    }

    /// Says whether nothing can be heard.
    pub fn is_silent(&self) -> bool {
        matches!(self.state, State::Missing { frames, .. } if frames >= self.times.fade)
    }

    /// Takes note of sound that is played, and fades it in when something was missing before it.
    pub fn play(&mut self, frames: &mut [f32]) {
        if let State::Missing {
            frames: missing,
            lag,
        } = self.state
        {
            let silent = missing >= self.times.fade;
            self.state = State::Returning {
                missing,
                lag,
                done: 0,
                fade: if silent {
                    self.times.return_slow
                } else {
                    self.times.return_fast
                },
            };
        }
        let faded = self.fade_in(frames);
        self.remember(&frames[faded * self.channels..]);
    }

    /// Fills `out` in place of sound that is missing.
    pub fn conceal(&mut self, out: &mut [f32]) {
        let (mut missing, lag) = match self.state {
            State::Steady => (0, self.find_lag()),
            State::Missing { frames, lag } => (frames, lag),
            State::Returning { missing, lag, .. } => (missing, lag),
        };
        let mut rest = out;
        while !rest.is_empty() {
            if missing >= self.times.fade {
                rest.fill(0.0);
                break;
            }
            let length = lag.min(rest.len() / self.channels);
            let (part, after) = rest.split_at_mut(length * self.channels);
            self.repeat(part, missing, lag);
            for frame in part.chunks_exact_mut(self.channels) {
                let gain = self.times.gain(missing);
                frame.iter_mut().for_each(|sample| *sample *= gain);
                missing += 1;
            }
            rest = after;
        }
        self.state = State::Missing {
            frames: missing.min(self.times.fade),
            lag,
        };
    }

    /// Fades the beginning of `frames` in over the repetition; returns how many frames that were.
    fn fade_in(&mut self, frames: &mut [f32]) -> usize {
        let State::Returning {
            mut missing,
            lag,
            mut done,
            fade,
        } = self.state
        else {
            return 0;
        };
        let total = (fade - done).min(frames.len() / self.channels);
        for frame in frames.chunks_exact_mut(self.channels).take(total) {
            let mut repeated = [0.0; 2];
            let repeated = &mut repeated[..self.channels];
            self.repeat(repeated, missing, lag);
            let (old, new) = (self.times.gain(missing), rise(done as f32 / fade as f32));
            for (sample, repeated) in frame.iter_mut().zip(repeated) {
                *sample = *sample * new + *repeated * old * (1.0 - new);
            }
            missing = (missing + 1).min(self.times.fade);
            done += 1;
        }
        self.state = if done < fade {
            State::Returning {
                missing,
                lag,
                done,
                fade,
            }
        } else {
            State::Steady
        };
        total
    }

    /// Continues the history into `out`, at most one lag, without a step at the seam, and without
    /// the fade. `missing` tells how far into the gap it begins.
    fn repeat(&mut self, out: &mut [f32], missing: usize, lag: usize) {
        let end = self.history.len();
        let from = end - lag * self.channels;
        out.copy_from_slice(&self.history[from..from + out.len()]);
        if missing == 0 {
            // Go on from the last frame by the step that was made here one lag ago.
            for channel in 0..self.channels {
                let step = self.history[end - self.channels + channel]
                    - self.history[from - self.channels + channel];
                let seam = out.chunks_exact_mut(self.channels).take(self.times.seam);
                for (i, frame) in seam.enumerate() {
                    frame[channel] += step * (1.0 - rise(i as f32 / self.times.seam as f32));
                }
            }
        }
        self.remember(out);
    }

    fn remember(&mut self, frames: &[f32]) {
        let capacity = self.history.len();
        let newest = &frames[frames.len().saturating_sub(capacity)..];
        self.history.copy_within(newest.len().., 0);
        self.history[capacity - newest.len()..].copy_from_slice(newest);
    }

    /// Finds the shift at which the last sound resembles the sound before it most.
    fn find_lag(&mut self) -> usize {
        for (mono, frame) in self
            .mono
            .iter_mut()
            .zip(self.history.chunks_exact(self.channels))
        {
            *mono = frame.iter().sum();
        }
        let template = &self.mono[self.mono.len() - self.times.template..];
        let mut best = (self.times.longest, f32::MIN);
        for lag in self.times.shortest..=self.times.longest {
            let start = self.mono.len() - self.times.template - lag;
            let earlier = &self.mono[start..start + self.times.template];
            let (mut alike, mut energy) = (0.0_f32, 1e-9_f32);
            for (a, b) in template.iter().zip(earlier) {
                alike += a * b;
                energy += b * b;
            }
            let likeness = alike / energy.sqrt();
            if likeness > best.1 {
                best = (lag, likeness);
            }
        }
        best.0
    }
}

#[cfg(test)]
#[path = "conceal_tests.rs"]
mod tests;
