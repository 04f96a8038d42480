//! The codecs that have frames, behind one face.
//!
//! Invariant: a frame in, as many samples out as it stands for, or a refusal.

use super::Codec;
use super::h2::PAYLOAD;
use super::lc3;
use super::msbc;
use super::packet::CodecError;

/// The most samples in a frame: 7.5 ms at 32 kHz.
pub(super) const MAX_SAMPLES: usize = 240;

/// A frame cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// Decodes frames.
pub(super) enum FrameDecoder {
    Msbc(msbc::Decoder),
    Lc3(lc3::Decoder),
}

impl FrameDecoder {
    /// Makes one for `codec`; nothing for one without frames.
    pub(super) fn new(codec: Codec) -> Result<Option<Self>, CodecError> {
        match codec {
            Codec::Cvsd => Ok(None),
            Codec::Msbc => Ok(Some(Self::Msbc(msbc::Decoder::new()?))),
            Codec::Lc3Swb => Ok(Some(Self::Lc3(lc3::Decoder::new()?))),
        }
    }

    /// Decodes a frame to the beginning of `out`; returns its samples.
    pub(super) fn decode<'a>(
        &mut self,
        payload: &[u8; PAYLOAD],
        out: &'a mut [f32; MAX_SAMPLES],
    ) -> Result<&'a mut [f32], Refused> {
        match self {
            Self::Msbc(decoder) => {
                let out = out.first_chunk_mut().ok_or(Refused)?;
                decoder.decode(payload, out)?;
                Ok(out)
            }
            Self::Lc3(decoder) => {
                decoder.decode(payload, out)?;
                Ok(out)
            }
        }
    }
}

/// Codes frames.
pub(super) enum FrameEncoder {
    Msbc(msbc::Encoder),
    Lc3(lc3::Encoder),
}

impl FrameEncoder {
    /// Makes one for `codec`; nothing for one without frames.
    pub(super) fn new(codec: Codec) -> Result<Option<Self>, CodecError> {
        match codec {
            Codec::Cvsd => Ok(None),
            Codec::Msbc => Ok(Some(Self::Msbc(msbc::Encoder::new()?))),
            Codec::Lc3Swb => Ok(Some(Self::Lc3(lc3::Encoder::new()?))),
        }
    }

    /// Codes the frame that `sound` begins with.
    pub(super) fn encode(&mut self, sound: &[f32; MAX_SAMPLES], out: &mut [u8; PAYLOAD]) {
        match self {
            Self::Msbc(encoder) => {
                if let Some(sound) = sound.first_chunk() {
                    encoder.encode(sound, out);
                }
            }
            Self::Lc3(encoder) => encoder.encode(sound, out),
        }
    }
}
