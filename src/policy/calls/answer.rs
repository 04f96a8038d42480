//! Answering a call, also while somebody talks on another phone.
//!
//! Invariant: a call is answered only when no caller of another phone hears the room any more, and
//! with it what is said to this one. Where a phone does not set its call aside the one that rings goes
//! on ringing, and who asked is told why. A call that was set aside for nothing is taken up again.
//!
//! ```text
//!   asked ──▶ others are set aside ──▶ told to answer ──▶ answered
//!                  │ refused, too late, rings no more │ refused
//!                  └──▶ others are taken up again ◀───┘
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::event::Timer;
use super::super::{Action, Orders, Policy, Rejection, RejectionKind};
use super::asked::gone;
use super::event::HandsFreeOrder;
use super::facts::{CallCommand, CallId, CallState};
use super::{Link, Voice};
use crate::policy::model::{Address, Now, RequestId};

/// How long a phone may take to set its call aside: the network has to agree, and the phone has
/// 5 s to say that it was told (`hfp/queue.rs`) before it has to do it.
const PATIENCE: Duration = Duration::from_secs(8);

/// A call that is answered as soon as nobody talks on another phone.
#[derive(Debug)]
pub(super) struct Answering {
    /// Who asked for it.
    request: RequestId,
    /// The phone that rings.
    phone: Address,
    /// Its call.
    call: CallId,
    /// The phones that were told to set their call aside, or to end it.
    others: BTreeSet<Address>,
    /// To end it.
    end_others: bool,
    /// Until when they have time, by the monotonic clock.
    until: Duration,
    /// The phone that rings was told to answer.
    told: bool,
}

/// Says whether a caller of this phone hears the room. One that is talked with at the phone itself
/// does not, and is left alone.
fn talks(link: &Link) -> bool {
    link.voice != Voice::None && link.has(|state| state == CallState::Active)
}

impl Policy {
    /// Sets aside whoever talks on another phone, or ends that call; then answers. A phone that has
    /// more than this one call cannot be told to hold without taking up another: it keeps its sound.
    pub(super) fn answer(
        &mut self,
        now: Now,
        request: RequestId,
        phone: Address,
        end_others: bool,
        out: &mut Orders,
    ) {
        if self.calls.answering.is_some() {
            let text = "another call is being answered; try again in a moment";
            return out.reply(request, Err(Rejection::new(RejectionKind::Busy, text)));
        }
        let links = self.calls.links.iter();
        let talking = links.filter(|(other, link)| **other != phone && talks(link));
        let talking: Vec<_> = talking.map(|(it, link)| (*it, link.calls.len())).collect();
        let mut others = BTreeSet::new();
        for (other, calls) in talking {
            let command = match (end_others, calls) {
                (true, _) => CallCommand::HangUp,
                (false, 1) => CallCommand::Swap,
                (false, _) => {
                    self.end_voice(other, out);
                    continue;
                }
            };
            let request = Some(request);
            Self::order(other, HandsFreeOrder::Command { request, command }, out);
            self.calls.to_take_up.remove(&other);
            others.insert(other);
        }
        let link = self.calls.links.get(&phone);
        let mut calls = link.into_iter().flat_map(|link| &link.calls);
        let rings = calls.find(|known| known.call.state.is_offered());
        let (false, Some(rings)) = (others.is_empty(), rings) else {
            return self.tell_to_answer(request, phone, end_others, out);
        };
        out.push(Action::ArmTimer {
            timer: Timer::SettingAside,
            after: PATIENCE,
        });
        self.calls.answering = Some(Answering {
            request,
            phone,
            call: rings.call.id,
            others,
            end_others,
            until: now.monotonic + PATIENCE,
            told: false,
        });
    }

    fn state_of(&self, phone: Address, call: CallId) -> Option<CallState> {
        let link = self.calls.links.get(&phone)?;
        let mut calls = link.calls.iter().map(|known| &known.call);
        calls.find(|it| it.id == call).map(|it| it.state)
    }

    fn tell_to_answer(
        &mut self,
        id: RequestId,
        phone: Address,
        end_others: bool,
        out: &mut Orders,
    ) {
        let rings = |link: &Link| link.has(|state| state == CallState::Incoming);
        let command = match (self.calls.links.get(&phone), end_others) {
            (Some(link), _) if rings(link) => CallCommand::Answer,
            (_, true) => CallCommand::ReleaseActive,
            (_, false) => CallCommand::Swap,
        };
        let talks = true;
        self.with_link(phone, |link| _ = link.waiting.insert(id, talks));
        self.pass_on(id, phone, command, out);
    }

    /// Something about calls changed: the one that rings may be answered now, or not any more; and
    /// one that was set aside for nothing may be taken up again.
    pub(super) fn go_on_answering(&mut self, out: &mut Orders) {
        if let Some(answering) = self.calls.answering.as_ref().filter(|it| !it.told) {
            let (phone, request, end) = (answering.phone, answering.request, answering.end_others);
            let links = &self.calls.links;
            let mut others = answering.others.iter().filter_map(|it| links.get(it));
            match self.state_of(phone, answering.call) {
                None => {
                    let text = "the call was given up before it was answered; `dotctl calls` shows \
                                what there is";
                    let over = Rejection::new(RejectionKind::NotAvailable, text);
                    self.call_off(Some(over), out);
                }
                Some(state) if !state.is_offered() => {
                    // Somebody did so at the phone.
                    self.calls.answering = None;
                    self.mute(false, out);
                    out.reply(request, Ok(()));
                }
                Some(_) if others.any(talks) => {}
                Some(_) => {
                    if let Some(answering) = &mut self.calls.answering {
                        answering.told = true;
                    }
                    let timer = Timer::SettingAside;
                    out.push(Action::CancelTimer { timer });
                    self.tell_to_answer(request, phone, end, out);
                }
            }
        }
        self.take_up_again(out);
    }

    /// A phone that was told to set its call aside has answered; says whether it was such a one.
    pub(super) fn set_aside(
        &mut self,
        other: Address,
        id: RequestId,
        result: &Result<(), Rejection>,
        out: &mut Orders,
    ) -> bool {
        if result.is_err() && self.calls.to_take_up.get(&other) == Some(&id) {
            self.calls.to_take_up.remove(&other);
            return true;
        }
        let ours = |it: &&Answering| it.request == id && it.others.contains(&other);
        let Some(answering) = self.calls.answering.as_ref().filter(ours) else {
            return false;
        };
        let still_talks = self.calls.links.get(&other).is_some_and(talks);
        if let (Err(why), false, true) = (result, answering.told, still_talks) {
            let done = if answering.end_others {
                "ended"
            } else {
                "set aside"
            };
            let (rings, talks) = (self.name_of(answering.phone), self.name_of(other));
            let text = format!("the call of {talks} was not {done}, so {rings} still rings: {why}");
            self.call_off(Some(Rejection::new(why.kind, text)), out);
            self.calls.to_take_up.remove(&other);
        }
        true
    }

    pub(in crate::policy) fn setting_aside_patience_over(&mut self, now: Now, out: &mut Orders) {
        let late = |it: &&Answering| !it.told && now.monotonic >= it.until;
        if let Some(answering) = self.calls.answering.as_ref().filter(late) {
            let rings = self.name_of(answering.phone);
            let links = &self.calls.links;
            let mut others = answering.others.iter();
            let other = others.find(|it| links.get(*it).is_some_and(talks));
            let other = other.map_or_else(|| "another phone".to_owned(), |it| self.name_of(*it));
            let text = format!(
                "the call of {other} is still not set aside, so {rings} still rings; do it on the \
                 phone"
            );
            let late = Rejection::new(RejectionKind::NotAvailable, text);
            self.call_off(Some(late), out);
        }
        // What has not happened by now is none of our doing any more.
        self.calls.to_take_up.clear();
    }

    /// The phone that was told to answer has answered, one way or the other.
    pub(super) fn answer_ended(
        &mut self,
        id: RequestId,
        result: &Result<(), Rejection>,
        out: &mut Orders,
    ) {
        let ours = |it: &Answering| it.request == id && it.told;
        if !self.calls.answering.as_ref().is_some_and(ours) {
            return;
        }
        if result.is_err() {
            self.call_off(None, out);
            self.calls.to_take_up.clear();
        }
        self.calls.answering = None;
    }

    /// A phone has left: if it was the one that rang, there is nothing to answer any more.
    pub(super) fn answering_phone_left(&mut self, phone: Address, out: &mut Orders) {
        let it = self.calls.answering.as_ref().filter(|it| it.phone == phone);
        if let Some(answering) = it {
            // Once it was told, the answer to whoever asked is with the others of the phone.
            let left = (!answering.told).then(|| gone(&self.name_of(phone)));
            self.call_off(left, out);
        }
    }

    /// Nothing is answered after all: says why, if that is still to be said, and has the calls taken
    /// up again that were set aside for it, be it now or when they are.
    fn call_off(&mut self, why: Option<Rejection>, out: &mut Orders) {
        let Some(answering) = self.calls.answering.take() else {
            return;
        };
        if let Some(why) = why {
            out.reply(answering.request, Err(why));
        }
        let link = self.calls.links.get(&answering.phone);
        let answered = |link: &Link| link.has(|state| state == CallState::Active);
        if !answering.end_others && !link.is_some_and(answered) {
            let others = answering.others.iter().map(|it| (*it, answering.request));
            self.calls.to_take_up.extend(others);
        }
        self.take_up_again(out);
    }

    fn take_up_again(&mut self, out: &mut Orders) {
        let links = &self.calls.links;
        let mut held = Vec::new();
        self.calls.to_take_up.retain(|phone, _| {
            let calls = links.get(phone).map_or(&[][..], |link| &link.calls[..]);
            match calls {
                [only] if only.call.state == CallState::Held => {
                    held.push(*phone);
                    false
                }
                // Not set aside yet.
                [only] => only.call.state == CallState::Active,
                _ => false,
            }
        });
        for phone in held {
            Self::command(phone, CallCommand::Swap, out);
        }
    }
}
