//! Writes a session down, one event a line, to be replayed in a test.
//!
//! Invariant: what is written is all that the policy was told from its start on, in order. The
//! settings and the state that it began with are not: a replay begins with the default settings and
//! knows nobody, so it comes to the same decisions only where dotd began so too. Off unless
//! `--record FILE` is given.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::DaemonError;
use crate::policy::Event;
use crate::policy::event::Stamped;
use crate::policy::model::Now;

/// Where events are written to, if anywhere.
pub(super) struct Recorder(Option<(PathBuf, BufWriter<File>)>);

impl Recorder {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, DaemonError> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let file = File::create(path).map_err(|source| DaemonError::Record {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self(Some((path.to_owned(), BufWriter::new(file)))))
    }

    /// Writes one event down. A disk that refuses ends the recording, not the daemon.
    pub(super) fn note(&mut self, now: Now, event: &Event) {
        let Some((path, file)) = &mut self.0 else {
            return;
        };
        let stamped = Stamped {
            now,
            event: event.clone(),
        };
        let written = serde_json::to_string(&stamped)
            .map_err(std::io::Error::other)
            .and_then(|line| writeln!(file, "{line}"))
            .and_then(|()| file.flush());
        if let Err(error) = written {
            tracing::error!("{}: {error}; the recording ends here", path.display());
            self.0 = None;
        }
    }
}
