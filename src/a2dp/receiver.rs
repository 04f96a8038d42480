//! From packets to frames of sound, without any input or output of its own.
//!
//! Invariant: as many frames come out as the phone put in, whatever was lost or damaged on the
//! way, so that time goes on evenly. Packets are parsed once, here.

use crate::pcm::{Concealer, Nanos, duration_of};
use crate::policy::model::StreamFormat;

use super::codec::{Codec, Piece, Unpacked};
use super::rtp::{self, Order, Packet, Sequence};

/// Decodes the packets of one stream.
pub(super) struct Receiver {
    codec: Codec,
    sequence: Sequence,
    playing: Playing,
    /// Frames of sound in the last packet, which is what a lost one is taken to have held.
    packet_frames: usize,
    tally: Tally,
}

/// What goes on from one frame of the codec to the next.
struct Playing {
    concealer: Concealer,
    channels: usize,
    rate: u32,
    /// Frames of sound in the last frame of the codec.
    codec_frames: usize,
    /// Frames of sound made up.
    concealed: u64,
    /// Frames of the codec that could not be decoded.
    damaged: u64,
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

    pub(super) fn new(format: StreamFormat) -> Option<Self> {
        let codec = Codec::new(format)?;
        let (rate, channels) = (format.rate(), usize::from(format.channels()));
        let playing = Playing {
            concealer: Concealer::new(rate, channels),
            channels,
            rate,
            codec_frames: codec.frames(),
            concealed: 0,
            damaged: 0,
        };
        Some(Self {
            codec,
            sequence: Sequence::default(),
            playing,
            packet_frames: 0,
            tally: Tally::default(),
        })
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            refused: self.tally.refused + self.playing.damaged,
            concealed: self.playing.concealed,
            ..self.tally
        }
    }

    /// Decodes `packet` and appends its sound to `out`, after sound in place of what was lost.
    pub(super) fn receive(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Received {
        self.tally.packets += 1;
        let Ok(packet) = rtp::parse(packet) else {
            self.tally.refused += 1;
            return Received::Nothing;
        };
        let mut gap = match self.sequence.place(packet.sequence) {
            Order::Next => Gap::default(),
            Order::Restarted => self.bridge(0, out),
            Order::AfterGap(lost) => self.bridge(lost, out),
            Order::Stale => return Received::Nothing,
        };
        let before = out.len();
        gap.left_out += self.unpack(&packet, out);
        if out.len() > before || gap != Gap::default() {
            Received::Sound(gap)
        } else {
            Received::Nothing
        }
    }

    /// Returns how many frames are missing in whose place nothing is.
    fn unpack(&mut self, packet: &Packet<'_>, out: &mut Vec<f32>) -> usize {
        let before = out.len();
        let playing = &mut self.playing;
        let unpacked = self
            .codec
            .unpack(packet, &mut |piece| playing.take(piece, out));
        match unpacked {
            Unpacked::Unit { packets } => {
                let frames = (out.len() - before) / playing.channels;
                self.packet_frames = frames / usize::from(packets);
                0
            }
            Unpacked::Refused { packets } => {
                self.tally.refused += 1;
                self.stand_in(usize::from(packets), out).left_out
            }
            Unpacked::Held => 0,
        }
    }

    /// Makes up for `lost` packets.
    fn bridge(&mut self, lost: u16, out: &mut Vec<f32>) -> Gap {
        let held = self.codec.lost();
        self.tally.lost += u64::from(lost);
        self.tally.refused += u64::from(held);
        self.stand_in(usize::from(lost) + usize::from(held), out)
    }

    /// Makes up for so many packets, or the longest gap.
    fn stand_in(&mut self, packets: usize, out: &mut Vec<f32>) -> Gap {
        let longest = (self.playing.rate * Self::LONGEST_GAP_MS / 1000) as usize;
        let missing = packets * self.packet_frames;
        let concealed = missing.min(longest);
        self.playing.make_up(concealed, out);
        Gap {
            concealed,
            left_out: missing - concealed,
        }
    }

    /// How long the sound made up so far lasts.
    pub(super) fn concealed(&self) -> Nanos {
        duration_of(self.playing.concealed, self.playing.rate)
    }
}

impl Playing {
    fn take(&mut self, piece: Piece<'_>, out: &mut Vec<f32>) {
        match piece {
            Piece::Sound(sound) => {
                let start = out.len();
                out.extend_from_slice(sound);
                self.concealer.play(&mut out[start..]);
                self.codec_frames = sound.len() / self.channels;
            }
            Piece::Damaged => {
                self.damaged += 1;
                self.make_up(self.codec_frames, out);
            }
            Piece::Orphaned => self.make_up(self.codec_frames, out),
        }
    }

    fn make_up(&mut self, frames: usize, out: &mut Vec<f32>) {
        self.concealed += frames as u64;
        let start = out.len();
        out.resize(start + frames * self.channels, 0.0);
        self.concealer.conceal(&mut out[start..]);
    }
}

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;
