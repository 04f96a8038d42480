//! Sounds to test with, and what can be measured of them.

use std::f32::consts::TAU;

use super::{Codec, Downlink, PacketStatus, Uplink};

/// Numbers that look random and are the same each time.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to 1.
    pub(super) fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }
}

pub(super) fn tone(rate: u32, hz: f32, level: f32, samples: usize) -> Vec<f32> {
    (0..samples)
        .map(|n| level * (TAU * hz * n as f32 / rate as f32).sin())
        .collect()
}

/// Vowels at a pitch that wanders between 100 and 180 Hz, in syllables with pauses between them.
pub(super) fn speech(rate: u32, samples: usize) -> Vec<f32> {
    const FORMANTS: [[(f32, f32); 3]; 3] = [
        [(700.0, 1.0), (1_220.0, 0.5), (2_600.0, 0.2)],
        [(300.0, 1.0), (2_200.0, 0.3), (3_000.0, 0.2)],
        [(450.0, 1.0), (800.0, 0.6), (2_500.0, 0.1)],
    ];
    let mut phase = 0.0_f32;
    let sound = (0..samples).map(|n| {
        let t = n as f32 / rate as f32;
        let pitch = 140.0 + 40.0 * (TAU * 0.7 * t).sin();
        phase = (phase + pitch / rate as f32).fract();
        let vowel = FORMANTS[(t * 4.0) as usize % FORMANTS.len()];
        let loudness = (TAU * 4.0 * t - 1.0).sin().max(0.0);
        let harmonics = (1..).take_while(|k| *k as f32 * pitch < 3_600.0);
        let voice: f32 = harmonics
            .map(|k| {
                let hz = k as f32 * pitch;
                let formant = |(at, gain): (f32, f32)| gain / (1.0 + ((hz - at) / 120.0).powi(2));
                let gain: f32 = vowel.into_iter().map(formant).sum();
                gain * (TAU * k as f32 * phase).sin()
            })
            .sum();
        0.15 * loudness * voice
    });
    sound.collect()
}

pub(super) fn rms(sound: &[f32]) -> f32 {
    (sound.iter().map(|s| s * s).sum::<f32>() / sound.len() as f32).sqrt()
}

pub(super) fn db(ratio: f32) -> f32 {
    20.0 * ratio.max(1e-9).log10()
}

/// The largest step between neighbours.
pub(super) fn largest_step(sound: &[f32]) -> f32 {
    sound
        .windows(2)
        .map(|w| (w[1] - w[0]).abs())
        .fold(0.0, f32::max)
}

/// The level of the tone of `hz` in `sound`, and how far above all else it lies, in dB.
pub(super) fn tone_in(sound: &[f32], rate: u32, hz: f32) -> (f32, f32) {
    let (mut sine, mut cosine) = (0.0_f64, 0.0_f64);
    let angle = |n: usize| f64::from(TAU) * f64::from(hz) * n as f64 / f64::from(rate);
    for (n, sample) in sound.iter().enumerate() {
        sine += f64::from(*sample) * angle(n).sin();
        cosine += f64::from(*sample) * angle(n).cos();
    }
    let half = sound.len() as f64 / 2.0;
    let (sine, cosine) = (sine / half, cosine / half);
    let rest: Vec<f32> = sound
        .iter()
        .enumerate()
        .map(|(n, s)| s - (sine * angle(n).sin() + cosine * angle(n).cos()) as f32)
        .collect();
    let level = sine.hypot(cosine) as f32;
    (level, db(level / 2.0_f32.sqrt() / rms(&rest)))
}

/// The shift at which `heard` resembles `said` most, and the signal-to-noise ratio there in dB.
pub(super) fn compare(said: &[f32], heard: &[f32], longest: usize) -> (usize, f32) {
    (0..longest)
        .map(|shift| {
            let length = said.len().min(heard.len() - shift);
            (shift, snr(&said[..length], &heard[shift..shift + length]))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap()
}

pub(super) fn snr(said: &[f32], heard: &[f32]) -> f32 {
    let noise: Vec<f32> = said.iter().zip(heard).map(|(a, b)| a - b).collect();
    db(rms(said) / rms(&noise).max(1e-9))
}

/// Codes `sound` into packets of `size` bytes.
pub(super) fn packets(codec: Codec, size: usize, sound: &[f32]) -> Vec<Vec<u8>> {
    let mut uplink = Uplink::new(codec).unwrap();
    uplink.set_packet_size(size);
    let mut packets = Vec::new();
    uplink.send(sound, |packet| packets.push(packet.to_vec()));
    packets
}

/// Decodes packets.
pub(super) fn sound_of<'a>(
    codec: Codec,
    packets: impl IntoIterator<Item = (&'a [u8], PacketStatus)>,
) -> Vec<f32> {
    let mut downlink = Downlink::new(codec).unwrap();
    let mut heard = Vec::new();
    for (packet, status) in packets {
        downlink.receive(packet, status, |sound| heard.extend_from_slice(sound));
    }
    heard
}

/// Every codec.
pub(super) fn codecs() -> [Codec; 3] {
    [Codec::Cvsd, Codec::Msbc, Codec::Lc3Swb]
}
