//! Samples of 16 bits and of floating point.
//!
//! Invariant: any number becomes a sample; one that is none becomes silence.

/// Converts a sample of 16 bits.
pub(super) fn to_float(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

/// Converts to a sample of 16 bits. What is too loud is cut off.
pub(super) fn to_integer(sample: f32) -> i16 {
    // The conversion saturates, and makes nothing of what is not a number.
    (sample * 32_768.0).round() as i16
}

/// Brings a sample into range.
pub(super) fn limit(sample: f32) -> f32 {
    if sample.is_nan() {
        0.0
    } else {
        sample.clamp(-1.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_back_as_they_were() {
        for sample in [i16::MIN, -1, 0, 1, 12_345, i16::MAX] {
            assert_eq!(to_integer(to_float(sample)), sample);
        }
    }

    #[test]
    fn what_is_no_sample_becomes_one() {
        for (sample, integer, limited) in [
            (f32::NAN, 0, 0.0),
            (f32::INFINITY, i16::MAX, 1.0),
            (-2.0, i16::MIN, -1.0),
        ] {
            assert_eq!((to_integer(sample), limit(sample)), (integer, limited));
        }
    }
}
