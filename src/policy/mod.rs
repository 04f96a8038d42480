//! The decisions: who may pair, connect, play; what volume; what people are told.
//!
//! Invariant: pure. [`Policy::handle`] is a function of the events so far and the time it is given;
//! no I/O, no clock, no channel, no async type. `tests/architecture.rs` holds the imports to it.

pub mod action;
pub mod calls;
pub mod event;
pub mod find;
pub mod model;
pub mod rejection;
pub mod snapshot;
pub mod story;

mod connection;
mod forgetting;
mod pairing;
mod playback;
mod radio;
mod speaker;
mod takeover;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use action::{Action, RadioAction, SoundAction, StreamAction};
pub use event::Event;
use event::{PhoneFacts, Request, Timer};
use model::{Address, Memory, Now, RequestId, Rules};
pub use rejection::{Rejection, RejectionKind};
pub use snapshot::Snapshot;
pub use story::Story;

/// Everything dotd knows, and what it makes of it.
#[derive(Debug)]
pub struct Policy {
    rules: Rules,
    memory: Memory,
    radio: radio::Radio,
    pairing: pairing::Pairing,
    /// What BlueZ knows of each device, trusted or not.
    phones: BTreeMap<Address, PhoneFacts>,
    /// The adapter that it knows them at.
    phones_of: Option<Address>,
    /// Those that had a bond there when it went off or away, until phones are counted again.
    bonds_left: BTreeSet<Address>,
    connection: connection::Connection,
    playback: playback::Playback,
    takeover: takeover::Takeover,
    calls: calls::Calls,
    config_problems: Option<String>,
    /// Why what was decided since would not survive a restart.
    memory_problem: Option<String>,
    /// Why what was decided before is not known.
    memory_lost: Option<String>,
}

/// The orders that one event leads to, in order.
#[derive(Debug, Default)]
struct Orders(Vec<Action>);

impl Orders {
    fn radio(&mut self, action: RadioAction) {
        self.0.push(Action::Radio(action));
    }

    fn stream(&mut self, action: StreamAction) {
        self.0.push(Action::Stream(action));
    }

    fn tell(&mut self, story: Story) {
        self.0.push(Action::Tell(story));
    }

    fn push(&mut self, action: Action) {
        self.0.push(action);
    }

    fn reply(&mut self, id: RequestId, result: Result<(), Rejection>) {
        self.0.push(Action::Reply { id, result });
    }
}

impl Policy {
    /// Starts with the admin's `rules` and what is remembered from earlier.
    pub fn new(rules: Rules, memory: Memory) -> Self {
        let mut policy = Self {
            rules,
            memory,
            radio: radio::Radio::default(),
            pairing: pairing::Pairing::default(),
            phones: BTreeMap::new(),
            phones_of: None,
            bonds_left: BTreeSet::new(),
            connection: connection::Connection::default(),
            playback: playback::Playback::default(),
            takeover: takeover::Takeover::default(),
            calls: calls::Calls::default(),
            config_problems: None,
            memory_problem: None,
            memory_lost: None,
        };
        policy.heed_configured_name();
        policy.heed_configured_volume();
        policy
    }

    /// Takes one event in and returns what is to be done, in order.
    #[must_use]
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Action> {
        let mut orders = Orders::default();
        let out = &mut orders;
        match event {
            Event::BluetoothFound => self.bluetooth_found(out),
            Event::BluetoothLost => self.bluetooth_lost(out),
            Event::AdapterSeen(facts) => self.adapter_seen(now, facts, out),
            Event::AdapterGone { id } => self.adapter_gone(&id, out),
            Event::AdapterRefused { id, error } => self.adapter_refused(&id, error, out),
            Event::InventoryTaken { phones } => self.inventory_taken(now, phones, out),
            Event::PhoneSeen(facts) => self.phone_seen(now, facts, out),
            Event::PhoneGone { phone } => self.phone_gone(now, phone, out),
            Event::AgentAsked {
                id,
                phone,
                question,
            } => {
                self.agent_asked(now, id, phone, &question, out);
            }
            // The answer, if one is still to come, goes nowhere: BlueZ has forgotten the question.
            Event::AgentCancelled { .. } => {}
            Event::TransportOpened {
                transport,
                phone,
                format,
            } => {
                self.transport_opened(now, transport, phone, format, out);
            }
            Event::TransportChanged { transport, state } => {
                self.transport_changed(&transport, state, out);
            }
            Event::TransportVolumeChanged { transport, avrcp } => {
                self.transport_volume_changed(now, &transport, avrcp, out);
            }
            Event::TransportClosed { transport } => self.transport_closed(&transport, out),
            Event::StreamStarted { transport } => self.stream_started(&transport, out),
            Event::StreamEnded { transport, error } => self.stream_ended(&transport, error, out),
            Event::StreamDelayChanged { transport, delay } => {
                self.stream_delay_changed(transport, delay, out);
            }
            Event::PlayerChanged { phone, playing } => self.player_changed(phone, playing, out),
            Event::AudioFound { output } => self.audio_found(output, out),
            Event::AudioLost => self.audio_lost(out),
            Event::HandsFree { phone, fact } => self.hands_free(now, phone, fact, out),
            Event::MicrophoneFound { name } => self.calls.microphone = name,
            Event::EchoCancelling { problem } => self.echo_cancelling(problem, out),
            Event::Requested { id, request } => self.requested(now, id, request, out),
            Event::ConnectEnded {
                phone,
                attempt,
                error,
            } => self.connect_ended(phone, attempt, error, out),
            Event::ConfigLoaded(rules) => self.config_loaded(now, rules, out),
            Event::ConfigRefused { problems } => self.config_refused(problems, out),
            Event::MemoryUnsaved { error } => self.memory_unsaved(error, out),
            Event::MemorySaved => self.memory_saved(out),
            Event::TimerFired { timer } => self.timer_fired(now, timer, out),
        }
        orders.0
    }

    /// Returns what has to survive a restart.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    fn requested(&mut self, now: Now, id: RequestId, request: Request, out: &mut Orders) {
        let result = match request {
            Request::OpenPairing { length } => self.open_pairing(now, length, out),
            Request::ClosePairing => self.close_pairing(out),
            Request::Connect { phone } => match self.connect(id, phone, out) {
                Ok(()) => return, // answered by connect_ended
                Err(rejection) => Err(rejection),
            },
            Request::Call { phone, wish } => return self.call_wished(now, id, phone, wish, out),
            Request::MuteMicrophone { muted } => self.mute_microphone(muted, out),
            Request::Disconnect { phone } => self.disconnect(phone, out),
            Request::Forget { phone } => self.forget(phone, out),
            Request::Rename { name } => self.rename(name, out),
            Request::SetVolume { phone, volume } => self.turn_volume(now, phone, &|_| volume, out),
            Request::StepVolume { phone, steps } => {
                self.turn_volume(now, phone, &|before| before.step(steps), out)
            }
        };
        out.reply(id, result);
    }

    fn timer_fired(&mut self, now: Now, timer: Timer, out: &mut Orders) {
        match timer {
            Timer::PairingWindow => self.window_time_over(now, out),
            Timer::AdapterRetry => self.adapter_retry(out),
            Timer::RefusalRetry => self.refusal_retry(out),
            Timer::UnreadServices => self.reading_patience_over(out),
            Timer::OutputPatience => self.output_patience_over(out),
            Timer::CallsPatience => self.calls_patience_over(out),
            Timer::MusicReturns => self.music_returns(out),
            Timer::AutoAnswer => self.auto_answer_due(now, out),
            Timer::SettingAside => self.setting_aside_patience_over(now, out),
            Timer::RingComes => self.ring_patience_over(out),
            Timer::VoiceComes => self.next_voices_are_late(out),
            Timer::SpeakerFree => self.speaker_is_free(out),
            Timer::TurnSettled => self.turn_is_settled(out),
            Timer::VoiceReturns => self.voice_patience_over(out),
        }
    }

    /// Returns the name people know a phone by.
    fn name_of(&self, phone: Address) -> String {
        self.memory
            .phones
            .iter()
            .find(|known| known.address == phone)
            .map(|known| known.name.clone())
            .or_else(|| self.phones.get(&phone).map(|facts| facts.name.clone()))
            .unwrap_or_else(|| phone.to_string())
    }

    /// Says whether somebody let the phone in.
    fn is_trusted(&self, phone: Address) -> bool {
        self.memory
            .phones
            .iter()
            .any(|known| known.address == phone)
    }

    fn is_connected(&self, phone: Address) -> bool {
        self.phones.get(&phone).is_some_and(|facts| facts.connected)
    }
}
