//! The headers of SBC: one byte before the frames of a packet (A2DP 1.4, 4.3.4), four bytes of
//! each frame (appendix B.7).
//!
//! Invariant: parsers accept any bytes and never panic.

use thiserror::Error;

use crate::policy::model::ChannelMode;

/// Why a packet's payload cannot be split into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// There is no header.
    #[error("the payload is empty")]
    Empty,
    /// A frame larger than a packet was cut into pieces, which no frame that fits an A2DP packet
    /// needs.
    #[error("the frames are fragmented")]
    Fragmented,
}

/// Splits a payload into the number of frames that its header tells, and the frames.
///
/// # Errors
/// When it is empty or holds a fragment.
pub fn split_payload(payload: &[u8]) -> Result<(usize, &[u8]), PayloadError> {
    let (header, frames) = payload.split_first().ok_or(PayloadError::Empty)?;
    if header & 0x80 != 0 {
        Err(PayloadError::Fragmented)
    } else {
        Ok((usize::from(header & 0x0f), frames))
    }
}

/// What the first bytes of a frame say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Sampling rate in Hz.
    pub rate: u32,
    /// Channel mode.
    pub mode: ChannelMode,
    /// 4, 8, 12 or 16.
    pub blocks: u8,
    /// 4 or 8.
    pub subbands: u8,
    /// Whether bits are given out by signal-to-noise ratio rather than by loudness.
    pub by_snr: bool,
    /// How many bits the subbands of a block share.
    pub bitpool: u8,
}

/// Why bytes do not begin with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// They end within the frame.
    #[error("the frame is cut short")]
    Truncated,
    /// The sync word is missing.
    #[error("{0:#04x} is not the sync word of a frame")]
    Sync(u8),
    /// More bits than there are subbands to use them, or none.
    #[error("a bit pool of {0} does not fit the frame")]
    Bitpool(u8),
}

impl FrameHeader {
    const SYNC: u8 = 0x9c;

    /// Reads the header of the frame that `bytes` begin with; the whole frame must be there.
    ///
    /// # Errors
    /// When there is no such frame.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let [sync, shape, bitpool, _crc] =
            *bytes.first_chunk::<4>().ok_or(HeaderError::Truncated)?;
        if sync != Self::SYNC {
            return Err(HeaderError::Sync(sync));
        }
        let header = Self {
            rate: [16_000, 32_000, 44_100, 48_000][usize::from(shape >> 6)],
            mode: [
                ChannelMode::Mono,
                ChannelMode::DualChannel,
                ChannelMode::Stereo,
                ChannelMode::JointStereo,
            ][usize::from((shape >> 2) & 3)],
            blocks: ((shape >> 4) & 3) * 4 + 4,
            subbands: if shape & 1 == 0 { 4 } else { 8 },
            by_snr: shape & 2 != 0,
            bitpool,
        };
        if !(2..=header.max_bitpool()).contains(&u16::from(bitpool)) {
            return Err(HeaderError::Bitpool(bitpool));
        }
        if bytes.len() < header.length() {
            return Err(HeaderError::Truncated);
        }
        Ok(header)
    }

    /// Returns the number of frames of sound, one sample a channel, that it decodes to.
    pub fn samples(&self) -> usize {
        usize::from(self.blocks) * usize::from(self.subbands)
    }

    /// Returns its length in bytes.
    pub fn length(&self) -> usize {
        let channels = usize::from(self.mode.channels());
        let (blocks, subbands) = (usize::from(self.blocks), usize::from(self.subbands));
        let bitpool = usize::from(self.bitpool);
        let data_bits = match self.mode {
            ChannelMode::Mono | ChannelMode::DualChannel => blocks * channels * bitpool,
            ChannelMode::Stereo => blocks * bitpool,
            ChannelMode::JointStereo => subbands + blocks * bitpool,
        };
        4 + subbands * channels / 2 + data_bits.div_ceil(8)
    }

    /// The largest bit pool the subbands can use: 16 bits each.
    fn max_bitpool(&self) -> u16 {
        let sharing = match self.mode {
            ChannelMode::Mono | ChannelMode::DualChannel => 16,
            ChannelMode::Stereo | ChannelMode::JointStereo => 32,
        };
        (sharing * u16::from(self.subbands)).min(250)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn payloads_are_split() {
        assert_eq!(split_payload(&[]), Err(PayloadError::Empty));
        assert_eq!(split_payload(&[0x81, 1]), Err(PayloadError::Fragmented));
        assert_eq!(split_payload(&[0x05, 1, 2]), Ok((5, &[1, 2][..])));
    }

    #[test]
    fn the_formats_of_the_specification_have_its_lengths() {
        // (second byte, bit pool, length, rate), the lengths from A2DP 1.4, table 4.7, and for
        // the last the widely used "XQ".
        for (shape, bitpool, length, rate) in [
            (0b1011_0001, 31, 70, 44_100),
            (0b1111_0001, 29, 66, 48_000),
            (0b1011_1101, 53, 119, 44_100),
            (0b1111_1101, 51, 115, 48_000),
            (0b1011_1101, 35, 83, 44_100),
            (0b1011_0101, 38, 164, 44_100),
        ] {
            let mut frame = vec![0; length];
            frame[..3].copy_from_slice(&[0x9c, shape, bitpool]);
            let header = FrameHeader::parse(&frame).unwrap();
            assert_eq!((header.length(), header.rate), (length, rate));
            assert_eq!(header.samples(), 128);
            frame.pop();
            assert_eq!(FrameHeader::parse(&frame), Err(HeaderError::Truncated));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(FrameHeader::parse(&[0x9c, 0]), Err(HeaderError::Truncated));
        assert_eq!(
            FrameHeader::parse(&[0xad, 0, 0, 0]),
            Err(HeaderError::Sync(0xad))
        );
        for bitpool in [0, 1, 65] {
            let mono_four_subbands = [0x9c, 0, bitpool, 0];
            assert_eq!(
                FrameHeader::parse(&mono_four_subbands),
                Err(HeaderError::Bitpool(bitpool))
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(header) = FrameHeader::parse(&bytes) {
                prop_assert!(header.length() <= bytes.len());
                prop_assert!(header.samples() >= 16 && header.samples() <= 128);
            }
        }
    }
}
