//! SBC, the codec that every A2DP device speaks (A2DP 1.4, appendix B).
//!
//! Invariant: a frame reaches libsbc only after its header was read and found to be whole and of
//! the format that was agreed on.

mod decoder;
mod header;

pub use decoder::{DecodeError, Decoder, MAX_SAMPLES};
pub use header::{FrameHeader, HeaderError, PayloadError, split_payload};
