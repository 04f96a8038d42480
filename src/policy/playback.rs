//! What plays, and how loud.
//!
//! Invariant: only a trusted phone is heard; no volume exceeds the ceiling; what we told a phone's
//! slider does not come back as its wish.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Timer, TransportState};
use super::model::{Address, Now, StreamFormat, TransportId, Volume};
use super::pairing::unknown_phone;
use super::snapshot::{AudioStatus, StreamStatus};
use super::{Action, Orders, Policy, RadioAction, Rejection, Story, StreamAction};

/// How long after we set a phone's slider its other values are taken for echoes of before.
const SLIDER_SETTLES: Duration = Duration::from_millis(1500);

/// How long PipeWire may take to find a sound card before that is worth a warning.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(10);

/// The transports and the output.
#[derive(Debug, Default)]
pub(super) struct Playback {
    transports: BTreeMap<TransportId, Transport>,
    pub(super) audio: AudioStatus,
}

#[derive(Debug)]
struct Transport {
    phone: Address,
    format: StreamFormat,
    state: TransportState,
    /// Whether the audio path was ordered to be ready for it.
    prepared: bool,
    /// Whether the audio path was ordered to play it.
    started: bool,
    /// Whether it was heard.
    heard: bool,
    /// What its slider was set to by us, and until when other values are not the phone's wish.
    settling: Option<(u8, Duration)>,
}

impl Playback {
    fn of_phone(&self, phone: Address) -> impl Iterator<Item = &TransportId> {
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
        };
        self.playback.transports.insert(id.clone(), transport);
        self.expect_calls(phone, out);
        self.prepare(&id, out);
        self.set_slider(now, &id, self.volume_of(phone), out);
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
        transport.state = state;
        match state {
            TransportState::Pending => self.begin(id, out),
            TransportState::Idle => self.stop(id, out),
            TransportState::Active => {}
        }
    }

    pub(super) fn transport_closed(&mut self, id: &TransportId, out: &mut Orders) {
        self.stop(id, out);
        let closed = self.playback.transports.remove(id);
        if let Some(transport) = &closed {
            self.music_is_gone(id, transport.phone);
            self.forget_turn(id);
        }
        if closed.is_some_and(|transport| transport.prepared) {
            out.stream(StreamAction::Release {
                transport: id.clone(),
            });
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
        let waits = error.is_some() && !matches!(self.playback.audio, AudioStatus::Ready { .. });
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

    pub(super) fn volume_of(&self, phone: Address) -> Volume {
        let known = self
            .memory
            .phones
            .iter()
            .find(|known| known.address == phone);
        let volume = known.and_then(|known| known.volume);
        volume
            .unwrap_or_else(|| self.start_volume())
            .min(self.rules.max_volume)
    }

    /// Returns the volume a phone without one of its own starts with.
    pub(super) fn start_volume(&self) -> Volume {
        self.memory
            .volume
            .unwrap_or(self.rules.start_volume)
            .min(self.rules.max_volume)
    }

    fn set_slider(&mut self, now: Now, id: &TransportId, volume: Volume, out: &mut Orders) {
        let avrcp = volume.to_avrcp();
        if let Some(transport) = self.playback.transports.get_mut(id) {
            transport.settling = Some((avrcp, now.monotonic + SLIDER_SETTLES));
            out.radio(RadioAction::SetTransportVolume {
                transport: id.clone(),
                avrcp,
            });
        }
    }

    pub(super) fn transport_volume_changed(
        &mut self,
        now: Now,
        id: &TransportId,
        avrcp: u8,
        out: &mut Orders,
    ) {
        let Some(transport) = self.playback.transports.get_mut(id) else {
            return;
        };
        let phone = transport.phone;
        match transport.settling {
            Some((ours, _)) if ours == avrcp => {
                transport.settling = None;
                return;
            }
            Some((ours, until)) if now.monotonic < until => {
                // A phone that sends its old slider on connecting is shown where it belongs.
                let transport = id.clone();
                out.radio(RadioAction::SetTransportVolume {
                    transport,
                    avrcp: ours,
                });
                return;
            }
            _ => transport.settling = None,
        }
        if self.volume_of(phone).to_avrcp() == avrcp {
            return;
        }
        let wanted = Volume::from_avrcp(avrcp);
        let volume = wanted.min(self.rules.max_volume);
        self.note_volume(phone, volume, out);
        if volume != wanted {
            self.set_slider(now, &id.clone(), volume, out);
        }
    }

    /// Turns the volume that somebody means: `turned` tells from what it was what it is to be.
    pub(super) fn turn_volume(
        &mut self,
        now: Now,
        phone: Option<Address>,
        turned: &dyn Fn(Volume) -> Volume,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        let ceiling = self.rules.max_volume;
        let turned = |before| turned(before).min(ceiling);
        // Whoever turns a knob in a call means the call.
        if self.turn_calls(phone, &turned, out) {
            return Ok(());
        }
        let phones = match phone {
            Some(phone) if self.is_trusted(phone) => vec![phone],
            Some(phone) => return Err(unknown_phone(phone)),
            None => self.whose_volume(),
        };
        if phones.is_empty() {
            self.memory.volume = Some(turned(self.start_volume()));
            self.memory.outranked_volume = Some(self.rules.start_volume);
        }
        for phone in phones {
            self.move_volume(now, phone, turned(self.volume_of(phone)), out);
        }
        Ok(())
    }

    /// Returns who has the speaker, else those who are connected.
    fn whose_volume(&self) -> Vec<Address> {
        let among = |wanted: &dyn Fn(Address) -> bool| -> Vec<Address> {
            let all = self.memory.phones.iter().map(|known| known.address);
            all.filter(|phone| wanted(*phone)).collect()
        };
        match self.takeover.turn() {
            Some(heard) => among(&|phone| heard == phone),
            None => among(&|phone| self.is_connected(phone)),
        }
    }

    fn move_volume(&mut self, now: Now, phone: Address, volume: Volume, out: &mut Orders) {
        self.note_volume(phone, volume, out);
        let ids: Vec<TransportId> = self.playback.of_phone(phone).cloned().collect();
        for id in ids {
            self.set_slider(now, &id, volume, out);
        }
    }

    /// Remembers a phone's volume, applies it to what it plays and tells people.
    fn note_volume(&mut self, phone: Address, volume: Volume, out: &mut Orders) {
        let changed = self.volume_of(phone) != volume;
        if let Some(known) = self
            .memory
            .phones
            .iter_mut()
            .find(|known| known.address == phone)
        {
            known.volume = Some(volume);
        }
        if !changed {
            return;
        }
        for (id, transport) in &self.playback.transports {
            if transport.phone == phone && transport.started {
                out.stream(StreamAction::SetVolume {
                    transport: id.clone(),
                    volume,
                });
            }
        }
        out.tell(Story::VolumeChanged {
            name: self.name_of(phone),
            address: phone,
            volume,
        });
    }

    /// Returns how loud each trusted phone is.
    pub(super) fn volumes(&self) -> Vec<(Address, Volume)> {
        let phones = self.memory.phones.iter();
        phones
            .map(|known| (known.address, self.volume_of(known.address)))
            .collect()
    }

    /// Brings every volume that was above it under a ceiling that was lowered.
    pub(super) fn ceiling_changed(&mut self, before: Vec<(Address, Volume)>, out: &mut Orders) {
        let ceiling = self.rules.max_volume;
        for (phone, _) in before.into_iter().filter(|(_, volume)| *volume > ceiling) {
            let mut phones = self.memory.phones.iter_mut();
            let known = phones.find(|known| known.address == phone);
            // Remembered, so that a ceiling that is raised again makes nothing louder by itself.
            if let Some(volume) = known.and_then(|known| known.volume.as_mut()) {
                *volume = ceiling;
            }
            self.apply_volume(phone, ceiling, out);
        }
    }

    fn apply_volume(&self, phone: Address, volume: Volume, out: &mut Orders) {
        for (id, transport) in &self.playback.transports {
            if transport.phone == phone {
                let transport = id.clone();
                out.stream(StreamAction::SetVolume {
                    transport: transport.clone(),
                    volume,
                });
                let avrcp = volume.to_avrcp();
                out.radio(RadioAction::SetTransportVolume { transport, avrcp });
            }
        }
        out.tell(Story::VolumeChanged {
            name: self.name_of(phone),
            address: phone,
            volume,
        });
    }
}
