//! What the codecs have in common: packets go in, and pieces of sound come out.
//!
//! Invariant: each packet that is not [`Held`](Unpacked::Held) is accounted for when the call
//! returns, by pieces or by [`Refused`](Unpacked::Refused); what was held is when the unit that it
//! belongs to ends, or is given up by [`Codec::lost`].

use crate::policy::model::StreamFormat;

use super::rtp::Packet;
use super::{aac, sbc};

/// A part of what packets held.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// A frame of the codec: sound, interleaved.
    Sound(&'a [f32]),
    /// A frame of the codec that cannot be decoded.
    Damaged,
    /// A frame of the codec that is not to be heard, since it needs the one before it, which was lost.
    Orphaned,
}

/// What came of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// It ended a unit that came in so many packets, whose pieces were handed out.
    Unit {
        /// How many.
        packets: u16,
    },
    /// It is a part of a unit that goes on in the next packet.
    Held,
    /// It, and what was held before it, is not what the codec puts into packets.
    Refused {
        /// How many packets that are.
        packets: u16,
    },
}

/// The codec of a stream.
pub(super) enum Codec {
    Sbc(sbc::Unpacker),
    Aac(Box<aac::Unpacker>),
}

impl Codec {
    /// Makes one for streams of this format; nothing when memory is short.
    pub(super) fn new(format: StreamFormat) -> Option<Self> {
        match format {
            StreamFormat::Sbc { rate, mode, .. } => {
                sbc::Unpacker::new(rate, mode.channels()).map(Self::Sbc)
            }
            StreamFormat::Aac { rate, channels } => {
                let unpacker = aac::Unpacker::new(rate, usize::from(channels))?;
                Some(Self::Aac(Box::new(unpacker)))
            }
        }
    }

    /// Returns how many frames of sound a frame of the codec has, most likely.
    pub(super) fn frames(&self) -> usize {
        match self {
            Self::Sbc(_) => sbc::USUAL_FRAMES,
            Self::Aac(_) => aac::FRAMES,
        }
    }

    /// Hands the pieces that this packet completes to `take`, in order.
    pub(super) fn unpack(
        &mut self,
        packet: &Packet<'_>,
        take: &mut dyn FnMut(Piece<'_>),
    ) -> Unpacked {
        match self {
            Self::Sbc(unpacker) => unpacker.unpack(packet.payload, take),
            Self::Aac(unpacker) => unpacker.unpack(packet, take),
        }
    }

    /// The packets before the next one were lost, or are not those that follow. Returns how many that
    /// were held are lost with them.
    pub(super) fn lost(&mut self) -> u16 {
        match self {
            Self::Sbc(_) => 0,
            Self::Aac(unpacker) => unpacker.lost(),
        }
    }
}

/// Returns how long a stream of this format is held back in its coding, in frames: by the filter
/// banks of both ends. What is in the sound of a packet is as much older than the packet says.
pub(super) fn delay(format: StreamFormat) -> u64 {
    match format {
        StreamFormat::Sbc { .. } => sbc::DELAY,
        StreamFormat::Aac { .. } => aac::DELAY,
    }
}
