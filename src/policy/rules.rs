//! What the admin decided: the part of the configuration that the policy goes by.
//!
//! Invariant: plain values. Whatever a rule can say was checked before it got here; what an older
//! recording does not say is what was so before there was that rule.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::model::{Address, MusicCodec, SpeakerName, Volume};

const START_VOLUME: Volume = percent(60);
const RING_VOLUME: Volume = percent(50);

const fn percent(percent: u8) -> Volume {
    match Volume::new(percent) {
        Some(volume) => volume,
        None => Volume::MAX,
    }
}

fn sbc_alone() -> Vec<MusicCodec> {
    vec![MusicCodec::Sbc]
}

/// Which adapter to use when there are several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdapterChoice {
    /// The first one that is there.
    First,
    /// The one with this name, like `hci0`.
    Named(String),
    /// The one with this address.
    Addressed(Address),
}

/// Which phones may bring their calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallPhones {
    /// All that are trusted.
    All,
    /// Only these.
    Only(Vec<PhoneChoice>),
}

/// A phone as the admin names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhoneChoice {
    /// By its whole name.
    Named(String),
    /// By its address.
    Addressed(Address),
}

impl PhoneChoice {
    /// Says whether it is the phone with this address by that.
    pub fn is_address(&self, address: Address) -> bool {
        matches!(self, Self::Addressed(one) if *one == address)
    }

    /// Says whether it is a phone with this name by that. Case does not matter, nor which apostrophe
    /// it is: iPhones write one that few keyboards have.
    pub fn is_name(&self, name: &str) -> bool {
        let folded = |name: &str| name.trim().to_lowercase().replace('\u{2019}', "'");
        matches!(self, Self::Named(one) if folded(one) == folded(name))
    }
}

/// Who has the speaker when several phones play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakeoverRule {
    /// Whoever begins last.
    #[default]
    LastPlay,
    /// Whoever has it, until it has stopped for some time.
    Hold,
    /// The only one that is connected: while it plays, no other can be.
    Refuse,
}

/// What the admin decided about one phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PhoneRule {
    /// Which one.
    pub phone: PhoneChoice,
    /// Whether it gets the speaker while another one has it.
    pub may_take_over: bool,
}

impl PhoneRule {
    /// Makes the one of a phone of which nothing special was decided.
    pub fn new(phone: PhoneChoice) -> Self {
        Self {
            phone,
            may_take_over: true,
        }
    }
}

/// What the admin decided that the policy goes by; the rest of the configuration is the adapters'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The name in the air; without one it is made from the adapter's address.
    pub name: Option<SpeakerName>,
    /// The adapter to use.
    pub adapter: AdapterChoice,
    /// How long a pairing window stays open.
    pub window: Duration,
    /// Whether to open a window at start while nobody is trusted.
    pub open_when_nobody_is_trusted: bool,
    /// For how long a phone that is missing is called; not at all if zero.
    #[serde(default)]
    pub reconnect_for: Duration,
    /// How many phones may be connected at once; each has an endpoint of each codec.
    pub max_connected: u8,
    /// The codecs that phones may send their music in, best first.
    #[serde(default = "sbc_alone")]
    pub codecs: Vec<MusicCodec>,
    /// Who has the speaker when several phones play.
    #[serde(default)]
    pub takeover: TakeoverRule,
    /// For how long a phone that has stopped keeps the speaker, with [`TakeoverRule::Hold`].
    #[serde(default)]
    pub hold_for: Duration,
    /// The phones that take the speaker from those behind them and from all others, and keep it from
    /// them, whatever `takeover` says.
    #[serde(default)]
    pub priority: Vec<PhoneChoice>,
    /// What was decided about single phones.
    #[serde(default)]
    pub phones: Vec<PhoneRule>,
    /// Where a phone's volume starts when it has none remembered.
    pub start_volume: Volume,
    /// What no volume exceeds.
    pub max_volume: Volume,
    /// Whether phones may bring their calls.
    pub calls: bool,
    /// Which ones.
    pub call_phones: CallPhones,
    /// After how long a call that rings is answered without anybody's help; never if nothing is said.
    pub auto_answer: Option<Duration>,
    /// How loud our own ring tone is, for phones that send none; silent at 0.
    pub ring_volume: Volume,
}

impl Rules {
    /// The shortest time for which phones that are missing are called.
    pub const MIN_RECONNECT: Duration = Duration::from_secs(10);
    /// The longest.
    pub const MAX_RECONNECT: Duration = Duration::from_secs(24 * 3600);
    /// The longest time for which a phone that has stopped can keep the speaker.
    pub const MAX_HOLD: Duration = Duration::from_secs(600);
    /// The shortest pairing window.
    pub const MIN_WINDOW: Duration = Duration::from_secs(10);
    /// The longest pairing window.
    pub const MAX_WINDOW: Duration = Duration::from_secs(3600);
    /// The soonest that a call can be answered by itself.
    pub const MIN_AUTO_ANSWER: Duration = Duration::from_secs(1);
    /// The latest; by then most networks have answered themselves.
    pub const MAX_AUTO_ANSWER: Duration = Duration::from_secs(60);
}

impl Rules {
    /// Returns how many endpoints of each codec are to be offered: one for each phone that may be
    /// connected, and where that is one, one for whoever comes before it has left.
    pub fn endpoints(&self) -> u8 {
        match self.takeover {
            TakeoverRule::Refuse => self.max_connected.max(2),
            TakeoverRule::LastPlay | TakeoverRule::Hold => self.max_connected,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            name: None,
            adapter: AdapterChoice::First,
            window: Duration::from_secs(180),
            open_when_nobody_is_trusted: true,
            reconnect_for: Duration::from_secs(15 * 60),
            max_connected: 3,
            codecs: MusicCodec::ALL.to_vec(),
            takeover: TakeoverRule::default(),
            hold_for: Duration::from_secs(10),
            priority: Vec::new(),
            phones: Vec::new(),
            start_volume: START_VOLUME,
            max_volume: Volume::MAX,
            calls: true,
            call_phones: CallPhones::All,
            auto_answer: None,
            ring_volume: RING_VOLUME,
        }
    }
}
