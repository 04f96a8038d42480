//! How loud it is.
//!
//! Invariant: no volume exceeds the ceiling; what we told a phone's slider does not come back as its
//! wish; whoever turns a knob hears what comes of it, muted or not.

use std::time::Duration;

use super::model::{Address, Now, TransportId, TrustedPhone, Volume};
use super::playback::{Settling, Transport};
use super::{Action, Orders, Policy, RadioAction, Rejection, SoundAction, Story, StreamAction};

/// How long after we set a phone's slider its other values are taken for echoes of before.
pub(super) const SLIDER_SETTLES: Duration = Duration::from_millis(1500);
/// How long after its music a phone's remote control may come: BlueZ itself asks for it after 2 s.
const REMOTE_CONTROL_COMES: Duration = Duration::from_secs(8);

impl Policy {
    /// Has nothing heard, whatever plays, or all again.
    pub(super) fn mute(&mut self, muted: bool, out: &mut Orders) {
        if std::mem::replace(&mut self.memory.muted, muted) != muted {
            out.push(Action::Sound(SoundAction::Mute { muted }));
            out.tell(Story::Muted { muted });
            self.attend_to_auto_answer(out);
        }
    }

    pub(super) fn volume_of(&self, phone: Address) -> Volume {
        self.known(phone)
            .map_or_else(|| self.start_volume(), |known| self.volume_kept(known))
    }

    /// Returns the volume of a phone in the list.
    pub(super) fn volume_kept(&self, known: &TrustedPhone) -> Volume {
        let volume = known.volume.unwrap_or_else(|| self.start_volume());
        volume.min(self.rules.max_volume)
    }

    /// Returns the volume a phone without one of its own starts with.
    pub(super) fn start_volume(&self) -> Volume {
        self.memory
            .volume
            .unwrap_or(self.rules.start_volume)
            .min(self.rules.max_volume)
    }

    pub(super) fn set_slider(
        &mut self,
        now: Now,
        id: &TransportId,
        volume: Volume,
        connecting: bool,
        out: &mut Orders,
    ) {
        let avrcp = volume.to_avrcp();
        if let Some(transport) = self.playback.transports.get_mut(id) {
            transport.settling = Some(Settling {
                avrcp,
                until: now.monotonic + SLIDER_SETTLES,
                connecting,
            });
            out.radio(RadioAction::SetTransportVolume {
                transport: id.clone(),
                avrcp,
            });
        }
    }

    /// A phone's remote control has come, by which it tells where its slider was before: if its music
    /// has just come as well, that is not its wish.
    pub(super) fn remote_control_came(&mut self, now: Now, phone: Address) {
        let avrcp = self.volume_of(phone).to_avrcp();
        let transports = self.playback.transports.values_mut();
        let young = |it: &&mut Transport| {
            it.phone == phone && now.monotonic < it.opened + REMOTE_CONTROL_COMES
        };
        for transport in transports.filter(young) {
            transport.settling = Some(Settling {
                avrcp,
                until: now.monotonic + SLIDER_SETTLES,
                connecting: true,
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
        match transport.settling.filter(|it| now.monotonic < it.until) {
            Some(ours) if ours.avrcp == avrcp => {
                transport.settling = Some(ours).filter(|it| it.connecting);
                return;
            }
            Some(ours) => {
                // A phone that sends its old slider on connecting is shown where it belongs.
                out.radio(RadioAction::SetTransportVolume {
                    transport: id.clone(),
                    avrcp: ours.avrcp,
                });
                return;
            }
            None => transport.settling = None,
        }
        if self.volume_of(phone).to_avrcp() == avrcp {
            return;
        }
        let wanted = Volume::from_avrcp(avrcp);
        let volume = wanted.min(self.rules.max_volume);
        self.mute(false, out);
        self.note_volume(phone, volume, out);
        if volume != wanted {
            self.set_slider(now, &id.clone(), volume, false, out);
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
        if let Some(phone) = phone.filter(|phone| !self.is_trusted(*phone)) {
            return Err(self.not_trusted(phone));
        }
        // Whoever turns a knob wants to hear what comes of it.
        self.mute(false, out);
        // Whoever turns a knob in a call means the call.
        if self.turn_calls(phone, &turned, out) {
            return Ok(());
        }
        let phones = match phone {
            Some(phone) => vec![phone],
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
            self.set_slider(now, &id, volume, false, out);
        }
    }

    /// Remembers a phone's volume, applies it to what it plays and tells people.
    fn note_volume(&mut self, phone: Address, volume: Volume, out: &mut Orders) {
        let changed = self.volume_of(phone) != volume;
        if let Some(known) = self.known_mut(phone) {
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
        if let Some(volume) = &mut self.memory.volume {
            *volume = (*volume).min(ceiling);
        }
        for (phone, _) in before.into_iter().filter(|(_, volume)| *volume > ceiling) {
            let known = self.known_mut(phone);
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
