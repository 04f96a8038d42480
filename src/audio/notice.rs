//! What PipeWire tells, on its way from its callbacks to the audio thread.
//!
//! Invariant: plain values; whoever puts one in changes nothing else.

use pipewire::properties::PropertiesBox;
use pipewire::registry::GlobalObject;

use crate::policy::model::Address;

use super::StreamKey;

/// What callbacks leave behind.
pub(super) type Inbox = Vec<Notice>;

/// Something PipeWire told.
pub(super) enum Notice {
    /// The connection is lost.
    ServerLost { error: String },
    /// All that was asked for before has been answered.
    Answered,
    /// An object appeared.
    Appeared(GlobalObject<PropertiesBox>),
    /// An object went away.
    Vanished(u32),
    /// A link of a stream of ours was made or changed: whether it carries sound.
    LinkChanged { id: u32, carries: bool },
    /// The session manager chose another default output.
    OutputChosen(Option<String>),
    /// The session manager chose another default input.
    InputChosen(Option<String>),
    /// A stream cannot play.
    VoiceFailed {
        key: StreamKey,
        /// Which voice: there may be a later one by now.
        serial: u64,
        error: String,
    },
    /// A stream cannot capture.
    CaptureFailed {
        phone: Address,
        /// Which capture: there may be a later one by now.
        serial: u64,
        error: String,
    },
}

/// What a notice came to.
pub(super) enum Outcome {
    /// Nothing that others need to know.
    Known,
    /// The session is over.
    Lost,
    /// A stream ended, and why.
    Ended(StreamKey, String),
    /// The capture for this phone with this number ended, and why.
    Deaf(Address, u64, String),
}
