//! What becomes of a call whose voice did not come up.
//!
//! Invariant: a codec that failed is given up for a plainer one, by the means of both sides' codec
//! negotiation (HFP 1.9, 4.11): the phone is told which codecs are left (`AT+BAC`) and asked for its
//! voice (`AT+BCC`), for with that it is the phone that opens the link. It is asked a second time if
//! it brings none, and then what failed is shown until a voice comes up.

use std::time::Duration;

use super::super::event::Timer;
use super::super::{Action, Orders, Policy};
use super::Link;
use super::facts::{CallCommand, CallState, VoiceCodec};
use crate::policy::model::Address;

/// How long a phone may take to bring its voice.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often it is asked.
const TIMES: u8 = 2;

/// A voice that did not come up.
#[derive(Debug)]
pub(super) struct Missing {
    codec: VoiceCodec,
    error: String,
    /// People know of it.
    told: bool,
    asked: u8,
}

impl Link {
    /// Says whether the phone has something to say; calls that are held have not.
    fn has_a_voice(&self) -> bool {
        self.assistant || self.has(|state| state != CallState::Held)
    }
}

impl Policy {
    /// A voice did not come up: it failed with an error, or the phone gave it up.
    pub(super) fn fall_back(
        &mut self,
        phone: Address,
        codec: VoiceCodec,
        error: Option<String>,
        out: &mut Orders,
    ) {
        if codec == VoiceCodec::Cvsd {
            if error.is_some() {
                self.calls.voice_problem = error;
            }
            return;
        }
        let told = error.is_some();
        let link = self.calls.links.get(&phone);
        let comes = link.is_some_and(|link| link.next.is_awaited() && link.codec != codec);
        let given_up = || {
            format!(
                "the phone gave its {codec} voice up before it was heard; choose the speaker on \
                 the phone"
            )
        };
        let missing = Missing {
            codec,
            error: error.unwrap_or_else(given_up),
            told,
            asked: 0,
        };
        self.with_link(phone, |link| link.missing = Some(missing));
        // One that gave up, or has chosen another codec meanwhile, may be about to open the next; or
        // it has just ended the call.
        if told && !comes {
            self.ask_for_voice(phone, out);
        }
        Self::await_voice(out);
    }

    /// A phone chose a codec and opened no link with it.
    pub(super) fn voice_did_not_come(
        &mut self,
        phone: Address,
        codec: VoiceCodec,
        out: &mut Orders,
    ) {
        let link = self.calls.links.get(&phone);
        let is_news = |link: &Link| link.missing.as_ref().is_none_or(|it| it.codec != codec);
        if link.is_some_and(|link| link.has_a_voice() && is_news(link)) {
            let error = format!(
                "the phone chose {codec} and then sent no voice; choose the speaker on the phone"
            );
            self.tell_voice_failed(phone, error.clone(), out);
            self.fall_back(phone, codec, Some(error), out);
        }
    }

    /// Asks for the voice that is missing, with the codecs that are left.
    fn ask_for_voice(&mut self, phone: Address, out: &mut Orders) {
        let link = self.calls.links.get_mut(&phone);
        let Some(missing) = link.and_then(|link| link.missing.as_mut()) else {
            return;
        };
        missing.asked += 1;
        let codec = missing.codec;
        Self::command(phone, CallCommand::VoiceFailed { codec }, out);
        Self::command(phone, CallCommand::OpenVoice, out);
    }

    fn await_voice(out: &mut Orders) {
        out.push(Action::ArmTimer {
            timer: Timer::VoiceReturns,
            after: PATIENCE,
        });
    }

    pub(in crate::policy) fn voice_patience_over(&mut self, out: &mut Orders) {
        let mut asked = false;
        let phones: Vec<Address> = self.calls.links.keys().copied().collect();
        for phone in phones {
            let Some(link) = self.calls.links.get_mut(&phone) else {
                continue;
            };
            let Some(mut missing) = link.missing.take() else {
                continue;
            };
            if !link.has_a_voice() {
                continue;
            }
            if missing.asked == TIMES {
                self.calls.voice_problem = Some(missing.error);
                continue;
            }
            let told = std::mem::replace(&mut missing.told, true);
            let error = missing.error.clone();
            link.missing = Some(missing);
            if !told {
                self.tell_voice_failed(phone, error, out);
            }
            self.ask_for_voice(phone, out);
            asked = true;
        }
        if asked {
            Self::await_voice(out);
        }
    }
}
