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
    let mut receiver = Receiver::new(coding.rate, coding.mode.channels()).unwrap();
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
    let mut receiver = Receiver::new(44_100, 1).unwrap();
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
        let mut receiver = Receiver::new(44_100, 2).unwrap();
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
    let (mut eight, mut four) = (Phone::new(eight, 5), Phone::new(four, 5));
    let mut receiver = Receiver::new(44_100, 2).unwrap();
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
    let mut receiver = Receiver::new(44_100, 2).unwrap();
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
