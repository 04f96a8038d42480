//! One stream in PipeWire.
//!
//! Invariant: made, steered and dropped on the audio thread; what runs on the real-time thread is
//! given away at once and never touched again.

use std::cell::RefCell;
use std::io::Cursor;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipewire::core::CoreRc;
use pipewire::properties::{PropertiesBox, properties};
use pipewire::spa::param::audio::{AudioFormat, AudioInfoRaw, MAX_CHANNELS};
use pipewire::spa::pod::{Object, Pod, Value, serialize::PodSerializer};
use pipewire::spa::sys as spa;
use pipewire::spa::utils::Direction;
use pipewire::stream::{StreamFlags, StreamListener, StreamRc, StreamState};
use pipewire::{Error, keys};

use crate::pcm::Source;
use crate::policy::model::{TransportId, Volume};

use super::callback::{Controls, Turner};
use super::hatch::{Hatch, hatch};
use super::session::{Inbox, Notice};
use super::{Role, StreamSpec};

/// The turn of the graph that is asked for: short, since a whole turn must be in the buffer, but
/// every turn wakes a small computer up in several places.
const LATENCY: &str = "512/48000";

/// The last fade ends by then even if nobody pulls.
const LAST_WORD: Duration = Duration::from_millis(200);

/// A stream that plays one source after another.
///
/// Between two of them it is inactive: its links stay, and the output may sleep.
pub(super) struct Voice {
    // The listeners go first: they hold what the stream calls.
    _turns: StreamListener<Turner>,
    _changes: StreamListener<()>,
    stream: StreamRc,
    serial: u64,
    controls: Arc<Controls>,
    hatch: Hatch,
    rate: u32,
    channels: u8,
    /// Until when the last fade of what is played may take, once it has begun.
    fades: Option<Instant>,
}

impl Voice {
    /// Makes a silent one for a transport, with a number of its own, and for the output with this
    /// name if one is given.
    pub(super) fn new(
        core: CoreRc,
        (id, serial): (&TransportId, u64),
        spec: &StreamSpec,
        target: Option<&str>,
        inbox: &Rc<RefCell<Inbox>>,
    ) -> Result<Self, Error> {
        let stream = StreamRc::new(core, "dotd", described(id, spec, target))?;
        let controls = Arc::new(Controls::new(spec.volume.gain()));
        let (hatch, inlet) = hatch();
        let turner = Turner::new(inlet, Arc::clone(&controls), spec.rate, spec.channels);
        let turns = stream
            .add_local_listener_with_user_data(turner)
            .process(|stream, turner| turner.process(stream))
            .register()?;
        let (inbox, id) = (Rc::clone(inbox), id.clone());
        let lent = Arc::clone(&controls);
        let changes = stream
            .add_local_listener_with_user_data(())
            .state_changed(move |_, (), _, new| {
                if let StreamState::Error(error) = new {
                    let id = id.clone();
                    let notice = Notice::VoiceFailed { id, serial, error };
                    inbox.borrow_mut().push(notice);
                }
            })
            .io_changed(move |_, (), area_id, area, _| {
                if area_id == spa::SPA_IO_RateMatch {
                    lent.set_rate_match(area.cast());
                }
            })
            .register()?;
        let format = format(spec)?;
        let mut params = [Pod::from_bytes(&format).ok_or(Error::CreationFailed)?];
        stream.connect(
            Direction::Output,
            None,
            StreamFlags::AUTOCONNECT
                | StreamFlags::MAP_BUFFERS
                | StreamFlags::RT_PROCESS
                | StreamFlags::INACTIVE,
            &mut params,
        )?;
        Ok(Self {
            _turns: turns,
            _changes: changes,
            stream,
            serial,
            controls,
            hatch,
            rate: spec.rate,
            channels: spec.channels,
            fades: None,
        })
    }

    /// Says whether what is described so can be played by this voice.
    pub(super) fn suits(&self, spec: &StreamSpec) -> bool {
        (self.rate, self.channels) == (spec.rate, spec.channels) && self.hatch.has_room()
    }

    /// Plays a source, in place of the one before, and takes a last fade back.
    pub(super) fn play(&mut self, source: Box<dyn Source + Send>) -> Result<(), Error> {
        // Before the source is there: a turn that still sees the last fade would give it back.
        self.fades = None;
        self.controls.play();
        self.hatch.hand(source).map_err(|_| Error::CreationFailed)?;
        self.stream.set_active(true)
    }

    /// The number it was made with.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// The stream's node in the graph.
    pub(super) fn node(&self) -> u32 {
        self.stream.node_id()
    }

    pub(super) fn set_volume(&self, volume: Volume) {
        self.controls.set_gain(volume.gain());
    }

    /// Begins the last fade.
    pub(super) fn stop(&mut self, now: Instant) {
        self.controls.stop();
        self.fades.get_or_insert(now + LAST_WORD);
    }

    /// Rests when the last fade is over; says whether it is still under way.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        let Some(until) = self.fades else {
            return false;
        };
        if !self.controls.is_silent() && now < until {
            return true;
        }
        self.fades = None;
        if let Err(error) = self.stream.set_active(false) {
            tracing::debug!(%error, "PipeWire keeps a stream busy that is silent");
        }
        self.hatch.sweep();
        false
    }
}

fn described(id: &TransportId, spec: &StreamSpec, target: Option<&str>) -> PropertiesBox {
    let role = match spec.role {
        Role::Music => "Music",
    };
    let mut properties = properties! {
        *keys::MEDIA_TYPE => "Audio",
        *keys::MEDIA_CATEGORY => "Playback",
        *keys::MEDIA_ROLE => role,
        *keys::NODE_NAME => node_name(id),
        *keys::APP_NAME => "dotd",
        *keys::NODE_LATENCY => LATENCY,
        // Volumes and outputs are remembered by dotd, per phone.
        "state.restore-props" => "false",
        "state.restore-target" => "false",
    };
    let name = spec.name.replace('\0', "");
    properties.insert(*keys::NODE_DESCRIPTION, name.as_str());
    properties.insert(*keys::MEDIA_NAME, name.as_str());
    if let Some(target) = target {
        properties.insert(*keys::TARGET_OBJECT, target);
    }
    properties
}

/// Names the node after the phone's address, which BlueZ's path of a transport holds.
fn node_name(id: &TransportId) -> String {
    let device = id.0.split('/').find_map(|part| part.strip_prefix("dev_"));
    let name: String = device
        .unwrap_or(&id.0)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("dotd.{name}")
}

fn format(spec: &StreamSpec) -> Result<Vec<u8>, Error> {
    let mut info = AudioInfoRaw::new();
    info.set_format(AudioFormat::F32LE);
    info.set_rate(spec.rate);
    info.set_channels(u32::from(spec.channels));
    let mut position = [0; MAX_CHANNELS];
    if spec.channels == 1 {
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

    #[test]
    fn nodes_are_named_after_phones() {
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
            assert_eq!(node_name(&TransportId(id.to_owned())), name);
        }
    }
}
