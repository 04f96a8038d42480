//! SBC, the codec that every A2DP device speaks (A2DP 1.4, appendix B).
//!
//! Invariant: a frame reaches libsbc only after its header was read and found to be whole and of
//! the format that was agreed on.

mod decoder;
mod header;
mod unpacker;

pub use decoder::{DecodeError, Decoder, MAX_SAMPLES};
pub use header::{FrameHeader, HeaderError, PayloadError, split_payload};

pub(super) use unpacker::Unpacker;

/// How many frames of sound most frames have: 16 blocks of 8 subbands.
pub(super) const USUAL_FRAMES: usize = 128;

/// How long the two filter banks hold sound back, in frames.
pub(super) const DELAY: u64 = 73;
