//! What people are told of calls.
//!
//! Invariant: each turn of a call is told once: that it comes or goes, is answered, is over.

use super::super::Story;
use super::facts::{Call, Direction};
use crate::policy::model::Address;
use crate::policy::snapshot::CallStatus;

impl Story {
    pub(super) fn call_changed(
        name: &str,
        address: Address,
        was: Option<&CallStatus>,
        call: &Call,
    ) -> Option<Self> {
        let (name, caller) = (name.to_owned(), call.caller().to_owned());
        let answered = call.state.is_established();
        match was {
            None if answered => Some(Self::CallAnswered {
                name,
                address,
                caller,
            }),
            None if call.direction == Direction::Outgoing => Some(Self::CallGoesOut {
                name,
                address,
                caller,
            }),
            None => Some(Self::CallComesIn {
                name,
                address,
                caller,
            }),
            Some(was) if answered && was.answered.is_none() => Some(Self::CallAnswered {
                name,
                address,
                caller,
            }),
            Some(_) => None,
        }
    }

    pub(super) fn call_ended(name: &str, address: Address, call: &Call) -> Self {
        Self::CallEnded {
            name: name.to_owned(),
            address,
            caller: call.caller().to_owned(),
        }
    }
}
