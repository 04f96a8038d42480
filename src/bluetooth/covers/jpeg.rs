//! What a JPEG says of itself, as far as it matters to programs that show it.
//!
//! Invariant: any bytes may come; each is looked at once at most, and none beyond the last.

/// Begins the file.
const START: [u8; 2] = [0xFF, 0xD8];
/// Ends it. In what is coded it does not occur (ITU T.81, B.1.1.5).
const END: [u8; 2] = [0xFF, 0xD9];

/// Returns width and height of a picture; nothing if it is no JPEG, does not say, or is cut short.
pub(super) fn size(bytes: &[u8]) -> Option<(u16, u16)> {
    let mut rest = bytes.strip_prefix(&START)?;
    loop {
        let (marker, after) = marker(rest)?;
        let (segment, after) = segment(after)?;
        match marker {
            // The frame: baseline, extended or progressive.
            0xC0..=0xC2 => {
                let &[_precision, h1, h0, w1, w0, ..] = segment else {
                    return None;
                };
                let [width, height] = [[w1, w0], [h1, h0]].map(u16::from_be_bytes);
                let is_whole = after.windows(2).any(|two| two == END);
                return Some((width, height)).filter(|_| width > 0 && height > 0 && is_whole);
            }
            // Tables, the restart interval, what applications add, and comments.
            0xC4 | 0xDB | 0xDD | 0xE0..=0xEF | 0xFE => rest = after,
            // Of the others, frames that programs do not show among them, none comes before the frame
            // (ITU T.81, table B.1).
            _ => return None,
        }
    }
}

/// Takes a marker, and what fills the room before it.
fn marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let filled = bytes.strip_prefix(&[0xFF])?;
    let at = filled.iter().position(|byte| *byte != 0xFF)?;
    let (marker, rest) = filled[at..].split_first()?;
    Some((*marker, rest))
}

/// Takes a segment, which begins with its length.
fn segment(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    rest.split_at_checked(length.checked_sub(2)?)
}

/// A frame that says this, with nothing in it.
#[cfg(test)]
pub(super) fn of_size(width: u16, height: u16) -> Vec<u8> {
    let [w1, w0] = width.to_be_bytes();
    let [h1, h0] = height.to_be_bytes();
    let app0 = [0xFF, 0xE0, 0, 4, b'J', b'F'];
    let frame = [0xFF, 0xC0, 0, 11, 8, h1, h0, w1, w0, 1, 1, 0x11, 0];
    [&START[..], &app0, &frame, &END].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_size_is_that_of_the_frame() {
        assert_eq!(size(&of_size(200, 120)), Some((200, 120)));
        assert_eq!(size(&of_size(u16::MAX, 1)), Some((u16::MAX, 1)));
        let plain = of_size(200, 120);
        for (kind, is_shown) in [(0xC1, true), (0xC2, true), (0xC3, false), (0xC9, false)] {
            let mut other = plain.clone();
            other[9] = kind;
            assert_eq!(size(&other).is_some(), is_shown, "{kind:#x}");
        }
        let filled = [&plain[..8], &[0xFF; 5], &plain[8..]].concat();
        assert_eq!(size(&filled), Some((200, 120)));
        let table = [0xFF, 0xC4, 0, 3, 7];
        let tables = [&plain[..2], &table, &table, &plain[2..]].concat();
        assert_eq!(size(&tables), Some((200, 120)));
    }

    #[test]
    fn what_is_cut_short_or_no_jpeg_has_none() {
        let whole = of_size(200, 120);
        for length in 0..whole.len() {
            assert_eq!(size(&whole[..length]), None, "{length}");
        }
        for other in [
            &b"GIF89a"[..],
            b"\x89PNG\r\n\x1a\n",
            b"\xFF\xD8",
            b"\xFF\xD8\xFF\xD9",
            b"\xFF\xD8\xFF\xDA\x00\x02",
            b"\xFF\xD8\xFF\xE0\x00\x01",
            b"\xFF\xD8\xFF\xE0\xFF\xFF\x00",
            b"\xFF\xD8\xFF\xC0\x00\x02",
        ] {
            assert_eq!(size(other), None, "{other:02x?}");
        }
        assert_eq!(size(&of_size(0, 120)), None);
        assert_eq!(size(&of_size(200, 0)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            size(&bytes);
            // Beyond the first bytes as well, which chance does not find.
            let begun = [&of_size(1, 1)[..8], &bytes].concat();
            size(&begun);
        }
    }
}
