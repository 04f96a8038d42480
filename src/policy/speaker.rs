//! The speaker as a whole: its name, its configuration, and what it shows of itself.
//!
//! Invariant: a configuration is applied whole or not at all, and without touching what plays.

use super::event::PhoneFacts;
use super::model::{Now, Preference, Rules, SpeakerName};
use super::snapshot::{PhoneStatus, Snapshot};
use super::{Orders, Policy, RadioAction, Rejection, Story};

impl Policy {
    pub(super) fn rename(
        &mut self,
        name: Option<SpeakerName>,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        let before = self.speaker_name();
        self.memory.outranked = name.as_ref().and(self.rules.name.clone());
        self.memory.name = name;
        self.name_changed(before, out);
        Ok(())
    }

    /// Whoever wrote a new name into the file wants to see it in the air, whatever was said before.
    pub(super) fn heed_configured_name(&mut self) {
        if self.memory.name.is_some() && self.memory.outranked != self.rules.name {
            self.memory.name = None;
            self.memory.outranked = None;
        }
    }

    /// The same goes for the volume that phones start with.
    pub(super) fn heed_configured_volume(&mut self) {
        let outranked = self.memory.outranked_volume;
        if outranked.is_some_and(|volume| volume != self.rules.start_volume) {
            self.memory.volume = None;
            self.memory.outranked_volume = None;
        }
    }

    fn name_changed(&self, before: Option<SpeakerName>, out: &mut Orders) {
        let Some(name) = self.speaker_name() else {
            return;
        };
        if before.as_ref() == Some(&name) {
            return;
        }
        if self.radio.on().is_some() {
            out.radio(RadioAction::SetAlias { name: name.clone() });
        }
        out.tell(Story::Renamed { name });
    }

    pub(super) fn config_loaded(&mut self, now: Now, rules: Rules, out: &mut Orders) {
        self.config_problems = None;
        let name_before = self.speaker_name();
        let volumes = self.volumes();
        let old = std::mem::replace(&mut self.rules, rules);
        self.heed_configured_name();
        self.heed_configured_volume();
        let used = self.radio.address();
        if old.adapter != self.rules.adapter {
            self.take_adapter(out);
        }
        let services = |rules: &Rules| (rules.endpoints(), rules.codecs.clone(), rules.calls);
        if used == self.radio.address() && services(&old) != services(&self.rules) {
            self.services_changed(out);
        }
        self.name_changed(name_before, out);
        self.ceiling_changed(volumes, out);
        self.heed_call_rules(now, out);
        self.heed_patience(now, old.reconnect_for);
        out.tell(Story::ConfigApplied);
    }

    pub(super) fn config_refused(&mut self, problems: String, out: &mut Orders) {
        self.config_problems = Some(problems.clone());
        out.tell(Story::ConfigRefused { problems });
    }

    pub(super) fn memory_unsaved(&mut self, error: String, out: &mut Orders) {
        self.memory_problem = Some(error.clone());
        out.tell(Story::MemoryUnsaved { error });
    }

    pub(super) fn memory_saved(&mut self, out: &mut Orders) {
        if self.memory_problem.take().is_some() {
            out.tell(Story::MemorySaved);
        }
    }

    /// What is remembered could not be read, for this reason: it is shown until the next start.
    pub fn memory_was_lost(&mut self, trouble: String) {
        self.memory_lost = Some(trouble);
    }

    /// Returns the speaker as it is now. It is made after each event, so nothing here may look for
    /// each phone in the list of all.
    pub fn snapshot(&self) -> Snapshot {
        let trusted = self.memory.phones.iter().map(|known| {
            let facts = self.phones.get(&known.address);
            PhoneStatus {
                address: known.address,
                name: known.shown_name().to_owned(),
                own_name: known.name.clone(),
                trusted: !known.blocked,
                blocked: known.blocked,
                bonded: facts.is_some_and(|facts| facts.bonded),
                connected: facts.is_some_and(|facts| facts.connected),
                stream: self.heard_of(known.address),
                player: self.player_of(known.address),
                volume: self.volume_kept(known),
                calls_allowed: !known.blocked && self.calls_refusal(known.address).is_none(),
                hands_free: self.hands_free_status(known.address),
                first_seen: Some(known.first_seen),
                last_seen: Some(known.last_seen),
                preference: known.preference,
                next_try: self.next_try_of(known.address),
            }
        });
        let strangers = self
            .phones
            .values()
            .filter(|facts| facts.connected && self.known(facts.address).is_none())
            .map(|facts| self.stranger(facts));
        Snapshot {
            name: self
                .speaker_name()
                .map(|name| name.to_string())
                .unwrap_or_default(),
            adapter: self.radio.status(),
            pairing_until: self.pairing.open_until(),
            audio: self.playback.audio.clone(),
            microphone: self.microphone_status(),
            volume: self.start_volume(),
            muted: self.memory.muted,
            max_volume: self.rules.max_volume,
            config_problems: self.config_problems.clone(),
            memory_problem: self.memory_problem.clone(),
            memory_lost: self.memory_lost.clone(),
            voice_problem: self.voice_problem(),
            phones: trusted.chain(strangers).collect(),
        }
    }

    /// Returns a phone that is connected and not in the list.
    fn stranger(&self, facts: &PhoneFacts) -> PhoneStatus {
        PhoneStatus {
            address: facts.address,
            name: facts.name.clone(),
            own_name: facts.name.clone(),
            trusted: false,
            blocked: false,
            bonded: facts.bonded,
            connected: true,
            stream: None,
            player: None,
            volume: self.start_volume(),
            calls_allowed: false,
            hands_free: None,
            first_seen: None,
            last_seen: None,
            preference: Preference::default(),
            next_try: None,
        }
    }
}
