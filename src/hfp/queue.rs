//! The commands to the AG: one at a time, the next once the last has its result code
//! (HFP 1.9, 4.34.1).
//!
//! Invariant: at most one command is in flight. What the phone waits for goes first, then what
//! people wait for, then the rest; within these, first come, first served.

use std::collections::VecDeque;
use std::time::Duration;

use super::calls::Intent;
use super::codec::Codec;
use super::command::{CommandId, Gain};
use super::slc::Step;

/// How long the AG may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to place a call.
const DIAL_PATIENCE: Duration = Duration::from_secs(20);

/// A command, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Without the CR that ends it.
    pub(super) text: String,
    pub(super) purpose: Purpose,
}

/// What a command is for, and so what its answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A step on the way to the service level connection.
    Slc(Step),
    /// The list of calls.
    Calls,
    /// The name of the network.
    Operator,
    /// Agreeing to a codec.
    Codec(Codec),
    /// Offering our codecs instead of the one that the AG wants.
    Codecs,
    /// Reading the indicators anew: whether the AG has told them yet, and whether the answer to the
    /// command before may still come.
    Probe { told: bool, late: bool },
    /// Anything else; with a name if it was asked for.
    Work {
        id: Option<CommandId>,
        effect: Effect,
    },
}

/// What else follows from a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// The calls change.
    Calls(Option<Intent>),
    /// A call is made; to this number, if we know it.
    Dial(Option<String>),
    /// These keys are still to be sent.
    Tones(String),
    Voice(bool),
    Speaker(Gain),
    Microphone(Gain),
    Battery,
}

impl Order {
    pub(super) fn new(text: impl Into<String>, purpose: Purpose) -> Self {
        let text = text.into();
        Self { text, purpose }
    }

    /// Makes one that nobody waits for.
    pub(super) fn quiet(text: impl Into<String>, effect: Effect) -> Self {
        Self::new(text, Purpose::Work { id: None, effect })
    }

    fn rank(&self) -> u8 {
        match self.purpose {
            Purpose::Probe { .. } => 0,
            Purpose::Codec(_) | Purpose::Codecs | Purpose::Slc(_) => 1,
            Purpose::Calls | Purpose::Work { id: Some(_), .. } => 2,
            Purpose::Operator | Purpose::Work { id: None, .. } => 3,
        }
    }

    fn patience(&self) -> Duration {
        if self.makes_call() {
            DIAL_PATIENCE
        } else {
            PATIENCE
        }
    }

    /// Says whether the answer may be that nobody could be reached.
    pub(super) fn makes_call(&self) -> bool {
        let effect = match &self.purpose {
            Purpose::Work { effect, .. } => effect,
            _ => return false,
        };
        matches!(effect, Effect::Dial(_))
    }
}

/// The commands that wait, and the one that is on its way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Order>,
    in_flight: Option<(Order, Duration)>,
}

impl Queue {
    /// Adds a command behind those that are as urgent.
    pub(super) fn push(&mut self, order: Order) {
        let rank = order.rank();
        let place = self.waiting.iter().position(|other| other.rank() > rank);
        self.waiting
            .insert(place.unwrap_or(self.waiting.len()), order);
    }

    /// Sends the next command at `now`, if none is in flight, and returns it.
    pub(super) fn send(&mut self, now: Duration) -> Option<&Order> {
        if self.in_flight.is_some() {
            return None;
        }
        let order = self.waiting.pop_front()?;
        let until = now + order.patience();
        let (order, _) = self.in_flight.insert((order, until));
        Some(order)
    }

    /// Returns the command in flight.
    pub(super) fn in_flight(&mut self) -> Option<&mut Order> {
        self.in_flight.as_mut().map(|(order, _)| order)
    }

    /// Returns until when it may take.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.in_flight.as_ref().map(|(_, until)| *until)
    }

    /// Takes the command in flight, for its answer came or never will.
    pub(super) fn finish(&mut self) -> Option<Order> {
        self.in_flight.take().map(|(order, _)| order)
    }

    /// Takes out the commands that wait and are `outdated`.
    pub(super) fn withdraw(&mut self, outdated: impl Fn(&Purpose) -> bool) -> Vec<Order> {
        let (gone, kept) = self
            .waiting
            .drain(..)
            .partition(|order| outdated(&order.purpose));
        self.waiting = kept;
        Vec::from(gone)
    }

    /// Says whether such a command waits or is in flight.
    pub(super) fn holds(&self, wanted: impl Fn(&Purpose) -> bool) -> bool {
        let in_flight = self.in_flight.iter().map(|(order, _)| order);
        in_flight
            .chain(&self.waiting)
            .any(|order| wanted(&order.purpose))
    }

    /// Returns how many commands wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
