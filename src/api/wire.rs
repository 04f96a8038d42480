//! What goes over the bus: names, paths, errors and the words for states.
//!
//! Invariant: everything here is a promise to other programs; `config/dbus/*.xml` shows it.

use std::collections::HashMap;
use std::time::Duration;

use zbus::DBusError;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

use crate::policy::calls::facts::{CallId, CallState, Direction, Gateway};
use crate::policy::event::RadioBlock;
use crate::policy::model::{Address, Preference, StreamFormat};
use crate::policy::player::{PlayState, Repeat};
use crate::policy::snapshot::{AdapterStatus, AudioStatus, PlayerStatus, StreamStatus};
use crate::policy::{Rejection, RejectionKind};

/// The name on the bus.
pub const SERVICE: &str = "org.dotd";
/// The object that is the speaker.
pub const ROOT: &str = "/org/dotd";
/// What the paths of phones begin with.
const PHONES: &str = "/org/dotd/phones/";
/// What stands between the path of a phone and the number of its call.
const CALLS: &str = "/calls/";

/// Returns the object path of a phone.
pub fn phone_path(phone: Address) -> OwnedObjectPath {
    let [a, b, c, d, e, f] = phone.octets();
    let path = format!("{PHONES}{a:02X}_{b:02X}_{c:02X}_{d:02X}_{e:02X}_{f:02X}");
    // Digits, letters and underscores: always a path.
    ObjectPath::from_string_unchecked(path).into()
}

/// Returns the address in a phone's object path.
pub fn phone_address(path: &str) -> Option<Address> {
    path.strip_prefix(PHONES)?.replace('_', ":").parse().ok()
}

/// Returns the object path of a call.
pub fn call_path(phone: Address, call: CallId) -> OwnedObjectPath {
    let path = format!("{}{CALLS}{}", phone_path(phone).as_str(), call.0);
    // Digits, letters and underscores: always a path.
    ObjectPath::from_string_unchecked(path).into()
}

/// Returns the phone and the call in a call's object path.
pub fn phone_and_call(path: &str) -> Option<(Address, CallId)> {
    let (phone, call) = path.split_once(CALLS)?;
    Some((phone_address(phone)?, CallId(call.parse().ok()?)))
}

/// Every error of the service, `org.dotd.Error.*`; one for each [`RejectionKind`].
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.dotd.Error")]
pub enum Error {
    /// Not one of ours: the bus, or the daemon is not there.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// No such phone.
    NotFound(String),
    /// Several phones fit.
    Ambiguous(String),
    /// The phone is not connected, and would have to be.
    NotConnected(String),
    /// Not allowed.
    Refused(String),
    /// Something else is under way.
    Busy(String),
    /// The value makes no sense.
    InvalidArgument(String),
    /// Something that is needed is not there.
    NotAvailable(String),
}

impl From<Rejection> for Error {
    fn from(Rejection { kind, message }: Rejection) -> Self {
        match kind {
            RejectionKind::NotFound => Self::NotFound(message),
            RejectionKind::Ambiguous => Self::Ambiguous(message),
            RejectionKind::NotConnected => Self::NotConnected(message),
            RejectionKind::Refused => Self::Refused(message),
            RejectionKind::Busy => Self::Busy(message),
            RejectionKind::InvalidArgument => Self::InvalidArgument(message),
            RejectionKind::NotAvailable => Self::NotAvailable(message),
        }
    }
}

/// How a stream is doing right now, as the sound path measures it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamFigures {
    /// Packets that came since the stream began.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// How much sound was made up for what was missing.
    pub concealed: Duration,
    /// How often the buffer ran dry.
    pub underruns: u64,
    /// How much sound waits in the buffer.
    pub buffered: Duration,
    /// From the arrival of a packet to the sound of it.
    pub delay: Duration,
    /// How much faster the phone's clock runs than the output's, in parts per million.
    pub drift_ppm: f64,
    /// What the phone sends, in bits per second.
    pub bit_rate: u32,
}

/// Returns the property `Stream`: what is played, and how that goes.
pub fn stream(
    stream: &StreamStatus,
    figures: Option<StreamFigures>,
) -> HashMap<String, OwnedValue> {
    let milliseconds = |length: Duration| u32::try_from(length.as_millis()).unwrap_or(u32::MAX);
    let format = stream.format;
    let mut entries: Vec<(&str, Value<'_>)> = vec![
        ("Codec", format.codec().name().into()),
        ("Rate", format.rate().into()),
        ("Channels", format.channels().into()),
        ("ChannelMode", format.channel_mode().to_string().into()),
    ];
    if let StreamFormat::Sbc { max_bitpool, .. } = format {
        entries.push(("MaxBitpool", max_bitpool.into()));
    }
    if let Some(figures) = figures {
        entries.extend([
            ("Packets", Value::from(figures.packets)),
            ("Lost", figures.lost.into()),
            ("ConcealedMs", milliseconds(figures.concealed).into()),
            ("Underruns", figures.underruns.into()),
            ("BufferMs", milliseconds(figures.buffered).into()),
            ("DelayMs", milliseconds(figures.delay).into()),
            ("DriftPpm", figures.drift_ppm.into()),
            ("BitRate", figures.bit_rate.into()),
        ]);
    }
    dictionary(entries)
}

/// Returns the property `Gateway`: what a phone tells of itself.
pub fn gateway(gateway: &Gateway) -> HashMap<String, OwnedValue> {
    let entries = [
        ("Service", gateway.service.map(Value::from)),
        ("Signal", gateway.signal.map(Value::from)),
        ("Roaming", gateway.roaming.map(Value::from)),
        ("Battery", gateway.battery.map(Value::from)),
        ("Operator", gateway.operator.as_deref().map(Value::from)),
    ];
    let told = entries
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    dictionary(told)
}

/// Returns the property `Player`: what a phone's player tells of itself.
pub fn player(status: &PlayerStatus) -> HashMap<String, OwnedValue> {
    let PlayerStatus { player, cover, .. } = status;
    let filled = |text: &'_ str| (!text.is_empty()).then(|| Value::from(text.to_owned()));
    let milliseconds = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let track = &player.track;
    let entries = [
        ("App", filled(&player.app)),
        ("State", Some(play_state(player.state).into())),
        ("Title", filled(&track.title)),
        ("Artist", filled(&track.artist)),
        ("Album", filled(&track.album)),
        ("Genre", filled(&track.genre)),
        ("Number", track.number.map(Value::from)),
        ("Of", track.of.map(Value::from)),
        ("LengthMs", track.length.map(milliseconds).map(Value::from)),
        ("Shuffle", player.shuffle.map(Value::from)),
        ("Repeat", player.repeat.map(repeat).map(Value::from)),
        ("Cover", cover.clone().map(Value::from)),
    ];
    let told = entries
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    dictionary(told)
}

/// Returns what a player is doing, in a word.
pub fn play_state(state: PlayState) -> &'static str {
    match state {
        PlayState::Playing => "playing",
        PlayState::Paused => "paused",
        PlayState::Stopped => "stopped",
        PlayState::Forward => "forward",
        PlayState::Rewind => "rewind",
        PlayState::Unknown => "unknown",
    }
}

/// Returns what a player does at the end of a track, in a word.
pub fn repeat(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Off => "off",
        Repeat::Track => "track",
        Repeat::All => "all",
    }
}

/// Reads such a word.
///
/// # Errors
/// When there is no such word.
pub fn repeat_named(text: &str) -> Result<Repeat, Error> {
    let mut all = [Repeat::Off, Repeat::Track, Repeat::All].into_iter();
    all.find(|it| repeat(*it) == text).ok_or_else(|| {
        let words = "allowed is off, track or all";
        Error::InvalidArgument(format!("\"{text}\" is no way to repeat; {words}"))
    })
}

fn dictionary<'a>(
    entries: impl IntoIterator<Item = (&'a str, Value<'a>)>,
) -> HashMap<String, OwnedValue> {
    entries
        .into_iter()
        // Only a file descriptor can fail to be owned; there is none.
        .filter_map(|(name, value)| Some((name.to_owned(), value.try_into_owned().ok()?)))
        .collect()
}

/// Returns a call's property `State`.
pub fn call_state(state: CallState) -> &'static str {
    match state {
        CallState::Incoming => "incoming",
        CallState::Waiting => "waiting",
        CallState::Dialing => "dialing",
        CallState::Alerting => "alerting",
        CallState::Active => "active",
        CallState::Held => "held",
    }
}

/// Returns a call's property `Direction`.
pub fn call_direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Incoming => "incoming",
        Direction::Outgoing => "outgoing",
    }
}

/// Returns a phone's property `Preference`.
pub fn preference(preference: Preference) -> &'static str {
    match preference {
        Preference::First => "first",
        Preference::Usual => "usual",
        Preference::Last => "last",
        Preference::Never => "never",
    }
}

/// Reads one.
///
/// # Errors
/// When there is no such word.
pub fn preference_named(text: &str) -> Result<Preference, Error> {
    let all = [
        Preference::First,
        Preference::Usual,
        Preference::Last,
        Preference::Never,
    ];
    let named = all.into_iter().find(|it| preference(*it) == text);
    named.ok_or_else(|| {
        let words = "allowed is first, usual, last or never";
        Error::InvalidArgument(format!("\"{text}\" is no preference; {words}"))
    })
}

/// Returns the property `AdapterState`.
pub fn adapter_state(adapter: &AdapterStatus) -> &'static str {
    match adapter {
        AdapterStatus::NoBluetooth => "no-bluetooth",
        AdapterStatus::Missing => "missing",
        AdapterStatus::Off { block, .. } => match block {
            RadioBlock::Free => "off",
            RadioBlock::Soft => "soft-blocked",
            RadioBlock::Hard => "hard-blocked",
        },
        AdapterStatus::On { .. } => "on",
    }
}

/// Returns the property `AudioState`.
pub fn audio_state(audio: &AudioStatus) -> &'static str {
    match audio {
        AudioStatus::NoServer => "no-server",
        AudioStatus::NoOutput => "no-output",
        AudioStatus::Ready { .. } => "ready",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_phone() {
        let phone = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, 1]);
        let path = phone_path(phone);
        assert_eq!(path.as_str(), "/org/dotd/phones/DA_4C_10_DE_00_01");
        assert!(ObjectPath::try_from(path.as_str()).is_ok());
        assert_eq!(phone_address(&path), Some(phone));
        assert_eq!(phone_address("/org/dotd"), None);
        assert_eq!(phone_address("/org/dotd/phones/DA_4C"), None);
    }

    #[test]
    fn a_path_names_its_call_and_whose_it_is() {
        let phone = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, 1]);
        let path = call_path(phone, CallId(12));
        assert_eq!(path.as_str(), "/org/dotd/phones/DA_4C_10_DE_00_01/calls/12");
        assert!(ObjectPath::try_from(path.as_str()).is_ok());
        assert_eq!(phone_and_call(&path), Some((phone, CallId(12))));
        assert_eq!(phone_address(&path), None);
        for other in [
            "/org/dotd/phones/DA_4C_10_DE_00_01",
            "/org/dotd/phones/DA_4C_10_DE_00_01/calls",
            "/org/dotd/phones/DA_4C_10_DE_00_01/calls/x",
            "/org/dotd/calls/1",
        ] {
            assert_eq!(phone_and_call(other), None, "{other}");
        }
    }

    #[test]
    fn a_player_is_told_as_far_as_it_tells() {
        let idle = player(&PlayerStatus::default());
        assert_eq!(idle.len(), 1);
        assert_eq!(*idle["State"], Value::from("unknown"));
        let mut known = PlayerStatus::default();
        known.player.track.title = "Hey".to_owned();
        known.player.track.length = Some(Duration::from_millis(61_500));
        known.player.repeat = Some(Repeat::Track);
        known.cover = Some("/run/dotd/covers/a.jpg".to_owned());
        let told = player(&known);
        assert_eq!(*told["Cover"], Value::from("/run/dotd/covers/a.jpg"));
        assert_eq!(*told["Title"], Value::from("Hey"));
        assert_eq!(*told["LengthMs"], Value::U64(61_500));
        assert_eq!(*told["Repeat"], Value::from("track"));
        assert_eq!(repeat_named("all").unwrap(), Repeat::All);
        assert!(repeat_named("sometimes").is_err());
    }

    #[test]
    fn what_a_phone_does_not_tell_is_not_there() {
        assert!(gateway(&Gateway::default()).is_empty());
        let told = gateway(&Gateway {
            signal: Some(4),
            operator: Some("Dot Mobile".to_owned()),
            ..Gateway::default()
        });
        assert_eq!(told.len(), 2);
        assert_eq!(*told["Signal"], Value::U8(4));
        assert_eq!(*told["Operator"], Value::from("Dot Mobile"));
    }
}
