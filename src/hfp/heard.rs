//! What each line from the AG means.
//!
//! Invariant: a result code ends the command in flight and no other; all else may come at any time,
//! also between a command and its result code, and before the service level connection is up.

use std::time::Duration;

use super::at::{self, Code, Line, Value, at, unwrapped};
use super::call::CallState;
use super::calls::{Caller, Listed, MAX_CALLS};
use super::command::{CommandId, Failure, Gain};
use super::event::{CallHold, Event, Fault};
use super::features::AgFeatures;
use super::indicators::Indicator;
use super::machine::{Machine, Phase};
use super::queue::{Effect, Order, Purpose};
use super::slc::Step;
use super::text;

/// How soon a list of calls that does not fit the indicators is read again: some phones tell of a
/// call before they list it.
const DOUBT: Duration = Duration::from_millis(500);
/// How often it is, before it is believed.
const MOST_DOUBTS: u8 = 3;
/// How often the list is read during a conference, for nothing tells who leaves it.
const CONFERENCE: Duration = Duration::from_secs(2);

impl Machine {
    /// Takes a line.
    pub(super) fn heard(&mut self, now: Duration, line: &[u8]) {
        match at::parse(line) {
            Line::Ok => self.answered(now, Ok(())),
            Line::Error(reason) => self.answered(now, Err(Failure::Refused(reason))),
            Line::NoCall => {
                // Otherwise it tells that a call ended, as the indicators do.
                if self
                    .queue
                    .in_flight()
                    .is_some_and(|order| order.makes_call())
                {
                    self.answered(now, Err(Failure::Refused(None)));
                }
            }
            Line::Ring => self.rang(),
            Line::Told(code, values) => self.told(code, &values),
            Line::Unknown => {}
        }
    }

    fn rang(&mut self) {
        if self.phase != Phase::Ready {
            return;
        }
        let in_band = self.in_band_ring;
        self.emit(Event::Rang { in_band });
        if self.indicators.call_signs().setup == 1 {
            self.expect_call(CallState::Incoming);
        } else {
            // The change came before the AG was to tell of changes, or is still to come.
            self.probe(false);
        }
    }

    /// Reads the indicators anew, and then the calls; `late` if the command before may still be
    /// answered.
    fn probe(&mut self, late: bool) {
        let another = |purpose: &Purpose| matches!(purpose, Purpose::Probe { .. });
        if late {
            self.queue.withdraw(another);
        }
        if !self.queue.holds(another) {
            let probe = Purpose::Probe { told: false, late };
            self.queue.push(Order::new("AT+CIND?", probe));
        }
    }

    /// Reads the list of calls, unless it is being read, or has a call in this state already.
    fn expect_call(&mut self, state: CallState) {
        let reading = self.queue.holds(|purpose| *purpose == Purpose::Calls);
        if self.lists_calls() && !reading && !self.calls.any(&[state]) {
            self.review.wanted = true;
        }
    }

    fn told(&mut self, code: Code, values: &[Value]) {
        let first = at(values, 0).number();
        match code {
            Code::Bcs => self.codec_proposed(first),
            Code::Bind => self.bind_told(values),
            Code::Brsf => self.features_told(first),
            Code::Bsir => self.in_band_told(first),
            Code::Bvra => self.voice_told(first),
            Code::Ccwa => {
                self.calls.identify(Caller::read(values, 3));
                self.expect_call(CallState::Waiting);
            }
            Code::Chld => self.call_hold = call_hold(unwrapped(values)),
            Code::Ciev => self.indicator_told(values),
            Code::Cind => self.indicators_told(values),
            Code::Clcc => self.call_told(values),
            Code::Clip => self.calls.identify(Caller::read(values, 4)),
            Code::Cops => self.operator_told(at(values, 2)),
            Code::Vgm => {
                if let Some(gain) = gain(first) {
                    self.microphone = Some(gain);
                    self.emit_ready(Event::MicrophoneChanged(gain));
                }
            }
            Code::Vgs => {
                if let Some(gain) = gain(first) {
                    self.speaker = Some(gain);
                    self.emit_ready(Event::SpeakerChanged(gain));
                }
            }
        }
    }

    /// Tells what would be news of a phone that is not there yet once it is.
    fn emit_ready(&mut self, event: Event) {
        if self.phase == Phase::Ready {
            self.emit(event);
        }
    }

    fn features_told(&mut self, bits: Option<u32>) {
        if self.is_at(&Purpose::Slc(Step::Features)) {
            self.ag = AgFeatures::new(bits.unwrap_or(0));
            self.in_band_ring = self.ag.has(AgFeatures::IN_BAND_RING);
        }
    }

    /// Says whether the command in flight is this one.
    fn is_at(&mut self, purpose: &Purpose) -> bool {
        let in_flight = self.queue.in_flight();
        in_flight.is_some_and(|order| order.purpose == *purpose)
    }

    fn in_band_told(&mut self, value: Option<u32>) {
        let on = match value {
            Some(0) => false,
            Some(1) => true,
            _ => return,
        };
        if self.in_band_ring != on {
            self.in_band_ring = on;
            self.emit_ready(Event::InBandRingChanged(on));
        }
    }

    fn voice_told(&mut self, value: Option<u32>) {
        match value {
            Some(0) => self.voice_changed(false),
            Some(1) => self.voice_changed(true),
            _ => {}
        }
    }

    fn voice_changed(&mut self, on: bool) {
        if self.recognizes_voice != on {
            self.recognizes_voice = on;
            self.emit_ready(Event::VoiceRecognitionChanged(on));
        }
    }

    /// `+BIND: (1,2)` lists what the AG knows, `+BIND: 2,1` says that it wants indicator 2.
    fn bind_told(&mut self, values: &[Value]) {
        const BATTERY: Option<u32> = Some(2);
        let [indicator, wanted] = values else {
            return;
        };
        if self.is_at(&Purpose::Slc(Step::TheirIndicators)) || indicator.number() != BATTERY {
            return;
        }
        let before = std::mem::replace(&mut self.wants_battery, wanted.number() == Some(1));
        if self.phase == Phase::Ready && !before {
            self.tell_battery(None);
        }
    }

    fn indicator_told(&mut self, values: &[Value]) {
        let before = self.indicators.call_signs();
        let Some(changed) = self.indicators.change(values) else {
            return;
        };
        if self.phase != Phase::Ready {
            return;
        }
        match changed {
            Indicator::Call | Indicator::CallSetup | Indicator::CallHeld => {
                if self.lists_calls() {
                    self.review.wanted = true;
                    self.review.doubts = 0;
                } else {
                    let signs = self.indicators.call_signs();
                    self.calls.derive(changed, before, signs);
                    self.review.refused &= !signs.are_idle();
                }
            }
            Indicator::Service | Indicator::Roaming => self.ask_operator(),
            Indicator::Signal | Indicator::Battery => {}
        }
    }

    fn indicators_told(&mut self, values: &[Value]) {
        let Some(order) = self.queue.in_flight() else {
            return;
        };
        match &mut order.purpose {
            Purpose::Slc(Step::IndicatorNames) => self.indicators.learn(values),
            Purpose::Slc(Step::IndicatorValues) => self.indicators.read(values),
            Purpose::Probe { told, .. } => {
                *told = true;
                self.indicators.read(values);
            }
            _ => {}
        }
    }

    fn call_told(&mut self, values: &[Value]) {
        if self.is_at(&Purpose::Calls) && self.listing.len() < MAX_CALLS {
            self.listing.extend(Listed::read(values));
        }
    }

    fn operator_told(&mut self, name: &Value) {
        if self.is_at(&Purpose::Operator) {
            let name = text::clean(name.text(), text::MAX_NAME);
            self.operator = (!name.is_empty()).then_some(name);
        }
    }

    /// Asks for the name of the network, which changes with it.
    pub(super) fn ask_operator(&mut self) {
        self.queue.withdraw(|purpose| *purpose == Purpose::Operator);
        self.queue.push(Order::new("AT+COPS?", Purpose::Operator));
    }

    /// The command in flight has its result code.
    fn answered(&mut self, now: Duration, result: Result<(), Failure>) {
        // Before the indicators were told this is the late answer to the command that had none.
        if let Some(order) = self.queue.in_flight() {
            if let Purpose::Probe { told: false, late } = &mut order.purpose {
                if std::mem::take(late) {
                    return;
                }
            }
        }
        let Some(order) = self.queue.finish() else {
            return;
        };
        match order.purpose {
            Purpose::Slc(step) => self.step_ended(step, result),
            Purpose::Calls => self.list_ended(now, result),
            Purpose::Probe { .. } => self.review_calls(),
            Purpose::Work { id, effect } => self.work_ended(id, effect, result),
            Purpose::Operator | Purpose::Codec(_) | Purpose::Codecs => {}
        }
    }

    /// No answer came in time. Before the connection is up that is the end of it. Afterwards the
    /// command fails, and the AG is asked something whose answer cannot be mistaken for a late one.
    pub(super) fn unanswered(&mut self) {
        let Some(order) = self.queue.finish() else {
            return;
        };
        match order.purpose {
            Purpose::Slc(_) | Purpose::Probe { .. } => return self.end(Some(Fault::NoAnswer)),
            _ if self.phase == Phase::Connecting => return self.end(Some(Fault::NoAnswer)),
            Purpose::Work { id, .. } => {
                self.calls.intent = None;
                self.calls.dialed = None;
                self.answer(id, Err(Failure::NoAnswer));
            }
            _ => {}
        }
        self.probe(true);
    }

    /// Says whether the phone has a list of calls, and shows it.
    fn lists_calls(&self) -> bool {
        self.ag.has(AgFeatures::CALL_LIST) && !self.review.refused
    }

    /// Finds out anew which calls there are.
    pub(super) fn review_calls(&mut self) {
        if self.lists_calls() {
            self.review.wanted = true;
        } else {
            self.calls.conform(self.indicators.call_signs());
        }
    }

    fn list_ended(&mut self, now: Duration, result: Result<(), Failure>) {
        let signs = self.indicators.call_signs();
        let listing = std::mem::take(&mut self.listing);
        if result.is_err() {
            // Some phones refuse when there is nothing to list.
            self.review.refused = !signs.are_idle();
            self.review.wanted = false;
            self.review.doubts = 0;
            self.calls.conform(signs);
            return;
        }
        if listing.is_empty() != signs.are_idle() && self.review.doubts < MOST_DOUBTS {
            self.review.doubts += 1;
            self.review.due = Some(now + DOUBT);
            return;
        }
        self.review.doubts = 0;
        self.review.refused = false;
        self.calls.take_list(listing);
        if self.calls.list.iter().any(|call| call.multiparty) {
            self.review.due = Some(now + CONFERENCE);
        }
    }

    fn work_ended(&mut self, id: Option<CommandId>, effect: Effect, result: Result<(), Failure>) {
        if result.is_ok() {
            match effect {
                Effect::Tones(rest) if !rest.is_empty() => return self.send_tones(id, &rest),
                Effect::Calls(_) | Effect::Dial(_) => self.review.wanted = self.lists_calls(),
                Effect::Voice(on) => self.voice_changed(on),
                Effect::Speaker(gain) => self.speaker = Some(gain),
                Effect::Microphone(gain) => self.microphone = Some(gain),
                Effect::Nothing | Effect::Battery | Effect::Tones(_) => {}
            }
        } else {
            match effect {
                Effect::Calls(_) => self.calls.intent = None,
                Effect::Dial(_) => self.calls.dialed = None,
                _ => {}
            }
        }
        self.answer(id, result);
    }
}

fn gain(value: Option<u32>) -> Option<Gain> {
    Gain::new(u8::try_from(value?).ok()?)
}

/// Reads the list of `+CHLD: (0,1,1x,2,2x,3)`.
fn call_hold(values: &[Value]) -> CallHold {
    let has = |wanted: &str| {
        let mut texts = values.iter().map(Value::text);
        texts.any(|text| text.eq_ignore_ascii_case(wanted))
    };
    CallHold {
        release_held: has("0"),
        release_active: has("1"),
        release_one: has("1x"),
        hold: has("2"),
        merge: has("3"),
    }
}
