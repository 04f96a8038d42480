//! The decisions: who may pair, connect, play; what volume; what people are told.
//!
//! Invariant: pure. [`Policy::handle`] is a function of the events so far and the time it is given;
//! no I/O, no clock, no channel, no async type. `tests/architecture.rs` holds the imports to it.

pub mod action;
pub mod calls;
pub mod event;
pub mod find;
pub mod model;
pub mod player;
pub mod rejection;
pub mod rules;
pub mod snapshot;
pub mod story;

mod blocking;
mod connection;
mod forgetting;
mod naming;
mod pairing;
mod playback;
mod radio;
mod reconnect;
mod remote;
mod speaker;
mod takeover;
mod volume;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use action::{Action, RadioAction, SoundAction, StreamAction};
pub use event::Event;
use event::{PhoneFacts, Request, Timer};
use model::{Address, Memory, Now, RequestId, Rules, TrustedPhone};
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
    reconnect: reconnect::Reconnect,
    playback: playback::Playback,
    takeover: takeover::Takeover,
    remote: remote::Remote,
    calls: calls::Calls,
    config_problems: Option<String>,
    /// Why what was decided since would not survive a restart.
    memory_problem: Option<String>,
    /// Why what was decided before is not known.
    memory_lost: Option<String>,
}

/// The orders that one event leads to, in order, and when it happened.
#[derive(Debug)]
struct Orders {
    now: Now,
    actions: Vec<Action>,
}

impl Orders {
    fn radio(&mut self, action: RadioAction) {
        self.actions.push(Action::Radio(action));
    }

    fn stream(&mut self, action: StreamAction) {
        self.actions.push(Action::Stream(action));
    }

    fn tell(&mut self, story: Story) {
        self.actions.push(Action::Tell(story));
    }

    fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn reply(&mut self, id: RequestId, result: Result<(), Rejection>) {
        self.actions.push(Action::Reply { id, result });
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
            reconnect: reconnect::Reconnect::default(),
            playback: playback::Playback::default(),
            takeover: takeover::Takeover::default(),
            remote: remote::Remote::default(),
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
        let mut orders = Orders {
            now,
            actions: Vec::new(),
        };
        let out = &mut orders;
        self.time_passes(now);
        match event {
            Event::BluetoothFound => self.bluetooth_found(out),
            Event::BluetoothLost => self.bluetooth_lost(out),
            Event::AdapterSeen(facts) => self.adapter_seen(now, facts, out),
            Event::AdapterGone { id } => self.adapter_gone(&id, out),
            Event::AdapterRefused { id, error } => self.adapter_refused(&id, error, out),
            Event::InventoryTaken { phones } => self.inventory_taken(now, phones, out),
            Event::PhoneSeen(facts) => self.phone_seen(now, facts, out),
            Event::PhoneGone { phone } => self.phone_gone(now, phone, out),
            Event::PhoneLeft { phone, why } => self.phone_left(now, phone, why),
            Event::AgentAsked {
                id,
                phone,
                question,
            } => {
                self.agent_asked(now, id, phone, &question, out);
            }
            // The answer, if one is still to come, goes nowhere: BlueZ has forgotten the question.
            Event::AgentCancelled { .. } => {}
            Event::TransportOpened { .. }
            | Event::TransportChanged { .. }
            | Event::TransportVolumeChanged { .. }
            | Event::TransportClosed { .. }
            | Event::StreamStarted { .. }
            | Event::StreamEnded { .. }
            | Event::StreamDelayChanged { .. } => self.music_happened(now, event, out),
            Event::PlayerSeen { phone, player } => self.player_seen(phone, player, out),
            Event::PlayerGone { phone } => self.forget_player(phone),
            Event::CoverSeen { phone, image, path } => self.cover_seen(phone, image, path),
            Event::CoverGone { phone } => self.cover_gone(phone),
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
            } => self.connect_ended(now, phone, attempt, error, out),
            Event::ConfigLoaded(rules) => self.config_loaded(now, rules, out),
            Event::ConfigRefused { problems } => self.config_refused(problems, out),
            Event::MemoryUnsaved { error } => self.memory_unsaved(error, out),
            Event::MemorySaved => self.memory_saved(out),
            Event::TimerFired { timer } => self.timer_fired(now, timer, out),
        }
        self.attend_to_covers(&mut orders);
        self.attend_to_missing(now, &mut orders);
        orders.actions
    }

    /// Takes in what happened to a transport or its stream.
    fn music_happened(&mut self, now: Now, event: Event, out: &mut Orders) {
        match event {
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
            _ => {}
        }
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
            Request::ForgetAll => self.forget_all(out),
            Request::Block { phone, blocked } => self.block(now, phone, blocked, out),
            Request::RenamePhone { phone, name } => self.rename_phone(phone, name, out),
            Request::Player { phone, command } => self.press(phone, command, out),
            Request::PlayOrPause { phone } => self.play_or_pause(phone, out),
            Request::Mute { muted } => {
                self.mute(muted, out);
                Ok(())
            }
            Request::Prefer { phone, preference } => self.prefer(now, phone, preference, out),
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
            Timer::MusicPatience => self.music_patience_over(out),
            Timer::MusicReturns => self.music_returns(out),
            Timer::AutoAnswer => self.auto_answer_due(now, out),
            Timer::SettingAside => self.setting_aside_patience_over(now, out),
            Timer::RingComes => self.ring_patience_over(out),
            Timer::VoiceComes => self.next_voices_are_late(out),
            Timer::SpeakerFree => self.speaker_is_free(out),
            Timer::TurnSettled => self.turn_is_settled(out),
            Timer::VoiceReturns => self.voice_patience_over(out),
            Timer::Reconnect => self.somebody_is_due(),
        }
    }

    /// Returns a phone of the list.
    fn known(&self, phone: Address) -> Option<&TrustedPhone> {
        self.memory.phones.iter().find(|it| it.address == phone)
    }

    fn known_mut(&mut self, phone: Address) -> Option<&mut TrustedPhone> {
        self.memory.phones.iter_mut().find(|it| it.address == phone)
    }

    /// Returns the name people know a phone by.
    fn name_of(&self, phone: Address) -> String {
        self.known(phone)
            .map(|known| known.shown_name().to_owned())
            .or_else(|| self.phones.get(&phone).map(|facts| facts.name.clone()))
            .unwrap_or_else(|| phone.to_string())
    }

    /// Says whether somebody let the phone in, and nobody has locked it out since.
    fn is_trusted(&self, phone: Address) -> bool {
        self.known(phone).is_some_and(|known| !known.blocked)
    }

    fn is_connected(&self, phone: Address) -> bool {
        self.phones.get(&phone).is_some_and(|facts| facts.connected)
    }
}
