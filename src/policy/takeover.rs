//! Who has the speaker when several phones play.
//!
//! Invariant: the music of one phone is heard at a time. Whoever begins takes the speaker, unless the
//! rules keep it for whoever has it: then the newcomer is not heard. Those who are not heard are asked
//! to pause, once, when it is clear that whoever is heard plays no ping of a message: its player plays,
//! or it has lasted for long; whether they obey or not, they stay silent. When the speaker is free
//! again, whoever still plays is heard, the latest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::Timer;
use super::model::{Address, PhoneChoice, TakeoverRule, TransportId, TrustedPhone};
use super::player::PlayerCommand;
use super::snapshot::StreamStatus;
use super::{Action, Orders, Policy, RadioAction, StreamAction};

/// How long a phone whose player tells nothing has to play before the others are asked to pause. What
/// is shorter is a ping, after which phones keep their streams open for up to three seconds.
pub(super) const PING: Duration = Duration::from_secs(6);
/// How long one whose player says that it does not play: several pings, or what has no player.
const PINGS: Duration = Duration::from_secs(30);
/// For how long the speaker is kept for a phone that has stopped: it may have done so between two
/// pieces.
const KEPT: Duration = Duration::from_secs(3);

/// How soon a phone that obeys has paused.
const OBEYED: Duration = Duration::from_secs(1);
/// How long players say at most that they have paused when they are but between two tracks.
const BETWEEN_TRACKS: Duration = Duration::from_secs(1);

/// Who plays, and who of them is not heard.
#[derive(Debug, Default)]
pub(super) struct Takeover {
    /// Those who play. The last one has the speaker, or is the next to have it.
    playing: Vec<Turn>,
    /// Whom the speaker is kept for by the rules, although it has stopped.
    kept: Option<Kept>,
    /// Those who play, and of those who have stopped since, that are not heard because of another.
    muted: BTreeSet<TransportId>,
    /// Those of them that were asked to pause, and when.
    asked: BTreeMap<TransportId, Duration>,
    /// What the phones' players said last: whether they play.
    players: BTreeMap<Address, bool>,
    /// Since when they say that they do not.
    rested: BTreeMap<Address, Duration>,
}

/// A phone that plays.
#[derive(Clone, Debug)]
struct Turn {
    transport: TransportId,
    phone: Address,
    since: Duration,
    /// It was clear at some time that it is no ping.
    settled: bool,
}

/// A phone that may come back to the speaker.
#[derive(Clone, Copy, Debug)]
struct Kept {
    phone: Address,
    until: Duration,
}

impl Takeover {
    /// Says whether a transport is not heard because another phone has the speaker.
    pub(super) fn mutes(&self, transport: &TransportId) -> bool {
        self.muted.contains(transport)
    }

    /// Says whether a transport is not heard, and whoever sends it was not told.
    pub(super) fn mutes_untold(&self, transport: &TransportId) -> bool {
        self.mutes(transport) && !self.asked.contains_key(transport)
    }

    /// Says whether a phone's player plays; nothing if it does not tell.
    pub(super) fn player(&self, phone: Address) -> Option<bool> {
        self.players.get(&phone).copied()
    }

    /// Returns whose music is heard, if it is not for a call that it is not.
    pub(super) fn heard(&self) -> Option<Address> {
        self.turn_heard().map(|turn| turn.phone)
    }

    fn turn_heard(&self) -> Option<&Turn> {
        self.playing.iter().find(|it| !self.mutes(&it.transport))
    }

    /// Returns who has the speaker, or will have it next.
    pub(super) fn turn(&self) -> Option<Address> {
        self.heard().or(self.playing.last().map(|turn| turn.phone))
    }

    /// Returns how long a phone still has to play before it is clear that this is no ping.
    fn settles_in(&self, turn: &Turn, now: Duration) -> Duration {
        if turn.settled {
            return Duration::ZERO;
        }
        let whole = match self.player(turn.phone) {
            Some(true) => Duration::ZERO,
            Some(false) => PINGS,
            None => PING,
        };
        (turn.since + whole).saturating_sub(now)
    }
}

impl Policy {
    /// A phone begins to play, and with that takes the speaker, if it may.
    pub(super) fn take_over(&mut self, id: &TransportId, phone: Address, out: &mut Orders) {
        let now = out.now.monotonic;
        self.takeover.playing.retain(|turn| turn.transport != *id);
        let turn = Turn {
            transport: id.clone(),
            phone,
            since: now,
            settled: false,
        };
        match self.keeper(phone, now) {
            None => {
                let timer = Timer::SpeakerFree;
                out.push(Action::CancelTimer { timer });
                self.takeover.kept = None;
                self.takeover.playing.push(turn);
                self.give_speaker(phone, out);
            }
            Some(keeper) => {
                // It begins anew, so it is told anew.
                self.takeover.asked.remove(id);
                self.takeover.playing.insert(0, turn);
                self.give_speaker(keeper, out);
                if self.takeover.heard().is_none() {
                    self.keep_speaker(out);
                }
            }
        }
        self.await_settling(out);
    }

    /// Returns whoever keeps the speaker although this phone begins to play.
    fn keeper(&self, phone: Address, now: Duration) -> Option<Address> {
        let kept = || self.takeover.kept.filter(|kept| self.is_kept(*kept, now));
        let heard = self.takeover.heard();
        let keeper = heard.or_else(|| kept().map(|kept| kept.phone))?;
        if keeper == phone {
            return None;
        }
        let (theirs, ours) = (self.rank(keeper), self.rank(phone));
        let holds = theirs == ours && self.rules.takeover == TakeoverRule::Hold;
        let keeps = theirs < ours || holds || !self.may_take_over(phone);
        keeps.then_some(keeper)
    }

    fn is_kept(&self, kept: Kept, now: Duration) -> bool {
        now < kept.until || self.calls.paused(kept.phone)
    }

    /// Returns the place of a phone in the list of those that matter more: the first is 0.
    fn rank(&self, phone: Address) -> usize {
        let mut list = self.rules.priority.iter();
        let place = list.position(|choice| self.is_chosen(choice, phone));
        place.unwrap_or(usize::MAX)
    }

    fn may_take_over(&self, phone: Address) -> bool {
        let mut rules = self.rules.phones.iter();
        rules.all(|rule| rule.may_take_over || !self.is_chosen(&rule.phone, phone))
    }

    /// Says whether the admin means this phone.
    pub(super) fn is_chosen(&self, choice: &PhoneChoice, phone: Address) -> bool {
        let mut names = self.known(phone).into_iter().flat_map(TrustedPhone::names);
        choice.is_address(phone) || names.any(|name| choice.is_name(name))
    }

    /// Sees to it that those who are not heard are asked to pause when that is called for.
    fn await_settling(&mut self, out: &mut Orders) {
        let heard = self.takeover.turn_heard();
        let settles_in = |turn| self.takeover.settles_in(turn, out.now.monotonic);
        let after = heard.map_or(Duration::ZERO, settles_in);
        if after.is_zero() {
            self.turn_is_settled(out);
        } else if self.takeover.playing.len() > 1 {
            let timer = Timer::TurnSettled;
            out.push(Action::ArmTimer { timer, after });
        }
    }

    /// Says whether any phone plays, heard or not.
    pub(super) fn is_playing(&self) -> bool {
        !self.takeover.playing.is_empty()
    }

    /// Returns what is heard of a phone, but for calls.
    pub(super) fn heard_of(&self, phone: Address) -> Option<StreamStatus> {
        let stream = self.playback.stream_of(phone);
        stream.filter(|stream| !self.takeover.mutes(&stream.transport))
    }

    /// Somebody pressed play or pause on a phone. One whose stream stayed open tells nothing else.
    pub(super) fn player_changed(&mut self, phone: Address, playing: bool, out: &mut Orders) {
        // A player that pauses says nothing of what has been heard of it by then.
        self.note_settled(out.now.monotonic);
        let now = out.now.monotonic;
        let before = self.takeover.players.insert(phone, playing);
        if before == Some(playing) {
            return;
        }
        if !playing {
            if before.is_some() {
                self.takeover.rested.insert(phone, now);
            }
            return;
        }
        let rested = self.takeover.rested.remove(&phone);
        let muted = |it: &&Turn| it.phone == phone && self.takeover.mutes(&it.transport);
        if let Some(turn) = self.takeover.playing.iter().find(muted).cloned() {
            let asked = self.takeover.asked.get(&turn.transport);
            let next_track =
                |rested, asked| rested >= asked + OBEYED && now < rested + BETWEEN_TRACKS;
            if matches!((rested, asked), (Some(rested), Some(&asked)) if next_track(rested, asked))
            {
                // It plays on although it was asked to pause.
                return;
            }
            self.take_over(&turn.transport, phone, out);
        } else if self.takeover.heard() == Some(phone) {
            self.turn_is_settled(out);
        }
    }

    /// What a phone's player said is not so any more.
    pub(super) fn forget_playing(&mut self, phone: Address) {
        self.takeover.players.remove(&phone);
        self.takeover.rested.remove(&phone);
    }

    fn note_settled(&mut self, now: Duration) {
        let settled = |turn: &Turn| self.takeover.settles_in(turn, now).is_zero();
        let which: Vec<bool> = self.takeover.playing.iter().map(settled).collect();
        for (turn, settled) in self.takeover.playing.iter_mut().zip(which) {
            turn.settled |= settled && !self.takeover.muted.contains(&turn.transport);
        }
    }

    /// Whoever has the speaker goes on playing: the others may rest.
    pub(super) fn turn_is_settled(&mut self, out: &mut Orders) {
        for turn in &mut self.takeover.playing {
            turn.settled |= !self.takeover.muted.contains(&turn.transport);
        }
        for turn in self.takeover.playing.clone() {
            let (id, phone) = (turn.transport, turn.phone);
            let told = !self.takeover.mutes(&id) || self.calls.paused(phone);
            if !told && !self.takeover.asked.contains_key(&id) {
                self.takeover.asked.insert(id, out.now.monotonic);
                let command = PlayerCommand::Pause;
                out.radio(RadioAction::Player { phone, command });
            }
        }
    }

    /// A phone has stopped. Its stream is heard again only with what it plays next: it may still
    /// fade out.
    pub(super) fn leave_speaker(&mut self, id: &TransportId, out: &mut Orders) {
        let now = out.now.monotonic;
        let mut playing = self.takeover.playing.iter();
        let Some(at) = playing.position(|turn| turn.transport == *id) else {
            return;
        };
        let left = self.takeover.playing.remove(at);
        let settled = self.takeover.settles_in(&left, now).is_zero();
        let had_it = settled && !self.takeover.mutes(id);
        if had_it {
            self.note_heard(left.phone, out.now);
        }
        if had_it && self.rules.takeover == TakeoverRule::Hold {
            self.takeover.kept = Some(Kept {
                phone: left.phone,
                until: now + self.rules.hold_for,
            });
        }
        if self.takeover.heard().is_some() {
            return;
        }
        let Some(next) = self.takeover.playing.last() else {
            return;
        };
        if self.takeover.kept.is_some() || self.takeover.asked.contains_key(&next.transport) {
            self.keep_speaker(out);
        } else {
            // It was never told, so it was a ping that it was silent for.
            self.give_speaker(next.phone, out);
        }
    }

    /// Keeps the speaker for whoever had it, or is about to.
    pub(super) fn keep_speaker(&self, out: &mut Orders) {
        if self.takeover.heard().is_none() && !self.takeover.playing.is_empty() {
            let now = out.now.monotonic;
            let kept = self.takeover.kept;
            out.push(Action::ArmTimer {
                timer: Timer::SpeakerFree,
                after: kept.map_or(KEPT, |kept| kept.until.saturating_sub(now)),
            });
        }
    }

    /// Whoever had the speaker has not come back to it.
    pub(super) fn speaker_is_free(&mut self, out: &mut Orders) {
        // After a call whoever was paused for it comes first.
        if self.takeover.heard().is_none() && !self.calls.holds_music() {
            self.takeover.kept = None;
            let next = self.takeover.playing.last().map(|turn| turn.phone);
            if let Some(next) = next {
                self.give_speaker(next, out);
            }
        }
    }

    /// A transport is no more, nor is what was said about it.
    pub(super) fn forget_turn(&mut self, id: &TransportId, phone: Address, out: &mut Orders) {
        self.takeover.muted.remove(id);
        self.takeover.asked.remove(id);
        if self.takeover.kept.is_some_and(|kept| kept.phone == phone) {
            self.takeover.kept = None;
            self.keep_speaker(out);
        }
    }

    /// Has one phone heard, and no other.
    fn give_speaker(&mut self, owner: Address, out: &mut Orders) {
        for turn in self.takeover.playing.clone() {
            let (id, on) = (turn.transport, turn.phone != owner);
            let changed = if on {
                self.takeover.muted.insert(id.clone())
            } else {
                self.takeover.asked.remove(&id);
                self.takeover.muted.remove(&id)
            };
            // What a call hushes stays as it is until that is over.
            if changed && !self.calls.hushes(&id) {
                let transport = id;
                out.stream(StreamAction::Hush { transport, on });
            }
        }
    }
}
