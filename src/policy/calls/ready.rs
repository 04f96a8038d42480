//! Being ready for a voice before it comes, so that its first word is heard and little of the answer
//! is lost.
//!
//! Invariant: while a call rings or is being made, and for a moment after, everything that its voice
//! takes is prepared and rests: the room is not heard before the voice is here. What no voice came of
//! in time is let go; a moment without a call is no reason, for phones without a list of calls may tell
//! the end of ringing before the answer.

use std::time::Duration;

use super::super::event::Timer;
use super::super::{Action, Orders, Policy};
use super::event::{ExpectedVoice, HandsFreeOrder};
use super::facts::VoiceCodec;
use super::{Link, Voice};
use crate::policy::model::Address;

/// How long a voice may take once its call was answered, or its codec chosen.
const PATIENCE: Duration = Duration::from_secs(4);

/// A phone's next voice.
#[derive(Debug, Default)]
pub(super) struct NextVoice {
    /// How it will be coded, as far as can be guessed.
    likely: VoiceCodec,
    /// It may come at any moment.
    awaited: bool,
    /// It has only so long to come.
    limited: bool,
    /// The phone has chosen its codec, and was about to open the link.
    chosen: bool,
    /// Somebody wanted it here, by us.
    ours: bool,
    /// What everything is prepared for.
    prepared: Option<VoiceCodec>,
}

impl NextVoice {
    /// It is here: what was prepared is its own now.
    pub(super) fn came(&mut self) {
        *self = Self {
            likely: self.likely,
            ..Self::default()
        };
    }

    /// Somebody wants it here, by us.
    pub(super) fn is_ours(&mut self) {
        self.ours = true;
    }

    /// Says whether it may come at any moment.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Says whether anything is prepared for it.
    pub(super) fn is_prepared(&self) -> bool {
        self.prepared.is_some()
    }
}

impl Link {
    fn is_calling_or_called(&self) -> bool {
        self.has(|state| !state.is_established())
    }
}

impl Policy {
    /// A phone is there: what it chose before it will most likely choose again, where it may choose.
    pub(super) fn voice_likely(&mut self, phone: Address, codec: VoiceCodec) {
        let chosen = self.calls.chosen.get(&phone).copied();
        let chosen = chosen.filter(|_| codec != VoiceCodec::Cvsd);
        self.with_link(phone, |link| link.next.likely = chosen.unwrap_or(codec));
    }

    pub(super) fn codec_chosen(&mut self, phone: Address, codec: VoiceCodec) {
        let Some(link) = self.calls.links.get_mut(&phone) else {
            return;
        };
        // What is left when a better one failed is no choice: the next link offers that again.
        if link.missing.is_none() {
            self.calls.chosen.insert(phone, codec);
        }
        link.codec = codec;
        link.next.likely = codec;
        if link.voice != Voice::Up {
            link.next.awaited = true;
            link.next.limited = false;
            link.next.chosen = true;
        }
    }

    /// Brings what is prepared in line with the voices that are about to come.
    pub(super) fn attend_to_next_voices(&mut self, out: &mut Orders) {
        let mut changed = Vec::new();
        let mut limits = false;
        let silent = |(_, link): &(&Address, &mut Link)| link.voice == Voice::None;
        for (phone, link) in self.calls.links.iter_mut().filter(silent) {
            let is_calling_or_called = link.is_calling_or_called();
            let next = &mut link.next;
            next.awaited |= is_calling_or_called;
            let limited = next.awaited && !is_calling_or_called;
            limits |= limited && !next.limited;
            next.limited = limited;
            let wanted = next.awaited.then_some(next.likely);
            if wanted != next.prepared {
                next.prepared = wanted;
                changed.push((*phone, wanted));
            }
        }
        for (phone, codec) in changed {
            let voice = codec.map(|codec| self.expected_voice(phone, codec));
            Self::order(phone, HandsFreeOrder::ExpectVoice { voice }, out);
        }
        if limits {
            out.push(Action::ArmTimer {
                timer: Timer::VoiceComes,
                after: PATIENCE,
            });
        }
    }

    /// Voices that have not come by now stay on their phones. One whose codec was chosen failed.
    pub(in crate::policy) fn next_voices_are_late(&mut self, out: &mut Orders) {
        let mut failed = Vec::new();
        for (phone, link) in &mut self.calls.links {
            if !(link.next.awaited && link.next.limited) {
                continue;
            }
            link.next.awaited = false;
            let chosen = std::mem::take(&mut link.next.chosen);
            // Else somebody may have taken the call at the phone meanwhile.
            let ours = std::mem::take(&mut link.next.ours);
            if chosen && ours && link.voice == Voice::None {
                failed.push((*phone, link.codec));
            }
        }
        self.attend_to_next_voices(out);
        for (phone, codec) in failed {
            self.voice_did_not_come(phone, codec, out);
        }
    }

    /// PipeWire is back, where nothing is prepared any more.
    pub(super) fn prepare_voices_again(&self, out: &mut Orders) {
        for (phone, link) in &self.calls.links {
            if let Some(codec) = link.next.prepared {
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
