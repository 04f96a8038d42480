//! How much captured sound waits for the phone.
//!
//! Invariant: pure; time comes in. The audio graph puts the samples of a turn into a ring all at
//! once, and packets take theirs out all at once. Both go along lines all the same: sample `m` was
//! picked up at `line + m / rate`, and is taken at `gone + m / rate`. *Latency* is `gone - line`,
//! however turns and packets fall together. A packet finds all its samples when latency is a turn of
//! the graph; the ring then holds no more than that and a packet.

use crate::pcm::playout::{Aims, Servo};
use crate::pcm::{MILLISECOND, Nanos, Pace, SECOND};

/// For threads that wake up late, and packets that go a little out of step.
const SAFETY: Nanos = 3 * MILLISECOND;
/// What is added each time there was too little.
const MARGIN_STEP: Nanos = 3 * MILLISECOND;
/// What is added at most.
const MARGIN_LIMIT: Nanos = 40 * MILLISECOND;
/// How fast that is forgotten, in parts per million of the time that passes.
const FALL_PPM: Nanos = 100;
/// What waits longer than it should by this is not worth hearing: people wait for it.
const EXCESS: Nanos = 30 * MILLISECOND;

/// Keeps the latency near its target.
#[derive(Clone, Debug)]
pub(super) struct Level {
    servo: Servo,
    margin: Nanos,
    /// When sound was taken last.
    last: Option<Nanos>,
    flowing: bool,
}

impl Level {
    pub(super) fn new() -> Self {
        Self {
            servo: Servo::new(Aims::VOICE.bend_ppm),
            margin: 0,
            last: None,
            flowing: false,
        }
    }

    /// Returns how long samples should wait when a turn of the graph takes `period`.
    pub(super) fn target(&self, period: Nanos) -> Nanos {
        period + SAFETY + self.margin
    }

    /// Returns how long they do; nothing while none are taken.
    pub(super) fn latency(&self) -> Option<Nanos> {
        self.servo.latency()
    }

    /// Says whether sound is being taken.
    pub(super) fn is_flowing(&self) -> bool {
        self.flowing
    }

    /// Says whether to take sound for a packet, of which there is `enough` or not, and how much of
    /// the oldest to throw away before, as the time that it lasts. `latency` is what it would be
    /// without that.
    pub(super) fn admit(&mut self, latency: Nanos, period: Nanos, enough: bool) -> Option<Nanos> {
        let excess = latency - self.target(period);
        if self.flowing {
            return Some(if excess > EXCESS { excess } else { 0 });
        }
        if excess < 0 || !enough {
            return None;
        }
        self.flowing = true;
        Some(excess)
    }

    /// Takes note of what was taken for a packet due at `due`; returns how fast the sink wants more.
    pub(super) fn taken(&mut self, due: Nanos, latency: Nanos, period: Nanos) -> Pace {
        let elapsed = self.last.map_or(0, |last| (due - last).clamp(0, SECOND));
        self.last = Some(due);
        let fallen = self.margin.min(elapsed * FALL_PPM / 1_000_000);
        self.margin -= fallen;
        let target = self.target(period);
        self.servo.follow(latency, target, fallen, elapsed);
        // What waits too long is played faster, but captured slower.
        Pace {
            ppm: -self.servo.pace().ppm,
        }
    }

    /// There was too little for a packet: waits until there is enough, and some more than before.
    pub(super) fn ran_dry(&mut self) {
        self.margin = (self.margin + MARGIN_STEP).min(MARGIN_LIMIT);
        self.restart();
    }

    /// The samples are numbered anew.
    pub(super) fn restart(&mut self) {
        self.flowing = false;
        self.last = None;
        self.servo.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Nanos = 5 * MILLISECOND;
    const TARGET: Nanos = TURN + SAFETY;

    #[test]
    fn sound_flows_when_there_is_a_turn_of_it_and_begins_on_the_mark() {
        let mut level = Level::new();
        assert_eq!(level.target(TURN), TARGET);
        for (latency, enough, admitted) in [
            (TARGET - 1, true, None),
            (TARGET + 5, false, None),
            (TARGET + 5, true, Some(5)),
            (TARGET - 1, true, Some(0)),
            (0, false, Some(0)),
            (TARGET + EXCESS, true, Some(0)),
            (TARGET + EXCESS + 1, true, Some(EXCESS + 1)),
        ] {
            assert_eq!(level.admit(latency, TURN, enough), admitted, "{latency}");
        }
        level.restart();
        assert!(!level.is_flowing());
        assert_eq!(level.admit(0, TURN, true), None);
    }

    #[test]
    fn running_dry_is_learned_from_and_forgotten() {
        let mut level = Level::new();
        for _ in 0..100 {
            level.ran_dry();
        }
        assert_eq!(level.target(TURN), TARGET + MARGIN_LIMIT);
        let mut due = 0;
        while level.target(TURN) > TARGET {
            due += 10 * MILLISECOND;
            level.taken(due, level.target(TURN), TURN);
            assert!(due < 500 * SECOND, "it is never forgotten");
        }
        assert!(due > 300 * SECOND);
    }

    #[test]
    fn too_much_asks_for_less_and_too_little_for_more() {
        for (distance, slower) in [(4, true), (-4, false)] {
            let mut level = Level::new();
            let mut latency = TARGET + distance * MILLISECOND;
            let mut pace = Pace::NOMINAL;
            for n in 0..8_000 {
                pace = level.taken(n * 7_500_000, latency, TURN);
                if n == 100 {
                    assert_eq!(pace.ppm < 0.0, slower);
                }
                // As fast as the pace fills the ring, with a clock that is 100 ppm too fast.
                latency += ((f64::from(pace.ppm) + 100.0) * 7.5) as Nanos;
            }
            assert!((latency - TARGET).abs() < MILLISECOND, "{latency}");
            assert!((pace.ppm + 100.0).abs() < 40.0, "{pace:?}");
        }
    }
}
