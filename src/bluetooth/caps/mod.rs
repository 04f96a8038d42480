//! The bytes in which A2DP devices say what they can do of a codec, and what they settled on.
//!
//! Invariant: pure, and any bytes at all get an answer or an error. They come from whoever is within
//! radio range.

mod aac;
mod sbc;

use crate::policy::model::{MusicCodec, StreamFormat};

/// Why bytes are not capabilities, or not a configuration that we can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CapsError {
    /// Too few or too many.
    #[error("{} parameters have {right} bytes, these have {count}", codec.name())]
    Length {
        /// Of which codec they are said to be.
        codec: MusicCodec,
        /// How many it has.
        right: usize,
        /// How many there are.
        count: usize,
    },
    /// A field without a choice, or a configuration with several.
    #[error("the parameters name {count} values for {field}")]
    Choice {
        /// Which field.
        field: &'static str,
        /// How many of its values are named.
        count: u32,
    },
    /// A bit pool range of SBC that is empty or beyond the specification.
    #[error("SBC bit pools from {min} to {max} do not exist")]
    Bitpool {
        /// The lower end.
        min: u8,
        /// The upper end.
        max: u8,
    },
}

/// Returns the number that A2DP has for a codec (Assigned Numbers, 6.5.1).
pub(super) const fn number(codec: MusicCodec) -> u8 {
    match codec {
        MusicCodec::Sbc => 0,
        MusicCodec::Aac => 2,
    }
}

/// Returns what our endpoints of a codec offer.
pub(super) fn offered(codec: MusicCodec) -> Vec<u8> {
    match codec {
        MusicCodec::Sbc => sbc::offered().to_vec(),
        MusicCodec::Aac => aac::offered().to_vec(),
    }
}

/// Chooses a configuration from what a phone can do of a codec.
///
/// # Errors
/// Says what is wrong with the capabilities.
pub(super) fn select(codec: MusicCodec, capabilities: &[u8]) -> Result<Vec<u8>, CapsError> {
    match codec {
        MusicCodec::Sbc => sbc::select(capabilities).map(|chosen| chosen.to_vec()),
        MusicCodec::Aac => aac::select(capabilities).map(|chosen| chosen.to_vec()),
    }
}

/// Reads the configuration that a phone has chosen for a codec.
///
/// # Errors
/// Says why it is not one.
pub(super) fn parse(codec: MusicCodec, configuration: &[u8]) -> Result<StreamFormat, CapsError> {
    match codec {
        MusicCodec::Sbc => sbc::parse(configuration),
        MusicCodec::Aac => aac::parse(configuration),
    }
}

/// Returns the first value of `choices`, with its bits, that `field` allows.
fn best<B, T>(choices: &[(B, T)], field: B, name: &'static str) -> Result<(B, T), CapsError>
where
    B: Copy + Into<u32>,
    T: Copy,
{
    choices
        .iter()
        .copied()
        .find(|(bit, _)| field.into() & (*bit).into() != 0)
        .ok_or(CapsError::Choice {
            field: name,
            count: 0,
        })
}

/// Returns the one value of `choices` that `field` names.
fn only<B, T>(choices: &[(B, T)], field: B, name: &'static str) -> Result<T, CapsError>
where
    B: Copy + Into<u32>,
    T: Copy,
{
    let mask = choices
        .iter()
        .fold(0, |mask, (bit, _)| mask | (*bit).into());
    match (field.into() & mask).count_ones() {
        1 => best(choices, field, name).map(|(_, value)| value),
        count => Err(CapsError::Choice { field: name, count }),
    }
}

#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    for codec in MusicCodec::ALL {
        // Whatever is wrong with them is an error and nothing else.
        parse(codec, bytes).ok();
        if let Ok(chosen) = select(codec, bytes) {
            assert!(parse(codec, &chosen).is_ok(), "{codec:?} {chosen:02x?}");
        }
    }
}
