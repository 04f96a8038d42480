//! Why the sound of a call could not be started.

use std::io;

use thiserror::Error;

use crate::hfp::voice::CodecError;

/// Why the sound of a call could not be started.
#[derive(Debug, Error)]
pub enum VoiceError {
    /// No codec.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// No thread.
    #[error("no thread for the call: {0}; raise TasksMax= of the unit")]
    Thread(#[source] io::Error),
    /// No file descriptor to reach the thread by, or the link's is not one.
    #[error("no file descriptor for the call: {0}; raise LimitNOFILE= of the unit")]
    Descriptor(#[source] io::Error),
}
