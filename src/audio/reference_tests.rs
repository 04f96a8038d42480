//! A voice that counts its samples, and a microphone that asks for them.

use super::*;

const RATE: u32 = 16_000;
const BLOCK: usize = 160;

struct Bench {
    reference: Arc<Reference>,
    far: Far,
    /// In samples.
    now: f64,
    /// Of these, how many are not played yet.
    due: f64,
    counted: u32,
    captured: f64,
    blocks: Vec<Block>,
}

/// A block that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    /// Its first sample; nothing for silence.
    first: Option<f64>,
    /// How many samples had been written by then.
    written: f64,
    /// When its first sample was captured.
    time: f64,
}

impl Bench {
    fn new() -> Self {
        let reference = Arc::new(Reference::new(RATE));
        Self {
            far: Far::new(Arc::clone(&reference)),
            reference,
            now: 0.0,
            due: 0.0,
            counted: 0,
            captured: 0.0,
            blocks: Vec::new(),
        }
    }

    fn nanos(&self) -> Nanos {
        (self.now * SECOND as f64 / f64::from(RATE)) as Nanos
    }

    fn play(&mut self, turn: f64, ratio: f64) {
        self.due += turn * ratio;
        let end = self.counted + self.due as u32;
        self.due -= self.due.floor();
        let sound: Vec<f32> = (self.counted..end).map(|n| n as f32 + 1.0).collect();
        self.reference.write(&sound, ratio, self.nanos());
        self.counted = end;
    }

    fn capture(&mut self, turn: f64, ratio: f64) {
        self.far.follow(self.nanos(), self.captured as usize);
        self.captured += turn * ratio;
        while self.captured >= BLOCK as f64 {
            let time = self.now - self.captured / ratio;
            self.captured -= BLOCK as f64;
            let mut block = [f32::NAN; BLOCK];
            self.far.read(&mut block, ratio);
            let first = (block != [0.0; BLOCK]).then_some(f64::from(block[0]) - 1.0);
            let written = f64::from(self.counted);
            self.blocks.push(Block {
                first,
                written,
                time,
            });
        }
    }

    /// Plays and captures so many turns of the graph of so many samples.
    fn run(&mut self, turns: u32, turn: f64, played: f64, captured: f64) {
        for _ in 0..turns {
            self.play(turn, played);
            self.capture(turn, captured);
            self.now += turn;
        }
    }

    fn last(&self, blocks: usize) -> &[Block] {
        &self.blocks[self.blocks.len() - blocks..]
    }

    /// By how much the reader was ahead of the time of the last block, as that is with a voice that
    /// has the pace of the clock; all of the last blocks have the same.
    fn ahead(&self, blocks: usize) -> f64 {
        let ahead = |block: &Block| block.first.expect("it is played") - block.time;
        let all: Vec<f64> = self.last(blocks).iter().map(ahead).collect();
        let (least, most) = range(all.iter().copied());
        assert!(most - least < 4.0, "{least}..{most}");
        most
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}

#[test]
fn it_is_read_close_behind_and_without_a_leap_however_long_turns_are() {
    for turn in [16.0, 80.0, 85.333, 170.667, 341.333, 682.667] {
        let mut bench = Bench::new();
        bench.run(4_000, turn, 1.0, 1.0);
        let behind = bench
            .last(150)
            .iter()
            .map(|it| it.written - it.first.unwrap());
        let enough = turn.max(BLOCK as f64) + 2.0 * turn + 40.0;
        assert!(range(behind).1 <= enough, "{turn}");
        bench.ahead(150);
    }
}

#[test]
fn it_goes_as_much_faster_as_is_played_than_captured() {
    for (played, captured) in [
        (1.00101, 1.0),
        (0.99901, 1.0),
        (1.0, 1.001),
        (0.99951, 1.0005),
    ] {
        let mut bench = Bench::new();
        bench.run(20_000, 80.0, played, captured);
        for pair in bench.last(9_000).windows(2) {
            let passed = pair[1].first.unwrap() - pair[0].first.unwrap();
            let exactly = BLOCK as f64 * played / captured;
            assert!(
                (passed - exactly).abs() < 0.1,
                "{played} {captured}: {passed}"
            );
        }
    }
}

#[test]
fn a_drift_that_nobody_told_of_is_followed() {
    for drift in [-100e-6, 60e-6] {
        let mut bench = Bench::new();
        for _ in 0..60_000 {
            bench.due += 80.0 * drift;
            bench.run(1, 80.0, 1.0, 1.0);
        }
        let ahead = bench.last(5_000).iter().map(|it| {
            let due = it.time * (1.0 + drift);
            it.first.unwrap() - due
        });
        let (least, most) = range(ahead);
        assert!(most - least < 8.0, "{drift}: {least}..{most}");
    }
}

#[test]
fn a_voice_that_rests_is_silent_and_goes_on_close_behind() {
    let mut bench = Bench::new();
    bench.capture(1_600.0, 1.0);
    assert!(bench.last(10).iter().all(|it| it.first.is_none()));
    bench.run(1_000, 80.0, 1.0, 1.0);
    for _ in 0..200 {
        bench.capture(80.0, 1.0);
        bench.now += 80.0;
    }
    assert!(bench.last(90).iter().all(|it| it.first.is_none()));
    bench.run(10, 80.0, 1.0, 1.0);
    assert!(bench.last(2).iter().all(|it| it.first.is_some()));
    bench.run(1_000, 80.0, 1.0, 1.0);
    let behind = bench
        .last(100)
        .iter()
        .map(|it| it.written - it.first.unwrap());
    assert!(range(behind).1 < 360.0);
}

#[test]
fn turns_that_were_missed_leave_it_in_its_place() {
    for (played, captured) in [
        (1, 0),
        (3, 0),
        (20, 0),
        (0, 1),
        (1, 2),
        (0, 2),
        (0, 3),
        (1, 5),
        (0, 9),
        (0, 15),
    ] {
        let mut bench = Bench::new();
        bench.run(1_000, 80.0, 1.0, 1.0);
        let before = bench.ahead(100);
        let missed: i32 = played.max(captured);
        let mut lost = 0.0;
        for turn in 0..missed {
            if turn < played {
                bench.play(80.0, 1.0);
            } else {
                lost += 80.0;
            }
            if turn < captured {
                bench.capture(80.0, 1.0);
            }
            bench.now += 80.0;
        }
        bench.run(1_000, 80.0, 1.0, 1.0);
        let ahead = bench.ahead(100) + lost;
        assert!(
            (ahead - before).abs() < 4.0,
            "{played} {captured}: {before} {ahead}"
        );
    }
}

#[test]
fn turns_that_become_longer_are_given_more_room() {
    for turn in [170.667, 341.333, 682.667] {
        let mut bench = Bench::new();
        bench.run(1_000, 80.0, 1.0, 1.0);
        bench.run(2_000, turn, 1.0, 1.0);
        bench.ahead(1_000);
    }
}

#[test]
fn what_was_not_captured_for_long_is_passed_over() {
    let mut bench = Bench::new();
    bench.run(1_000, 80.0, 1.0, 1.0);
    for _ in 0..500 {
        bench.play(80.0, 1.0);
        bench.now += 80.0;
    }
    bench.run(100, 80.0, 1.0, 1.0);
    let behind = bench
        .last(20)
        .iter()
        .map(|it| it.written - it.first.unwrap());
    assert!(range(behind).1 < 360.0);
}

#[test]
fn what_is_read_between_samples_is_the_same_sound() {
    let reference = Arc::new(Reference::new(RATE));
    let mut far = Far::new(Arc::clone(&reference));
    far.silent = 1;
    let sine = |at: f64| (at * 0.2).sin();
    let sound: Vec<f32> = (0..4_000).map(|n| sine(f64::from(n)) as f32).collect();
    for turn in sound.chunks(80) {
        reference.write(turn, 1.0, 0);
    }
    let mut at = 0.0;
    for _ in 0..20 {
        let mut block = [0.0; BLOCK];
        far.read(&mut block, 0.9987);
        for sample in block {
            assert!(
                (f64::from(sample) - sine(at)).abs() < 0.003 || at < 1.0,
                "{at}"
            );
            at += 0.9987_f64.recip();
        }
    }
}
