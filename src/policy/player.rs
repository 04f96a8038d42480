//! What a phone's player plays, as far as the phone tells (AVRCP 1.6.2, 6.6 and 6.7).
//!
//! Invariant: plain values. Where a phone tells nothing there is nothing, or an empty text.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The player that a phone's remote control is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Player {
    /// What the app calls itself.
    pub app: String,
    /// What it is doing.
    pub state: PlayState,
    /// What it plays, or would.
    pub track: Track,
    /// How far into the track it was when it told.
    pub position: Option<Duration>,
    /// Whether it plays tracks in no order.
    pub shuffle: Option<bool>,
    /// What it does at the end.
    pub repeat: Option<Repeat>,
}

/// What a player is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlayState {
    /// It plays.
    Playing,
    /// It was stopped, and would go on from there.
    Paused,
    /// It was stopped, or has nothing to play, or failed.
    Stopped,
    /// It winds forwards.
    Forward,
    /// It winds backwards.
    Rewind,
    /// It does not tell: an old phone, or one that has only just come.
    #[default]
    Unknown,
}

impl PlayState {
    /// Says whether it plays; it does as well while it winds.
    pub const fn is_playing(self) -> bool {
        matches!(self, Self::Playing | Self::Forward | Self::Rewind)
    }
}

/// A piece of music, or of anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Track {
    /// What it is called.
    pub title: String,
    /// By whom it is.
    pub artist: String,
    /// Which album it is from.
    pub album: String,
    /// Of which kind it is.
    pub genre: String,
    /// Its place on the album; the first is 1.
    pub number: Option<u32>,
    /// How many tracks the album has.
    pub of: Option<u32>,
    /// How long it is.
    pub length: Option<Duration>,
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.title, &*self.artist) {
            ("", "") => f.write_str("something"),
            (title, "") => write!(f, "\"{title}\""),
            ("", artist) => write!(f, "something by {artist}"),
            (title, artist) => write!(f, "\"{title}\" by {artist}"),
        }
    }
}

/// What a player does at the end of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// It goes on with the next, and ends with the last.
    Off,
    /// It plays the same again.
    Track,
    /// After the last it plays the first.
    All,
}

/// The buttons and switches of a phone's player (AVRCP 1.6.2, 4.6.1 and appendix F).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlayerCommand {
    /// Go on.
    Play,
    /// Stop for a while.
    Pause,
    /// Stop.
    Stop,
    /// Go on with the next track.
    Next,
    /// Go back to the beginning of the track, or from there to the one before.
    Previous,
    /// Wind forwards until told otherwise.
    FastForward,
    /// Wind backwards until told otherwise.
    Rewind,
    /// Play tracks in no order, or in theirs.
    Shuffle {
        /// In none.
        on: bool,
    },
    /// Do this at the end of a track.
    Repeat {
        /// What.
        repeat: Repeat,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_named_by_what_is_known_of_them() {
        let track = |title: &str, artist: &str| Track {
            title: title.into(),
            artist: artist.into(),
            ..Track::default()
        };
        for (title, artist, told) in [
            ("Hey", "Pixies", "\"Hey\" by Pixies"),
            ("Hey", "", "\"Hey\""),
            ("", "Pixies", "something by Pixies"),
            ("", "", "something"),
        ] {
            assert_eq!(track(title, artist).to_string(), told);
        }
    }
}
