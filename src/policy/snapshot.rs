//! What can be seen of the policy from outside: one plain value, made anew after each event.
//!
//! Invariant: a snapshot holds everything that `dotctl status` and the D-Bus properties show, and
//! nothing that changes by itself (no ages, no countdowns: points in time instead).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calls::facts::{Call, Gateway, VoiceCodec};
use super::event::RadioBlock;
use super::model::{Address, Preference, StreamFormat, TransportId, Volume};
use super::player::Player;

/// The speaker as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name in the air; empty until an adapter was seen and none is configured.
    pub name: String,
    /// The radio.
    pub adapter: AdapterStatus,
    /// When the pairing window closes, in seconds since 1970; nothing while it is closed.
    pub pairing_until: Option<u64>,
    /// The sound output.
    pub audio: AudioStatus,
    /// What the room is heard with in calls.
    pub microphone: MicrophoneStatus,
    /// The volume a phone starts with.
    pub volume: Volume,
    /// Whether nothing is heard, whatever plays.
    pub muted: bool,
    /// The volume that nothing exceeds.
    pub max_volume: Volume,
    /// Why the configuration on disk is not the one in use; nothing when it is.
    pub config_problems: Option<String>,
    /// Why trust and settings would not survive a restart now; nothing when they would.
    pub memory_problem: Option<String>,
    /// Why nothing was known at the start of what was trusted and set before; nothing when it was.
    pub memory_lost: Option<String>,
    /// Why the sound of a call did not come here when it last should have; nothing once it has.
    pub voice_problem: Option<String>,
    /// Every phone that is trusted or connected, in the order in which they were trusted.
    pub phones: Vec<PhoneStatus>,
}

/// What the radio is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum AdapterStatus {
    /// bluetoothd is not running.
    #[default]
    NoBluetooth,
    /// bluetoothd runs, but the adapter is not there.
    Missing,
    /// It is there, but off.
    Off {
        /// Its name, like `hci0`.
        id: String,
        /// What holds it off.
        block: RadioBlock,
    },
    /// It is on.
    On {
        /// Its name, like `hci0`.
        id: String,
        /// Its address.
        address: Address,
        /// Its class of device.
        class: u32,
        /// Whether phones can find it.
        discoverable: bool,
    },
}

/// What the sound output is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum AudioStatus {
    /// PipeWire is not running.
    #[default]
    NoServer,
    /// PipeWire runs, but has no output.
    NoOutput,
    /// Sound goes to this output.
    Ready {
        /// As people know it.
        output: String,
    },
}

/// What becomes of what is said in the room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MicrophoneStatus {
    /// What the room is heard with, as people know it; nothing while there is no microphone.
    pub name: Option<String>,
    /// Whether calls get silence instead.
    pub muted: bool,
    /// Why callers hear the echo of themselves; nothing when they should not, or may.
    pub echo_problem: Option<String>,
}

/// A phone as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneStatus {
    /// Its address.
    pub address: Address,
    /// What people here know it by.
    pub name: String,
    /// What it calls itself.
    pub own_name: String,
    /// Whether somebody let it in, and nobody has locked it out.
    pub trusted: bool,
    /// Whether it is locked out.
    pub blocked: bool,
    /// Whether BlueZ has a key of it: a trusted phone without one has to pair again.
    pub bonded: bool,
    /// Whether there is a link.
    pub connected: bool,
    /// What it plays now.
    pub stream: Option<StreamStatus>,
    /// What its player does, as far as it tells.
    pub player: Option<PlayerStatus>,
    /// Its volume.
    pub volume: Volume,
    /// Whether it may use calls.
    pub calls_allowed: bool,
    /// Its calls; nothing while it is not connected for calls.
    pub hands_free: Option<HandsFreeStatus>,
    /// When it was trusted, in seconds since 1970.
    pub first_seen: Option<u64>,
    /// When it last connected or disconnected, in seconds since 1970.
    pub last_seen: Option<u64>,
    /// When it is called, should it be missing.
    pub preference: Preference,
    /// When it is called next; nothing while it is not missing, or given up.
    pub next_try: Option<NextTry>,
}

/// When a phone that is missing is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextTry {
    /// It is called just now.
    Now,
    /// Not before this time, in seconds since 1970, and while nobody pairs, telephones or plays.
    At(u64),
}

/// A player as it was when it told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerStatus {
    /// What it told.
    pub player: Player,
    /// When its position was that, by the daemon's own clock. While it plays, that moves on.
    pub as_of: Duration,
    /// The file with the picture of what it plays.
    pub cover: Option<String>,
}

impl PlayerStatus {
    /// Returns how far into its track it is at a time of the daemon's own clock.
    pub fn position(&self, now: Duration) -> Option<Duration> {
        let runs = self.player.state.is_playing();
        let since = now.saturating_sub(self.as_of);
        let position = self.player.position? + if runs { since } else { Duration::ZERO };
        let length = self.player.track.length;
        Some(length.map_or(position, |length| position.min(length)))
    }
}

/// A stream as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// Its transport, to ask the audio path for its figures.
    pub transport: TransportId,
    /// Its format.
    pub format: StreamFormat,
}

/// What a phone that is connected for calls is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandsFreeStatus {
    /// What it tells of itself.
    pub gateway: Gateway,
    /// Its calls, the oldest first.
    pub calls: Vec<CallStatus>,
    /// How the sound of its calls comes here; nothing while it does not.
    pub voice: Option<VoiceCodec>,
    /// How loud its calls are.
    pub volume: Volume,
    /// How loud its callers get the room.
    pub microphone_volume: Volume,
    /// Whether its assistant listens.
    pub assistant: bool,
}

/// A call as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStatus {
    /// What the phone tells of it.
    pub call: Call,
    /// When it was first heard of, in seconds since 1970.
    pub since: u64,
    /// When it was answered, in seconds since 1970; nothing while it is not.
    pub answered: Option<u64>,
}
