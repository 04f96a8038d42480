//! Who wants to hear the room.
//!
//! Invariant: whoever listens has a capture stream exactly while there is a microphone, and has it
//! on that microphone; only after PipeWire refused one it takes a while until the next. At any time
//! a listener has one sink at most. The wish to listen outlives the server, the streams do not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pipewire::core::CoreRc;

use crate::policy::model::Address;

use super::Sinks;
use super::graph::Endpoint;
use super::microphone::Capture;
use super::session::Inbox;

/// How long PipeWire is left alone when it refused a stream.
const RETRY: Duration = Duration::from_secs(5);

/// The listeners, by the phone that they listen for.
#[derive(Default)]
pub(super) struct Listening {
    listeners: BTreeMap<Address, Listener>,
    /// How many captures there were.
    made: u64,
}

struct Listener {
    name: String,
    rate: u32,
    sinks: Sinks,
    capture: Option<Capture>,
    refusal: Option<Refusal>,
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
    /// It is as it should be, there or not.
    Keep,
    /// It is on something that is no longer the microphone.
    Drop,
    /// A new one is wanted, in place of the one there is.
    Make,
}

/// Compares the microphone that a listener's stream is `on` with the one there is.
fn step(on: Option<u64>, microphone: Option<u64>, refusal: Option<Refusal>, now: Instant) -> Step {
    let waits =
        |serial: u64| refusal.is_some_and(|last| last.microphone == serial && now < last.until);
    match microphone {
        _ if on == microphone => Step::Keep,
        Some(serial) if !waits(serial) => Step::Make,
        _ => Step::Drop,
    }
}

impl Listening {
    /// Takes a listener in, in place of the one there was for this phone.
    pub(super) fn begin(&mut self, phone: Address, name: String, rate: u32, sinks: Sinks) {
        let listener = Listener {
            name,
            rate,
            sinks,
            capture: None,
            refusal: None,
        };
        self.listeners.insert(phone, listener);
    }

    /// Lets a listener go.
    pub(super) fn end(&mut self, phone: Address) {
        self.listeners.remove(&phone);
    }

    /// Has every listener on the microphone that there is.
    pub(super) fn attend(
        &mut self,
        core: &CoreRc,
        microphone: Option<&Endpoint>,
        inbox: &Rc<RefCell<Inbox>>,
        now: Instant,
    ) {
        let serial = microphone.map(|it| it.serial);
        for (phone, listener) in &mut self.listeners {
            if serial.is_none() {
                listener.refusal = None;
            }
            let on = listener.capture.as_ref().map(Capture::microphone);
            match (step(on, serial, listener.refusal, now), microphone) {
                (Step::Keep, _) => {}
                (Step::Make, Some(microphone)) => {
                    self.made += 1;
                    listener.hear(core, (*phone, self.made), microphone, inbox, now);
                }
                (Step::Drop | Step::Make, _) => listener.capture = None,
            }
        }
    }

    /// PipeWire refused a stream: the one with this number, unless there is a later one by now.
    pub(super) fn failed(&mut self, phone: Address, serial: u64, error: &str, now: Instant) {
        let Some(listener) = self.listeners.get_mut(&phone) else {
            return;
        };
        if let Some(capture) = listener.capture.take_if(|it| it.serial() == serial) {
            listener.refuse(phone, capture.microphone(), error, now);
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
    fn hear(
        &mut self,
        core: &CoreRc,
        (phone, serial): (Address, u64),
        microphone: &Endpoint,
        inbox: &Rc<RefCell<Inbox>>,
        now: Instant,
    ) {
        // With its sink, before the next one is made.
        self.capture = None;
        let sink = (self.sinks)();
        let (core, named) = (core.clone(), (phone, serial));
        let stream = (self.name.as_str(), self.rate);
        match Capture::new(core, named, stream, microphone, sink, inbox) {
            Ok(capture) => self.capture = Some(capture),
            Err(error) => self.refuse(phone, microphone.serial, &error.to_string(), now),
        }
    }

    fn refuse(&mut self, phone: Address, microphone: u64, error: &str, now: Instant) {
        let told = self.refusal.is_some_and(|it| it.microphone == microphone);
        if told {
            tracing::debug!(%phone, error, "PipeWire still does not let a call hear the room");
        } else {
            tracing::warn!(
                %phone,
                error,
                "PipeWire does not let a call hear the room; see `journalctl -u dotd-pipewire`"
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

    #[test]
    fn a_stream_is_on_the_microphone_there_is_or_not_at_all() {
        let now = Instant::now();
        for (on, microphone, expected) in [
            (None, None, Step::Keep),
            (None, Some(1), Step::Make),
            (Some(1), Some(1), Step::Keep),
            (Some(1), Some(2), Step::Make),
            (Some(1), None, Step::Drop),
        ] {
            assert_eq!(step(on, microphone, None, now), expected);
        }
    }

    #[test]
    fn after_a_refusal_the_same_microphone_is_left_alone_for_a_while() {
        let now = Instant::now();
        let refusal = Some(Refusal {
            microphone: 2,
            until: now + RETRY,
        });
        for (on, microphone, later, expected) in [
            (None, Some(2), Duration::ZERO, Step::Drop),
            (Some(1), Some(2), Duration::ZERO, Step::Drop),
            (None, Some(3), Duration::ZERO, Step::Make),
            (None, Some(2), RETRY, Step::Make),
            (Some(2), Some(2), Duration::ZERO, Step::Keep),
        ] {
            assert_eq!(step(on, microphone, refusal, now + later), expected);
        }
    }
}
