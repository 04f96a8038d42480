//! From packets to frames of sound, without any input or output of its own.
//!
//! Invariant: as many frames come out as the phone put in, whatever was lost or damaged on the
//! way, so that time goes on evenly. Packets are parsed once, here.

use crate::pcm::{Concealer, Nanos, duration_of};

use super::rtp::{self, Order, Sequence};
use super::sbc::{Decoder, FrameHeader, MAX_SAMPLES, split_payload};

/// Decodes the packets of one stream.
pub(super) struct Receiver {
    decoder: Decoder,
    sequence: Sequence,
    concealer: Concealer,
    channels: usize,
    rate: u32,
    /// Frames of sound in the last packet, which is what a lost one is taken to have held.
    packet_frames: usize,
    /// Frames of sound in the last frame of the codec.
    codec_frames: usize,
    tally: Tally,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Packets that arrived.
    pub(super) packets: u64,
    /// Packets that never did.
    pub(super) lost: u64,
    /// Packets, or frames within them, that could not be decoded.
    pub(super) refused: u64,
    /// Frames of sound made up.
    pub(super) concealed: u64,
}

/// What a packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Sound.
    Sound(Gap),
    /// Nothing to play.
    Nothing,
}

/// What was lost before a packet, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gap {
    /// So many stand in for it, at the beginning of the sound.
    pub(super) concealed: usize,
    /// So many more are missing, and nothing stands in for them.
    pub(super) left_out: usize,
}

impl Receiver {
    /// No more than this is made up for lost packets: it would be silence, and fill the ring.
    const LONGEST_GAP_MS: u32 = 200;

    pub(super) fn new(rate: u32, channels: u8) -> Option<Self> {
        Some(Self {
            decoder: Decoder::new(rate, channels)?,
            sequence: Sequence::default(),
            concealer: Concealer::new(rate, usize::from(channels)),
            channels: usize::from(channels),
            rate,
            packet_frames: 0,
            codec_frames: 128,
            tally: Tally::default(),
        })
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Decodes `packet` and appends its sound to `out`, after sound in place of what was lost.
    pub(super) fn receive(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Received {
        self.tally.packets += 1;
        let Ok(packet) = rtp::parse(packet) else {
            self.tally.refused += 1;
            return Received::Nothing;
        };
        let gap = match self.sequence.place(packet.sequence) {
            Order::Next | Order::Restarted => Gap::default(),
            Order::AfterGap(lost) => self.bridge(lost, out),
            Order::Stale => return Received::Nothing,
        };
        match split_payload(packet.payload) {
            Ok((count, frames)) => self.decode(count, frames, out),
            Err(_) => {
                self.tally.refused += 1;
                self.make_up(self.packet_frames, out);
            }
        }
        Received::Sound(gap)
    }

    fn decode(&mut self, count: usize, mut bytes: &[u8], out: &mut Vec<f32>) {
        let before = out.len();
        let mut decoded = [0; MAX_SAMPLES];
        for _ in 0..count {
            match self.decoder.decode(bytes, &mut decoded) {
                Ok(frame) => {
                    bytes = &bytes[frame.bytes..];
                    let start = out.len();
                    let samples = decoded[..frame.samples].iter();
                    out.extend(samples.map(|sample| f32::from(*sample) / 32_768.0));
                    self.concealer.play(&mut out[start..]);
                    self.codec_frames = frame.samples / self.channels;
                }
                Err(error) => {
                    tracing::trace!(%error, "frame concealed");
                    self.tally.refused += 1;
                    let length =
                        FrameHeader::parse(bytes).map_or(bytes.len(), |header| header.length());
                    bytes = &bytes[length..];
                    self.make_up(self.codec_frames, out);
                }
            }
        }
        self.packet_frames = (out.len() - before) / self.channels;
    }

    /// Makes up for `lost` packets.
    fn bridge(&mut self, lost: u16, out: &mut Vec<f32>) -> Gap {
        self.tally.lost += u64::from(lost);
        let longest = (self.rate * Self::LONGEST_GAP_MS / 1000) as usize;
        let missing = usize::from(lost) * self.packet_frames;
        let concealed = missing.min(longest);
        self.make_up(concealed, out);
        Gap {
            concealed,
            left_out: missing - concealed,
        }
    }

    fn make_up(&mut self, frames: usize, out: &mut Vec<f32>) {
        self.tally.concealed += frames as u64;
        let start = out.len();
        out.resize(start + frames * self.channels, 0.0);
        self.concealer.conceal(&mut out[start..]);
    }

    /// How long the sound made up so far lasts.
    pub(super) fn concealed(&self) -> Nanos {
        duration_of(self.tally.concealed, self.rate)
    }
}

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;
