//! Writes the state on a thread of its own: a card that takes a second to write holds up nobody.
//!
//! Invariant: what was kept last is what is on the disk, or is tried again until it is; what could
//! not be written is told once, and so is that it could at last.

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
    orders: Option<Sender<Memory>>,
    thread: Option<JoinHandle<()>>,
    kept: Memory,
}

impl Keeper {
    /// Starts the thread. `memory` is what the disk has.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(store: Store, memory: Memory, events: queue::Sender<Event>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("dotd-store".to_owned())
            .spawn(move || Writer::new(store, events, RETRY).run(&inbox))?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
            kept: memory,
        })
    }

    /// Has this written down, if it is not what was kept last.
    pub fn keep(&mut self, memory: &Memory) {
        if *memory == self.kept {
            return;
        }
        self.kept.clone_from(memory);
        if let Some(orders) = &self.orders {
            // Fails only if the thread panicked, which it does not outlive quietly: see `drop`.
            orders.send(memory.clone()).ok();
        }
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
    events: queue::Sender<Event>,
    retry: Duration,
    /// What is not on the disk yet.
    unsaved: Option<Memory>,
    /// What was told of a failure.
    told: Option<String>,
}

impl Writer {
    fn new(store: Store, events: queue::Sender<Event>, retry: Duration) -> Self {
        Self {
            store,
            events,
            retry,
            unsaved: None,
            told: None,
        }
    }

    fn run(mut self, inbox: &Receiver<Memory>) {
        loop {
            let next = match self.unsaved {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => inbox.recv_timeout(self.retry),
            };
            match next {
                // Only the newest counts.
                Ok(memory) => self.unsaved = Some(inbox.try_iter().last().unwrap_or(memory)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.save();
                    return;
                }
            }
            self.save();
        }
    }

    fn save(&mut self) {
        let Some(memory) = &self.unsaved else {
            return;
        };
        match self.store.save(memory) {
            Ok(()) => {
                self.unsaved = None;
                if self.told.take().is_some() {
                    self.tell(Event::MemorySaved);
                }
            }
            Err(error) => {
                let error = error.to_string();
                if self.told.as_ref() != Some(&error) {
                    self.told = Some(error.clone());
                    self.tell(Event::MemoryUnsaved { error });
                }
            }
        }
    }

    fn tell(&self, event: Event) {
        if let Err(queue::error::SendError(event)) = self.events.blocking_send(event) {
            tracing::warn!(?event, "the state was last written as the daemon ended");
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
        let (events, mut told) = queue::channel(8);
        let mut keeper = Keeper::start(store, memory, events).unwrap();
        for percent in 0..=100 {
            keeper.keep(&at(percent));
        }
        drop(keeper);
        assert_eq!(Store::open(dir.path()).1, at(100));
        assert!(told.blocking_recv().is_none(), "nothing went wrong");
    }

    #[test]
    fn what_could_not_be_written_is_told_once_and_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let (store, _, _) = Store::open(&state);
        // A file in place of the directory: nothing can be written there, not even by root.
        fs::remove_dir(&state).unwrap();
        fs::write(&state, "").unwrap();
        let (events, mut told) = queue::channel(8);
        let (orders, inbox) = mpsc::channel();
        let writer = Writer::new(store, events, Duration::from_millis(1));
        let thread = thread::spawn(move || writer.run(&inbox));
        orders.send(at(30)).unwrap();
        let Some(Event::MemoryUnsaved { error }) = told.blocking_recv() else {
            panic!("a failure is told");
        };
        assert!(error.contains("state.toml"), "{error}");
        orders.send(at(40)).unwrap();
        fs::remove_file(&state).unwrap();
        fs::create_dir(&state).unwrap();
        assert_eq!(told.blocking_recv(), Some(Event::MemorySaved));
        assert_eq!(Store::open(&state).1, at(40));
        drop(orders);
        thread.join().unwrap();
        assert_eq!(told.blocking_recv(), None, "told once");
    }
}
