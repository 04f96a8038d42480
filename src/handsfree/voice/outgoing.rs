//! From captured sound to the packets that go to the phone.
//!
//! Invariant: every packet that is asked for is made, of sound if there is any and of silence if
//! not; what the encoder gets while muted is zeros.

use std::collections::VecDeque;

use crate::hfp::Codec;
use crate::hfp::voice::{CodecError, MAX_PACKET, Uplink};
use crate::pcm::{Nanos, duration_of, frames_in};

use super::capture::{Inlet, Told};
use super::fade::Fade;
use super::level::Level;

/// The most samples for one packet: five LC3 frames of 60 bytes fill any.
const MOST_SAMPLES: usize = MAX_PACKET.div_ceil(60) * Codec::Lc3Swb.frame_samples();

/// Makes packets of one link.
pub(super) struct Outgoing {
    codec: Codec,
    uplink: Uplink,
    inlet: Option<Inlet>,
    level: Level,
    fade: Fade,
    /// Samples taken out of the present ring so far.
    taken: u64,
    sound: [f32; MOST_SAMPLES],
    /// Bytes that the encoder was given sound for and did not give out yet.
    held: usize,
    /// Bytes that wait for their packet to be due: a frame can be more than a packet.
    waiting: VecDeque<u8>,
    packet: [u8; MAX_PACKET],
    tally: Tally,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How often there was too little sound for a packet.
    pub(super) underruns: u32,
    /// How often there was so much that the oldest was thrown away.
    pub(super) overruns: u32,
}

impl Outgoing {
    /// Makes one for packets of `bytes` bytes.
    pub(super) fn new(codec: Codec, bytes: usize) -> Result<Self, CodecError> {
        let mut uplink = Uplink::new(codec)?;
        uplink.set_packet_size(bytes);
        Ok(Self {
            codec,
            uplink,
            inlet: None,
            level: Level::new(),
            fade: Fade::new(codec.rate()),
            taken: 0,
            sound: [0.0; MOST_SAMPLES],
            held: 0,
            waiting: VecDeque::with_capacity(2 * MAX_PACKET),
            packet: [0; MAX_PACKET],
            tally: Tally::default(),
        })
    }

    /// Takes sound from here from now on.
    pub(super) fn listen(&mut self, inlet: Inlet) {
        if self.level.is_flowing() {
            self.fade.break_off();
        }
        self.level.restart();
        self.inlet = Some(inlet);
        self.taken = 0;
    }

    /// Sets how loud the phone gets the room, from 0 to 1.
    pub(super) fn set_gain(&mut self, gain: f32) {
        self.fade.aim(gain);
    }

    /// Makes packets of another size from here on.
    pub(super) fn set_packet_size(&mut self, bytes: usize) {
        self.uplink.set_packet_size(bytes);
    }

    /// Returns the size of a packet in bytes.
    pub(super) fn packet_size(&self) -> usize {
        self.uplink.packet_size()
    }

    /// Returns what happened so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns how long captured sound waits; nothing while there is none.
    pub(super) fn latency(&self) -> Option<Nanos> {
        self.level.latency()
    }

    /// Makes the packet that is due at `due`.
    pub(super) fn packet(&mut self, due: Nanos) -> &[u8] {
        let size = self.uplink.packet_size();
        while self.waiting.len() < size {
            let count = self.missing(size);
            self.fetch(due, count);
            let (held, waiting) = (&mut self.held, &mut self.waiting);
            *held += bytes_of(self.codec, count);
            self.uplink.send(&self.sound[..count], |packet| {
                *held -= packet.len();
                waiting.extend(packet);
            });
        }
        let packet = &mut self.packet[..size];
        for (slot, byte) in packet.iter_mut().zip(self.waiting.drain(..size)) {
            *slot = byte;
        }
        packet
    }

    /// The number of samples for which the encoder gives out another packet.
    fn missing(&self, size: usize) -> usize {
        let bytes = size.saturating_sub(self.held).max(1);
        match self.codec {
            Codec::Cvsd => bytes.div_ceil(2),
            Codec::Msbc | Codec::Lc3Swb => {
                bytes.div_ceil(self.codec.usual_packet()) * self.codec.frame_samples()
            }
        }
    }

    /// Puts the next `count` samples at the beginning of `sound`.
    fn fetch(&mut self, due: Nanos, count: usize) {
        let sound = &mut self.sound[..count];
        let Some(inlet) = &mut self.inlet else {
            return self.fade.silence(sound);
        };
        let Some(Told { line, period }) = inlet.tap.told() else {
            return self.fade.silence(sound);
        };
        let rate = self.codec.rate();
        let latency = |taken: u64| due - duration_of(taken, rate) - line;
        let flowing = self.level.is_flowing();
        let level = inlet.ring.level();
        let after = latency(self.taken + count as u64);
        let Some(excess) = self.level.admit(after, period, level >= count) else {
            return self.fade.silence(sound);
        };
        let spare = level.saturating_sub(count);
        let skipped = inlet.ring.skip(frames_in(excess, rate).min(spare));
        if flowing && skipped > 0 {
            self.tally.overruns += 1;
            self.fade.break_off();
        }
        let fetched = inlet.ring.pop(sound);
        self.taken += (skipped + fetched) as u64;
        self.fade.sound(&mut sound[..fetched]);
        if fetched < count {
            self.tally.underruns += 1;
            self.level.ran_dry();
            self.fade.break_off();
            self.fade.silence(&mut sound[fetched..]);
        } else {
            let pace = self.level.taken(due, latency(self.taken), period);
            inlet.tap.order(pace);
        }
    }
}

/// How many bytes so many samples become.
fn bytes_of(codec: Codec, samples: usize) -> usize {
    match codec {
        Codec::Cvsd => 2 * samples,
        Codec::Msbc | Codec::Lc3Swb => samples / codec.frame_samples() * codec.usual_packet(),
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
