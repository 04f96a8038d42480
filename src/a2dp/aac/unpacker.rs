//! Packets of AAC: each has an element, or a part of one (RFC 3016, 4.1).
//!
//! Invariant: holds no more than an element can have. An element ends where the marker bit says so,
//! or where all is there that its lengths tell of, since some phones mark nothing. Where one begins
//! only the end of the one before tells; so after a loss, where elements come in parts, what may be
//! the rest of one is left out.

use thiserror::Error;

use super::super::codec::{Piece, Unpacked};
use super::super::rtp::Packet;
use super::FRAMES;
use super::decoder::{DecodeError, Decoder};
use super::latm::{Element, LatmError, Mux};

/// The most bytes of an element that are waited for: five of the largest frames of two channels
/// (6144 bits for each), which no phone sends.
const LONGEST: usize = 8 * 1024;

/// The most packets that an element is waited for.
const MOST_PARTS: u16 = 16;

/// Why a frame cannot be heard.
#[derive(Debug, Error)]
enum FrameError {
    /// It is not there.
    #[error(transparent)]
    Latm(#[from] LatmError),
    /// It is of another rate or number of channels than was agreed on.
    #[error("a frame of {rate} Hz with {channels} channels is not what was agreed on")]
    Format { rate: u32, channels: usize },
    /// It is none.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Decodes the packets of one stream.
pub(in super::super) struct Unpacker {
    decoder: Decoder,
    rate: u32,
    channels: usize,
    /// What was last said to be in the elements.
    mux: Option<Mux>,
    /// The parts of an element so far.
    parts: Vec<u8>,
    /// How many there are.
    held: u16,
    /// How many packets the last whole element came in.
    usual: u16,
    /// Whether the phone marks the ends of elements.
    marks: bool,
    /// Packets were lost since an element ended.
    adrift: bool,
    /// The last frame was not decoded. The next one then lacks what should overlap with it: half of it
    /// is its own mirror image.
    broken: bool,
    frame: Vec<u8>,
    sound: Vec<f32>,
}

impl Unpacker {
    /// Makes one; nothing if the decoder does not know the format.
    pub(in super::super) fn new(rate: u32, channels: usize) -> Option<Self> {
        Some(Self {
            decoder: Decoder::new(rate, channels)?,
            rate,
            channels,
            mux: None,
            parts: Vec::with_capacity(LONGEST),
            held: 0,
            usual: 1,
            marks: false,
            adrift: false,
            broken: false,
            frame: Vec::with_capacity(LONGEST),
            sound: Vec::with_capacity(FRAMES * channels),
        })
    }

    /// Hands out the frames of the element that this packet ends.
    pub(in super::super) fn unpack(
        &mut self,
        packet: &Packet<'_>,
        take: &mut dyn FnMut(Piece<'_>),
    ) -> Unpacked {
        self.marks |= packet.marker;
        if self.adrift && self.marks && self.usual > 1 {
            self.adrift = !packet.marker;
            self.broken = true;
            return Unpacked::Refused { packets: 1 };
        }
        self.adrift = false;
        let longest = self.parts.len() + packet.payload.len() > LONGEST;
        if longest || self.held == MOST_PARTS {
            let packets = self.give_up() + 1;
            self.broken = true;
            return Unpacked::Refused { packets };
        }
        let mut element = std::mem::take(&mut self.parts);
        element.extend_from_slice(packet.payload);
        if !packet.marker && self.is_cut_short(&element) {
            self.parts = element;
            self.held += 1;
            return Unpacked::Held;
        }
        let packets = self.give_up() + 1;
        let unpacked = self.element(&element, packets, take);
        element.clear();
        self.parts = element;
        unpacked
    }

    /// The packets before the next one were lost; returns how many were held.
    pub(in super::super) fn lost(&mut self) -> u16 {
        self.adrift = true;
        self.broken = true;
        self.give_up()
    }

    /// Holds nothing any more; returns how many packets that were.
    fn give_up(&mut self) -> u16 {
        self.parts.clear();
        std::mem::take(&mut self.held)
    }

    fn is_cut_short(&self, element: &[u8]) -> bool {
        matches!(
            Element::read(element, self.mux).and_then(Element::pass),
            Err(LatmError::Truncated)
        )
    }

    fn element(&mut self, bytes: &[u8], packets: u16, take: &mut dyn FnMut(Piece<'_>)) -> Unpacked {
        let mut element = match Element::read(bytes, self.mux) {
            Ok(element) => element,
            Err(error) => {
                tracing::trace!(%error, "element concealed");
                self.broken = true;
                return Unpacked::Refused { packets };
            }
        };
        let mux = element.mux;
        self.usual = packets;
        for _ in 0..mux.frames {
            let decoded = self.frame(&mut element);
            if decoded.is_ok() {
                // Whatever says it, nonsense is not to be believed from then on.
                self.mux = Some(mux);
            }
            let orphaned = std::mem::replace(&mut self.broken, decoded.is_err());
            take(match decoded {
                Ok(()) if orphaned => Piece::Orphaned,
                Ok(()) => Piece::Sound(&self.sound),
                Err(error) => {
                    tracing::trace!(%error, "frame concealed");
                    Piece::Damaged
                }
            });
        }
        Unpacked::Unit { packets }
    }

    /// Decodes the next frame of an element. Behind one that is cut short there is none.
    fn frame(&mut self, element: &mut Element<'_>) -> Result<(), FrameError> {
        element.next_frame(&mut self.frame)?;
        let Mux { rate, channels, .. } = element.mux;
        if (rate, channels) != (self.rate, self.channels) {
            return Err(FrameError::Format { rate, channels });
        }
        Ok(self.decoder.decode(&self.frame, &mut self.sound)?)
    }
}

#[cfg(test)]
#[path = "unpacker_tests.rs"]
mod tests;
