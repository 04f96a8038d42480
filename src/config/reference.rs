//! The one table of keys: the reader, the error texts, the shipped file's test and the manual page
//! `dotd.toml(5)` all come from it.
//!
//! Invariant: a key that is not here does not exist, and a key that is here is documented.

use toml::de::DeValue;

use super::Settings;
use super::read::Wrong;
use super::values;
use crate::policy::model::PhoneRule;

/// A table of the file, like `[speaker]`, whose keys say something about an `S`.
#[derive(Debug)]
pub struct Table<S: 'static = Settings> {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What can be set in it.
    pub keys: &'static [Key<S>],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key<S = Settings> {
    /// Its name.
    pub name: &'static str,
    /// What it decides, for the manual and the shipped file.
    pub about: &'static str,
    /// What it may be, to go behind "allowed is".
    pub allowed: &'static str,
    /// What it is when it is not set.
    pub default: Preset,
    /// Takes the value over, or says what is wrong with it.
    pub(super) set: fn(&mut S, &DeValue<'_>) -> Result<(), Wrong>,
}

/// What a key is when it is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// This value, as it would be written.
    Value(&'static str),
    /// No value can say it; the text does, and an example shows how a value is written.
    Unset {
        /// What happens instead.
        means: &'static str,
        /// A value that could be set.
        example: &'static str,
    },
}

/// All tables, in the order of the shipped file.
pub const TABLES: &[Table] = &[
    Table {
        name: "speaker",
        about: "The speaker itself.",
        keys: &[
            Key {
                name: "name",
                about: "The name that phones show. A name given with `dotctl name` outranks it until \
                        another one is written here.",
                allowed: "a text of 1 to 248 bytes without control characters",
                default: Preset::Unset {
                    means: "\"Dot-\" and the last four digits of the adapter's address",
                    example: "\"Kitchen\"",
                },
                set: values::name,
            },
            Key {
                name: "adapter",
                about: "The Bluetooth adapter to use, when there are several.",
                allowed: "a name like \"hci0\" or an address like \"00:1A:7D:DA:71:13\"",
                default: Preset::Unset {
                    means: "the first one that is there",
                    example: "\"hci0\"",
                },
                set: values::adapter,
            },
        ],
    },
    Table {
        name: "pairing",
        about: "How new phones get in.",
        keys: &[
            Key {
                name: "window",
                about: "How long `dotctl pair` lets phones find the speaker and pair with it.",
                allowed: "10s to 1h, written as seconds (180) or as text (\"90s\", \"3m\")",
                default: Preset::Value("\"3m\""),
                set: values::window,
            },
            Key {
                name: "open-on-first-start",
                about: "Whether pairing opens by itself, for as long as `window` says, at any \
                        start of dotd while no phone is trusted, not only at the first.",
                allowed: "true or false",
                default: Preset::Value("true"),
                set: values::open_on_first_start,
            },
        ],
    },
    Table {
        name: "phones",
        about: "Phones that are trusted.",
        keys: &[
            Key {
                name: "max-connected",
                about: "How many phones can be connected at once.",
                allowed: "1 to 7",
                default: Preset::Value("3"),
                set: values::max_connected,
            },
            Key {
                name: "reconnect-for",
                about: "For how long the speaker calls a phone that should be connected: one that went \
                        out of range, or was connected when the speaker was switched off. It calls \
                        one at a time, ever more seldom, and not while anybody pairs, telephones or \
                        plays. A phone that left on purpose is not called; `dotctl prefer` says which \
                        are called first, and which never.",
                allowed: "\"off\", or 10s to 24h, written as seconds (600) or as text (\"90s\", \"15m\")",
                default: Preset::Value("\"15m\""),
                set: values::reconnect_for,
            },
        ],
    },
    Table {
        name: "playback",
        about: "Who is heard when several phones play.",
        keys: &[
            Key {
                name: "takeover",
                about: "Who has the speaker. With \"last-play\" whoever presses play last: the one \
                        before is paused, and is not heard even if it plays on. With \"hold\" \
                        whoever has it, until it has stopped for as long as hold-for says: the \
                        others are paused. With \"refuse\" one phone is connected at a time: a new \
                        one takes the place of one that is idle, and is sent away while that \
                        plays or has a call.",
                allowed: "\"last-play\", \"hold\" or \"refuse\"",
                default: Preset::Value("\"last-play\""),
                set: values::takeover,
            },
            Key {
                name: "hold-for",
                about: "With \"hold\", for how long a phone that has stopped keeps the speaker.",
                allowed: "0s to 10m, written as seconds (10) or as text (\"10s\", \"1m\")",
                default: Preset::Value("\"10s\""),
                set: values::hold_for,
            },
            Key {
                name: "priority",
                about: "The phones that matter more, the first most: each takes the speaker from \
                        those behind it and from all that are not named, and keeps it from them, \
                        whatever takeover says.",
                allowed: "a list of whole names and addresses like [\"Anna's iPhone\", \
                          \"00:1A:7D:DA:71:13\"]",
                default: Preset::Value("[]"),
                set: values::priority,
            },
        ],
    },
    Table {
        name: "volume",
        about: "How loud it is, from 0 (silent) to 100 (as loud as the phone sends it).",
        keys: &[
            Key {
                name: "start",
                about: "Where the volume of a phone starts; it is remembered from then on.",
                allowed: "0 to 100, and at most volume.max",
                default: Preset::Value("60"),
                set: values::start_volume,
            },
            Key {
                name: "max",
                about: "What no volume exceeds, whatever a phone asks for.",
                allowed: "0 to 100",
                default: Preset::Value("100"),
                set: values::max_volume,
            },
        ],
    },
    Table {
        name: "music",
        about: "How music comes here and is played.",
        keys: &[
            Key {
                name: "codecs",
                about: "How phones may code their music, best first; most take the first that they \
                        have. \"aac\" is what iPhones and most music services use already; \"sbc\" \
                        every phone has, and it has to be there. Music that plays when this \
                        changes goes on as it is until it pauses.",
                allowed: "a list of \"aac\" and \"sbc\", with \"sbc\" in it",
                default: Preset::Value("[\"aac\", \"sbc\"]"),
                set: values::codecs,
            },
            Key {
                name: "delay",
                about: "How long music waits before it is heard, so that what comes late is not \
                        missed. \"low\" is for films and games with the phone nearby, \"robust\" for \
                        a phone behind a wall, and \"balanced\" for both: each waits no longer than \
                        it has to, and never less than a little. A number of milliseconds is kept \
                        to, whatever is missed. It applies to what is played next.",
                allowed: "\"low\", \"balanced\", \"robust\", or 10 to 300 milliseconds, written as a \
                          number (80)",
                default: Preset::Value("\"balanced\""),
                set: values::delay,
            },
        ],
    },
    Table {
        name: "calls",
        about: "Telephone calls.",
        keys: &[
            Key {
                name: "enabled",
                about: "Whether phones bring their calls as well as their music.",
                allowed: "true or false",
                default: Preset::Value("true"),
                set: values::calls_enabled,
            },
            Key {
                name: "phones",
                about: "Which phones may use calls. The music of the others is not touched. A name \
                        can be changed on the phone, an address cannot; `dotctl phones` lists both. \
                        A call that is up when this changes goes on.",
                allowed: "\"all\", or a list of whole names and addresses like [\"Anna's iPhone\", \
                          \"00:1A:7D:DA:71:13\"]",
                default: Preset::Value("\"all\""),
                set: values::call_phones,
            },
            Key {
                name: "auto-answer",
                about: "After how many seconds a call that rings is answered by itself. Whoever \
                        calls then hears the room. A call that comes while there is another one, \
                        on whatever phone, is never answered by itself, and none is while the \
                        speaker is muted.",
                allowed: "\"off\", or 1 to 60 seconds, written as a number (5) or as text (\"5s\")",
                default: Preset::Value("\"off\""),
                set: values::auto_answer,
            },
            Key {
                name: "ring-tone",
                about: "What the speaker rings with for phones that send no ring tone of their own. \
                        A file must be readable for user dotd, who has no access to /home, \
                        /root, /tmp and /var/tmp; while it is not there, the default rings.",
                allowed: "\"warble\", \"bell\", \"chime\", \"marimba\" or the whole path, from / on, of a \
                          WAV file of at most 30 s and 10 MB",
                default: Preset::Value("\"warble\""),
                set: values::ring_tone,
            },
            Key {
                name: "ring-volume",
                about: "How loud the speaker rings for phones that send no ring tone of their own, \
                        from 0 (not at all) to 100.",
                allowed: "0 to 100",
                default: Preset::Value("50"),
                set: values::ring_volume,
            },
            Key {
                name: "microphone",
                about: "The microphone for calls, by its PipeWire node name or description; `sudo \
                        PIPEWIRE_RUNTIME_DIR=/run/dotd wpctl status` lists the descriptions, with \
                        `--name` behind it the node names. The example is a node name. While it is \
                        not there callers hear silence.",
                allowed: "a text that is not empty",
                default: Preset::Unset {
                    means: "the default input of PipeWire",
                    example: "\"alsa_input.usb-Jabra_Speak-00.mono-fallback\"",
                },
                set: values::microphone,
            },
            Key {
                name: "echo-cancelling",
                about: "Whether what the speaker plays of a call is taken out of what its \
                        microphone hears, so that callers do not hear themselves; what is said \
                        here reaches them some 20 ms later for it. A microphone that does so \
                        itself, as those of conference speakers do, needs no more. Phones, which \
                        then leave it to the speaker, learn of a change when they connect.",
                allowed: "true or false",
                default: Preset::Value("true"),
                set: values::echo_cancelling,
            },
        ],
    },
    Table {
        name: "players",
        about: "The players of phones, which other programs can see and steer.",
        keys: &[
            Key {
                name: "mpris",
                about: "The bus on which each phone that has a player is a player for programs \
                        like playerctl, under the name org.mpris.MediaPlayer2.dotd and what the \
                        phone is called. A session's bus lets in nobody but its own user.",
                allowed: "\"system\", \"off\" or the address of a bus like \
                          \"unix:path=/run/user/1000/bus\"",
                default: Preset::Value("\"system\""),
                set: values::mpris,
            },
            Key {
                name: "covers",
                about: "Whether phones are asked for the cover of what they play, for programs \
                        that show it. It takes the Debian package bluez-obexd; see COVERS in \
                        dotd(8).",
                allowed: "true or false",
                default: Preset::Value("true"),
                set: values::covers,
            },
        ],
    },
    Table {
        name: "audio",
        about: "Where the sound goes, and what is done to it before.",
        keys: &[
            Key {
                name: "output",
                about: "The output to play on, by its PipeWire node name or description; `sudo \
                        PIPEWIRE_RUNTIME_DIR=/run/dotd wpctl status` lists the descriptions, with \
                        `--name` behind it the node names. The example is a node name. While it is \
                        not there the default output plays.",
                allowed: "a text that is not empty",
                default: Preset::Unset {
                    means: "the default output of PipeWire",
                    example: "\"alsa_output.platform-soc_sound.stereo-fallback\"",
                },
                set: values::output,
            },
            Key {
                name: "remote",
                about: "The PipeWire to play on, by the name or path of its socket.",
                allowed: "a text that is not empty",
                default: Preset::Unset {
                    means: "the one that the package runs for the speaker",
                    example: "\"/run/pipewire/pipewire-0\"",
                },
                set: values::remote,
            },
            Key {
                name: "mono",
                about: "Whether both channels play the mean of both, for a box with one driver, or \
                        two in different rooms.",
                allowed: "true or false",
                default: Preset::Value("false"),
                set: values::mono,
            },
            Key {
                name: "balance",
                about: "How much softer one channel of music is, in percent, for a place that is not \
                        in the middle: -100 is the left channel alone, 100 the right one.",
                allowed: "-100 to 100",
                default: Preset::Value("0"),
                set: values::balance,
            },
            Key {
                name: "equaliser",
                about: "How much louder five bands are, in dB: 100 Hz and below, around 300 Hz, \
                        1 kHz and 3 kHz, and 8 kHz and above. What gets louder than the sound card \
                        can play is distorted, unless there is a ceiling.",
                allowed: "a list of five numbers from -12 to 12",
                default: Preset::Value("[0, 0, 0, 0, 0]"),
                set: values::equaliser,
            },
            Key {
                name: "ceiling",
                about: "What the sound of a phone does not exceed, in dB below the loudest that the \
                        sound card can play; between two samples of the phone it may, by a decibel \
                        or two. What would is turned down for a moment, without distortion, which \
                        takes 5 ms; it keeps neighbours asleep and small drivers alive. Whatever of \
                        this table changes the sound while it plays is heard after a moment of \
                        silence.",
                allowed: "\"off\", or -40 to 0",
                default: Preset::Value("\"off\""),
                set: values::ceiling,
            },
        ],
    },
];

/// The tables about single phones: each has one of its own below this name.
pub const PHONE: Table<PhoneRule> = Table {
    name: "phone",
    about: "A phone, by its whole name or its address: as many of these as you like.",
    keys: &[Key {
        name: "may-take-over",
        about: "Whether it gets the speaker while another phone has it. One that may not is paused \
                at once, and is heard when nobody else plays.",
        allowed: "true or false",
        default: Preset::Value("true"),
        set: values::may_take_over,
    }],
};

/// The name that stands for any phone in examples.
pub const SOME_PHONE: &str = "Anna's tablet";

/// Looks a table up.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

impl<S> Table<S> {
    /// Looks a key up.
    pub fn key(&self, name: &str) -> Option<&'static Key<S>> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Writes the file as it is shipped: every key explained and commented out.
pub fn shipped_file() -> String {
    let mut file = String::from(
        "# dotd: what the speaker does. See dotd.toml(5).\n\
         #\n\
         # Every key is optional; what is commented out here is what holds without it.\n\
         # Apply a change with `dotctl config check && sudo systemctl reload dotd`.\n",
    );
    for table in TABLES {
        file.push_str(&format!("\n# {}\n[{}]\n", table.about, table.name));
        for key in table.keys {
            file.push_str(&shipped_key(key));
        }
    }
    let phone = format!("#[{}.\"{SOME_PHONE}\"]", PHONE.name);
    file.push_str(&format!("\n# {}\n{phone}\n", PHONE.about));
    for key in PHONE.keys {
        file.push_str(&shipped_key(key));
    }
    file
}

fn shipped_key<S>(key: &Key<S>) -> String {
    let mut text = String::from("\n");
    for line in wrapped(key.about).chain(wrapped(&format!("Allowed: {}.", key.allowed))) {
        text.push_str(&format!("# {line}\n"));
    }
    match key.default {
        Preset::Value(value) => text.push_str(&format!("#{} = {value}\n", key.name)),
        Preset::Unset { means, example } => {
            for line in wrapped(&format!("Without it: {means}. For example:")) {
                text.push_str(&format!("# {line}\n"));
            }
            text.push_str(&format!("#{} = {example}\n", key.name));
        }
    }
    text
}

/// Breaks `text` into lines of at most 78 characters.
fn wrapped(text: &str) -> std::vec::IntoIter<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 78 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter()
}
