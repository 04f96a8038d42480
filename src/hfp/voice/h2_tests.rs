use super::*;
use proptest::prelude::*;

const GOOD: PacketStatus = PacketStatus::Correct;
const BAD: PacketStatus = PacketStatus::Doubtful;

/// A piece that owns its payload, of which the third byte tells which frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Frame(u8),
    Damaged,
    Doubled,
    Lost(u8),
}

use Found::{Damaged, Doubled, Frame, Lost};

/// Frame `index` of a stream. The payload of mSBC begins as it should; no header is in the rest.
fn frame(msbc: bool, index: u8) -> [u8; FRAME] {
    let mut frame = [0x55; FRAME];
    write_header(&mut frame, index);
    frame[2..5].copy_from_slice(if msbc { &MSBC_START } else { &[7, 7, 7] });
    frame[5] = index;
    if msbc {
        frame[FRAME - 1] = 0;
    }
    frame
}

fn stream(msbc: bool, frames: std::ops::Range<u8>) -> Vec<u8> {
    frames.flat_map(|index| frame(msbc, index)).collect()
}

fn feed(deframer: &mut Deframer, packet: &[u8], status: PacketStatus) -> Vec<Found> {
    let mut found = Vec::new();
    deframer.push(packet, status, |piece| {
        found.push(match piece {
            Piece::Frame(payload) => Frame(payload[3]),
            Piece::Damaged => Damaged,
            Piece::Doubled => Doubled,
            Piece::Lost(count) => Lost(count),
        });
    });
    found
}

/// What is found in `bytes`, cut into packets of `size`.
fn found(msbc: bool, bytes: &[u8], size: usize) -> Vec<Found> {
    let mut deframer = Deframer::new(msbc);
    bytes
        .chunks(size)
        .flat_map(|packet| feed(&mut deframer, packet, GOOD))
        .collect()
}

fn frames(range: std::ops::Range<u8>) -> Vec<Found> {
    range.map(Frame).collect()
}

#[test]
fn the_header_is_that_of_the_specification() {
    let headers: Vec<[u8; 2]> = (0..5)
        .map(|number| {
            let mut frame = [0; FRAME];
            write_header(&mut frame, number);
            [frame[0], frame[1]]
        })
        .collect();
    assert_eq!(
        headers,
        [[1, 0x08], [1, 0x38], [1, 0xc8], [1, 0xf8], [1, 0x08]]
    );
}

#[test]
fn frames_are_put_together_from_packets_of_any_size() {
    for msbc in [true, false] {
        let bytes = stream(msbc, 0..20);
        for size in 1..=300 {
            let found = found(msbc, &bytes, size);
            // LC3 that came in pieces waits for the header after it.
            let least = if msbc { 20 } else { 19 };
            assert!(found.len() >= least, "{msbc} {size}: {found:?}");
            assert_eq!(found, frames(0..20)[..found.len()], "{msbc} {size}");
        }
    }
}

#[test]
fn a_frame_in_one_packet_is_there_at_once() {
    for msbc in [true, false] {
        let mut deframer = Deframer::new(msbc);
        for index in 0..8 {
            assert_eq!(
                feed(&mut deframer, &frame(msbc, index), GOOD),
                [Frame(index)]
            );
        }
    }
}

#[test]
fn packets_lost_without_a_word_are_counted() {
    for msbc in [true, false] {
        for lost in 1..=3 {
            let bytes = [stream(msbc, 0..6), stream(msbc, 6 + lost..12)].concat();
            let expected = [frames(0..6), vec![Lost(lost)], frames(6 + lost..12)].concat();
            assert_eq!(found(msbc, &bytes, 60), expected);
        }
    }
}

#[test]
fn a_packet_that_is_filled_with_something_else_is_lost_at_once() {
    for msbc in [true, false] {
        for filler in [0, 1, 0x55, 0xff] {
            let mut deframer = Deframer::new(msbc);
            feed(&mut deframer, &stream(msbc, 0..5), GOOD);
            let mut all = Vec::new();
            for status in [GOOD, PacketStatus::NoData] {
                all.extend(feed(&mut deframer, &[filler; FRAME], status));
                // The last byte may be the first of a header.
                assert!(filler == 1 || all.last() == Some(&Lost(1)), "{filler}");
            }
            all.extend(feed(&mut deframer, &frame(msbc, 7), GOOD));
            assert_eq!(all, [Lost(1), Lost(1), Frame(7)], "{filler}");
        }
    }
}

#[test]
fn a_frame_in_doubt_is_damaged_and_its_number_is_not_believed() {
    for msbc in [true, false] {
        let mut deframer = Deframer::new(msbc);
        feed(&mut deframer, &stream(msbc, 0..3), GOOD);
        assert_eq!(feed(&mut deframer, &frame(msbc, 1), BAD), [Damaged]);
        assert_eq!(feed(&mut deframer, &frame(msbc, 4), GOOD), [Frame(4)]);
        // One that comes twice, and one that stands in the place of two.
        assert_eq!(feed(&mut deframer, &frame(msbc, 4), BAD), [Damaged]);
        assert_eq!(feed(&mut deframer, &frame(msbc, 5), GOOD), [Frame(5)]);
        assert_eq!(feed(&mut deframer, &frame(msbc, 6), BAD), [Damaged]);
        assert_eq!(
            feed(&mut deframer, &frame(msbc, 8), GOOD),
            [Lost(1), Frame(8)]
        );
    }
}

#[test]
fn a_frame_of_which_one_packet_is_in_doubt_is_damaged() {
    for msbc in [true, false] {
        let bytes = stream(msbc, 0..6);
        let mut deframer = Deframer::new(msbc);
        let mut all = Vec::new();
        for (index, packet) in bytes.chunks(24).enumerate() {
            // Bytes 144 to 168: frame 2, from its middle on.
            let status = if index == 6 { BAD } else { GOOD };
            all.extend(feed(&mut deframer, packet, status));
        }
        let expected = [Frame(0), Frame(1), Damaged, Frame(3), Frame(4), Frame(5)];
        assert!(all.len() >= 5);
        assert_eq!(all, expected[..all.len()], "{msbc}");
    }
}

#[test]
fn a_frame_that_comes_twice_is_given_out_once() {
    for msbc in [true, false] {
        let bytes = [stream(msbc, 0..4), stream(msbc, 3..6)].concat();
        let expected = [frames(0..4), vec![Doubled], frames(4..6)].concat();
        assert_eq!(found(msbc, &bytes, 60), expected);
    }
}

#[test]
fn bytes_lost_within_a_frame_cost_no_more_than_that_frame() {
    // A packet of each size that vanishes, in each place.
    for size in [24, 48, 64, 72] {
        let bytes = stream(true, 0..24);
        let packets: Vec<&[u8]> = bytes.chunks(size).collect();
        for gone in 6..packets.len() - 6 {
            let mut deframer = Deframer::new(true);
            let mut all = Vec::new();
            for (index, packet) in packets.iter().enumerate() {
                if index != gone {
                    all.extend(feed(&mut deframer, packet, GOOD));
                }
            }
            let touched = (gone * size / 60) as u8..=((gone * size + size - 1) / 60) as u8;
            let mut time = 0_usize;
            for piece in &all {
                match piece {
                    Frame(index) => {
                        assert!(!touched.contains(index), "{size} {gone}: {all:?}");
                        assert_eq!(usize::from(*index), time, "{size} {gone}: {all:?}");
                        time += 1;
                    }
                    Lost(count) => time += usize::from(*count),
                    Damaged | Doubled => panic!("{size} {gone}: {all:?}"),
                }
            }
            assert!(time >= 23, "{size} {gone}: {all:?}");
            let heard = all.iter().filter(|p| matches!(p, Frame(_))).count();
            assert!(heard >= 23 - touched.count(), "{size} {gone}: {all:?}");
        }
    }
}

#[test]
fn lc3_finds_its_way_back_after_bytes_were_lost() {
    for size in [24, 48, 60, 64, 72] {
        for cut in [1, 24, 37, 59, 61, 100] {
            let bytes = stream(false, 0..30);
            let bytes = [&bytes[..400], &bytes[400 + cut..]].concat();
            let found = found(false, &bytes, size);
            let back = found.iter().position(|p| *p == Frame(9)).unwrap();
            assert_eq!(found[back..], frames(9..30)[..found.len() - back]);
            assert!(found.len() - back >= 20, "{size} {cut}: {found:?}");
            assert_eq!(found[..6], frames(0..6));
            // A frame that begins its packet and fits into it is believed, and links lose packets,
            // not bytes of them.
            assert!(
                size >= 60 || found[6] != Frame(6),
                "{size} {cut}: {found:?}"
            );
        }
    }
}

#[test]
fn garbage_in_front_is_passed_over() {
    let garbage: [&[u8]; 4] = [
        &[0; 200],
        &[1; 77],
        &[1, 8, 1, 0x38, 1],
        &[0xad, 0, 0, 1, 8, 0xad],
    ];
    for msbc in [true, false] {
        for garbage in garbage {
            let bytes = [garbage, &stream(msbc, 0..12)].concat();
            for size in [1, 24, 48, 60, 64, 72, 255] {
                let found = found(msbc, &bytes, size);
                // What looks like a header at the start of a packet costs LC3 a frame.
                let mistaken = !msbc && garbage[..2] == [1, 8] && size >= 60;
                let good = frames(u8::from(mistaken)..12);
                let skipped = usize::from(mistaken);
                assert!(found.len() >= 11, "{msbc} {size}: {found:?}");
                assert_eq!(
                    found[skipped..],
                    good[..found.len() - skipped],
                    "{msbc} {size}"
                );
            }
        }
    }
}

#[test]
fn what_looks_like_a_header_within_a_payload_is_none() {
    for msbc in [true, false] {
        for garbage in [0, 13] {
            for size in [24, 48, 60, 64, 72, 255] {
                let mut bytes = vec![0; garbage];
                for index in 0..16 {
                    let mut frame = frame(msbc, index);
                    // With the right next number, too.
                    let number = usize::from(index + 1) % 4;
                    let header = [1, NUMBERED[number], 0xad, 0, 0];
                    frame[20..25].copy_from_slice(&header);
                    bytes.extend(frame);
                }
                let found = found(msbc, &bytes, size);
                assert!(found.len() >= 15, "{msbc} {garbage} {size}: {found:?}");
                assert_eq!(
                    found,
                    frames(0..16)[..found.len()],
                    "{msbc} {garbage} {size}"
                );
            }
        }
    }
}

/// What a link does to packets.
#[derive(Clone, Copy, Debug)]
enum Harm {
    None,
    Vanish,
    Double,
    Doubt,
    Flip(u8),
    Cut(u8),
}

fn harms() -> impl Strategy<Value = Vec<Harm>> {
    let harm = prop_oneof![
        10 => Just(Harm::None),
        1 => Just(Harm::Vanish),
        1 => Just(Harm::Double),
        1 => Just(Harm::Doubt),
        1 => any::<u8>().prop_map(Harm::Flip),
        1 => any::<u8>().prop_map(Harm::Cut),
    ];
    prop::collection::vec(harm, 1..60)
}

proptest! {
    #[test]
    fn any_bytes_give_no_more_than_they_have_room_for(
        packets in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..300), any::<u8>()), 0..30),
        msbc in any::<bool>(),
    ) {
        let mut deframer = Deframer::new(msbc);
        let (mut bytes, mut pieces) = (0, 0);
        for (packet, status) in packets {
            bytes += packet.len();
            for piece in feed(&mut deframer, &packet, PacketStatus::from_byte(status)) {
                pieces += match piece { Lost(count) => usize::from(count), _ => 1 };
            }
        }
        prop_assert!(pieces <= bytes / 15);
    }

    #[test]
    fn bytes_that_are_nearly_frames_do_no_harm(
        bytes in prop::collection::vec(
            prop_oneof![Just(1_u8), Just(8), Just(0x38), Just(0xad), Just(0), any::<u8>()], 0..400),
        size in 1_usize..256,
        msbc in any::<bool>(),
    ) {
        let most = bytes.len() / 15;
        prop_assert!(found(msbc, &bytes, size).len() <= most);
    }

    #[test]
    fn any_packet_sizes_give_the_same_frames(
        sizes in prop::collection::vec(1_usize..256, 1..20),
        payload in prop::collection::vec(any::<u8>(), 40),
        msbc in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        for index in 0..30 {
            let mut frame = frame(msbc, index);
            frame[10..50].copy_from_slice(&payload);
            bytes.extend(frame);
        }
        let mut deframer = Deframer::new(msbc);
        let (mut all, mut rest) = (Vec::new(), &bytes[..]);
        for size in sizes.into_iter().cycle() {
            let (packet, after) = rest.split_at(size.min(rest.len()));
            all.extend(feed(&mut deframer, packet, GOOD));
            rest = after;
            if rest.is_empty() { break }
        }
        prop_assert!(all.len() >= 29);
        prop_assert_eq!(&all[..], &frames(0..30)[..all.len()]);
    }

    #[test]
    fn an_undisturbed_link_is_found_again_whatever_came_before(
        harms in harms(),
        size in prop_oneof![Just(24_usize), Just(48), Just(60), Just(64), Just(72), 1_usize..256],
        msbc in any::<bool>(),
    ) {
        let mut deframer = Deframer::new(msbc);
        let mut harmed = stream(msbc, 0..60);
        harmed.truncate(harmed.len() / size * size);
        for (packet, harm) in harmed.chunks(size).zip(harms) {
            let mut packet = packet.to_vec();
            let status = if matches!(harm, Harm::Doubt) { BAD } else { GOOD };
            match harm {
                Harm::Vanish => packet.clear(),
                Harm::Flip(at) => packet[usize::from(at) % size] ^= 0x10,
                Harm::Cut(at) => packet.truncate(usize::from(at) % size),
                Harm::Double => { feed(&mut deframer, &packet, GOOD); }
                Harm::None | Harm::Doubt => {}
            }
            feed(&mut deframer, &packet, status);
        }
        let clean: Vec<Found> = stream(msbc, 100..120)
            .chunks(size)
            .flat_map(|packet| feed(&mut deframer, packet, GOOD))
            .collect();
        // At most what waited, the frame it is mistaken for, and the last, are missing.
        let heard: Vec<Found> = clean.into_iter()
            .filter(|piece| matches!(piece, Frame(100..120)))
            .collect();
        prop_assert!(heard.len() >= 17, "{:?}", heard);
        prop_assert!(heard.windows(2).all(|w| match w {
            [Frame(a), Frame(b)] => *b == *a + 1,
            _ => false,
        }), "{:?}", heard);
    }
}
