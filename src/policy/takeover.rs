//! Who has the speaker when several phones play.
//!
//! Invariant: the music of one phone is heard at a time, that of whoever began last. The others are
//! not heard meanwhile, whether they obey or not; they are asked to pause, once, when it is clear that
//! the newcomer's sound is no ping of a message: its player plays, or it has lasted for long. When the
//! speaker is free again, whoever still plays is heard, the latest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::action::PlayerCommand;
use super::event::Timer;
use super::model::{Address, TransportId};
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

/// Who plays, and who of them is not heard.
#[derive(Debug, Default)]
pub(super) struct Takeover {
    /// Those who play, by when they took the speaker.
    playing: Vec<(TransportId, Address)>,
    /// Those of them, and of those who have stopped since, that are not heard because of another.
    muted: BTreeSet<TransportId>,
    /// Those of them that were asked to pause.
    asked: BTreeSet<TransportId>,
    /// What the phones' players said last: whether they play.
    players: BTreeMap<Address, bool>,
}

impl Takeover {
    /// Says whether a transport is not heard because another phone has the speaker.
    pub(super) fn mutes(&self, transport: &TransportId) -> bool {
        self.muted.contains(transport)
    }

    /// Says whether a transport is not heard, and whoever sends it was not told.
    pub(super) fn mutes_untold(&self, transport: &TransportId) -> bool {
        self.mutes(transport) && !self.asked.contains(transport)
    }

    /// Says whether a phone's player plays; nothing if it does not tell.
    pub(super) fn player(&self, phone: Address) -> Option<bool> {
        self.players.get(&phone).copied()
    }

    /// Returns whose music is heard, if it is not for a call that it is not.
    pub(super) fn heard(&self) -> Option<Address> {
        let heard = self.playing.iter().find(|(id, _)| !self.mutes(id));
        heard.map(|(_, phone)| *phone)
    }

    /// Returns who has the speaker, or will have it next.
    pub(super) fn turn(&self) -> Option<Address> {
        self.heard()
            .or(self.playing.last().map(|(_, phone)| *phone))
    }
}

impl Policy {
    /// A phone begins to play, and with that takes the speaker.
    pub(super) fn take_over(&mut self, id: &TransportId, phone: Address, out: &mut Orders) {
        let timer = Timer::SpeakerFree;
        out.push(Action::CancelTimer { timer });
        self.takeover.playing.retain(|(known, _)| known != id);
        self.takeover.playing.push((id.clone(), phone));
        self.give_speaker(out);
        let after = match self.takeover.player(phone) {
            Some(true) => return self.turn_is_settled(out),
            Some(false) => PINGS,
            None => PING,
        };
        if self.takeover.playing.len() > 1 {
            let timer = Timer::TurnSettled;
            out.push(Action::ArmTimer { timer, after });
        }
    }

    /// Returns what is heard of a phone, but for calls.
    pub(super) fn heard_of(&self, phone: Address) -> Option<StreamStatus> {
        let stream = self.playback.stream_of(phone);
        stream.filter(|stream| !self.takeover.mutes(&stream.transport))
    }

    /// Somebody pressed play or pause on a phone. One whose stream stayed open tells nothing else.
    pub(super) fn player_changed(&mut self, phone: Address, playing: bool, out: &mut Orders) {
        if self.takeover.players.insert(phone, playing) == Some(playing) || !playing {
            return;
        }
        let muted = |(id, of): &&(TransportId, Address)| *of == phone && self.takeover.mutes(id);
        if let Some((id, _)) = self.takeover.playing.iter().find(muted).cloned() {
            self.take_over(&id, phone, out);
        } else if self.takeover.heard() == Some(phone) {
            self.turn_is_settled(out);
        }
    }

    /// A phone has left, and its player with it.
    pub(super) fn forget_player(&mut self, phone: Address) {
        self.takeover.players.remove(&phone);
    }

    /// Whoever has the speaker goes on playing: the others may rest.
    pub(super) fn turn_is_settled(&mut self, out: &mut Orders) {
        for (id, phone) in self.takeover.playing.clone() {
            let told = !self.takeover.mutes(&id) || self.calls.paused(phone);
            if !told && self.takeover.asked.insert(id) {
                let command = PlayerCommand::Pause;
                out.radio(RadioAction::Player { phone, command });
            }
        }
    }

    /// A phone has stopped. Its stream is heard again only with what it plays next: it may still
    /// fade out.
    pub(super) fn leave_speaker(&mut self, id: &TransportId, out: &mut Orders) {
        self.takeover.playing.retain(|(known, _)| known != id);
        let Some((next, _)) = self.takeover.playing.last() else {
            return;
        };
        if self.takeover.heard().is_some() {
            return;
        }
        if self.takeover.asked.contains(next) {
            self.keep_speaker(out);
        } else {
            // It was never told, so it was a ping that it was silent for.
            self.give_speaker(out);
        }
    }

    /// Keeps the speaker for whoever had it, or is about to.
    pub(super) fn keep_speaker(&self, out: &mut Orders) {
        if self.takeover.heard().is_none() && !self.takeover.playing.is_empty() {
            out.push(Action::ArmTimer {
                timer: Timer::SpeakerFree,
                after: KEPT,
            });
        }
    }

    /// Whoever had the speaker has not come back to it.
    pub(super) fn speaker_is_free(&mut self, out: &mut Orders) {
        // After a call whoever was paused for it comes first.
        if self.takeover.heard().is_none() && !self.calls.holds_music() {
            self.give_speaker(out);
        }
    }

    /// A transport is no more, nor is what was said about it.
    pub(super) fn forget_turn(&mut self, id: &TransportId) {
        self.takeover.muted.remove(id);
        self.takeover.asked.remove(id);
    }

    /// Has the phone that began last heard, and no other.
    fn give_speaker(&mut self, out: &mut Orders) {
        let Some((_, owner)) = self.takeover.playing.last().cloned() else {
            return;
        };
        for (id, phone) in self.takeover.playing.clone() {
            let on = phone != owner;
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
