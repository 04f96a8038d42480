use super::*;
use proptest::prelude::*;
use std::f32::consts::TAU;

const RATES: [u32; 4] = [16_000, 32_000, 44_100, 48_000];

/// Two tones, the second one only on the left where there are two channels.
fn tones(rate: u32, channels: usize, frames: usize, pitches: (f32, f32)) -> Vec<f32> {
    (0..frames)
        .flat_map(|n| {
            let t = n as f32 / rate as f32;
            let low = 0.3 * (TAU * pitches.0 * t).sin();
            let high = 0.3 * (TAU * pitches.1 * t).sin();
            [low + high, low].into_iter().take(channels)
        })
        .collect()
}

/// The largest step between neighbours of one channel.
fn largest_step(sound: &[f32], channels: usize) -> f32 {
    sound
        .windows(channels + 1)
        .map(|w| (w[channels] - w[0]).abs())
        .fold(0.0, f32::max)
}

/// Plays `sound` in pieces of `chunk` frames, with the frames of `gap` missing from it.
fn with_gap(sound: &[f32], rate: u32, channels: usize, gap: std::ops::Range<usize>) -> Vec<f32> {
    let mut concealer = Concealer::new(rate, channels);
    let mut out = sound.to_vec();
    let (before, rest) = out.split_at_mut(gap.start * channels);
    let (missing, after) = rest.split_at_mut(gap.len() * channels);
    for part in before.chunks_mut(100 * channels) {
        concealer.play(part);
    }
    for part in missing.chunks_mut(77 * channels) {
        part.fill(f32::NAN);
        concealer.conceal(part);
    }
    for part in after.chunks_mut(100 * channels) {
        concealer.play(part);
    }
    out
}

fn ms(rate: u32, ms: usize) -> usize {
    rate as usize * ms / 1000
}

fn rms(sound: &[f32]) -> f32 {
    (sound.iter().map(|s| s * s).sum::<f32>() / sound.len() as f32).sqrt()
}

#[test]
fn a_short_gap_in_tones_is_neither_a_step_nor_a_change_of_level() {
    for rate in RATES {
        for channels in [1, 2] {
            let sound = tones(rate, channels, ms(rate, 300), (441.0, 1234.0));
            let gap = ms(rate, 100)..ms(rate, 108);
            let out = with_gap(&sound, rate, channels, gap.clone());
            let step = largest_step(&out[ms(rate, 20) * channels..], channels);
            let natural = largest_step(&sound, channels);
            assert!(step < natural * 1.15, "{rate} {channels}: {step} {natural}");
            let around = gap.start * channels..(gap.end + ms(rate, 5)) * channels;
            let level = 20.0 * (rms(&out[around.clone()]) / rms(&sound[around])).log10();
            assert!(level.abs() < 1.0, "{rate} {channels}: {level} dB");
        }
    }
}

#[test]
fn a_long_gap_fades_to_silence_and_back() {
    for rate in RATES {
        let sound = tones(rate, 2, ms(rate, 400), (300.0, 900.0));
        let out = with_gap(&sound, rate, 2, ms(rate, 100)..ms(rate, 200));
        let silent = &out[ms(rate, 161) * 2..ms(rate, 200) * 2];
        assert!(silent.iter().all(|s| *s == 0.0));
        assert!(rms(&out[ms(rate, 100) * 2..ms(rate, 110) * 2]) > 0.2);
        let natural = largest_step(&sound, 2);
        assert!(largest_step(&out[ms(rate, 20) * 2..], 2) < natural * 1.15);
        let back = ms(rate, 211) * 2;
        assert_eq!(out[back..], sound[back..]);
    }
}

#[test]
fn a_gap_soon_after_another_is_neither_a_step_nor_a_change_of_level() {
    for rate in RATES {
        // From the first one on while sound fades in over the second gap, and after that.
        for apart in 1..20 {
            let sound = tones(rate, 1, ms(rate, 300), (220.0, 1234.0));
            let mut concealer = Concealer::new(rate, 1);
            let mut out = sound.clone();
            for (index, part) in out.chunks_mut(ms(rate, 3)).enumerate() {
                // Three gaps of 3 ms.
                if index >= 30 && (index - 30) % apart == 0 && index < 30 + 3 * apart {
                    part.fill(f32::NAN);
                    concealer.conceal(part);
                } else {
                    concealer.play(part);
                }
            }
            let step = largest_step(&out[ms(rate, 20)..], 1) / largest_step(&sound, 1);
            assert!(step < 1.15, "{rate} {apart}: {step}");
            let level = 20.0 * (rms(&out[ms(rate, 80)..]) / rms(&sound[ms(rate, 80)..])).log10();
            assert!(level.abs() < 0.5, "{rate} {apart}: {level} dB");
        }
    }
}

#[test]
fn a_stream_begins_in_silence_and_fades_in() {
    let mut concealer = Concealer::new(48_000, 1);
    assert!(concealer.is_silent());
    let mut nothing = [f32::NAN; 100];
    concealer.conceal(&mut nothing);
    assert_eq!(nothing, [0.0; 100]);
    let mut loud = [1.0; 600];
    concealer.play(&mut loud);
    assert!(!concealer.is_silent());
    assert_eq!(loud[0], 0.0);
    assert!(loud.windows(2).all(|w| w[1] - w[0] < 0.004));
    assert_eq!(loud[480..], [1.0; 120]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_played_and_lost_stays_within_bounds(
        noise in prop::collection::vec(-1.0_f32..1.0, 1000),
        turns in prop::collection::vec((any::<bool>(), 1_usize..300), 1..20),
    ) {
        let mut concealer = Concealer::new(16_000, 2);
        let mut samples = noise.iter().copied().cycle();
        let mut heard = Vec::new();
        for (lost, frames) in turns {
            let mut part: Vec<f32> = samples.by_ref().take(frames * 2).collect();
            if lost { concealer.conceal(&mut part) } else { concealer.play(&mut part) }
            heard.extend(part);
        }
        prop_assert!(heard.iter().all(|s| s.abs() <= 1.0));
    }

    #[test]
    fn steady_sound_passes_untouched(frames in prop::collection::vec(-1.0_f32..1.0, 500)) {
        let mut concealer = Concealer::new(16_000, 1);
        concealer.play(&mut [0.0; 200]);
        let mut out = frames.clone();
        concealer.play(&mut out);
        prop_assert_eq!(out, frames);
    }
}
