//! Calls that wait for the policy's answer.
//!
//! Invariant: every request that got into the queue is answered once, if only because the daemon
//! stops; the policy never sees a channel.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::wire::Error;
use crate::policy::event::Request;
use crate::policy::model::RequestId;
use crate::policy::{Event, Rejection};

/// The policy's answer to a request.
pub(super) type Answer = (RequestId, Result<(), Rejection>);

/// Sends requests to the policy and waits.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    events: mpsc::Sender<Event>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    /// The calls; nothing once nobody is left to answer.
    calls: Option<BTreeMap<RequestId, oneshot::Sender<Result<(), Rejection>>>>,
}

/// Where the daemon puts the policy's answers. The service ends when this is dropped.
#[derive(Debug)]
pub struct Replies {
    // Holds at most one answer for each call that waits.
    answers: mpsc::UnboundedSender<Answer>,
}

impl Replies {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (answers, queue) = mpsc::unbounded_channel();
        (Self { answers }, queue)
    }

    /// Answers the call that made request `id`; a second answer goes nowhere.
    ///
    /// Snapshots and stories sent before are on the bus before the answer is, so that whoever asked
    /// can look at what came of it.
    pub fn resolve(&self, id: RequestId, result: Result<(), Rejection>) {
        if self.answers.send((id, result)).is_err() {
            tracing::debug!(id = id.0, "the service ended before this answer");
        }
    }
}

impl Requests {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        let waiting = Waiting {
            last: 0,
            calls: Some(BTreeMap::new()),
        };
        Self {
            events,
            waiting: Arc::new(Mutex::new(waiting)),
        }
    }

    /// Puts `request` to the policy and waits for its answer.
    pub(super) async fn put(&self, request: Request) -> Result<(), Error> {
        // The place in the queue comes first: a call never waits for an answer to nothing.
        let place = self.events.reserve().await.map_err(|_| stopping())?;
        let (sender, answer) = oneshot::channel();
        let id = self.expect_answer(sender).ok_or_else(stopping)?;
        place.send(Event::Requested { id, request });
        Ok(answer.await.map_err(|_| stopping())??)
    }

    /// Gives the answer to the call that waits for it.
    pub(super) fn answer(&self, (id, result): Answer) {
        let mut waiting = self.locked();
        match waiting.calls.as_mut().and_then(|calls| calls.remove(&id)) {
            // The caller may have hung up; then nobody misses the answer.
            Some(call) => drop(call.send(result)),
            None => tracing::debug!(id = id.0, "an answer that nobody waits for"),
        }
    }

    /// Tells all calls, and all that will come, that there will be no answer.
    pub(super) fn abandon(&self) {
        self.locked().calls = None;
    }

    fn expect_answer(&self, call: oneshot::Sender<Result<(), Rejection>>) -> Option<RequestId> {
        let mut waiting = self.locked();
        waiting.last += 1;
        let id = RequestId(waiting.last);
        waiting.calls.as_mut()?.insert(id, call);
        Some(id)
    }

    /// A panic elsewhere leaves the table whole: every change of it is one step.
    fn locked(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopping() -> Error {
    Error::NotAvailable("dotd is stopping; see `systemctl status dotd`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RejectionKind;

    #[tokio::test]
    async fn each_call_gets_its_own_answer() {
        let (events, mut queue) = mpsc::channel(4);
        let requests = Requests::new(events);
        let policy = async {
            let mut asked = Vec::new();
            for _ in 0..2 {
                match queue.recv().await {
                    Some(Event::Requested { id, request }) => asked.push((id, request)),
                    other => panic!("{other:?}"),
                }
            }
            for (id, request) in asked.into_iter().rev() {
                let result = match request {
                    Request::ClosePairing => Ok(()),
                    _ => Err(Rejection::new(RejectionKind::Busy, "later")),
                };
                requests.answer((id, result));
                requests.answer((id, Ok(())));
            }
        };
        let open = requests.put(Request::OpenPairing { length: None });
        let close = requests.put(Request::ClosePairing);
        let (open, close, ()) = tokio::join!(open, close, policy);
        assert!(matches!(open, Err(Error::Busy(text)) if text == "later"));
        assert!(close.is_ok());
    }

    #[tokio::test]
    async fn a_daemon_that_stops_answers_everybody() {
        let (events, mut queue) = mpsc::channel(4);
        let requests = Requests::new(events);
        let stop = async {
            assert!(queue.recv().await.is_some());
            requests.abandon();
        };
        let (answer, ()) = tokio::join!(requests.put(Request::ClosePairing), stop);
        assert!(matches!(answer, Err(Error::NotAvailable(_))));
        let answer = requests.put(Request::ClosePairing).await;
        assert!(matches!(answer, Err(Error::NotAvailable(_))));
    }
}
