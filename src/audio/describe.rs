//! What PipeWire is told of a stream before it is there: its properties and its format.
//!
//! Invariant: a stream is named after whose it is and what it is for. One that captures is tied to
//! its microphone, and whoever links it has no leave to link it elsewhere.

use std::io::Cursor;

use pipewire::properties::{PropertiesBox, properties};
use pipewire::spa::param::audio::{AudioFormat, AudioInfoRaw, MAX_CHANNELS};
use pipewire::spa::pod::{Object, Value, serialize::PodSerializer};
use pipewire::spa::sys as spa;
use pipewire::{Error, keys};

use crate::policy::model::{Address, TransportId};

use super::{Role, StreamKey, StreamSpec};

/// The turn of the graph that is asked for: short, since a whole turn must be in the buffer.
const LATENCY: &str = "512/48000";
/// The same for what is [prompt](StreamSpec::prompt), such as people who talk: each direction waits for a
/// turn and more, and the other one's answer waits for both. PipeWire turns a graph as often as the stream
/// that is active in it and asks for most; the others in the same graph go along, and all goes back when
/// that one rests.
const PROMPT_LATENCY: &str = "256/48000";

/// Describes a stream that plays, to the output with the name `target` if one is given.
pub(super) fn playback(key: &StreamKey, spec: &StreamSpec, target: Option<&str>) -> PropertiesBox {
    let node = match key {
        StreamKey::Music(transport) => music_node(transport),
        StreamKey::Voice(phone) => format!("dotd.call.{}", underscored(*phone)),
        StreamKey::Ring => "dotd.ring".to_owned(),
    };
    let latency = if spec.prompt { PROMPT_LATENCY } else { LATENCY };
    let role = match spec.role {
        Role::Music => "Music",
        Role::Communication => "Communication",
        Role::Notification => "Notification",
    };
    let mut properties = properties! {
        *keys::MEDIA_CATEGORY => "Playback",
        *keys::MEDIA_ROLE => role,
        *keys::NODE_NAME => node,
        *keys::NODE_LATENCY => latency,
    };
    describe(&mut properties, &spec.name);
    if let Some(target) = target {
        properties.insert(*keys::TARGET_OBJECT, target);
    }
    properties
}

/// Describes a stream that captures for `phone` what the node with the name `microphone` hears.
pub(super) fn capture(phone: Address, name: &str, microphone: &str) -> PropertiesBox {
    let mut properties = properties! {
        *keys::MEDIA_CATEGORY => "Capture",
        *keys::MEDIA_ROLE => "Communication",
        *keys::NODE_NAME => format!("dotd.microphone.{}", underscored(phone)),
        *keys::NODE_LATENCY => PROMPT_LATENCY,
        *keys::TARGET_OBJECT => microphone,
        *keys::STREAM_CAPTURE_SINK => "false",
        // Honoured by WirePlumber (0.5.8, scripts/linking/find-defined-target.lua). Of these,
        // dont-fallback keeps it from what else there is to hear while the microphone is not
        // there; linger keeps the stream alive then, also when we saw the microphone first; and
        // with dont-move no one else can send it elsewhere. There is no dont-reconnect: a link
        // that failed once would never be tried again.
        "node.dont-fallback" => "true",
        "node.linger" => "true",
        "node.dont-move" => "true",
    };
    describe(&mut properties, name);
    properties
}

/// Adds what all streams have in common.
fn describe(properties: &mut PropertiesBox, name: &str) {
    properties.insert(*keys::MEDIA_TYPE, "Audio");
    properties.insert(*keys::APP_NAME, "dotd");
    // Volumes and outputs are remembered by dotd, per phone.
    properties.insert("state.restore-props", "false");
    properties.insert("state.restore-target", "false");
    let name = name.replace('\0', "");
    properties.insert(*keys::NODE_DESCRIPTION, name.as_str());
    properties.insert(*keys::MEDIA_NAME, name.as_str());
}

/// Names the node after the phone's address, which BlueZ's path of a transport holds.
fn music_node(id: &TransportId) -> String {
    let device = id.0.split('/').find_map(|part| part.strip_prefix("dev_"));
    let name: String = device
        .unwrap_or(&id.0)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("dotd.{name}")
}

fn underscored(phone: Address) -> String {
    phone.to_string().replace(':', "_")
}

/// Describes interleaved `f32` of one channel or two.
pub(super) fn format(rate: u32, channels: u8) -> Result<Vec<u8>, Error> {
    let mut info = AudioInfoRaw::new();
    info.set_format(AudioFormat::F32LE);
    info.set_rate(rate);
    info.set_channels(u32::from(channels));
    let mut position = [0; MAX_CHANNELS];
    if channels == 1 {
        position[0] = spa::SPA_AUDIO_CHANNEL_MONO;
    } else {
        position[0] = spa::SPA_AUDIO_CHANNEL_FL;
        position[1] = spa::SPA_AUDIO_CHANNEL_FR;
    }
    info.set_position(position);
    let object = Value::Object(Object {
        type_: spa::SPA_TYPE_OBJECT_Format,
        id: spa::SPA_PARAM_EnumFormat,
        properties: info.into(),
    });
    PodSerializer::serialize(Cursor::new(Vec::new()), &object)
        .map(|(cursor, _)| cursor.into_inner())
        .map_err(|_| Error::CreationFailed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::model::Volume;

    const PHONE: Address = Address::new([0xda, 0x4c, 0x10, 0xde, 0x00, 0x01]);

    fn played(key: &StreamKey, role: Role, target: Option<&str>) -> PropertiesBox {
        let spec = StreamSpec {
            name: "Anna's\0 phone".to_owned(),
            role,
            rate: 48_000,
            channels: 1,
            volume: Volume::default(),
            prompt: role == Role::Communication,
        };
        playback(key, &spec, target)
    }

    #[test]
    fn music_is_named_after_phones() {
        for (id, name) in [
            (
                "/org/bluez/hci0/dev_DA_4C_10_DE_00_01/fd3",
                "dotd.DA_4C_10_DE_00_01",
            ),
            (
                "/org/bluez/hci0/dev_DA_4C_10_DE_00_01/sep2/fd3",
                "dotd.DA_4C_10_DE_00_01",
            ),
            ("test tone", "dotd.test_tone"),
        ] {
            assert_eq!(music_node(&TransportId(id.to_owned())), name);
        }
    }

    #[test]
    fn each_kind_of_stream_has_its_name_its_role_and_its_latency() {
        let music = StreamKey::Music(TransportId("tone".to_owned()));
        for (key, role, expected) in [
            (music, Role::Music, ["dotd.tone", "Music", "512/48000"]),
            (
                StreamKey::Voice(PHONE),
                Role::Communication,
                ["dotd.call.DA_4C_10_DE_00_01", "Communication", "256/48000"],
            ),
            (
                StreamKey::Ring,
                Role::Notification,
                ["dotd.ring", "Notification", "512/48000"],
            ),
        ] {
            let properties = played(&key, role, None);
            let told = ["node.name", "media.role", "node.latency"].map(|key| properties.get(key));
            assert_eq!(told, expected.map(Some));
            assert_eq!(properties.get("node.description"), Some("Anna's phone"));
            assert_eq!(properties.get("target.object"), None);
        }
        let target = Some("alsa_output.usb");
        let properties = played(&StreamKey::Ring, Role::Notification, target);
        assert_eq!(properties.get("target.object"), target);
    }

    #[test]
    fn a_capture_goes_to_its_microphone_or_nowhere() {
        let properties = capture(PHONE, "Anna's phone", "alsa_input.usb");
        for (key, value) in [
            ("node.name", "dotd.microphone.DA_4C_10_DE_00_01"),
            ("node.description", "Anna's phone"),
            ("media.category", "Capture"),
            ("media.role", "Communication"),
            ("target.object", "alsa_input.usb"),
            ("stream.capture.sink", "false"),
            ("node.dont-fallback", "true"),
            ("node.dont-move", "true"),
            ("node.linger", "true"),
            ("state.restore-target", "false"),
        ] {
            assert_eq!(properties.get(key), Some(value), "{key}");
        }
    }
}
