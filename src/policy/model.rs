//! The words of the policy: plain values without behaviour of their own.
//!
//! Invariant: a value that exists is valid. [`Address`], [`Volume`] and [`SpeakerName`] can only be
//! made from input that was checked, so nothing further in has to check again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use super::rules::{AdapterChoice, CallPhones, PhoneChoice, PhoneRule, Rules, TakeoverRule};

/// A Bluetooth device address (BD_ADDR), most significant octet first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 6]);

impl Address {
    /// Makes an address from its six octets, most significant first.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// Returns the six octets, most significant first.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Returns the last two octets as four hex digits, as used in the default speaker name.
    pub fn suffix(self) -> String {
        format!("{:02X}{:02X}", self.0[4], self.0[5])
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a Bluetooth address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a Bluetooth address; write it like 00:1A:7D:DA:71:13")
    }
}

impl std::error::Error for NotAnAddress {}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().ok_or(NotAnAddress)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(NotAnAddress);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| NotAnAddress)?;
        }
        if parts.next().is_some() {
            Err(NotAnAddress)
        } else {
            Ok(Self(octets))
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A perceived loudness from 0 (silent) to 100 (as loud as the phone sent it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Volume(u8);

impl Volume {
    /// Silence.
    pub const MIN: Self = Self(0);
    /// The phone's own level, unchanged.
    pub const MAX: Self = Self(100);

    /// Makes a volume, or nothing when `percent` is above 100.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// Returns the volume as 0 to 100.
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// Moves by `steps` per cent and stops at the ends.
    pub fn step(self, steps: i16) -> Self {
        let moved = (i16::from(self.0).saturating_add(steps)).clamp(0, 100);
        Self(u8::try_from(moved).unwrap_or(100))
    }

    /// Converts from AVRCP absolute volume, 0 to 127 (AVRCP 1.6.2, 6.13.1).
    pub fn from_avrcp(value: u8) -> Self {
        let value = u16::from(value.min(127));
        Self(((value * 100 + 63) / 127) as u8)
    }

    /// Converts to AVRCP absolute volume, 0 to 127.
    pub fn to_avrcp(self) -> u8 {
        ((u16::from(self.0) * 127 + 50) / 100) as u8
    }

    /// Returns the factor to apply to samples: a cube, which ears find even and PipeWire's own sliders
    /// use, but of a scale that begins above nothing. The cube of the fraction itself would have 1 at
    /// -120 dB and the first of a phone's 15 steps at -70: a range in which nothing is heard. Here 1 is
    /// at -45 dB, 50 at -14 and 100 at 0; 0 is silence.
    pub fn gain(self) -> f32 {
        if self == Self::MIN {
            return 0.0;
        }
        let fraction = (f32::from(self.0) + 20.0) / 120.0;
        fraction * fraction * fraction
    }
}

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = u8::deserialize(deserializer)?;
        Self::new(percent).ok_or_else(|| de::Error::custom("a volume is 0 to 100"))
    }
}

/// A name that phones can show: 1 to 248 bytes of UTF-8 without control characters
/// (Core 5.4, Vol 3, Part C, 3.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SpeakerName(String);

/// Why a text cannot be a speaker's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// Nothing but white space.
    Empty,
    /// More than 248 bytes in UTF-8; the length is given.
    TooLong(usize),
    /// A line break, a tab or the like.
    ControlCharacter,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name cannot be empty"),
            Self::TooLong(bytes) => {
                write!(
                    f,
                    "a name has at most 248 bytes in UTF-8, this one has {bytes}"
                )
            }
            Self::ControlCharacter => f.write_str("a name cannot hold control characters"),
        }
    }
}

impl std::error::Error for BadName {}

impl SpeakerName {
    /// The longest name that Bluetooth carries, in bytes.
    pub const MAX_BYTES: usize = 248;

    /// Checks `text`, without the white space around it, as a name.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let text = text.trim();
        if text.is_empty() {
            Err(BadName::Empty)
        } else if text.len() > Self::MAX_BYTES {
            Err(BadName::TooLong(text.len()))
        } else if text.chars().any(char::is_control) {
            Err(BadName::ControlCharacter)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Returns the name a speaker has when nobody gave it one: "Dot-1A2B".
    pub fn default_for(address: Address) -> Self {
        Self(format!("Dot-{}", address.suffix()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpeakerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SpeakerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// When something happens, by both clocks. The policy has none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Time since the daemon started; never jumps.
    pub monotonic: Duration,
    /// Seconds since 1970, for people; may jump.
    pub unix: u64,
}

/// Names one question from a client of the D-Bus service until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Names one question from BlueZ to our agent until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuestionId(pub u64);

/// Names one attempt to connect a phone until it ended, so that the end of an earlier one is not
/// taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AttemptId(pub u64);

/// Names one A2DP transport while it exists; opaque (BlueZ's object path).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransportId(pub String);

/// A codec that phones may send their music in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MusicCodec {
    /// Subband coding, which every A2DP device has.
    Sbc,
    /// MPEG-2 and MPEG-4 AAC, low complexity.
    Aac,
}

impl MusicCodec {
    /// All of them, in the order in which phones are offered them unless the admin wants another:
    /// those first whose music sounds better at the rate that the radio carries.
    pub const ALL: [Self; 2] = [Self::Aac, Self::Sbc];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sbc => "SBC",
            Self::Aac => "AAC",
        }
    }

    /// Returns the one with this name, whatever its case.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|codec| codec.name().eq_ignore_ascii_case(name))
    }
}

/// How the channels of an SBC stream are coded (A2DP 1.4, 4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelMode {
    /// One channel.
    Mono,
    /// Two channels, each with its own bit pool.
    DualChannel,
    /// Two channels that share one bit pool.
    Stereo,
    /// Two channels that share one bit pool and what they have in common.
    JointStereo,
}

impl ChannelMode {
    /// Returns the number of channels: 1 or 2.
    pub const fn channels(self) -> u8 {
        match self {
            Self::Mono => 1,
            Self::DualChannel | Self::Stereo | Self::JointStereo => 2,
        }
    }
}

impl fmt::Display for ChannelMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mono => "mono",
            Self::DualChannel => "dual channel",
            Self::Stereo => "stereo",
            Self::JointStereo => "joint stereo",
        })
    }
}

/// How a phone codes its music.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "codec", rename_all = "kebab-case")]
pub enum StreamFormat {
    /// Subband coding, which every A2DP device has.
    Sbc {
        /// Sampling rate in Hz: 16000, 32000, 44100 or 48000.
        rate: u32,
        /// Channel mode.
        mode: ChannelMode,
        /// The largest bit pool the phone may use.
        max_bitpool: u8,
    },
    /// MPEG-2 or MPEG-4 AAC, low complexity.
    Aac {
        /// Sampling rate in Hz: 44100 or 48000.
        rate: u32,
        /// Number of channels: 1 or 2.
        channels: u8,
    },
}

impl StreamFormat {
    /// Returns the codec.
    pub const fn codec(&self) -> MusicCodec {
        match self {
            Self::Sbc { .. } => MusicCodec::Sbc,
            Self::Aac { .. } => MusicCodec::Aac,
        }
    }

    /// Returns the sampling rate in Hz.
    pub const fn rate(&self) -> u32 {
        match self {
            Self::Sbc { rate, .. } | Self::Aac { rate, .. } => *rate,
        }
    }

    /// Returns the number of channels: 1 or 2.
    pub const fn channels(&self) -> u8 {
        match self {
            Self::Sbc { mode, .. } => mode.channels(),
            Self::Aac { channels, .. } => *channels,
        }
    }

    /// Returns how the channels are coded; AAC chooses that for each frame, and is plainly stereo.
    pub const fn channel_mode(&self) -> ChannelMode {
        match self {
            Self::Sbc { mode, .. } => *mode,
            Self::Aac { channels: 1, .. } => ChannelMode::Mono,
            Self::Aac { .. } => ChannelMode::Stereo,
        }
    }
}

impl fmt::Display for StreamFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (codec, khz) = (self.codec().name(), f64::from(self.rate()) / 1000.0);
        write!(f, "{codec} {khz} kHz {}", self.channel_mode())
    }
}

/// A phone somebody let in through a pairing window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrustedPhone {
    /// Its address.
    pub address: Address,
    /// What it calls itself.
    pub name: String,
    /// When it was trusted, in seconds since 1970.
    pub first_seen: u64,
    /// When it last connected or disconnected, in seconds since 1970.
    pub last_seen: u64,
    /// Where its volume was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
    /// Where the volume of its calls was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_volume: Option<Volume>,
    /// When it is called, should it be missing.
    #[serde(default, skip_serializing_if = "Preference::is_usual")]
    pub preference: Preference,
    /// When its music was last heard, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_played: Option<u64>,
    /// It left on purpose, so it is not missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// What people here call it, if not by its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// It is let in no more until somebody says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
}

impl TrustedPhone {
    /// Returns what people know it by.
    pub fn shown_name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// Returns all names it has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.alias.as_deref().into_iter().chain([&*self.name])
    }
}

/// When a phone is called that is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// Before all others.
    First,
    /// The sooner the later it was here.
    #[default]
    Usual,
    /// After all others.
    Last,
    /// Not at all: it comes by itself, or when somebody asks for it.
    Never,
}

impl Preference {
    /// Returns a number that is the higher the sooner the phone is called.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::First => 2,
            Self::Usual => 1,
            Self::Last | Self::Never => 0,
        }
    }

    /// Says whether nobody chose it.
    pub fn is_usual(&self) -> bool {
        *self == Self::Usual
    }
}

/// What outlives the daemon: whom it trusts and what people chose at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The name given with `dotctl name`; it outranks the configured one.
    pub name: Option<SpeakerName>,
    /// The configured name that it outranks. When the file has another one, somebody wants that.
    pub outranked: Option<SpeakerName>,
    /// The volume that a phone without one of its own starts with; outranks the configured one.
    pub volume: Option<Volume>,
    /// The configured one that it outranks. When the file has another one, somebody wants that.
    pub outranked_volume: Option<Volume>,
    /// Whether calls get silence instead of the room.
    pub microphone_muted: bool,
    /// Whether nothing is heard, whatever plays.
    pub muted: bool,
    /// Phones that were forgotten and whose bond BlueZ may still have: it can be removed only while
    /// the adapter is there that has it, by this address, if it is known. None of them is trusted.
    pub forgotten: BTreeMap<Address, Option<Address>>,
    /// The trusted phones, in the order in which they were trusted.
    pub phones: Vec<TrustedPhone>,
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
