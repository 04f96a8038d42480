//! The admin's file `dotd.toml`: read, checked, and turned into [`Settings`].
//!
//! Invariant: a [`Settings`] that exists is valid, and a file that is not says everything that is
//! wrong with it at once, each with its place. The file is the admin's: nothing here writes it.

pub mod duration;
pub mod problem;
mod read;
pub mod reference;
mod values;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use problem::{ConfigErrors, Problem};

use crate::pcm::playout::Delay;
use crate::pcm::shaping::Shape;
use crate::pcm::{Melody, Recording};
use crate::policy::model::Rules;

/// Where the daemon looks when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/dotd/dotd.toml";

/// What the admin decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What the policy goes by.
    pub rules: Rules,
    /// What the sound path goes by.
    pub audio: AudioSettings,
    /// How long music waits before it is heard.
    pub delay: Delay,
    /// What the speaker rings with.
    pub ring_tone: RingTone,
    /// How phones' players are shown.
    pub players: PlayerSettings,
}

/// How phones' players are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayerSettings {
    /// Where they are shown to other programs.
    pub mpris: Mpris,
    /// With the pictures of what they play.
    pub covers: bool,
}

impl Default for PlayerSettings {
    fn default() -> Self {
        Self {
            mpris: Mpris::default(),
            covers: true,
        }
    }
}

/// The bus on which phones' players are shown to other programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mpris {
    /// None.
    Off,
    /// The system bus.
    #[default]
    System,
    /// The one at this D-Bus address.
    Address(String),
}

/// What the speaker rings with for phones that send no ring tone of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingTone {
    /// One that it has.
    BuiltIn(Melody),
    /// A WAV file.
    File(PathBuf),
}

impl Default for RingTone {
    fn default() -> Self {
        Self::BuiltIn(Melody::default())
    }
}

/// Where sound goes to, and where the room's comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSettings {
    /// The PipeWire output, by node name or description; the default one if nothing is said.
    pub output: Option<String>,
    /// The PipeWire to play on, by socket name or path; the speaker's own if nothing is said.
    pub remote: Option<String>,
    /// The PipeWire input to hear the room with in calls, by node name or description; the default
    /// one if nothing is said.
    pub microphone: Option<String>,
    /// Callers do not hear the echo of themselves.
    pub echo_cancelling: bool,
    /// What is done to all sound before it is heard.
    pub shape: Shape,
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self {
            output: None,
            remote: None,
            microphone: None,
            echo_cancelling: true,
            shape: Shape::default(),
        }
    }
}

/// Reads the configuration at `path`, and the files that it names. A file that is not there means the
/// defaults.
///
/// # Errors
/// Tells every problem of the file, or why it could not be read.
pub fn load(path: &Path) -> Result<Settings, ConfigErrors> {
    load_with(path, &|file| {
        let read = Recording::read(file).map(drop);
        read.map_err(|error| error.to_string())
    })
}

/// Reads the configuration at `path`, and not the files that it names: what is wrong with one of them
/// is no reason not to start. A file that is not there means the defaults.
///
/// # Errors
/// Tells every problem of the file, or why it could not be read.
pub fn load_alone(path: &Path) -> Result<Settings, ConfigErrors> {
    load_with(path, &|_| Ok(()))
}

/// Says whether a file is sound to ring with, or why it is not.
type SoundCheck<'c> = &'c dyn Fn(&Path) -> Result<(), String>;

fn load_with(path: &Path, check: SoundCheck<'_>) -> Result<Settings, ConfigErrors> {
    match fs::read(path) {
        Ok(bytes) => {
            let read = read::settings(&bytes, check);
            read.map_err(|problems| ConfigErrors::broken(path, problems))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(ConfigErrors::unreadable(path, error)),
    }
}

/// Checks `bytes` as the contents of the configuration at `path`, and nothing beyond them.
///
/// # Errors
/// Tells every problem.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Settings, ConfigErrors> {
    read::settings(bytes, &|_| Ok(())).map_err(|problems| ConfigErrors::broken(path, problems))
}

#[cfg(test)]
mod tests;
