//! What each codec does to sound on an undisturbed link, and to sound that is none.

use super::signals::{codecs, compare, db, packets, rms, sound_of, speech, tone, tone_in};
use super::{Codec, MAX_PACKET, PacketStatus, Uplink};

fn round_trip(codec: Codec, size: usize, sound: &[f32]) -> Vec<f32> {
    let packets = packets(codec, size, sound);
    let packets = packets.iter().map(|p| (&p[..], PacketStatus::Correct));
    sound_of(codec, packets)
}

fn seconds(codec: Codec, tenths: usize) -> usize {
    codec.rate() as usize / 10 * tenths
}

#[test]
fn tones_keep_their_pitch_and_level() {
    for codec in codecs() {
        let rate = codec.rate();
        for (hz, least) in [
            (200.0, 20.0),
            (1_000.0, 20.0),
            (3_000.0, 20.0),
            (7_000.0, 15.0),
        ] {
            if hz > rate as f32 * 0.45 {
                continue;
            }
            let said = tone(rate, hz, 0.25, seconds(codec, 10));
            let heard = round_trip(codec, codec.usual_packet(), &said);
            let heard = &heard[seconds(codec, 1)..seconds(codec, 9)];
            let (level, above) = tone_in(heard, rate, hz);
            println!(
                "{codec:?} {hz} Hz: {:.2} dB, {above:.1} dB above the rest",
                db(level / 0.25)
            );
            assert!(db(level / 0.25).abs() < 1.0, "{codec:?} {hz}: {level}");
            assert!(above > least, "{codec:?} {hz}: {above} dB");
        }
    }
}

#[test]
fn speech_comes_through() {
    for (codec, least) in [
        (Codec::Cvsd, 60.0),
        (Codec::Msbc, 17.0),
        (Codec::Lc3Swb, 12.0),
    ] {
        let said = speech(codec.rate(), seconds(codec, 15));
        let heard = round_trip(codec, codec.usual_packet(), &said);
        let (start, end) = (seconds(codec, 3), seconds(codec, 13));
        let (shift, snr) = compare(&said[start..end], &heard[start..], 200);
        let level = db(rms(&heard[start + shift..end + shift]) / rms(&said[start..end]));
        println!("{codec:?} speech: SNR {snr:.1} dB, level {level:.2} dB, delay {shift} samples");
        assert!(snr > least, "{codec:?}: {snr} dB");
        assert!(level.abs() < 1.0, "{codec:?}: {level} dB");
    }
}

#[test]
fn the_size_of_packets_does_not_change_the_sound() {
    for codec in codecs() {
        let said = speech(codec.rate(), seconds(codec, 5));
        let whole = round_trip(codec, 60, &said);
        for size in [1, 24, 27, 48, 60, 64, 72, 120, MAX_PACKET] {
            let heard = round_trip(codec, size, &said);
            // The last frame may wait for the header of the next, and a packet to be full.
            let missing = said.len() - heard.len();
            assert!(
                missing <= 5 * codec.frame_samples(),
                "{codec:?} {size}: {missing}"
            );
            let both = heard.len().min(whole.len());
            assert_eq!(heard[..both], whole[..both], "{codec:?} {size}");
        }
    }
}

#[test]
fn silence_stays_silence() {
    for codec in codecs() {
        let heard = round_trip(codec, 60, &vec![0.0; seconds(codec, 5)]);
        let loudest = heard.iter().fold(0.0_f32, |most, s| most.max(s.abs()));
        assert!(loudest < 2.0 / 32_768.0, "{codec:?}: {loudest}");
    }
}

#[test]
fn what_is_no_sound_harms_nothing() {
    for codec in codecs() {
        let mut said = tone(codec.rate(), 440.0, 0.25, seconds(codec, 6));
        let broken = [f32::NAN, f32::INFINITY, -9.0, f32::MIN_POSITIVE / 2.0];
        for (sample, broken) in said[seconds(codec, 1)..].iter_mut().zip(broken) {
            *sample = broken;
        }
        let heard = round_trip(codec, codec.usual_packet(), &said);
        assert!(heard.iter().all(|s| s.abs() <= 1.0));
        let (level, _) = tone_in(
            &heard[seconds(codec, 3)..seconds(codec, 5)],
            codec.rate(),
            440.0,
        );
        assert!(db(level / 0.25).abs() < 1.0, "{codec:?}: {level}");
    }
}

#[test]
fn samples_may_be_sent_in_any_number() {
    for codec in codecs() {
        let said = speech(codec.rate(), seconds(codec, 2));
        let whole = packets(codec, 60, &said);
        let mut uplink = Uplink::new(codec).unwrap();
        uplink.set_packet_size(60);
        let mut pieces = Vec::new();
        for part in said.chunks(77) {
            uplink.send(part, |packet| pieces.push(packet.to_vec()));
        }
        assert_eq!(pieces, whole);
    }
}
