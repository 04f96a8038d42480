//! The codecs of calls (HFP 1.9, 11).
//!
//! Invariant: CVSD is in every set, for every phone and every adapter has it; LC3-SWB only together
//! with mSBC, without which HFP 1.9 does not allow it.

use std::fmt;

/// How speech is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// 8 kHz, in every phone.
    Cvsd,
    /// 16 kHz.
    Msbc,
    /// 32 kHz.
    Lc3Swb,
}

impl Codec {
    const ALL: [Self; 3] = [Self::Cvsd, Self::Msbc, Self::Lc3Swb];

    /// Returns the number in `AT+BAC` and `+BCS`.
    pub const fn id(self) -> u8 {
        match self {
            Self::Cvsd => 1,
            Self::Msbc => 2,
            Self::Lc3Swb => 3,
        }
    }

    /// Returns the number of samples in a second.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Cvsd => 8_000,
            Self::Msbc => 16_000,
            Self::Lc3Swb => 32_000,
        }
    }

    /// Returns the number of samples in 7.5 ms, which is a frame of those codecs that have frames.
    pub const fn frame_samples(self) -> usize {
        (self.rate() as usize * 15) / 2_000
    }

    /// Returns the codec with this number.
    pub(super) fn with_id(id: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| u32::from(codec.id()) == id)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cvsd => "CVSD",
            Self::Msbc => "mSBC",
            Self::Lc3Swb => "LC3-SWB",
        })
    }
}

/// The codecs that we offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codecs {
    msbc: bool,
    lc3: bool,
}

impl Codecs {
    /// CVSD, with mSBC if the adapter can carry it, and with LC3-SWB on top.
    pub const fn new(msbc: bool, lc3: bool) -> Self {
        Self {
            msbc,
            lc3: msbc && lc3,
        }
    }

    /// Says whether `codec` is offered.
    pub const fn has(self, codec: Codec) -> bool {
        match codec {
            Codec::Cvsd => true,
            Codec::Msbc => self.msbc,
            Codec::Lc3Swb => self.lc3,
        }
    }

    /// Returns these without `codec` and without those that need it.
    pub(super) const fn without(self, codec: Codec) -> Self {
        match codec {
            Codec::Cvsd => self,
            Codec::Msbc => Self::new(false, false),
            Codec::Lc3Swb => Self::new(self.msbc, false),
        }
    }

    /// Returns the codecs, the plainest first.
    pub fn iter(self) -> impl Iterator<Item = Codec> {
        Codec::ALL.into_iter().filter(move |codec| self.has(*codec))
    }

    /// Returns the list of `AT+BAC=`.
    pub(super) fn listed(self) -> String {
        let ids: Vec<String> = self.iter().map(|codec| codec.id().to_string()).collect();
        ids.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_falls_back_step_by_step() {
        let all = Codecs::new(true, true);
        for (codecs, listed) in [
            (all, "1,2,3"),
            (all.without(Codec::Lc3Swb), "1,2"),
            (all.without(Codec::Msbc), "1"),
            (all.without(Codec::Cvsd), "1,2,3"),
            (Codecs::new(false, true), "1"),
            (Codecs::default(), "1"),
        ] {
            assert_eq!(codecs.listed(), listed);
        }
    }

    #[test]
    fn a_frame_is_7_5_ms() {
        for (codec, samples) in [(Codec::Cvsd, 60), (Codec::Msbc, 120), (Codec::Lc3Swb, 240)] {
            assert_eq!(codec.frame_samples(), samples);
        }
    }

    #[test]
    fn numbers_name_codecs() {
        for codec in Codec::ALL {
            assert_eq!(Codec::with_id(u32::from(codec.id())), Some(codec));
        }
        assert_eq!(Codec::with_id(0), None);
        assert_eq!(Codec::with_id(258), None);
    }
}
