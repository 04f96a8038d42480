//! Sound from a file.
//!
//! Invariant: bounded: nothing is read of a file that is too large, and no more is kept than
//! [`MAX_SECONDS`] of one channel; what is kept is between -1 and 1.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hound::{SampleFormat, WavReader};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 10_000_000;

/// The longest sound that is taken, in seconds.
pub const MAX_SECONDS: u32 = 30;

/// The sampling rates that are taken, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=96_000;

/// The most channels that are mixed into one.
const MAX_CHANNELS: u16 = 8;

/// Sound that was recorded, in one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The sampling rate in Hz.
    pub rate: u32,
    /// The samples; at least one.
    pub samples: Vec<f32>,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The system says no.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A folder, a pipe, a device.
    #[error("it is not a file")]
    NotAFile,
    /// More than [`MAX_BYTES`].
    #[error("it is too large, {0} bytes")]
    TooLarge(u64),
    /// More than [`MAX_SECONDS`].
    #[error("it is too long, {0} s")]
    TooLong(u32),
    /// Nothing to play.
    #[error("there is no sound in it")]
    Empty,
    /// Nothing that a sound card would play.
    #[error("it has {0} Hz")]
    Rate(u32),
    /// More than people have speakers.
    #[error("it has {0} channels")]
    Channels(u16),
    /// Another format, or broken off.
    #[error("it is no WAV file that can be played: {0}")]
    Format(#[from] hound::Error),
}

impl Recording {
    /// Reads a WAV file: whole numbers of 8 to 32 bits, or 32-bit floating point. Several channels
    /// are mixed into one.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn read(path: &Path) -> Result<Self, WavError> {
        // A pipe would otherwise wait here for somebody at its other end.
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(WavError::NotAFile);
        }
        if about.len() > MAX_BYTES {
            return Err(WavError::TooLarge(about.len()));
        }
        // It may grow meanwhile.
        decoded(BufReader::new(file.take(MAX_BYTES)))
    }
}

fn decoded(file: impl Read) -> Result<Recording, WavError> {
    let reader = WavReader::new(file)?;
    let (spec, frames) = (reader.spec(), reader.duration());
    let rate = spec.sample_rate;
    if !RATES.contains(&rate) {
        return Err(WavError::Rate(rate));
    }
    if spec.channels > MAX_CHANNELS {
        return Err(WavError::Channels(spec.channels));
    }
    if frames > rate * MAX_SECONDS {
        return Err(WavError::TooLong(frames.div_ceil(rate)));
    }
    let samples = match spec.sample_format {
        SampleFormat::Float => mixed(reader.into_samples::<f32>(), spec.channels),
        SampleFormat::Int => {
            let full_scale = 2.0_f32.powi(i32::from(spec.bits_per_sample) - 1);
            let samples = reader.into_samples::<i32>();
            let samples = samples.map(|it| it.map(|sample| sample as f32 / full_scale));
            mixed(samples, spec.channels)
        }
    }?;
    if samples.is_empty() {
        return Err(WavError::Empty);
    }
    Ok(Recording { rate, samples })
}

fn mixed(
    samples: impl Iterator<Item = hound::Result<f32>>,
    channels: u16,
) -> Result<Vec<f32>, WavError> {
    let channels = usize::from(channels);
    let mut frames = Vec::new();
    let (mut sum, mut heard) = (0.0, 0);
    for sample in samples {
        let sample = sample?;
        sum += if sample.is_finite() { sample } else { 0.0 };
        heard += 1;
        if heard == channels {
            frames.push((sum / channels as f32).clamp(-1.0, 1.0));
            (sum, heard) = (0.0, 0);
        }
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;

    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;

    use super::*;

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16) -> WavSpec {
        WavSpec {
            channels,
            sample_rate,
            bits_per_sample,
            sample_format: SampleFormat::Int,
        }
    }

    /// A file with these samples, channel by channel.
    fn file(spec: WavSpec, samples: impl IntoIterator<Item = i32>) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).unwrap();
        for sample in samples {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        file.into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Recording, WavError> {
        decoded(bytes)
    }

    fn refusal(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn every_usual_width_is_read() {
        for bits in [8, 16, 24, 32] {
            let half = 1_i32 << (bits - 2);
            let bytes = file(spec(1, 44_100, bits), [half, -half, 0]);
            let recording = read(&bytes).unwrap();
            assert_eq!(recording.rate, 44_100);
            assert_eq!(recording.samples, [0.5, -0.5, 0.0], "{bits}");
        }
    }

    #[test]
    fn channels_are_mixed() {
        let bytes = file(spec(2, 48_000, 16), [16_384, 0, 16_384, -16_384]);
        assert_eq!(read(&bytes).unwrap().samples, [0.25, 0.0]);
    }

    #[test]
    fn floating_point_is_read_and_held_in_bounds() {
        let mut bytes = Cursor::new(Vec::new());
        let spec = WavSpec {
            sample_format: SampleFormat::Float,
            ..spec(1, 8_000, 32)
        };
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for sample in [0.25, 7.0, f32::NAN, f32::NEG_INFINITY] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        let samples = read(&bytes.into_inner()).unwrap().samples;
        assert_eq!(samples, [0.25, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn what_is_not_taken_says_why() {
        let mut cut_off = file(spec(1, 8_000, 16), [1, 2, 3, 4]);
        cut_off.truncate(cut_off.len() - 3);
        for (bytes, expected) in [
            (file(spec(1, 8_000, 16), []), "there is no sound in it"),
            (file(spec(1, 4_000, 16), [1]), "it has 4000 Hz"),
            (file(spec(9, 8_000, 16), [1; 9]), "it has 9 channels"),
            (
                file(spec(1, 8_000, 8), std::iter::repeat_n(0, 240_001)),
                "it is too long, 31 s",
            ),
            (
                b"ID3\x04 an mp3, really".to_vec(),
                "it is no WAV file that can be played: ",
            ),
            (cut_off, "it is no WAV file that can be played: "),
            (Vec::new(), "it is no WAV file that can be played: "),
        ] {
            let told = refusal(&bytes);
            assert!(told.starts_with(expected), "{told}");
        }
        assert!(read(&file(spec(1, 8_000, 8), std::iter::repeat_n(0, 240_000))).is_ok());
    }

    #[test]
    fn only_files_of_a_sound_size_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("ring.wav");
        let refused = |path: &Path| Recording::read(path).unwrap_err();
        assert!(matches!(refused(&missing), WavError::Unreadable(_)));
        assert!(matches!(refused(folder.path()), WavError::NotAFile));
        assert!(matches!(
            refused(Path::new("/dev/zero")),
            WavError::NotAFile
        ));
        File::create(&missing)
            .unwrap()
            .set_len(MAX_BYTES + 1)
            .unwrap();
        assert!(matches!(refused(&missing), WavError::TooLarge(10_000_001)));
        fs::write(&missing, file(spec(1, 8_000, 16), [16_384])).unwrap();
        assert_eq!(Recording::read(&missing).unwrap().samples, [0.5]);
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(
            at in 0_usize..60,
            bytes in proptest::collection::vec(any::<u8>(), 0..24)
        ) {
            let mut file = file(spec(2, 16_000, 16), [1, 2, 3, 4]);
            for (place, byte) in file.iter_mut().skip(at).zip(bytes) {
                *place = byte;
            }
            if let Ok(recording) = read(&file) {
                prop_assert!(recording.samples.iter().all(|sample| sample.abs() <= 1.0));
                prop_assert!(!recording.samples.is_empty());
            }
        }
    }
}
