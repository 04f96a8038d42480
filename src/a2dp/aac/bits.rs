//! Reading bits, the highest of each byte first.
//!
//! Invariant: never reads past the end and never panics.

/// The bytes end before what should be in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended;

/// Bytes, and how many of their bits were read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns how many bits are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    /// Returns how many bits were read.
    pub(super) fn read(&self) -> usize {
        self.at
    }

    /// Takes one bit.
    pub(super) fn flag(&mut self) -> Result<bool, Ended> {
        self.take(1).map(|bit| bit == 1)
    }

    /// Takes a number of up to 32 bits.
    pub(super) fn take(&mut self, count: usize) -> Result<u32, Ended> {
        debug_assert!(count <= 32);
        if count > self.left() {
            return Err(Ended);
        }
        let mut number = 0;
        for at in self.at..self.at + count {
            let bit = (self.bytes[at / 8] >> (7 - at % 8)) & 1;
            number = (number << 1) | u32::from(bit);
        }
        self.at += count;
        Ok(number)
    }

    /// Passes over so many bits.
    pub(super) fn skip(&mut self, count: usize) -> Result<(), Ended> {
        if count > self.left() {
            return Err(Ended);
        }
        self.at += count;
        Ok(())
    }

    /// Takes so many bytes, wherever in a byte they begin, in place of what `into` holds.
    pub(super) fn copy(&mut self, count: usize, into: &mut Vec<u8>) -> Result<(), Ended> {
        into.clear();
        if count > self.left() / 8 {
            return Err(Ended);
        }
        let (first, shift) = (self.at / 8, self.at % 8);
        if shift == 0 {
            into.extend_from_slice(&self.bytes[first..first + count]);
        } else {
            // There is a byte more than pairs, since the last one ends within it.
            let pairs = self.bytes[first..].windows(2).take(count);
            into.extend(pairs.map(|pair| (pair[0] << shift) | (pair[1] >> (8 - shift))));
        }
        self.at += count * 8;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_begin_anywhere() {
        let mut bits = Bits::new(&[0b1010_0000, 0xff, 0x01]);
        assert_eq!(bits.take(3), Ok(5));
        assert_eq!(bits.flag(), Ok(false));
        assert_eq!(bits.take(12), Ok(0x0ff));
        assert_eq!((bits.read(), bits.left()), (16, 8));
        assert_eq!(bits.take(9), Err(Ended));
        assert_eq!(bits.skip(7), Ok(()));
        assert_eq!(bits.flag(), Ok(true));
        assert_eq!(bits.flag(), Err(Ended));
        assert_eq!(bits.skip(1), Err(Ended));
        assert_eq!(
            Bits::new(&[0x12, 0x34, 0x56, 0x78]).take(32),
            Ok(0x1234_5678)
        );
    }

    proptest! {
        #[test]
        fn bytes_are_copied_as_they_are_read(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            skipped in 0_usize..80,
            count in 0_usize..40,
        ) {
            let mut bits = Bits::new(&bytes);
            prop_assume!(bits.skip(skipped).is_ok());
            let (mut copying, mut copied) = (bits, vec![1, 2, 3]);
            let done = copying.copy(count, &mut copied);
            let read: Result<Vec<u8>, Ended> =
                (0..count).map(|_| bits.take(8).map(|byte| byte as u8)).collect();
            match read {
                Ok(read) => {
                    prop_assert_eq!(done, Ok(()));
                    prop_assert_eq!(&copied, &read);
                    prop_assert_eq!(copying.read(), bits.read());
                }
                Err(Ended) => prop_assert_eq!(done, Err(Ended)),
            }
        }
    }
}
