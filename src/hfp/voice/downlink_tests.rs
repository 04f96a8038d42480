use super::super::h2::FRAME;
use super::super::signals::{
    Random, codecs, compare, db, largest_step, packets, rms, snr, sound_of, speech, tone, tone_in,
};
use super::*;
use PacketStatus::{Correct, Doubtful, NoData, Partial};
use proptest::prelude::*;

/// How a packet is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// It comes, and the controller says that it is bad.
    Told(PacketStatus),
    /// Nothing comes; the numbers of the frames tell.
    Untold,
}

/// Packets of 7.5 ms each.
fn packets_of_frames(codec: Codec, sound: &[f32]) -> Vec<Vec<u8>> {
    let size = if codec == Codec::Cvsd { 120 } else { FRAME };
    packets(codec, size, sound)
}

/// What is heard when the packets for which `lost` says so are lost.
fn heard_with(codec: Codec, sound: &[f32], loss: Loss, lost: impl Fn(usize) -> bool) -> Vec<f32> {
    let packets = packets_of_frames(codec, sound);
    let packets =
        packets
            .iter()
            .enumerate()
            .filter_map(|(index, packet)| match (lost(index), loss) {
                (false, _) => Some((&packet[..], Correct)),
                (true, Loss::Told(status)) => Some((&packet[..], status)),
                (true, Loss::Untold) => None,
            });
    sound_of(codec, packets)
}

fn losses(codec: Codec) -> Vec<Loss> {
    let mut losses = vec![
        Loss::Told(Doubtful),
        Loss::Told(NoData),
        Loss::Told(Partial),
    ];
    if codec != Codec::Cvsd {
        losses.push(Loss::Untold);
    }
    losses
}

/// Says of each packet whether it is lost, `percent` of them by chance.
fn by_chance(percent: usize, packets: usize) -> Vec<bool> {
    let mut random = Random::new(percent as u64);
    let lost = |_| random.next() < percent as f32 / 100.0;
    // The first fade in.
    (0..packets)
        .map(lost)
        .enumerate()
        .map(|(index, lost)| lost && index > 10)
        .collect()
}

#[test]
fn a_lost_frame_in_a_tone_is_not_heard() {
    for codec in codecs() {
        for hz in [220.0, 441.0, 1_000.0, 1_730.0] {
            let said = tone(codec.rate(), hz, 0.25, codec.rate() as usize / 2);
            let natural = heard_with(codec, &said, Loss::Told(NoData), |_| false);
            for loss in losses(codec) {
                let heard = heard_with(codec, &said, loss, |index| index == 30);
                assert_eq!(heard.len(), natural.len());
                let start = 29 * codec.frame_samples();
                let around = &heard[start..start + 4 * codec.frame_samples()];
                let level = db(rms(around) / (0.25 / 2.0_f32.sqrt()));
                let step = largest_step(&heard) / largest_step(&natural);
                let snr = snr(&natural[start..start + around.len()], around);
                println!("{codec:?} {hz} Hz {loss:?}: {level:.2} dB, step {step:.2}, SNR {snr:.1}");
                assert!(level.abs() < 1.0, "{codec:?} {hz} {loss:?}: {level} dB");
                assert!(step < 1.15, "{codec:?} {hz} {loss:?}: {step}");
            }
        }
    }
}

#[test]
fn a_long_loss_fades_to_silence_and_back() {
    for codec in codecs() {
        let said = tone(codec.rate(), 500.0, 0.25, codec.rate() as usize);
        let natural = heard_with(codec, &said, Loss::Told(NoData), |_| false);
        let heard = heard_with(codec, &said, Loss::Told(NoData), |i| (40..80).contains(&i));
        let at = |frame: usize| frame * codec.frame_samples();
        assert!(heard[at(49)..at(80)].iter().all(|s| *s == 0.0), "{codec:?}");
        assert!(rms(&heard[at(40)..at(41)]) > 0.15);
        assert!(
            largest_step(&heard) < 1.15 * largest_step(&natural),
            "{codec:?}"
        );
        let (level, above) = tone_in(&heard[at(83)..], codec.rate(), 500.0);
        assert!(
            db(level / 0.25).abs() < 1.0 && above > 20.0,
            "{codec:?} {level} {above}"
        );
    }
}

#[test]
fn speech_with_losses_stays_speech() {
    for codec in codecs() {
        let frame = codec.frame_samples();
        let said = speech(codec.rate(), codec.rate() as usize * 4);
        let natural = heard_with(codec, &said, Loss::Told(NoData), |_| false);
        for (percent, least) in [(1, 17.0), (5, 14.0), (10, 10.0)] {
            let lost = by_chance(percent, said.len() / frame);
            for loss in [Loss::Told(NoData), Loss::Untold] {
                if codec == Codec::Cvsd && matches!(loss, Loss::Untold) {
                    continue;
                }
                let heard = heard_with(codec, &said, loss, |index| lost[index]);
                let within = |sound: &[f32]| -> Vec<f32> {
                    let frames = sound.chunks(frame).zip(&lost);
                    let lost = frames.filter(|(_, lost)| **lost);
                    lost.flat_map(|(frame, _)| frame.to_vec()).collect()
                };
                let level = db(rms(&within(&heard)) / rms(&within(&natural)));
                let snr = snr(&natural[..heard.len()], &heard);
                println!("{codec:?} {percent} % {loss:?}: gaps {level:.1} dB, SNR {snr:.1} dB");
                assert!(level.abs() < 2.0, "{codec:?} {percent} %: {level} dB");
                assert!(snr > least, "{codec:?} {percent} %: {snr} dB");
                no_step_is_steeper_than_its_surroundings(codec, &natural, &heard);
            }
        }
    }
}

/// Compares each step with the steepest within 30 ms of the undisturbed sound.
fn no_step_is_steeper_than_its_surroundings(codec: Codec, natural: &[f32], heard: &[f32]) {
    let around = codec.rate() as usize * 30 / 1000;
    for start in (0..heard.len() - around).step_by(around) {
        let end = (start + 2 * around).min(heard.len());
        let allowed = largest_step(&natural[start.saturating_sub(around)..end]);
        let step = largest_step(&heard[start..start + around]);
        assert!(
            step < 1.25 * allowed + 0.002,
            "{codec:?} at {start}: {step} {allowed}"
        );
    }
}

#[test]
fn what_happened_is_counted() {
    let said = tone(16_000, 500.0, 0.25, 120 * 20);
    let mut packets = packets_of_frames(Codec::Msbc, &said);
    packets[15][5] ^= 0xff;
    let mut downlink = Downlink::new(Codec::Msbc).unwrap();
    let mut samples = 0;
    assert!(downlink.is_silent());
    for (index, packet) in packets.iter().enumerate() {
        let times = match index {
            7 => 0,
            9 => 2,
            _ => 1,
        };
        let status = if index == 11 { Doubtful } else { Correct };
        for _ in 0..times {
            downlink.receive(packet, status, |sound| samples += sound.len());
        }
    }
    assert!(!downlink.is_silent());
    assert_eq!(samples, said.len());
    let tally = Tally {
        packets: 20,
        doubted: 1,
        frames: 17,
        lost: 1,
        damaged: 2,
        doubled: 1,
        // Three frames, and as often the first millisecond after them.
        concealed: 3 * (120 + 16),
    };
    assert_eq!(downlink.tally(), tally);
}

#[test]
fn the_caller_can_ask_for_concealment() {
    for codec in codecs() {
        let said = tone(codec.rate(), 500.0, 0.25, codec.rate() as usize / 4);
        let mut downlink = Downlink::new(codec).unwrap();
        let mut heard = Vec::new();
        for packet in packets_of_frames(codec, &said) {
            downlink.receive(&packet, Correct, |sound| heard.extend_from_slice(sound));
        }
        let mut more = vec![f32::NAN; codec.rate() as usize / 10];
        downlink.conceal(&mut more);
        assert!(rms(&more[..codec.frame_samples()]) > 0.15);
        assert!(downlink.is_silent());
        assert_eq!(more.last(), Some(&0.0));
        heard.extend(more);
        assert!(
            largest_step(&heard) < 1.15 * largest_step(&said),
            "{codec:?}"
        );
    }
}

#[test]
fn samples_lost_on_odd_packets_keep_their_place() {
    let said = speech(8_000, 8_000);
    let packets = packets(Codec::Cvsd, 27, &said);
    let packets = packets.iter().enumerate().map(|(index, packet)| {
        let status = if index % 17 == 16 { NoData } else { Correct };
        (&packet[..], status)
    });
    let heard = sound_of(Codec::Cvsd, packets);
    let (shift, snr) = compare(&said[1_000..7_000], &heard[1_000..], 100);
    assert_eq!(shift, 0);
    assert!(snr > 8.0, "{snr}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_become_sound_within_bounds(
        packets in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..256), any::<u8>()), 1..40),
    ) {
        for codec in codecs() {
            let mut downlink = Downlink::new(codec).unwrap();
            for (packet, status) in &packets {
                let mut samples = 0;
                downlink.receive(packet, PacketStatus::from_byte(*status), |sound| {
                    assert!(sound.iter().all(|sample| sample.abs() <= 1.0));
                    samples += sound.len();
                });
                assert!(samples <= most_samples(codec, packet.len()));
            }
        }
    }

    #[test]
    fn frames_with_damage_that_nobody_tells_of_become_sound_within_bounds(
        damage in prop::collection::vec((0_usize..20 * FRAME, any::<u8>()), 0..20),
    ) {
        for codec in codecs() {
            let said = tone(codec.rate(), 500.0, 0.25, 20 * codec.frame_samples());
            let mut bytes = packets_of_frames(codec, &said).concat();
            for (at, with) in &damage {
                bytes[*at] ^= with;
            }
            let heard = sound_of(codec, bytes.chunks(FRAME).map(|packet| (packet, Correct)));
            prop_assert!(heard.iter().all(|sample| sample.abs() <= 1.0));
        }
    }
}
