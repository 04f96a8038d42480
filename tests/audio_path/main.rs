//! The sound path without Bluetooth and PipeWire: a socket pair in place of the one, a puller with
//! the graph's timing in place of the other.

mod allocation;
mod analysis;
mod phone;

use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use analysis::{largest_step, level, natural_step};
use dotd::a2dp::Stream;
use dotd::pcm::{Cycle, MILLISECOND, Nanos, Source, duration_of, now};
use dotd::policy::Event;
use dotd::policy::model::{ChannelMode, TransportId};
use phone::{Coding, Phone};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use tokio::sync::mpsc::{self, Receiver};

const PITCHES: [f32; 2] = [437.5, 1250.0];
const AMPLITUDE: f32 = 0.4;
/// One turn of the graph: 5.8 ms at 44.1 kHz.
const TURN: usize = 256;
/// The way from the graph to the ear that the puller pretends.
const BEYOND: Nanos = 11 * MILLISECOND;

struct Bench {
    coding: Coding,
    phone: Phone,
    socket: OwnedFd,
    stream: Stream,
    source: Box<dyn Source + Send>,
    events: Receiver<Event>,
    /// When the next turn is due.
    turn: Nanos,
    sound: Vec<f32>,
    sent: u64,
}

impl Bench {
    fn new(mode: ChannelMode) -> Self {
        let coding = Coding::usual(44_100, mode);
        let (socket, ours) = sockets();
        let (sender, events) = mpsc::channel(64);
        let id = TransportId("phone".into());
        let stream = Stream::start(id, ours, 1024, coding.format(), sender)
            .expect("the stream does not start");
        let source = stream.source();
        Self {
            coding,
            phone: Phone::new(coding, 5),
            socket,
            stream,
            source,
            events,
            turn: now(),
            sound: Vec::new(),
            sent: 0,
        }
    }

    /// Sends so many packets, each when it is due, without those that `keep` refuses, and pulls
    /// meanwhile.
    fn play(&mut self, packets: u64, mut keep: impl FnMut(u64) -> bool) {
        let begin = now();
        let period = self.phone.packet_duration().as_nanos() as Nanos;
        for n in 0..packets {
            let packet = self.phone.packet(&mut tones(self.coding.rate));
            self.pull_until(begin + n as Nanos * period);
            if keep(self.sent) {
                send(&self.socket, &packet, SendFlags::NOSIGNAL).expect("the stream closed");
            }
            self.sent += 1;
        }
        self.pull_until(begin + packets as Nanos * period);
    }

    /// Pulls as the graph would, in turns that are as long as they play.
    fn pull_until(&mut self, end: Nanos) {
        let channels = usize::from(self.coding.mode.channels());
        while self.turn < end {
            let wait = self.turn - now();
            thread::sleep(Duration::from_nanos(wait.max(0) as u64));
            let mut out = vec![f32::NAN; TURN * channels];
            let cycle = Cycle {
                now: self.turn,
                delay: BEYOND,
            };
            let pulled = allocation::allocations(|| {
                self.source.pull(&mut out, cycle);
            });
            assert_eq!(pulled, 0, "the audio thread allocates");
            self.sound.extend(out);
            self.turn += duration_of(TURN as u64, self.coding.rate);
        }
        thread::sleep(Duration::from_nanos((end - now()).max(0) as u64));
    }

    /// The left side, from the first sound on, without the fade.
    fn left(&self) -> Vec<f32> {
        let channels = usize::from(self.coding.mode.channels());
        let left = self.sound.iter().step_by(channels).copied();
        let sounding: Vec<f32> = left.skip_while(|sample| sample.abs() < 1e-3).collect();
        sounding[1000..].to_vec()
    }

    /// The next event of the stream; fails rather than waits for ever.
    fn event(&mut self) -> Option<Event> {
        let deadline = Duration::from_secs(10);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("no runtime");
        runtime
            .block_on(async { tokio::time::timeout(deadline, self.events.recv()).await })
            .expect("no event within ten seconds")
    }

    fn ended(&mut self) -> Option<String> {
        loop {
            match self.event() {
                Some(Event::StreamEnded { error, .. }) => return error,
                Some(_) => {}
                None => panic!("the stream never told its end"),
            }
        }
    }
}

/// Both ends of what BlueZ would hand one end of.
fn sockets() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::empty(),
        None,
    )
    .expect("the system gives no sockets")
}

fn tones(rate: u32) -> impl FnMut(u64) -> [f32; 2] {
    move |n| {
        let turns = |pitch: f32| (f64::from(pitch) * n as f64 / f64::from(rate)).fract() as f32;
        let tone = |pitch| AMPLITUDE * (std::f32::consts::TAU * turns(pitch)).sin();
        let sum = tone(PITCHES[0]) + tone(PITCHES[1]);
        [sum, sum]
    }
}

#[test]
fn a_phone_is_heard() {
    for mode in [ChannelMode::Mono, ChannelMode::JointStereo] {
        let mut bench = Bench::new(mode);
        bench.play(80, |_| true);
        let reading = bench.stream.meters().read();
        assert_eq!((reading.packets, reading.lost, reading.refused), (80, 0, 0));
        let left = bench.left();
        assert!(left.len() > 44_100 * 9 / 10, "{} frames", left.len());
        let tone = &left[..17_640];
        for pitch in PITCHES {
            let off = level(tone, 44_100, pitch) - 20.0 * f64::from(AMPLITUDE).log10();
            assert!(off.abs() < 0.5, "{pitch} Hz is {off:+.2} dB off");
        }
        let natural = natural_step(44_100, AMPLITUDE, &PITCHES);
        assert!(largest_step(&left) < natural * 1.25);
        assert!(matches!(bench.event(), Some(Event::StreamStarted { .. })));
        let Some(Event::StreamDelayChanged { delay, .. }) = bench.event() else {
            panic!("the delay was not told");
        };
        let delay = delay.as_millis();
        assert!((40..90).contains(&delay), "a delay of {delay} ms");
    }
}

#[test]
fn lost_packets_are_counted_and_bridged() {
    let mut bench = Bench::new(ChannelMode::JointStereo);
    bench.play(80, |number| number % 20 != 11);
    let reading = bench.stream.meters().read();
    assert_eq!((reading.packets, reading.lost), (76, 4));
    assert!(reading.concealed >= Duration::from_millis(4 * 14));
    let natural = natural_step(44_100, AMPLITUDE, &PITCHES);
    assert!(largest_step(&bench.left()) < natural * 1.25);
}

#[test]
fn packets_that_are_lost_are_not_waited_for() {
    let mut bench = Bench::new(ChannelMode::JointStereo);
    bench.play(40, |_| true);
    // A third of a second, of which a fifth of one is made up.
    bench.play(24, |_| false);
    let before = bench.sound.len();
    bench.play(40, |_| true);
    let reading = bench.stream.meters().read();
    assert_eq!((reading.packets, reading.lost), (80, 24));
    assert!(reading.jitter < Duration::from_millis(75), "{reading:?}");
    assert!(reading.target < Duration::from_millis(90), "{reading:?}");
    let after: Vec<f32> = bench.sound[before..].iter().step_by(2).copied().collect();
    let tone = &after[after.len() - 13_230..];
    assert!(level(tone, 44_100, PITCHES[0]) > -10.0, "it is heard again");
    let natural = natural_step(44_100, AMPLITUDE, &PITCHES);
    assert!(largest_step(&bench.left()) < natural * 1.25);
}

#[test]
fn a_stall_longer_than_the_buffer_makes_no_click() {
    let mut bench = Bench::new(ChannelMode::JointStereo);
    bench.play(30, |_| true);
    let pause = now() + 150 * MILLISECOND;
    bench.pull_until(pause);
    assert!(bench.sound.ends_with(&[0.0; 100]), "silence after 60 ms");
    bench.play(30, |_| true);
    assert!(bench.stream.meters().read().underruns >= 1);
    let natural = natural_step(44_100, AMPLITUDE, &PITCHES);
    assert!(largest_step(&bench.left()) < natural * 1.25);
}

#[test]
fn a_new_source_takes_over_and_the_old_one_falls_silent() {
    let mut bench = Bench::new(ChannelMode::Mono);
    bench.play(20, |_| true);
    let mut old = std::mem::replace(&mut bench.source, bench.stream.source());
    bench.sound.clear();
    bench.play(30, |_| true);
    let left = bench.left();
    assert!(level(&left[..8820], 44_100, PITCHES[0]) > -10.0);
    let mut out = [0.0; 44_100];
    let cycle = Cycle {
        now: now(),
        delay: 0,
    };
    old.pull(&mut out, cycle);
    old.pull(&mut out, cycle);
    assert!(out.iter().all(|sample| *sample == 0.0));
}

#[test]
fn a_closed_socket_ends_the_stream_once() {
    let mut bench = Bench::new(ChannelMode::Mono);
    bench.play(5, |_| true);
    let (other, _) = sockets();
    drop(std::mem::replace(&mut bench.socket, other));
    assert_eq!(bench.ended(), None);
    assert_eq!(bench.event(), None, "an event after the end");
}

#[test]
fn dropping_the_stream_closes_the_socket_and_tells_nothing() {
    let bench = Bench::new(ChannelMode::Mono);
    let Bench {
        stream,
        socket,
        mut events,
        ..
    } = bench;
    drop(stream);
    assert!(send(&socket, &[0], SendFlags::NOSIGNAL).is_err());
    assert!(events.try_recv().is_err());
}

#[test]
fn the_end_is_told_even_when_the_queue_was_full() {
    let (socket, ours) = sockets();
    let (sender, mut events) = mpsc::channel(1);
    sender.try_send(Event::AudioLost).unwrap();
    let coding = Coding::usual(44_100, ChannelMode::Mono);
    let id = TransportId("phone".into());
    let stream = Stream::start(id, ours, 1024, coding.format(), sender).unwrap();
    drop(socket);
    assert_eq!(events.blocking_recv(), Some(Event::AudioLost));
    assert!(matches!(
        events.blocking_recv(),
        Some(Event::StreamEnded { error: None, .. })
    ));
    drop(stream);
}
