//! What outlives the daemon, in `state.toml`: trusted phones and choices made at run time.
//!
//! Invariant: the file is always whole, the old or the new one, whenever power fails. A file that
//! cannot be understood is moved aside and told about, never overwritten.

mod atomic;
mod keeper;
mod schema;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::policy::model::Memory;

pub use keeper::{Keeper, Outcome};

/// The name of the file in the state directory.
pub const FILE_NAME: &str = "state.toml";

/// No honest state comes near this, for ten thousand phones take a tenth of it; it keeps a broken
/// disk from filling the memory.
const MAX_BYTES: u64 = 32 << 20;

/// Keeps the [`Memory`] in a directory of its own.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// Whether a file that lies there was never read nor moved aside; writing would destroy it.
    unread: bool,
}

/// What was wrong with the state at start. The speaker works without it.
#[derive(Debug)]
pub struct StoreTrouble {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: TroubleKind,
    /// Where the file was moved to; nothing if it stayed in its place.
    pub moved_to: Option<PathBuf>,
}

/// The kinds of trouble.
#[derive(Debug)]
pub enum TroubleKind {
    /// The state directory cannot be used.
    NoDirectory(io::Error),
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The file is damaged.
    Corrupt(String),
    /// A later dotd wrote it.
    Newer {
        /// Its version.
        version: u64,
    },
}

/// The state could not be written; what was there before is still there.
#[derive(Debug)]
pub struct StoreError {
    path: PathBuf,
    cause: io::Error,
}

impl StoreTrouble {
    /// Says whether the state is still where it was, unread: whom it trusts is then not known,
    /// which is not the same as nobody.
    pub fn hides_the_state(&self) -> bool {
        self.moved_to.is_none()
    }
}

impl Store {
    /// Reads the state from `dir`, which is made if it is not there.
    ///
    /// It never fails: with trouble, the memory is empty and the trouble is told.
    pub fn open(dir: &Path) -> (Self, Memory, Option<StoreTrouble>) {
        let mut store = Self {
            dir: dir.to_owned(),
            unread: false,
        };
        if let Err(error) = atomic::prepare(dir, FILE_NAME) {
            store.unread = true;
            let trouble = StoreTrouble {
                path: dir.to_owned(),
                kind: TroubleKind::NoDirectory(error),
                moved_to: None,
            };
            return (store, Memory::default(), Some(trouble));
        }
        match store.read() {
            Ok(memory) => (store, memory, None),
            Err(kind) => {
                let moved_to = store.move_aside(&kind);
                store.unread = moved_to.is_none();
                let trouble = StoreTrouble {
                    path: store.path(),
                    kind,
                    moved_to,
                };
                (store, Memory::default(), Some(trouble))
            }
        }
    }

    /// Writes the state, surely: when this returns, it is on the disk. That takes as long as the
    /// disk takes.
    ///
    /// # Errors
    /// Fails when the disk is full or cannot be written; the old state is then intact.
    pub fn save(&mut self, memory: &Memory) -> Result<(), StoreError> {
        let path = self.path();
        let failed = |cause| StoreError { path, cause };
        if self.unread && !self.is_free() {
            return Err(failed(io::Error::other(
                "a file that could not be read or moved aside is in the way",
            )));
        }
        let text = match schema::write(memory) {
            Ok(text) => text,
            Err(error) => return Err(failed(io::Error::other(error))),
        };
        atomic::replace(&self.dir, FILE_NAME, text.as_bytes()).map_err(failed)?;
        // From now on what lies there is ours.
        self.unread = false;
        Ok(())
    }

    /// Says whether surely no file lies there.
    fn is_free(&self) -> bool {
        let found = self.path().symlink_metadata();
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE_NAME)
    }

    fn read(&self) -> Result<Memory, TroubleKind> {
        let mut text = Vec::new();
        match File::open(self.path()) {
            Ok(file) => file
                .take(MAX_BYTES + 1)
                .read_to_end(&mut text)
                .map_err(TroubleKind::Unreadable)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Memory::default()),
            Err(error) => return Err(TroubleKind::Unreadable(error)),
        };
        if text.len() as u64 > MAX_BYTES {
            let too_long = format!("it is larger than {MAX_BYTES} bytes");
            return Err(TroubleKind::Corrupt(too_long));
        }
        schema::read(&text)
    }

    fn move_aside(&self, kind: &TroubleKind) -> Option<PathBuf> {
        let suffix = match kind {
            TroubleKind::NoDirectory(_) => return None,
            TroubleKind::Unreadable(_) => "unreadable".to_owned(),
            TroubleKind::Corrupt(_) => "corrupt".to_owned(),
            TroubleKind::Newer { version } => format!("from-version-{version}"),
        };
        atomic::move_aside(&self.dir, FILE_NAME, &suffix).ok()
    }
}

impl fmt::Display for StoreTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            TroubleKind::NoDirectory(error) => {
                return write!(
                    f,
                    "the state directory {path} cannot be used: {error}; nothing will be \
                     remembered until dotd may write there"
                );
            }
            TroubleKind::Unreadable(error) => write!(f, "{path} cannot be read: {error}")?,
            TroubleKind::Corrupt(why) => write!(f, "{path} is damaged: {why}")?,
            TroubleKind::Newer { version } => write!(
                f,
                "{path} was written by a later dotd (version {version}, this one knows {})",
                schema::VERSION
            )?,
        }
        match (&self.moved_to, &self.kind) {
            (None, _) => write!(
                f,
                "; it could not be moved aside, so nothing will be remembered until you move it"
            ),
            (Some(aside), TroubleKind::Newer { .. }) => write!(
                f,
                "; it is kept as {}: install the later dotd and move it back, or pair your phones \
                 again",
                aside.display()
            ),
            (Some(aside), _) => write!(
                f,
                "; it is kept as {}: pair your phones again with `dotctl pair`",
                aside.display()
            ),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, cause) = (self.path.display(), &self.cause);
        write!(f, "{path} cannot be written: {cause}; ")?;
        match self.cause.kind() {
            io::ErrorKind::StorageFull => f.write_str("make room on the disk, see `df -h`"),
            _ => f.write_str("see that dotd may write there and the disk is sound"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Returns the names in `dir`, sorted.
#[cfg(test)]
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests;
