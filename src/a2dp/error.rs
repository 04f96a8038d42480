//! Why a stream could not be started.

use std::io;

use thiserror::Error;

/// Why a stream could not be started.
#[derive(Debug, Error)]
pub enum A2dpError {
    /// No memory for libsbc.
    #[error("no memory for a decoder; see `systemctl status dotd` for the unit's MemoryMax=")]
    Decoder,
    /// No thread.
    #[error("no thread for the stream: {0}; raise TasksMax= of the unit")]
    Thread(#[source] io::Error),
    /// No file descriptor to stop the thread by.
    #[error("no file descriptor for the stream: {0}; raise LimitNOFILE= of the unit")]
    Descriptor(#[source] io::Error),
}
