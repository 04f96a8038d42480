//! The four bytes in which A2DP devices say what SBC they can do and what they settled on
//! (A2DP 1.4, 4.3.2).
//!
//! Invariant: pure, and any bytes at all get an answer or an error. They come from whoever is within
//! radio range.

use super::{CapsError, best, only};
use crate::policy::model::{ChannelMode, MusicCodec, StreamFormat};

/// The smallest bit pool that the specification knows.
const MIN_BITPOOL: u8 = 2;

/// The largest bit pool that the specification knows.
const SPECIFIED_MAX_BITPOOL: u8 = 250;

/// The largest bit pool we offer. 53 is what most phones use; 76 in joint stereo, or 38 in dual
/// channel, is what is known as "SBC XQ" (about 450 kbit/s at 44.1 kHz). More is not audible and
/// only loads the radio.
const OFFERED_MAX_BITPOOL: u8 = 76;

/// The bit pool we ask for when the choice is ours: A2DP's "high quality", which every radio carries.
const HIGH_QUALITY_STEREO: u8 = 53;

/// The same where each channel has a bit pool of its own.
const HIGH_QUALITY_PER_CHANNEL: u8 = 31;

// Each list holds the bits of one field, the ones we prefer first.
const RATES: [(u8, u32); 4] = [
    (0x20, 44_100),
    (0x10, 48_000),
    (0x40, 32_000),
    (0x80, 16_000),
];
const MODES: [(u8, ChannelMode); 4] = [
    (0x01, ChannelMode::JointStereo),
    (0x02, ChannelMode::Stereo),
    (0x04, ChannelMode::DualChannel),
    (0x08, ChannelMode::Mono),
];
const BLOCKS: [(u8, u8); 4] = [(0x10, 16), (0x20, 12), (0x40, 8), (0x80, 4)];
const SUBBANDS: [(u8, u8); 2] = [(0x04, 8), (0x08, 4)];
const ALLOCATIONS: [(u8, Allocation); 2] = [(0x01, Allocation::Loudness), (0x02, Allocation::Snr)];

/// How SBC shares out its bits. The decoder reads it from each frame; here it only has to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allocation {
    Loudness,
    Snr,
}

/// Returns what our endpoints offer: everything, with bit pools up to [`OFFERED_MAX_BITPOOL`].
pub(super) const fn offered() -> [u8; 4] {
    [0xFF, 0xFF, MIN_BITPOOL, OFFERED_MAX_BITPOOL]
}

/// Chooses a configuration from what a phone can do: 44.1 kHz joint stereo if there is any choice,
/// because that is how music is stored.
///
/// # Errors
/// Says what is wrong with the capabilities.
pub(super) fn select(capabilities: &[u8]) -> Result<[u8; 4], CapsError> {
    let [first, second, min, max] = four(capabilities)?;
    let (rate, _) = best(&RATES, first, "the sampling rate")?;
    let (mode_bit, mode) = best(&MODES, first, "the channel mode")?;
    let (blocks, _) = best(&BLOCKS, second, "the block length")?;
    let (subbands, _) = best(&SUBBANDS, second, "the subbands")?;
    let (allocation, _) = best(&ALLOCATIONS, second, "the bit allocation")?;
    let wanted = match mode {
        ChannelMode::JointStereo | ChannelMode::Stereo => HIGH_QUALITY_STEREO,
        ChannelMode::DualChannel | ChannelMode::Mono => HIGH_QUALITY_PER_CHANNEL,
    };
    let (min, max) = bitpools(min.max(MIN_BITPOOL), max.min(wanted))?;
    Ok([rate | mode_bit, blocks | subbands | allocation, min, max])
}

/// Reads the configuration a phone has chosen.
///
/// # Errors
/// Says why it is not one: each field has to have exactly one value.
pub(super) fn parse(configuration: &[u8]) -> Result<StreamFormat, CapsError> {
    let [first, second, min, max] = four(configuration)?;
    let rate = only(&RATES, first, "the sampling rate")?;
    let mode = only(&MODES, first, "the channel mode")?;
    only(&BLOCKS, second, "the block length")?;
    only(&SUBBANDS, second, "the subbands")?;
    only(&ALLOCATIONS, second, "the bit allocation")?;
    let (_, max_bitpool) = bitpools(min, max)?;
    Ok(StreamFormat::Sbc {
        rate,
        mode,
        max_bitpool,
    })
}

fn four(bytes: &[u8]) -> Result<[u8; 4], CapsError> {
    bytes.try_into().map_err(|_| CapsError::Length {
        codec: MusicCodec::Sbc,
        right: 4,
        count: bytes.len(),
    })
}

fn bitpools(min: u8, max: u8) -> Result<(u8, u8), CapsError> {
    if MIN_BITPOOL <= min && min <= max && max <= SPECIFIED_MAX_BITPOOL {
        Ok((min, max))
    } else {
        Err(CapsError::Bitpool { min, max })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn length(count: usize) -> CapsError {
        CapsError::Length {
            codec: MusicCodec::Sbc,
            right: 4,
            count,
        }
    }

    #[test]
    fn configurations_are_read_as_the_specification_says() {
        for (bytes, rate, mode, max_bitpool) in [
            ([0x21, 0x15, 2, 53], 44_100, ChannelMode::JointStereo, 53),
            ([0x12, 0x15, 2, 51], 48_000, ChannelMode::Stereo, 51),
            ([0x44, 0x29, 2, 38], 32_000, ChannelMode::DualChannel, 38),
            ([0x88, 0x8A, 2, 250], 16_000, ChannelMode::Mono, 250),
        ] {
            let format = StreamFormat::Sbc {
                rate,
                mode,
                max_bitpool,
            };
            assert_eq!(parse(&bytes), Ok(format), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_no_configuration_says_why() {
        let choice = |field, count| CapsError::Choice { field, count };
        let bitpool = |min, max| CapsError::Bitpool { min, max };
        for (bytes, error) in [
            ([0x31, 0x15, 2, 53], choice("the sampling rate", 2)),
            ([0x20, 0x15, 2, 53], choice("the channel mode", 0)),
            ([0x21, 0x05, 2, 53], choice("the block length", 0)),
            ([0x21, 0x1D, 2, 53], choice("the subbands", 2)),
            ([0x21, 0x14, 2, 53], choice("the bit allocation", 0)),
            ([0x21, 0x15, 0, 53], bitpool(0, 53)),
            ([0x21, 0x15, 54, 53], bitpool(54, 53)),
            ([0x21, 0x15, 2, 251], bitpool(2, 251)),
        ] {
            assert_eq!(parse(&bytes), Err(error), "{bytes:02x?}");
        }
        assert_eq!(parse(&[0x21, 0x15, 2]), Err(length(3)));
        assert_eq!(parse(&[]), Err(length(0)));
    }

    #[test]
    fn the_choice_is_what_music_is_stored_in() {
        for (capabilities, chosen) in [
            ([0xFF, 0xFF, 2, 250], [0x21, 0x15, 2, 53]),
            ([0x3F, 0xFF, 2, 35], [0x21, 0x15, 2, 35]),
            ([0x12, 0x15, 10, 53], [0x12, 0x15, 10, 53]),
            ([0xC8, 0xEA, 0, 250], [0x48, 0x2A, 2, 31]),
        ] {
            assert_eq!(select(&capabilities), Ok(chosen), "{capabilities:02x?}");
        }
        assert_eq!(
            select(&[0xFF, 0xFF, 60, 250]),
            Err(CapsError::Bitpool { min: 60, max: 53 })
        );
        assert_eq!(select(&[0xFF; 5]), Err(length(5)));
    }

    #[test]
    fn the_offer_leaves_room_for_xq() {
        let [_, _, min, max] = offered();
        assert_eq!(min, 2);
        assert!(max >= 76);
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..8)) {
            let wrong = length(bytes.len());
            prop_assert!(bytes.len() == 4 || parse(&bytes) == Err(wrong));
            prop_assert!(bytes.len() == 4 || select(&bytes) == Err(wrong));
        }

        #[test]
        fn what_is_chosen_is_a_configuration_within_the_capabilities(bytes: [u8; 4]) {
            if let Ok(chosen) = select(&bytes) {
                prop_assert!(parse(&chosen).is_ok());
                prop_assert_eq!(chosen[0] & !bytes[0], 0);
                prop_assert_eq!(chosen[1] & !bytes[1], 0);
                prop_assert!(chosen[2] >= bytes[2] && chosen[3] <= bytes[3]);
                prop_assert!(chosen[3] <= offered()[3]);
            }
        }
    }
}
