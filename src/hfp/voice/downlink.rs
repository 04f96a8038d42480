//! The way from the phone: packets to samples.
//!
//! Invariant: as many samples come out as were put in by the phone, whatever was lost or damaged on
//! the way, as far as the link lets it be known; none is louder than 1, and none is made up that is
//! not faded out within 60 ms.

use crate::pcm::Concealer;

use super::Codec;
use super::cvsd::PcmReader;
use super::frames::{FrameDecoder, MAX_SAMPLES};
use super::h2::{Deframer, Piece};
use super::packet::{CodecError, PacketStatus};
use super::samples::limit;

/// What happened on a link so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that arrived.
    pub packets: u64,
    /// Packets that the controller had doubts about, or nothing to put in.
    pub doubted: u64,
    /// Frames decoded. CVSD has none; neither has it the following three.
    pub frames: u64,
    /// Frames that are missing.
    pub lost: u64,
    /// Frames that lay in a packet that was doubted, or that the codec refused.
    pub damaged: u64,
    /// Frames that came twice.
    pub doubled: u64,
    /// Samples made up.
    pub concealed: u64,
}

/// Decodes the sound of one link.
pub struct Downlink {
    codec: Codec,
    line: Line,
    sound: Sound,
    tally: Tally,
}

enum Line {
    Samples(PcmReader),
    Frames(Deframer, FrameDecoder),
}

impl Downlink {
    /// Makes one that decodes `codec`; it begins in silence and fades in.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        let line = match FrameDecoder::new(codec)? {
            Some(decoder) => Line::Frames(Deframer::new(codec == Codec::Msbc), decoder),
            None => Line::Samples(PcmReader::default()),
        };
        Ok(Self {
            codec,
            line,
            sound: Sound::new(codec),
            tally: Tally::default(),
        })
    }

    /// Decodes a packet and hands its sound to `play`, after what stands in for sound that is
    /// missing before it. That can be nothing: the rest of a frame may be in the next packet.
    pub fn receive(&mut self, packet: &[u8], status: PacketStatus, mut play: impl FnMut(&[f32])) {
        let Self {
            codec,
            line,
            sound,
            tally,
        } = self;
        tally.packets += 1;
        tally.doubted += u64::from(status.is_bad());
        match line {
            Line::Samples(reader) if status.is_bad() => {
                sound.make_up(reader.skip(packet.len()), &mut play);
            }
            Line::Samples(reader) => reader.read(packet, |samples| sound.play(samples, &mut play)),
            Line::Frames(deframer, decoder) => deframer.push(packet, status, |piece| {
                let frames = tally.count(piece);
                if let Piece::Frame(payload) = piece {
                    let mut samples = [0.0; MAX_SAMPLES];
                    if let Ok(samples) = decoder.decode(payload, &mut samples) {
                        tally.frames += 1;
                        sound.play(samples, &mut play);
                        return;
                    }
                    tally.damaged += 1;
                }
                for _ in 0..frames {
                    sound.make_up(codec.frame_samples(), &mut play);
                }
            }),
        }
        tally.concealed = sound.made_up;
    }

    /// Fills `out` when no packet came although its time has passed, which only the caller's clock
    /// can tell; the same fading repetition as for packets known to be lost.
    pub fn conceal(&mut self, out: &mut [f32]) {
        self.sound.fill(out);
        self.tally.concealed = self.sound.made_up;
    }

    /// Returns what happened so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Says whether nothing can be heard, for want of good packets.
    pub fn is_silent(&self) -> bool {
        self.sound.concealer.is_silent()
    }
}

impl Tally {
    /// Counts `piece`; returns the number of frames that it stands for.
    fn count(&mut self, piece: Piece<'_>) -> u8 {
        match piece {
            Piece::Frame(_) => 1,
            Piece::Damaged => {
                self.damaged += 1;
                1
            }
            Piece::Doubled => {
                self.doubled += 1;
                0
            }
            Piece::Lost(count) => {
                self.lost += u64::from(count);
                count
            }
        }
    }
}

/// What is heard, made up or not.
struct Sound {
    concealer: Concealer,
    /// Samples made up so far.
    made_up: u64,
    /// For how many samples after a gap the codec's filters still sound of what was before it: the
    /// repetition goes on for that long before sound fades in. The rest of it, up to 6 ms, the fade
    /// covers; waiting longer costs more in speech than it gains in tones.
    settling: usize,
    /// Whether the frame before this one was missing.
    unsettled: bool,
}

impl Sound {
    fn new(codec: Codec) -> Self {
        Self {
            concealer: Concealer::new(codec.rate(), 1),
            made_up: 0,
            settling: match codec {
                Codec::Cvsd => 0,
                Codec::Msbc | Codec::Lc3Swb => codec.rate() as usize / 1_000,
            },
            unsettled: false,
        }
    }

    fn play(&mut self, samples: &mut [f32], play: &mut impl FnMut(&[f32])) {
        let mut settled = &mut samples[..];
        if self.unsettled && self.settling > 0 {
            let (first, rest) = samples.split_at_mut(self.settling.min(samples.len()));
            self.fill(first);
            settled = rest;
        }
        self.unsettled = false;
        self.concealer.play(settled);
        settled.iter_mut().for_each(|s| *s = limit(*s));
        play(samples);
    }

    fn make_up(&mut self, count: usize, play: &mut impl FnMut(&[f32])) {
        self.unsettled = true;
        let mut samples = [0.0; MAX_SAMPLES];
        let mut left = count;
        while left > 0 {
            let part = &mut samples[..left.min(MAX_SAMPLES)];
            self.fill(part);
            play(part);
            left -= part.len();
        }
    }

    fn fill(&mut self, out: &mut [f32]) {
        self.concealer.conceal(out);
        self.made_up += out.len() as u64;
        // A seam carries on a step of the signal, which can lead past what is allowed.
        out.iter_mut().for_each(|sample| *sample = limit(*sample));
    }
}

#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Some((first, mut bytes)) = bytes.split_first() else {
        return;
    };
    let codec = [Codec::Cvsd, Codec::Msbc, Codec::Lc3Swb][usize::from(first % 3)];
    let Ok(mut downlink) = Downlink::new(codec) else {
        return;
    };
    let mut most = 0;
    let mut heard = 0;
    while let Some(([status, length], rest)) = bytes.split_first_chunk::<2>() {
        let (packet, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        most += most_samples(codec, packet.len());
        downlink.receive(packet, PacketStatus::from_byte(*status), |sound| {
            assert!(sound.iter().all(|sample| sample.abs() <= 1.0));
            heard += sound.len();
        });
        assert!(heard <= most, "{heard} samples in place of {most}");
    }
}

/// The most samples that a packet can stand for: every 60 bytes a frame, and three lost before it.
#[cfg(any(test, fuzzing))]
fn most_samples(codec: Codec, bytes: usize) -> usize {
    match codec {
        // One without bytes stands for as many samples as the one before, half a sample may wait.
        Codec::Cvsd => bytes.max(super::MAX_PACKET) / 2 + 1,
        Codec::Msbc | Codec::Lc3Swb => (bytes + 2 * super::h2::FRAME) / 15 * codec.frame_samples(),
    }
}

#[cfg(test)]
#[path = "downlink_tests.rs"]
mod tests;
