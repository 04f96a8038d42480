//! The player's end of a stream: what PipeWire's real-time thread pulls.
//!
//! Invariant: real-time safe. It takes what is in the ring; it conceals what is not; it begins
//! when the buffer's controller allows it, and after running dry it waits to be allowed again.

use std::sync::Arc;

use crate::pcm::{Concealer, Cycle, Nanos, Pace, Reader, Source, duration_of, frames_in};

use super::link::Link;

/// Plays one stream.
pub struct Player {
    ring: Reader,
    link: Arc<Link>,
    concealer: Concealer,
    rate: u32,
    channels: usize,
    playing: bool,
    /// Frames taken out of the ring so far.
    consumed: u64,
    /// When the next turn should begin; nothing before the first.
    next: Option<Nanos>,
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
            next: None,
        }
    }

    /// The line that playing now would be on.
    fn offset(&self, now: Nanos) -> Nanos {
        now - duration_of(self.consumed, self.rate)
    }

    /// Begins if it may and there is enough for a turn. Out of silence it begins on its very line:
    /// PipeWire may have taken long to link the stream, and what was missed by then is gone, or
    /// everything after it would be late by as much.
    fn begin(&mut self, now: Nanos, frames: usize) {
        let (line, level) = (self.link.begin(), self.ring.level());
        if level < frames || self.offset(now) < line {
            return;
        }
        self.playing = true;
        if self.concealer.is_silent() {
            let behind = frames_in(self.offset(now) - line, self.rate);
            self.consumed += self.ring.skip(behind.min(level - frames)) as u64;
        }
    }

    /// Catches up when the graph has missed turns, which was heard as a gap: what should have been
    /// played in it is passed over, or everything after it would be late by as much.
    fn catch_up(&mut self, now: Nanos, period: Nanos) {
        let missed = self.next.map_or(0, |next| now - next);
        self.next = Some(now + period);
        if self.playing && missed > period / 2 {
            let behind = frames_in(missed, self.rate);
            let spare = self
                .ring
                .level()
                .saturating_sub(frames_in(period, self.rate));
            self.consumed += self.ring.skip(behind.min(spare)) as u64;
            // Nothing is made up, but what follows fades in over what was heard last.
            self.concealer.conceal(&mut []);
        }
    }
}

impl Source for Player {
    fn pull(&mut self, out: &mut [f32], cycle: Cycle) -> Pace {
        let frames = out.len() / self.channels;
        let period = duration_of(frames as u64, self.rate);
        self.catch_up(cycle.now, period);
        if self.link.take_flush() {
            self.consumed += self.ring.skip(usize::MAX) as u64;
            self.playing = false;
        }
        if !self.playing {
            self.begin(cycle.now, frames);
        }
        let offset = self.offset(cycle.now);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::{MILLISECOND, SECOND, Writer, ring};

    const RATE: u32 = 48_000;
    /// A turn of 5 ms.
    const TURN: usize = 240;

    struct Bench {
        writer: Writer,
        link: Arc<Link>,
        player: Player,
        now: Nanos,
    }

    impl Bench {
        fn new() -> Self {
            let (writer, reader) = ring(1, 9600);
            let link = Arc::new(Link::new());
            let player = Player::new(reader, Arc::clone(&link), RATE, 1);
            Self {
                writer,
                link,
                player,
                now: SECOND,
            }
        }

        fn turn(&mut self) -> Vec<f32> {
            let mut out = vec![f32::NAN; TURN];
            let cycle = Cycle {
                now: self.now,
                delay: 7,
            };
            self.player.pull(&mut out, cycle);
            self.now += 5 * MILLISECOND;
            assert!(out.iter().all(|sample| sample.is_finite()));
            out
        }
    }

    #[test]
    fn it_begins_when_it_may_and_there_is_enough() {
        let mut bench = Bench::new();
        bench.writer.push(&[0.5; TURN]).unwrap();
        assert_eq!(bench.turn(), [0.0; TURN]);
        assert_eq!(bench.link.playout().offset, None);
        bench
            .link
            .order(bench.now + 5 * MILLISECOND, Pace { ppm: 77.0 });
        assert_eq!(bench.turn(), [0.0; TURN]);
        let now = bench.now;
        assert!(bench.turn()[TURN - 1] > 0.1);
        let playout = bench.link.playout();
        assert_eq!((playout.offset, playout.delay), (Some(now), 7));
        assert_eq!(bench.link.pace(), Pace { ppm: 77.0 });
    }

    #[test]
    fn what_was_missed_before_the_first_turn_is_gone() {
        let mut bench = Bench::new();
        let line = bench.now;
        bench.link.order(line, Pace::NOMINAL);
        bench.writer.push(&[0.5; 9000]).unwrap();
        bench.now += 100 * MILLISECOND;
        bench.turn();
        assert_eq!(bench.link.playout().offset, Some(line));
    }

    #[test]
    fn running_dry_is_counted_once_and_told() {
        let mut bench = Bench::new();
        bench.link.order(bench.now, Pace::NOMINAL);
        bench.writer.push(&[0.5; 3 * TURN + 100]).unwrap();
        for _ in 0..6 {
            bench.turn();
        }
        let playout = bench.link.playout();
        assert_eq!((playout.underruns, playout.offset), (1, None));
        // 140 frames of the turn that ran dry, and the two turns after it.
        assert_eq!(bench.link.take_concealed(), 140 + 2 * 240);
        for _ in 0..20 {
            bench.turn();
        }
        assert_eq!(bench.turn(), [0.0; TURN]);
    }

    #[test]
    fn missed_turns_are_passed_over() {
        let mut bench = Bench::new();
        bench.link.order(bench.now, Pace::NOMINAL);
        bench.writer.push(&[0.5; 9000]).unwrap();
        bench.turn();
        bench.turn();
        let before = bench.link.playout().offset;
        bench.now += 50 * MILLISECOND;
        bench.turn();
        assert_eq!(bench.link.playout().offset, before);
        assert_eq!(bench.link.playout().underruns, 0);
    }

    #[test]
    fn a_flush_empties_the_ring() {
        let mut bench = Bench::new();
        bench.link.order(bench.now, Pace::NOMINAL);
        bench.writer.push(&[0.5; 9600]).unwrap();
        bench.turn();
        bench.link.flush();
        bench.turn();
        assert_eq!(bench.link.playout().offset, None);
        bench.writer.push(&[0.5; 9600]).unwrap();
    }
}
