//! What the policy is told of a phone's calls, and what it orders about them.
//!
//! Invariant: as for all events and actions: plain, comparable, can be written down and replayed.

use serde::{Deserialize, Serialize};

use super::facts::{Call, CallCommand, Gateway, VoiceCodec, VoiceId};
use crate::policy::Rejection;
use crate::policy::model::{QuestionId, RequestId, Volume};

/// A fact about a phone's calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum HandsFreeFact {
    /// The service level connection is up (HFP 1.9, 4.2).
    Ready,
    /// It is gone, and with it all that was known of the phone's calls.
    Ended {
        /// What went wrong; nothing when the phone closed it.
        error: Option<String>,
    },
    /// The phone told something of itself.
    Told {
        /// All that is known of it.
        gateway: Gateway,
    },
    /// The phone's calls changed.
    Calls {
        /// All of them.
        calls: Vec<Call>,
    },
    /// The phone sends its own ring tone while it rings, or does not.
    RingsItself {
        /// It does.
        on: bool,
    },
    /// The phone's assistant listens, or does not any more.
    Assistant {
        /// It does.
        on: bool,
    },
    /// How the phone's next voice link will most likely be coded, before it chose.
    VoiceLikely {
        /// How.
        codec: VoiceCodec,
    },
    /// The phone chose how the next voice link is coded; it opens the link.
    CodecChosen {
        /// How.
        codec: VoiceCodec,
    },
    /// The next voice link is ours to open.
    VoiceLeftToUs,
    /// The phone's buttons moved the volume of calls.
    SpeakerVolume {
        /// 0 to 15 (HFP 1.9, 4.28).
        steps: u8,
    },
    /// The phone set how loud it wants the room.
    MicrophoneVolume {
        /// 0 to 15 (HFP 1.9, 4.28).
        steps: u8,
    },
    /// A command was carried out, or not.
    CommandEnded {
        /// Who asked for it.
        request: Option<RequestId>,
        /// Why it was not.
        result: Result<(), Rejection>,
    },
    /// The phone wants to open a voice link; it waits for an answer.
    VoiceAsked {
        /// To answer by.
        id: QuestionId,
    },
    /// A voice link is up.
    VoiceUp {
        /// Which one.
        voice: VoiceId,
    },
    /// PipeWire does not play what comes through the voice link.
    VoiceUnheard {
        /// Why.
        error: String,
    },
    /// For a while no sound has come through a voice link that is up, or could be sent; or again
    /// both work.
    VoiceStalled {
        /// Which one.
        voice: VoiceId,
        /// What is wrong and what to do; nothing when it works.
        problem: Option<String>,
    },
    /// A voice link is gone, or did not come up.
    VoiceEnded {
        /// Which one: there may be a later one by now.
        voice: VoiceId,
        /// What went wrong; nothing when the phone closed it.
        error: Option<String>,
    },
}

/// What a voice link is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceSpec {
    /// To name it by.
    pub id: VoiceId,
    /// What comes through it.
    pub codec: VoiceCodec,
    /// What its stream is called, as people will see it: the phone's name.
    pub name: String,
    /// How loud.
    pub volume: Volume,
    /// How loud the phone wants the room, 0 to 15 (HFP 1.9, 4.28).
    pub microphone: u8,
    /// Whether it gets silence instead.
    pub muted: bool,
}

/// What is known of a voice link that is about to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedVoice {
    /// What will come through it, most likely.
    pub codec: VoiceCodec,
    /// What its stream is called, as people will see it: the phone's name.
    pub name: String,
    /// How loud.
    pub volume: Volume,
}

/// An order about a phone's calls.
#[must_use = "an action does nothing until it is carried out"]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum HandsFreeOrder {
    /// Tell the phone to do something; ends with [`HandsFreeFact::CommandEnded`].
    Command {
        /// For whom; nothing when nobody waits.
        request: Option<RequestId>,
        /// What.
        command: CallCommand,
    },
    /// Close the service level connection.
    Close,
    /// Be ready to play a voice and to hear the room for it.
    ExpectVoice {
        /// What is about to come; nothing when it will not come after all.
        voice: Option<ExpectedVoice>,
    },
    /// Let the phone open the voice link it asked for.
    LetVoiceIn {
        /// Which question.
        id: QuestionId,
        /// What it is to be.
        voice: VoiceSpec,
    },
    /// Let it not.
    RefuseVoice {
        /// Which question.
        id: QuestionId,
    },
    /// Open a voice link to the phone, which does not do so itself.
    OpenVoice {
        /// What it is to be.
        voice: VoiceSpec,
    },
    /// Give the sound of a voice link that is up to PipeWire anew.
    PlayVoice {
        /// What it is.
        voice: VoiceSpec,
    },
    /// Close the voice link, if it is still there: the sound of the call goes back to the phone.
    EndVoice,
    /// Change how loud the call is, without a click.
    SetVoiceVolume {
        /// How loud.
        volume: Volume,
    },
    /// Change how loud the phone gets the room.
    SetMicrophoneVolume {
        /// 0 to 15 (HFP 1.9, 4.28).
        steps: u8,
    },
}
