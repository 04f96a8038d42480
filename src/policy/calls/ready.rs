//! Being ready for a voice before it comes, so that its first word is heard, and the first word to it.
//!
//! Invariant: while a call rings or is being made, everything that its voice takes is prepared and
//! rests: the room is not heard before the voice is here. What no voice came of is let go.

use super::super::{Orders, Policy};
use super::event::{ExpectedVoice, HandsFreeOrder};
use super::facts::{CallState, VoiceCodec};
use super::{Link, Voice};
use crate::policy::model::Address;

impl Link {
    /// Returns the voice that is about to come, if one is.
    fn awaits(&self) -> Option<VoiceCodec> {
        let comes = self.announced
            || self.has(|state| match state {
                CallState::Incoming
                | CallState::Waiting
                | CallState::Dialing
                | CallState::Alerting => true,
                // Its voice follows the answer, unless the phone keeps it.
                CallState::Active => self.expected.is_some(),
                CallState::Held => false,
            });
        (comes && self.voice == Voice::None).then_some(self.likely)
    }
}

impl Policy {
    pub(super) fn codec_chosen(&mut self, phone: Address, codec: VoiceCodec) {
        self.with_link(phone, |link| {
            link.codec = codec;
            link.likely = codec;
            link.announced = link.voice == Voice::None;
        });
    }

    /// Brings what is prepared in line with the voices that are about to come.
    pub(super) fn attend_to_expected_voices(&mut self, out: &mut Orders) {
        let mut changed = Vec::new();
        for (phone, link) in &mut self.calls.links {
            let awaited = link.awaits();
            if link.voice == Voice::None && awaited != link.expected {
                link.expected = awaited;
                changed.push((*phone, awaited));
            }
        }
        for (phone, codec) in changed {
            let voice = codec.map(|codec| self.expected_voice(phone, codec));
            Self::order(phone, HandsFreeOrder::ExpectVoice { voice }, out);
        }
    }

    /// PipeWire is back, where nothing is prepared any more.
    pub(super) fn expect_voices_again(&self, out: &mut Orders) {
        for (phone, link) in &self.calls.links {
            if let Some(codec) = link.expected {
                let voice = Some(self.expected_voice(*phone, codec));
                Self::order(*phone, HandsFreeOrder::ExpectVoice { voice }, out);
            }
        }
    }

    fn expected_voice(&self, phone: Address, codec: VoiceCodec) -> ExpectedVoice {
        ExpectedVoice {
            codec,
            name: self.name_of(phone),
            volume: self.call_volume_of(phone),
        }
    }
}
