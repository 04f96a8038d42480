//! How sources get to the real-time thread and back.
//!
//! Invariant: a source is made and dropped on the audio thread only. The real-time thread takes it,
//! plays it and gives it back; neither side waits, allocates or frees on the way.

use rtrb::{Consumer, Producer, RingBuffer};

use crate::pcm::Source;

/// How many sources may be under way. One is usual; more when a phone starts and stops while the
/// graph does not turn.
const PLACES: usize = 4;

type Boxed = Box<dyn Source + Send>;

/// The audio thread's side.
pub(super) struct Hatch {
    fresh: Producer<Boxed>,
    spent: Consumer<Boxed>,
}

/// The real-time thread's side.
pub(super) struct Inlet {
    fresh: Consumer<Boxed>,
    spent: Producer<Boxed>,
}

/// Makes both sides.
pub(super) fn hatch() -> (Hatch, Inlet) {
    let (into, fresh) = RingBuffer::new(PLACES);
    // One more than can come in, for the source in hand.
    let (back, spent) = RingBuffer::new(PLACES + 1);
    let hatch = Hatch { fresh: into, spent };
    (hatch, Inlet { fresh, spent: back })
}

impl Hatch {
    /// Says whether a source can be handed over.
    pub(super) fn has_room(&self) -> bool {
        !self.fresh.is_full()
    }

    /// Hands a source over, to be played in place of the one before.
    ///
    /// # Errors
    /// Gives the source back when there is no room.
    pub(super) fn hand(&mut self, source: Boxed) -> Result<(), Boxed> {
        self.sweep();
        self.fresh
            .push(source)
            .map_err(|rtrb::PushError::Full(source)| source)
    }

    /// Drops what came back.
    pub(super) fn sweep(&mut self) {
        while let Ok(source) = self.spent.pop() {
            drop(source);
        }
    }
}

impl Inlet {
    /// Puts the newest source into the place of the one in hand, if there is a newer one.
    pub(super) fn take(&mut self, hand: &mut Option<Boxed>) {
        while !self.spent.is_full() {
            let Ok(source) = self.fresh.pop() else {
                return;
            };
            self.give_back(hand);
            *hand = Some(source);
        }
    }

    /// Gives the source in hand back; keeps it when there is no room.
    pub(super) fn give_back(&mut self, hand: &mut Option<Boxed>) {
        if let Some(source) = hand.take() {
            if let Err(rtrb::PushError::Full(source)) = self.spent.push(source) {
                *hand = Some(source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::pcm::{Cycle, Pace};

    struct Plays(
        f32,
        #[expect(dead_code, reason = "counts who is alive")] Arc<()>,
    );

    impl Source for Plays {
        fn pull(&mut self, out: &mut [f32], _: Cycle) -> Pace {
            out.fill(self.0);
            Pace::NOMINAL
        }
    }

    fn heard(hand: &mut Option<Boxed>) -> Option<f32> {
        let mut out = [0.0];
        let cycle = Cycle { now: 0, delay: 0 };
        hand.as_mut()?.pull(&mut out, cycle);
        Some(out[0])
    }

    #[test]
    fn the_newest_source_plays_and_the_others_come_back_to_be_dropped() {
        let alive = Arc::new(());
        let (mut hatch, mut inlet) = hatch();
        let mut hand = None;
        inlet.take(&mut hand);
        assert_eq!(heard(&mut hand), None);
        for value in [1.0, 2.0, 3.0] {
            let source = Box::new(Plays(value, Arc::clone(&alive)));
            assert!(hatch.hand(source).is_ok());
        }
        inlet.take(&mut hand);
        assert_eq!(heard(&mut hand), Some(3.0));
        assert_eq!(Arc::strong_count(&alive), 4);
        hatch.sweep();
        assert_eq!(Arc::strong_count(&alive), 2);
        inlet.give_back(&mut hand);
        assert_eq!(heard(&mut hand), None);
        hatch.sweep();
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn a_full_hatch_gives_the_source_back() {
        let alive = Arc::new(());
        let (mut hatch, mut inlet) = hatch();
        for _ in 0..PLACES {
            assert!(hatch.has_room());
            assert!(hatch.hand(Box::new(Plays(1.0, Arc::clone(&alive)))).is_ok());
        }
        assert!(!hatch.has_room());
        assert!(hatch.hand(Box::new(Plays(2.0, alive))).is_err());
        let mut hand = None;
        inlet.take(&mut hand);
        assert!(hatch.has_room());
        assert_eq!(heard(&mut hand), Some(1.0));
    }
}
