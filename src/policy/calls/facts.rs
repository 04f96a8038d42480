//! The words for calls.
//!
//! Invariant: plain values. What a phone said of itself is bounded and free of control characters
//! before it gets here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How speech is coded on its way between phone and speaker (HFP 1.9, 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoiceCodec {
    /// 8 kHz; every phone and every adapter has it.
    #[default]
    Cvsd,
    /// 16 kHz.
    Msbc,
    /// 32 kHz.
    Lc3Swb,
}

impl VoiceCodec {
    /// Returns the sampling rate in Hz.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Cvsd => 8_000,
            Self::Msbc => 16_000,
            Self::Lc3Swb => 32_000,
        }
    }
}

impl fmt::Display for VoiceCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cvsd => "CVSD",
            Self::Msbc => "mSBC",
            Self::Lc3Swb => "LC3-SWB",
        })
    }
}

/// Names one call of one phone; never used again while the phone is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub u32);

/// Names one voice link, from its order on; a later one has a higher number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VoiceId(pub u64);

/// A call, as the phone tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// To name it by.
    pub id: CallId,
    /// Who called whom.
    pub direction: Direction,
    /// How far it is.
    pub state: CallState,
    /// The other one's number; empty when it is withheld or not told.
    pub number: String,
    /// The other one's name, if the phone told one.
    pub name: Option<String>,
    /// It is part of a conference.
    pub multiparty: bool,
}

impl Call {
    /// Returns what to call the other one: the name, else the number.
    pub fn caller(&self) -> &str {
        match &self.name {
            Some(name) if !name.is_empty() => name,
            _ if self.number.is_empty() => "somebody who withholds the number",
            _ => &self.number,
        }
    }
}

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The owner of the phone called.
    Outgoing,
    /// Somebody called the owner of the phone.
    Incoming,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallState {
    /// People talk.
    Active,
    /// Set aside.
    Held,
    /// The number was dialed.
    Dialing,
    /// It rings over there.
    Alerting,
    /// It rings here.
    Incoming,
    /// It comes in while there is another one.
    Waiting,
}

impl CallState {
    /// Says whether the call waits to be answered here.
    pub const fn is_offered(self) -> bool {
        matches!(self, Self::Incoming | Self::Waiting)
    }

    /// Says whether the call was answered.
    pub const fn is_established(self) -> bool {
        matches!(self, Self::Active | Self::Held)
    }
}

/// What a phone tells of itself; nothing where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Whether it has a network.
    pub service: Option<bool>,
    /// How well it receives that network, 0 to 5.
    pub signal: Option<u8>,
    /// Whether that network is a foreign one.
    pub roaming: Option<bool>,
    /// How full its battery is, 0 to 5.
    pub battery: Option<u8>,
    /// The name of the network.
    pub operator: Option<String>,
}

/// What a phone can be told about its calls (HFP 1.9, 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum CallCommand {
    /// Answer the call that rings.
    Answer,
    /// Refuse the call that rings or waits.
    Reject,
    /// End the call that is up or being made.
    HangUp,
    /// End this call and no other.
    HangUpOne {
        /// Which one.
        call: CallId,
    },
    /// Call a number.
    Dial {
        /// As somebody typed it.
        number: String,
    },
    /// Call a number of the phone's memory.
    DialMemory {
        /// Its place there.
        place: u32,
    },
    /// Call the last number again.
    Redial,
    /// Send tones into the call, one after the other.
    Tones {
        /// As somebody typed them.
        digits: String,
    },
    /// Set the call that is up aside, and take up the one that waits or was set aside.
    Swap,
    /// End the call that is up, and take up the one that waits or was set aside.
    ReleaseActive,
    /// Join the call that is up and the one set aside.
    Merge,
    /// Bring the sound of the call here.
    OpenVoice,
    /// The voice link with this codec did not come up: offer it no more.
    VoiceFailed {
        /// Which one.
        codec: VoiceCodec,
    },
    /// Start the phone's assistant, or stop it.
    Assistant {
        /// Start.
        on: bool,
    },
    /// Say how loud we are.
    SpeakerVolume {
        /// 0 to 15 (HFP 1.9, 4.28).
        steps: u8,
    },
    /// Say how loud we give it the room.
    MicrophoneVolume {
        /// 0 to 15 (HFP 1.9, 4.28).
        steps: u8,
    },
}
