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

/// What we tell every phone of ourselves, with echo cancelled or not.
const fn config(echo_cancelling: bool) -> Config {
    Config {
        codecs: Codecs::new(true, true),
        echo_cancelling,
        // The policy has the first word.
        speaker: None,
        microphone: Gain::MAX,
        // A speaker is on mains power.
        battery: BatteryLevel::FULL,
    }
}

/// Returns the SupportedFeatures of our SDP record (HFP 1.9, 6.3), with echo cancelled or not.
pub fn sdp_features(echo_cancelling: bool) -> u16 {
    config(echo_cancelling).sdp_features()
}
