//! Calls from indicators alone, for an AG without a list of calls (HFP 1.9, 4.10 and 4.22).
//!
//! Invariant: once the AG has told all that changed, the calls agree with its indicators: some are
//! active or held just when `call` says so, one is being set up just when `callsetup` says so.
//!
//! Indicators tell that something changed, not which call it was. What cannot be known is taken to
//! be what people do most: a call that stops waiting was given up, a held call that vanishes ended.

use super::call::{CallState, Direction};
use super::calls::{Calls, Intent};
use super::indicators::{CallSigns, Indicator};

impl Calls {
    /// Follows a change of one indicator; `signs` are the indicators after it. An answer changes two
    /// or three of them, one after the other, so each speaks for its own calls only.
    pub(super) fn derive(&mut self, changed: Indicator, before: CallSigns, signs: CallSigns) {
        match changed {
            Indicator::Call => {
                if signs.call == 0 {
                    self.parted = None;
                } else if before.call == 0 {
                    self.answered();
                }
                self.conform_established(signs);
            }
            Indicator::CallSetup => {
                if signs.setup == 0 {
                    self.setup_ended();
                }
                self.conform_setup(signs);
            }
            Indicator::CallHeld => {
                self.held_changed(before.held, signs.held);
                self.conform_established(signs);
            }
            _ => {}
        }
        if signs.are_idle() {
            self.forget_caller();
        }
    }

    /// Makes the calls agree with the indicators, with as few changes as possible.
    pub(super) fn conform(&mut self, signs: CallSigns) {
        self.conform_established(signs);
        self.conform_setup(signs);
    }

    fn conform_established(&mut self, signs: CallSigns) {
        if signs.call == 0 {
            self.list.retain(|call| !call.state.is_established());
            self.turn(CallState::Waiting, CallState::Incoming);
            return;
        }
        if !self.any(&[CallState::Active, CallState::Held]) {
            self.add(Direction::Incoming, CallState::Active);
        }
        match signs.held {
            0 => self.turn(CallState::Held, CallState::Active),
            2 => self.turn(CallState::Active, CallState::Held),
            _ => self.have_both(),
        }
    }

    fn conform_setup(&mut self, signs: CallSigns) {
        let (direction, state) = match signs.setup {
            1 if signs.call == 1 => (Direction::Incoming, CallState::Waiting),
            1 => (Direction::Incoming, CallState::Incoming),
            2 => (Direction::Outgoing, CallState::Dialing),
            3 => (Direction::Outgoing, CallState::Alerting),
            _ => {
                let ended = self.list.iter().position(|c| !c.state.is_established());
                if let Some(place) = ended {
                    self.parted = Some(self.list.remove(place));
                }
                self.list.retain(|call| call.state.is_established());
                return;
            }
        };
        self.parted = None;
        self.list
            .retain(|c| c.state.is_established() || c.direction == direction);
        let known = self
            .list
            .iter_mut()
            .find(|call| !call.state.is_established());
        match known {
            Some(call) => call.state = state,
            None => self.add(direction, state),
        }
    }

    /// Somebody answered: the call that was being set up, or the one that seemed to have ended.
    fn answered(&mut self) {
        self.revive();
        self.establish();
    }

    /// Makes the call that was being set up an active one.
    fn establish(&mut self) {
        let found = self.list.iter_mut().find(|c| !c.state.is_established());
        if let Some(call) = found {
            call.state = CallState::Active;
        }
    }

    /// Brings back the call that seemed to have ended, if nothing else is being set up.
    fn revive(&mut self) {
        let parted = self.parted.take();
        if self.list.iter().any(|call| !call.state.is_established()) {
            return;
        }
        if let Some(call) = parted {
            self.put_back(call);
        }
    }

    fn setup_ended(&mut self) {
        match self.intent {
            Some(Intent::ReleaseActive) if self.any(&[CallState::Waiting]) => {
                self.list.retain(|call| call.state != CallState::Active);
                self.establish();
                self.intent = None;
            }
            Some(Intent::HoldActive) if self.any(&[CallState::Waiting]) => {
                self.turn(CallState::Active, CallState::Held);
                self.establish();
                self.intent = None;
            }
            _ => {}
        }
    }

    fn held_changed(&mut self, before: u8, after: u8) {
        let intent = self.intent.take();
        match (before, after) {
            (_, 0) if intent == Some(Intent::Merge) => {
                self.turn(CallState::Held, CallState::Active);
                for call in &mut self.list {
                    call.multiparty |= call.state == CallState::Active;
                }
            }
            (_, 0) if intent == Some(Intent::ReleaseActive) => {
                self.list.retain(|call| call.state != CallState::Active);
            }
            (_, 0) if self.any(&[CallState::Active]) => {
                self.list.retain(|call| call.state != CallState::Held);
            }
            // Told again: the two changed places.
            (1, 1) => self.swap(),
            // The active one ended, the held one stayed.
            (1, 2) => self.list.retain(|call| call.state != CallState::Active),
            (_, 1) => self.one_of_two_held(),
            _ => {}
        }
    }

    /// One call is held now, the other is the one that was being set up.
    fn one_of_two_held(&mut self) {
        if self.any(&[CallState::Active]) && self.any(&[CallState::Held]) {
            return;
        }
        self.revive();
        if self.list.iter().any(|call| !call.state.is_established()) {
            self.turn(CallState::Active, CallState::Held);
            self.establish();
        }
    }

    /// Makes sure that there is a call that is held and one that is active. Of several, the oldest
    /// is the one that was put on hold.
    fn have_both(&mut self) {
        for (missing, other) in [
            (CallState::Held, CallState::Active),
            (CallState::Active, CallState::Held),
        ] {
            if self.any(&[missing]) {
                continue;
            }
            let several = self.list.iter().filter(|call| call.state == other).count() > 1;
            match self.first(other) {
                Some(call) if several => call.state = missing,
                _ => self.add(Direction::Incoming, missing),
            }
        }
    }

    fn swap(&mut self) {
        for call in &mut self.list {
            call.state = match call.state {
                CallState::Active => CallState::Held,
                CallState::Held => CallState::Active,
                other => other,
            };
        }
    }

    fn turn(&mut self, from: CallState, to: CallState) {
        for call in self.list.iter_mut().filter(|call| call.state == from) {
            call.state = to;
        }
    }
}
