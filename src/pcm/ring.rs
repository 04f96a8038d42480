//! A queue of frames between one thread that makes sound and one that plays it.
//!
//! Invariant: lock-free, and only whole frames go in and out, so the channels never swap.

use rtrb::{Consumer, Producer, RingBuffer};

/// There is no room for the frames; none of them went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFull;

/// The end that frames go into.
pub struct Writer {
    samples: Producer<f32>,
    channels: usize,
}

/// The end that frames come out of.
pub struct Reader {
    samples: Consumer<f32>,
    channels: usize,
}

/// Makes a ring for `frames` frames of `channels` channels.
pub fn ring(channels: usize, frames: usize) -> (Writer, Reader) {
    let channels = channels.max(1);
    let (producer, consumer) = RingBuffer::new(channels * frames);
    (
        Writer {
            samples: producer,
            channels,
        },
        Reader {
            samples: consumer,
            channels,
        },
    )
}

impl Writer {
    /// Puts all of `frames` in, or nothing.
    ///
    /// # Errors
    /// When there is not enough room.
    pub fn push(&mut self, frames: &[f32]) -> Result<(), RingFull> {
        debug_assert_eq!(frames.len() % self.channels, 0);
        self.samples.push_entire_slice(frames).map_err(|_| RingFull)
    }

    /// Says whether nobody reads any more.
    pub fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }
}

impl Reader {
    /// Returns the number of frames inside.
    pub fn level(&self) -> usize {
        self.samples.slots() / self.channels
    }

    /// Takes out as many frames as there are and fit; returns how many.
    pub fn pop(&mut self, out: &mut [f32]) -> usize {
        let wanted = self.level().min(out.len() / self.channels);
        let (taken, _) = self
            .samples
            .pop_partial_slice(&mut out[..wanted * self.channels]);
        taken.len() / self.channels
    }

    /// Counts the frames that come next of which no sample is louder than `level`, `most` at most.
    pub fn count_quiet(&mut self, level: f32, most: usize) -> usize {
        let samples = most.min(self.level()) * self.channels;
        let Ok(chunk) = self.samples.read_chunk(samples) else {
            return 0;
        };
        let (first, second) = chunk.as_slices();
        let quiet = first.iter().chain(second);
        quiet.take_while(|sample| sample.abs() <= level).count() / self.channels
    }

    /// Throws away `frames`, or as many as there are; returns how many that were.
    pub fn skip(&mut self, frames: usize) -> usize {
        let frames = frames.min(self.level());
        match self.samples.read_chunk(frames * self.channels) {
            Ok(chunk) => {
                chunk.commit_all();
                frames
            }
            Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_across_the_end() {
        let (mut writer, mut reader) = ring(2, 5);
        let mut next_in = 0.0_f32;
        let mut next_out = 0.0_f32;
        for _ in 0..20 {
            let frames: Vec<f32> = (0..6).map(|i| next_in + i as f32).collect();
            writer.push(&frames).unwrap();
            next_in += 6.0;
            let mut out = [0.0; 8];
            assert_eq!(reader.pop(&mut out), 3);
            for sample in &out[..6] {
                assert_eq!(*sample, next_out);
                next_out += 1.0;
            }
        }
    }

    #[test]
    fn a_full_ring_takes_nothing_rather_than_half() {
        let (mut writer, mut reader) = ring(2, 3);
        writer.push(&[1.0; 4]).unwrap();
        assert_eq!(writer.push(&[2.0; 4]), Err(RingFull));
        assert_eq!(reader.level(), 2);
        assert_eq!(reader.skip(5), 2);
        assert_eq!(reader.level(), 0);
        writer.push(&[2.0; 6]).unwrap();
    }

    #[test]
    fn quiet_frames_are_counted_and_stay() {
        let (mut writer, mut reader) = ring(2, 4);
        writer.push(&[1.0; 6]).unwrap();
        reader.skip(3);
        writer.push(&[0.1, -0.1, 0.0, 0.1, 0.1, 0.2]).unwrap();
        assert_eq!(reader.count_quiet(0.1, 9), 2, "across the end");
        assert_eq!(reader.count_quiet(0.1, 1), 1);
        assert_eq!(reader.count_quiet(0.05, 9), 0);
        assert_eq!(reader.level(), 3);
    }

    #[test]
    fn the_writer_sees_that_the_reader_left() {
        let (writer, reader) = ring(1, 8);
        assert!(!writer.is_abandoned());
        drop(reader);
        assert!(writer.is_abandoned());
    }
}
