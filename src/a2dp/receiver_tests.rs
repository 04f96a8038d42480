use super::*;

#[path = "../../tests/audio_path/analysis.rs"]
mod analysis;
#[path = "../../tests/audio_path/phone.rs"]
mod phone;

use crate::policy::model::ChannelMode;
use analysis::{largest_step, level, natural_step};
use phone::{Coding, Phone};

const PITCHES: [f32; 2] = [437.5, 1250.0];
const AMPLITUDE: f32 = 0.4;

const MODES: [ChannelMode; 4] = [
    ChannelMode::Mono,
    ChannelMode::DualChannel,
    ChannelMode::Stereo,
    ChannelMode::JointStereo,
];

fn tones(rate: u32) -> impl FnMut(u64) -> [f32; 2] {
    move |n| {
        let turns = |pitch: f32| (f64::from(pitch) * n as f64 / f64::from(rate)).fract() as f32;
        let tone = |pitch| AMPLITUDE * (std::f32::consts::TAU * turns(pitch)).sin();
        let sum = tone(PITCHES[0]) + tone(PITCHES[1]);
        [sum, sum]
    }
}

/// Receives a second of tones, without the packets that `keep` refuses.
fn receive(coding: Coding, mut keep: impl FnMut(u64) -> bool) -> (Vec<f32>, Tally, u64) {
    let mut phone = Phone::new(coding, 5);
    let mut receiver = Receiver::new(coding.format()).unwrap();
    let mut out = Vec::new();
    let packets = u64::from(coding.rate) / phone.packet_frames() as u64;
    for number in 0..packets {
        let packet = phone.packet(&mut tones(coding.rate));
        if keep(number) {
            receiver.receive(&packet, &mut out);
        }
    }
    (
        out,
        receiver.tally(),
        packets * phone.packet_frames() as u64,
    )
}

fn assert_tones(sound: &[f32], coding: Coding, tolerance: f64) {
    let channels = usize::from(coding.mode.channels());
    for channel in 0..channels {
        let side: Vec<f32> = sound
            .iter()
            .skip(channel)
            .step_by(channels)
            .copied()
            .collect();
        let side = &side[coding.rate as usize / 20..];
        let expected = 20.0 * f64::from(AMPLITUDE).log10();
        for pitch in PITCHES {
            let off = level(side, coding.rate, pitch) - expected;
            assert!(
                off.abs() < tolerance,
                "{coding:?}: {pitch} Hz is {off:+.2} dB off"
            );
        }
        let natural = natural_step(coding.rate, AMPLITUDE, &PITCHES);
        let step = largest_step(side);
        assert!(
            step < natural * 1.25,
            "{coding:?}: a step of {step}, {natural} is natural"
        );
    }
}

#[test]
fn both_tones_come_out_of_every_coding() {
    for rate in [16_000, 32_000, 44_100, 48_000] {
        for mode in MODES {
            for (blocks, subbands, by_snr) in [
                (16, 8, false),
                (16, 8, true),
                (12, 8, false),
                (8, 4, true),
                (4, 4, false),
            ] {
                let usual = Coding::usual(rate, mode);
                let bitpool = usual.bitpool / (8 / subbands);
                let coding = Coding {
                    blocks,
                    subbands,
                    by_snr,
                    bitpool,
                    ..usual
                };
                let (sound, tally, frames) = receive(coding, |_| true);
                assert_eq!(sound.len() as u64, frames * u64::from(mode.channels()));
                assert_eq!((tally.lost, tally.refused), (0, 0));
                assert_tones(&sound, coding, 0.5);
            }
        }
    }
}

#[test]
fn the_largest_bit_pools_decode() {
    for (mode, bitpool) in [
        (ChannelMode::DualChannel, 76),
        (ChannelMode::JointStereo, 94),
    ] {
        let coding = Coding {
            bitpool,
            ..Coding::usual(44_100, mode)
        };
        let (sound, tally, _) = receive(coding, |_| true);
        assert_eq!(tally.refused, 0);
        assert_tones(&sound, coding, 0.1);
    }
}

#[test]
fn lost_packets_cost_no_time_and_no_click() {
    for rate in [16_000, 44_100] {
        for mode in [ChannelMode::Mono, ChannelMode::JointStereo] {
            let coding = Coding::usual(rate, mode);
            let (sound, tally, frames) = receive(coding, |number| number % 13 != 7);
            assert_eq!(sound.len() as u64, frames * u64::from(mode.channels()));
            assert!(tally.lost > 0 && tally.refused == 0);
            assert_tones(&sound, coding, 1.0);
        }
    }
}

#[test]
fn what_is_not_made_up_of_a_long_gap_is_told() {
    let coding = Coding::usual(44_100, ChannelMode::Mono);
    let mut phone = Phone::new(coding, 5);
    let mut receiver = Receiver::new(coding.format()).unwrap();
    let mut out = Vec::new();
    // A fifth of a second, which is 8820 frames, is made up, and no more.
    for (lost, concealed, left_out) in [(0, 0, 0), (3, 1920, 0), (20, 8820, 3980), (0, 0, 0)] {
        for _ in 0..lost {
            phone.packet(&mut tones(44_100));
        }
        out.clear();
        let received = receiver.receive(&phone.packet(&mut tones(44_100)), &mut out);
        let gap = Gap {
            concealed,
            left_out,
        };
        assert_eq!(received, Received::Sound(gap), "{lost} lost");
        assert_eq!(out.len(), concealed + 640, "{lost} lost");
    }
}

#[test]
fn frames_of_another_format_are_counted_and_concealed() {
    let agreed = Coding::usual(44_100, ChannelMode::JointStereo);
    for other in [
        Coding::usual(48_000, ChannelMode::JointStereo),
        Coding::usual(44_100, ChannelMode::Mono),
    ] {
        let (mut right, mut wrong) = (Phone::new(agreed, 5), Phone::new(other, 5));
        let mut receiver = Receiver::new(agreed.format()).unwrap();
        let mut out = Vec::new();
        for number in 0..40 {
            let packet = right.packet(&mut tones(44_100));
            let intruder = wrong.packet(&mut tones(44_100));
            receiver.receive(if number % 10 == 5 { &intruder } else { &packet }, &mut out);
        }
        assert_eq!(receiver.tally().refused, 4 * 5);
        assert_eq!(out.len(), 40 * 640 * 2);
        assert_tones(&out, agreed, 1.0);
    }
}

#[test]
fn the_number_of_subbands_may_change() {
    let eight = Coding::usual(44_100, ChannelMode::Stereo);
    let four = Coding {
        subbands: 4,
        bitpool: 27,
        ..eight
    };
    let mut receiver = Receiver::new(eight.format()).unwrap();
    let (mut eight, mut four) = (Phone::new(eight, 5), Phone::new(four, 5));
    let mut out = Vec::new();
    for _ in 0..5 {
        receiver.receive(&eight.packet(&mut tones(44_100)), &mut out);
    }
    out.clear();
    for number in 5..40_u16 {
        let mut packet = four.packet(&mut tones(44_100));
        packet[2..4].copy_from_slice(&0xfff0_u16.wrapping_add(number).to_be_bytes());
        receiver.receive(&packet, &mut out);
    }
    assert_eq!(receiver.tally().refused, 0);
    let settled = &out[1000..];
    assert!(
        level(
            settled
                .iter()
                .step_by(2)
                .copied()
                .collect::<Vec<_>>()
                .as_slice(),
            44_100,
            1250.0
        ) > -8.5
    );
}

#[test]
fn damage_is_survived() {
    let coding = Coding::usual(44_100, ChannelMode::JointStereo);
    let mut phone = Phone::new(coding, 5);
    let mut receiver = Receiver::new(coding.format()).unwrap();
    let mut out = Vec::new();
    let mut state = 7_u32;
    for _ in 0..400 {
        let mut packet = phone.packet(&mut tones(44_100));
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let place = state as usize / 7 % packet.len();
            packet[place] = (state >> 24) as u8;
        }
        packet.truncate(packet.len() - state as usize % 200);
        receiver.receive(&packet, &mut out);
    }
    assert!(receiver.tally().refused > 100);
    assert!(
        out.iter()
            .all(|sample| sample.is_finite() && sample.abs() < 8.0)
    );
}

mod aac {
    use super::super::super::aac::FRAMES;
    use super::super::super::aac::latm_writer::{Header, Writer, frames};
    use super::*;

    const STEREO: &[u8] = include_bytes!("../../tests/fixtures/aac/stereo-44100");
    const MONO: &[u8] = include_bytes!("../../tests/fixtures/aac/mono-48000");

    const STEREO_FORMAT: StreamFormat = StreamFormat::Aac {
        rate: 44_100,
        channels: 2,
    };

    /// Packets of at most `size` bytes of an element for each frame.
    fn packets(file: &[u8], header: Header, size: usize) -> Vec<Vec<u8>> {
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for frame in frames(file) {
            let element = Writer::default().header(header).frame(frame).bytes();
            let parts = element.chunks(size);
            let last = parts.len() - 1;
            for (at, part) in parts.enumerate() {
                let marked = if at == last { 0xe0 } else { 0x60 };
                let mut packet = vec![0x80, marked];
                packet.extend((packets.len() as u16).to_be_bytes());
                packet.extend([0; 8]);
                packet.extend(part);
                packets.push(packet);
            }
        }
        packets
    }

    /// Checks the left side from its beginning on.
    fn assert_sounds(sound: &[f32], format: StreamFormat, tolerance: f64) {
        let (rate, channels) = (format.rate(), usize::from(format.channels()));
        let left: Vec<f32> = sound.iter().step_by(channels).copied().collect();
        let left = &left[4 * FRAMES..];
        let expected = 20.0 * f64::from(AMPLITUDE).log10();
        for pitch in PITCHES {
            let off = level(left, rate, pitch) - expected;
            assert!(off.abs() < tolerance, "{pitch} Hz is {off:+.2} dB off");
        }
        let natural = natural_step(rate, AMPLITUDE, &PITCHES);
        assert!(largest_step(left) < natural * 1.25);
    }

    #[test]
    fn both_tones_come_out_of_stereo_and_mono() {
        let mono = Header {
            rate: 3,
            channels: 1,
            ..Header::USUAL
        };
        let (rate, channels) = (48_000, 1);
        let mono_format = StreamFormat::Aac { rate, channels };
        for (file, header, format) in [
            (STEREO, Header::USUAL, STEREO_FORMAT),
            (MONO, mono, mono_format),
        ] {
            let mut receiver = Receiver::new(format).unwrap();
            let mut out = Vec::new();
            for packet in packets(file, header, 1024) {
                let received = receiver.receive(&packet, &mut out);
                assert_eq!(received, Received::Sound(Gap::default()));
            }
            let sound = frames(file).len() * FRAMES * usize::from(format.channels());
            assert_eq!((out.len(), receiver.tally().refused), (sound, 0));
            assert_sounds(&out, format, 0.1);
        }
    }

    #[test]
    fn lost_packets_cost_no_time_and_no_click_whole_or_in_parts() {
        for (size, parts) in [(1024, 1), (300, 2)] {
            let all = packets(STEREO, Header::USUAL, size);
            let (first, rest) = all.split_at(8 * parts);
            let mut receiver = Receiver::new(STEREO_FORMAT).unwrap();
            let mut out = Vec::new();
            for packet in first {
                receiver.receive(packet, &mut out);
            }
            for (at, packet) in rest.iter().enumerate() {
                if at % 13 != 6 {
                    receiver.receive(packet, &mut out);
                }
            }
            assert!(receiver.tally().lost > 1);
            let off = (frames(STEREO).len() * FRAMES).abs_diff(out.len() / 2);
            // A lost element is taken to be spread as the one before it was.
            let tolerance = if parts == 1 { 0 } else { FRAMES };
            assert!(off <= tolerance, "{off} frames off");
            if parts == 1 {
                assert_sounds(&out, STEREO_FORMAT, 2.0);
            }
            let left: Vec<f32> = out.iter().step_by(2).copied().collect();
            let natural = natural_step(44_100, AMPLITUDE, &PITCHES);
            assert!(largest_step(&left) < natural * 1.25);
        }
    }

    #[test]
    fn an_element_without_an_end_is_made_up_for_no_longer_than_a_gap() {
        let mut receiver = Receiver::new(STEREO_FORMAT).unwrap();
        let mut out = Vec::new();
        let mut all = packets(STEREO, Header::USUAL, 1024);
        let mut begin = Writer::default();
        let begin = begin.header(Header::USUAL).put(0xff, 8).bytes();
        for number in all.len()..all.len() + 2000 {
            let mut packet = vec![0x80, 0x60];
            packet.extend((number as u16).to_be_bytes());
            packet.extend([0; 8]);
            packet.extend(&begin);
            all.push(packet);
        }
        for packet in &all {
            out.clear();
            receiver.receive(packet, &mut out);
            assert!(out.len() <= 8820 * 2, "{} samples", out.len());
        }
    }

    #[test]
    fn a_part_of_an_element_is_nothing_yet() {
        let all = packets(STEREO, Header::USUAL, 300);
        let mut receiver = Receiver::new(STEREO_FORMAT).unwrap();
        let mut out = Vec::new();
        let received: Vec<_> = all[..5]
            .iter()
            .map(|packet| receiver.receive(packet, &mut out))
            .collect();
        let sound = Received::Sound(Gap::default());
        let nothing = Received::Nothing;
        assert_eq!(received, [nothing, sound, nothing, nothing, sound]);
    }

    #[test]
    fn damage_is_survived() {
        let mut receiver = Receiver::new(STEREO_FORMAT).unwrap();
        let mut out = Vec::new();
        let mut state = 7_u32;
        for mut packet in packets(STEREO, Header::USUAL, 1024) {
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let place = state as usize / 7 % packet.len();
                packet[place] = (state >> 24) as u8;
            }
            packet.truncate(packet.len() - state as usize % 200);
            receiver.receive(&packet, &mut out);
        }
        assert!(receiver.tally().refused > 5);
        assert!(out.iter().all(|sample| sample.abs() <= 1.5));
    }
}
