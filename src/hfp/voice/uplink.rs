//! The way to the phone: samples to packets.
//!
//! Invariant: as many bytes go out as the samples put in stand for, less what waits for a frame or
//! a packet to be full.

use super::Codec;
use super::cvsd;
use super::frames::{FrameEncoder, MAX_SAMPLES};
use super::h2::{self, FRAME, PAYLOAD};
use super::packer::Packer;
use super::packet::CodecError;

/// Codes the sound of one link.
pub struct Uplink {
    codec: Codec,
    /// None for CVSD, which the controller codes.
    encoder: Option<FrameEncoder>,
    packer: Packer,
    /// Samples that wait for their frame to be full.
    waiting: [f32; MAX_SAMPLES],
    filled: usize,
    /// The number of the next frame.
    number: u8,
}

impl Uplink {
    /// Makes one that codes with `codec` into packets of [`Codec::usual_packet`] bytes.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Ok(Self {
            codec,
            encoder: FrameEncoder::new(codec)?,
            packer: Packer::new(codec.usual_packet()),
            waiting: [0.0; MAX_SAMPLES],
            filled: 0,
            number: 0,
        })
    }

    /// Makes packets of `bytes` from here on (1 to [`MAX_PACKET`](super::MAX_PACKET), others are
    /// brought into that range). Links over USB want packets of the size they send themselves.
    pub fn set_packet_size(&mut self, bytes: usize) {
        self.packer.set_size(bytes);
    }

    /// Returns the size of a packet in bytes.
    pub fn packet_size(&self) -> usize {
        self.packer.size()
    }

    /// Takes samples, any number of them, and hands each packet that they fill to `send`.
    pub fn send(&mut self, sound: &[f32], mut send: impl FnMut(&[u8])) {
        let Some(encoder) = &mut self.encoder else {
            let packer = &mut self.packer;
            cvsd::write(sound, |bytes| packer.push(bytes, &mut send));
            return;
        };
        let frame_samples = self.codec.frame_samples();
        let mut rest = sound;
        while !rest.is_empty() {
            let count = rest.len().min(frame_samples - self.filled);
            let (now, later) = rest.split_at(count);
            self.waiting[self.filled..self.filled + count].copy_from_slice(now);
            self.filled += count;
            rest = later;
            if self.filled == frame_samples {
                self.filled = 0;
                let frame = code(encoder, &self.waiting, self.number);
                self.number = (self.number + 1) & 3;
                self.packer.push(&frame, &mut send);
            }
        }
    }
}

fn code(encoder: &mut FrameEncoder, sound: &[f32; MAX_SAMPLES], number: u8) -> [u8; FRAME] {
    let mut payload = [0; PAYLOAD];
    encoder.encode(sound, &mut payload);
    let mut frame = [0; FRAME];
    h2::write_header(&mut frame, number);
    frame[FRAME - PAYLOAD..].copy_from_slice(&payload);
    frame
}
