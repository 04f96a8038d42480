//! The thread of a stream: waits for packets, and passes on what they hold.
//!
//! Invariant: waits for nothing but the socket and the signal, and never for the queue of events,
//! whose reader may be waiting for this thread to end.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::pcm::playout::{Controller, Outlet, Playout};
use crate::pcm::{self, MILLISECOND, Meters, Nanos, SECOND, Signal};
use crate::pcm::{ask_for_real_time, duration_of};
use crate::policy::model::StreamFormat;

use super::codec;
use super::receiver::{Received, Receiver};
use super::report::Reporter;
use super::stream::Music;

/// The smallest buffer for a packet: BlueZ's default MTU for media.
const SMALLEST_MTU: usize = 672;

/// One stream's thread.
pub(super) struct Intake {
    socket: OwnedFd,
    signal: Arc<Signal>,
    new_outlets: mpsc::Receiver<Outlet>,
    outlet: Option<Outlet>,
    receiver: Receiver,
    controller: Controller,
    reporter: Reporter,
    gauge: Gauge,
    format: StreamFormat,
    /// Frames put into the ring of the present outlet.
    written: u64,
    overrun: bool,
    sound: Vec<f32>,
}

/// Why the thread ends.
enum End {
    Dropped,
    Closed,
    Failed(Errno),
}

impl Intake {
    pub(super) fn new(
        socket: OwnedFd,
        signal: Arc<Signal>,
        new_outlets: mpsc::Receiver<Outlet>,
        receiver: Receiver,
        reporter: Reporter,
        meters: Arc<Meters>,
        music: Music,
    ) -> Self {
        let Music {
            format,
            delay,
            learned,
        } = music;
        Self {
            socket,
            signal,
            new_outlets,
            outlet: None,
            receiver,
            controller: Controller::new(format.rate(), delay.aims()).after(learned),
            reporter,
            gauge: Gauge::new(meters),
            format,
            written: 0,
            overrun: false,
            sound: Vec::new(),
        }
    }

    /// Runs until the stream ends.
    pub(super) fn run(mut self, read_mtu: usize) {
        ask_for_real_time();
        let mut packet = vec![0; read_mtu.max(SMALLEST_MTU)];
        let error = match self.receive_all(&mut packet) {
            End::Dropped => return,
            End::Closed => None,
            End::Failed(errno) => Some(format!(
                "the phone's stream broke off ({errno}); play again on the phone"
            )),
        };
        while !self.reporter.ended(error.as_deref()) && !self.signal.is_stopping() {
            self.signal.wait(20 * MILLISECOND);
        }
    }

    fn receive_all(&mut self, packet: &mut [u8]) -> End {
        loop {
            if let Err(errno) = self.signal.wait_beside(&self.socket, None) {
                return End::Failed(errno);
            }
            if self.signal.is_stopping() {
                return End::Dropped;
            }
            self.take_outlet();
            if let Some(end) = self.receive_waiting(packet) {
                return end;
            }
        }
    }

    /// Takes every packet that is there.
    fn receive_waiting(&mut self, packet: &mut [u8]) -> Option<End> {
        loop {
            match recv(&self.socket, &mut *packet, RecvFlags::empty()) {
                Ok((_, 0)) => return Some(End::Closed),
                Ok((_, length)) => self.packet(pcm::now(), &packet[..length]),
                Err(Errno::AGAIN | Errno::INTR) => return None,
                // The phone closed the stream, or walked away, which is no fault.
                Err(
                    Errno::CONNRESET
                    | Errno::CONNABORTED
                    | Errno::NOTCONN
                    | Errno::TIMEDOUT
                    | Errno::HOSTDOWN,
                ) => return Some(End::Closed),
                Err(errno) => return Some(End::Failed(errno)),
            }
        }
    }

    fn take_outlet(&mut self) {
        if let Some(outlet) = self.new_outlets.try_iter().last() {
            self.outlet = Some(outlet);
            self.written = 0;
            self.overrun = false;
            self.controller.restart();
        }
    }

    fn packet(&mut self, now: Nanos, packet: &[u8]) {
        self.sound.clear();
        let received = self.receiver.receive(packet, &mut self.sound);
        self.gauge.received(now, packet.len(), &self.receiver);
        let Received::Sound(gap) = received else {
            return;
        };
        let Some(outlet) = &mut self.outlet else {
            return;
        };
        if outlet.ring.push(&self.sound).is_err() {
            // Nobody plays. Whoever begins to wants what comes then, not what came before.
            if !self.overrun {
                self.overrun = true;
                self.gauge.meters.overruns.fetch_add(1, Relaxed);
            }
            outlet.link.flush();
            self.controller.restart();
            return;
        }
        self.overrun = false;
        let playout = outlet.link.playout();
        let first = self.written + gap.concealed as u64;
        self.written += (self.sound.len() / usize::from(self.format.channels())) as u64;
        self.controller.left_out(gap.left_out as u64);
        let orders = self.controller.arrived(now, first, playout);
        outlet.link.order(orders.begin, orders.pace);
        let made_up = u64::from(outlet.link.take_concealed());
        let rate = self.format.rate();
        self.gauge.concealed(duration_of(made_up, rate));
        let delay = self.controller.latency()
            + playout.delay
            + duration_of(codec::delay(self.format), rate);
        self.gauge
            .buffered(&self.controller, &playout, orders.pace.ppm, delay);
        if playout.offset.is_some() {
            self.reporter.playing(now, delay);
        }
    }
}

/// Keeps the dials.
struct Gauge {
    meters: Arc<Meters>,
    /// Sound made up by the players, in nanoseconds.
    late: Nanos,
    since: Nanos,
    bytes: u64,
}

impl Gauge {
    fn new(meters: Arc<Meters>) -> Self {
        Self {
            meters,
            late: 0,
            since: 0,
            bytes: 0,
        }
    }

    fn received(&mut self, now: Nanos, bytes: usize, receiver: &Receiver) {
        let tally = receiver.tally();
        self.meters.packets.store(tally.packets, Relaxed);
        self.meters.lost.store(tally.lost, Relaxed);
        self.meters.refused.store(tally.refused, Relaxed);
        let made_up = receiver.concealed() + self.late;
        self.meters
            .concealed_us
            .store(made_up as u64 / 1000, Relaxed);
        self.bytes += bytes as u64;
        let elapsed = now - self.since;
        if elapsed >= SECOND {
            let bits = self.bytes * 8 * SECOND as u64 / elapsed as u64;
            // The first stretch has no beginning, and would be too long.
            if self.since != 0 {
                self.meters.bit_rate.store(bits as u32, Relaxed);
            }
            self.since = now;
            self.bytes = 0;
        }
    }

    fn concealed(&mut self, late: Nanos) {
        self.late += late;
    }

    fn buffered(&self, controller: &Controller, playout: &Playout, pace: f32, delay: Nanos) {
        let meters = &self.meters;
        meters.buffered.store(controller.latency(), Relaxed);
        meters.target.store(controller.target(), Relaxed);
        meters.jitter.store(controller.jitter(), Relaxed);
        meters.underruns.store(playout.underruns, Relaxed);
        meters.delay.store(delay, Relaxed);
        meters.pace_ppm.store(pace as i32, Relaxed);
        meters
            .drift_ppm
            .store(controller.drift().ppm as i32, Relaxed);
    }
}
