//! What a phone's player plays, as far as the phone tells (AVRCP 1.6.2, 6.6 and 6.7).
//!
//! Invariant: plain values. Where a phone tells nothing there is nothing, or an empty text.

use std::fmt;
use std::str::FromStr;
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
    /// The picture of what it plays, by the phone's own name for it.
    #[serde(default)]
    pub image: Option<ImageHandle>,
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

/// A phone's own name for a picture: seven digits (Basic Imaging Profile 1.2.1, 4.4.4). It stands for
/// the same picture while the phone's link for pictures lasts, and no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageHandle(u32);

/// The text is not the name of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnImageHandle;

impl fmt::Display for NotAnImageHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a picture; it has seven digits, like 0000017")
    }
}

impl std::error::Error for NotAnImageHandle {}

impl FromStr for ImageHandle {
    type Err = NotAnImageHandle;

    fn from_str(text: &str) -> Result<Self, NotAnImageHandle> {
        if text.len() != 7 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAnImageHandle);
        }
        text.parse().map(Self).map_err(|_| NotAnImageHandle)
    }
}

impl TryFrom<String> for ImageHandle {
    type Error = NotAnImageHandle;

    fn try_from(text: String) -> Result<Self, NotAnImageHandle> {
        text.parse()
    }
}

impl fmt::Display for ImageHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:07}", self.0)
    }
}

impl From<ImageHandle> for String {
    fn from(image: ImageHandle) -> Self {
        image.to_string()
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

    #[test]
    fn pictures_are_named_by_seven_digits_and_by_nothing_else() {
        for name in ["0000000", "1000017", "9999999"] {
            let image: ImageHandle = name.parse().unwrap();
            assert_eq!(image.to_string(), name);
        }
        for other in [
            "",
            "1",
            "00000001",
            "000000x",
            "+000001",
            "-000001",
            "../../x",
            "0000\u{661}",
        ] {
            assert_eq!(
                other.parse::<ImageHandle>(),
                Err(NotAnImageHandle),
                "{other}"
            );
        }
    }
}
