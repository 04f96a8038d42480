//! What becomes of the music while there is a call.
//!
//! Invariant: whoever was asked to pause last is asked to go on, once, unless it left meanwhile or
//! another phone plays; a phone that does not obey is not heard all the same.

use std::time::Duration;

use super::super::action::RadioAction;
use super::super::event::Timer;
use super::super::player::PlayerCommand;
use super::super::takeover::PING;
use super::super::{Action, Orders, Policy, StreamAction};
use super::{Calls, Link};
use crate::policy::model::{Address, TransportId};

/// How long it stays quiet after a call: between the answer and its voice link there may be as much,
/// and who has just hung up does not want music that instant.
const QUIET_AFTER: Duration = Duration::from_millis(1500);

impl Calls {
    /// Says whether a transport is not heard because of a call.
    pub(in crate::policy) fn hushes(&self, transport: &TransportId) -> bool {
        self.hushed.contains(transport)
    }

    /// Says whether a phone was asked to pause because of a call.
    pub(in crate::policy) fn paused(&self, phone: Address) -> bool {
        self.paused.contains(&phone)
    }

    /// Says whether there is a call, or music that is still to come back after one.
    pub(in crate::policy) fn holds_music(&self) -> bool {
        self.quiet || !self.hushed.is_empty() || !self.paused.is_empty()
    }
}

impl Policy {
    /// Silences the music when a call begins, and brings it back some time after the last one.
    pub(super) fn attend_to_music(&mut self, out: &mut Orders) {
        let quiet = self.calls.links.values().any(Link::wants_quiet);
        if std::mem::replace(&mut self.calls.quiet, quiet) == quiet {
            return;
        }
        let timer = Timer::MusicReturns;
        if quiet {
            self.calls.pinged = false;
            out.push(Action::CancelTimer { timer });
            self.hush_music(out);
        } else if !self.calls.hushed.is_empty() || !self.calls.paused.is_empty() {
            let after = QUIET_AFTER;
            out.push(Action::ArmTimer { timer, after });
        }
    }

    fn hush_music(&mut self, out: &mut Orders) {
        for phone in self.hush_streams(out) {
            // A phone stops its own music for its own calls.
            let own = self.calls.links.get(&phone).is_some_and(Link::wants_quiet);
            // One that has paused already must not begin after the call.
            let plays = self.takeover.player(phone) != Some(false);
            if plays && !own && !self.calls.paused(phone) {
                self.calls.paused.push(phone);
                let command = PlayerCommand::Pause;
                out.radio(RadioAction::Player { phone, command });
            }
        }
    }

    /// Silences what plays; returns whose music was heard until then, behind those that another
    /// phone silences for the moment.
    fn hush_streams(&mut self, out: &mut Orders) -> Vec<Address> {
        let playing: Vec<_> = self.playback.playing().collect();
        let mut silenced = Vec::new();
        for (transport, phone) in playing {
            if !self.calls.hushed.insert(transport.clone()) {
                continue;
            }
            if !self.takeover.mutes(&transport) {
                let on = true;
                out.stream(StreamAction::Hush { transport, on });
                silenced.push(phone);
            } else if self.takeover.mutes_untold(&transport) {
                silenced.insert(0, phone);
            }
        }
        silenced
    }

    /// It was quiet for long enough.
    pub(in crate::policy) fn music_returns(&mut self, out: &mut Orders) {
        if self.calls.quiet {
            return;
        }
        let hushed = std::mem::take(&mut self.calls.hushed).into_iter();
        for transport in hushed.filter(|it| !self.takeover.mutes(it)) {
            out.stream(StreamAction::Hush {
                transport,
                on: false,
            });
        }
        let mut paused = std::mem::take(&mut self.calls.paused);
        paused.retain(|phone| self.is_connected(*phone));
        // One only, or they would take the speaker from each other: the one that had it last.
        let Some(phone) = paused.last().copied() else {
            return self.keep_speaker(out);
        };
        match self.takeover.heard().filter(|heard| *heard != phone) {
            None => {
                let command = PlayerCommand::Play;
                out.radio(RadioAction::Player { phone, command });
            }
            // It may be but a ping.
            Some(other) if self.takeover.player(other) != Some(true) && !self.calls.pinged => {
                self.calls.paused = paused;
                self.calls.pinged = true;
                let (timer, after) = (Timer::MusicReturns, PING);
                out.push(Action::ArmTimer { timer, after });
                return;
            }
            // Another one that began meanwhile has the speaker.
            Some(_) => {}
        }
        self.calls.pinged = false;
        self.keep_speaker(out);
    }

    /// A stream begins; with a call under way it is not to be heard. It is not stopped: it may be
    /// the ping of a message, and a phone that is told to go on afterwards would begin a song.
    pub(in crate::policy) fn music_began(&mut self, out: &mut Orders) {
        if self.calls.quiet {
            self.hush_streams(out);
        }
    }

    /// Somebody paused a phone that was paused for a call: it is not to go on after that.
    pub(in crate::policy) fn leave_paused(&mut self, phone: Address) {
        self.calls.paused.retain(|known| *known != phone);
    }

    /// A transport is no more, and with it all that was said about it and its phone's player.
    pub(in crate::policy) fn music_is_gone(&mut self, transport: &TransportId, phone: Address) {
        self.calls.hushed.remove(transport);
        self.leave_paused(phone);
    }
}
