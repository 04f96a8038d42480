//! Which phones may use calls.
//!
//! Invariant: a phone that may not has no service level connection, except for as long as a call
//! lasts that was there when the rules changed, and until whoever waits for the phone's answer has
//! it. Its music is not touched by any of this.

use super::super::{Orders, Policy, Rejection, RejectionKind, Story};
use super::event::HandsFreeOrder;
use super::{Link, Voice};
use crate::policy::model::{Address, CallPhones};

impl Policy {
    /// Says whether a phone may use calls.
    pub(in crate::policy) fn may_call(&self, phone: Address) -> bool {
        self.is_trusted(phone) && self.calls_refusal(phone).is_none()
    }

    /// A phone brings its calls: says whether it may. That it may not is told once.
    pub(in crate::policy) fn lets_calls_in(&mut self, phone: Address, out: &mut Orders) -> bool {
        let may = self.may_call(phone);
        let is_news = !may && self.rules.calls && self.is_trusted(phone);
        if is_news && self.calls.refused.insert(phone) {
            out.tell(Story::CallsNotAllowed {
                name: self.name_of(phone),
                address: phone,
            });
        }
        may
    }

    /// Returns what to say to whoever wants something of the calls of a phone that may not use them.
    pub(in crate::policy) fn calls_refusal(&self, phone: Address) -> Option<Rejection> {
        if !self.rules.calls {
            return Some(no_calls());
        }
        let allowed = match &self.rules.call_phones {
            CallPhones::All => true,
            CallPhones::Only(phones) => phones.iter().any(|it| self.is_chosen(it, phone)),
        };
        (!allowed).then(|| {
            let name = self.name_of(phone);
            let text = format!("{name} may not use calls; add it to calls.phones in dotd.toml");
            Rejection::new(RejectionKind::Refused, text)
        })
    }

    /// Returns what to say when no phone is connected for calls.
    pub(super) fn no_phone_for_calls(&self) -> Rejection {
        let known = self.memory.phones.iter().map(|known| known.address);
        let mut connected = known.filter(|phone| self.is_connected(*phone)).peekable();
        let some = connected.peek().is_some();
        if !self.rules.calls {
            no_calls()
        } else if some && connected.all(|phone| !self.may_call(phone)) {
            let text = "no phone that is connected may use calls; see calls.phones in dotd.toml";
            Rejection::new(RejectionKind::Refused, text)
        } else {
            let text = "no phone is connected for calls; connect one: dotctl connect PHONE";
            Rejection::new(RejectionKind::NotConnected, text)
        }
    }

    /// The rules, or a phone's name, may be others now: calls that are allowed are fetched, and those
    /// that are not are let go as soon as they are over.
    pub(in crate::policy) fn heed_who_may_call(&mut self, out: &mut Orders) {
        let known: Vec<Address> = self.memory.phones.iter().map(|it| it.address).collect();
        for phone in known {
            if self.is_connected(phone) {
                self.expect_calls(phone, out);
            }
        }
        self.attend(out);
    }

    /// Closes the service level connections of phones that may not have one and use it for nothing.
    pub(super) fn let_go_of_the_refused(&mut self, out: &mut Orders) {
        // Many phones end a call before they answer whoever hung up: that answer is waited for.
        let idle = |link: &Link| {
            link.calls.is_empty() && link.voice == Voice::None && link.waiting.is_empty()
        };
        let links = self.calls.links.iter();
        let idle = links.filter(|(phone, link)| idle(link) && !self.may_call(**phone));
        let refused: Vec<Address> = idle.map(|(phone, _)| *phone).collect();
        for phone in refused {
            Self::order(phone, HandsFreeOrder::Close, out);
            self.hands_free_ended(phone, None, out);
        }
    }
}

fn no_calls() -> Rejection {
    Rejection::new(
        RejectionKind::Refused,
        "calls are switched off; set calls.enabled in dotd.toml",
    )
}
