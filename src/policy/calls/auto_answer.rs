//! Answering by itself, when the admin wants that.
//!
//! Invariant: only a call that came while no phone had another is ever answered so, and only while it
//! still rings, nobody has dealt with it, nothing is muted, and no other one was answered or made
//! meanwhile. Whoever calls into a conversation is never put through by a clock.

use std::time::Duration;

use super::super::event::Timer;
use super::super::{Action, Orders, Policy, Story};
use super::Link;
use super::facts::{Call, CallCommand, CallId, CallState};
use crate::policy::model::{Address, Now};

/// A call that came while no phone had another.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoneCall {
    phone: Address,
    call: CallId,
    /// When it was first heard of, by the monotonic clock.
    since: Duration,
}

impl LoneCall {
    /// Whose it is.
    pub(super) fn phone(self) -> Address {
        self.phone
    }
}

impl Policy {
    /// A phone has a call that was not heard of before: it may be one to answer.
    pub(super) fn call_came(&mut self, now: Now, phone: Address, call: CallId, out: &mut Orders) {
        let lone = LoneCall {
            phone,
            call,
            since: now.monotonic,
        };
        let count: usize = self.calls.links.values().map(|link| link.calls.len()).sum();
        if count == 1 && self.is_answerable(lone) {
            self.calls.lone = Some(lone);
            if self.rules.auto_answer.is_some() {
                self.set_auto_answer_clock(now, out);
            }
        }
    }

    /// Says whether a call may be answered by itself as things are now.
    fn is_answerable(&self, lone: LoneCall) -> bool {
        let rings = |call: &Call| call.id == lone.call && call.state == CallState::Incoming;
        let link = self.calls.links.get(&lone.phone);
        let rings = link.is_some_and(|link| link.calls.iter().any(|it| rings(&it.call)));
        let in_use = |link: &Link| link.has(|state| !state.is_offered());
        // Nobody in the room would hear the caller, who would hear the room.
        let heard = !self.memory.muted;
        let free = !self.calls.links.values().any(in_use);
        rings && heard && free && self.may_call(lone.phone)
    }

    /// Leaves a call to people for good that is not to be answered by itself any more.
    pub(in crate::policy) fn attend_to_auto_answer(&mut self, out: &mut Orders) {
        if let Some(lone) = self.calls.lone.filter(|lone| !self.is_answerable(*lone)) {
            self.leave_to_people(lone.phone, out);
        }
    }

    /// Somebody deals with the call of this phone.
    pub(super) fn leave_to_people(&mut self, phone: Address, out: &mut Orders) {
        let lone = self.calls.lone.take_if(|lone| lone.phone == phone);
        if lone.is_some() && self.rules.auto_answer.is_some() {
            let timer = Timer::AutoAnswer;
            out.push(Action::CancelTimer { timer });
        }
    }

    /// Has the clock of a call that rings run to when the rules want it answered.
    pub(super) fn set_auto_answer_clock(&self, now: Now, out: &mut Orders) {
        let Some(lone) = self.calls.lone else {
            return;
        };
        let timer = Timer::AutoAnswer;
        out.push(match self.rules.auto_answer {
            Some(patience) => Action::ArmTimer {
                timer,
                after: (lone.since + patience).saturating_sub(now.monotonic),
            },
            None => Action::CancelTimer { timer },
        });
    }

    /// The time of the call that rings may be over.
    pub(in crate::policy) fn auto_answer_due(&mut self, now: Now, out: &mut Orders) {
        let (Some(lone), Some(patience)) = (self.calls.lone, self.rules.auto_answer) else {
            return;
        };
        // The timer may be that of a call before, or of rules before.
        if now.monotonic < lone.since + patience {
            return;
        }
        self.calls.lone = None;
        let link = self.calls.links.get(&lone.phone);
        let mut calls = link.into_iter().flat_map(|link| &link.calls);
        if let Some(known) = calls.find(|known| known.call.id == lone.call) {
            out.tell(Story::CallAnswersItself {
                name: self.name_of(lone.phone),
                address: lone.phone,
                caller: known.call.caller().to_owned(),
            });
            self.with_link(lone.phone, |link| link.next.is_ours());
            Self::command(lone.phone, CallCommand::Answer, out);
        }
    }
}
