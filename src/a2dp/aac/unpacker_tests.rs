use super::super::latm_writer::{Header, Writer, frames};
use super::*;

const STEREO: &[u8] = include_bytes!("../../../tests/fixtures/aac/stereo-44100");

/// What came of packets, one after the other.
#[derive(Debug, Default)]
struct Taken(Vec<Frame>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// With so many samples.
    Sound(usize),
    Damaged,
    Orphaned,
}

impl Taken {
    fn unpack(&mut self, unpacker: &mut Unpacker, marker: bool, payload: &[u8]) -> Unpacked {
        let packet = Packet {
            sequence: 0,
            marker,
            payload,
        };
        unpacker.unpack(&packet, &mut |piece| {
            self.0.push(match piece {
                Piece::Sound(sound) => Frame::Sound(sound.len()),
                Piece::Damaged => Frame::Damaged,
                Piece::Orphaned => Frame::Orphaned,
            });
        })
    }
}

const WHOLE: Frame = Frame::Sound(2 * FRAMES);

fn stereo() -> Unpacker {
    Unpacker::new(44_100, 2).unwrap()
}

fn element(frame: &[u8]) -> Vec<u8> {
    Writer::default().header(Header::USUAL).frame(frame).bytes()
}

#[test]
fn an_element_comes_in_one_packet_whether_marked_or_not() {
    for marker in [true, false] {
        let (mut unpacker, mut taken) = (stereo(), Taken::default());
        for frame in frames(STEREO) {
            let unpacked = taken.unpack(&mut unpacker, marker, &element(frame));
            assert_eq!(unpacked, Unpacked::Unit { packets: 1 });
        }
        assert_eq!(taken.0, vec![WHOLE; frames(STEREO).len()]);
    }
}

#[test]
fn an_element_comes_in_parts_whether_marked_or_not() {
    for marks in [true, false] {
        let (mut unpacker, mut taken) = (stereo(), Taken::default());
        for frame in frames(STEREO) {
            let whole = element(frame);
            let parts: Vec<_> = whole.chunks(200).collect();
            let last = parts.len() - 1;
            for (at, part) in parts.iter().enumerate() {
                let unpacked = taken.unpack(&mut unpacker, marks && at == last, part);
                let expected = if at == last {
                    let packets = parts.len() as u16;
                    Unpacked::Unit { packets }
                } else {
                    Unpacked::Held
                };
                assert_eq!(unpacked, expected);
            }
        }
        assert_eq!(taken.0, vec![WHOLE; frames(STEREO).len()]);
    }
}

#[test]
fn an_element_has_several_frames() {
    let header = Header {
        frames: 2,
        ..Header::USUAL
    };
    let (mut unpacker, mut taken) = (stereo(), Taken::default());
    let all = frames(STEREO);
    let mut writer = Writer::default();
    let two = writer.header(header).frame(all[0]).frame(all[1]).bytes();
    taken.unpack(&mut unpacker, true, &two);
    assert_eq!(taken.0, [WHOLE, WHOLE]);
    // The second one is cut short.
    taken.unpack(&mut unpacker, true, &two[..two.len() - 9]);
    assert_eq!(taken.0[2..], [WHOLE, Frame::Damaged]);
    // The next one lacks what it overlaps with.
    taken.unpack(&mut unpacker, true, &two);
    assert_eq!(taken.0[4..], [Frame::Orphaned, WHOLE]);
}

#[test]
fn a_frame_of_another_format_is_damaged() {
    let other_rate = Header {
        rate: 3,
        ..Header::USUAL
    };
    let other_channels = Header {
        channels: 1,
        ..Header::USUAL
    };
    for header in [other_rate, other_channels] {
        let (mut unpacker, mut taken) = (stereo(), Taken::default());
        let mut writer = Writer::default();
        let bytes = writer.header(header).frame(frames(STEREO)[3]).bytes();
        taken.unpack(&mut unpacker, true, &bytes);
        assert_eq!(taken.0, [Frame::Damaged]);
    }
}

#[test]
fn what_may_be_the_rest_of_a_lost_element_is_left_out() {
    let (mut unpacker, mut taken) = (stereo(), Taken::default());
    let whole = element(frames(STEREO)[6]);
    let parts: Vec<_> = whole.chunks(200).collect();
    assert!(parts.len() > 2);
    for (at, part) in parts.iter().enumerate() {
        taken.unpack(&mut unpacker, at + 1 == parts.len(), part);
    }
    assert_eq!(taken.unpack(&mut unpacker, false, parts[0]), Unpacked::Held);
    assert_eq!(unpacker.lost(), 1);
    let refused = Unpacked::Refused { packets: 1 };
    let last = parts[parts.len() - 1];
    assert_eq!(taken.unpack(&mut unpacker, false, parts[1]), refused);
    assert_eq!(taken.unpack(&mut unpacker, true, last), refused);
    for (at, part) in parts.iter().enumerate() {
        taken.unpack(&mut unpacker, at + 1 == parts.len(), part);
    }
    assert_eq!(taken.0, [WHOLE, Frame::Orphaned]);
}

#[test]
fn no_more_is_held_than_an_element_can_have() {
    let (mut unpacker, mut taken) = (stereo(), Taken::default());
    // Its length is told to be longer than anything that follows.
    let mut writer = Writer::default();
    writer.header(Header::USUAL);
    for _ in 0..100 {
        writer.put(255, 8);
    }
    let begin = writer.bytes();
    let mut held = 0;
    while taken.unpack(&mut unpacker, false, &begin) == Unpacked::Held {
        held += 1;
        assert!(held < 200);
    }
    assert!(unpacker.parts.capacity() <= 2 * LONGEST && unpacker.held == 0);
    let bytes = element(frames(STEREO)[0]);
    let unpacked = taken.unpack(&mut unpacker, true, &bytes);
    assert_eq!(unpacked, Unpacked::Unit { packets: 1 });
}
