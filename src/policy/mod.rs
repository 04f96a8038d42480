//! The decisions: who may pair, connect, play; what volume; what people are told.
//!
//! Invariant: pure. [`Policy::handle`] is a function of the events so far and the time it is given;
//! no I/O, no clock, no channel, no async type. `tests/architecture.rs` holds the imports to it.

pub mod action;
pub mod event;
pub mod find;
pub mod model;
pub mod rejection;
pub mod snapshot;
pub mod story;

pub use action::{Action, RadioAction, StreamAction};
pub use event::Event;
pub use rejection::{Rejection, RejectionKind};
pub use snapshot::Snapshot;
pub use story::Story;
