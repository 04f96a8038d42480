//! What plays.
//!
//! Invariant: only a trusted phone is heard; a stream that was ordered is ordered again whenever
//! PipeWire comes back, until its phone stops.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{Timer, TransportState};
use super::model::{Address, Now, StreamFormat, TransportId, Volume};
use super::snapshot::{AudioStatus, StreamStatus};
use super::{Action, Orders, Policy, RadioAction, Story, StreamAction};

/// How long a phone that brings its calls may take to bring its music by itself.
const MUSIC_PATIENCE: Duration = Duration::from_secs(3);

/// How long PipeWire may take to find a sound card before that is worth a warning.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(10);

/// The transports and the output.
#[derive(Debug, Default)]
pub(super) struct Playback {
    pub(super) transports: BTreeMap<TransportId, Transport>,
    pub(super) audio: AudioStatus,
    /// The phones that are expected to bring their music.
    expected: BTreeSet<Address>,
    /// Those whose music was fetched since they connected.
    fetched: BTreeSet<Address>,
}

/// What a phone sends its music through.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) phone: Address,
    format: StreamFormat,
    state: TransportState,
    /// Whether the audio path was ordered to be ready for it.
    prepared: bool,
    /// Whether the audio path was ordered to play it.
    pub(super) started: bool,
    /// Whether it was heard.
    heard: bool,
    /// What its slider was set to by us, while other values are not the phone's wish.
    pub(super) settling: Option<Settling>,
    /// When it came.
    pub(super) opened: Duration,
}

/// A slider that we have set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settling {
    /// To where.
    pub(super) avrcp: u8,
    /// Until when other values are not the phone's wish.
    pub(super) until: Duration,
    /// Also after it was confirmed: a phone that has just connected tells where it was before.
    pub(super) connecting: bool,
}

impl Playback {
    pub(super) fn of_phone(&self, phone: Address) -> impl Iterator<Item = &TransportId> {
        self.transports
            .iter()
            .filter(move |(_, t)| t.phone == phone)
            .map(|(id, _)| id)
    }

    /// Returns what plays, and whose it is.
    pub(super) fn playing(&self) -> impl Iterator<Item = (TransportId, Address)> {
        let playing = self.transports.iter().filter(|(_, t)| t.started);
        playing.map(|(id, t)| (id.clone(), t.phone))
    }

    /// Returns what a phone plays now.
    pub(super) fn stream_of(&self, phone: Address) -> Option<StreamStatus> {
        self.transports
            .iter()
            .find(|(_, t)| t.phone == phone && t.started)
            .map(|(id, t)| StreamStatus {
                transport: id.clone(),
                format: t.format,
            })
    }
}

impl Policy {
    pub(super) fn transport_opened(
        &mut self,
        now: Now,
        id: TransportId,
        phone: Address,
        format: StreamFormat,
        out: &mut Orders,
    ) {
        if let Some(facts) = self.phones.get(&phone).cloned() {
            self.note_bond(now, &facts, out);
        }
        self.is_here(phone);
        self.transport_closed(&id, out);
        let transport = Transport {
            phone,
            format,
            state: TransportState::Idle,
            prepared: false,
            started: false,
            heard: false,
            settling: None,
            opened: now.monotonic,
        };
        self.playback.transports.insert(id.clone(), transport);
        self.playback.expected.remove(&phone);
        self.expect_calls(phone, out);
        self.prepare(&id, out);
        self.set_slider(now, &id, self.volume_of(phone), true, out);
    }

    pub(super) fn transport_changed(
        &mut self,
        id: &TransportId,
        state: TransportState,
        out: &mut Orders,
    ) {
        let Some(transport) = self.playback.transports.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut transport.state, state);
        match state {
            TransportState::Pending => {
                // It stopped and began again before BlueZ came to tell that it had stopped.
                if before == TransportState::Active {
                    self.stop(id, out);
                }
                self.begin(id, out);
            }
            TransportState::Idle => self.stop(id, out),
            TransportState::Active => self.give_back(id, out),
        }
    }

    /// BlueZ may have handed out a socket that nobody reads: a suspend that overtook its answer has ended
    /// the stream already, or it failed. Kept, the transport would stay active, and the phone's next
    /// start would not be told (BlueZ 5.82). A phone that does play is suspended by this, so that its
    /// user sees that it is not heard.
    fn give_back(&self, id: &TransportId, out: &mut Orders) {
        let unread = |it: &Transport| it.state == TransportState::Active && !it.started;
        if self.playback.transports.get(id).is_some_and(unread) {
            out.stream(StreamAction::GiveBack {
                transport: id.clone(),
            });
        }
    }

    pub(super) fn transport_closed(&mut self, id: &TransportId, out: &mut Orders) {
        self.stop(id, out);
        let closed = self.playback.transports.remove(id);
        if let Some(transport) = &closed {
            self.music_is_gone(id, transport.phone);
            self.forget_turn(id, transport.phone, out);
        }
        if closed.is_some_and(|transport| transport.prepared) {
            out.stream(StreamAction::Release {
                transport: id.clone(),
            });
        }
    }

    /// A phone has brought its calls: its music should follow.
    pub(super) fn expect_music(&mut self, phone: Address, out: &mut Orders) {
        let there = self.playback.of_phone(phone).next().is_some();
        if !there && !self.playback.fetched.contains(&phone) {
            self.playback.expected.insert(phone);
            let (timer, after) = (Timer::MusicPatience, MUSIC_PATIENCE);
            out.push(Action::ArmTimer { timer, after });
        }
    }

    pub(super) fn music_patience_over(&mut self, out: &mut Orders) {
        for phone in std::mem::take(&mut self.playback.expected) {
            // Once: a phone that offers none does not offer any later.
            if self.is_connected(phone) && self.playback.fetched.insert(phone) {
                out.radio(RadioAction::ConnectMusic { phone });
            }
        }
    }

    /// A phone has left, and may come back with music.
    pub(super) fn forget_music_of(&mut self, phone: Address) {
        self.playback.expected.remove(&phone);
        self.playback.fetched.remove(&phone);
    }

    /// A phone is not to be heard any more, whatever it sends.
    pub(super) fn stop_music_of(&mut self, phone: Address, out: &mut Orders) {
        let ids: Vec<TransportId> = self.playback.of_phone(phone).cloned().collect();
        for id in ids {
            self.stop(&id, out);
        }
    }

    pub(super) fn close_all_transports(&mut self, out: &mut Orders) {
        let ids: Vec<TransportId> = self.playback.transports.keys().cloned().collect();
        for id in ids {
            self.transport_closed(&id, out);
        }
    }

    fn prepare(&mut self, id: &TransportId, out: &mut Orders) {
        let Some((name, format, volume)) = self.audible(id) else {
            return;
        };
        out.stream(StreamAction::Prepare {
            transport: id.clone(),
            name,
            format,
            volume,
        });
    }

    /// A phone begins to play.
    fn begin(&mut self, id: &TransportId, out: &mut Orders) {
        let transport = self.playback.transports.get(id);
        let Some((phone, started)) = transport.map(|it| (it.phone, it.started)) else {
            return;
        };
        if !started && self.is_trusted(phone) {
            self.take_over(id, phone, out);
        }
        self.start(id, out);
    }

    fn start(&mut self, id: &TransportId, out: &mut Orders) {
        let Some((name, format, volume)) = self.audible(id) else {
            return;
        };
        if let Some(transport) = self.playback.transports.get_mut(id) {
            transport.started = true;
        }
        out.stream(StreamAction::Start {
            transport: id.clone(),
            name,
            format,
            volume,
        });
        self.music_began(out);
    }

    /// Returns what the audio path has to know of a transport; nothing if it must not be heard.
    fn audible(&mut self, id: &TransportId) -> Option<(String, StreamFormat, Volume)> {
        let transport = self.playback.transports.get(id)?;
        let (phone, format) = (transport.phone, transport.format);
        if !self.is_trusted(phone) {
            return None;
        }
        self.playback.transports.get_mut(id)?.prepared = true;
        Some((self.name_of(phone), format, self.volume_of(phone)))
    }

    fn stop(&mut self, id: &TransportId, out: &mut Orders) {
        let Some(transport) = self.playback.transports.get_mut(id) else {
            return;
        };
        let (phone, heard) = (transport.phone, std::mem::take(&mut transport.heard));
        if std::mem::take(&mut transport.started) {
            out.stream(StreamAction::Stop {
                transport: id.clone(),
            });
            self.leave_speaker(id, out);
        }
        if heard {
            out.tell(Story::Stopped {
                name: self.name_of(phone),
                address: phone,
            });
        }
    }

    pub(super) fn stream_started(&mut self, id: &TransportId, out: &mut Orders) {
        let Some(transport) = self.playback.transports.get_mut(id) else {
            return;
        };
        if !transport.started || std::mem::replace(&mut transport.heard, true) {
            return;
        }
        let (address, format) = (transport.phone, transport.format);
        if !self.takeover.mutes(id) {
            self.note_played(address, out.now);
        }
        out.tell(Story::Playing {
            name: self.name_of(address),
            address,
            format,
        });
    }

    pub(super) fn stream_ended(
        &mut self,
        id: &TransportId,
        error: Option<String>,
        out: &mut Orders,
    ) {
        let Some(transport) = self.playback.transports.get(id) else {
            return;
        };
        let address = transport.phone;
        if !transport.started {
            return;
        }
        let failed = error.is_some();
        let waits = failed && !matches!(self.playback.audio, AudioStatus::Ready { .. });
        if let Some(error) = error {
            out.tell(Story::StreamFailed {
                name: self.name_of(address),
                address,
                error,
            });
        }
        // For want of an output there is nothing to hear, but the phone goes on, and is heard as
        // soon as there is one.
        if !waits {
            self.stop(id, out);
        }
        if failed {
            self.give_back(id, out);
        }
    }

    pub(super) fn stream_delay_changed(
        &self,
        transport: TransportId,
        delay: Duration,
        out: &mut Orders,
    ) {
        if self.playback.transports.contains_key(&transport) {
            out.radio(RadioAction::SetTransportDelay { transport, delay });
        }
    }

    pub(super) fn audio_found(&mut self, output: Option<String>, out: &mut Orders) {
        let found = match output {
            Some(output) => AudioStatus::Ready { output },
            None => AudioStatus::NoOutput,
        };
        if found == self.playback.audio {
            return;
        }
        match &found {
            AudioStatus::Ready { output } => {
                let timer = Timer::OutputPatience;
                out.push(Action::CancelTimer { timer });
                out.tell(Story::AudioReady {
                    output: output.clone(),
                });
            }
            AudioStatus::NoOutput | AudioStatus::NoServer => out.push(Action::ArmTimer {
                timer: Timer::OutputPatience,
                after: OUTPUT_PATIENCE,
            }),
        }
        let has_output = |audio: &AudioStatus| matches!(audio, AudioStatus::Ready { .. });
        let came_back = has_output(&found) && !has_output(&self.playback.audio);
        self.playback.audio = found;
        if came_back {
            self.play_voices_again(out);
            let transports = self.playback.transports.iter();
            let all: Vec<_> = transports.map(|(id, t)| (id.clone(), t.started)).collect();
            for (id, started) in all {
                if started {
                    self.start(&id, out);
                } else {
                    self.prepare(&id, out);
                }
            }
        }
    }

    /// The radio is on: by now PipeWire should be there.
    pub(super) fn await_audio(&self, out: &mut Orders) {
        if !matches!(self.playback.audio, AudioStatus::Ready { .. }) {
            out.push(Action::ArmTimer {
                timer: Timer::OutputPatience,
                after: OUTPUT_PATIENCE,
            });
        }
    }

    pub(super) fn output_patience_over(&self, out: &mut Orders) {
        match self.playback.audio {
            AudioStatus::Ready { .. } => {}
            AudioStatus::NoOutput => out.tell(Story::AudioWithoutOutput),
            AudioStatus::NoServer => out.tell(Story::AudioLost),
        }
    }

    pub(super) fn audio_lost(&mut self, out: &mut Orders) {
        if self.playback.audio != AudioStatus::NoServer {
            self.playback.audio = AudioStatus::NoServer;
            out.tell(Story::AudioLost);
        }
    }
}
