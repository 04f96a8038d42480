//! Writes the state on a thread of its own: a card that takes a second to write holds up nobody
//! but whoever wants to know that it is written.
//!
//! Invariant: what was kept last is what is on the disk, or is tried again until it is; what could
//! not be written is told once, and so is that it could at last. Every version handed in is
//! answered for by an [`Outcome`] of its own or of a later one.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc as queue;

use super::Store;
use crate::policy::Event;
use crate::policy::model::Memory;

/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// The thread that writes. Dropping it waits for the last write.
#[derive(Debug)]
pub struct Keeper {
    orders: Option<Sender<Version>>,
    thread: Option<JoinHandle<()>>,
    kept: Memory,
    number: u64,
}

/// What is to be written, and the how-manieth it is.
#[derive(Debug)]
struct Version {
    number: u64,
    memory: Memory,
}

/// What came of a write.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The version that it was about; earlier ones are no longer of interest.
    pub number: u64,
    /// What there is to tell, if it is news.
    pub news: Option<Event>,
}

impl Keeper {
    /// Starts the thread. `memory` is what the disk has.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(
        store: Store,
        memory: Memory,
        outcomes: queue::UnboundedSender<Outcome>,
    ) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("dotd-store".to_owned())
            .spawn(move || Writer::new(store, outcomes, RETRY).run(&inbox))?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
            kept: memory,
            number: 0,
        })
    }

    /// Has this written down, if it is not what was kept last, and returns the number of its
    /// version.
    pub fn keep(&mut self, memory: &Memory) -> Option<u64> {
        if *memory == self.kept {
            return None;
        }
        self.kept.clone_from(memory);
        self.number += 1;
        let (number, memory) = (self.number, memory.clone());
        // Without the thread, which `drop` will tell of, nothing is written and nobody shall wait.
        let orders = self.orders.as_ref()?;
        orders.send(Version { number, memory }).ok()?;
        Some(number)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        if self.thread.take().is_some_and(|it| it.join().is_err()) {
            tracing::error!("the thread that writes the state broke; please report this");
        }
    }
}

/// What runs on the thread.
struct Writer {
    store: Store,
    outcomes: queue::UnboundedSender<Outcome>,
    retry: Duration,
    /// What is not on the disk yet.
    unsaved: Option<Version>,
    /// What was told of a failure.
    told: Option<String>,
}

impl Writer {
    fn new(store: Store, outcomes: queue::UnboundedSender<Outcome>, retry: Duration) -> Self {
        Self {
            store,
            outcomes,
            retry,
            unsaved: None,
            told: None,
        }
    }

    fn run(mut self, inbox: &Receiver<Version>) {
        loop {
            let next = match self.unsaved {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => inbox.recv_timeout(self.retry),
            };
            match next {
                // Only the newest counts.
                Ok(version) => self.unsaved = Some(inbox.try_iter().last().unwrap_or(version)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.save_for_the_last_time(),
            }
            self.save();
        }
    }

    fn save(&mut self) {
        let Some(Version { number, memory }) = &self.unsaved else {
            return;
        };
        let number = *number;
        let news = match self.store.save(memory) {
            Ok(()) => {
                self.unsaved = None;
                self.told.take().map(|_| Event::MemorySaved)
            }
            Err(error) => {
                let error = error.to_string();
                let is_news = self.told.as_ref() != Some(&error);
                self.told = Some(error.clone());
                is_news.then_some(Event::MemoryUnsaved { error })
            }
        };
        // Fails only when the daemon is ending, and then nobody waits.
        self.outcomes.send(Outcome { number, news }).ok();
    }

    fn save_for_the_last_time(mut self) {
        if let Some(Version { memory, .. }) = &self.unsaved {
            if let Err(error) = self.store.save(memory) {
                tracing::error!("what happened last is lost: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::policy::model::Volume;

    fn at(percent: u8) -> Memory {
        Memory {
            volume: Volume::new(percent),
            ..Memory::default()
        }
    }

    #[test]
    fn the_last_is_on_the_disk_when_the_keeper_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (store, memory, _) = Store::open(dir.path());
        let (outcomes, mut told) = queue::unbounded_channel();
        let mut keeper = Keeper::start(store, memory, outcomes).unwrap();
        for percent in 0..=100 {
            assert_eq!(keeper.keep(&at(percent)), Some(u64::from(percent) + 1));
            assert_eq!(keeper.keep(&at(percent)), None, "it is kept already");
        }
        drop(keeper);
        assert_eq!(Store::open(dir.path()).1, at(100));
        let outcomes: Vec<Outcome> = std::iter::from_fn(|| told.blocking_recv()).collect();
        assert!(outcomes.iter().all(|it| it.news.is_none()), "{outcomes:?}");
    }

    #[test]
    fn each_version_is_answered_for() {
        let dir = tempfile::tempdir().unwrap();
        let (store, memory, _) = Store::open(dir.path());
        let (outcomes, mut told) = queue::unbounded_channel();
        let mut keeper = Keeper::start(store, memory, outcomes).unwrap();
        for percent in 1..20 {
            let number = keeper.keep(&at(percent)).unwrap();
            let answered = told.blocking_recv().unwrap();
            assert_eq!((answered.number, answered.news), (number, None));
            assert_eq!(Store::open(dir.path()).1, at(percent));
        }
    }

    #[test]
    fn what_could_not_be_written_is_told_once_and_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let (state, away) = (dir.path().join("state"), dir.path().join("away"));
        let (store, _, _) = Store::open(&state);
        fs::rename(&state, &away).unwrap();
        let (outcomes, mut told) = queue::unbounded_channel();
        let (orders, inbox) = mpsc::channel();
        let writer = Writer::new(store, outcomes, Duration::from_millis(1));
        let thread = thread::spawn(move || writer.run(&inbox));
        let order = |number, memory| Version { number, memory };
        orders.send(order(1, at(30))).unwrap();
        let first = told.blocking_recv().unwrap();
        let Some(Event::MemoryUnsaved { error }) = first.news else {
            panic!("a failure is told");
        };
        assert!(error.contains("state.toml"), "{error}");
        orders.send(order(2, at(40))).unwrap();
        fs::rename(&away, &state).unwrap();
        let later = std::iter::from_fn(|| told.blocking_recv());
        let news = later.filter_map(|it| it.news).next();
        assert_eq!(news, Some(Event::MemorySaved), "and nothing before it");
        assert_eq!(Store::open(&state).1, at(40));
        drop(orders);
        thread.join().unwrap();
        let after = std::iter::from_fn(|| told.blocking_recv());
        assert_eq!(after.filter_map(|it| it.news).count(), 0);
    }
}
