//! The voice links of calls, and how loud they are.
//!
//! Invariant: a phone has at most one voice link, and only while its service level connection is
//! up. What is told of a voice link counts only while no later one was ordered. What becomes of one
//! that does not come up is in [`fallback`](super::fallback).

use super::super::volume::SLIDER_SETTLES;
use super::super::{Action, Orders, Policy, RadioAction, SoundAction, Story};
use super::event::{HandsFreeOrder, VoiceSpec};
use super::facts::{CallCommand, VoiceCodec, VoiceId};
use super::{Link, Voice};
use crate::policy::model::{Address, QuestionId, Volume};

/// The steps of a phone's volume of calls (HFP 1.9, 4.28).
pub(super) const STEPS: u8 = 15;

impl Policy {
    pub(super) fn voice_asked(&mut self, phone: Address, id: QuestionId, out: &mut Orders) {
        let order = match self.wanted_voice(phone) {
            Some(voice) => HandsFreeOrder::LetVoiceIn { id, voice },
            None => HandsFreeOrder::RefuseVoice { id },
        };
        Self::order(phone, order, out);
    }

    pub(super) fn voice_left_to_us(&mut self, phone: Address, out: &mut Orders) {
        let free = |link: &Link| link.voice == Voice::None;
        if !self.calls.links.get(&phone).is_some_and(free) {
            return;
        }
        // Such a phone negotiates no codec, and what remains is the one that all have.
        self.with_link(phone, |link| link.codec = VoiceCodec::Cvsd);
        if let Some(voice) = self.wanted_voice(phone) {
            Self::order(phone, HandsFreeOrder::OpenVoice { voice }, out);
        }
    }

    /// Marks a phone's voice as wanted and describes it; nothing if it must not have one.
    fn wanted_voice(&mut self, phone: Address) -> Option<VoiceSpec> {
        if !self.is_trusted(phone) {
            return None;
        }
        let link = self.calls.links.get_mut(&phone)?;
        let VoiceId(last) = self.calls.last_voice;
        self.calls.last_voice = VoiceId(last + 1);
        link.voice_id = self.calls.last_voice;
        link.voice = Voice::Wanted;
        link.voice_codec = link.codec;
        link.next.came();
        link.missing = None;
        self.voice_spec(phone)
    }

    fn voice_spec(&self, phone: Address) -> Option<VoiceSpec> {
        let link = self.calls.links.get(&phone)?;
        Some(VoiceSpec {
            id: link.voice_id,
            codec: link.voice_codec,
            name: self.name_of(phone),
            volume: self.call_volume_of(phone),
            microphone: link.microphone,
            muted: self.memory.microphone_muted,
        })
    }

    pub(super) fn voice_up(&mut self, phone: Address, voice: VoiceId, out: &mut Orders) {
        let Some(link) = self.calls.links.get_mut(&phone) else {
            return;
        };
        if link.voice != Voice::Wanted || link.voice_id != voice {
            return;
        }
        link.voice = Voice::Up;
        link.voice_since = out.now.monotonic;
        link.next.came();
        let codec = link.voice_codec;
        self.calls.voice_problem = None;
        out.tell(Story::VoiceUp {
            name: self.name_of(phone),
            address: phone,
            codec,
        });
    }

    pub(super) fn voice_ended(
        &mut self,
        phone: Address,
        voice: VoiceId,
        error: Option<String>,
        out: &mut Orders,
    ) {
        let Some(link) = self.calls.links.get_mut(&phone) else {
            return;
        };
        if link.voice_id != voice {
            return;
        }
        let before = std::mem::take(&mut link.voice);
        let codec = link.voice_codec;
        (link.stalled, link.unheard) = (None, None);
        if before == Voice::None {
            return;
        }
        Self::order(phone, HandsFreeOrder::EndVoice, out);
        if let Some(error) = &error {
            self.tell_voice_failed(phone, error.clone(), out);
        }
        if before == Voice::Up {
            return;
        }
        if error.is_some() {
            // Somebody may have reset the controller since it was last told.
            self.route_voice(out);
        }
        self.fall_back(phone, codec, error, out);
    }

    /// Has the controller bring the sound of calls here; any reset makes it forget that. While a
    /// voice is heard it does so, and is left alone.
    pub(in crate::policy) fn route_voice(&self, out: &mut Orders) {
        let heard = self.calls.links.values().any(|it| it.voice == Voice::Up);
        if self.rules.calls && self.radio.on().is_some() && !heard {
            out.radio(RadioAction::RouteVoice);
        }
    }

    /// Covers are to take nothing of the air while somebody speaks through it.
    pub(in crate::policy) fn attend_to_covers(&mut self, out: &mut Orders) {
        let hold = self.calls.links.values().any(|it| it.voice == Voice::Up);
        if std::mem::replace(&mut self.calls.holds_covers, hold) != hold {
            out.radio(RadioAction::HoldCovers { hold });
        }
    }

    /// Gives the sound of a call back to its phone.
    pub(super) fn end_voice(&mut self, phone: Address, out: &mut Orders) {
        Self::order(phone, HandsFreeOrder::EndVoice, out);
        self.with_link(phone, |link| {
            link.voice = Voice::None;
            (link.stalled, link.unheard) = (None, None);
        });
        self.attend(out);
    }

    /// PipeWire plays no stream of a phone. What only rests is played later, and told then.
    pub(super) fn voice_unheard(&mut self, phone: Address, error: String, out: &mut Orders) {
        let mut wanted = false;
        self.with_link(phone, |link| {
            wanted = link.voice != Voice::None;
            link.unheard = Some(error.clone()).filter(|_| wanted);
        });
        if wanted {
            self.tell_voice_failed(phone, error, out);
        }
    }

    /// Sound does not flow through a voice link that is up, or flows again.
    pub(super) fn voice_stalled(
        &mut self,
        phone: Address,
        voice: VoiceId,
        problem: Option<String>,
        out: &mut Orders,
    ) {
        let Some(link) = self.calls.links.get_mut(&phone) else {
            return;
        };
        if link.voice != Voice::Up || link.voice_id != voice {
            return;
        }
        link.stalled.clone_from(&problem);
        let codec = link.voice_codec;
        match problem {
            Some(error) => self.tell_voice_failed(phone, error, out),
            None => out.tell(Story::VoiceUp {
                name: self.name_of(phone),
                address: phone,
                codec,
            }),
        }
    }

    pub(super) fn tell_voice_failed(&self, phone: Address, error: String, out: &mut Orders) {
        out.tell(Story::VoiceFailed {
            name: self.name_of(phone),
            address: phone,
            error,
        });
    }

    /// PipeWire is back: whoever talks is to be heard again, and so is the ring tone.
    pub(in crate::policy) fn play_voices_again(&mut self, out: &mut Orders) {
        if let Some(volume) = self.calls.rings {
            out.push(Action::Sound(SoundAction::StopRinging));
            out.push(Action::Sound(SoundAction::Ring { volume }));
        }
        let up = |link: &Link| link.voice != Voice::None;
        // What it refused before.
        for link in self.calls.links.values_mut() {
            link.unheard = None;
        }
        let phones = self.calls.links.iter().filter(|(_, link)| up(link));
        for voice in phones.filter_map(|(phone, _)| Some((*phone, self.voice_spec(*phone)?))) {
            let (phone, voice) = voice;
            Self::order(phone, HandsFreeOrder::PlayVoice { voice }, out);
        }
        self.prepare_voices_again(out);
    }

    /// Returns how loud a phone's calls are.
    pub(super) fn call_volume_of(&self, phone: Address) -> Volume {
        self.known(phone)
            .and_then(|known| known.call_volume)
            .unwrap_or_else(|| self.start_volume())
            .min(self.rules.max_volume)
    }

    pub(super) fn call_volume_moved(&mut self, phone: Address, steps: u8, out: &mut Orders) {
        if call_steps(self.call_volume_of(phone)) == steps.min(STEPS) {
            return;
        }
        let wanted = call_volume(steps);
        let volume = wanted.min(self.rules.max_volume);
        // What a phone tells by itself when it connects, or a call begins, is nobody's wish.
        let link = self.calls.links.get(&phone);
        let settled = |link: &Link| out.now.monotonic >= link.voice_since + SLIDER_SETTLES;
        let talks = link.is_some_and(|link| link.voice == Voice::Up && settled(link));
        if talks && volume > self.call_volume_of(phone) {
            self.mute(false, out);
        }
        self.set_call_volume(phone, volume, out);
        if volume != wanted {
            self.show_call_volume(phone, out);
        }
    }

    /// Remembers and applies it; the phone knows it already.
    fn set_call_volume(&mut self, phone: Address, volume: Volume, out: &mut Orders) {
        if let Some(known) = self.known_mut(phone) {
            known.call_volume = Some(volume);
        }
        self.apply_call_volume(phone, out);
        out.tell(Story::CallVolumeChanged {
            name: self.name_of(phone),
            address: phone,
            volume,
        });
    }

    pub(super) fn apply_call_volume(&self, phone: Address, out: &mut Orders) {
        let link = self.calls.links.get(&phone);
        if link.is_some_and(|link| link.voice != Voice::None || link.next.is_prepared()) {
            let volume = self.call_volume_of(phone);
            Self::order(phone, HandsFreeOrder::SetVoiceVolume { volume }, out);
        }
    }

    pub(super) fn show_call_volume(&self, phone: Address, out: &mut Orders) {
        let steps = call_steps(self.call_volume_of(phone));
        Self::command(phone, CallCommand::SpeakerVolume { steps }, out);
    }

    /// Moves the volume of the calls that are heard, else of those that will be at any moment, unless
    /// there is music that is heard; says whether there are any.
    pub(in crate::policy) fn turn_calls(
        &mut self,
        phone: Option<Address>,
        turned: &dyn Fn(Volume) -> Volume,
        out: &mut Orders,
    ) -> bool {
        let means = |it: Address| phone.is_none_or(|phone| phone == it);
        let among = |wanted: &dyn Fn(&Link) -> bool| -> Vec<Address> {
            let links = self.calls.links.iter();
            let meant = links.filter(|(address, link)| means(**address) && wanted(link));
            meant.map(|(address, _)| *address).collect()
        };
        let mut phones = among(&|link| link.voice == Voice::Up);
        if phones.is_empty() && !self.is_music_heard(&means) {
            phones = among(&|link| link.voice == Voice::Wanted || link.next.is_awaited());
        }
        for phone in &phones {
            let before = self.call_volume_of(*phone);
            let volume = turned(before);
            if volume != before {
                self.set_call_volume(*phone, volume, out);
                self.show_call_volume(*phone, out);
            }
        }
        !phones.is_empty()
    }

    fn is_music_heard(&self, of: &dyn Fn(Address) -> bool) -> bool {
        let mut playing = self.playback.playing();
        playing.any(|(id, phone)| of(phone) && !self.calls.hushes(&id) && !self.takeover.mutes(&id))
    }

    /// Returns how loud a phone gets the room.
    pub(super) fn microphone_volume(link: &Link) -> Volume {
        call_volume(link.microphone)
    }

    /// Gives a phone the room louder or softer, and tells it. It may have no such slider, which
    /// changes nothing here.
    pub(super) fn set_microphone_volume(
        &mut self,
        phone: Address,
        volume: Volume,
        out: &mut Orders,
    ) {
        let steps = call_steps(volume);
        self.microphone_moved(phone, steps, out);
        Self::command(phone, CallCommand::MicrophoneVolume { steps }, out);
    }

    pub(super) fn microphone_moved(&mut self, phone: Address, steps: u8, out: &mut Orders) {
        let steps = steps.min(STEPS);
        let Some(link) = self.calls.links.get_mut(&phone) else {
            return;
        };
        link.microphone = steps;
        if link.voice != Voice::None {
            Self::order(phone, HandsFreeOrder::SetMicrophoneVolume { steps }, out);
        }
    }
}

/// Converts to the phone's steps.
pub(super) fn call_steps(volume: Volume) -> u8 {
    ((u16::from(volume.percent()) * u16::from(STEPS) + 50) / 100) as u8
}

/// Converts from the phone's steps; more than there are count as all.
fn call_volume(steps: u8) -> Volume {
    let steps = u16::from(steps.min(STEPS));
    let percent = (steps * 100 + u16::from(STEPS) / 2) / u16::from(STEPS);
    Volume::MIN.step(percent as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_a_phone_survives_the_way_through_per_cent() {
        for steps in 0..=STEPS {
            assert_eq!(call_steps(call_volume(steps)), steps);
        }
        assert_eq!(call_volume(255), Volume::MAX);
        assert_eq!(call_volume(0), Volume::MIN);
    }
}
