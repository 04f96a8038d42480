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

type Answer = Result<(), Rejection>;

/// Sends requests to the policy and waits.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    events: mpsc::Sender<Event>,
    waiting: Arc<Mutex<Waiting>>,
}

/// Where the daemon puts the policy's answers.
#[derive(Debug)]
pub struct Replies {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    calls: BTreeMap<RequestId, oneshot::Sender<Answer>>,
}

impl Requests {
    pub(super) fn new(events: mpsc::Sender<Event>) -> (Self, Replies) {
        let waiting = Arc::<Mutex<Waiting>>::default();
        let replies = Replies {
            waiting: Arc::clone(&waiting),
        };
        (Self { events, waiting }, replies)
    }

    /// Puts `request` to the policy and waits for its answer.
    pub(super) async fn put(&self, request: Request) -> Result<(), Error> {
        // The place in the queue comes first: a call never waits for an answer to nothing.
        let place = self.events.reserve().await.map_err(|_| stopping())?;
        let (sender, answer) = oneshot::channel();
        let id = {
            let mut waiting = locked(&self.waiting);
            waiting.last += 1;
            let id = RequestId(waiting.last);
            waiting.calls.insert(id, sender);
            id
        };
        place.send(Event::Requested { id, request });
        Ok(answer.await.map_err(|_| stopping())??)
    }
}

impl Replies {
    /// Answers the call that made request `id`. A second answer goes nowhere.
    pub fn resolve(&self, id: RequestId, result: Result<(), Rejection>) {
        let call = locked(&self.waiting).calls.remove(&id);
        match call {
            // The caller may have hung up; then nobody misses the answer.
            Some(call) => drop(call.send(result)),
            None => tracing::debug!(id = id.0, "an answer that nobody waits for"),
        }
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        locked(&self.waiting).calls.clear();
    }
}

/// A panic elsewhere leaves the table whole: every change of it is one step.
fn locked(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (requests, replies) = Requests::new(events);
        let policy = async {
            let mut ids = Vec::new();
            for _ in 0..2 {
                match queue.recv().await {
                    Some(Event::Requested { id, request }) => ids.push((id, request)),
                    other => panic!("{other:?}"),
                }
            }
            for (id, request) in ids.into_iter().rev() {
                replies.resolve(
                    id,
                    match request {
                        Request::ClosePairing => Ok(()),
                        _ => Err(Rejection::new(RejectionKind::Busy, "later")),
                    },
                );
                replies.resolve(id, Ok(()));
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
        let (requests, replies) = Requests::new(events);
        let stop = async {
            assert!(queue.recv().await.is_some());
            drop(replies);
        };
        let (answer, ()) = tokio::join!(requests.put(Request::ClosePairing), stop);
        assert!(matches!(answer, Err(Error::NotAvailable(_))));
        drop(queue);
        let answer = requests.put(Request::ClosePairing).await;
        assert!(matches!(answer, Err(Error::NotAvailable(_))));
    }
}
