//! AAC, low complexity, as A2DP carries it: in LATM (A2DP 1.4, 4.5; RFC 3016).
//!
//! Invariant: what reaches the decoder is a frame of the rate and the channels that were agreed on, by
//! the word of its own header.
//!
//! ```text
//! packets ─ Unpacker (joins) ─ latm (takes apart) ─ Decoder (symphonia) ─▶ pieces
//! ```

mod bits;
mod decoder;
mod latm;
#[cfg(test)]
pub(super) mod latm_writer;
mod unpacker;

pub(super) use unpacker::Unpacker;

/// How many frames of sound a frame has.
pub(super) const FRAMES: usize = 1024;

/// How long the transform holds sound back, in frames: a frame is heard in full with the next one. What
/// the phone's encoder holds back besides, only the phone knows.
pub(super) const DELAY: u64 = 1024;
