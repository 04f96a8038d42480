//! Samples as they pass between us and a controller that codes CVSD itself: 16 bits, little endian
//! (Bluetooth Core 5.4, volume 4, part E, 6.12: voice setting 0x0060).
//!
//! Invariant: a sample that a packet's end cuts in two is put together again, as long as each
//! packet comes, or something of its length in its place.

use super::samples::{to_float, to_integer};

/// Samples converted at a time.
const CHUNK: usize = 64;

/// Takes samples out of packets.
#[derive(Default)]
pub(super) struct PcmReader {
    /// The first half of a sample.
    half: Option<u8>,
    /// The length of the packet before in bytes.
    length: usize,
}

impl PcmReader {
    /// Gives out the samples of a packet.
    pub(super) fn read(&mut self, packet: &[u8], mut out: impl FnMut(&mut [f32])) {
        self.length = packet.len();
        let mut bytes = packet;
        if let (Some(low), Some((high, rest))) = (self.half, packet.split_first()) {
            out(&mut [to_float(i16::from_le_bytes([low, *high]))]);
            self.half = None;
            bytes = rest;
        }
        let (pairs, rest) = bytes.split_at(bytes.len() & !1);
        let mut samples = [0.0; CHUNK];
        for chunk in pairs.chunks(2 * CHUNK) {
            for (sample, pair) in samples.iter_mut().zip(chunk.chunks_exact(2)) {
                *sample = to_float(i16::from_le_bytes([pair[0], pair[1]]));
            }
            out(&mut samples[..chunk.len() / 2]);
        }
        if let Some(low) = rest.first() {
            self.half = Some(*low);
        }
    }

    /// Passes over a packet whose bytes are no good; returns the number of samples that stood in
    /// it. One without bytes is taken to have been as long as the one before.
    pub(super) fn skip(&mut self, length: usize) -> usize {
        if length > 0 {
            self.length = length;
        }
        let bytes = self.length + usize::from(self.half.is_some());
        self.half = (bytes % 2 == 1).then_some(0);
        bytes / 2
    }
}

/// Gives out `sound` as the bytes of samples.
pub(super) fn write(sound: &[f32], mut out: impl FnMut(&[u8])) {
    let mut bytes = [0; 2 * CHUNK];
    for chunk in sound.chunks(CHUNK) {
        for (pair, sample) in bytes.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&to_integer(*sample).to_le_bytes());
        }
        out(&bytes[..2 * chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(reader: &mut PcmReader, packet: &[u8]) -> Vec<f32> {
        let mut sound = Vec::new();
        reader.read(packet, |samples| sound.extend_from_slice(samples));
        sound
    }

    #[test]
    fn a_skipped_packet_keeps_the_halves_in_step() {
        let mut reader = PcmReader::default();
        assert_eq!(read(&mut reader, &[0, 0x40, 7]), [0.5]);
        assert_eq!(reader.skip(3), 2);
        assert_eq!(read(&mut reader, &[0, 0x40]), [0.5]);
        assert_eq!(read(&mut reader, &[0, 0x40, 7]), [0.5]);
        assert_eq!(reader.skip(2), 1);
        assert_eq!(read(&mut reader, &[0x40]), [0.5]);
        assert_eq!(reader.skip(0), 0);
        assert_eq!(reader.skip(0), 1);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_samples(
            sound in prop::collection::vec(any::<i16>(), 0..400),
            sizes in prop::collection::vec(1_usize..256, 1..10),
        ) {
            let sound: Vec<f32> = sound.into_iter().map(to_float).collect();
            let mut bytes = Vec::new();
            write(&sound, |chunk| bytes.extend_from_slice(chunk));
            prop_assert_eq!(bytes.len(), 2 * sound.len());
            let (mut reader, mut heard) = (PcmReader::default(), Vec::new());
            let (mut rest, mut sizes) = (&bytes[..], sizes.into_iter().cycle());
            while !rest.is_empty() {
                let (packet, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
                heard.extend(read(&mut reader, packet));
                rest = after;
            }
            prop_assert_eq!(heard, sound);
        }
    }
}
