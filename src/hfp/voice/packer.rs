//! Cutting what is sent into packets of the size that the link wants.
//!
//! Invariant: bytes go out in order and in full packets only; at most one packet waits.

/// The most bytes that a packet can hold: its length is one byte (Bluetooth Core 5.4, volume 4,
/// part E, 5.4.3).
pub const MAX_PACKET: usize = 255;

/// Collects bytes until they fill a packet.
pub(super) struct Packer {
    bytes: [u8; MAX_PACKET],
    filled: usize,
    size: usize,
}

impl Packer {
    /// Makes one for packets of `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        Self {
            bytes: [0; MAX_PACKET],
            filled: 0,
            size: size.clamp(1, MAX_PACKET),
        }
    }

    /// Makes packets of another size from here on. What waits stays in front of what comes.
    pub(super) fn set_size(&mut self, size: usize) {
        self.size = size.clamp(1, MAX_PACKET);
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Takes bytes and gives out the packets that they fill.
    pub(super) fn push(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        // More can wait than a packet now takes, when packets became smaller.
        while self.filled >= self.size {
            out(&self.bytes[..self.size]);
            self.bytes.copy_within(self.size..self.filled, 0);
            self.filled -= self.size;
        }
        let mut rest = bytes;
        while self.filled + rest.len() >= self.size {
            let (now, later) = rest.split_at(self.size - self.filled);
            if self.filled == 0 {
                out(now);
            } else {
                self.bytes[self.filled..self.size].copy_from_slice(now);
                out(&self.bytes[..self.size]);
                self.filled = 0;
            }
            rest = later;
        }
        self.bytes[self.filled..self.filled + rest.len()].copy_from_slice(rest);
        self.filled += rest.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_are_full_and_keep_their_order() {
        let mut packer = Packer::new(24);
        let mut sent = Vec::new();
        let bytes: Vec<u8> = (0..60).collect();
        packer.push(&bytes, |packet| sent.push(packet.to_vec()));
        assert_eq!(sent, [&bytes[..24], &bytes[24..48]]);
        packer.push(&bytes[..12], |packet| sent.push(packet.to_vec()));
        assert_eq!(sent[2], [&bytes[48..], &bytes[..12]].concat());
    }

    #[test]
    fn a_size_out_of_range_is_brought_into_it() {
        assert_eq!(Packer::new(0).size(), 1);
        assert_eq!(Packer::new(1000).size(), MAX_PACKET);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_whatever_the_sizes(
            turns in prop::collection::vec((1_usize..=255, 0_usize..300), 1..20),
        ) {
            let mut packer = Packer::new(60);
            let (mut put, mut sent) = (Vec::new(), Vec::new());
            for (size, length) in turns {
                packer.set_size(size);
                let bytes: Vec<u8> = (0..length).map(|i| (put.len() + i) as u8).collect();
                packer.push(&bytes, |packet| {
                    assert_eq!(packet.len(), size);
                    sent.extend_from_slice(packet);
                });
                put.extend(bytes);
                prop_assert!(put.len() - sent.len() < size);
            }
            prop_assert_eq!(&put[..sent.len()], sent);
        }
    }
}
