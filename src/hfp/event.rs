//! What comes out of the machine.
//!
//! Invariant: an [`Event`] tells all that it is about, so that the last one of a kind is the state.

use super::call::Call;
use super::codec::Codec;
use super::command::{CommandId, Failure, Gain};
use super::features::AgFeatures;

/// Something to do with, or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bytes for the phone.
    Send(Vec<u8>),
    /// News.
    Event(Event),
}

/// News of a phone. Before [`Ready`](Self::Ready) only `CodecChosen` and `Broken` can come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The service level connection is up; commands are taken from now on.
    Ready(Ready),
    /// It will not come up, or the phone fell silent: the link is to be closed.
    Broken(Fault),
    /// These are the phone's calls now.
    CallsChanged(Vec<Call>),
    /// It rings once; every few seconds as long as a call comes in. If `in_band`, the phone sends
    /// its own tone over the audio link, otherwise the tone is ours to play.
    Rang {
        /// The phone sends the tone.
        in_band: bool,
    },
    /// From now on the phone sends its ring tone itself, or does not.
    InBandRingChanged(bool),
    /// The next audio link has this codec, and the phone opens it: it has to be accepted. Told again
    /// after [`Ready`](Self::Ready) if it came before.
    CodecChosen(Codec),
    /// Audio was asked for, and this phone negotiates no codec: we open the link, with CVSD.
    AudioLeftToUs,
    /// The phone's assistant listens, or does so no more.
    VoiceRecognitionChanged(bool),
    /// The phone sets how loud we play. It is not to be told back.
    SpeakerChanged(Gain),
    /// The phone sets how loud we record. It is not to be told back.
    MicrophoneChanged(Gain),
    /// What the phone says of itself.
    StatusChanged(PhoneStatus),
    /// A command has its answer; each gets one.
    CommandEnded {
        /// Which.
        id: CommandId,
        /// Whether the phone did it.
        result: Result<(), Failure>,
    },
}

/// What the two sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What the phone can do.
    pub features: AgFeatures,
    /// What can be done with several calls.
    pub call_hold: CallHold,
    /// Both sides negotiate the codec; otherwise it is CVSD.
    pub negotiates_codec: bool,
    /// How the phone's voice will most likely be coded: more than mSBC few phones have.
    pub likely_codec: Codec,
    /// The phone sends its own ring tone.
    pub in_band_ring: bool,
    /// What the phone says of itself.
    pub status: PhoneStatus,
}

/// What the phone can do with several calls: its list for `AT+CHLD` (3GPP 27.007, 7.13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallHold {
    /// 0: ends held calls, turns down the waiting one.
    pub release_held: bool,
    /// 1: ends active calls and takes the other.
    pub release_active: bool,
    /// 1x: ends one call.
    pub release_one: bool,
    /// 2: holds active calls and takes the other.
    pub hold: bool,
    /// 3: puts calls together.
    pub merge: bool,
}

/// What a phone says of itself; nothing where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneStatus {
    /// It has a network.
    pub service: Option<bool>,
    /// How well it hears it: 0 to 5.
    pub signal: Option<u8>,
    /// It is in a foreign network.
    pub roaming: Option<bool>,
    /// How full its battery is: 0 to 5.
    pub battery: Option<u8>,
    /// The name of the network.
    pub operator: Option<String>,
}

/// Why a link is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No answer to a command without which nothing goes on.
    #[error("the phone does not answer")]
    NoAnswer,
    /// The phone refused a command that no AG may refuse.
    #[error("the phone refused to begin a hands-free connection")]
    Refused,
    /// It does not tell of calls.
    #[error("the phone has no indicators for calls")]
    NoCallIndicators,
}
