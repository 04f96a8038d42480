//! The RTP header that A2DP media packets begin with (RFC 3550, 5.1), and the order they come in.
//!
//! Invariant: [`parse`] accepts any bytes and never panics; what it returns lies within them.

use thiserror::Error;

/// A media packet, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Counts packets, and wraps.
    pub sequence: u16,
    /// What the codec says it marks: with AAC the end of a unit that packets share (RFC 3016, 4.1).
    pub marker: bool,
    /// The codec's own header and data.
    pub payload: &'a [u8],
}

/// Why bytes are not a media packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RtpError {
    /// They end within the header.
    #[error("the packet ends within its RTP header")]
    Truncated,
    /// Not version 2.
    #[error("RTP version {0} is not 2")]
    Version(u8),
    /// The padding is longer than the payload.
    #[error("the padding is longer than the packet")]
    Padding,
    /// Nothing after the header.
    #[error("the packet has no payload")]
    Empty,
}

/// Takes a packet apart.
///
/// # Errors
/// When it is not an RTP packet with a payload.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, RtpError> {
    let (header, mut rest) = bytes.split_first_chunk::<12>().ok_or(RtpError::Truncated)?;
    let version = header[0] >> 6;
    if version != 2 {
        return Err(RtpError::Version(version));
    }
    let contributors = usize::from(header[0] & 0x0f) * 4;
    rest = rest.get(contributors..).ok_or(RtpError::Truncated)?;
    if header[0] & 0x10 != 0 {
        let (extension, after) = rest.split_first_chunk::<4>().ok_or(RtpError::Truncated)?;
        let words = usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        rest = after.get(words * 4..).ok_or(RtpError::Truncated)?;
    }
    if header[0] & 0x20 != 0 {
        let padding = usize::from(*rest.last().ok_or(RtpError::Padding)?);
        let length = rest.len().checked_sub(padding).ok_or(RtpError::Padding)?;
        rest = &rest[..length];
    }
    if rest.is_empty() {
        return Err(RtpError::Empty);
    }
    Ok(Packet {
        sequence: u16::from_be_bytes([header[2], header[3]]),
        marker: header[1] & 0x80 != 0,
        payload: rest,
    })
}

/// Where a packet stands among those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The next one, or the first of all.
    Next,
    /// So many before it are missing.
    AfterGap(u16),
    /// Its turn is over: a copy, or one that was overtaken.
    Stale,
    /// The phone began to count anew.
    Restarted,
}

/// Keeps the order of packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequence {
    expected: Option<u16>,
}

impl Sequence {
    /// A larger jump than this, about two seconds of packets, is a new count and not a loss.
    const FAR: i16 = 128;
    const BACK: i16 = -Self::FAR;

    /// Places the packet with number `sequence`.
    pub fn place(&mut self, sequence: u16) -> Order {
        let ahead = match self.expected {
            None => 0,
            Some(expected) => sequence.wrapping_sub(expected) as i16,
        };
        let order = match ahead {
            0 => Order::Next,
            1..=Self::FAR => Order::AfterGap(ahead as u16),
            Self::BACK..=-1 => Order::Stale,
            _ => Order::Restarted,
        };
        if order != Order::Stale {
            self.expected = Some(sequence.wrapping_add(1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, 0x60, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 1];
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn every_part_of_the_header_is_passed_over() {
        type Case = (u8, &'static [u8], Result<&'static [u8], RtpError>);
        let cases: [Case; 11] = [
            (0x80, &[7, 8], Ok(&[7, 8])),
            (0x80, &[], Err(RtpError::Empty)),
            (0x40, &[7], Err(RtpError::Version(1))),
            (0x81, &[1, 2, 3, 4, 7], Ok(&[7])),
            (0x82, &[1, 2, 3, 4, 7], Err(RtpError::Truncated)),
            (0x90, &[9, 9, 0, 1, 1, 2, 3, 4, 7], Ok(&[7])),
            (0x90, &[9, 9, 0, 2, 1, 2, 3, 4, 7], Err(RtpError::Truncated)),
            (0x90, &[9, 9], Err(RtpError::Truncated)),
            (0xa0, &[7, 8, 0, 2], Ok(&[7, 8])),
            (0xa0, &[7, 8, 5], Err(RtpError::Padding)),
            (0xa0, &[0, 2], Err(RtpError::Empty)),
        ];
        for (first, rest, payload) in cases {
            let bytes = packet(first, rest);
            let parsed = parse(&bytes);
            assert_eq!(parsed.map(|p| p.payload), payload, "{first:#x} {rest:?}");
            assert!(parsed.map_or(true, |p| p.sequence == 0x1234 && !p.marker));
        }
        let mut marked = packet(0x80, &[7]);
        marked[1] |= 0x80;
        assert!(parse(&marked).is_ok_and(|packet| packet.marker));
        assert_eq!(parse(&[0x80; 11]), Err(RtpError::Truncated));
    }

    #[test]
    fn packets_are_placed() {
        let mut sequence = Sequence::default();
        for (number, order) in [
            (65_534, Order::Next),
            (65_535, Order::Next),
            (0, Order::Next),
            (0, Order::Stale),
            (3, Order::AfterGap(2)),
            (2, Order::Stale),
            (4, Order::Next),
            (30_000, Order::Restarted),
            (30_001, Order::Next),
            (0, Order::Restarted),
            (1, Order::Next),
        ] {
            assert_eq!(sequence.place(number), order, "{number}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(packet) = parse(&bytes) {
                prop_assert!(!packet.payload.is_empty());
                prop_assert!(packet.payload.len() + 12 <= bytes.len());
            }
        }

        #[test]
        fn what_is_missing_is_counted_once(kept in prop::collection::vec(any::<bool>(), 2..300)) {
            let mut sequence = Sequence::default();
            let (mut seen, mut missing, mut started) = (0, 0, false);
            for (number, keep) in kept.iter().enumerate() {
                if !keep { continue; }
                match sequence.place(number as u16) {
                    Order::Next => {}
                    Order::AfterGap(gap) => missing += usize::from(gap),
                    other => prop_assert!(kept.len() > 128, "{other:?}"),
                }
                if !started { missing += number; started = true; }
                seen = number + 1;
            }
            if kept.len() <= 128 {
                let lost = kept[..seen].iter().filter(|keep| !**keep).count();
                prop_assert_eq!(missing, lost);
            }
        }
    }
}
