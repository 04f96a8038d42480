//! Music from a phone: from the socket of a media transport to frames that can be played.
//!
//! Invariant: this room decides nothing. It takes a socket, reports what happens to the stream as
//! events, and hands out a [`Source`](crate::pcm::Source). It knows neither BlueZ nor PipeWire.
//!
//! ```text
//! socket ─ rtp ─ sbc ─ conceal (lost) ─ ring ─ conceal (late) ─▶ audio thread
//!             └───── buffer: how long to wait, how fast to play ─────┘
//! ```

pub mod buffer;
pub mod conceal;
mod error;
mod intake;
pub mod lateness;
mod link;
mod playout;
mod receiver;
mod report;
pub mod rtp;
pub mod sbc;
mod stream;

pub use error::A2dpError;
pub use stream::Stream;
