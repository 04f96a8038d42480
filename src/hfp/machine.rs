//! The machine itself: what goes in, what comes out, and when.
//!
//! Invariant: no input, output or clock of its own. What comes out depends on the bytes, not on how
//! they were cut into pieces; every command that was taken is answered once; nothing grows with
//! what the phone sends: lines, calls and waiting commands all have their limits.

use std::collections::VecDeque;
use std::time::Duration;

use super::at::Lines;
use super::call::Call;
use super::calls::{Calls, Listed};
use super::codec::{Codec, Codecs};
use super::command::{BatteryLevel, CommandId, Failure, Gain};
use super::event::{CallHold, Event, Fault, Output, PhoneStatus};
use super::features::{AgFeatures, HfFeatures};
use super::indicators::{Indicator, Indicators};
use super::queue::{Effect, Order, Purpose, Queue};
use super::slc::Step;

/// What is ours to say on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The codecs that this adapter can carry.
    pub codecs: Codecs,
    /// We cancel echo, so that the phone need not.
    pub echo_cancelling: bool,
    /// How loud we play, to begin with, unless the phone says first. With nothing here the caller
    /// has the first word, whatever the phone says: [`Command::SetSpeaker`](super::Command).
    pub speaker: Option<Gain>,
    /// How loud we record, to begin with.
    pub microphone: Gain,
    /// How full our battery is, to begin with.
    pub battery: BatteryLevel,
}

impl Config {
    /// Returns what we claim in `AT+BRSF`.
    pub fn features(&self) -> HfFeatures {
        HfFeatures::of(self.echo_cancelling)
    }

    /// Returns the SupportedFeatures of our SDP record (HFP 1.9, 6.3): the same claims.
    pub fn sdp_features(&self) -> u16 {
        self.features().sdp(self.codecs)
    }
}

/// The hands-free side of one link to one phone.
#[derive(Debug)]
pub struct Machine {
    pub(super) config: Config,
    pub(super) features: HfFeatures,
    /// The codecs that are offered; fewer once one failed.
    pub(super) codecs: Codecs,
    /// What the AG chose last.
    pub(super) chosen: Option<Codec>,
    pub(super) phase: Phase,
    pub(super) ag: AgFeatures,
    pub(super) negotiates_codec: bool,
    pub(super) call_hold: CallHold,
    pub(super) in_band_ring: bool,
    pub(super) recognizes_voice: bool,
    pub(super) indicators: Indicators,
    pub(super) operator: Option<String>,
    /// What was last said of the phone.
    pub(super) told_status: PhoneStatus,
    pub(super) calls: Calls,
    told_calls: Vec<Call>,
    pub(super) listing: Vec<Listed>,
    pub(super) review: Review,
    /// The gains that the AG knows.
    pub(super) speaker: Option<Gain>,
    pub(super) microphone: Option<Gain>,
    pub(super) battery: BatteryLevel,
    /// The AG wants to know of our battery.
    pub(super) wants_battery: bool,
    pub(super) queue: Queue,
    lines: Lines,
    outputs: VecDeque<Output>,
}

/// How far the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not begun.
    New,
    /// On the way to the service level connection.
    Connecting,
    /// It is up.
    Ready,
    /// No more use.
    Ended,
}

/// When the phone's list of calls is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Review {
    /// Now.
    pub(super) wanted: bool,
    /// Then.
    pub(super) due: Option<Duration>,
    /// How often in a row it did not fit the indicators.
    pub(super) doubts: u8,
    /// The phone refused it although there are calls: until they are over, indicators have to do.
    pub(super) refused: bool,
}

impl Machine {
    /// Makes a machine for a link that is about to be used.
    pub fn new(config: Config) -> Self {
        Self {
            features: config.features(),
            codecs: config.codecs,
            chosen: None,
            phase: Phase::New,
            ag: AgFeatures::default(),
            negotiates_codec: false,
            call_hold: CallHold::default(),
            in_band_ring: false,
            recognizes_voice: false,
            indicators: Indicators::default(),
            operator: None,
            told_status: PhoneStatus::default(),
            calls: Calls::default(),
            told_calls: Vec::new(),
            listing: Vec::new(),
            review: Review::default(),
            speaker: None,
            microphone: None,
            battery: config.battery,
            wants_battery: false,
            queue: Queue::default(),
            lines: Lines::default(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// The RFCOMM link is up, whoever opened it: the HF speaks first. All times are monotonic.
    pub fn start(&mut self, now: Duration) {
        if self.phase == Phase::New {
            self.phase = Phase::Connecting;
            self.take_step(Step::Features);
            self.settle(now);
        }
    }

    /// Takes bytes from the phone, cut anywhere.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) {
        for byte in bytes {
            if !matches!(self.phase, Phase::Connecting | Phase::Ready) {
                return;
            }
            if let Some(line) = self.lines.take(*byte) {
                self.heard(now, &line);
                self.settle(now);
            }
        }
    }

    /// Does what is due at `now`; to be called when [`deadline`](Self::deadline) is over.
    pub fn tick(&mut self, now: Duration) {
        if !matches!(self.phase, Phase::Connecting | Phase::Ready) {
            return;
        }
        if self.queue.deadline().is_some_and(|until| now >= until) {
            self.unanswered();
        }
        if self.review.due.is_some_and(|due| now >= due) {
            self.review.due = None;
            self.review.wanted = true;
        }
        self.settle(now);
    }

    /// Returns when [`tick`](Self::tick) has something to do; ask again after each other call.
    pub fn deadline(&self) -> Option<Duration> {
        let both = [self.queue.deadline(), self.review.due];
        both.into_iter().flatten().min()
    }

    /// Returns the next thing to send or to know; nothing when there is no more for now.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The RFCOMM link is gone: commands fail, calls are ours no more.
    pub fn close(&mut self) {
        self.end(None);
    }

    /// Returns the phone's calls.
    pub fn calls(&self) -> &[Call] {
        &self.calls.list
    }

    /// Returns the codecs that are offered to the phone.
    pub fn codecs(&self) -> Codecs {
        self.codecs
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn answer(&mut self, id: Option<CommandId>, result: Result<(), Failure>) {
        if let Some(id) = id {
            self.emit(Event::CommandEnded { id, result });
        }
    }

    /// Tells what changed, and sends the next command if it may be sent.
    pub(super) fn settle(&mut self, now: Duration) {
        if self.phase == Phase::Ready {
            if self.review.wanted && !self.queue.holds(|purpose| *purpose == Purpose::Calls) {
                self.queue.push(Order::new("AT+CLCC", Purpose::Calls));
            }
            self.tell_changes();
        }
        let Some(order) = self.queue.send(now) else {
            return;
        };
        let mut bytes = order.text.clone().into_bytes();
        bytes.push(b'\r');
        match &order.purpose {
            // What happens from now on may be missing in the answer.
            Purpose::Calls => {
                self.listing.clear();
                self.review.wanted = false;
                self.review.due = None;
            }
            Purpose::Work { effect, .. } => match effect {
                Effect::Calls(intent) => self.calls.intent = *intent,
                Effect::Dial(number) => self.calls.dialed.clone_from(number),
                _ => {}
            },
            _ => {}
        }
        self.outputs.push_back(Output::Send(bytes));
    }

    fn tell_changes(&mut self) {
        if self.told_calls != self.calls.list {
            self.told_calls.clone_from(&self.calls.list);
            self.emit(Event::CallsChanged(self.told_calls.clone()));
        }
        let status = self.status();
        if self.told_status != status {
            self.told_status = status.clone();
            self.emit(Event::StatusChanged(status));
        }
    }

    /// Returns what the phone says of itself.
    pub(super) fn status(&self) -> PhoneStatus {
        let get = |indicator| self.indicators.get(indicator);
        PhoneStatus {
            service: get(Indicator::Service).map(|value| value == 1),
            signal: get(Indicator::Signal),
            roaming: get(Indicator::Roaming).map(|value| value == 1),
            battery: get(Indicator::Battery),
            operator: self.operator.clone(),
        }
    }

    /// The link is of no more use; with a fault, that is news to the caller.
    pub(super) fn end(&mut self, fault: Option<Fault>) {
        if self.phase == Phase::Ended {
            return;
        }
        self.phase = Phase::Ended;
        self.review = Review::default();
        let unanswered = self.queue.finish().into_iter();
        let orders: Vec<Order> = unanswered.chain(self.queue.withdraw(|_| true)).collect();
        for order in orders {
            if let Purpose::Work { id, .. } = order.purpose {
                self.answer(id, Err(Failure::LinkLost));
            }
        }
        self.calls = Calls::default();
        self.tell_calls_gone();
        if let Some(fault) = fault {
            self.emit(Event::Broken(fault));
        }
    }

    fn tell_calls_gone(&mut self) {
        if !self.told_calls.is_empty() {
            self.told_calls.clear();
            self.emit(Event::CallsChanged(Vec::new()));
        }
    }

    /// Panics if something grew or went astray.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        use super::calls::MAX_CALLS;
        assert!(self.lines.kept() <= super::at::MAX_LINE);
        assert!(self.calls.list.len() <= MAX_CALLS && self.listing.len() <= MAX_CALLS);
        assert!(self.queue.waiting() <= super::plan::MOST_WAITING + 16);
        for (place, call) in self.calls.list.iter().enumerate() {
            let others = &self.calls.list[place + 1..];
            assert!(others.iter().all(|other| other.id != call.id));
            assert!(others.iter().all(|other| other.index != call.index));
            let shown = call
                .number
                .chars()
                .chain(call.name.iter().flat_map(|n| n.chars()));
            assert!(shown.into_iter().all(|c| !c.is_control()));
        }
    }
}
