//! A snapshot as the properties of objects.
//!
//! Invariant: a property's value is computed in one place, whether it is asked for or signalled.

use std::collections::HashMap;

use zbus::zvariant::{OwnedValue, Value};

use super::wire;
use crate::policy::Snapshot;
use crate::policy::snapshot::{AdapterStatus, AudioStatus, CallStatus, NextTry, PhoneStatus};

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
    pub(super) microphone: String,
    pub(super) microphone_muted: bool,
    pub(super) echo_problem: String,
    pub(super) volume: u8,
    pub(super) muted: bool,
    pub(super) max_volume: u8,
    pub(super) config_problems: String,
    pub(super) memory_problem: String,
    pub(super) memory_lost: String,
    pub(super) voice_problem: String,
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
            microphone: snapshot.microphone.name.clone().unwrap_or_default(),
            microphone_muted: snapshot.microphone.muted,
            echo_problem: snapshot.microphone.echo_problem.clone().unwrap_or_default(),
            volume: snapshot.volume.percent(),
            muted: snapshot.muted,
            max_volume: snapshot.max_volume.percent(),
            config_problems: snapshot.config_problems.clone().unwrap_or_default(),
            memory_problem: snapshot.memory_problem.clone().unwrap_or_default(),
            memory_lost: snapshot.memory_lost.clone().unwrap_or_default(),
            voice_problem: snapshot.voice_problem.clone().unwrap_or_default(),
        }
    }
}

impl SpeakerView {
    pub(super) fn properties(self) -> Properties<20> {
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
            ("Microphone", self.microphone.into()),
            ("MicrophoneMuted", self.microphone_muted.into()),
            ("EchoProblem", self.echo_problem.into()),
            ("Volume", self.volume.into()),
            ("Muted", self.muted.into()),
            ("MaxVolume", self.max_volume.into()),
            ("ConfigProblems", self.config_problems.into()),
            ("MemoryProblem", self.memory_problem.into()),
            ("MemoryLost", self.memory_lost.into()),
            ("VoiceProblem", self.voice_problem.into()),
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
    pub(super) calls_allowed: bool,
    pub(super) hands_free: bool,
    pub(super) voice: String,
    pub(super) call_volume: u8,
    pub(super) microphone_volume: u8,
    pub(super) assistant_listens: bool,
    pub(super) gateway: HashMap<String, OwnedValue>,
    pub(super) first_seen: u64,
    pub(super) last_seen: u64,
    pub(super) preference: &'static str,
    pub(super) called: bool,
    pub(super) next_call: u64,
    pub(super) own_name: String,
    pub(super) blocked: bool,
    pub(super) player: HashMap<String, OwnedValue>,
}

impl From<&PhoneStatus> for PhoneView {
    fn from(phone: &PhoneStatus) -> Self {
        let calls = phone.hands_free.as_ref();
        let voice = calls.and_then(|calls| calls.voice);
        Self {
            address: phone.address.to_string(),
            name: phone.name.clone(),
            trusted: phone.trusted,
            bonded: phone.bonded,
            connected: phone.connected,
            playing: phone.stream.is_some(),
            codec: phone
                .stream
                .as_ref()
                .map_or("", |s| s.format.codec().name()),
            volume: phone.volume.percent(),
            calls_allowed: phone.calls_allowed,
            hands_free: calls.is_some(),
            voice: voice.map(|codec| codec.to_string()).unwrap_or_default(),
            call_volume: calls.map_or(0, |calls| calls.volume.percent()),
            microphone_volume: calls.map_or(0, |calls| calls.microphone_volume.percent()),
            assistant_listens: calls.is_some_and(|calls| calls.assistant),
            gateway: calls.map_or_else(HashMap::new, |calls| wire::gateway(&calls.gateway)),
            first_seen: phone.first_seen.unwrap_or_default(),
            last_seen: phone.last_seen.unwrap_or_default(),
            preference: wire::preference(phone.preference),
            called: phone.next_try == Some(NextTry::Now),
            next_call: match phone.next_try {
                Some(NextTry::At(time)) => time,
                Some(NextTry::Now) | None => 0,
            },
            own_name: phone.own_name.clone(),
            blocked: phone.blocked,
            player: phone
                .player
                .as_ref()
                .map_or_else(HashMap::new, wire::player),
        }
    }
}

impl PhoneView {
    pub(super) fn properties(self) -> Properties<23> {
        [
            ("Address", self.address.into()),
            ("Name", self.name.into()),
            ("Trusted", self.trusted.into()),
            ("Bonded", self.bonded.into()),
            ("Connected", self.connected.into()),
            ("Playing", self.playing.into()),
            ("Codec", self.codec.into()),
            ("Volume", self.volume.into()),
            ("CallsAllowed", self.calls_allowed.into()),
            ("HandsFree", self.hands_free.into()),
            ("Voice", self.voice.into()),
            ("CallVolume", self.call_volume.into()),
            ("MicrophoneVolume", self.microphone_volume.into()),
            ("AssistantListens", self.assistant_listens.into()),
            ("Gateway", self.gateway.into()),
            ("FirstSeen", self.first_seen.into()),
            ("LastSeen", self.last_seen.into()),
            ("Preference", self.preference.into()),
            ("Called", self.called.into()),
            ("NextCall", self.next_call.into()),
            ("OwnName", self.own_name.into()),
            ("Blocked", self.blocked.into()),
            ("Player", self.player.into()),
        ]
    }
}

/// `org.dotd.Call1`.
#[derive(Debug)]
pub(super) struct CallView {
    pub(super) state: &'static str,
    pub(super) number: String,
    pub(super) name: String,
    pub(super) direction: &'static str,
    pub(super) multiparty: bool,
    pub(super) since: u64,
    pub(super) answered: u64,
}

impl From<&CallStatus> for CallView {
    fn from(status: &CallStatus) -> Self {
        let call = &status.call;
        Self {
            state: wire::call_state(call.state),
            number: call.number.clone(),
            name: call.name.clone().unwrap_or_default(),
            direction: wire::call_direction(call.direction),
            multiparty: call.multiparty,
            since: status.since,
            answered: status.answered.unwrap_or_default(),
        }
    }
}

impl CallView {
    pub(super) fn properties(self) -> Properties<7> {
        [
            ("State", self.state.into()),
            ("Number", self.number.into()),
            ("Name", self.name.into()),
            ("Direction", self.direction.into()),
            ("Multiparty", self.multiparty.into()),
            ("Since", self.since.into()),
            ("Answered", self.answered.into()),
        ]
    }
}
