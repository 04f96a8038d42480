//! The built-in ring tones: what each sounds like at any time.
//!
//! Invariant: arithmetic only; never louder than half of full scale, and never a step: each begins
//! and ends in silence.

use std::f64::consts::TAU;

use super::super::conceal::rise;

/// A built-in ring tone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Melody {
    /// Two pitches in quick turns, twice: an electronic telephone.
    #[default]
    Warble,
    /// A hammer between two gongs: an old telephone.
    Bell,
    /// Three notes down, softly: a door bell.
    Chime,
    /// A run on wooden bars.
    Marimba,
}

/// The notes E and A: high enough for the smallest speaker, low enough for old ears.
const WARBLE: [f64; 2] = [659.26, 880.0];
/// How often it goes from the one to the other and back, in a second.
const TURNS: f64 = 12.5;
/// When it rings, and for how long, in seconds.
const WARBLES: [f64; 2] = [0.0, 0.6];
const WARBLE_LENGTH: f64 = 0.4;

/// The pitches of the gongs in Hz, and how much later than the first one each is struck, in strikes.
const GONGS: [(f64, f64); 2] = [(1046.5, 0.0), (1318.5, 0.5)];
/// How often the hammer strikes each of them, in a second.
const STRIKES: f64 = 12.0;
/// For how long it strikes, in seconds.
const STRIKING: f64 = 1.2;
/// How long a strike takes, in seconds, and what is left of the one before it.
const STRIKE: f64 = 0.003;
const LEFT: f32 = 0.45;

/// One of the waves that make up the sound of something that is struck.
struct Partial {
    /// How many times the pitch.
    ratio: f64,
    /// How loud, at first.
    share: f32,
    /// How long it takes to die away to a third, in seconds.
    decay: f32,
}

/// Makes one.
const fn partial(ratio: f64, share: f32, decay: f32) -> Partial {
    Partial {
        ratio,
        share,
        decay,
    }
}

/// A gong, a bell of a door and a wooden bar. The decay of the gong is the hammer's business.
const GONG: [Partial; 3] = [
    partial(1.0, 0.6, 0.25),
    partial(2.32, 0.25, 0.25),
    partial(4.25, 0.15, 0.25),
];
const DOOR_BELL: [Partial; 3] = [
    partial(1.0, 0.7, 0.5),
    partial(2.0, 0.2, 0.3),
    partial(3.0, 0.1, 0.15),
];
const BAR: [Partial; 3] = [
    partial(1.0, 0.8, 0.2),
    partial(3.93, 0.15, 0.07),
    partial(9.2, 0.05, 0.02),
];

/// Notes: when they are struck, in seconds, and their pitches in Hz.
const CHIME: [(f64, f64); 3] = [(0.0, 783.99), (0.4, 659.26), (0.8, 523.25)];
const MARIMBA: [(f64, f64); 8] = [
    (0.0, 523.25),
    (0.15, 659.26),
    (0.3, 783.99),
    (0.45, 1046.5),
    (0.6, 783.99),
    (0.75, 659.26),
    (0.9, 783.99),
    (1.05, 1046.5),
];

impl Melody {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Warble, Self::Bell, Self::Chime, Self::Marimba];

    /// Returns what people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warble => "warble",
            Self::Bell => "bell",
            Self::Chime => "chime",
            Self::Marimba => "marimba",
        }
    }

    /// Finds one by what people call it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|melody| melody.name() == name)
    }

    /// Returns how long it is until it begins anew, in milliseconds.
    pub(super) const fn period_ms(self) -> usize {
        match self {
            Self::Warble | Self::Marimba => 3_000,
            Self::Bell | Self::Chime => 4_000,
        }
    }

    /// Returns the sample at this time of its period, in seconds.
    pub(super) fn sample(self, time: f64) -> f32 {
        match self {
            Self::Warble => 0.5 * warble(time),
            Self::Bell => 0.3 * bell(time),
            Self::Chime => 0.45 * struck(time, &CHIME, &DOOR_BELL, 1.6),
            Self::Marimba => 0.33 * struck(time, &MARIMBA, &BAR, 0.6),
        }
    }
}

/// A wave of so many Hz; whole turns are left out, since they cost precision.
fn wave(hz: f64, time: f64) -> f32 {
    (TAU * (hz * time).fract()).sin() as f32
}

fn warble(time: f64) -> f32 {
    let begun = WARBLES.into_iter().rfind(|begin| *begin <= time);
    let into = time - begun.unwrap_or_default();
    if into >= WARBLE_LENGTH {
        return 0.0;
    }
    let loudness = edges(into, 0.02, WARBLE_LENGTH, 0.12);
    let [low, high] = WARBLE.map(|pitch| wave(pitch, into));
    let share = (0.5 - 0.5 * (TAU * TURNS * into).cos()) as f32;
    loudness * (low + share * (high - low))
}

fn bell(time: f64) -> f32 {
    // It rings on after the last strike.
    let length = STRIKING + 1.0;
    if time >= length {
        return 0.0;
    }
    let after = (time - STRIKING).max(0.0) as f32;
    let loudness = edges(time, STRIKE, length, 0.2) * (-after / GONG[0].decay).exp();
    let gongs = GONGS.map(|(pitch, later)| {
        let waves = GONG.iter();
        let waves = waves.map(|it| it.share * wave(pitch * it.ratio, time));
        hammered(time, later) * waves.sum::<f32>()
    });
    loudness * gongs.iter().sum::<f32>()
}

/// How loud a gong is that is struck so much later than the first one.
fn hammered(time: f64, later: f64) -> f32 {
    let last = (time.min(STRIKING) * STRIKES - later).floor();
    if last < 0.0 {
        return 0.0;
    }
    let into = time - (last + later) / STRIKES;
    let left = if last < 1.0 && into < STRIKE {
        0.0
    } else {
        LEFT
    };
    let fall = 1.0 - (into - STRIKE) / (1.0 / STRIKES - STRIKE);
    let since = if into < STRIKE {
        rise((into / STRIKE) as f32)
    } else {
        fall.max(0.0) as f32
    };
    left + (1.0 - left) * since
}

/// Notes on something that sounds for so many seconds when it is struck.
fn struck(time: f64, notes: &[(f64, f64)], partials: &[Partial], length: f64) -> f32 {
    let sounding = notes
        .iter()
        .filter(|(at, _)| (*at..at + length).contains(&time));
    let notes = sounding.map(|(at, pitch)| {
        let into = time - at;
        let waves = partials.iter().map(|it| {
            let loudness = it.share * (-into as f32 / it.decay).exp();
            loudness * wave(pitch * it.ratio, into)
        });
        edges(into, 0.003, length, 0.1) * waves.sum::<f32>()
    });
    notes.sum()
}

/// How loud something is at a time: it rises at first, and falls at the end of its length.
fn edges(time: f64, attack: f64, length: f64, fall: f64) -> f32 {
    rise((time / attack) as f32) * rise(((length - time) / fall) as f32)
}
