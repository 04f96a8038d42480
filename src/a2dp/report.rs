//! What a stream tells the daemon about itself.
//!
//! Invariant: never blocks. An event that finds the queue full is offered again with the next
//! packet, and only the latest delay is worth telling.

use std::time::Duration;

use tokio::sync::mpsc::Sender;

use crate::pcm::{MILLISECOND, Nanos};
use crate::policy::Event;
use crate::policy::model::TransportId;

/// A delay that differs by less is not worth a phone's attention.
const NOTICEABLE: Nanos = 10 * MILLISECOND;
/// Nor is one so soon after the last.
const PAUSE: Nanos = 300 * MILLISECOND;

/// Reports on one stream.
pub(super) struct Reporter {
    transport: TransportId,
    events: Sender<Event>,
    started: bool,
    told: Option<Told>,
}

#[derive(Clone, Copy)]
struct Told {
    at: Nanos,
    delay: Nanos,
}

impl Reporter {
    pub(super) fn new(transport: TransportId, events: Sender<Event>) -> Self {
        Self {
            transport,
            events,
            started: false,
            told: None,
        }
    }

    /// Sound comes out, so late after its arrival.
    pub(super) fn playing(&mut self, now: Nanos, delay: Nanos) {
        if !self.started {
            self.started = self.offer(Event::StreamStarted {
                transport: self.transport.clone(),
            });
        }
        let due = self
            .told
            .is_none_or(|told| now - told.at >= PAUSE && (delay - told.delay).abs() > NOTICEABLE);
        if due {
            let event = Event::StreamDelayChanged {
                transport: self.transport.clone(),
                delay: Duration::from_nanos(u64::try_from(delay).unwrap_or(0)),
            };
            if self.offer(event) {
                self.told = Some(Told { at: now, delay });
            }
        }
    }

    /// The stream ended by itself. Says whether that could be told.
    pub(super) fn ended(&self, error: Option<&str>) -> bool {
        self.offer(Event::StreamEnded {
            transport: self.transport.clone(),
            error: error.map(str::to_owned),
        })
    }

    fn offer(&self, event: Event) -> bool {
        use tokio::sync::mpsc::error::TrySendError;
        match self.events.try_send(event) {
            // With nobody left to tell there is nothing left to do.
            Ok(()) | Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn reporter(room: usize) -> (Reporter, mpsc::Receiver<Event>) {
        let (events, queue) = mpsc::channel(room);
        (Reporter::new(TransportId("t".into()), events), queue)
    }

    fn delays(queue: &mut mpsc::Receiver<Event>) -> Vec<u128> {
        let mut delays = Vec::new();
        while let Ok(event) = queue.try_recv() {
            if let Event::StreamDelayChanged { delay, .. } = event {
                delays.push(delay.as_millis());
            }
        }
        delays
    }

    #[test]
    fn the_start_is_told_once_and_only_large_changes_of_delay() {
        let (mut reporter, mut queue) = reporter(16);
        for (at, delay) in [
            (0, 50),
            (10, 80),
            (300, 55),
            (310, 61),
            (320, 90),
            (700, 40),
        ] {
            reporter.playing(at * MILLISECOND, delay * MILLISECOND);
        }
        assert!(matches!(queue.try_recv(), Ok(Event::StreamStarted { .. })));
        assert_eq!(delays(&mut queue), [50, 61, 40]);
    }

    #[test]
    fn what_did_not_fit_is_told_later() {
        let (mut reporter, mut queue) = reporter(1);
        reporter.playing(0, 50 * MILLISECOND);
        assert!(matches!(queue.try_recv(), Ok(Event::StreamStarted { .. })));
        reporter.playing(1, 60 * MILLISECOND);
        assert!(!reporter.ended(None));
        assert_eq!(delays(&mut queue), [60]);
        assert!(reporter.ended(Some("gone")));
        let Ok(Event::StreamEnded { error, .. }) = queue.try_recv() else {
            panic!("the end was not told");
        };
        assert_eq!(error.as_deref(), Some("gone"));
    }
}
