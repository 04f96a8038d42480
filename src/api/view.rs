//! A snapshot as the properties of objects.
//!
//! Invariant: a property's value is computed in one place, whether it is asked for or signalled.

use std::collections::HashMap;

use zbus::zvariant::Value;

use super::wire;
use crate::policy::Snapshot;
use crate::policy::snapshot::{AdapterStatus, AudioStatus, PhoneStatus};

/// The properties of an object that signal their changes, by name.
pub(super) type Properties<const N: usize> = [(&'static str, Value<'static>); N];

/// Returns what differs between two views of the same object.
pub(super) fn changes<const N: usize>(
    before: Properties<N>,
    after: Properties<N>,
) -> HashMap<&'static str, Value<'static>> {
    let pairs = before.into_iter().zip(after);
    let changed = pairs.filter(|(before, after)| before != after);
    changed.map(|(_, after)| after).collect()
}

/// `org.dotd.Speaker1`.
#[derive(Debug)]
pub(super) struct SpeakerView {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) adapter: String,
    pub(super) adapter_state: &'static str,
    pub(super) powered: bool,
    pub(super) discoverable: bool,
    pub(super) pairing: bool,
    pub(super) pairing_until: u64,
    pub(super) audio_state: &'static str,
    pub(super) output: String,
    pub(super) volume: u8,
    pub(super) max_volume: u8,
    pub(super) config_problems: String,
    pub(super) memory_problem: String,
}

impl From<&Snapshot> for SpeakerView {
    fn from(snapshot: &Snapshot) -> Self {
        let (adapter, address, powered, discoverable) = match &snapshot.adapter {
            AdapterStatus::NoBluetooth | AdapterStatus::Missing => (None, None, false, false),
            AdapterStatus::Off { id, .. } => (Some(id), None, false, false),
            AdapterStatus::On {
                id,
                address,
                discoverable,
                ..
            } => (Some(id), Some(address), true, *discoverable),
        };
        let output = match &snapshot.audio {
            AudioStatus::Ready { output } => output.clone(),
            AudioStatus::NoServer | AudioStatus::NoOutput => String::new(),
        };
        Self {
            name: snapshot.name.clone(),
            address: address.map(ToString::to_string).unwrap_or_default(),
            adapter: adapter.cloned().unwrap_or_default(),
            adapter_state: wire::adapter_state(&snapshot.adapter),
            powered,
            discoverable,
            pairing: snapshot.pairing_until.is_some(),
            pairing_until: snapshot.pairing_until.unwrap_or_default(),
            audio_state: wire::audio_state(&snapshot.audio),
            output,
            volume: snapshot.volume.percent(),
            max_volume: snapshot.max_volume.percent(),
            config_problems: snapshot.config_problems.clone().unwrap_or_default(),
            memory_problem: snapshot.memory_problem.clone().unwrap_or_default(),
        }
    }
}

impl SpeakerView {
    pub(super) fn properties(self) -> Properties<14> {
        [
            ("Name", self.name.into()),
            ("Address", self.address.into()),
            ("Adapter", self.adapter.into()),
            ("AdapterState", self.adapter_state.into()),
            ("Powered", self.powered.into()),
            ("Discoverable", self.discoverable.into()),
            ("Pairing", self.pairing.into()),
            ("PairingUntil", self.pairing_until.into()),
            ("AudioState", self.audio_state.into()),
            ("Output", self.output.into()),
            ("Volume", self.volume.into()),
            ("MaxVolume", self.max_volume.into()),
            ("ConfigProblems", self.config_problems.into()),
            ("MemoryProblem", self.memory_problem.into()),
        ]
    }
}

/// `org.dotd.Phone1`.
#[derive(Debug)]
pub(super) struct PhoneView {
    pub(super) address: String,
    pub(super) name: String,
    pub(super) trusted: bool,
    pub(super) bonded: bool,
    pub(super) connected: bool,
    pub(super) playing: bool,
    pub(super) codec: &'static str,
    pub(super) volume: u8,
    pub(super) first_seen: u64,
    pub(super) last_seen: u64,
}

impl From<&PhoneStatus> for PhoneView {
    fn from(phone: &PhoneStatus) -> Self {
        Self {
            address: phone.address.to_string(),
            name: phone.name.clone(),
            trusted: phone.trusted,
            bonded: phone.bonded,
            connected: phone.connected,
            playing: phone.stream.is_some(),
            codec: phone.stream.as_ref().map_or("", |s| s.format.codec()),
            volume: phone.volume.percent(),
            first_seen: phone.first_seen.unwrap_or_default(),
            last_seen: phone.last_seen.unwrap_or_default(),
        }
    }
}

impl PhoneView {
    pub(super) fn properties(self) -> Properties<10> {
        [
            ("Address", self.address.into()),
            ("Name", self.name.into()),
            ("Trusted", self.trusted.into()),
            ("Bonded", self.bonded.into()),
            ("Connected", self.connected.into()),
            ("Playing", self.playing.into()),
            ("Codec", self.codec.into()),
            ("Volume", self.volume.into()),
            ("FirstSeen", self.first_seen.into()),
            ("LastSeen", self.last_seen.into()),
        ]
    }
}
