//! The thread of a voice link: takes the phone's packets as they come, and sends ours when they are
//! due.
//!
//! Invariant: waits for nothing but the socket, the signal and the clock, and never for the queue of
//! events, whose reader may be waiting for this thread to end.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, mpsc};

use rustix::io::Errno;

use crate::hfp::Codec;
use crate::hfp::voice::{CodecError, MAX_PACKET, PacketStatus};
use crate::pcm::playout::Outlet;
use crate::pcm::{self, MILLISECOND, Nanos, SECOND, Signal, ask_for_real_time};

use super::capture::Inlet;
use super::fade::gain_of;
use super::flow::Flow;
use super::incoming::Incoming;
use super::meters::VoiceMeters;
use super::outgoing::Outgoing;
use super::pacer::{Pacer, lasting};
use super::report::Reporter;
use super::socket;

/// The smallest packets to send, in bytes: the thread wakes for each of them.
const SMALLEST_PACKET: usize = 12;

/// How long the first packet may take. An adapter that sends the sound of calls elsewhere, to a pin
/// of its chip, never has one for us.
const FIRST_PACKET: Nanos = 3 * SECOND;

/// What the handle tells the thread.
#[derive(Debug)]
pub(super) struct Controls {
    pub(super) muted: AtomicBool,
    /// How loud the phone wants the room, 0 to 15.
    pub(super) microphone: AtomicU8,
}

impl Controls {
    fn gain(&self) -> f32 {
        if self.muted.load(Relaxed) {
            0.0
        } else {
            gain_of(self.microphone.load(Relaxed))
        }
    }
}

/// What the thread shares with the handle.
pub(super) struct Shared {
    pub(super) signal: Arc<Signal>,
    pub(super) controls: Arc<Controls>,
    pub(super) meters: Arc<VoiceMeters>,
    pub(super) new_outlets: mpsc::Receiver<Outlet>,
    pub(super) new_inlets: mpsc::Receiver<Inlet>,
}

/// One link's thread.
pub(super) struct Exchange {
    socket: OwnedFd,
    shared: Shared,
    reporter: Reporter,
    codec: Codec,
    incoming: Incoming,
    outgoing: Outgoing,
    pacer: Pacer,
    /// The longest packet to send, in bytes.
    longest: usize,
    /// The length of the packet that came last; 0 before the first.
    length: usize,
    /// From the first packet on.
    flow: Option<Flow>,
    begun: Nanos,
    unsent: u64,
    sent: u64,
}

/// Why the thread ends.
enum End {
    Dropped,
    Closed,
    Silent,
    Failed(Errno),
}

/// Says whether an error means that the phone took the sound back, or walked away, which is no
/// fault.
fn is_end(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::CONNRESET
            | Errno::CONNABORTED
            | Errno::NOTCONN
            | Errno::PIPE
            | Errno::TIMEDOUT
            | Errno::HOSTDOWN
    )
}

impl Exchange {
    pub(super) fn new(
        socket: OwnedFd,
        mtu: u16,
        codec: Codec,
        shared: Shared,
        reporter: Reporter,
    ) -> Result<Self, CodecError> {
        let longest = usize::from(mtu).clamp(SMALLEST_PACKET, MAX_PACKET);
        let size = codec.usual_packet().min(longest);
        let begun = pcm::now();
        Ok(Self {
            socket,
            shared,
            reporter,
            codec,
            incoming: Incoming::new(codec)?,
            outgoing: Outgoing::new(codec, size)?,
            pacer: Pacer::new(begun, lasting(codec, size)),
            longest,
            length: 0,
            flow: None,
            begun,
            unsent: 0,
            sent: 0,
        })
    }

    /// Runs until the link ends.
    pub(super) fn run(mut self) {
        ask_for_real_time();
        let error = match self.exchange() {
            End::Dropped => return,
            End::Closed => None,
            End::Silent => Some(
                "no sound comes through the voice link; the adapter may send it elsewhere, see CALLS \
                 in dotd(8)"
                    .to_owned(),
            ),
            End::Failed(errno) => Some(format!(
                "the sound of the call broke off ({errno}); choose the speaker again on the phone"
            )),
        };
        let signal = &self.shared.signal;
        while !self.reporter.ended(error.as_deref()) && !signal.is_stopping() {
            signal.wait(20 * MILLISECOND);
        }
    }

    fn exchange(&mut self) -> End {
        loop {
            let left = self.pacer.deadline() - pcm::now();
            let signal = &self.shared.signal;
            if let Err(errno) = signal.wait_beside(&self.socket, Some(left)) {
                return End::Failed(errno);
            }
            if signal.is_stopping() {
                return End::Dropped;
            }
            self.take_ends();
            if let Some(end) = self.receive_waiting() {
                return end;
            }
            let now = pcm::now();
            if self.length == 0 && now - self.begun > FIRST_PACKET {
                return End::Silent;
            }
            if let Some(end) = self.send_due(now) {
                return end;
            }
            if let Some(flow) = &self.flow {
                self.reporter.flows(flow.problem(now));
            }
        }
    }

    /// Takes over from or to whom sound goes from now on.
    fn take_ends(&mut self) {
        if let Some(outlet) = self.shared.new_outlets.try_iter().last() {
            self.incoming.play(outlet);
        }
        if let Some(inlet) = self.shared.new_inlets.try_iter().last() {
            self.outgoing.listen(inlet);
        }
    }

    /// Takes every packet that is there.
    fn receive_waiting(&mut self) -> Option<End> {
        let mut packet = [0; MAX_PACKET];
        loop {
            match socket::receive(&self.socket, &mut packet) {
                Ok((0, _)) => return Some(End::Closed),
                Ok((length, status)) => self.packet(pcm::now(), &packet[..length], status),
                Err(Errno::AGAIN | Errno::INTR) => return None,
                Err(errno) if is_end(errno) => return Some(End::Closed),
                Err(errno) => return Some(End::Failed(errno)),
            }
        }
    }

    fn packet(&mut self, now: Nanos, packet: &[u8], status: PacketStatus) {
        self.follow_size(packet.len());
        self.pacer.arrived(now, lasting(self.codec, packet.len()));
        self.incoming.packet(now, packet, status);
        self.reporter.up();
        self.flow.get_or_insert_with(|| Flow::new(now)).came(now);
        self.gauge_incoming();
    }

    /// Controllers on USB want packets of the size that they send. Two in a row are believed.
    fn follow_size(&mut self, length: usize) {
        let settled = length == self.length;
        self.length = length;
        let possible = (SMALLEST_PACKET..=self.longest).contains(&length);
        if settled && possible && length != self.outgoing.packet_size() {
            self.outgoing.set_packet_size(length);
            self.pacer.set_interval(lasting(self.codec, length));
        }
    }

    /// Sends every packet that is due.
    fn send_due(&mut self, now: Nanos) -> Option<End> {
        while let Some(due) = self.pacer.due(now) {
            self.outgoing.set_gain(self.shared.controls.gain());
            let packet = self.outgoing.packet(due);
            match socket::send(&self.socket, packet) {
                Ok(()) => {
                    self.sent += 1;
                    if let Some(flow) = &mut self.flow {
                        flow.went(now);
                    }
                }
                // The kernel tells the end once, to whoever asks first.
                Err(errno) if is_end(errno) => return Some(End::Closed),
                // A packet that there is no room for would be late: it is dropped.
                Err(_) => self.unsent += 1,
            }
            self.gauge_outgoing();
        }
        None
    }

    fn gauge_incoming(&self) {
        let meters = &self.shared.meters;
        let (tally, wait) = (self.incoming.tally(), self.incoming.wait());
        meters.received.store(tally.packets, Relaxed);
        meters.doubted.store(tally.doubted, Relaxed);
        meters.lost.store(tally.lost, Relaxed);
        meters.damaged.store(tally.damaged, Relaxed);
        let concealed = self.incoming.concealed() as u64 / 1000;
        meters.concealed_us.store(concealed, Relaxed);
        meters.underruns.store(wait.underruns, Relaxed);
        meters.overruns.store(wait.overruns, Relaxed);
        meters.buffered.store(wait.latency, Relaxed);
        meters.target.store(wait.target, Relaxed);
        meters.jitter.store(wait.jitter, Relaxed);
        meters.drift_ppm.store(wait.drift_ppm as i32, Relaxed);
    }

    fn gauge_outgoing(&self) {
        let meters = &self.shared.meters;
        let tally = self.outgoing.tally();
        meters.sent.store(self.sent, Relaxed);
        meters.unsent.store(self.unsent, Relaxed);
        let captured = self.outgoing.latency().unwrap_or(0);
        meters.captured.store(captured, Relaxed);
        meters.capture_underruns.store(tally.underruns, Relaxed);
        meters.capture_overruns.store(tally.overruns, Relaxed);
    }
}
