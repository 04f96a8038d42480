//! A phone as a player: what its properties are.
//!
//! Invariant: a property's value is computed in one place, whether it is asked for or signalled.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use zbus::zvariant::{ObjectPath, OwnedValue, Value};

use super::super::view::Properties;
use crate::policy::model::{Address, Volume};
use crate::policy::player::{PlayState, Repeat, Track};
use crate::policy::snapshot::{PhoneStatus, PlayerStatus};

/// What stands for no track (MPRIS 2.2, `Track_Id`).
const NO_TRACK: &str = "/org/mpris/MediaPlayer2/TrackList/NoTrack";

/// A phone that has a player.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) phone: Address,
    volume: Volume,
    status: PlayerStatus,
}

impl View {
    /// Returns that of a phone; nothing if it has no player.
    pub(super) fn of(phone: &PhoneStatus) -> Option<Self> {
        Some(Self {
            phone: phone.address,
            volume: phone.volume,
            status: phone.player.clone()?,
        })
    }

    pub(super) fn playback_status(&self) -> &'static str {
        match self.status.player.state {
            PlayState::Playing | PlayState::Forward | PlayState::Rewind => "Playing",
            PlayState::Paused => "Paused",
            PlayState::Stopped | PlayState::Unknown => "Stopped",
        }
    }

    pub(super) fn loop_status(&self) -> &'static str {
        match self.status.player.repeat {
            Some(Repeat::Track) => "Track",
            Some(Repeat::All) => "Playlist",
            Some(Repeat::Off) | None => "None",
        }
    }

    pub(super) fn shuffle(&self) -> bool {
        self.status.player.shuffle.unwrap_or(false)
    }

    pub(super) fn volume(&self) -> f64 {
        f64::from(self.volume.percent()) / 100.0
    }

    /// Returns what is played, as far as it is known.
    pub(super) fn metadata(&self) -> HashMap<String, OwnedValue> {
        let track = &self.status.player.track;
        // A path of our own making has no character that a URL would have to hide.
        let cover = self.status.cover.as_ref();
        let cover = cover.map(|path| Value::from(format!("file://{path}")));
        let text = |text: &str| (!text.is_empty()).then(|| Value::from(text.to_owned()));
        let list = |text: &str| (!text.is_empty()).then(|| Value::from(vec![text.to_owned()]));
        let entries = [
            ("mpris:trackid", Some(Value::from(self.track_id()))),
            ("mpris:length", track.length.map(micros).map(Value::from)),
            ("mpris:artUrl", cover),
            ("xesam:title", text(&track.title)),
            ("xesam:artist", list(&track.artist)),
            ("xesam:album", text(&track.album)),
            ("xesam:genre", list(&track.genre)),
            (
                "xesam:trackNumber",
                track.number.and_then(number).map(Value::from),
            ),
        ];
        let told = entries
            .into_iter()
            // Only a file descriptor can fail to be owned; there is none.
            .filter_map(|(name, value)| Some((name.to_owned(), value?.try_into_owned().ok()?)));
        told.collect()
    }

    /// Returns where the track is, in microseconds.
    pub(super) fn position(&self, now: Duration) -> i64 {
        self.status.position(now).map_or(0, micros)
    }

    /// Returns where the position is after it has moved otherwise than by playing, in microseconds.
    pub(super) fn jump_to(&self, later: &Self, most: Duration, now: Duration) -> Option<i64> {
        if self.status.player.track != later.status.player.track {
            return None; // A new track begins where it begins.
        }
        let (expected, found) = (
            self.position(later.status.as_of),
            later.position(later.status.as_of),
        );
        let jumped = u128::from(expected.abs_diff(found)) > most.as_micros();
        jumped.then(|| later.position(now))
    }

    /// Returns the properties that signal their changes.
    pub(super) fn properties(self) -> Properties<5> {
        [
            ("PlaybackStatus", self.playback_status().into()),
            ("LoopStatus", self.loop_status().into()),
            ("Shuffle", self.shuffle().into()),
            ("Metadata", self.metadata().into()),
            ("Volume", self.volume().into()),
        ]
    }

    fn track_id(&self) -> ObjectPath<'static> {
        let track = &self.status.player.track;
        if *track == Track::default() {
            return ObjectPath::from_static_str_unchecked(NO_TRACK);
        }
        let mut hasher = DefaultHasher::new();
        (&track.title, &track.artist, &track.album, track.number).hash(&mut hasher);
        let phone = self.phone.to_string().replace(':', "_");
        let path = format!("/org/dotd/tracks/{phone}/{:016x}", hasher.finish());
        ObjectPath::try_from(path)
            .unwrap_or_else(|_| ObjectPath::from_static_str_unchecked(NO_TRACK))
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn number(number: u32) -> Option<i32> {
    i32::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::player::Player;

    fn view(state: PlayState, position: u64, as_of: u64) -> View {
        let track = Track {
            title: "Hey".into(),
            artist: "Pixies".into(),
            length: Some(Duration::from_secs(200)),
            ..Track::default()
        };
        View {
            phone: Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, 1]),
            volume: Volume::new(45).unwrap(),
            status: PlayerStatus {
                player: Player {
                    state,
                    track,
                    position: Some(Duration::from_secs(position)),
                    ..Player::default()
                },
                as_of: Duration::from_secs(as_of),
                cover: None,
            },
        }
    }

    #[test]
    fn a_track_is_told_in_the_words_of_mpris() {
        let mut view = view(PlayState::Playing, 7, 100);
        assert!(!view.metadata().contains_key("mpris:artUrl"));
        view.status.cover = Some("/run/dotd/covers/a.jpg".to_owned());
        let told = view.metadata();
        let url = Value::from("file:///run/dotd/covers/a.jpg");
        assert_eq!(*told["mpris:artUrl"], url);
        assert_eq!(*told["mpris:length"], Value::from(200_000_000_i64));
        assert_eq!(*told["xesam:title"], Value::from("Hey"));
        assert_eq!(*told["xesam:artist"], Value::from(vec!["Pixies"]));
        assert!(!told.contains_key("xesam:album"));
        assert_eq!(view.volume(), 0.45);
        assert_eq!(view.position(Duration::from_secs(103)), 10_000_000);
        assert_eq!(view.playback_status(), "Playing");
    }

    #[test]
    fn what_moves_otherwise_than_by_playing_is_a_jump() {
        let most = Duration::from_secs(1);
        let now = Duration::from_secs(110);
        let before = view(PlayState::Playing, 7, 100);
        assert_eq!(
            before.jump_to(&view(PlayState::Paused, 17, 110), most, now),
            None
        );
        let jumped = before.jump_to(&view(PlayState::Playing, 60, 110), most, now);
        assert_eq!(jumped, Some(60_000_000));
        let mut next = view(PlayState::Playing, 0, 110);
        next.status.player.track.title = "Debaser".into();
        assert_eq!(before.jump_to(&next, most, now), None);
    }
}
