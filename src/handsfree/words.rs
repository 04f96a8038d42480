//! The machine's words in those of the policy, and back.
//!
//! Invariant: one to one; nothing is added, and what the policy has no word for is left out here and
//! nowhere else.

use std::io;

use crate::hfp::{
    self, Call, CallState, Codec, Command, CommandId, Direction, Event, Failure, Fault, Gain,
    PhoneNumber, PhoneStatus, Refusal, Tones,
};
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::calls::facts::{self, CallCommand, Gateway, VoiceCodec};
use crate::policy::model::RequestId;
use crate::policy::{Rejection, RejectionKind};

/// Why a link ended that we did not close.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The socket failed.
    #[error("the link broke: {0}; connect it again: dotctl connect")]
    Broke(#[from] io::Error),
    /// It does not read what we write.
    #[error("it does not listen any more; switch its Bluetooth off and on")]
    Deaf,
    /// It does not speak hands-free as it should.
    #[error("{0}; switch its Bluetooth off and on")]
    Broken(Fault),
}

impl Ended {
    /// Returns what people are told of it.
    pub(super) fn told(&self) -> Option<String> {
        match self {
            Self::Broke(error) if super::link::hung_up(error) => None,
            _ => Some(self.to_string()),
        }
    }
}

/// Says an event of the machine; `waits` tells who waits for a command.
pub(super) fn facts(
    event: Event,
    waits: impl FnOnce(CommandId) -> Option<RequestId>,
) -> Vec<HandsFreeFact> {
    let fact = match event {
        Event::Ready(ready) => {
            return vec![
                HandsFreeFact::Ready,
                HandsFreeFact::RingsItself {
                    on: ready.in_band_ring,
                },
                HandsFreeFact::Told {
                    gateway: gateway(ready.status),
                },
                HandsFreeFact::VoiceLikely {
                    codec: voice_codec(ready.likely_codec),
                },
            ];
        }
        // The one ends the link, and the list says that a call rings.
        Event::Broken(_) | Event::Rang { .. } => return Vec::new(),
        Event::CallsChanged(calls) => HandsFreeFact::Calls {
            calls: calls.into_iter().map(call).collect(),
        },
        Event::InBandRingChanged(on) => HandsFreeFact::RingsItself { on },
        Event::CodecChosen(codec) => HandsFreeFact::CodecChosen {
            codec: voice_codec(codec),
        },
        Event::AudioLeftToUs => HandsFreeFact::VoiceLeftToUs,
        Event::VoiceRecognitionChanged(on) => HandsFreeFact::Assistant { on },
        Event::SpeakerChanged(gain) => HandsFreeFact::SpeakerVolume {
            steps: gain.steps(),
        },
        Event::MicrophoneChanged(gain) => HandsFreeFact::MicrophoneVolume {
            steps: gain.steps(),
        },
        Event::StatusChanged(status) => HandsFreeFact::Told {
            gateway: gateway(status),
        },
        Event::CommandEnded { id, result } => HandsFreeFact::CommandEnded {
            request: waits(id),
            result: result.map_err(failed),
        },
    };
    vec![fact]
}

/// Says a command in the machine's words.
///
/// # Errors
/// When a number or tones cannot be dialed.
pub(super) fn command(command: CallCommand) -> Result<Command, Rejection> {
    Ok(match command {
        CallCommand::Answer => Command::Answer,
        CallCommand::Reject => Command::Reject,
        CallCommand::HangUp => Command::HangUp,
        CallCommand::HangUpOne { call } => Command::HangUpOne(hfp::CallId(call.0)),
        CallCommand::Dial { number } => Command::Dial(
            PhoneNumber::new(&number).map_err(|bad| invalid(format!("{bad}; check the number")))?,
        ),
        CallCommand::DialMemory { place } => Command::DialMemory(place),
        CallCommand::Redial => Command::Redial,
        CallCommand::Tones { digits } => Command::SendTones(
            Tones::new(&digits)
                .ok_or_else(|| invalid("tones are 1 to 64 of the keys 0 to 9, *, # and A to D"))?,
        ),
        CallCommand::Swap => Command::Swap,
        CallCommand::ReleaseActive => Command::ReleaseActive,
        CallCommand::Merge => Command::Merge,
        CallCommand::OpenVoice => Command::OpenAudio,
        CallCommand::VoiceFailed { codec } => Command::AudioFailed(hfp_codec(codec)),
        CallCommand::Assistant { on } => Command::RecognizeVoice(on),
        CallCommand::SpeakerVolume { steps } => {
            Command::SetSpeaker(Gain::new(steps).unwrap_or(Gain::MAX))
        }
        CallCommand::MicrophoneVolume { steps } => {
            Command::SetMicrophone(Gain::new(steps).unwrap_or(Gain::MAX))
        }
    })
}

/// Says why a command was not even sent.
pub(super) fn refused(refusal: Refusal) -> Rejection {
    let (kind, advice) = match refusal {
        Refusal::NotReady => (RejectionKind::NotConnected, "try again in a moment"),
        Refusal::NoCall => (
            RejectionKind::NotAvailable,
            "`dotctl calls` shows what there is",
        ),
        Refusal::Unsupported => (RejectionKind::NotAvailable, "do it on the phone"),
        Refusal::Busy => return Rejection::new(RejectionKind::Busy, refusal.to_string()),
    };
    Rejection::new(kind, format!("{refusal}; {advice}"))
}

fn failed(failure: Failure) -> Rejection {
    let (kind, advice) = match failure {
        Failure::Refused(_) => (RejectionKind::Refused, "look at the phone"),
        Failure::NoAnswer => (
            RejectionKind::NotAvailable,
            "try again, or do it on the phone",
        ),
        Failure::LinkLost => (RejectionKind::NotConnected, "connect the phone again"),
    };
    Rejection::new(kind, format!("{failure}; {advice}"))
}

fn invalid(text: impl Into<String>) -> Rejection {
    Rejection::new(RejectionKind::InvalidArgument, text)
}

/// Says a codec in the policy's words.
pub(super) fn voice_codec(codec: Codec) -> VoiceCodec {
    match codec {
        Codec::Cvsd => VoiceCodec::Cvsd,
        Codec::Msbc => VoiceCodec::Msbc,
        Codec::Lc3Swb => VoiceCodec::Lc3Swb,
    }
}

/// Says a codec in the machine's words.
pub(super) fn hfp_codec(codec: VoiceCodec) -> Codec {
    match codec {
        VoiceCodec::Cvsd => Codec::Cvsd,
        VoiceCodec::Msbc => Codec::Msbc,
        VoiceCodec::Lc3Swb => Codec::Lc3Swb,
    }
}

fn gateway(status: PhoneStatus) -> Gateway {
    Gateway {
        service: status.service,
        signal: status.signal,
        roaming: status.roaming,
        battery: status.battery,
        operator: status.operator,
    }
}

fn call(call: Call) -> facts::Call {
    facts::Call {
        id: facts::CallId(call.id.0),
        direction: match call.direction {
            Direction::Outgoing => facts::Direction::Outgoing,
            Direction::Incoming => facts::Direction::Incoming,
        },
        state: match call.state {
            CallState::Active => facts::CallState::Active,
            CallState::Held => facts::CallState::Held,
            CallState::Dialing => facts::CallState::Dialing,
            CallState::Alerting => facts::CallState::Alerting,
            CallState::Incoming => facts::CallState::Incoming,
            CallState::Waiting => facts::CallState::Waiting,
        },
        number: call.number,
        name: call.name,
        multiparty: call.multiparty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_tones_are_checked_before_a_phone_sees_them() {
        for (number, sound) in [("+49 30 1234", true), ("", false), ("1;AT+CHUP", false)] {
            let number = number.to_owned();
            let said = command(CallCommand::Dial { number });
            match said {
                Ok(_) => assert!(sound),
                Err(rejection) => {
                    assert!(!sound);
                    assert_eq!(rejection.kind, RejectionKind::InvalidArgument);
                }
            }
        }
        let digits = "1x".to_owned();
        assert!(command(CallCommand::Tones { digits }).is_err());
    }

    #[test]
    fn an_answer_finds_who_waits_for_it() {
        let id = CommandId(4);
        let result = Err(Failure::Refused(Some(30)));
        let facts = facts(Event::CommandEnded { id, result }, |asked| {
            assert_eq!(asked, id);
            Some(RequestId(9))
        });
        let [HandsFreeFact::CommandEnded { request, result }] = &facts[..] else {
            panic!("{facts:?}");
        };
        assert_eq!(*request, Some(RequestId(9)));
        let rejection = result.as_ref().unwrap_err();
        assert_eq!(rejection.kind, RejectionKind::Refused);
        assert!(
            rejection
                .message
                .starts_with("the phone refused: it has no network;")
        );
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        for refusal in [
            Refusal::NotReady,
            Refusal::NoCall,
            Refusal::Unsupported,
            Refusal::Busy,
        ] {
            assert!(refused(refusal).message.contains("; "), "{refusal}");
        }
    }

    #[test]
    fn codecs_go_both_ways() {
        for codec in [Codec::Cvsd, Codec::Msbc, Codec::Lc3Swb] {
            assert_eq!(hfp_codec(voice_codec(codec)), codec);
        }
    }
}
