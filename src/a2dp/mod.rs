//! Music from a phone: from the socket of a media transport to frames that can be played.
//!
//! Invariant: this room decides nothing. It takes a socket, reports what happens to the stream as
//! events, and hands out a [`Source`](crate::pcm::Source). It knows neither BlueZ nor PipeWire.
//!
//! ```text
//! socket ─ rtp ─ sbc ─ conceal (lost) ─▶ pcm::playout ─ conceal (late) ─▶ audio thread
//! ```

mod error;
mod intake;
mod receiver;
mod report;
pub mod rtp;
pub mod sbc;
mod stream;

pub use error::A2dpError;
pub use stream::Stream;

#[cfg(fuzzing)]
pub(crate) fn fuzz(mut bytes: &[u8]) {
    const CHANNELS: usize = 2;
    /// The most a packet can hold (15 frames of 128) or stand in for (200 ms at 44.1 kHz).
    const MOST: usize = (15 * 128 + 8820) * CHANNELS;
    let Some(mut receiver) = receiver::Receiver::new(44_100, CHANNELS as u8) else {
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
