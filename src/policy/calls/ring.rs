//! Our own ring tone.
//!
//! Invariant: a call that rings is heard in the room, unless the admin wants no ring tone: from us
//! where the phone sends no tone of its own, or promises one and does not bring it.

use std::time::Duration;

use super::super::event::Timer;
use super::super::{Action, Orders, Policy, SoundAction};
use super::facts::CallState;
use super::{Link, Voice};
use crate::policy::model::Volume;

/// How long the voice link with a phone's own ring tone may take.
const PATIENCE: Duration = Duration::from_secs(2);

impl Link {
    fn rings(&self) -> bool {
        self.has(|state| state == CallState::Incoming)
    }

    /// Says whether the phone's own ring tone is still to come.
    fn awaits_its_ring(&self) -> bool {
        self.rings() && self.rings_itself && !self.rings_in_vain && self.voice != Voice::Up
    }

    /// Says whether we are to ring: the phone does, and no tone of its own comes.
    fn wants_our_ring(&self) -> bool {
        self.rings() && (!self.rings_itself || self.rings_in_vain)
    }
}

impl Policy {
    /// Brings the ring tone in line with the calls there are.
    pub(super) fn attend_to_ring(&mut self, out: &mut Orders) {
        for link in self.calls.links.values_mut() {
            link.rings_in_vain &= link.rings() && link.voice != Voice::Up;
        }
        let awaited = self.calls.links.values().any(Link::awaits_its_ring);
        if awaited && !self.calls.ring_awaited {
            out.push(Action::ArmTimer {
                timer: Timer::RingComes,
                after: PATIENCE,
            });
        }
        self.calls.ring_awaited = awaited;
        let rings = self.ring_wanted();
        if rings != self.calls.rings {
            self.calls.rings = rings;
            out.push(Action::Sound(match rings {
                Some(volume) => SoundAction::Ring { volume },
                None => SoundAction::StopRinging,
            }));
        }
    }

    pub(in crate::policy) fn ring_patience_over(&mut self, out: &mut Orders) {
        for link in self.calls.links.values_mut() {
            link.rings_in_vain |= link.awaits_its_ring();
        }
        self.attend_to_ring(out);
    }

    /// Returns how loud we are to ring; less loud while people talk.
    fn ring_wanted(&self) -> Option<Volume> {
        let mut links = self.calls.links.values();
        let loud = self.rules.ring_volume.min(self.rules.max_volume);
        if loud == Volume::MIN || !links.clone().any(Link::wants_our_ring) {
            return None;
        }
        let talks = links.any(|link| link.voice == Voice::Up);
        let half = -i16::from(loud.percent() / 2);
        Some(if talks { loud.step(half) } else { loud })
    }
}
