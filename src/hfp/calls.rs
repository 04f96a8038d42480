//! The calls of a phone: from its list (`+CLCC`) where it has one, otherwise from its indicators
//! (`derive.rs`); and who they are with, from `+CLIP` and `+CCWA`.
//!
//! Invariant: at most [`MAX_CALLS`] calls, each with an index of its own. A call keeps its
//! [`CallId`] as long as it lasts, whichever way it is heard of.

use super::at::{Value, at};
use super::call::{Call, CallId, CallState, Direction};
use super::text;

/// More calls than a phone can have: GSM allows 7, and VoIP counts along.
pub(super) const MAX_CALLS: usize = 16;

/// The calls, and what is known of calls to come.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) list: Vec<Call>,
    ids: u32,
    /// Who calls, told before the call itself was.
    caller: Option<Caller>,
    /// The number that we dialed, until the call has it.
    pub(super) dialed: Option<String>,
    /// What we asked for, that indicators alone do not tell.
    pub(super) intent: Option<Intent>,
    /// A call that ended last: some phones tell the end of ringing before the answer.
    pub(super) parted: Option<Call>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) number: String,
    pub(super) name: Option<String>,
}

/// What a command of ours is to make of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// `AT+CHLD=1`.
    ReleaseActive,
    /// `AT+CHLD=2`.
    HoldActive,
    /// `AT+CHLD=3`.
    Merge,
}

impl Caller {
    /// Reads `+CLIP: <number>,<type>[,<subaddr>,<satype>[,<name>]]` (3GPP 27.007, 7.11), or
    /// `+CCWA: <number>,<type>,<class>[,<name>]` (7.12), where the name is number `name`.
    pub(super) fn read(values: &[Value], name: usize) -> Self {
        let shown = text::clean(at(values, name).text(), text::MAX_NAME);
        Self {
            number: text::number(at(values, 0).text(), at(values, 1).number()),
            name: (!shown.is_empty()).then_some(shown),
        }
    }
}

/// A line of the phone's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    index: u8,
    direction: Direction,
    state: CallState,
    multiparty: bool,
    number: String,
    name: Option<String>,
}

impl Listed {
    /// Reads `+CLCC: <index>,<direction>,<state>,<mode>,<multiparty>[,<number>,<type>[,<name>]]`
    /// (3GPP 27.007, 7.18); nothing when it is no call of voice or makes no sense.
    pub(super) fn read(values: &[Value]) -> Option<Self> {
        const DATA: u32 = 1;
        const FAX: u32 = 2;
        let index = u8::try_from(at(values, 0).number()?).ok()?;
        let direction = match at(values, 1).number()? {
            0 => Direction::Outgoing,
            1 => Direction::Incoming,
            _ => return None,
        };
        let state = CallState::listed(at(values, 2).number()?)?;
        if index == 0 || matches!(at(values, 3).number(), Some(DATA | FAX)) {
            return None;
        }
        let Caller { number, name } = Caller::read(values.get(5..).unwrap_or_default(), 2);
        Some(Self {
            index,
            direction,
            state,
            multiparty: at(values, 4).number() == Some(1),
            number,
            name,
        })
    }

    /// Says whether `call` can have become this; otherwise its index was given to another one.
    fn continues(&self, call: &Call) -> bool {
        let same_number = self.number.is_empty()
            || call.number.is_empty()
            || text::same_number(&self.number, &call.number);
        let forward = self.state.is_established() || !call.state.is_established();
        self.index == call.index && self.direction == call.direction && same_number && forward
    }
}

impl Calls {
    /// Takes over the phone's list.
    pub(super) fn take_list(&mut self, listed: Vec<Listed>) {
        let mut before = std::mem::take(&mut self.list);
        for line in listed {
            if self.list.len() == MAX_CALLS || self.list.iter().any(|c| c.index == line.index) {
                continue;
            }
            let known = before.iter().position(|call| line.continues(call));
            let known = known.map(|place| before.swap_remove(place));
            let call = self.joined(line, known);
            self.list.push(call);
        }
        if !self.list.iter().any(|call| call.state.is_offered()) {
            self.caller = None;
        }
        self.intent = None;
    }

    fn joined(&mut self, line: Listed, known: Option<Call>) -> Call {
        let mut call = Call {
            id: known
                .as_ref()
                .map_or_else(|| self.next_id(), |call| call.id),
            index: line.index,
            direction: line.direction,
            state: line.state,
            number: line.number,
            name: line.name,
            multiparty: line.multiparty,
        };
        let new = known.is_none();
        if let Some(known) = known {
            complete(&mut call, known.number, known.name);
        }
        if call.state.is_offered() {
            if let Some(caller) = self.caller.take() {
                complete(&mut call, caller.number, caller.name);
            }
        } else if new && call.direction == Direction::Outgoing {
            complete(&mut call, self.dialed.take().unwrap_or_default(), None);
        }
        call
    }

    fn next_id(&mut self) -> CallId {
        self.ids = self.ids.wrapping_add(1);
        CallId(self.ids)
    }

    /// Takes note of who calls: the call that is offered, or the next one that will be.
    pub(super) fn identify(&mut self, caller: Caller) {
        let offered = self.list.iter_mut().find(|call| call.state.is_offered());
        match offered {
            Some(call) => complete(call, caller.number, caller.name),
            None => self.caller = Some(caller),
        }
    }

    /// Adds a call that only the indicators tell of, with the first index that is free.
    pub(super) fn add(&mut self, direction: Direction, state: CallState) {
        if self.list.len() == MAX_CALLS {
            return;
        }
        let mut call = Call {
            id: self.next_id(),
            index: self.free_index(),
            direction,
            state,
            number: String::new(),
            name: None,
            multiparty: false,
        };
        if state.is_offered() {
            if let Some(caller) = self.caller.take() {
                complete(&mut call, caller.number, caller.name);
            }
        } else if direction == Direction::Outgoing {
            call.number = self.dialed.take().unwrap_or_default();
        }
        self.list.push(call);
    }

    /// Puts a call back that seemed to have ended. Its index may be another one's meanwhile.
    pub(super) fn put_back(&mut self, mut call: Call) {
        if self.list.iter().any(|other| other.index == call.index) {
            call.index = self.free_index();
        }
        if self.list.len() < MAX_CALLS {
            self.list.push(call);
        }
    }

    /// Returns the first index that no call has; one is always free, for calls are few.
    fn free_index(&self) -> u8 {
        let free = (1..=u8::MAX).find(|index| self.list.iter().all(|c| c.index != *index));
        free.unwrap_or(u8::MAX)
    }

    /// The phone calls nobody and nobody calls it.
    pub(super) fn forget_caller(&mut self) {
        self.caller = None;
    }

    /// Says whether a call is in one of these states.
    pub(super) fn any(&self, states: &[CallState]) -> bool {
        self.list.iter().any(|call| states.contains(&call.state))
    }

    /// Returns the first call in this state.
    pub(super) fn first(&mut self, state: CallState) -> Option<&mut Call> {
        self.list.iter_mut().find(|call| call.state == state)
    }

    /// Returns the call with this name.
    pub(super) fn get(&self, id: CallId) -> Option<&Call> {
        self.list.iter().find(|call| call.id == id)
    }
}

/// Fills in what was not told this time. A name belongs to a number, and goes with it.
fn complete(call: &mut Call, number: String, name: Option<String>) {
    if call.number.is_empty() {
        call.number = number;
    } else if !number.is_empty() && !text::same_number(&call.number, &number) {
        return;
    }
    if call.name.is_none() {
        call.name = name;
    }
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
