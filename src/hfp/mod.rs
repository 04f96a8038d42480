//! Calls: the hands-free side (HF) of HFP 1.9, as a machine without input or output of its own.
//!
//! Invariant: pure. Bytes and commands go in with the time, bytes and events come out;
//! `tests/architecture.rs` holds the imports to it. The phone (the audio gateway, AG) is not
//! trusted: whatever it sends is answered as the standard says or passed over, in bounded memory.
//!
//! ```text
//!            receive(now, bytes)                       poll() ─▶ Output::Send(bytes) ─▶ RFCOMM
//!  RFCOMM ──────────▶ at: lines, values                  ▲  └──▶ Output::Event(..)   ─▶ policy
//!                      │                                 │
//!                      ▼                                 │
//!                    heard ──▶ slc, calls, indicators ───┤
//!                                 │                      │
//!  people ─ command(now, id, ..) ─┴▶ plan ──▶ queue ─────┘ one command in flight
//!
//!  clock ── tick(now), when deadline() is over
//! ```
//!
//! One [`Machine`] for each RFCOMM link: [`start`](Machine::start) when the link is up, whoever
//! opened it; [`close`](Machine::close) when it is gone; after every call [`poll`](Machine::poll)
//! until nothing comes. [`Event::Broken`] means that the link is to be closed.
//!
//! Audio is the caller's: [`Event::CodecChosen`] says what the next SCO link carries,
//! [`Event::AudioLeftToUs`] that we have to open it. A codec that does not come up is given up with
//! [`Command::AudioFailed`], then [`Command::OpenAudio`] tries the next.

mod at;
mod call;
mod calls;
mod codec;
mod command;
mod derive;
mod event;
mod features;
mod heard;
mod indicators;
mod machine;
mod plan;
mod queue;
mod slc;
mod text;
#[cfg(any(test, fuzzing))]
mod trial;
pub mod voice;

#[cfg(test)]
mod tests;

pub use call::{Call, CallId, CallState, Direction};
pub use codec::{Codec, Codecs};
pub use command::{
    BadNumber, BatteryLevel, Command, CommandId, Failure, Gain, PhoneNumber, Refusal, Tones,
};
pub use event::{CallHold, Event, Fault, Output, PhoneStatus, Ready};
pub use features::{AgFeatures, HfFeatures};
pub use machine::{Config, Machine};

#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    trial::live(bytes);
}
