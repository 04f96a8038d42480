//! Hands-free, live: the links to phones' audio gateways and the voices of their calls.
//!
//! Invariant: decides nothing. What a phone says becomes a fact for the policy, what the policy
//! orders becomes a command of the machine in [`hfp`](crate::hfp), which this room gives its socket,
//! its clock and its threads. A link or a voice that ended by itself says so once; one that was
//! dropped says nothing.
//!
//! ```text
//! RFCOMM ─▶ link (task) ─▶ hfp::Machine ─▶ words ─▶ facts
//! SCO ────▶ voice (thread) ─▶ hfp::voice ─▶ pcm ─▶ PipeWire, and back
//! ```

mod link;
mod voice;
mod words;

pub use link::Links;
pub use voice::{Voice, VoiceError, VoiceMeters, VoiceReading};

use crate::hfp::{BatteryLevel, Codecs, Config, Gain};

/// What we can do for calls that is not always so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Callers are spared the echo of themselves.
    pub echo_cancelling: bool,
    /// The adapter carries codecs better than CVSD.
    pub wide_band: bool,
}

/// What we tell every phone of ourselves.
const fn config(abilities: Abilities) -> Config {
    Config {
        codecs: Codecs::new(abilities.wide_band, abilities.wide_band),
        echo_cancelling: abilities.echo_cancelling,
        // The policy has the first word.
        speaker: None,
        microphone: Gain::MAX,
        // A speaker is on mains power.
        battery: BatteryLevel::FULL,
    }
}

/// Returns the SupportedFeatures of our SDP record (HFP 1.9, 6.3).
pub fn sdp_features(abilities: Abilities) -> u16 {
    config(abilities).sdp_features()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_claims_nothing_that_the_adapter_does_not_carry() {
        for (echo_cancelling, wide_band, record) in [
            (true, true, 0x13f),
            (false, true, 0x13e),
            (true, false, 0x01f),
        ] {
            let abilities = Abilities {
                echo_cancelling,
                wide_band,
            };
            assert_eq!(sdp_features(abilities), record);
        }
    }
}
