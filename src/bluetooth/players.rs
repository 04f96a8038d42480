//! What bluetoothd tells of the players of phones, and which of them is told on.
//!
//! Invariant: pure. Each phone has one player at most: the one that its remote control is about.
//! Texts come from the air: they are cut and hold no control characters.

use std::collections::BTreeMap;
use std::time::Duration;

use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::convert::{self, CONTROL, PLAYER, Properties, property};
use crate::policy::event::Event;
use crate::policy::model::Address;
use crate::policy::player::{PlayState, Player, Repeat, Track};

/// How many characters of a text are of use to people.
const LONGEST_TEXT: usize = 300;
/// What stands for a number that the phone does not know (AVRCP 1.6.2, 6.7.1).
const UNKNOWN: u32 = u32::MAX;

/// The players of an adapter's phones.
#[derive(Debug, Default)]
pub(super) struct Players {
    /// All there are, by their path.
    seen: BTreeMap<String, Properties>,
    /// Which one a phone's remote control is about.
    addressed: BTreeMap<(String, Address), String>,
    told: BTreeMap<Address, Player>,
}

impl Players {
    /// A player, or the remote control of a phone, appeared.
    pub(super) fn add(&mut self, path: &str, interface: &str, properties: Properties) {
        if interface == PLAYER {
            self.seen.insert(path.to_owned(), properties);
        } else {
            self.address(path, &properties);
        }
    }

    /// Some of its properties have other values.
    pub(super) fn change(&mut self, path: &str, interface: &str, changed: Properties) {
        if interface == CONTROL {
            self.address(path, &changed);
        } else if let Some(known) = self.seen.get_mut(path) {
            known.extend(changed);
        }
    }

    /// It disappeared.
    pub(super) fn remove(&mut self, path: &str, interface: &str) {
        if interface == PLAYER {
            self.seen.remove(path);
        } else if let Some((adapter, phone)) = convert::device_at(path) {
            self.addressed.remove(&(adapter.to_owned(), phone));
        }
    }

    /// An adapter is gone.
    pub(super) fn remove_adapter(&mut self, id: &str) {
        let is_at = |path: &str| convert::device_of(path).is_some_and(|(at, _)| at == id);
        self.seen.retain(|path, _| !is_at(path));
        self.addressed.retain(|(at, _), _| at != id);
    }

    /// Returns what is new of the phones of the adapter in use since the last report; while its radio
    /// is off there is none, and nobody is told of any.
    pub(super) fn report(&mut self, used: Option<&str>) -> Vec<Event> {
        let Some(used) = used else {
            self.told.clear();
            return Vec::new();
        };
        let now = self.by_phone(used);
        let gone = self.told.keys().filter(|phone| !now.contains_key(phone));
        let gone = gone.map(|phone| Event::PlayerGone { phone: *phone });
        let news = now
            .iter()
            .filter(|(phone, it)| self.told.get(phone) != Some(it));
        let news = news.map(|(phone, player)| Event::PlayerSeen {
            phone: *phone,
            player: player.clone(),
        });
        let events = gone.chain(news).collect();
        self.told = now;
        events
    }

    fn address(&mut self, path: &str, control: &Properties) {
        let player = control.get("Player").map(OwnedValue::try_clone);
        let player = player.and_then(|value| OwnedObjectPath::try_from(value.ok()?).ok());
        if let (Some((adapter, phone)), Some(player)) = (convert::device_at(path), player) {
            let player = player.as_str().to_owned();
            self.addressed.insert((adapter.to_owned(), phone), player);
        }
    }

    fn by_phone(&self, used: &str) -> BTreeMap<Address, Player> {
        let mut players = BTreeMap::new();
        for (path, properties) in &self.seen {
            let Some((adapter, phone)) = convert::device_of(path).filter(|(at, _)| *at == used)
            else {
                continue;
            };
            let addressed = self.addressed.get(&(adapter.to_owned(), phone));
            // The first, if the phone does not say.
            if addressed == Some(path) || !players.contains_key(&phone) {
                players.insert(phone, player(properties));
            }
        }
        players
    }
}

/// Reads a player from the properties of its `MediaPlayer1`.
fn player(properties: &Properties) -> Player {
    let word = |name| property::<&str>(properties, name).unwrap_or_default();
    let track = properties.get("Track").map(OwnedValue::try_clone);
    let track = track.and_then(|value| Properties::try_from(value.ok()?).ok());
    Player {
        app: text(properties, "Name"),
        state: match word("Status") {
            "playing" => PlayState::Playing,
            "paused" => PlayState::Paused,
            "forward-seek" => PlayState::Forward,
            "reverse-seek" => PlayState::Rewind,
            // As little is known of one that tells of an error.
            "" | "error" => PlayState::Unknown,
            _ => PlayState::Stopped,
        },
        track: track.as_ref().map(read_track).unwrap_or_default(),
        position: milliseconds(properties, "Position"),
        shuffle: match word("Shuffle") {
            "" => None,
            word => Some(word != "off"),
        },
        repeat: match word("Repeat") {
            "off" => Some(Repeat::Off),
            "singletrack" => Some(Repeat::Track),
            "alltracks" | "group" => Some(Repeat::All),
            _ => None,
        },
    }
}

fn read_track(properties: &Properties) -> Track {
    // There is no track 0.
    let number = |name| property::<u32>(properties, name).filter(|it| *it != 0 && *it != UNKNOWN);
    Track {
        title: text(properties, "Title"),
        artist: text(properties, "Artist"),
        album: text(properties, "Album"),
        genre: text(properties, "Genre"),
        number: number("TrackNumber"),
        of: number("NumberOfTracks"),
        length: milliseconds(properties, "Duration").filter(|length| !length.is_zero()),
    }
}

fn milliseconds(properties: &Properties, name: &str) -> Option<Duration> {
    let known = property::<u32>(properties, name).filter(|it| *it != UNKNOWN)?;
    Some(Duration::from_millis(known.into()))
}

fn text(properties: &Properties, name: &str) -> String {
    let text = property::<&str>(properties, name).unwrap_or_default();
    let cut = text.trim().chars().take(LONGEST_TEXT);
    cut.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use zbus::zvariant::{ObjectPath, Value};

    use super::super::convert::properties;
    use super::*;

    const ANNA: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x01]);
    const ANNA_PATH: &str = "/org/bluez/hci0/dev_DA_4C_10_DE_00_01";

    fn path(number: u32) -> String {
        format!("{ANNA_PATH}/avrcp/player{number}")
    }

    fn status(status: &'static str) -> Properties {
        properties([("Status", status.into())])
    }

    fn states(events: &[Event]) -> Vec<PlayState> {
        let seen = events.iter().map(|event| match event {
            Event::PlayerSeen {
                phone: ANNA,
                player,
            } => player.state,
            other => panic!("{other:?}"),
        });
        seen.collect()
    }

    #[test]
    fn a_player_is_told_as_it_is_and_when_it_changes() {
        let mut players = Players::default();
        let mut first = status("paused");
        let track = properties([
            ("Title", "  A\ntitle ".into()),
            ("Artist", "Somebody".into()),
            ("TrackNumber", 0_u32.into()),
            ("NumberOfTracks", 12_u32.into()),
            ("Duration", 61_500_u32.into()),
        ]);
        first.extend(properties([
            ("Name", "Music".into()),
            ("Position", 1_500_u32.into()),
            ("Shuffle", "alltracks".into()),
            ("Repeat", "singletrack".into()),
        ]));
        let track: Value<'static> = track.into();
        first.insert("Track".to_owned(), track.try_into_owned().unwrap());
        players.add(&path(0), PLAYER, first);
        let expected = Player {
            app: "Music".into(),
            state: PlayState::Paused,
            track: Track {
                title: "A title".into(),
                artist: "Somebody".into(),
                of: Some(12),
                length: Some(Duration::from_millis(61_500)),
                ..Track::default()
            },
            position: Some(Duration::from_millis(1_500)),
            shuffle: Some(true),
            repeat: Some(Repeat::Track),
        };
        let player = expected.clone();
        let phone = ANNA;
        let told = players.report(Some("hci0"));
        assert_eq!(told, [Event::PlayerSeen { phone, player }]);
        assert_eq!(players.report(Some("hci0")), [], "once");
        players.change(&path(0), PLAYER, status("playing"));
        assert_eq!(states(&players.report(Some("hci0"))), [PlayState::Playing]);
        players.remove(&path(0), PLAYER);
        assert_eq!(players.report(Some("hci0")), [Event::PlayerGone { phone }]);
    }

    #[test]
    fn the_one_that_the_remote_control_is_about_is_told() {
        let mut players = Players::default();
        players.add(&path(0), PLAYER, status("paused"));
        players.add(&path(1), PLAYER, status("playing"));
        assert_eq!(states(&players.report(Some("hci0"))), [PlayState::Paused]);
        let about = ObjectPath::try_from(path(1)).unwrap();
        let about = properties([("Player", about.into())]);
        players.change(ANNA_PATH, CONTROL, about);
        assert_eq!(states(&players.report(Some("hci0"))), [PlayState::Playing]);
        players.remove(&path(1), PLAYER);
        assert_eq!(states(&players.report(Some("hci0"))), [PlayState::Paused]);
    }

    #[test]
    fn players_elsewhere_or_while_the_radio_is_off_are_nobodys() {
        let mut players = Players::default();
        players.add(&path(0), PLAYER, status("playing"));
        assert_eq!(players.report(Some("hci1")), []);
        assert_eq!(players.report(None), []);
        assert_eq!(players.report(Some("hci0")).len(), 1);
        assert_eq!(players.report(None), [], "all are gone with the radio");
        assert_eq!(players.report(Some("hci0")).len(), 1, "told anew");
        players.remove_adapter("hci0");
        assert_eq!(players.report(Some("hci0")).len(), 1, "gone");
    }

    #[test]
    fn nothing_is_known_of_an_empty_player_and_odd_values_are_passed_over() {
        let odd = properties([
            ("Status", 7_u32.into()),
            ("Position", UNKNOWN.into()),
            ("Track", "none".into()),
            ("Shuffle", "".into()),
            ("Repeat", "sometimes".into()),
        ]);
        assert_eq!(player(&odd), Player::default());
        assert_eq!(player(&Properties::new()), Player::default());
        let long = "x".repeat(1_000);
        let long = properties([("Name", long.into())]);
        assert_eq!(player(&long).app.len(), LONGEST_TEXT);
    }
}
