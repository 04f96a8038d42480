//! What `--json` prints: a promise to scripts, described in dotctl(1).
//!
//! Invariant: keys are added, never renamed or removed. Times are seconds since 1970; what is not
//! there is `null`.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use zbus::zvariant::{OwnedValue, Value};

use super::client::Properties;
use super::failure::Failure;
use crate::policy::calls::facts::CallId;

/// The speaker.
#[derive(Debug, Serialize)]
pub(super) struct SpeakerShape {
    pub(super) version: String,
    pub(super) name: String,
    pub(super) bluetooth: BluetoothShape,
    pub(super) pairing: PairingShape,
    pub(super) sound: SoundShape,
    pub(super) microphone: MicrophoneShape,
    pub(super) config_problems: Option<String>,
    pub(super) memory_problem: Option<String>,
    pub(super) memory_lost: Option<String>,
    pub(super) voice_problem: Option<String>,
}

/// The adapter.
#[derive(Debug, Serialize)]
pub(super) struct BluetoothShape {
    pub(super) state: String,
    pub(super) adapter: Option<String>,
    pub(super) address: Option<String>,
    pub(super) discoverable: bool,
}

/// The pairing window.
#[derive(Debug, Serialize)]
pub(super) struct PairingShape {
    pub(super) open: bool,
    pub(super) until: Option<u64>,
}

/// The sound output.
#[derive(Debug, Serialize)]
pub(super) struct SoundShape {
    pub(super) state: String,
    pub(super) output: Option<String>,
    pub(super) start_volume: u8,
    pub(super) max_volume: u8,
    pub(super) muted: bool,
}

/// What calls get of the room.
#[derive(Debug, Serialize)]
pub(super) struct MicrophoneShape {
    pub(super) name: Option<String>,
    pub(super) muted: bool,
    pub(super) echo_problem: Option<String>,
}

/// Which phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NameShape {
    pub(super) name: String,
    pub(super) address: String,
}

/// A phone.
#[derive(Debug, Default, Serialize)]
pub(super) struct PhoneShape {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) trusted: bool,
    pub(super) bonded: bool,
    pub(super) connected: bool,
    pub(super) playing: bool,
    pub(super) volume: u8,
    pub(super) first_seen: Option<u64>,
    pub(super) last_seen: Option<u64>,
    pub(super) preference: String,
    pub(super) called: bool,
    pub(super) next_call: Option<u64>,
    pub(super) own_name: String,
    pub(super) blocked: bool,
    pub(super) player: Option<PlayerShape>,
    pub(super) stream: Option<Json>,
    pub(super) calls_allowed: bool,
    pub(super) hands_free: Option<HandsFreeShape>,
}

/// The player of a phone.
#[derive(Debug, Default, Serialize)]
pub(super) struct PlayerShape {
    pub(super) state: String,
    pub(super) app: Option<String>,
    pub(super) title: Option<String>,
    pub(super) artist: Option<String>,
    pub(super) album: Option<String>,
    pub(super) genre: Option<String>,
    pub(super) number: Option<u32>,
    pub(super) of: Option<u32>,
    pub(super) position_ms: Option<u64>,
    pub(super) length_ms: Option<u64>,
    pub(super) shuffle: Option<bool>,
    pub(super) repeat: Option<String>,
    pub(super) cover: Option<String>,
}

/// A phone that is connected for calls.
#[derive(Debug, Default, Serialize)]
pub(super) struct HandsFreeShape {
    pub(super) voice: Option<String>,
    pub(super) volume: u8,
    pub(super) microphone_volume: u8,
    pub(super) assistant: bool,
    pub(super) service: Option<bool>,
    pub(super) signal: Option<u8>,
    pub(super) roaming: Option<bool>,
    pub(super) battery: Option<u8>,
    pub(super) operator: Option<String>,
    pub(super) calls: Vec<CallShape>,
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct CallShape {
    pub(super) id: u32,
    pub(super) state: String,
    pub(super) number: Option<String>,
    pub(super) name: Option<String>,
    pub(super) direction: String,
    pub(super) multiparty: bool,
    pub(super) since: u64,
    pub(super) answered: Option<u64>,
}

impl SpeakerShape {
    pub(super) fn read(mut from: Properties) -> Result<Self, Failure> {
        Ok(Self {
            version: take(&mut from, "Version")?,
            name: take(&mut from, "Name")?,
            bluetooth: BluetoothShape {
                state: take(&mut from, "AdapterState")?,
                adapter: filled(take(&mut from, "Adapter")?),
                address: filled(take(&mut from, "Address")?),
                discoverable: take(&mut from, "Discoverable")?,
            },
            pairing: PairingShape {
                open: take(&mut from, "Pairing")?,
                until: set(take(&mut from, "PairingUntil")?),
            },
            sound: SoundShape {
                state: take(&mut from, "AudioState")?,
                output: filled(take(&mut from, "Output")?),
                start_volume: take(&mut from, "Volume")?,
                max_volume: take(&mut from, "MaxVolume")?,
                muted: take(&mut from, "Muted")?,
            },
            microphone: MicrophoneShape {
                name: filled(take(&mut from, "Microphone")?),
                muted: take(&mut from, "MicrophoneMuted")?,
                echo_problem: filled(take(&mut from, "EchoProblem")?),
            },
            config_problems: filled(take(&mut from, "ConfigProblems")?),
            memory_problem: filled(take(&mut from, "MemoryProblem")?),
            memory_lost: filled(take(&mut from, "MemoryLost")?),
            voice_problem: filled(take(&mut from, "VoiceProblem")?),
        })
    }
}

impl PhoneShape {
    /// Takes the calls along, which are objects of their own on the bus.
    pub(super) fn read(mut from: Properties, calls: Vec<CallShape>) -> Result<Self, Failure> {
        let playing = take(&mut from, "Playing")?;
        let hands_free = if take(&mut from, "HandsFree")? {
            Some(HandsFreeShape::read(&mut from, calls)?)
        } else {
            None
        };
        let stream = from.remove("Stream").ok_or(Failure::Missing("Stream"))?;
        Ok(Self {
            name: take(&mut from, "Name")?,
            address: take(&mut from, "Address")?,
            trusted: take(&mut from, "Trusted")?,
            bonded: take(&mut from, "Bonded")?,
            connected: take(&mut from, "Connected")?,
            playing,
            volume: take(&mut from, "Volume")?,
            first_seen: set(take(&mut from, "FirstSeen")?),
            last_seen: set(take(&mut from, "LastSeen")?),
            preference: take(&mut from, "Preference")?,
            called: take(&mut from, "Called")?,
            next_call: set(take(&mut from, "NextCall")?),
            own_name: take(&mut from, "OwnName")?,
            blocked: take(&mut from, "Blocked")?,
            player: PlayerShape::read(take(&mut from, "Player")?, take(&mut from, "Position")?),
            stream: playing.then(|| json(&stream)),
            calls_allowed: take(&mut from, "CallsAllowed")?,
            hands_free,
        })
    }

    /// Says whether its calls are heard here.
    pub(super) fn is_heard(&self) -> bool {
        self.hands_free
            .as_ref()
            .is_some_and(|it| it.voice.is_some())
    }

    /// Says whether a call rings or is being made.
    pub(super) fn is_calling(&self) -> bool {
        let calls = self.hands_free.iter().flat_map(|it| &it.calls);
        let established = |call: &CallShape| matches!(&*call.state, "active" | "held");
        calls.into_iter().any(|call| !established(call))
    }

    /// Says whether it is in the list of trusted phones, locked out or not.
    pub(super) fn is_in_list(&self) -> bool {
        self.trusted || self.blocked
    }

    pub(super) fn named(&self) -> NameShape {
        NameShape {
            name: self.name.clone(),
            address: self.address.clone(),
        }
    }

    /// Returns its calls, the oldest first.
    pub(super) fn calls(&self) -> &[CallShape] {
        match &self.hands_free {
            Some(hands_free) => &hands_free.calls,
            None => &[],
        }
    }

    /// Says whether the sound of its calls comes here.
    pub(super) fn is_heard_here(&self) -> bool {
        let voice = self.hands_free.as_ref().map(|it| &it.voice);
        voice.is_some_and(Option::is_some)
    }

    /// Describes what is played, like "SBC 44.1 kHz joint stereo".
    pub(super) fn format(&self) -> Option<String> {
        let stream = self.stream.as_ref()?;
        let khz = stream["rate"].as_f64()? / 1000.0;
        let (codec, mode) = (stream["codec"].as_str()?, stream["channel_mode"].as_str()?);
        Some(format!("{codec} {khz} kHz {mode}"))
    }
}

impl PlayerShape {
    /// Reads one; an empty dictionary stands for none.
    fn read(mut from: Properties, position_ms: i64) -> Option<Self> {
        Some(Self {
            state: told(&mut from, "State")?,
            app: told(&mut from, "App"),
            title: told(&mut from, "Title"),
            artist: told(&mut from, "Artist"),
            album: told(&mut from, "Album"),
            genre: told(&mut from, "Genre"),
            number: told(&mut from, "Number"),
            of: told(&mut from, "Of"),
            position_ms: u64::try_from(position_ms).ok(),
            length_ms: told(&mut from, "LengthMs"),
            shuffle: told(&mut from, "Shuffle"),
            repeat: told(&mut from, "Repeat"),
            cover: told(&mut from, "Cover"),
        })
    }
}

impl HandsFreeShape {
    fn read(from: &mut Properties, calls: Vec<CallShape>) -> Result<Self, Failure> {
        let mut gateway: Properties = take(from, "Gateway")?;
        Ok(Self {
            voice: filled(take(from, "Voice")?),
            volume: take(from, "CallVolume")?,
            microphone_volume: take(from, "MicrophoneVolume")?,
            assistant: take(from, "AssistantListens")?,
            service: told(&mut gateway, "Service"),
            signal: told(&mut gateway, "Signal"),
            roaming: told(&mut gateway, "Roaming"),
            battery: told(&mut gateway, "Battery"),
            operator: told(&mut gateway, "Operator"),
            calls,
        })
    }
}

impl CallShape {
    pub(super) fn read(id: CallId, mut from: Properties) -> Result<Self, Failure> {
        Ok(Self {
            id: id.0,
            state: take(&mut from, "State")?,
            number: filled(take(&mut from, "Number")?),
            name: filled(take(&mut from, "Name")?),
            direction: take(&mut from, "Direction")?,
            multiparty: take(&mut from, "Multiparty")?,
            since: take(&mut from, "Since")?,
            answered: set(take(&mut from, "Answered")?),
        })
    }

    /// Returns what to call the other one: the name, else the number.
    pub(super) fn caller(&self) -> &str {
        let caller = self.name.as_deref().or(self.number.as_deref());
        caller.unwrap_or("somebody who withholds the number")
    }

    /// Says whether it waits to be answered here.
    pub(super) fn is_offered(&self) -> bool {
        matches!(self.state.as_str(), "incoming" | "waiting")
    }

    /// Says whether it is on its way to the other one.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.state.as_str(), "dialing" | "alerting")
    }

    /// Says whether people talk.
    pub(super) fn is_active(&self) -> bool {
        self.state == "active"
    }

    /// Says whether it was set aside.
    pub(super) fn is_held(&self) -> bool {
        self.state == "held"
    }
}

fn take<T: TryFrom<OwnedValue>>(from: &mut Properties, name: &'static str) -> Result<T, Failure> {
    let value = from.remove(name).ok_or(Failure::Missing(name))?;
    T::try_from(value).map_err(|_| Failure::Missing(name))
}

/// D-Bus has no null: what is not told is not in the dictionary.
fn told<T: TryFrom<OwnedValue>>(from: &mut Properties, name: &str) -> Option<T> {
    from.remove(name).and_then(|value| T::try_from(value).ok())
}

/// D-Bus has no null: an empty text stands for it.
fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// D-Bus has no null: the time 0 stands for it.
fn set(time: u64) -> Option<u64> {
    Some(time).filter(|time| *time > 0)
}

/// Turns a dictionary from the bus into an object with keys as JSON likes them.
fn json(value: &Value<'_>) -> Json {
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::U8(number) => (*number).into(),
        Value::U32(number) => (*number).into(),
        Value::U64(number) => (*number).into(),
        Value::F64(number) => (*number).into(),
        Value::Str(text) => text.as_str().into(),
        Value::Value(inner) => json(inner),
        Value::Dict(dict) => {
            let entry = |(key, value): (&Value<'_>, &Value<'_>)| match key {
                Value::Str(key) => Some((snake_case(key), json(value))),
                _ => None,
            };
            Json::Object(dict.iter().filter_map(entry).collect::<Map<_, _>>())
        }
        _ => Json::Null,
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_json_likes_them() {
        assert_eq!(snake_case("ConcealedMs"), "concealed_ms");
        assert_eq!(snake_case("Rate"), "rate");
    }
}
