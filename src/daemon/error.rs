//! What keeps the daemon from starting.

use std::io;
use std::path::PathBuf;

use crate::api::ApiError;
use crate::audio::AudioError;
use crate::bluetooth::BluetoothError;

/// What keeps the daemon from starting; each ends in what the admin can do.
#[derive(Debug, thiserror::Error)]
pub(super) enum DaemonError {
    #[error("signals cannot be caught: {0}; restart the machine, it is out of resources")]
    Signals(#[source] io::Error),
    #[error("the event loop cannot start: {0}; restart the machine, it is out of resources")]
    Runtime(#[source] io::Error),
    #[error("the state cannot be kept: {0}; restart the machine, it is out of resources")]
    Thread(#[source] io::Error),
    #[error("{}: {source}; choose another file for --record", path.display())]
    Record { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Bluetooth(#[from] BluetoothError),
    #[error(transparent)]
    Audio(#[from] AudioError),
    #[error(transparent)]
    Api(#[from] ApiError),
}
