//! What happened, told to people: one sentence each in the journal and in `dotctl monitor`.
//!
//! Invariant: a story is told once per thing that happened to a person, not per thing that happened
//! to the program. A warning is something an admin should look at, and says what to do.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calls::facts::VoiceCodec;
use super::model::{Address, Preference, SpeakerName, StreamFormat, Volume};
use super::player::Track;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "story", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "the fields are the words of the sentence above them"
)]
pub enum Story {
    /// The adapter is up and phones that are trusted can connect.
    SpeakerReady {
        name: SpeakerName,
        adapter: String,
        address: Address,
    },
    /// bluetoothd is not running.
    BluetoothLost,
    /// No adapter, or the configured one is not there.
    AdapterMissing,
    /// The adapter was unplugged.
    AdapterLost { adapter: String },
    /// A switch holds the radio off.
    RadioBlocked { adapter: String },
    /// The adapter does not switch on.
    AdapterStaysOff { adapter: String },
    /// BlueZ does not let us use the adapter.
    AdapterRefused { adapter: String, error: String },
    /// The pairing window opened.
    PairingOpened { length: Duration, first_start: bool },
    /// The pairing window closed.
    PairingClosed { why: WindowEnd },
    /// A phone was let in.
    PhonePaired {
        name: String,
        address: Address,
        again: bool,
    },
    /// Somebody tried to pair while the window was closed, or with a PIN.
    PairingRefused {
        name: String,
        address: Address,
        why: PairingRefusal,
    },
    /// A device that is not trusted tried to use a service.
    ServiceRefused {
        name: String,
        address: Address,
        uuid: String,
    },
    /// A trusted phone was sent away, since as many are connected as may be.
    NoRoom {
        name: String,
        address: Address,
        most: u8,
    },
    /// A trusted phone was sent away, since another one plays and keeps the speaker to itself.
    NotNow {
        name: String,
        address: Address,
        owner: String,
    },
    /// A phone was sent away for another one, since only one may be connected.
    MadeRoom {
        name: String,
        address: Address,
        newcomer: String,
    },
    /// A trusted phone connected.
    PhoneConnected { name: String, address: Address },
    /// It disconnected.
    PhoneDisconnected { name: String, address: Address },
    /// A phone we called did not answer.
    ConnectFailed {
        name: String,
        address: Address,
        error: String,
    },
    /// A phone is called sooner or later than others, or never.
    Preferred {
        name: String,
        address: Address,
        preference: Preference,
    },
    /// A phone is locked out, or let in again.
    Blocked {
        name: String,
        address: Address,
        blocked: bool,
    },
    /// A phone has another name here.
    PhoneRenamed {
        name: String,
        address: Address,
        before: String,
    },
    /// Nothing is heard, whatever plays, or all is again.
    Muted { muted: bool },
    /// A phone was forgotten.
    PhoneForgotten { name: String, address: Address },
    /// BlueZ trusts a bonded phone that our list does not have, so an admin did: taken over.
    PhoneAdopted { name: String, address: Address },
    /// BlueZ has a bond with a device nobody trusted: left alone and let nowhere.
    StrangerBonded { name: String, address: Address },
    /// Our list trusts a phone that BlueZ has no key of.
    BondMissing { name: String, address: Address },
    /// Music began.
    Playing {
        name: String,
        address: Address,
        format: StreamFormat,
    },
    /// The player of a phone began with something else.
    Track {
        name: String,
        address: Address,
        track: Track,
    },
    /// Music ended.
    Stopped { name: String, address: Address },
    /// Music could not begin, or broke off.
    StreamFailed {
        name: String,
        address: Address,
        error: String,
    },
    /// A phone's volume moved.
    VolumeChanged {
        name: String,
        address: Address,
        volume: Volume,
    },
    /// Somebody calls.
    CallComesIn {
        name: String,
        address: Address,
        caller: String,
    },
    /// Somebody is called.
    CallGoesOut {
        name: String,
        address: Address,
        caller: String,
    },
    /// A call is answered because nobody else did.
    CallAnswersItself {
        name: String,
        address: Address,
        caller: String,
    },
    /// A call was answered, here or there.
    CallAnswered {
        name: String,
        address: Address,
        caller: String,
    },
    /// A call is over.
    CallEnded {
        name: String,
        address: Address,
        caller: String,
    },
    /// The sound of a phone's call comes out here.
    VoiceUp {
        name: String,
        address: Address,
        codec: VoiceCodec,
    },
    /// It does not, though it should.
    VoiceFailed {
        name: String,
        address: Address,
        error: String,
    },
    /// A phone's calls cannot be had here.
    HandsFreeFailed {
        name: String,
        address: Address,
        error: String,
    },
    /// A phone wanted to bring its calls and may not.
    CallsNotAllowed { name: String, address: Address },
    /// The volume of a phone's calls moved.
    CallVolumeChanged {
        name: String,
        address: Address,
        volume: Volume,
    },
    /// The microphone was muted, or unmuted.
    MicrophoneMuted { muted: bool },
    /// The speaker has another name.
    Renamed { name: SpeakerName },
    /// The configuration was read again.
    ConfigApplied,
    /// The configuration on disk is broken and not in use.
    ConfigRefused { problems: String },
    /// Trust and settings could not be written down, and would not survive a restart.
    MemoryUnsaved { error: String },
    /// They are written down now.
    MemorySaved,
    /// PipeWire is there.
    AudioReady { output: String },
    /// PipeWire is there and has no output.
    AudioWithoutOutput,
    /// PipeWire went away.
    AudioLost,
}

/// Why the pairing window closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowEnd {
    /// Its time was over.
    TimeOver,
    /// A phone has paired.
    Paired,
    /// Somebody closed it.
    Asked,
    /// The adapter went away.
    AdapterLost,
}

/// Why a pairing was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairingRefusal {
    /// The window is closed.
    WindowClosed,
    /// The device wants a PIN typed in.
    NeedsPin,
    /// Somebody has locked it out.
    Blocked,
}

impl Story {
    /// Says whether an admin should look at it.
    pub const fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::BluetoothLost
                | Self::AdapterMissing
                | Self::AdapterLost { .. }
                | Self::RadioBlocked { .. }
                | Self::AdapterStaysOff { .. }
                | Self::AdapterRefused { .. }
                | Self::StrangerBonded { .. }
                | Self::BondMissing { .. }
                | Self::StreamFailed { .. }
                | Self::VoiceFailed { .. }
                | Self::HandsFreeFailed { .. }
                | Self::ConfigRefused { .. }
                | Self::MemoryUnsaved { .. }
                | Self::AudioWithoutOutput
                | Self::AudioLost
        )
    }

    /// Says whether it promises something that has to outlive the daemon, so that it must not be
    /// told before that is on the disk. Volumes are remembered too, but what is told of them is
    /// heard already, and a slider must not wait for a disk.
    pub const fn is_promise(&self) -> bool {
        matches!(
            self,
            Self::PhonePaired { .. }
                | Self::PhoneAdopted { .. }
                | Self::PhoneForgotten { .. }
                | Self::Preferred { .. }
                | Self::Blocked { .. }
                | Self::PhoneRenamed { .. }
                | Self::Muted { .. }
                | Self::MicrophoneMuted { .. }
                | Self::Renamed { .. }
        )
    }

    /// Returns the phone it happened to, if it happened to one.
    pub const fn phone(&self) -> Option<Address> {
        match self {
            Self::PhonePaired { address, .. }
            | Self::PairingRefused { address, .. }
            | Self::ServiceRefused { address, .. }
            | Self::NoRoom { address, .. }
            | Self::PhoneConnected { address, .. }
            | Self::PhoneDisconnected { address, .. }
            | Self::ConnectFailed { address, .. }
            | Self::PhoneForgotten { address, .. }
            | Self::Preferred { address, .. }
            | Self::Blocked { address, .. }
            | Self::PhoneRenamed { address, .. }
            | Self::NotNow { address, .. }
            | Self::MadeRoom { address, .. }
            | Self::PhoneAdopted { address, .. }
            | Self::StrangerBonded { address, .. }
            | Self::BondMissing { address, .. }
            | Self::Playing { address, .. }
            | Self::Track { address, .. }
            | Self::Stopped { address, .. }
            | Self::StreamFailed { address, .. }
            | Self::CallComesIn { address, .. }
            | Self::CallGoesOut { address, .. }
            | Self::CallAnswersItself { address, .. }
            | Self::CallAnswered { address, .. }
            | Self::CallEnded { address, .. }
            | Self::VoiceUp { address, .. }
            | Self::VoiceFailed { address, .. }
            | Self::HandsFreeFailed { address, .. }
            | Self::CallsNotAllowed { address, .. }
            | Self::CallVolumeChanged { address, .. }
            | Self::VolumeChanged { address, .. } => Some(*address),
            _ => None,
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpeakerReady { .. }
            | Self::BluetoothLost
            | Self::AdapterMissing
            | Self::AdapterLost { .. }
            | Self::RadioBlocked { .. }
            | Self::AdapterStaysOff { .. }
            | Self::AdapterRefused { .. } => self.fmt_radio(f),
            Self::PairingOpened { .. }
            | Self::PairingClosed { .. }
            | Self::PhonePaired { .. }
            | Self::PairingRefused { .. } => self.fmt_pairing(f),
            Self::ServiceRefused { .. }
            | Self::NoRoom { .. }
            | Self::NotNow { .. }
            | Self::MadeRoom { .. }
            | Self::Blocked { .. }
            | Self::PhoneAdopted { .. }
            | Self::StrangerBonded { .. }
            | Self::BondMissing { .. } => self.fmt_trust(f),
            Self::CallComesIn { .. }
            | Self::CallGoesOut { .. }
            | Self::CallAnswersItself { .. }
            | Self::CallAnswered { .. }
            | Self::CallEnded { .. }
            | Self::VoiceUp { .. }
            | Self::VoiceFailed { .. }
            | Self::HandsFreeFailed { .. }
            | Self::CallsNotAllowed { .. }
            | Self::CallVolumeChanged { .. }
            | Self::MicrophoneMuted { .. } => self.fmt_call(f),
            _ => self.fmt_use(f),
        }
    }
}

impl Story {
    fn fmt_radio(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpeakerReady {
                name,
                adapter,
                address,
            } => {
                write!(f, "\"{name}\" is ready on {adapter} ({address})")
            }
            Self::BluetoothLost => {
                f.write_str("bluetoothd is not running; start it with `systemctl start bluetooth`")
            }
            Self::AdapterMissing => f.write_str(
                "no Bluetooth adapter; plug one in, or name one that is there in dotd.toml",
            ),
            Self::AdapterLost { adapter } => write!(f, "{adapter} went away; plug it in again"),
            Self::RadioBlocked { adapter } => {
                write!(
                    f,
                    "a switch holds {adapter} off; turn it, see `rfkill list`"
                )
            }
            Self::AdapterStaysOff { adapter } => {
                write!(
                    f,
                    "{adapter} does not switch on; see `journalctl -u bluetooth`"
                )
            }
            Self::AdapterRefused { adapter, error } => {
                write!(f, "no phone can play through {adapter}: {error}")
            }
            _ => Ok(()),
        }
    }

    fn fmt_pairing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PairingOpened {
                length,
                first_start: true,
            } => {
                write!(
                    f,
                    "nobody is trusted yet: pairing is open for {} s",
                    length.as_secs()
                )
            }
            Self::PairingOpened { length, .. } => {
                write!(f, "pairing is open for {} s", length.as_secs())
            }
            Self::PairingClosed { why } => f.write_str(match why {
                WindowEnd::TimeOver => "pairing is closed: time is over",
                WindowEnd::Paired => "pairing is closed: a phone has paired",
                WindowEnd::Asked => "pairing is closed",
                WindowEnd::AdapterLost => "pairing is closed: the adapter went away",
            }),
            Self::PhonePaired {
                name, again: false, ..
            } => write!(f, "{name} paired"),
            Self::PhonePaired { name, .. } => write!(f, "{name} paired again"),
            Self::PairingRefused { name, address, why } => {
                let why = match why {
                    PairingRefusal::WindowClosed => ", but pairing is closed",
                    PairingRefusal::NeedsPin => " with a PIN, which is not safe",
                    PairingRefusal::Blocked => ", but is blocked",
                };
                write!(f, "{name} ({address}) wanted to pair{why}")
            }
            _ => Ok(()),
        }
    }

    fn fmt_trust(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceRefused { name, address, .. } => {
                write!(f, "{name} ({address}) is not trusted and was refused")
            }
            Self::NoRoom { name, most, .. } => write!(
                f,
                "{name} was sent away: {most} phones are connected, which is all that \
                 phones.max-connected allows"
            ),
            Self::NotNow { name, owner, .. } => {
                write!(f, "{name} was sent away: {owner} has the speaker to itself")
            }
            Self::MadeRoom { name, newcomer, .. } => {
                write!(f, "{name} was disconnected to make room for {newcomer}")
            }
            Self::Blocked {
                name,
                blocked: true,
                ..
            } => write!(f, "{name} is blocked"),
            Self::Blocked { name, .. } => write!(f, "{name} is not blocked any more"),
            Self::PhoneAdopted { name, .. } => write!(
                f,
                "{name} was trusted in BlueZ only; taken into the list, `dotctl forget` undoes it"
            ),
            Self::StrangerBonded { name, address } => write!(
                f,
                "BlueZ has a bond with {name} ({address}), whom nobody trusts; it gets nothing \
                 until it connects while pairing is open"
            ),
            Self::BondMissing { name, address } => write!(
                f,
                "{name} ({address}) is trusted, but BlueZ lost its key; pair it again with \
                 `dotctl pair`"
            ),
            _ => Ok(()),
        }
    }

    fn fmt_call(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CallComesIn { name, caller, .. } => write!(f, "{caller} calls {name}"),
            Self::CallGoesOut { name, caller, .. } => write!(f, "{name} calls {caller}"),
            Self::CallAnswersItself { name, caller, .. } => {
                write!(f, "the call of {caller} to {name} is answered by itself")
            }
            Self::CallAnswered { name, caller, .. } => {
                write!(f, "{name} talks with {caller}")
            }
            Self::CallEnded { name, caller, .. } => {
                write!(f, "the call of {name} with {caller} is over")
            }
            Self::VoiceUp { name, codec, .. } => write!(f, "{name} is heard, {codec}"),
            Self::VoiceFailed { name, error, .. } => {
                write!(f, "the call of {name} cannot be heard: {error}")
            }
            Self::HandsFreeFailed { name, error, .. } => {
                write!(f, "{name}'s calls do not come here: {error}")
            }
            Self::CallsNotAllowed { name, .. } => write!(
                f,
                "{name} keeps its calls: calls.phones in dotd.toml does not name it"
            ),
            Self::CallVolumeChanged { name, volume, .. } => {
                write!(f, "calls of {name} are at volume {}", volume.percent())
            }
            Self::MicrophoneMuted { muted: true } => f.write_str("the microphone is off"),
            Self::MicrophoneMuted { muted: false } => f.write_str("the microphone is on"),
            _ => Ok(()),
        }
    }

    fn fmt_use(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PhoneConnected { name, .. } => write!(f, "{name} connected"),
            Self::PhoneDisconnected { name, .. } => write!(f, "{name} disconnected"),
            Self::ConnectFailed { name, error, .. } => write!(f, "{name} did not connect: {error}"),
            Self::PhoneForgotten { name, .. } => write!(f, "{name} is forgotten"),
            Self::PhoneRenamed { name, before, .. } => write!(f, "{before} is called {name} now"),
            Self::Muted { muted: true } => f.write_str("nothing is heard until it is unmuted"),
            Self::Muted { muted: false } => f.write_str("it is heard again"),
            Self::Preferred {
                name, preference, ..
            } => match preference {
                Preference::First => write!(f, "{name} is called before others when it is missing"),
                Preference::Usual => write!(f, "{name} is called when it is missing"),
                Preference::Last => write!(f, "{name} is called after others when it is missing"),
                Preference::Never => write!(f, "{name} is not called any more"),
            },
            Self::Playing { name, format, .. } => write!(f, "{name} is playing, {format}"),
            Self::Track { name, track, .. } => write!(f, "{name} plays {track}"),
            Self::Stopped { name, .. } => write!(f, "{name} stopped playing"),
            Self::StreamFailed { name, error, .. } => {
                write!(f, "{name} cannot be heard: {error}")
            }
            Self::VolumeChanged { name, volume, .. } => {
                write!(f, "{name} is at volume {}", volume.percent())
            }
            Self::Renamed { name } => write!(f, "the speaker is called \"{name}\" now"),
            Self::ConfigApplied => f.write_str("the configuration was read again"),
            Self::ConfigRefused { problems } => {
                write!(
                    f,
                    "the new configuration is broken, the old one stays: {problems}"
                )
            }
            Self::MemoryUnsaved { error } => {
                write!(f, "what happens now would not survive a restart: {error}")
            }
            Self::MemorySaved => f.write_str("what happened survives a restart again"),
            Self::AudioReady { output } => write!(f, "sound goes to {output}"),
            Self::AudioWithoutOutput => f.write_str(
                "there is no sound output; connect one, `aplay -l` lists the sound cards",
            ),
            Self::AudioLost => {
                f.write_str("PipeWire is not running; see `systemctl status dotd-pipewire`")
            }
            _ => Ok(()),
        }
    }
}
