//! What an HF and an AG tell each other they can do (`AT+BRSF`, HFP 1.9, 4.34; SDP, 6.3).
//!
//! Invariant: there is one place for what we claim, [`HfFeatures::of`]; the SDP record is made from
//! the same value.

use super::codec::Codecs;

/// What we can do, as in `AT+BRSF=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HfFeatures(u32);

impl HfFeatures {
    /// We cancel echo ourselves.
    pub const ECHO_CANCELLING: Self = Self(1);
    /// Waiting calls and several calls at once.
    pub const THREE_WAY: Self = Self(1 << 1);
    /// The number of a caller is shown.
    pub const CALLER_NUMBER: Self = Self(1 << 2);
    /// The phone's assistant can be started and stopped.
    pub const VOICE_RECOGNITION: Self = Self(1 << 3);
    /// The phone may set our volume.
    pub const REMOTE_VOLUME: Self = Self(1 << 4);
    /// We ask for the list of calls.
    pub const CALL_LIST: Self = Self(1 << 5);
    /// One of several calls can be ended.
    pub const CALL_CONTROL: Self = Self(1 << 6);
    /// The codec is negotiated.
    pub const CODEC_NEGOTIATION: Self = Self(1 << 7);
    /// We tell the level of our battery.
    pub const HF_INDICATORS: Self = Self(1 << 8);
    // Not claimed: eSCO settings S4 (bit 9; the kernel has no such parameters), enhanced voice
    // recognition (bits 10 and 11).

    /// Returns what a speaker can do, with echo cancelled here or left to the phone.
    pub(super) fn of(echo_cancelling: bool) -> Self {
        let always = [
            Self::THREE_WAY,
            Self::CALLER_NUMBER,
            Self::VOICE_RECOGNITION,
            Self::REMOTE_VOLUME,
            Self::CALL_LIST,
            Self::CALL_CONTROL,
            Self::CODEC_NEGOTIATION,
            Self::HF_INDICATORS,
        ];
        let claimed = always.iter().fold(0, |bits, feature| bits | feature.0);
        Self(claimed | u32::from(echo_cancelling))
    }

    /// Returns the number of `AT+BRSF=`.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Says whether `feature` is among these.
    pub const fn has(self, feature: Self) -> bool {
        self.0 & feature.0 == feature.0
    }

    /// Returns the attribute SupportedFeatures (0x0311) of the SDP record (HFP 1.9, 6.3): the first
    /// five bits are those of `AT+BRSF`, the others tell of codecs.
    pub(super) fn sdp(self, codecs: Codecs) -> u16 {
        const SAME: u32 = 0x1f;
        const WIDE_BAND: u16 = 1 << 5;
        const SUPER_WIDE_BAND: u16 = 1 << 8;
        let mut bits = (self.0 & SAME) as u16;
        if codecs.has(super::Codec::Msbc) {
            bits |= WIDE_BAND;
        }
        if codecs.has(super::Codec::Lc3Swb) {
            bits |= SUPER_WIDE_BAND;
        }
        bits
    }
}

/// What the phone can do, as in `+BRSF:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgFeatures(u32);

impl AgFeatures {
    /// Waiting calls and several calls at once.
    pub const THREE_WAY: Self = Self(1);
    /// The phone cancels echo unless told not to.
    pub const ECHO_CANCELLING: Self = Self(1 << 1);
    /// It has an assistant.
    pub const VOICE_RECOGNITION: Self = Self(1 << 2);
    /// It may send its ring tone over the audio link.
    pub const IN_BAND_RING: Self = Self(1 << 3);
    /// It can reject a call.
    pub const REJECT: Self = Self(1 << 5);
    /// It has a list of calls.
    pub const CALL_LIST: Self = Self(1 << 6);
    /// One of several calls can be ended.
    pub const CALL_CONTROL: Self = Self(1 << 7);
    /// Errors come with a reason.
    pub const EXTENDED_ERRORS: Self = Self(1 << 8);
    /// The codec is negotiated.
    pub const CODEC_NEGOTIATION: Self = Self(1 << 9);
    /// It takes the level of our battery.
    pub const HF_INDICATORS: Self = Self(1 << 10);

    /// Takes the number of `+BRSF:`; bits without a meaning yet are kept.
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns the number of `+BRSF:`.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Says whether `feature` is among these.
    pub const fn has(self, feature: Self) -> bool {
        self.0 & feature.0 == feature.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_says_what_the_command_says() {
        for (echo, msbc, lc3, brsf, sdp) in [
            (false, false, false, 0x1fe, 0x01e),
            (true, false, false, 0x1ff, 0x01f),
            (true, true, false, 0x1ff, 0x03f),
            (true, true, true, 0x1ff, 0x13f),
            (false, true, true, 0x1fe, 0x13e),
        ] {
            let features = HfFeatures::of(echo);
            assert_eq!(features.bits(), brsf);
            assert_eq!(features.sdp(Codecs::new(msbc, lc3)), sdp);
        }
    }
}
