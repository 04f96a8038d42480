//! A call of the phone, as others see it.
//!
//! Invariant: a [`CallId`] names one call for ever; the AG's own index is given to the next call
//! once it is free.

/// Names one call on one link; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name here.
    pub id: CallId,
    /// The AG's number of it, from 1 (3GPP 27.007, 7.18); counted by us when the AG has no list.
    pub index: u8,
    /// Who called whom.
    pub direction: Direction,
    /// How far it is.
    pub state: CallState,
    /// The other one's number; empty when it is withheld or not told.
    pub number: String,
    /// The other one's name, if the phone told one.
    pub name: Option<String>,
    /// It is part of a conference.
    pub multiparty: bool,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The owner of the phone called.
    Outgoing,
    /// Somebody called the owner of the phone.
    Incoming,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// People talk.
    Active,
    /// Set aside.
    Held,
    /// The number was dialed.
    Dialing,
    /// It rings over there.
    Alerting,
    /// It rings here.
    Incoming,
    /// It comes in while there is another one.
    Waiting,
}

impl CallState {
    /// The `<stat>` of `+CLCC` (3GPP 27.007, 7.18). An incoming call that was put on hold before it
    /// was answered (6, "Response and Hold") is held as well.
    pub(super) fn listed(value: u32) -> Option<Self> {
        Some(match value {
            0 => Self::Active,
            1 | 6 => Self::Held,
            2 => Self::Dialing,
            3 => Self::Alerting,
            4 => Self::Incoming,
            5 => Self::Waiting,
            _ => return None,
        })
    }

    /// Says whether the call was answered.
    pub const fn is_established(self) -> bool {
        matches!(self, Self::Active | Self::Held)
    }

    /// Says whether it is ours to answer.
    pub const fn is_offered(self) -> bool {
        matches!(self, Self::Incoming | Self::Waiting)
    }
}
