//! The six bytes of MPEG-2 and MPEG-4 AAC (A2DP 1.4, 4.5.2).
//!
//! Invariant: what we offer and take is low complexity alone, in which a frame has 1024 samples.

use super::{CapsError, best, only};
use crate::policy::model::{MusicCodec, StreamFormat};

/// The most bits a second that we ask for: what phones send at their best, and every radio carries.
const MOST_BITS: u32 = 320_000;

/// A bit rate that changes from frame to frame.
const VARIABLE: u32 = 0x80_0000;

// Each list holds the bits of one field, the ones we prefer first: 44.1 kHz stereo because that is how
// music is stored. The two kinds are one and the same to a decoder.
const KINDS: [(u8, ()); 2] = [(0x80, ()), (0x40, ())];
const RATES: [(u16, u32); 2] = [(0x0010, 44_100), (0x0008, 48_000)];
const CHANNELS: [(u16, u8); 2] = [(0x0004, 2), (0x0008, 1)];

/// Frames say how loud they want to be, which is no kind of AAC.
const DYNAMIC_RANGE: u8 = 0x01;

/// The fields.
#[derive(Clone, Copy)]
struct Fields {
    kind: u8,
    rate: u16,
    channels: u16,
    /// Bits a second, and [`VARIABLE`].
    bits: u32,
}

impl Fields {
    fn read(bytes: &[u8]) -> Result<Self, CapsError> {
        let [kind, first, second, bits @ ..]: [u8; 6] =
            bytes.try_into().map_err(|_| CapsError::Length {
                codec: MusicCodec::Aac,
                right: 6,
                count: bytes.len(),
            })?;
        let both = u16::from_be_bytes([first, second]);
        Ok(Self {
            kind,
            rate: both >> 4,
            channels: both & 0xf,
            bits: u32::from_be_bytes([0, bits[0], bits[1], bits[2]]),
        })
    }

    fn write(self) -> [u8; 6] {
        let [first, second] = ((self.rate << 4) | self.channels).to_be_bytes();
        let [_, bits @ ..] = self.bits.to_be_bytes();
        [self.kind, first, second, bits[0], bits[1], bits[2]]
    }
}

/// Returns what our endpoints offer: low complexity at 44.1 and 48 kHz, mono and stereo, at whatever
/// bit rate from frame to frame up to [`MOST_BITS`].
pub(super) fn offered() -> [u8; 6] {
    Fields {
        kind: KINDS.iter().fold(0, |bits, (bit, ())| bits | bit),
        rate: RATES.iter().fold(0, |bits, (bit, _)| bits | bit),
        channels: CHANNELS.iter().fold(0, |bits, (bit, _)| bits | bit),
        bits: VARIABLE | MOST_BITS,
    }
    .write()
}

/// Chooses a configuration from what a phone can do.
///
/// # Errors
/// Says what is wrong with the capabilities.
pub(super) fn select(capabilities: &[u8]) -> Result<[u8; 6], CapsError> {
    let offer = Fields::read(capabilities)?;
    let (kind, ()) = best(&KINDS, offer.kind, "the kind of AAC")?;
    let (rate, _) = best(&RATES, offer.rate, "the sampling rate")?;
    let (channels, _) = best(&CHANNELS, offer.channels, "the channels")?;
    let bits = match offer.bits & !VARIABLE {
        // Not known.
        0 => MOST_BITS,
        bits => bits.min(MOST_BITS),
    };
    let variable = offer.bits & VARIABLE;
    let chosen = Fields {
        kind,
        rate,
        channels,
        bits: variable | bits,
    };
    Ok(chosen.write())
}

/// Reads the configuration a phone has chosen.
///
/// # Errors
/// Says why it is not one: each field has to have exactly one value.
pub(super) fn parse(configuration: &[u8]) -> Result<StreamFormat, CapsError> {
    let chosen = Fields::read(configuration)?;
    // Of those that we know nothing of none may be named either.
    for (field, values) in [
        ("the kind of AAC", u16::from(chosen.kind & !DYNAMIC_RANGE)),
        ("the sampling rate", chosen.rate),
        ("the channels", chosen.channels),
    ] {
        let count = values.count_ones();
        if count > 1 {
            return Err(CapsError::Choice { field, count });
        }
    }
    only(&KINDS, chosen.kind, "the kind of AAC")?;
    Ok(StreamFormat::Aac {
        rate: only(&RATES, chosen.rate, "the sampling rate")?,
        channels: only(&CHANNELS, chosen.channels, "the channels")?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn configurations_are_read_as_the_specification_says() {
        for (bytes, rate, channels) in [
            // What iPhones choose.
            ([0x80, 0x01, 0x04, 0x84, 0x0d, 0x30], 44_100, 2),
            ([0x40, 0x00, 0x84, 0x03, 0xe8, 0x00], 48_000, 2),
            ([0x81, 0x00, 0x88, 0x00, 0x00, 0x00], 48_000, 1),
        ] {
            let format = StreamFormat::Aac { rate, channels };
            assert_eq!(parse(&bytes), Ok(format), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_no_configuration_says_why() {
        for (bytes, field, count) in [
            ([0xc0, 0x01, 0x04, 0x84, 0x0d, 0x30], "the kind of AAC", 2),
            ([0x20, 0x01, 0x04, 0x84, 0x0d, 0x30], "the kind of AAC", 0),
            ([0x80, 0x01, 0x84, 0x84, 0x0d, 0x30], "the sampling rate", 2),
            ([0x80, 0x02, 0x04, 0x84, 0x0d, 0x30], "the sampling rate", 0),
            ([0x80, 0x01, 0x0c, 0x84, 0x0d, 0x30], "the channels", 2),
            ([0x80, 0x01, 0x02, 0x84, 0x0d, 0x30], "the channels", 0),
            ([0xa0, 0x01, 0x04, 0x84, 0x0d, 0x30], "the kind of AAC", 2),
            ([0x80, 0x03, 0x04, 0x84, 0x0d, 0x30], "the sampling rate", 2),
            ([0x80, 0x01, 0x06, 0x84, 0x0d, 0x30], "the channels", 2),
        ] {
            let error = CapsError::Choice { field, count };
            assert_eq!(parse(&bytes), Err(error), "{bytes:02x?}");
        }
        let error = CapsError::Length {
            codec: MusicCodec::Aac,
            right: 6,
            count: 4,
        };
        assert_eq!(parse(&[0x80, 0x01, 0x04, 0x84]), Err(error));
    }

    #[test]
    fn the_choice_is_what_music_is_stored_in() {
        for (capabilities, chosen) in [
            (offered(), [0x80, 0x01, 0x04, 0x84, 0xe2, 0x00]),
            (
                [0x40, 0xff, 0xfc, 0x03, 0xe8, 0x00],
                [0x40, 0x01, 0x04, 0x03, 0xe8, 0x00],
            ),
            (
                [0xff, 0x00, 0x88, 0x7f, 0xff, 0xff],
                [0x80, 0x00, 0x88, 0x04, 0xe2, 0x00],
            ),
            (
                [0xc0, 0x01, 0x0c, 0x80, 0x00, 0x00],
                [0x80, 0x01, 0x04, 0x84, 0xe2, 0x00],
            ),
        ] {
            assert_eq!(select(&capabilities), Ok(chosen), "{capabilities:02x?}");
        }
        assert!(select(&[0x20, 0x01, 0x04, 0x80, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_a_configuration_within_the_capabilities(bytes: [u8; 6]) {
            if let Ok(chosen) = select(&bytes) {
                prop_assert!(parse(&chosen).is_ok());
                let within = bytes.iter().zip(chosen).take(3);
                prop_assert!(within.clone().all(|(all, one)| one & !all == 0));
                let bits = Fields::read(&chosen).unwrap().bits;
                prop_assert!((1..=MOST_BITS).contains(&(bits & !VARIABLE)));
            }
        }

        #[test]
        fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..9)) {
            let right = bytes.len() == 6;
            prop_assert!(right || parse(&bytes).is_err() && select(&bytes).is_err());
        }
    }
}
