use proptest::prelude::*;

use super::super::latm_writer::{Header, Writer};
use super::*;

fn usual(rate: u32, channels: usize, frames: u32) -> Mux {
    Mux {
        rate,
        channels,
        frames,
    }
}

#[test]
fn whatever_the_header_has_the_frames_are_found() {
    let long = vec![7; 600];
    let frames: [&[u8]; 3] = [&[1, 2, 3], &long, &[]];
    for version_1 in [false, true] {
        for other_data in [false, true] {
            for checksum in [false, true] {
                let header = Header {
                    version_1,
                    frames: 3,
                    other_data,
                    checksum,
                    ..Header::USUAL
                };
                let mut writer = Writer::default();
                writer.header(header);
                for frame in frames {
                    writer.frame(frame);
                }
                let bytes = writer.bytes();
                let mut element = Element::read(&bytes, None).unwrap();
                assert_eq!(element.mux, usual(44_100, 2, 3));
                let mut found = Vec::new();
                for frame in frames {
                    element.next_frame(&mut found).unwrap();
                    assert_eq!(found, frame);
                }
                assert_eq!(Element::read(&bytes, None).unwrap().pass(), Ok(()));
            }
        }
    }
}

#[test]
fn what_was_said_before_holds_until_something_else_is() {
    let mut same = Writer::default();
    let same = same.put(1, 1).frame(&[9]).bytes();
    assert_eq!(
        Element::read(&same, None).unwrap_err(),
        LatmError::Unannounced
    );
    let before = usual(48_000, 1, 1);
    let mut element = Element::read(&same, Some(before)).unwrap();
    assert_eq!(element.mux, before);
    let mut frame = Vec::new();
    assert_eq!(element.next_frame(&mut frame), Ok(()));
    assert_eq!(frame, [9]);
    assert_eq!(element.next_frame(&mut frame), Err(LatmError::Truncated));
    let mut other = Writer::default();
    let other = other.header(Header::USUAL).frame(&[9]).bytes();
    let element = Element::read(&other, Some(before)).unwrap();
    assert_eq!(element.mux, usual(44_100, 2, 1));
}

#[test]
fn an_element_that_is_cut_short_says_so() {
    let mut whole = Writer::default();
    let whole = whole.header(Header::USUAL).frame(&[1; 300]).bytes();
    for length in 0..whole.len() {
        let cut = Element::read(&whole[..length], None).and_then(Element::pass);
        assert_eq!(cut, Err(LatmError::Truncated), "{length}");
    }
}

#[test]
fn a_rate_may_be_written_out() {
    let mut writer = Writer::default();
    writer.put(0, 1).put(0, 1).put(1, 1).put(0, 6 + 4 + 3);
    writer
        .put(2, 5)
        .put(15, 4)
        .put(44_056, 24)
        .put(2, 4)
        .put(0, 3);
    writer.put(0, 3).put(0xff, 8).put(0, 2);
    let bytes = writer.bytes();
    assert_eq!(Element::read(&bytes, None).unwrap().mux.rate, 44_056);
}

#[test]
fn what_a2dp_does_not_know_is_refused() {
    let begun = |mux: &[(u32, usize)]| {
        let mut writer = Writer::default();
        writer.put(0, 1);
        for (number, count) in mux {
            writer.put(*number, *count);
        }
        writer.put(0, 200).bytes()
    };
    let config = |kind, rate, channels, flags| {
        let mux = [
            (0, 1),
            (1, 1),
            (0, 13),
            (kind, 5),
            (rate, 4),
            (channels, 4),
            (flags, 3),
        ];
        begun(&mux)
    };
    for (bytes, what) in [
        (begun(&[(3, 2)]), "version"),
        (begun(&[(0, 1), (0, 1)]), "framings"),
        (begun(&[(0, 1), (1, 1), (0, 6), (1, 4)]), "programs"),
        (begun(&[(0, 1), (1, 1), (0, 6), (0, 4), (1, 3)]), "layers"),
        (config(5, 7, 2, 0), "LC"),
        (config(2, 13, 2, 0), "rate"),
        (config(2, 4, 0, 0), "channels"),
        (config(2, 4, 6, 0), "channels"),
        (config(2, 4, 2, 4), "960"),
        (config(2, 4, 2, 2), "core"),
        (config(2, 4, 2, 1), "extension"),
    ] {
        let error = Element::read(&bytes, None).unwrap_err();
        assert!(matches!(error, LatmError::Unknown(_)), "{what}: {error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let before = usual(44_100, 2, 64);
        if let Ok(mut element) = Element::read(&bytes, Some(before)) {
            let mut frame = Vec::new();
            while element.next_frame(&mut frame).is_ok() {
                prop_assert!(frame.len() < bytes.len());
            }
        }
    }
}
