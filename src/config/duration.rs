//! Lengths of time as people write them: `90`, `90s`, `3m`, `1h`.
//!
//! Invariant: what [`text`] writes, [`parse`] reads as the same length.

use std::fmt;
use std::time::Duration;

/// The text is not a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADuration;

impl fmt::Display for NotADuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a length of time; write it like 90s, 3m or 1h")
    }
}

impl std::error::Error for NotADuration {}

/// Reads a whole number of seconds, minutes or hours; without a unit it means seconds.
///
/// # Errors
/// Says how to write it.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(NotADuration),
    };
    // `u64::from_str` would take a plus sign.
    let digits = digits.trim_end();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotADuration);
    }
    let count: u64 = digits.parse().map_err(|_| NotADuration)?;
    let seconds = count.checked_mul(factor).ok_or(NotADuration)?;
    Ok(Duration::from_secs(seconds))
}

/// Writes `length` in the largest unit that fits it exactly; fractions of seconds are dropped.
pub fn text(length: Duration) -> String {
    match length.as_secs() {
        0 => "0s".to_owned(),
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (written, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("3m", 180),
            (" 1 h ", 3600),
            ("0", 0),
        ] {
            assert_eq!(
                parse(written),
                Ok(Duration::from_secs(seconds)),
                "{written}"
            );
        }
        for wrong in [
            "",
            "m",
            "-3m",
            "+3m",
            "3 min",
            "1.5h",
            "3d",
            "1h30m",
            "99999999999999999999",
            "9999999999999999999h",
            "３m",
        ] {
            assert_eq!(parse(wrong), Err(NotADuration), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for seconds in (0..10_000).chain([86_400]) {
            let length = Duration::from_secs(seconds);
            assert_eq!(parse(&text(length)), Ok(length));
        }
        assert_eq!(text(Duration::from_secs(180)), "3m");
    }
}
