//! Calls: who rings, who is answered, and what becomes of the music meanwhile.
//!
//! Invariant: only a trusted phone whose service level connection is up may have a voice link; no
//! music is heard while a phone rings or a voice link is wanted, and afterwards whoever was stopped
//! for it plays again. Every question of a client is answered exactly once.
//!
//! ```text
//!   no link ──▶ ready ──▶ a call ──▶ voice asked ──▶ voice up ──▶ ready
//!      ▲───────────┴─────────┴────────────┴─────────────┘  link lost
//! ```

pub mod event;
pub mod facts;

mod allowed;
mod answer;
mod asked;
mod auto_answer;
mod fallback;
mod hush;
mod ready;
mod ring;
mod told;
mod voice;

pub use asked::CallWish;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::Timer;
use super::model::{Address, Now, RequestId, TransportId, Volume};
use super::snapshot::{CallStatus, HandsFreeStatus, MicrophoneStatus};
use super::{Action, Orders, Policy, RadioAction, Rejection, SoundAction, Story};
use event::{HandsFreeFact, HandsFreeOrder};
use facts::{Call, CallCommand, CallState, Gateway, VoiceCodec, VoiceId};

/// How long a phone that brings its music may take to bring its calls by itself.
const CALLS_PATIENCE: Duration = Duration::from_secs(3);

/// The phones that can be called through us, and what is hushed for them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    links: BTreeMap<Address, Link>,
    /// The voice link that was ordered last, of all phones.
    pub(super) last_voice: VoiceId,
    /// The phones that are expected to bring their calls.
    expected: BTreeSet<Address>,
    /// Those whose calls were fetched once more since they connected.
    fetched_again: BTreeSet<Address>,
    /// The call that may be answered by itself.
    lone: Option<auto_answer::LoneCall>,
    /// The call that is about to be answered, while others are set aside for it.
    answering: Option<answer::Answering>,
    /// The phones whose call was set aside for one that was not answered after all, and for whom.
    to_take_up: BTreeMap<Address, RequestId>,
    /// How each phone last chose to have its voice coded.
    chosen: BTreeMap<Address, VoiceCodec>,
    /// The phones that may not use calls and were told of.
    refused: BTreeSet<Address>,
    /// How loud our own ring tone sounds, while it does.
    rings: Option<Volume>,
    /// A phone that sends its own has been given the time for it.
    ring_awaited: bool,
    /// Whether the room is to be quiet.
    quiet: bool,
    /// The music that is not heard because of a call.
    hushed: BTreeSet<TransportId>,
    /// The phones that were asked to pause because of a call, in that order.
    paused: Vec<Address>,
    /// After the last call another phone was heard, and has had time to show that it was no ping.
    pinged: bool,
    /// What the room is heard with, as people know it.
    pub(super) microphone: Option<String>,
    /// Why the last voice that was wanted did not come up, with nothing left to try.
    pub(super) voice_problem: Option<String>,
    /// Why callers hear the echo of themselves.
    echo_problem: Option<String>,
    /// No covers are fetched for now.
    holds_covers: bool,
}

/// A phone whose service level connection is up.
#[derive(Debug)]
struct Link {
    gateway: Gateway,
    calls: Vec<CallStatus>,
    /// How the next voice link is coded.
    codec: VoiceCodec,
    next: ready::NextVoice,
    voice: Voice,
    /// How the voice link that was ordered last is coded.
    voice_codec: VoiceCodec,
    /// The voice link that was ordered last: whatever is told of another one is late.
    voice_id: VoiceId,
    /// When it last came up.
    voice_since: Duration,
    /// Why nothing comes through the voice link, or can be sent.
    stalled: Option<String>,
    /// Why PipeWire does not play what comes.
    unheard: Option<String>,
    /// The voice that did not come up, until the phone brings another one.
    missing: Option<fallback::Missing>,
    /// The phone sends its own ring tone.
    rings_itself: bool,
    /// It should have by now, and nothing comes.
    rings_in_vain: bool,
    assistant: bool,
    /// How loud the phone wants the room, 0 to 15.
    microphone: u8,
    /// Who waits for a command to end, and whether they talk from here then.
    waiting: BTreeMap<RequestId, bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Voice {
    #[default]
    None,
    /// On its way up.
    Wanted,
    Up,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            gateway: Gateway::default(),
            calls: Vec::new(),
            codec: VoiceCodec::default(),
            next: ready::NextVoice::default(),
            voice: Voice::None,
            voice_codec: VoiceCodec::default(),
            voice_id: VoiceId::default(),
            voice_since: Duration::ZERO,
            stalled: None,
            unheard: None,
            missing: None,
            rings_itself: false,
            rings_in_vain: false,
            assistant: false,
            microphone: voice::STEPS,
            waiting: BTreeMap::new(),
        }
    }
}

impl Link {
    fn has(&self, fits: impl Fn(CallState) -> bool) -> bool {
        self.calls.iter().any(|known| fits(known.call.state))
    }

    /// Says whether the room should be quiet for it. A call that is held on the phone's own
    /// earpiece does not concern the room.
    fn wants_quiet(&self) -> bool {
        self.voice != Voice::None || self.has(CallState::is_offered)
    }
}

impl Policy {
    pub(super) fn hands_free(
        &mut self,
        now: Now,
        phone: Address,
        fact: HandsFreeFact,
        out: &mut Orders,
    ) {
        match fact {
            HandsFreeFact::Ready => self.hands_free_ready(now, phone, out),
            HandsFreeFact::Ended { error } => self.hands_free_ended(phone, error, out),
            HandsFreeFact::Calls { calls } => self.calls_changed(now, phone, calls, out),
            HandsFreeFact::CommandEnded { request, result } => {
                self.command_ended(phone, request, result, out);
            }
            HandsFreeFact::Told { gateway } => self.with_link(phone, |link| link.gateway = gateway),
            HandsFreeFact::RingsItself { on } => {
                self.with_link(phone, |link| link.rings_itself = on);
            }
            HandsFreeFact::Assistant { on } => self.with_link(phone, |link| link.assistant = on),
            HandsFreeFact::SpeakerVolume { steps } => self.call_volume_moved(phone, steps, out),
            HandsFreeFact::MicrophoneVolume { steps } => self.microphone_moved(phone, steps, out),
            HandsFreeFact::VoiceLikely { codec } => {
                self.voice_likely(phone, codec);
            }
            HandsFreeFact::CodecChosen { codec } => self.codec_chosen(phone, codec),
            HandsFreeFact::VoiceLeftToUs => self.voice_left_to_us(phone, out),
            HandsFreeFact::VoiceAsked { id } => self.voice_asked(phone, id, out),
            HandsFreeFact::VoiceUp { voice } => self.voice_up(phone, voice, out),
            HandsFreeFact::VoiceUnheard { error } => self.voice_unheard(phone, error, out),
            HandsFreeFact::VoiceStalled { voice, problem } => {
                self.voice_stalled(phone, voice, problem, out);
            }
            HandsFreeFact::VoiceEnded { voice, error } => {
                self.voice_ended(phone, voice, error, out);
            }
        }
        self.attend(out);
    }

    fn with_link(&mut self, phone: Address, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.calls.links.get_mut(&phone) {
            change(link);
        }
    }

    fn order(phone: Address, order: HandsFreeOrder, out: &mut Orders) {
        out.push(Action::HandsFree { phone, order });
    }

    fn command(phone: Address, command: CallCommand, out: &mut Orders) {
        let request = None;
        Self::order(phone, HandsFreeOrder::Command { request, command }, out);
    }

    fn hands_free_ready(&mut self, now: Now, phone: Address, out: &mut Orders) {
        if let Some(facts) = self.phones.get(&phone).cloned() {
            self.note_bond(now, &facts, out);
        }
        self.calls.expected.remove(&phone);
        // A newer link takes the place of the older without a word.
        self.hands_free_ended(phone, None, out);
        if !self.lets_calls_in(phone, out) {
            Self::order(phone, HandsFreeOrder::Close, out);
            return;
        }
        self.is_here(phone);
        self.expect_music(phone, out);
        self.calls.links.insert(phone, Link::default());
        self.show_call_volume(phone, out);
    }

    fn hands_free_ended(&mut self, phone: Address, error: Option<String>, out: &mut Orders) {
        if let Some(link) = self.calls.links.remove(&phone) {
            let name = self.name_of(phone);
            for id in link.waiting.into_keys() {
                out.reply(id, Err(asked::gone(&name)));
            }
            if link.voice != Voice::None {
                Self::order(phone, HandsFreeOrder::EndVoice, out);
            } else if link.next.is_prepared() {
                let voice = None;
                Self::order(phone, HandsFreeOrder::ExpectVoice { voice }, out);
            }
            for known in link.calls {
                out.tell(Story::call_ended(&name, phone, &known.call));
            }
            self.answering_phone_left(phone, out);
        }
        if let Some(error) = error {
            out.tell(Story::HandsFreeFailed {
                name: self.name_of(phone),
                address: phone,
                error,
            });
            // Once: one that cannot will not the next time.
            if self.is_connected(phone) && self.calls.fetched_again.insert(phone) {
                self.expect_calls(phone, out);
            }
        }
    }

    fn calls_changed(&mut self, now: Now, phone: Address, calls: Vec<Call>, out: &mut Orders) {
        let name = self.name_of(phone);
        let Some(link) = self.calls.links.get_mut(&phone) else {
            return;
        };
        let before = std::mem::take(&mut link.calls);
        let mut came = None;
        for call in calls {
            let was = before.iter().find(|old| old.call.id == call.id);
            if was.is_none() {
                came = Some(call.id);
            }
            if let Some(story) = Story::call_changed(&name, phone, was, &call) {
                out.tell(story);
            }
            let answered = was.and_then(|was| was.answered);
            let answers = call.state.is_established().then_some(now.unix);
            link.calls.push(CallStatus {
                since: was.map_or(now.unix, |was| was.since),
                answered: answered.or(answers),
                call,
            });
        }
        for old in before {
            if !link.calls.iter().any(|known| known.call.id == old.call.id) {
                out.tell(Story::call_ended(&name, phone, &old.call));
            }
        }
        if let Some(call) = came {
            self.call_came(now, phone, call, out);
        }
    }

    /// Has the microphone give silence, or the room again.
    pub(super) fn mute_microphone(
        &mut self,
        muted: bool,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        if std::mem::replace(&mut self.memory.microphone_muted, muted) != muted {
            out.push(Action::Sound(SoundAction::MuteMicrophone { muted }));
            out.tell(Story::MicrophoneMuted { muted });
        }
        Ok(())
    }

    /// What a phone's own canceller could do is left to it as long as ours does not work.
    pub(super) fn echo_cancelling(&mut self, problem: Option<String>, out: &mut Orders) {
        let works = problem.is_none();
        self.calls.echo_problem = problem;
        out.push(Action::Sound(SoundAction::ClaimCanceller { works }));
    }

    /// Brings ring tone and music in line with the calls there are.
    fn attend(&mut self, out: &mut Orders) {
        self.let_go_of_the_refused(out);
        self.attend_to_auto_answer(out);
        self.go_on_answering(out);
        self.attend_to_ring(out);
        self.attend_to_music(out);
        self.attend_to_next_voices(out);
    }

    /// A phone has brought its music: its calls should follow.
    pub(super) fn expect_calls(&mut self, phone: Address, out: &mut Orders) {
        if self.may_call(phone) && !self.calls.links.contains_key(&phone) {
            self.calls.expected.insert(phone);
            out.push(Action::ArmTimer {
                timer: Timer::CallsPatience,
                after: CALLS_PATIENCE,
            });
        }
    }

    pub(super) fn calls_patience_over(&mut self, out: &mut Orders) {
        for phone in std::mem::take(&mut self.calls.expected) {
            let away = self.is_connected(phone) && !self.calls.links.contains_key(&phone);
            if away && self.may_call(phone) {
                out.radio(RadioAction::ConnectHandsFree { phone });
            }
        }
    }

    /// The rules changed: who may not call any more is let go, and what is too loud is not any more.
    pub(super) fn heed_call_rules(&mut self, now: Now, out: &mut Orders) {
        let ceiling = self.rules.max_volume;
        for known in &mut self.memory.phones {
            // Remembered, so that a ceiling that is raised again makes nothing louder by itself.
            known.call_volume = known.call_volume.map(|volume| volume.min(ceiling));
        }
        if self.rules.calls {
            for phone in self.calls.links.keys() {
                self.apply_call_volume(*phone, out);
                self.show_call_volume(*phone, out);
            }
        } else {
            self.forget_calls(out);
        }
        self.calls.refused.clear();
        self.set_auto_answer_clock(now, out);
        self.heed_who_may_call(out);
    }

    /// Says whether there is a call on any phone, or a voice that is heard or about to be.
    pub(super) fn is_telephoning(&self) -> bool {
        let busy = |link: &Link| {
            !link.calls.is_empty() || link.voice != Voice::None || link.next.is_awaited()
        };
        self.calls.links.values().any(busy)
    }

    /// Says whether a phone has a call, or a voice that is heard.
    pub(super) fn has_call(&self, phone: Address) -> bool {
        let link = self.calls.links.get(&phone);
        link.is_some_and(|link| !link.calls.is_empty() || link.voice != Voice::None)
    }

    /// No phone has a call through us any more: the radio is off or gone, or calls are not wanted.
    pub(super) fn forget_calls(&mut self, out: &mut Orders) {
        let phones: Vec<Address> = self.calls.links.keys().copied().collect();
        for phone in phones {
            self.drop_calls(phone, out);
        }
        self.calls.expected.clear();
        self.calls.fetched_again.clear();
        // Of the next adapter, or this one after a reset, nothing is known.
        self.calls.voice_problem = None;
    }

    /// Closes the service level connection of a phone that must not have one any more.
    pub(super) fn drop_calls(&mut self, phone: Address, out: &mut Orders) {
        if self.calls.links.contains_key(&phone) {
            Self::order(phone, HandsFreeOrder::Close, out);
            self.hands_free_ended(phone, None, out);
            self.attend(out);
        }
    }

    /// A phone has left, and may come back with calls that work.
    pub(super) fn forget_fetching(&mut self, phone: Address) {
        self.calls.fetched_again.remove(&phone);
    }

    /// Returns why a call is not heard here that should be, or was not the last time.
    pub(super) fn voice_problem(&self) -> Option<String> {
        let now = |link: &Link| link.stalled.clone().or_else(|| link.unheard.clone());
        let now = self.calls.links.values().find_map(now);
        now.or_else(|| self.calls.voice_problem.clone())
    }

    /// Returns what a phone that is connected for calls is doing.
    pub(super) fn hands_free_status(&self, phone: Address) -> Option<HandsFreeStatus> {
        let link = self.calls.links.get(&phone)?;
        Some(HandsFreeStatus {
            gateway: link.gateway.clone(),
            calls: self.calls_shown(phone, link),
            voice: (link.voice == Voice::Up).then_some(link.voice_codec),
            volume: self.call_volume_of(phone),
            microphone_volume: Self::microphone_volume(link),
            assistant: link.assistant,
        })
    }

    /// A phone knows nothing of the others: while somebody talks on one of them, its call waits.
    fn calls_shown(&self, phone: Address, link: &Link) -> Vec<CallStatus> {
        let talks = |link: &Link| link.has(|state| state == CallState::Active);
        let mut others = self
            .calls
            .links
            .iter()
            .filter(|(other, _)| **other != phone);
        let waits = others.any(|(_, other)| talks(other));
        let mut calls = link.calls.clone();
        for known in calls.iter_mut().filter(|_| waits) {
            if known.call.state == CallState::Incoming {
                known.call.state = CallState::Waiting;
            }
        }
        calls
    }

    /// Returns what becomes of what is said in the room.
    pub(super) fn microphone_status(&self) -> MicrophoneStatus {
        MicrophoneStatus {
            name: self.calls.microphone.clone(),
            muted: self.memory.microphone_muted,
            echo_problem: self.calls.echo_problem.clone(),
        }
    }
}
