//! From what is asked for to what is sent.
//!
//! Invariant: a command is refused at once if the phone said it cannot do it, or if there is no
//! call that it could mean; otherwise it is sent, or was true already.

use std::time::Duration;

use super::call::{CallId, CallState};
use super::calls::Intent;
use super::codec::Codec;
use super::command::{BatteryLevel, Command, CommandId, Gain, Refusal};
use super::event::Event;
use super::features::AgFeatures;
use super::machine::{Machine, Phase};
use super::queue::{Effect, Order, Purpose};

/// So many commands may wait before no more are taken.
pub(super) const MOST_WAITING: usize = 32;

impl Machine {
    /// Does what is asked for. The answer comes as [`Event::CommandEnded`] with this `id`.
    ///
    /// # Errors
    /// When nothing was sent, and no answer will come.
    pub fn command(
        &mut self,
        now: Duration,
        id: CommandId,
        command: Command,
    ) -> Result<(), Refusal> {
        if self.phase != Phase::Ready {
            return Err(Refusal::NotReady);
        }
        if self.queue.waiting() >= MOST_WAITING {
            return Err(Refusal::Busy);
        }
        self.perform(Some(id), command)?;
        self.settle(now);
        Ok(())
    }

    fn perform(&mut self, id: Option<CommandId>, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Answer => {
                self.need_incoming()?;
                self.work(id, "ATA", Effect::Calls(None));
            }
            Command::Reject => self.reject(id)?,
            Command::HangUp => {
                if self.calls.list.is_empty() && self.indicators.call_signs().are_idle() {
                    return Err(Refusal::NoCall);
                }
                self.hang_up(id);
            }
            Command::HangUpOne(call) => self.hang_up_one(id, call)?,
            Command::Dial(number) => {
                let number = number.as_str().to_owned();
                let text = format!("ATD{number};");
                self.work(id, text, Effect::Dial(Some(number)));
            }
            Command::DialMemory(place) => {
                self.work(id, format!("ATD>{place};"), Effect::Dial(None));
            }
            Command::Redial => self.work(id, "AT+BLDN", Effect::Dial(None)),
            Command::SendTones(tones) => {
                self.need(&[CallState::Active])?;
                self.send_tones(id, tones.as_str());
            }
            Command::Swap => {
                self.need(&[CallState::Active, CallState::Held, CallState::Waiting])?;
                self.hold(id, self.call_hold.hold, "2", Some(Intent::HoldActive))?;
            }
            Command::ReleaseHeld => self.release_held(id)?,
            Command::ReleaseActive => {
                self.need(&[CallState::Held, CallState::Waiting])?;
                let can = self.call_hold.release_active;
                self.hold(id, can, "1", Some(Intent::ReleaseActive))?;
            }
            Command::Merge => {
                self.need(&[CallState::Held])?;
                self.need(&[CallState::Active])?;
                self.hold(id, self.call_hold.merge, "3", Some(Intent::Merge))?;
            }
            Command::OpenAudio => self.open_audio(id),
            Command::AudioFailed(codec) => self.audio_failed(id, codec)?,
            Command::RecognizeVoice(on) => self.recognize_voice(id, on)?,
            Command::SetSpeaker(gain) => self.tell_speaker(id, gain),
            Command::SetMicrophone(gain) => self.tell_microphone(id, gain),
            Command::SetBattery(level) => self.set_battery(id, level),
        }
        Ok(())
    }

    fn work(&mut self, id: Option<CommandId>, text: impl Into<String>, effect: Effect) {
        let purpose = Purpose::Work { id, effect };
        self.queue.push(Order::new(text, purpose));
    }

    /// Refuses unless a call is in one of these states.
    fn need(&self, states: &[CallState]) -> Result<(), Refusal> {
        if self.calls.any(states) {
            Ok(())
        } else {
            Err(Refusal::NoCall)
        }
    }

    /// Refuses unless a call rings. Its indicator is enough: the list may still be on its way.
    fn need_incoming(&self) -> Result<(), Refusal> {
        let signs = self.indicators.call_signs();
        if signs.setup == 1 && signs.call == 0 {
            return Ok(());
        }
        self.need(&[CallState::Incoming])
    }

    fn hold(
        &mut self,
        id: Option<CommandId>,
        can: bool,
        what: &str,
        intent: Option<Intent>,
    ) -> Result<(), Refusal> {
        if !can {
            return Err(Refusal::Unsupported);
        }
        self.work(id, format!("AT+CHLD={what}"), Effect::Calls(intent));
        Ok(())
    }

    fn release_held(&mut self, id: Option<CommandId>) -> Result<(), Refusal> {
        self.need(&[CallState::Held, CallState::Waiting])?;
        self.hold(id, self.call_hold.release_held, "0", None)
    }

    fn hang_up(&mut self, id: Option<CommandId>) {
        self.work(id, "AT+CHUP", Effect::Calls(None));
    }

    /// Turns a call down. Whether the phone claims that it can (BRSF) is not asked: most that do
    /// not claim it can, and the others say so.
    fn reject(&mut self, id: Option<CommandId>) -> Result<(), Refusal> {
        if self.calls.any(&[CallState::Waiting]) {
            return self.release_held(id);
        }
        self.need_incoming()?;
        self.hang_up(id);
        Ok(())
    }

    /// Ends one call by the means that spare the others (HFP 1.9, enhanced call control).
    fn hang_up_one(&mut self, id: Option<CommandId>, call: CallId) -> Result<(), Refusal> {
        let call = self.calls.get(call).ok_or(Refusal::NoCall)?;
        let (state, index) = (call.state, call.index);
        let alike = self.calls.list.iter().filter(|other| other.state == state);
        let alone = alike.count() == 1;
        let only = self.calls.list.len() == 1;
        let chosen = self.call_hold.release_one && self.ag.has(AgFeatures::CALL_CONTROL);
        let waiting = self.calls.any(&[CallState::Waiting]);
        match state {
            CallState::Active | CallState::Held if chosen && !only => {
                return self.hold(id, true, &format!("1{index}"), None);
            }
            CallState::Waiting => return self.release_held(id),
            // `AT+CHLD=0` would turn down the waiting call instead.
            CallState::Held if !only && alone && !waiting => return self.release_held(id),
            CallState::Held if !only => return Err(Refusal::Unsupported),
            CallState::Active if !alone => return Err(Refusal::Unsupported),
            _ => self.hang_up(id),
        }
        Ok(())
    }

    fn recognize_voice(&mut self, id: Option<CommandId>, on: bool) -> Result<(), Refusal> {
        if !self.ag.has(AgFeatures::VOICE_RECOGNITION) {
            return Err(Refusal::Unsupported);
        }
        let text = format!("AT+BVRA={}", u8::from(on));
        self.work(id, text, Effect::Voice(on));
        Ok(())
    }

    /// Sends the first of the keys; the others follow its answer.
    pub(super) fn send_tones(&mut self, id: Option<CommandId>, keys: &str) {
        let mut rest = keys.chars();
        if let Some(key) = rest.next() {
            let effect = Effect::Tones(rest.as_str().to_owned());
            self.work(id, format!("AT+VTS={key}"), effect);
        }
    }

    /// Tells the AG how loud we play, unless it knows. Of several that wait only the last counts.
    pub(super) fn tell_speaker(&mut self, id: Option<CommandId>, gain: Gain) {
        let same = |effect: &Effect| matches!(effect, Effect::Speaker(_));
        let known = self.speaker == Some(gain);
        let text = format!("AT+VGS={}", gain.steps());
        self.tell_latest(id, known, text, Effect::Speaker(gain), same);
    }

    /// Tells the AG how loud we record, likewise.
    pub(super) fn tell_microphone(&mut self, id: Option<CommandId>, gain: Gain) {
        let same = |effect: &Effect| matches!(effect, Effect::Microphone(_));
        let known = self.microphone == Some(gain);
        let text = format!("AT+VGM={}", gain.steps());
        self.tell_latest(id, known, text, Effect::Microphone(gain), same);
    }

    fn set_battery(&mut self, id: Option<CommandId>, level: BatteryLevel) {
        let known = self.battery == level;
        self.battery = level;
        if known {
            self.answer(id, Ok(()));
        } else {
            self.tell_battery(id);
        }
    }

    /// Tells the AG how full our battery is, if it wants to know (HF indicator 2, `AT+BIEV`).
    pub(super) fn tell_battery(&mut self, id: Option<CommandId>) {
        let same = |effect: &Effect| *effect == Effect::Battery;
        let text = format!("AT+BIEV=2,{}", self.battery.percent());
        self.tell_latest(id, !self.wants_battery, text, Effect::Battery, same);
    }

    /// Sends a value, in place of those of the same kind that wait; they count as sent. A value that
    /// is known need not be sent, unless another one is on its way.
    fn tell_latest(
        &mut self,
        id: Option<CommandId>,
        known: bool,
        text: String,
        effect: Effect,
        same: impl Fn(&Effect) -> bool + Copy,
    ) {
        let alike =
            |purpose: &Purpose| matches!(purpose, Purpose::Work { effect, .. } if same(effect));
        for order in self.queue.withdraw(alike) {
            if let Purpose::Work { id, .. } = order.purpose {
                self.answer(id, Ok(()));
            }
        }
        if known && !self.queue.holds(alike) {
            self.answer(id, Ok(()));
        } else {
            self.work(id, text, effect);
        }
    }

    /// Wants an audio link. With codec negotiation the AG opens it (HFP 1.9, 4.11.2); without, we do.
    fn open_audio(&mut self, id: Option<CommandId>) {
        if self.negotiates_codec {
            self.work(id, "AT+BCC", Effect::Nothing);
        } else {
            self.emit(Event::AudioLeftToUs);
            self.answer(id, Ok(()));
        }
    }

    /// Falls back to the codecs that are left.
    fn audio_failed(&mut self, id: Option<CommandId>, codec: Codec) -> Result<(), Refusal> {
        if !self.negotiates_codec || codec == Codec::Cvsd {
            return Err(Refusal::Unsupported);
        }
        if self.codecs.has(codec) {
            self.codecs = self.codecs.without(codec);
            let text = format!("AT+BAC={}", self.codecs.listed());
            self.work(id, text, Effect::Nothing);
        } else {
            self.answer(id, Ok(()));
        }
        Ok(())
    }

    /// The AG chose a codec (`+BCS`): agrees, or tells again which ones there are (HFP 1.9, 4.11.3).
    pub(super) fn codec_proposed(&mut self, id: Option<u32>) {
        if !self.negotiates_codec {
            return;
        }
        self.queue
            .withdraw(|purpose| matches!(purpose, Purpose::Codec(_) | Purpose::Codecs));
        let codec = id.and_then(Codec::with_id);
        match codec.filter(|codec| self.codecs.has(*codec)) {
            Some(codec) => {
                // Told before it is sent: the link may be opened right after.
                self.chosen = Some(codec);
                self.emit(Event::CodecChosen(codec));
                let text = format!("AT+BCS={}", codec.id());
                self.queue.push(Order::new(text, Purpose::Codec(codec)));
            }
            None => {
                let text = format!("AT+BAC={}", self.codecs.listed());
                self.queue.push(Order::new(text, Purpose::Codecs));
            }
        }
    }
}
