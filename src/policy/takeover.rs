//! Who has the speaker when several phones play.
//!
//! Invariant: the music of one phone is heard at a time, that of whoever began last. The others are
//! asked to pause, once, and are not heard meanwhile, also if they do not obey. When the speaker is
//! free again, whoever still plays is heard, the latest first.

use std::collections::BTreeSet;
use std::time::Duration;

use super::action::PlayerCommand;
use super::event::Timer;
use super::model::{Address, TransportId};
use super::{Action, Orders, Policy, RadioAction, StreamAction};

/// For how long the speaker is kept for a phone that has stopped: it may have done so between two
/// pieces.
const KEPT: Duration = Duration::from_secs(3);

/// Who plays, and who of them is not heard.
#[derive(Debug, Default)]
pub(super) struct Takeover {
    /// Those who play, by when they began.
    playing: Vec<(TransportId, Address)>,
    /// Those of them, and of those who have stopped since, that are not heard because of another.
    muted: BTreeSet<TransportId>,
}

impl Takeover {
    /// Says whether a transport is not heard because another phone has the speaker.
    pub(super) fn mutes(&self, transport: &TransportId) -> bool {
        self.muted.contains(transport)
    }

    /// Returns whose music is heard.
    pub(super) fn heard(&self) -> impl Iterator<Item = Address> {
        let heard = self.playing.iter().filter(|(id, _)| !self.mutes(id));
        heard.map(|(_, phone)| *phone)
    }
}

impl Policy {
    /// A phone begins to play, and with that takes the speaker.
    pub(super) fn take_over(&mut self, id: &TransportId, phone: Address, out: &mut Orders) {
        self.takeover.playing.retain(|(known, _)| known != id);
        self.takeover.playing.push((id.clone(), phone));
        let timer = Timer::SpeakerFree;
        out.push(Action::CancelTimer { timer });
        self.give_speaker(out);
    }

    /// A phone has stopped. Its stream is heard again only with what it plays next: it may still
    /// fade out.
    pub(super) fn leave_speaker(&mut self, id: &TransportId, out: &mut Orders) {
        self.takeover.playing.retain(|(known, _)| known != id);
        let waits = !self.takeover.playing.is_empty();
        if waits && self.takeover.heard().next().is_none() {
            let timer = Timer::SpeakerFree;
            out.push(Action::ArmTimer { timer, after: KEPT });
        }
    }

    /// Whoever had the speaker has not come back to it.
    pub(super) fn speaker_is_free(&mut self, out: &mut Orders) {
        if self.takeover.heard().next().is_none() {
            self.give_speaker(out);
        }
    }

    /// A transport is no more, nor is what was said about it.
    pub(super) fn forget_turn(&mut self, id: &TransportId) {
        self.takeover.muted.remove(id);
    }

    /// Has the phone that began last heard, and no other.
    fn give_speaker(&mut self, out: &mut Orders) {
        let Some((_, owner)) = self.takeover.playing.last().cloned() else {
            return;
        };
        for (id, phone) in self.takeover.playing.clone() {
            if phone == owner {
                if self.takeover.muted.remove(&id) && !self.calls.hushes(&id) {
                    hush(id, false, out);
                }
            } else if self.takeover.muted.insert(id.clone()) {
                // In a call it is neither heard nor told to rest: see `calls::hush`.
                if !self.calls.hushes(&id) {
                    hush(id, true, out);
                    let command = PlayerCommand::Pause;
                    out.radio(RadioAction::Player { phone, command });
                }
            }
        }
    }
}

fn hush(transport: TransportId, on: bool, out: &mut Orders) {
    out.stream(StreamAction::Hush { transport, on });
}
