//! What to play when the next sound is missing: the last sound once more, in step with itself, and
//! fading.
//!
//! Invariant: pure and without allocation after construction. What comes out never steps further
//! from one frame to the next than the sound before it did in the same place, so a gap is heard as
//! a dip and never as a click, and is never louder than that sound; after 60 ms there is silence.
//!
//! The gap is filled with what was heard one *lag* earlier, the lag being the shift at which the
//! last few milliseconds resemble what came before them most. Sound that returns is faded in over
//! the repetition; from silence, which is also how a stream begins, it fades in more slowly. Sound
//! that is lost again meanwhile is a new gap, filled from what was heard, be it made up or not.

/// Fills gaps in one stream.
#[derive(Clone, Debug)]
pub struct Concealer {
    channels: usize,
    /// What was heard last, newest at the end.
    history: Vec<f32>,
    /// The same with the channels added up, only up to date while a lag is looked for.
    mono: Vec<f32>,
    /// How far the sound before this gap had stepped within the lag, for each channel.
    step: [f32; 2],
    /// The loudest sample before this gap.
    peak: f32,
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

    /// The gain so far into a gap, in comparison with that of what is repeated there.
    fn decay(&self, missing: usize, lag: usize) -> f32 {
        let repeated = self.gain(missing.saturating_sub(lag));
        if repeated > 0.0 {
            self.gain(missing) / repeated
        } else {
            0.0
        }
    }
}

/// Rises from 0 to 1 with a level start and end.
pub(super) fn rise(x: f32) -> f32 {
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
            step: [0.0; 2],
            peak: 0.0,
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
            State::Steady | State::Returning { .. } => (0, self.begin_gap()),
            State::Missing { frames, lag } => (frames, lag),
        };
        for part in out.chunks_mut(lag * self.channels) {
            if missing >= self.times.fade {
                part.fill(0.0);
                continue;
            }
            for (i, frame) in part.chunks_exact_mut(self.channels).enumerate() {
                for (channel, sample) in frame.iter_mut().enumerate() {
                    *sample = self.repeated(i, channel, missing + i, lag);
                }
            }
            missing += part.len() / self.channels;
            self.remember(part);
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
        for part in frames[..total * self.channels].chunks_mut(lag * self.channels) {
            for (i, frame) in part.chunks_exact_mut(self.channels).enumerate() {
                let new = rise((done + i) as f32 / fade as f32);
                for (channel, sample) in frame.iter_mut().enumerate() {
                    let old = self.repeated(i, channel, missing + i, lag);
                    *sample = *sample * new + old * (1.0 - new);
                }
            }
            missing += part.len() / self.channels;
            done += part.len() / self.channels;
            self.remember(part);
        }
        self.state = if done < fade {
            State::Returning {
                missing: missing.min(self.times.fade),
                lag,
                done,
                fade,
            }
        } else {
            State::Steady
        };
        total
    }

    /// Takes the measure of the sound before a gap that begins; returns the lag to repeat it at.
    fn begin_gap(&mut self) -> usize {
        let lag = self.find_lag();
        let last = self.history.len() - self.channels;
        let earlier = last - lag * self.channels;
        for channel in 0..self.channels {
            self.step[channel] = self.history[last + channel] - self.history[earlier + channel];
        }
        let louder = |peak: f32, sample: &f32| peak.max(sample.abs());
        self.peak = self.history.iter().fold(0.0, louder);
        lag
    }

    /// The sound that goes on from what was heard, `i` frames after the newest of it, less than a
    /// lag, and `missing` frames into the gap.
    fn repeated(&self, i: usize, channel: usize, missing: usize, lag: usize) -> f32 {
        let from = self.history.len() - (lag - i) * self.channels;
        // Goes on from the last frame by the step that was made here one lag ago.
        let seam = self.step[channel] * (1.0 - rise(missing as f32 / self.times.seam as f32));
        let sample = self.history[from + channel] * self.times.decay(missing, lag) + seam;
        sample.clamp(-self.peak, self.peak)
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
