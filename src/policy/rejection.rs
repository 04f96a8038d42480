//! Why a client did not get what it wanted.
//!
//! Invariant: each kind is one D-Bus error name and one exit code of `dotctl`; the text ends in what
//! the reader can do.

use serde::{Deserialize, Serialize};

/// A refusal, with a text for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Which kind, for programs.
    pub kind: RejectionKind,
    /// What is wrong and what to do, for people.
    pub message: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectionKind {
    /// No such phone.
    NotFound,
    /// Several phones fit.
    Ambiguous,
    /// The phone is not connected, and would have to be.
    NotConnected,
    /// Not allowed, now or ever.
    Refused,
    /// Something else is under way.
    Busy,
    /// The value makes no sense.
    InvalidArgument,
    /// Something that is needed is not there: an adapter, bluetoothd, PipeWire.
    NotAvailable,
}

impl Rejection {
    /// Makes a refusal of `kind`.
    pub fn new(kind: RejectionKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rejection {}
