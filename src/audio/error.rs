//! Why there can be no sound at all.

use std::io;

use thiserror::Error;

/// Why the audio thread could not start.
#[derive(Debug, Error)]
pub enum AudioError {
    /// No thread.
    #[error("no thread for audio: {0}; raise TasksMax= of the unit")]
    Thread(#[source] io::Error),
    /// libpipewire does not work, usually because its configuration is missing.
    #[error(
        "libpipewire does not start: {0}; reinstall it with `apt install --reinstall pipewire-bin`"
    )]
    Library(#[source] pipewire::Error),
}
