//! What bluetoothd tells of the players of phones, and which of them is told on.
//!
//! Invariant: pure. Each phone has one player at most: the one that its remote control is about.
//! Texts come from the air: they are cut and hold no control characters; the name of a picture that is
//! none is nothing, and so is a place where none can be.

use std::collections::BTreeMap;
use std::time::Duration;

use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::convert::{self, CONTROL, PLAYER, Properties, property};
use super::covers::Art;
use crate::policy::event::Event;
use crate::policy::model::Address;
use crate::policy::player::{ImageHandle, PlayState, Player, Repeat, Track};

/// How many characters of a text are of use to people.
const LONGEST_TEXT: usize = 300;
/// What stands for a number that the phone does not know (AVRCP 1.6.2, 6.7.1).
const UNKNOWN: u32 = u32::MAX;

/// The players of an adapter's phones.
#[derive(Debug, Default)]
pub(super) struct Players {
    /// All there are, by their path.
    seen: BTreeMap<String, Seen>,
    /// How often any of them told what it plays.
    tellings: u64,
    /// Which one a phone's remote control is about.
    addressed: BTreeMap<(String, Address), String>,
    told: BTreeMap<Address, Player>,
}

#[derive(Debug)]
struct Seen {
    properties: Properties,
    /// Which telling of what it plays this is, of all there were.
    told: u64,
}

impl Players {
    /// None of them is known any more. What they tell is counted on.
    pub(super) fn lose(&mut self) {
        *self = Self {
            tellings: self.tellings,
            ..Self::default()
        };
    }

    /// A player, or the remote control of a phone, appeared.
    pub(super) fn add(&mut self, path: &str, interface: &str, properties: Properties) {
        if interface == PLAYER {
            self.tellings += 1;
            let told = self.tellings;
            self.seen.insert(path.to_owned(), Seen { properties, told });
        } else {
            self.address(path, &properties);
        }
    }

    /// Some of its properties have other values.
    pub(super) fn change(&mut self, path: &str, interface: &str, changed: Properties) {
        if interface == CONTROL {
            self.address(path, &changed);
        } else if let Some(known) = self.seen.get_mut(path) {
            if changed.contains_key("Track") {
                self.tellings += 1;
                known.told = self.tellings;
            }
            known.properties.extend(changed);
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
        let told = |(phone, seen): (Address, &Seen)| (phone, player(&seen.properties));
        let now: BTreeMap<_, _> = self.by_phone(used).into_iter().map(told).collect();
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

    /// Returns where the phones of an adapter offer pictures, and of what they play.
    pub(super) fn art(&self, adapter: &str) -> BTreeMap<Address, Art> {
        let offers = self.by_phone(adapter).into_iter();
        let offers = offers.filter_map(|(phone, Seen { properties, told })| {
            let psm = property(properties, "ObexPort").filter(|psm| is_dynamic(*psm))?;
            let image = track(properties).and_then(|track| image(&track));
            let told = *told;
            Some((phone, Art { psm, image, told }))
        });
        offers.collect()
    }

    fn address(&mut self, path: &str, control: &Properties) {
        let player = control.get("Player").map(OwnedValue::try_clone);
        let player = player.and_then(|value| OwnedObjectPath::try_from(value.ok()?).ok());
        if let (Some((adapter, phone)), Some(player)) = (convert::device_at(path), player) {
            let player = player.as_str().to_owned();
            self.addressed.insert((adapter.to_owned(), phone), player);
        }
    }

    fn by_phone(&self, used: &str) -> BTreeMap<Address, &Seen> {
        let mut players = BTreeMap::new();
        for (path, seen) in &self.seen {
            let Some((adapter, phone)) = convert::device_of(path).filter(|(at, _)| *at == used)
            else {
                continue;
            };
            let addressed = self.addressed.get(&(adapter.to_owned(), phone));
            // The first, if the phone does not say.
            if addressed == Some(path) || !players.contains_key(&phone) {
                players.insert(phone, seen);
            }
        }
        players
    }
}

/// Reads a player from the properties of its `MediaPlayer1`.
fn player(properties: &Properties) -> Player {
    let word = |name| property::<&str>(properties, name).unwrap_or_default();
    let track = track(properties);
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
        image: track.as_ref().and_then(image),
    }
}

/// Says whether a service of a phone's own can be there (Core 6.0, Vol 3 Part A, 4.2): lower ones are
/// Bluetooth's, and to obexd those below 32 are channels of RFCOMM.
fn is_dynamic(psm: u16) -> bool {
    psm >= 0x1001 && psm & 0x0101 == 1
}

fn track(properties: &Properties) -> Option<Properties> {
    let track = properties.get("Track").map(OwnedValue::try_clone);
    track.and_then(|value| Properties::try_from(value.ok()?).ok())
}

fn image(track: &Properties) -> Option<ImageHandle> {
    property::<&str>(track, "ImgHandle")?.parse().ok()
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
            ("ImgHandle", "0000017".into()),
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
            image: "0000017".parse().ok(),
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

    fn playing(image: &'static str) -> Properties {
        let track: Value<'static> = properties([("ImgHandle", image.into())]).into();
        let mut playing = status("playing");
        playing.insert("Track".to_owned(), track.try_into_owned().unwrap());
        playing
    }

    fn port(psm: u16) -> Properties {
        properties([("ObexPort", psm.into())])
    }

    #[test]
    fn pictures_are_where_the_player_says_and_have_names_that_are_names() {
        let mut players = Players::default();
        players.add(&path(0), PLAYER, playing("0000017"));
        assert!(players.art("hci0").is_empty(), "it says not where");
        players.change(&path(0), PLAYER, port(0x1007));
        for (told, named, image) in [
            (2, "0000017", "0000017".parse().ok()),
            (3, "1", None),
            (4, "../../../etc", None),
        ] {
            players.change(&path(0), PLAYER, playing(named));
            let psm = 0x1007;
            let expected = BTreeMap::from([(ANNA, Art { psm, image, told })]);
            assert_eq!(players.art("hci0"), expected, "{named}");
        }
        assert!(players.art("hci1").is_empty());
    }

    #[test]
    fn pictures_are_nowhere_but_at_a_phones_own_services() {
        let mut players = Players::default();
        players.add(&path(0), PLAYER, playing("0000017"));
        for (psm, is_one) in [
            (0, false),
            (9, false),
            (0x0019, false),
            (0x0FFF, false),
            (0x1000, false),
            (0x1001, true),
            (0x1002, false),
            (0x1101, false),
            (0x1201, true),
            (0xFEFF, true),
            (0xFFFF, false),
        ] {
            players.change(&path(0), PLAYER, port(psm));
            assert_eq!(!players.art("hci0").is_empty(), is_one, "{psm:#06x}");
        }
    }

    #[test]
    fn each_time_that_a_phone_tells_what_it_plays_is_another() {
        let mut players = Players::default();
        players.add(&path(0), PLAYER, playing("0000017"));
        players.change(&path(0), PLAYER, port(0x1007));
        let told = |players: &Players| players.art("hci0")[&ANNA].told;
        assert_eq!(told(&players), 1);
        players.change(&path(0), PLAYER, status("paused"));
        assert_eq!(told(&players), 1);
        players.change(&path(0), PLAYER, playing("0000017"));
        assert_eq!(told(&players), 2, "the same, and yet");
        players.remove(&path(0), PLAYER);
        let mut anew = playing("0000017");
        anew.extend(port(0x1007));
        players.add(&path(0), PLAYER, anew);
        assert_eq!(told(&players), 3);
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
