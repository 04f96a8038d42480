//! Decoding with symphonia: the only place that talks to it.
//!
//! Invariant: what comes out is sound, whatever went in: [`FRAMES`] frames, each sample a number from
//! -1 to 1.

use symphonia_codec_aac::AacDecoder;
use symphonia_core::audio::{Channels, Position};
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};
use thiserror::Error;

use super::FRAMES;
use super::bits::{Bits, Ended};

/// Why a frame could not be decoded.
#[derive(Debug, Error)]
pub(super) enum DecodeError {
    /// Symphonia does not like it.
    #[error("the decoder refused the frame: {0}")]
    Refused(#[from] symphonia_core::errors::Error),
    /// It does not begin with the sound of the channels that were agreed on.
    #[error("the frame has no sound of {channels} channels")]
    Channels {
        /// How many these are.
        channels: usize,
    },
}

/// Decodes the frames of one stream, one after the other.
pub(super) struct Decoder {
    decoder: AacDecoder,
    channels: usize,
}

impl Decoder {
    /// Makes a decoder for frames of `rate` with one or two channels; nothing if symphonia cannot.
    pub(super) fn new(rate: u32, channels: usize) -> Option<Self> {
        let positions = match channels {
            1 => Position::FRONT_LEFT,
            _ => Position::FRONT_LEFT | Position::FRONT_RIGHT,
        };
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(CODEC_ID_AAC)
            .with_sample_rate(rate)
            .with_channels(Channels::Positioned(positions));
        let decoder = AacDecoder::try_new(&parameters, &AudioDecoderOptions::default()).ok()?;
        Some(Self { decoder, channels })
    }

    /// Decodes a frame to interleaved sound, in place of what `sound` holds.
    ///
    /// # Errors
    /// When it is none. What was decoded before it is still faded out into the next one.
    pub(super) fn decode(&mut self, frame: &[u8], sound: &mut Vec<f32>) -> Result<(), DecodeError> {
        sound.clear();
        let channels = self.channels;
        if first_element(frame) != Ok(element_of(channels)) {
            return Err(DecodeError::Channels { channels });
        }
        sound.resize(FRAMES * channels, 0.0);
        // Times are for files.
        let packet = PacketRef::new(0, Timestamp::new(0), Duration::new(FRAMES as u64), frame);
        let decoded = self.decoder.decode_ref(&packet)?;
        decoded.copy_to_slice_interleaved(&mut *sound);
        for sample in sound {
            *sample = if sample.is_finite() {
                sample.clamp(-1.0, 1.0)
            } else {
                0.0
            };
        }
        Ok(())
    }
}

/// The element that has the sound of one channel, or of a pair (ISO/IEC 14496-3, table 4.85).
const fn element_of(channels: usize) -> u32 {
    match channels {
        1 => 0,
        _ => 1,
    }
}

/// Returns what the first element of a frame is that is neither data nor filling. Symphonia would
/// return what it decoded last for a frame without sound, and never take a pair of channels after a
/// single one, or the other way round.
fn first_element(frame: &[u8]) -> Result<u32, Ended> {
    const DATA: u32 = 4;
    const FILLING: u32 = 6;
    let mut bits = Bits::new(frame);
    loop {
        match bits.take(3)? {
            DATA => {
                let _tag = bits.take(4)?;
                let aligned = bits.flag()?;
                let bytes = count(&mut bits, 8)?;
                if aligned {
                    bits.skip(bits.left() % 8)?;
                }
                bits.skip(bytes * 8)?;
            }
            FILLING => {
                // The larger number counts itself.
                let bytes = count(&mut bits, 4)?;
                bits.skip((bytes - usize::from(bytes > 14)) * 8)?;
            }
            other => return Ok(other),
        }
    }
}

/// Reads a number of so many bits that goes on in a byte behind it if it is the largest.
fn count(bits: &mut Bits<'_>, size: usize) -> Result<usize, Ended> {
    let number = bits.take(size)? as usize;
    if number + 1 < 1 << size {
        return Ok(number);
    }
    Ok(number + bits.take(8)? as usize)
}

#[cfg(test)]
mod tests {
    use super::super::latm_writer::{Writer, frames};
    use super::*;

    const STEREO: &[u8] = include_bytes!("../../../tests/fixtures/aac/stereo-44100");
    const MONO: &[u8] = include_bytes!("../../../tests/fixtures/aac/mono-48000");

    #[test]
    fn what_comes_before_the_sound_is_passed_over() {
        for (file, element) in [(STEREO, 1), (MONO, 0)] {
            for frame in frames(file) {
                assert_eq!(first_element(frame), Ok(element));
            }
        }
        let mut writer = Writer::default();
        // 14 bytes of filling; 15 of them; 2 of data, aligned; 256 of data; then a pair.
        writer.put(6, 3).put(14, 4).put(0, 14 * 8);
        writer.put(6, 3).put(15, 4).put(1, 8).put(0, 15 * 8);
        writer.put(4, 3).put(0, 4).put(1, 1).put(2, 8).put(0, 2);
        assert_eq!(writer.bits() % 8, 0);
        writer
            .put(0, 2 * 8)
            .put(4, 3)
            .put(0, 5)
            .put(255, 8)
            .put(1, 8);
        writer.put(0, 256 * 8).put(1, 3).put(0, 50);
        assert_eq!(first_element(&writer.bytes()), Ok(1));
    }

    #[test]
    fn a_frame_without_the_sound_that_was_agreed_on_is_none() {
        let mut decoder = Decoder::new(44_100, 2).unwrap();
        let mut sound = Vec::new();
        let all = frames(STEREO);
        for frame in &all[..4] {
            decoder.decode(frame, &mut sound).unwrap();
        }
        for none in [&[][..], &[0xff], &[0xe0], &[0xc0, 0], frames(MONO)[3]] {
            assert!(decoder.decode(none, &mut sound).is_err(), "{none:02x?}");
        }
        decoder.decode(all[4], &mut sound).unwrap();
        assert!(sound.iter().any(|sample| sample.abs() > 0.3));
    }
}
