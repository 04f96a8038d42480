//! LATM, in which AAC travels: an `AudioMuxElement` that says what is in it, if the one before did
//! not (ISO/IEC 14496-3, 1.7.3).
//!
//! Invariant: pure, and any bytes get an answer or an error. Of what the format allows only what
//! A2DP does is read: one stream of low complexity.

use thiserror::Error;

use super::bits::{Bits, Ended};

/// Sampling rates in Hz by their number (ISO/IEC 14496-3, table 1.18).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// The number of a rate that is written out.
const OTHER_RATE: u32 = 15;

/// The most frames of an element. A packet has room for no more, and phones put in one.
pub(super) const MOST_FRAMES: u32 = 8;

/// The audio object type "AAC LC".
const LOW_COMPLEXITY: u32 = 2;

/// Why bytes are not an element that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum LatmError {
    /// They end within it.
    #[error("the element is cut short")]
    Truncated,
    /// It goes by what an earlier one said, and that was not heard.
    #[error("nothing was said yet of what is in the elements")]
    Unannounced,
    /// It is something that A2DP does not do.
    #[error("the stream has {0}, which A2DP does not know")]
    Unknown(&'static str),
}

impl From<Ended> for LatmError {
    fn from(_: Ended) -> Self {
        Self::Truncated
    }
}

/// What is in the elements of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mux {
    /// Sampling rate in Hz.
    pub(super) rate: u32,
    /// Number of channels: 1 or 2.
    pub(super) channels: usize,
    /// How many frames an element has.
    pub(super) frames: u32,
}

/// An element whose frames are still to be taken out.
#[derive(Debug)]
pub(super) struct Element<'a> {
    /// What is in it.
    pub(super) mux: Mux,
    bits: Bits<'a>,
}

impl<'a> Element<'a> {
    /// Reads the beginning of an element, `before` being what an earlier one had said.
    ///
    /// # Errors
    /// When it is not one that can be played.
    pub(super) fn read(bytes: &'a [u8], before: Option<Mux>) -> Result<Self, LatmError> {
        let mut bits = Bits::new(bytes);
        let same = bits.flag()?;
        let mux = if same {
            before.ok_or(LatmError::Unannounced)?
        } else {
            stream_mux_config(&mut bits)?
        };
        Ok(Self { mux, bits })
    }

    /// Takes the next frame out, in place of what `into` holds.
    ///
    /// # Errors
    /// When there is no whole one.
    pub(super) fn next_frame(&mut self, into: &mut Vec<u8>) -> Result<(), LatmError> {
        let length = self.next_length()?;
        Ok(self.bits.copy(length, into)?)
    }

    /// Passes over all of its frames.
    ///
    /// # Errors
    /// When they are not all there.
    pub(super) fn pass(mut self) -> Result<(), LatmError> {
        for _ in 0..self.mux.frames {
            let length = self.next_length()?;
            self.bits.skip(length * 8)?;
        }
        Ok(())
    }

    /// Takes the length of the next frame, in bytes (`PayloadLengthInfo`, table 1.44).
    fn next_length(&mut self) -> Result<usize, LatmError> {
        let mut length = 0;
        loop {
            let part = self.bits.take(8)?;
            length += part as usize;
            if part != 255 {
                return Ok(length);
            }
        }
    }
}

/// Reads a `StreamMuxConfig` (table 1.42).
fn stream_mux_config(bits: &mut Bits<'_>) -> Result<Mux, LatmError> {
    let version_1 = bits.flag()?;
    if version_1 {
        if bits.flag()? {
            return Err(LatmError::Unknown("a version to come"));
        }
        let _tara_fullness = value(bits)?;
    }
    if !bits.flag()? {
        return Err(LatmError::Unknown("framings of their own"));
    }
    let frames = bits.take(6)? + 1;
    if frames > MOST_FRAMES {
        return Err(LatmError::Unknown("more frames than a packet holds"));
    }
    if bits.take(4)? != 0 || bits.take(3)? != 0 {
        return Err(LatmError::Unknown("several programs or layers"));
    }
    let (rate, channels) = if version_1 {
        let length = value(bits)? as usize;
        let begin = bits.read();
        let config = audio_specific_config(bits)?;
        let read = bits.read() - begin;
        bits.skip(length.checked_sub(read).ok_or(LatmError::Truncated)?)?;
        config
    } else {
        audio_specific_config(bits)?
    };
    if bits.take(3)? != 0 {
        return Err(LatmError::Unknown("frames of a fixed length"));
    }
    let _buffer_fullness = bits.take(8)?;
    if bits.flag()? {
        pass_other_data_length(bits, version_1)?;
    }
    if bits.flag()? {
        let _checksum = bits.take(8)?;
    }
    Ok(Mux {
        rate,
        channels,
        frames,
    })
}

/// Passes over how long the other data is. It comes behind the frames, where nothing else is read.
fn pass_other_data_length(bits: &mut Bits<'_>, version_1: bool) -> Result<(), LatmError> {
    if version_1 {
        let _length = value(bits)?;
        return Ok(());
    }
    while bits.flag()? {
        let _part = bits.take(8)?;
    }
    let _last_part = bits.take(8)?;
    Ok(())
}

/// Reads an `AudioSpecificConfig` (table 1.15); returns rate and channels.
fn audio_specific_config(bits: &mut Bits<'_>) -> Result<(u32, usize), LatmError> {
    if bits.take(5)? != LOW_COMPLEXITY {
        return Err(LatmError::Unknown("another kind of AAC than LC"));
    }
    let rate = match bits.take(4)? {
        OTHER_RATE => bits.take(24)?,
        number => *RATES
            .get(number as usize)
            .ok_or(LatmError::Unknown("a sampling rate without meaning"))?,
    };
    let channels = match bits.take(4)? {
        number @ (1 | 2) => number as usize,
        _ => return Err(LatmError::Unknown("more than two channels")),
    };
    // What follows is a `GASpecificConfig` (table 4.1).
    if bits.flag()? {
        return Err(LatmError::Unknown("frames of 960"));
    }
    if bits.flag()? {
        return Err(LatmError::Unknown("a core coder"));
    }
    if bits.flag()? {
        return Err(LatmError::Unknown("an extension"));
    }
    Ok((rate, channels))
}

/// Reads a number of one to four bytes (`LatmGetValue`, table 1.43).
fn value(bits: &mut Bits<'_>) -> Result<u32, LatmError> {
    let bytes = bits.take(2)? as usize + 1;
    Ok(bits.take(bytes * 8)?)
}

#[cfg(test)]
#[path = "latm_tests.rs"]
mod tests;
