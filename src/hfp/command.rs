//! What a user of the machine can ask for, and what it may get for an answer.
//!
//! Invariant: a value that exists is valid: a [`PhoneNumber`] or [`Tones`] can be put into an AT
//! command as it is, without ending it or smuggling in another.

use std::fmt;

use thiserror::Error;

use super::call::CallId;
use super::codec::Codec;

/// Something to do, in the words of HFP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Answers the incoming call (`ATA`); a waiting one is answered by [`Swap`](Self::Swap) or
    /// [`ReleaseActive`](Self::ReleaseActive).
    Answer,
    /// Turns down the incoming call (`AT+CHUP`) or the waiting one (`AT+CHLD=0`).
    Reject,
    /// Ends the active call, or stops the one that is being made (`AT+CHUP`).
    HangUp,
    /// Ends this call and no other.
    HangUpOne(CallId),
    /// Calls a number (`ATD`).
    Dial(PhoneNumber),
    /// Calls a number from the phone's memory (`ATD>n;`).
    DialMemory(u32),
    /// Calls the last number again (`AT+BLDN`).
    Redial,
    /// Sends keys, one after the other (`AT+VTS`).
    SendTones(Tones),
    /// Puts the active call on hold and takes the held or waiting one, if any (`AT+CHLD=2`).
    Swap,
    /// Ends all held calls, or turns down the waiting one (`AT+CHLD=0`).
    ReleaseHeld,
    /// Ends the active call and takes the held or waiting one (`AT+CHLD=1`).
    ReleaseActive,
    /// Puts the held and the active call together (`AT+CHLD=3`).
    Merge,
    /// Wants the sound of the call, or of whatever the phone has to say, here (`AT+BCC`).
    OpenAudio,
    /// The audio link with this codec did not come up: offers it no more (`AT+BAC`). What follows is
    /// [`OpenAudio`](Self::OpenAudio).
    AudioFailed(Codec),
    /// Starts or stops the phone's assistant (`AT+BVRA`).
    RecognizeVoice(bool),
    /// Tells how loud we play (`AT+VGS`).
    SetSpeaker(Gain),
    /// Tells how loud we record (`AT+VGM`).
    SetMicrophone(Gain),
    /// Tells how full our battery is (`AT+BIEV=2`).
    SetBattery(BatteryLevel),
}

/// Names a command of the caller's until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// Why a command was not even sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The service level connection is not up.
    #[error("the phone's hands-free connection is not up")]
    NotReady,
    /// There is no call that this could be done to.
    #[error("there is no such call")]
    NoCall,
    /// The phone said that it cannot do this.
    #[error("the phone cannot do this")]
    Unsupported,
    /// Too many commands wait for the phone's answer.
    #[error("the phone is slow to answer; try again in a moment")]
    Busy,
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The phone said no; with its reason if it gave one.
    #[error("the phone refused{}", Reason(*.0))]
    Refused(Option<u16>),
    /// The phone said nothing.
    #[error("the phone did not answer")]
    NoAnswer,
    /// The connection ended first.
    #[error("the hands-free connection was lost")]
    LinkLost,
}

/// The reasons of `+CME ERROR` that people can do something about (HFP 1.9, 4.34.2).
struct Reason(Option<u16>);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.0 else {
            return Ok(());
        };
        let known = match code {
            1 => "it has no network to call through",
            3 => "not allowed now",
            4 => "it cannot do this",
            5 | 11 => "its SIM card is locked",
            10 => "it has no SIM card",
            17 => "its SIM card wants PIN2",
            30 => "it has no network",
            31 => "the network does not answer",
            32 => "emergency calls only",
            _ => return write!(f, " (reason {code})"),
        };
        write!(f, ": {known}")
    }
}

/// A number that can be dialed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Why a text is no number to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadNumber {
    /// Nothing to dial in it.
    #[error("a number needs digits")]
    Empty,
    /// Something that has no key.
    #[error(
        "{0:?} cannot be dialed; a number has digits, * # A to D, a comma for a pause, and + first"
    )]
    Character(char),
    /// Longer than any network takes.
    #[error("a number has at most {} digits", PhoneNumber::MAX)]
    TooLong,
}

impl PhoneNumber {
    /// The most characters.
    pub const MAX: usize = 128;

    /// Checks a number as people write it: what only makes it easier to read (spaces, "-", ".",
    /// "/", parentheses; RFC 3966, 5.1.1) is left out.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, BadNumber> {
        let mut number = String::new();
        for c in text.trim().chars() {
            match c {
                ' ' | '-' | '.' | '/' | '(' | ')' => {}
                '+' if number.is_empty() => number.push(c),
                ',' if !number.is_empty() => number.push(c),
                c if is_key(c) => number.push(c.to_ascii_uppercase()),
                c => return Err(BadNumber::Character(c)),
            }
        }
        if number.is_empty() || number == "+" {
            Err(BadNumber::Empty)
        } else if number.len() > Self::MAX {
            Err(BadNumber::TooLong)
        } else {
            Ok(Self(number))
        }
    }

    /// Returns the number as it is dialed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Says whether a telephone has such a key.
fn is_key(c: char) -> bool {
    matches!(c, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d')
}

/// Keys to press during a call (DTMF).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tones(String);

impl Tones {
    /// The most keys at once.
    pub const MAX: usize = 64;

    /// Checks keys: 1 to 64 of the digits, `*`, `#` and A to D.
    pub fn new(keys: &str) -> Option<Self> {
        let sound = (1..=Self::MAX).contains(&keys.len()) && keys.chars().all(is_key);
        sound.then(|| Self(keys.to_ascii_uppercase()))
    }

    /// Returns the keys.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How loud the speaker or the microphone is: 0 to 15 (HFP 1.9, `AT+VGS`, `AT+VGM`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gain(u8);

impl Gain {
    /// As loud as can be.
    pub const MAX: Self = Self(15);

    /// Makes a gain, or nothing when `steps` is above 15.
    pub const fn new(steps: u8) -> Option<Self> {
        if steps <= 15 { Some(Self(steps)) } else { None }
    }

    /// Returns the gain as 0 to 15.
    pub const fn steps(self) -> u8 {
        self.0
    }
}

/// How full our battery is: 0 to 100 per cent (HF indicator 2). A speaker on mains power is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatteryLevel(u8);

impl BatteryLevel {
    /// On mains power.
    pub const FULL: Self = Self(100);

    /// Makes a level, or nothing when `percent` is above 100.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// Returns the level as 0 to 100.
    pub const fn percent(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, number) in [
            ("030 1234-56", Ok("030123456")),
            ("+49 (30) 12.34/56", Ok("+4930123456")),
            ("*100#", Ok("*100#")),
            ("112,,7b", Ok("112,,7B")),
            ("", Err(BadNumber::Empty)),
            (" - ", Err(BadNumber::Empty)),
            ("+", Err(BadNumber::Empty)),
            ("12+3", Err(BadNumber::Character('+'))),
            ("1;AT+CHUP", Err(BadNumber::Character(';'))),
            ("1\r", Ok("1")),
            ("1\rAT+CHUP", Err(BadNumber::Character('\r'))),
            ("Anna", Err(BadNumber::Character('n'))),
            ("٣", Err(BadNumber::Character('٣'))),
        ] {
            let number = number.map(str::to_owned);
            let read = PhoneNumber::new(text).map(|read| read.as_str().to_owned());
            assert_eq!(read, number, "{text:?}");
        }
        assert_eq!(PhoneNumber::new(&"1".repeat(129)), Err(BadNumber::TooLong));
    }

    #[test]
    fn keys_are_those_of_a_telephone() {
        for (keys, sound) in [
            ("1", true),
            ("*#09ABCDabcd", true),
            ("", false),
            ("1,", false),
        ] {
            assert_eq!(Tones::new(keys).is_some(), sound, "{keys}");
        }
        assert!(Tones::new(&"1".repeat(65)).is_none());
    }

    #[test]
    fn levels_have_ends() {
        assert_eq!(Gain::new(15), Some(Gain::MAX));
        assert_eq!(Gain::new(16), None);
        assert_eq!(BatteryLevel::new(100), Some(BatteryLevel::FULL));
        assert_eq!(BatteryLevel::new(101), None);
    }

    #[test]
    fn failures_read_as_sentences() {
        for (failure, text) in [
            (Failure::Refused(None), "the phone refused"),
            (
                Failure::Refused(Some(30)),
                "the phone refused: it has no network",
            ),
            (Failure::Refused(Some(99)), "the phone refused (reason 99)"),
        ] {
            assert_eq!(failure.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn nothing_dialed_ends_a_command(text in any::<String>()) {
            if let Ok(number) = PhoneNumber::new(&text) {
                prop_assert!(number.as_str().chars().all(|c| is_key(c) || c == '+' || c == ','));
            }
        }
    }
}
