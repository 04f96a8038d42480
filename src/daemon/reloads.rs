//! Reading the configuration anew, beside the event loop: a ring tone of one's own takes a while.
//!
//! Invariant: one reload runs at a time, and each begins after it was asked for: what was in the file
//! by then is in force when none is under way any more.

use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::config::{self, ConfigErrors, Settings};

/// What came of a reload.
pub(super) type Loaded = Result<Settings, ConfigErrors>;

/// The reloads that were asked for.
pub(super) struct Reloads {
    path: PathBuf,
    done: mpsc::UnboundedSender<Loaded>,
    inbox: mpsc::UnboundedReceiver<Loaded>,
    under_way: bool,
    /// It was asked for since the one that is under way began.
    again: bool,
}

impl Reloads {
    /// Will read the file at `path`.
    pub(super) fn of(path: PathBuf) -> Self {
        let (done, inbox) = mpsc::unbounded_channel();
        Self {
            path,
            done,
            inbox,
            under_way: false,
            again: false,
        }
    }

    /// Begins to read, or does so once more after the reload that is under way.
    pub(super) fn ask(&mut self) {
        if std::mem::replace(&mut self.under_way, true) {
            self.again = true;
            return;
        }
        let (path, done) = (self.path.clone(), self.done.clone());
        tokio::task::spawn_blocking(move || {
            // Fails only when the daemon is ending.
            done.send(config::load(&path)).ok();
        });
    }

    /// Waits for the next result; forever, if nothing is under way. Nothing is lost when this is
    /// given up.
    pub(super) async fn next(&mut self) -> Loaded {
        let Some(loaded) = self.inbox.recv().await else {
            // Cannot be: the sender is ours.
            return std::future::pending().await;
        };
        self.under_way = false;
        if std::mem::take(&mut self.again) {
            self.ask();
        }
        loaded
    }

    /// Says whether a result is still to come.
    pub(super) fn are_under_way(&self) -> bool {
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_the_file_had_when_it_was_last_asked_for_comes_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dotd.toml");
        let write = |percent: u8| fs::write(&path, format!("[volume]\nstart = {percent}\n"));
        let start = |loaded: Loaded| loaded.unwrap().rules.start_volume.percent();
        let mut reloads = Reloads::of(path.clone());
        assert!(!reloads.are_under_way());
        write(10).unwrap();
        reloads.ask();
        assert_eq!(start(reloads.next().await), 10);
        assert!(!reloads.are_under_way());
        reloads.ask();
        write(20).unwrap();
        for _ in 0..3 {
            reloads.ask();
        }
        // The first may have read either, or half of it.
        drop(reloads.next().await);
        assert!(reloads.are_under_way());
        assert_eq!(start(reloads.next().await), 20);
        assert!(!reloads.are_under_way(), "three wishes are one");
    }
}
