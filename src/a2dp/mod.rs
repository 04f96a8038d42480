//! Music from a phone: from the socket of a media transport to frames that can be played.
//!
//! Invariant: this room decides nothing. It takes a socket, reports what happens to the stream as
//! events, and hands out a [`Source`](crate::pcm::Source). It knows neither BlueZ nor PipeWire.
//!
//! ```text
//! socket ─ rtp ─ codec (sbc, aac) ─ conceal (lost) ─▶ pcm::playout ─ conceal (late) ─▶ audio thread
//! ```

mod aac;
mod codec;
mod error;
mod intake;
mod receiver;
mod report;
pub mod rtp;
pub mod sbc;
mod stream;

pub use error::A2dpError;
pub use stream::{Music, Stream};

#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    use crate::policy::model::{ChannelMode, StreamFormat};

    const CHANNELS: usize = 2;
    /// The most a packet can hold (8 frames of AAC) or stand in for (200 ms at 44.1 kHz, for those before
    /// it and for itself).
    const MOST: usize = (8 * aac::FRAMES + 2 * 8820) * CHANNELS;
    let Some((codec, mut bytes)) = bytes.split_first() else {
        return;
    };
    let rate = 44_100;
    let format = if codec % 2 == 0 {
        let mode = ChannelMode::JointStereo;
        let max_bitpool = 53;
        StreamFormat::Sbc {
            rate,
            mode,
            max_bitpool,
        }
    } else {
        let channels = CHANNELS as u8;
        StreamFormat::Aac { rate, channels }
    };
    let Some(mut receiver) = receiver::Receiver::new(format) else {
        return;
    };
    let mut sound = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        bytes = rest;
        sound.clear();
        receiver.receive(packet, &mut sound);
        assert!(sound.len() <= MOST && sound.len() % CHANNELS == 0);
        assert!(sound.iter().all(|sample| sample.abs() <= 1.5));
    }
}
