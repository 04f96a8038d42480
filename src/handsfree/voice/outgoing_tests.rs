use super::super::capture::{Capture, capture};
use super::super::pacer::lasting;
use super::*;
use crate::pcm::{Cycle, MILLISECOND, Pace, SECOND, Sink};
use proptest::prelude::*;

/// One turn of the graph: 256 frames at 48 kHz.
const TURN: Nanos = 5_333_333;
/// What 0.5 is in 16 bits.
const HALF: i16 = 16_384;

/// A microphone that hears the same sample for ever, and a link, by numbers alone.
struct Bench {
    outgoing: Outgoing,
    sink: Option<Capture>,
    /// How much faster than the link's clock the microphone's is, in parts per million.
    drift: f64,
    turn: Nanos,
    due: Nanos,
    /// Fractions of a sample that the pace owes.
    owed: f64,
    pace: Pace,
    sent: Vec<u8>,
}

impl Bench {
    fn new(codec: Codec, bytes: usize, drift: f64) -> Self {
        let mut outgoing = Outgoing::new(codec, bytes).unwrap();
        outgoing.set_gain(1.0);
        Self {
            outgoing,
            sink: None,
            drift,
            turn: SECOND,
            due: SECOND + 2 * MILLISECOND,
            owed: 0.0,
            pace: Pace::NOMINAL,
            sent: Vec::new(),
        }
    }

    fn plug_in(&mut self) {
        let (sink, inlet) = capture(self.outgoing.codec.rate());
        self.sink = Some(sink);
        self.outgoing.listen(inlet);
        self.pace = Pace::NOMINAL;
    }

    /// Lets time pass.
    fn run(&mut self, time: Nanos) {
        let end = self.due + time;
        while self.due < end {
            if self.turn < self.due {
                self.pick_up();
                continue;
            }
            let size = self.outgoing.packet_size();
            let packet = self.outgoing.packet(self.due);
            assert_eq!(packet.len(), size);
            self.sent.extend(packet);
            self.due += lasting(self.outgoing.codec, size);
        }
    }

    fn pick_up(&mut self) {
        let now = self.turn;
        self.turn += TURN;
        let Some(sink) = &mut self.sink else {
            return;
        };
        let clock = f64::from(self.outgoing.codec.rate()) * (1.0 + self.drift * 1e-6);
        self.owed += TURN as f64 / SECOND as f64 * clock * self.pace.ratio();
        let count = self.owed as usize;
        self.owed -= count as f64;
        self.pace = sink.push(&vec![0.5; count], Cycle { now, delay: 0 });
    }

    /// Lets time pass; returns the samples sent meanwhile, for CVSD.
    fn heard(&mut self, time: Nanos) -> Vec<i16> {
        self.sent.clear();
        self.run(time);
        let pairs = self.sent.chunks_exact(2);
        pairs.map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    }

    fn distance(&self) -> Nanos {
        let latency = self.outgoing.latency().expect("no sound flows");
        latency - self.outgoing.level.target(TURN)
    }
}

#[test]
fn sound_goes_out_when_there_is_any_and_silence_when_not() {
    let mut bench = Bench::new(Codec::Cvsd, 48, 0.0);
    assert!(bench.heard(SECOND).iter().all(|sample| *sample == 0));
    assert_eq!(bench.outgoing.tally(), Tally::default());
    bench.plug_in();
    let sound = bench.heard(SECOND);
    assert!(sound[480..].iter().all(|sample| *sample == HALF));
    assert!(
        sound.windows(2).all(|w| w[0] <= w[1]),
        "it does not fade in"
    );
    bench.sink = None;
    let sound = bench.heard(SECOND);
    assert!(
        sound.windows(2).all(|w| w[0] >= w[1]),
        "it does not fade out"
    );
    assert!(sound[480..].iter().all(|sample| *sample == 0));
    assert_eq!(bench.outgoing.tally().underruns, 1);
    bench.plug_in();
    assert_eq!(bench.heard(SECOND).last(), Some(&HALF));
    assert_eq!(bench.outgoing.tally().overruns, 0);
}

#[test]
fn while_muted_every_byte_is_zero() {
    let mut bench = Bench::new(Codec::Cvsd, 48, 0.0);
    bench.plug_in();
    bench.run(SECOND);
    bench.outgoing.set_gain(0.0);
    bench.run(6 * MILLISECOND);
    assert!(bench.heard(SECOND).iter().all(|sample| *sample == 0));
    bench.outgoing.set_gain(1.0);
    assert_eq!(bench.heard(SECOND).last(), Some(&HALF));
    assert_eq!(bench.outgoing.tally(), Tally::default());
}

#[test]
fn any_size_of_packet_takes_sound_as_fast_as_it_comes() {
    for (codec, bytes) in [
        (Codec::Cvsd, 48),
        (Codec::Cvsd, 49),
        (Codec::Cvsd, 12),
        (Codec::Cvsd, 160),
        (Codec::Msbc, 60),
        (Codec::Msbc, 24),
        (Codec::Msbc, 120),
    ] {
        let mut bench = Bench::new(codec, bytes, 0.0);
        bench.plug_in();
        bench.run(20 * SECOND);
        assert_eq!(bench.outgoing.tally(), Tally::default(), "{codec} {bytes}");
        assert!(bench.distance().abs() < 3 * MILLISECOND, "{codec} {bytes}");
    }
}

#[test]
fn packets_may_change_their_size() {
    let mut bench = Bench::new(Codec::Msbc, 60, 0.0);
    bench.plug_in();
    for bytes in [24, 255, 12, 60, 144, 60] {
        bench.run(SECOND);
        bench.outgoing.set_packet_size(bytes);
    }
    bench.run(SECOND);
    // Frames follow each other without a gap: a header begins every sixty bytes.
    assert!(bench.sent.chunks_exact(60).all(|frame| frame[0] == 1));
}

#[test]
fn what_waited_too_long_is_thrown_away() {
    let mut bench = Bench::new(Codec::Cvsd, 48, 0.0);
    bench.plug_in();
    bench.run(SECOND);
    // The thread did not get to run for a fifth of a second.
    bench.due += 200 * MILLISECOND;
    bench.run(SECOND);
    let tally = Tally {
        underruns: 0,
        overruns: 1,
    };
    assert_eq!(bench.outgoing.tally(), tally);
    assert!(bench.distance().abs() < 2 * MILLISECOND);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_drift_of_the_microphone_is_followed(drift in -200.0_f64..200.0) {
        let mut bench = Bench::new(Codec::Cvsd, 60, drift);
        bench.plug_in();
        bench.run(90 * SECOND);
        prop_assert_eq!(bench.outgoing.tally(), Tally::default());
        prop_assert!(bench.distance().abs() < MILLISECOND, "{}", bench.distance());
        // What is asked for makes up for the drift.
        let left = f64::from(bench.pace.ppm) + drift;
        prop_assert!(left.abs() < 60.0, "{}", left);
    }
}
