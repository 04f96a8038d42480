//! Packets of SBC: up to 15 whole frames after a byte that counts them (A2DP 1.4, 4.3.4).
//!
//! Invariant: a frame that is damaged costs itself, and the rest of its packet only if its length
//! cannot be told.

use super::super::codec::{Piece, Unpacked};
use super::{Decoder, FrameHeader, MAX_SAMPLES, split_payload};

/// Decodes the packets of one stream.
pub(in super::super) struct Unpacker {
    decoder: Decoder,
}

impl Unpacker {
    /// Makes one; nothing when memory is short.
    pub(in super::super) fn new(rate: u32, channels: u8) -> Option<Self> {
        Decoder::new(rate, channels).map(|decoder| Self { decoder })
    }

    /// Hands out the frames of a packet.
    pub(in super::super) fn unpack(
        &mut self,
        payload: &[u8],
        take: &mut dyn FnMut(Piece<'_>),
    ) -> Unpacked {
        let Ok((count, mut bytes)) = split_payload(payload) else {
            return Unpacked::Refused { packets: 1 };
        };
        let mut decoded = [0; MAX_SAMPLES];
        let mut sound = [0.0; MAX_SAMPLES];
        for _ in 0..count {
            match self.decoder.decode(bytes, &mut decoded) {
                Ok(frame) => {
                    bytes = &bytes[frame.bytes..];
                    let sound = &mut sound[..frame.samples];
                    for (sample, decoded) in sound.iter_mut().zip(decoded) {
                        *sample = f32::from(decoded) / 32_768.0;
                    }
                    take(Piece::Sound(sound));
                }
                Err(error) => {
                    tracing::trace!(%error, "frame concealed");
                    let length =
                        FrameHeader::parse(bytes).map_or(bytes.len(), |header| header.length());
                    bytes = &bytes[length..];
                    take(Piece::Damaged);
                }
            }
        }
        Unpacked::Unit { packets: 1 }
    }
}
