//! The player's end of a stream: what PipeWire's real-time thread pulls.
//!
//! Invariant: real-time safe. It takes what is in the ring; it conceals what is not; it begins
//! when the buffer's controller allows it, and after running dry it waits to be allowed again.

use std::sync::Arc;

use crate::pcm::{Cycle, Pace, Reader, Source, duration_of};

use super::conceal::Concealer;
use super::link::Link;

/// Plays one stream.
pub(super) struct Player {
    ring: Reader,
    link: Arc<Link>,
    concealer: Concealer,
    rate: u32,
    channels: usize,
    playing: bool,
    /// Frames taken out of the ring so far.
    consumed: u64,
}

impl Player {
    pub(super) fn new(ring: Reader, link: Arc<Link>, rate: u32, channels: usize) -> Self {
        Self {
            ring,
            link,
            concealer: Concealer::new(rate, channels),
            rate,
            channels,
            playing: false,
            consumed: 0,
        }
    }
}

impl Source for Player {
    fn pull(&mut self, out: &mut [f32], cycle: Cycle) -> Pace {
        let frames = out.len() / self.channels;
        if self.link.take_flush() {
            self.consumed += self.ring.discard() as u64;
            self.playing = false;
        }
        let offset = cycle.now - duration_of(self.consumed, self.rate);
        if !self.playing && self.ring.level() >= frames && self.link.may_begin(offset) {
            self.playing = true;
        }
        let period = duration_of(frames as u64, self.rate);
        self.link
            .tell(self.playing.then_some(offset), period, cycle.delay);
        let mut played = 0;
        if self.playing {
            played = self.ring.pop(out);
            self.consumed += played as u64;
            self.concealer.play(&mut out[..played * self.channels]);
            if played < frames {
                self.playing = false;
                self.link.count_underrun();
            }
        }
        if played < frames {
            if !self.concealer.is_silent() {
                self.link.count_concealed(frames - played);
            }
            self.concealer.conceal(&mut out[played * self.channels..]);
        }
        self.link.pace()
    }
}
