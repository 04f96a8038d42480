//! Who wants to hear the room.
//!
//! Invariant: whoever listens, or is about to, has a capture stream exactly while there is a
//! microphone, and has it on that microphone and without the echo of its voice; only after PipeWire
//! refused one it takes a while until the next. A stream rests until somebody listens. At any time a
//! listener has one sink at most. The wish to listen outlives the server, the streams do not. Without
//! a canceller there is echo rather than silence.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pipewire::core::CoreRc;

use crate::pcm::Sink;
use crate::policy::model::Address;

use super::Sinks;
use super::canceller::Canceller;
use super::echo::echo_free;
use super::graph::Endpoint;
use super::microphone::Capture;
use super::notice::Inbox;
use super::voice::Voice;

/// How long PipeWire is left alone when it refused a stream.
const RETRY: Duration = Duration::from_secs(5);

/// The listeners, by the phone that they listen for.
#[derive(Default)]
pub(super) struct Listening {
    listeners: BTreeMap<Address, Listener>,
    /// How many captures there were.
    made: u64,
    /// Why the last canceller that was wanted was not to be had.
    echo_problem: Option<String>,
}

struct Listener {
    name: String,
    rate: u32,
    /// None before it listens.
    sinks: Option<Sinks>,
    capture: Option<(Hearing, Capture)>,
    refusal: Option<Refusal>,
}

/// What a capture is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hearing {
    /// Which microphone it is on.
    microphone: u64,
    /// Which voice is not to be heard in it, by the number that voice was made with.
    without: Option<u64>,
}

/// The last time that PipeWire refused a stream.
#[derive(Clone, Copy)]
struct Refusal {
    /// Which microphone it was on.
    microphone: u64,
    /// When to try again.
    until: Instant,
}

/// What is to be done about a listener's stream.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is about what it should be about, or rightly not there.
    Keep,
    /// It is about something else, of which there can be none.
    Drop,
    /// A new one is wanted, in place of the one there is.
    Make,
}

/// Compares what a listener's stream `is` about with what it should be about.
fn step(
    is: Option<Hearing>,
    should: Option<Hearing>,
    refusal: Option<Refusal>,
    now: Instant,
) -> Step {
    let waits = |hearing: Hearing| {
        refusal.is_some_and(|last| last.microphone == hearing.microphone && now < last.until)
    };
    match should {
        _ if is == should => Step::Keep,
        Some(hearing) if !waits(hearing) => Step::Make,
        _ => Step::Drop,
    }
}

impl Listening {
    /// Takes in somebody who is about to listen, in place of the listener there was for this phone.
    pub(super) fn prepare(&mut self, phone: Address, name: String, rate: u32) {
        self.listeners.insert(phone, Listener::new(name, rate));
    }

    /// Takes a listener in, in place of the one there was for this phone; it takes over what was
    /// prepared for it.
    pub(super) fn begin(&mut self, phone: Address, name: String, rate: u32, sinks: Sinks) {
        let before = self.listeners.remove(&phone);
        let prepared = before.filter(|it| {
            let rests = it.sinks.is_none() && it.capture.is_some();
            rests && (&it.name, it.rate) == (&name, rate)
        });
        let mut listener = prepared.unwrap_or_else(|| Listener::new(name, rate));
        listener.sinks = Some(sinks);
        // Nobody was told of it while nobody listened.
        listener.refusal = None;
        self.listeners.insert(phone, listener);
    }

    /// Lets a listener go.
    pub(super) fn end(&mut self, phone: Address) {
        self.listeners.remove(&phone);
    }

    /// Has every listener on the microphone that there is, without the voice of its phone that there
    /// is to be taken out.
    pub(super) fn attend<'a>(
        &mut self,
        core: &CoreRc,
        microphone: Option<&Endpoint>,
        voice: impl Fn(Address) -> Option<&'a Voice>,
        inbox: &Rc<RefCell<Inbox>>,
        now: Instant,
    ) {
        for (phone, listener) in &mut self.listeners {
            if microphone.is_none() {
                listener.refusal = None;
            }
            // What has another rate is about to be replaced, too.
            let voice = voice(*phone).filter(|it| it.reference(listener.rate).is_some());
            let should = microphone.map(|it| Hearing {
                microphone: it.serial,
                without: voice.map(Voice::serial),
            });
            let is = listener.capture.as_ref().map(|(hearing, _)| *hearing);
            match (step(is, should, listener.refusal, now), microphone, should) {
                (Step::Keep, ..) => {}
                (Step::Make, Some(microphone), Some(hearing)) => {
                    self.made += 1;
                    let named = (*phone, self.made);
                    // With its sink, before the next one is made.
                    listener.capture = None;
                    listener.prepare(core, named, (microphone, hearing), inbox, now);
                }
                (Step::Drop | Step::Make, ..) => listener.capture = None,
            }
            listener.hear(*phone, voice, &mut self.echo_problem, now);
        }
    }

    /// Returns why callers hear the echo of themselves; nothing when they do not, or may.
    pub(super) fn echo_problem(&self) -> Option<&str> {
        self.echo_problem.as_deref()
    }

    /// Forgets why: it is no longer wanted, or wanted again.
    pub(super) fn forget_echo_problem(&mut self) {
        self.echo_problem = None;
    }

    /// PipeWire refused a stream: the one with this number, unless there is a later one by now.
    pub(super) fn failed(&mut self, phone: Address, serial: u64, error: &str, now: Instant) {
        let Some(listener) = self.listeners.get_mut(&phone) else {
            return;
        };
        if let Some((hearing, _)) = listener.capture.take_if(|(_, it)| it.serial() == serial) {
            listener.refuse(phone, hearing.microphone, error, now);
        }
    }

    /// Returns when to attend to the listeners again although nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        let deaf = self.listeners.values().filter(|it| it.capture.is_none());
        deaf.filter_map(|it| it.refusal).map(|it| it.until).min()
    }

    /// The server is gone, and with it all streams.
    pub(super) fn lose(&mut self) {
        for listener in self.listeners.values_mut() {
            listener.capture = None;
            listener.refusal = None;
        }
    }
}

impl Listener {
    fn new(name: String, rate: u32) -> Self {
        Self {
            name,
            rate,
            sinks: None,
            capture: None,
            refusal: None,
        }
    }

    /// Has the stream that rests listen, if that is wanted.
    fn hear(
        &mut self,
        phone: Address,
        voice: Option<&Voice>,
        problem: &mut Option<String>,
        now: Instant,
    ) {
        let Some(sinks) = &self.sinks else {
            return;
        };
        let rests = self.capture.take_if(|(_, it)| !it.is_awake());
        let Some((hearing, mut capture)) = rests else {
            return;
        };
        let sink = sinks();
        let sink = self.without_echo(sink, voice, problem);
        match capture.wake(sink) {
            Ok(()) => self.capture = Some((hearing, capture)),
            Err(error) => self.refuse(phone, hearing.microphone, &error.to_string(), now),
        }
    }

    /// Makes a sink that what the microphone hears of `voice` does not come through to.
    fn without_echo(
        &self,
        sink: Box<dyn Sink + Send>,
        voice: Option<&Voice>,
        problem: &mut Option<String>,
    ) -> Box<dyn Sink + Send> {
        let Some(reference) = voice.and_then(|it| it.reference(self.rate)) else {
            return sink;
        };
        match Canceller::new(self.rate) {
            Ok(canceller) => {
                *problem = None;
                echo_free(sink, reference, canceller, self.rate)
            }
            Err(error) => {
                let error = error.to_string();
                if problem.as_ref() != Some(&error) {
                    tracing::warn!("callers hear the echo of themselves: {error}");
                    *problem = Some(error);
                }
                sink
            }
        }
    }

    /// Makes a stream that rests.
    fn prepare(
        &mut self,
        core: &CoreRc,
        (phone, serial): (Address, u64),
        (microphone, hearing): (&Endpoint, Hearing),
        inbox: &Rc<RefCell<Inbox>>,
        now: Instant,
    ) {
        let (core, named) = (core.clone(), (phone, serial));
        let stream = (self.name.as_str(), self.rate);
        match Capture::new(core, named, stream, microphone, inbox) {
            Ok(capture) => self.capture = Some((hearing, capture)),
            Err(error) => self.refuse(phone, hearing.microphone, &error.to_string(), now),
        }
    }

    fn refuse(&mut self, phone: Address, microphone: u64, error: &str, now: Instant) {
        let told = self.refusal.is_some_and(|it| it.microphone == microphone);
        // Nobody listens yet, or it was told: it is tried again.
        if told || self.sinks.is_none() {
            tracing::debug!(%phone, error, "PipeWire still does not let a call hear the room");
        } else {
            tracing::warn!(
                %phone,
                "PipeWire does not let a call hear the room: {error}; see `journalctl -u dotd-pipewire`"
            );
        }
        self.refusal = Some(Refusal {
            microphone,
            until: now + RETRY,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hearing(microphone: u64, without: Option<u64>) -> Option<Hearing> {
        Some(Hearing {
            microphone,
            without,
        })
    }

    #[test]
    fn a_stream_is_about_what_it_should_be_about_or_not_there_at_all() {
        let now = Instant::now();
        for (is, should, expected) in [
            (None, None, Step::Keep),
            (None, hearing(1, None), Step::Make),
            (hearing(1, Some(4)), hearing(1, Some(4)), Step::Keep),
            (hearing(1, Some(4)), hearing(2, Some(4)), Step::Make),
            (hearing(1, Some(4)), hearing(1, Some(5)), Step::Make),
            (hearing(1, Some(4)), hearing(1, None), Step::Make),
            (hearing(1, None), hearing(1, Some(4)), Step::Make),
            (hearing(1, Some(4)), None, Step::Drop),
        ] {
            assert_eq!(step(is, should, None, now), expected);
        }
    }

    #[test]
    fn after_a_refusal_the_same_microphone_is_left_alone_for_a_while() {
        let now = Instant::now();
        let refusal = Some(Refusal {
            microphone: 2,
            until: now + RETRY,
        });
        for (is, should, later, expected) in [
            (None, hearing(2, None), Duration::ZERO, Step::Drop),
            (None, hearing(2, Some(1)), Duration::ZERO, Step::Drop),
            (
                hearing(1, None),
                hearing(2, None),
                Duration::ZERO,
                Step::Drop,
            ),
            (None, hearing(3, None), Duration::ZERO, Step::Make),
            (None, hearing(2, None), RETRY, Step::Make),
            (
                hearing(2, None),
                hearing(2, None),
                Duration::ZERO,
                Step::Keep,
            ),
        ] {
            assert_eq!(step(is, should, refusal, now + later), expected);
        }
    }
}
