//! The sound of calls: SCO packets to samples, and samples to SCO packets.
//!
//! Invariant: pure. No socket, no clock, no thread, and once built no allocation: what comes out is
//! handed to the caller's closure piece by piece. Packets may hold any bytes in any number; they are
//! never trusted and never make more sound than they have room for. Sound is mono `f32`, -1 to 1,
//! at the codec's own rate, and after 60 ms without good packets it is silence.
//!
//! ```text
//! packets ─ Deframer (H2) ─ mSBC, LC3-SWB ─┐
//!       └── PcmReader ──────────── CVSD ───┴─ Concealer ─▶ samples      Downlink
//! samples ── mSBC, LC3-SWB ─ H2 ─┬─ Packer ─▶ packets                   Uplink
//!       └─── CVSD ───────────────┘
//! ```

mod cvsd;
mod downlink;
mod frames;
mod h2;
mod lc3;
mod msbc;
mod packer;
mod packet;
#[cfg(test)]
mod round_trips;
mod samples;
#[cfg(test)]
mod signals;
mod uplink;

pub use super::codec::Codec;
pub use downlink::{Downlink, Tally};
pub use packer::MAX_PACKET;
pub use packet::{CodecError, PacketStatus};
pub use uplink::Uplink;

#[cfg(fuzzing)]
pub(crate) use downlink::fuzz;
