//! From the phone's packets to sound that waits to be played.
//!
//! Invariant: what is known to be lost is made up here, at its place, for only the numbers of the
//! frames tell that. A packet that is late is none of it: the player makes up what is missing in the
//! turn that needs it. If it were made up here, by the clock, a packet that comes in time after all
//! would find its place taken, and every sound after it would be later by as much; and frames that
//! do not come would be made up a second time, when the next one tells that they are lost.

use crate::hfp::Codec;
use crate::hfp::voice::{CodecError, Downlink, PacketStatus, Tally};
use crate::pcm::playout::{Aims, Controller, Outlet};
use crate::pcm::{Nanos, duration_of};

/// Samples that there is room for from the beginning: the longest packet, and frames lost before it.
const ROOM: usize = 2048;

/// Receives the packets of one link.
pub(super) struct Incoming {
    codec: Codec,
    downlink: Downlink,
    controller: Controller,
    outlet: Option<Outlet>,
    sound: Vec<f32>,
    /// Samples put into the present ring so far.
    written: u64,
    /// Samples made up by the players so far.
    late: u64,
    overrun: bool,
    underruns: u32,
    overruns: u32,
}

/// How sound waits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wait {
    /// How long a packet that comes in time does.
    pub(super) latency: Nanos,
    /// How long it should.
    pub(super) target: Nanos,
    /// How late packets come, nearly all of them.
    pub(super) jitter: Nanos,
    /// How much faster the phone's clock runs than the sound card's, in parts per million.
    pub(super) drift_ppm: f32,
    /// How often the ring of the present player ran dry.
    pub(super) underruns: u32,
    /// How often a ring ran over.
    pub(super) overruns: u32,
}

impl Incoming {
    pub(super) fn new(codec: Codec) -> Result<Self, CodecError> {
        Ok(Self {
            codec,
            downlink: Downlink::new(codec)?,
            controller: Controller::new(codec.rate(), Aims::VOICE),
            outlet: None,
            sound: Vec::with_capacity(ROOM),
            written: 0,
            late: 0,
            overrun: false,
            underruns: 0,
            overruns: 0,
        })
    }

    /// Plays through here from now on.
    pub(super) fn play(&mut self, outlet: Outlet) {
        self.outlet = Some(outlet);
        self.written = 0;
        self.overrun = false;
        self.controller.restart();
    }

    /// Takes a packet that came at `now`.
    pub(super) fn packet(&mut self, now: Nanos, packet: &[u8], status: PacketStatus) {
        let sound = &mut self.sound;
        sound.clear();
        self.downlink
            .receive(packet, status, |samples| sound.extend_from_slice(samples));
        let Some(outlet) = &mut self.outlet else {
            return;
        };
        if sound.is_empty() {
            return;
        }
        if outlet.ring.push(sound).is_err() {
            // Nobody plays. Whoever begins to wants what comes then, not what came before.
            self.overruns += u32::from(!self.overrun);
            self.overrun = true;
            outlet.link.flush();
            self.controller.restart();
            return;
        }
        self.overrun = false;
        let playout = outlet.link.playout();
        self.underruns = playout.underruns;
        self.late += u64::from(outlet.link.take_concealed());
        // What is made up for frames that were lost should have come before this packet.
        let lost = sound.len().saturating_sub(own(self.codec, packet.len()));
        let first = self.written + lost as u64;
        self.written += sound.len() as u64;
        let orders = self.controller.arrived(now, first, playout);
        outlet.link.order(orders.begin, orders.pace);
    }

    /// Returns what happened on the link so far.
    pub(super) fn tally(&self) -> Tally {
        self.downlink.tally()
    }

    /// Returns how much sound was made up so far, whether lost or late.
    pub(super) fn concealed(&self) -> Nanos {
        duration_of(self.tally().concealed + self.late, self.codec.rate())
    }

    /// Returns how sound waits.
    pub(super) fn wait(&self) -> Wait {
        Wait {
            latency: self.controller.latency(),
            target: self.controller.target(),
            jitter: self.controller.jitter(),
            drift_ppm: self.controller.drift().ppm,
            underruns: self.underruns,
            overruns: self.overruns,
        }
    }
}

/// The most samples that a packet of so many bytes brings when nothing was lost before it.
fn own(codec: Codec, bytes: usize) -> usize {
    match codec {
        Codec::Cvsd => usize::MAX,
        Codec::Msbc | Codec::Lc3Swb => {
            (bytes / codec.usual_packet()).max(1) * codec.frame_samples()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hfp::voice::Uplink;
    use crate::pcm::{Cycle, MILLISECOND, SECOND, Source, playout};

    const FRAME: Nanos = 7_500_000;

    struct Bench {
        incoming: Incoming,
        player: playout::Player,
        packets: Vec<Vec<u8>>,
        now: Nanos,
    }

    impl Bench {
        /// A phone that sends so many mSBC packets, each of a frame.
        fn new(packets: usize) -> Self {
            let mut uplink = Uplink::new(Codec::Msbc).unwrap();
            let sound: Vec<f32> = (0..packets * 120)
                .map(|n| 0.5 * (n as f32 * 0.2).sin())
                .collect();
            let mut made = Vec::new();
            uplink.send(&sound, |packet| made.push(packet.to_vec()));
            let mut incoming = Incoming::new(Codec::Msbc).unwrap();
            let (outlet, player) = playout::outlet(16_000, 1, 4_800);
            incoming.play(outlet);
            Self {
                incoming,
                player,
                packets: made,
                now: SECOND,
            }
        }

        /// Receives those packets that `keep` lets through, and plays meanwhile.
        fn run(&mut self, keep: impl Fn(usize) -> bool) -> Vec<f32> {
            let mut heard = Vec::new();
            for (n, packet) in self.packets.iter().enumerate() {
                if keep(n) {
                    let status = PacketStatus::Correct;
                    self.incoming.packet(self.now, packet, status);
                }
                let mut turn = [f32::NAN; 120];
                let cycle = Cycle {
                    now: self.now + MILLISECOND,
                    delay: 0,
                };
                self.player.pull(&mut turn, cycle);
                heard.extend(turn);
                self.now += FRAME;
            }
            heard
        }
    }

    #[test]
    fn what_comes_is_played() {
        let mut bench = Bench::new(100);
        let heard = bench.run(|_| true);
        assert!(heard.iter().all(|sample| sample.abs() < 0.6));
        assert!(heard[6_000..].iter().any(|sample| *sample > 0.45));
        let tally = bench.incoming.tally();
        assert_eq!((tally.packets, tally.lost), (100, 0));
        let wait = bench.incoming.wait();
        assert_eq!((wait.underruns, wait.overruns), (0, 0));
        assert_eq!(wait.jitter, MILLISECOND);
    }

    #[test]
    fn what_was_lost_does_not_count_as_late() {
        let mut bench = Bench::new(400);
        bench.run(|n| n % 100 != 99);
        let (tally, wait) = (bench.incoming.tally(), bench.incoming.wait());
        assert_eq!(tally.lost, 3);
        assert_eq!(wait.jitter, MILLISECOND);
        assert!(bench.incoming.concealed() > 3 * FRAME);
    }

    #[test]
    fn sound_that_nobody_plays_is_dropped() {
        let mut bench = Bench::new(100);
        let packets = std::mem::take(&mut bench.packets);
        for packet in &packets {
            bench
                .incoming
                .packet(bench.now, packet, PacketStatus::Correct);
            bench.now += FRAME;
        }
        assert_eq!(bench.incoming.wait().overruns, 1);
        bench.packets = packets;
        let heard = bench.run(|_| true);
        assert!(heard[6_000..].iter().any(|sample| *sample > 0.45));
        assert_eq!(bench.incoming.wait().overruns, 1);
    }
}
