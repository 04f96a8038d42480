//! Doors for the fuzz targets in `fuzz/`; compiled for them only.
//!
//! Invariant: each takes any bytes whatever and panics when what they came to is wrong.

/// Receives media packets, each after its length in two bytes (big endian), the first byte of all
/// telling the codec, and checks that no packet makes more sound than it can hold or stand in for, and
/// that all of it is sound.
pub fn media_packets(bytes: &[u8]) {
    crate::a2dp::fuzz(bytes);
}

/// Reads capabilities and configurations, and checks that what is chosen can be read again.
pub fn codec_parameters(bytes: &[u8]) {
    crate::bluetooth::fuzz_codec_parameters(bytes);
}

/// Reads how large a cover is, and checks that it is not nothing.
pub fn cover_sizes(bytes: &[u8]) {
    crate::bluetooth::fuzz_cover(bytes);
}

/// Lives through what a phone says to its hands-free unit, with commands and time in between, and
/// checks that nothing grows and every command is answered.
pub fn hfp_lines(bytes: &[u8]) {
    crate::hfp::fuzz(bytes);
}

/// Receives packets of call audio, each after two bytes with its status and length, the first byte
/// of all telling the codec, and checks that no packet makes more sound than it can stand for, and
/// that none of it is too loud.
pub fn sco_packets(bytes: &[u8]) {
    crate::hfp::voice::fuzz(bytes);
}
