//! How sources and sinks get to the real-time thread and back.
//!
//! Invariant: none is dropped on the real-time thread, which takes it, uses it and gives it back to the
//! audio thread; neither side waits, allocates or frees on the way.

use rtrb::{Consumer, Producer, RingBuffer};

/// How many may be under way. One is usual; more when a phone starts and stops while the graph does
/// not turn.
const PLACES: usize = 4;

/// The audio thread's side.
pub(super) struct Hatch<T> {
    fresh: Producer<T>,
    spent: Consumer<T>,
}

/// The real-time thread's side.
pub(super) struct Inlet<T> {
    fresh: Consumer<T>,
    spent: Producer<T>,
}

/// Makes both sides.
pub(super) fn hatch<T>() -> (Hatch<T>, Inlet<T>) {
    let (into, fresh) = RingBuffer::new(PLACES);
    // One more than can come in, for the one in hand.
    let (back, spent) = RingBuffer::new(PLACES + 1);
    let hatch = Hatch { fresh: into, spent };
    (hatch, Inlet { fresh, spent: back })
}

impl<T> Hatch<T> {
    /// Says whether one can be handed over.
    pub(super) fn has_room(&self) -> bool {
        !self.fresh.is_full()
    }

    /// Hands one over, to be used in place of the one before.
    ///
    /// # Errors
    /// Gives it back when there is no room.
    pub(super) fn hand(&mut self, fresh: T) -> Result<(), T> {
        self.sweep();
        self.fresh
            .push(fresh)
            .map_err(|rtrb::PushError::Full(fresh)| fresh)
    }

    /// Drops what came back.
    pub(super) fn sweep(&mut self) {
        while let Ok(spent) = self.spent.pop() {
            drop(spent);
        }
    }
}

impl<T> Inlet<T> {
    /// Says whether there is a newer one than the one in hand.
    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Puts the newest into the place of the one in hand, if there is a newer one.
    pub(super) fn take(&mut self, hand: &mut Option<T>) {
        while !self.spent.is_full() {
            let Ok(fresh) = self.fresh.pop() else {
                return;
            };
            self.give_back(hand);
            *hand = Some(fresh);
        }
    }

    /// Gives the one in hand back; keeps it when there is no room.
    pub(super) fn give_back(&mut self, hand: &mut Option<T>) {
        if let Some(spent) = hand.take() {
            if let Err(rtrb::PushError::Full(spent)) = self.spent.push(spent) {
                *hand = Some(spent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::pcm::{Cycle, Pace, Source};

    type Boxed = Box<dyn Source + Send>;

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
        let (mut hatch, mut inlet) = hatch::<Boxed>();
        let mut hand = None;
        inlet.take(&mut hand);
        assert_eq!(heard(&mut hand), None);
        for value in [1.0, 2.0, 3.0] {
            let source = Box::new(Plays(value, Arc::clone(&alive)));
            assert!(hatch.hand(source).is_ok());
        }
        assert!(inlet.has_fresh());
        inlet.take(&mut hand);
        assert!(!inlet.has_fresh());
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
        let (mut hatch, mut inlet) = hatch::<Boxed>();
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
