//! The command line of `dotctl`.
//!
//! Invariant: help, completions and the manual page dotctl(1) are made of this definition.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::duration;

/// Look at the Bluetooth speaker and tell it what to do
///
/// PHONE is any part of a phone's name, or of its address, that fits only one phone; a full name
/// wins over a part of another, and upper and lower case are the same.
#[derive(Debug, Parser)]
#[command(name = "dotctl", version, arg_required_else_help = true)]
pub struct Args {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `dotctl` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the speaker: is it ready, is pairing open, who plays, who calls
    Status,

    /// Open the pairing window: new phones can find the speaker and pair
    Pair(PairArgs),

    /// List the phones that are trusted or connected
    Phones,

    /// Connect a trusted phone
    Connect {
        /// Part of its name or address
        phone: String,
    },

    /// Disconnect a phone
    Disconnect {
        /// Part of its name or address
        phone: String,
    },

    /// Say which phone is called first when several are missing, and which never
    Prefer {
        /// Part of its name or address
        phone: String,

        /// When.
        #[command(flatten)]
        when: When,
    },

    /// Trust a phone no longer; it has to pair to come back
    Forget {
        /// Part of its name or address
        #[arg(required_unless_present = "all")]
        phone: Option<String>,

        /// All phones
        #[arg(long, conflicts_with = "phone")]
        all: bool,
    },

    /// Lock a phone out without forgetting it
    Block {
        /// Part of its name or address
        phone: String,
    },

    /// Let a phone in again that was locked out
    Unblock {
        /// Part of its name or address
        phone: String,
    },

    /// Change what is known of a phone
    Phone {
        /// What to change.
        #[command(subcommand)]
        command: PhoneCommand,
    },

    /// Show the speaker's name, or give it another one
    Name {
        /// The new name; "" brings back the one from dotd.toml
        name: Option<String>,
    },

    /// Show the volume, or set it
    ///
    /// In a call it is that of the call. Else, without --phone, it is that of the phones that play,
    /// else of those that are connected, else the one that phones start with.
    Volume {
        /// 0 to 100, a step like +5 or -5, or tenths like 7/10
        #[arg(value_name = "N|+N|-N|N/10", allow_hyphen_values = true)]
        volume: Option<VolumeChange>,

        /// Only this phone: part of its name or address
        #[arg(long)]
        phone: Option<String>,
    },

    /// Have nothing heard, whatever plays; `unmute`, a volume that is turned or a call answered ends it
    Mute,

    /// Have all heard again
    Unmute,

    /// Have a phone's player go on
    ///
    /// Without PHONE this and the other buttons are about the phone that plays, else the one that did
    /// last, else the only one that is connected. Whether a player heeds a button is its own affair.
    Play(PlayerArgs),

    /// Have a phone's player stop for a while
    Pause(PlayerArgs),

    /// Have a phone's player stop
    Stop(PlayerArgs),

    /// Go on with the next track
    Next(PlayerArgs),

    /// Go back to the beginning of the track, or from there to the one before
    Previous(PlayerArgs),

    /// Wind forwards until it is told to play
    Forward(PlayerArgs),

    /// Wind backwards until it is told to play
    Rewind(PlayerArgs),

    /// Play tracks in no order, or in theirs
    Shuffle {
        /// In none
        #[arg(value_name = "on|off")]
        switch: Switch,

        /// Whose.
        #[command(flatten)]
        player: PlayerArgs,
    },

    /// Say what a phone's player does at the end of a track
    Repeat {
        /// Go on, play it again, or begin anew after the last
        #[arg(value_name = "off|track|all")]
        repeat: RepeatMode,

        /// Whose.
        #[command(flatten)]
        player: PlayerArgs,
    },

    /// Show what the phones' players play
    Now,

    /// List the calls of all phones
    Calls,

    /// Answer, make and end calls
    ///
    /// Without --phone it is about the only phone that fits: the one that rings, that has a call,
    /// or that is connected for calls at all.
    Call(CallArgs),

    /// Show the microphone, or switch it on or off
    ///
    /// While it is off, calls hear silence. That is remembered.
    Mic(MicArgs),

    /// Start a phone's assistant, or stop it
    Assistant {
        /// Which of the two [default: start]
        #[arg(value_name = "start|stop")]
        step: Option<AssistantStep>,

        /// On this phone: part of its name or address
        #[arg(long)]
        phone: Option<String>,
    },

    /// Print what happens, one line each, until interrupted
    Monitor,

    /// Look at the configuration file
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: ConfigCommand,
    },

    /// Print a script that completes commands in a shell
    #[command(hide = true)]
    Completions {
        /// Which shell
        shell: Shell,
    },

    /// Print a manual page
    #[command(hide = true)]
    Man {
        /// Which one
        page: Page,
    },
}

/// Whose player.
#[derive(Debug, ClapArgs)]
pub struct PlayerArgs {
    /// On this phone: part of its name or address
    pub phone: Option<String>,
}

/// What a player does at the end of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RepeatMode {
    /// It goes on with the next
    Off,
    /// It plays the same again
    Track,
    /// After the last it plays the first
    All,
}

impl RepeatMode {
    /// Returns the word for it on the bus.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Track => "track",
            Self::All => "all",
        }
    }
}

/// What can be changed about a phone.
#[derive(Debug, Subcommand)]
pub enum PhoneCommand {
    /// Call it something else here
    Rename {
        /// Part of its name or address
        phone: String,

        /// The new name; without one its own is back
        name: Option<String>,
    },
}

/// How to pair.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PairArgs {
    /// How long to keep the window open, like 90s, 3m or 1h [default: as in dotd.toml]
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub length: Option<Duration>,

    /// Wait until a phone has paired, and fail if none does
    #[arg(long)]
    pub wait: bool,

    /// Something else.
    #[command(subcommand)]
    pub command: Option<PairCommand>,
}

/// What else there is to do about pairing.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum PairCommand {
    /// Close the pairing window
    Stop,
}

/// What to do about calls, and on which phone.
#[derive(Debug, ClapArgs)]
pub struct CallArgs {
    /// On this phone: part of its name or address
    #[arg(long, global = true)]
    pub phone: Option<String>,

    /// What to do.
    #[command(subcommand)]
    pub command: CallCommand,
}

/// What to do about calls.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CallCommand {
    /// Answer what rings or waits; calls that are up are set aside
    ///
    /// It is answered once nobody talks on another phone any more. If a call there cannot be set
    /// aside, nothing is answered.
    Answer {
        /// End them instead
        #[arg(long)]
        end_others: bool,
    },

    /// Refuse what rings or waits
    Reject,

    /// End the call that is up or being made
    Hangup {
        /// Only this one: its number in the list of calls
        #[arg(value_name = "N")]
        call: Option<u32>,
    },

    /// Call a number
    Dial {
        /// Like +491511234567 or '*100#'
        number: String,
    },

    /// Call a number of the phone's memory
    Memory {
        /// Its place there
        #[arg(value_name = "N")]
        place: u32,
    },

    /// Call the last number again
    Redial,

    /// Send tones into the call, one after the other
    Dtmf {
        /// Any of 0 to 9, *, # and A to D
        digits: String,
    },

    /// Set the call that is up aside, or take up again the one that was
    Hold,

    /// Change between the call that is up and the one that waits or was set aside
    Swap,

    /// Join the call that is up and the one that was set aside
    Merge,

    /// Move the sound of the call to the phone, or back here
    Transfer,
}

/// What to do about the microphone.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct MicArgs {
    /// Whether calls hear the room
    #[arg(value_name = "on|off")]
    pub switch: Option<Switch>,

    /// Something else.
    #[command(subcommand)]
    pub command: Option<MicCommand>,
}

/// What else there is to do about the microphone.
#[derive(Debug, Subcommand)]
pub enum MicCommand {
    /// Show how loud callers get the room, or set it
    ///
    /// Without --phone it is about the phone that talks, else about the only one that is connected
    /// for calls. It holds until the phone leaves; the phone may move it too.
    Volume {
        /// 0 to 100; phones know 15 steps of it
        #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
        volume: Option<u8>,

        /// On this phone: part of its name or address
        #[arg(long)]
        phone: Option<String>,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// What to do with an assistant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AssistantStep {
    /// It listens
    Start,
    /// It listens no more
    Stop,
}

/// What to do with the configuration file.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Tell everything that is wrong with it
    Check {
        /// The file [default: /etc/dotd/dotd.toml]
        file: Option<PathBuf>,
    },
}

/// The manual pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// dotctl(1)
    #[value(name = "dotctl.1")]
    Dotctl,
    /// dotd.toml(5)
    #[value(name = "dotd.toml.5")]
    DotdToml,
    /// dotd(8)
    #[value(name = "dotd.8")]
    Dotd,
}

/// When a phone is called that is missing.
#[derive(ClapArgs, Clone, Copy, Debug, PartialEq, Eq)]
#[group(multiple = false)]
pub struct When {
    /// Before others (so without any of these)
    #[arg(long)]
    first: bool,

    /// The sooner the later it was connected, as at the beginning
    #[arg(long)]
    usual: bool,

    /// After others
    #[arg(long)]
    last: bool,

    /// Not at all: it comes by itself, or with `dotctl connect`
    #[arg(long)]
    never: bool,
}

impl When {
    /// Returns the word for it on the bus, and those for people.
    pub(super) fn wanted(self) -> (&'static str, &'static str) {
        if self.usual {
            ("usual", "is called when it is missing")
        } else if self.last {
            ("last", "is called after others when it is missing")
        } else if self.never {
            ("never", "is not called any more")
        } else {
            ("first", "is called before others when it is missing")
        }
    }
}

/// A volume to set, or a step to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeChange {
    /// To 0 to 100.
    To(u8),
    /// By -100 to 100.
    By(i16),
}

impl FromStr for VolumeChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(tenths) = text.strip_suffix("/10") {
            let tenths = tenths.parse::<u8>().ok().filter(|it| *it <= 10);
            let tenths = tenths.filter(|_| text.bytes().all(|b| b.is_ascii_digit() || b == b'/'));
            return match tenths {
                Some(tenths) => Ok(Self::To(tenths * 10)),
                None => Err("tenths of the volume are 0/10 to 10/10".to_owned()),
            };
        }
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number = match digits.parse::<u8>() {
            // `parse` would take a second sign.
            Ok(number @ 0..=100) if digits.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => return Err("a volume is 0 to 100, a step is like +5 or -5".to_owned()),
        };
        Ok(match text.as_bytes()[0] {
            b'+' => Self::By(number.into()),
            b'-' => Self::By(-i16::from(number)),
            _ => Self::To(number),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn numbers_get_through_as_they_are_typed() {
        for number in ["+491511234567", "*100#", "#31#030123", "030 123-45"] {
            for line in [
                &["dotctl", "call", "dial", number, "--phone", "anna"][..],
                &["dotctl", "call", "--phone", "anna", "dial", number],
            ] {
                let args = Args::try_parse_from(line).unwrap();
                let Command::Call(CallArgs { phone, command }) = args.command else {
                    panic!("{line:?}");
                };
                assert_eq!(phone.as_deref(), Some("anna"));
                let number = number.to_owned();
                assert_eq!(command, CallCommand::Dial { number });
            }
        }
        let tones = Args::try_parse_from(["dotctl", "call", "dtmf", "*1#"]).unwrap();
        let Command::Call(CallArgs { command, .. }) = tones.command else {
            panic!("these are tones");
        };
        let digits = "*1#".to_owned();
        assert_eq!(command, CallCommand::Dtmf { digits });
    }

    #[test]
    fn the_microphone_has_a_switch_and_a_volume_but_not_at_once() {
        let read = |line: &str| Args::try_parse_from(line.split(' '));
        for line in [
            "dotctl mic",
            "dotctl mic on",
            "dotctl mic volume",
            "dotctl mic volume 100 --phone anna",
        ] {
            assert!(read(line).is_ok(), "{line}");
        }
        for line in [
            "dotctl mic loud",
            "dotctl mic on volume 5",
            "dotctl mic volume on",
            "dotctl mic volume 101",
            "dotctl mic volume -- -1",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn volumes_and_steps_are_told_apart() {
        for (text, change) in [
            ("0", VolumeChange::To(0)),
            ("100", VolumeChange::To(100)),
            ("+5", VolumeChange::By(5)),
            ("-100", VolumeChange::By(-100)),
            ("7/10", VolumeChange::To(70)),
            ("10/10", VolumeChange::To(100)),
        ] {
            assert_eq!(text.parse(), Ok(change));
        }
        for wrong in [
            "", "101", "+", "-", "++5", "+-5", "5%", "-101", "loud", "11/10", "+7/10", "/10",
        ] {
            assert!(wrong.parse::<VolumeChange>().is_err(), "{wrong}");
        }
    }
}
