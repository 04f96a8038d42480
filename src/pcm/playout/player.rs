//! The player's end of a stream: what PipeWire's real-time thread pulls.
//!
//! Invariant: real-time safe. It takes what is in the ring; it conceals what is not; it begins
//! when the buffer's controller allows it, and after running dry it waits to be allowed again.

use std::sync::Arc;

use crate::pcm::{
    Concealer, Cycle, MILLISECOND, Nanos, Pace, Reader, SECOND, Source, duration_of, frames_in,
};

use super::link::Link;

/// Plays one stream.
pub struct Player {
    ring: Reader,
    link: Arc<Link>,
    concealer: Concealer,
    rate: u32,
    channels: usize,
    /// Silence may be shorter or longer than it was sent.
    bends_silence: bool,
    playing: bool,
    /// Frames taken out of the ring so far.
    consumed: u64,
    /// When the next turn should begin; nothing before the first.
    next: Option<Nanos>,
}

impl Player {
    /// Nearer to its line than this is near enough, as packets come.
    const APART: Nanos = 3 * MILLISECOND;
    /// Further than this it is on no line at all.
    const FAR: Nanos = SECOND;
    /// By no more than this a turn moves, in a silence of twice as much: what is shorter may be a rest
    /// that belongs to the music, or just where a wave passes zero.
    const REST: Nanos = 5 * MILLISECOND;
    /// What is no louder is silence: -90 dBFS, the last bit of a sample of 16 bits.
    const QUIET: f32 = 1.0 / 32_768.0;

    pub(super) fn new(ring: Reader, link: Arc<Link>, rate: u32, channels: usize) -> Self {
        Self {
            ring,
            link,
            concealer: Concealer::new(rate, channels),
            rate,
            channels,
            bends_silence: false,
            playing: false,
            consumed: 0,
            next: None,
        }
    }

    /// Has it come nearer to its line in silence. Not for people who talk: between two words of theirs
    /// silence says something, and their packets come so evenly that there is little to win.
    #[must_use]
    pub fn bending_silence(self) -> Self {
        Self {
            bends_silence: true,
            ..self
        }
    }

    /// Comes nearer to its line where nobody hears it: where the sound rests, some of the silence is left
    /// out, or lasts longer. Returns how many of the next `frames` are to be that.
    fn drift_in_silence(&mut self, now: Nanos, frames: usize) -> usize {
        let apart = self.offset(now) - self.link.begin();
        if !self.bends_silence || !(Self::APART..Self::FAR).contains(&apart.abs()) {
            return 0;
        }
        let rest = frames_in(Self::REST, self.rate);
        let most = frames_in(apart.abs(), self.rate).min(rest);
        // As long a silence stays as is left out, or it would be none any more.
        if self.ring.count_quiet(Self::QUIET, 2 * rest) < 2 * rest {
            return 0;
        }
        if apart < 0 {
            return most.min(frames);
        }
        let spare = self.ring.level().saturating_sub(frames);
        self.consumed += self.ring.skip(most.min(spare)) as u64;
        0
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
        let mut played = 0;
        if self.playing {
            played = self.drift_in_silence(cycle.now, frames);
            out[..played * self.channels].fill(0.0);
        }
        // What it is silent for counts as if it had begun later.
        let offset = self.offset(cycle.now) + duration_of(played as u64, self.rate);
        self.link
            .tell(self.playing.then_some(offset), period, cycle.delay);
        if self.playing {
            let taken = self.ring.pop(&mut out[played * self.channels..]);
            self.consumed += taken as u64;
            played += taken;
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
    use crate::pcm::{Writer, ring};

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
            let player = Player::new(reader, Arc::clone(&link), RATE, 1).bending_silence();
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

    /// What is heard in full of a first stretch of 2400 frames, which fades in, after its first turn.
    const FIRST: usize = 1_960;

    /// Plays a tenth of a second, on the wrong line, of what is sound and silence in turn, 50 ms each.
    fn out_of_line(bench: &mut Bench, apart: Nanos) -> Vec<f32> {
        let line = bench.now;
        bench.link.order(line, Pace::NOMINAL);
        for tenth in 0..4 {
            let level = if tenth % 2 == 0 { 0.5 } else { 0.0 };
            bench.writer.push(&[level; 2_400]).unwrap();
        }
        bench.turn();
        bench.link.order(line - apart, Pace::NOMINAL);
        let heard = (0..20).flat_map(|_| bench.turn()).collect();
        let offset = bench.link.playout().offset.unwrap();
        assert!(
            (offset - (line - apart)).abs() < 3 * MILLISECOND,
            "{offset}"
        );
        assert_eq!(bench.link.playout().underruns, 0);
        heard
    }

    #[test]
    fn what_waits_too_long_is_caught_up_with_in_silence() {
        let mut bench = Bench::new();
        let heard = out_of_line(&mut bench, 20 * MILLISECOND);
        let sounding = heard.iter().filter(|sample| **sample > 0.49).count();
        // In as many turns it would come to 240 of the second stretch otherwise.
        assert!(
            (FIRST + 1_100..=FIRST + 1_200).contains(&sounding),
            "{sounding}"
        );
        assert_eq!(bench.link.take_concealed(), 0);
    }

    #[test]
    fn what_waits_too_short_rests_longer_in_silence() {
        let mut bench = Bench::new();
        let heard = out_of_line(&mut bench, -20 * MILLISECOND);
        let first = heard.iter().filter(|sample| **sample > 0.49).count();
        assert_eq!(first, FIRST, "the second stretch comes later");
        assert_eq!(bench.link.take_concealed(), 0);
    }

    #[test]
    fn sound_is_never_left_out_to_be_in_line() {
        let mut bench = Bench::new();
        bench.link.order(bench.now, Pace::NOMINAL);
        // Each turn begins with less than 10 ms of silence.
        let wave = [[0.0; 230].as_slice(), &[0.5; 10]].concat();
        bench.writer.push(&wave.repeat(35)).unwrap();
        bench.turn();
        let before = bench.link.playout().offset.unwrap();
        for apart in [20, -20] {
            let line = before + apart * MILLISECOND;
            bench.link.order(line, Pace::NOMINAL);
            bench.turn();
            assert_eq!(bench.link.playout().offset, Some(before));
        }
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
