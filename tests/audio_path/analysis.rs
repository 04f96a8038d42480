//! What can be said of a recording, by numbers.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by unit tests, integration tests and an example, which use parts of it"
)]

/// The level of a tone, in dB of full scale: its Fourier coefficient under a Hann window.
pub fn level(samples: &[f32], rate: u32, pitch: f32) -> f64 {
    let count = samples.len() as f64;
    let (mut re, mut im) = (0.0_f64, 0.0_f64);
    for (n, sample) in samples.iter().enumerate() {
        let turns = f64::from(pitch) * n as f64 / f64::from(rate);
        let phase = std::f64::consts::TAU * turns;
        let window = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / count).cos();
        re += f64::from(*sample) * window * phase.cos();
        im += f64::from(*sample) * window * phase.sin();
    }
    20.0 * ((re * re + im * im).sqrt() * 4.0 / count).log10()
}

/// The largest step from one sample to the next.
pub fn largest_step(samples: &[f32]) -> f32 {
    samples
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

/// The largest step that a sum of tones of this amplitude makes by itself.
pub fn natural_step(rate: u32, amplitude: f32, pitches: &[f32]) -> f32 {
    let step = |pitch: &f32| 2.0 * (std::f32::consts::PI * pitch / rate as f32).sin();
    amplitude * pitches.iter().map(step).sum::<f32>()
}
