//! The policy's timers, carried by tokio.
//!
//! Invariant: each timer runs at most once at a time; arming it again replaces the earlier one.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::policy::Event;
use crate::policy::event::Timer;

/// The timers that are running.
pub(super) struct Timers {
    events: mpsc::Sender<Event>,
    running: BTreeMap<Timer, AbortHandle>,
}

impl Timers {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            events,
            running: BTreeMap::new(),
        }
    }

    pub(super) fn arm(&mut self, timer: Timer, after: Duration) {
        let events = self.events.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            // Fails only when the daemon is ending, and then nobody waits for the timer.
            events.send(Event::TimerFired { timer }).await.ok();
        });
        if let Some(earlier) = self.running.insert(timer, task.abort_handle()) {
            earlier.abort();
        }
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        if let Some(running) = self.running.remove(&timer) {
            running.abort();
        }
    }
}
