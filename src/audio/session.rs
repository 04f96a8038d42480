//! One connection to a PipeWire server, from its coming to its going.
//!
//! Invariant: PipeWire's callbacks only put [`Notice`]s into the [`Inbox`]; the audio thread takes
//! them out and works them off one by one, so no callback ever finds the session half changed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use pipewire::context::ContextRc;
use pipewire::core::{CoreRc, Listener as CoreListener, PW_ID_CORE};
use pipewire::metadata::{Metadata, MetadataListener};
use pipewire::properties::{PropertiesBox, properties};
use pipewire::registry::{GlobalObject, Listener as RegistryListener, RegistryRc};
use pipewire::spa::utils::dict::DictRef;
use pipewire::types::ObjectType;
use pipewire::{Error, keys};

use crate::pcm::Source;
use crate::policy::model::{TransportId, Volume};

use super::graph::Graph;
use super::voice::Voice;
use super::{AudioSettings, StreamSpec};

/// What callbacks leave behind.
pub(super) type Inbox = Vec<Notice>;

/// Something PipeWire told.
pub(super) enum Notice {
    /// The connection is lost.
    ServerLost { error: String },
    /// All that was asked for before has been answered.
    Answered,
    /// An object appeared.
    Appeared(GlobalObject<PropertiesBox>),
    /// An object went away.
    Vanished(u32),
    /// The session manager chose another default output.
    DefaultChosen(Option<String>),
    /// A stream cannot play.
    VoiceFailed {
        id: TransportId,
        /// Which voice: the transport may have a later one by now.
        serial: u64,
        error: String,
    },
}

/// What a notice came to.
pub(super) enum Outcome {
    /// Nothing that others need to know.
    Known,
    /// The session is over.
    Lost,
    /// A stream ended, and why.
    Ended(TransportId, String),
}

/// How much of the server's answers is in.
#[derive(PartialEq)]
enum Settling {
    /// The list of objects is on its way.
    Objects,
    /// So is the default output.
    Default,
    /// All is known.
    Settled,
}

/// The connection and what plays through it.
pub(super) struct Session {
    voices: BTreeMap<TransportId, Voice>,
    leaving: Vec<Voice>,
    /// How many voices there were.
    made: u64,
    graph: Graph,
    settling: Settling,
    metadata: Option<(u32, MetadataListener, Metadata)>,
    // Listeners go before what they listen to.
    _registry_listener: RegistryListener,
    _core_listener: CoreListener,
    registry: RegistryRc,
    core: CoreRc,
    inbox: Rc<RefCell<Inbox>>,
}

impl Session {
    /// Connects to the server.
    pub(super) fn connect(
        context: &ContextRc,
        settings: &AudioSettings,
        inbox: &Rc<RefCell<Inbox>>,
    ) -> Result<Self, Error> {
        let mut properties = properties! { *keys::APP_NAME => "dotd" };
        if let Some(remote) = &settings.remote {
            properties.insert(*keys::REMOTE_NAME, remote.as_str());
        }
        let core = context.connect_rc(Some(properties))?;
        inbox.borrow_mut().clear();
        let (done, failed) = (Rc::clone(inbox), Rc::clone(inbox));
        let core_listener = core
            .add_listener_local()
            .done(move |id, _| {
                if id == PW_ID_CORE {
                    done.borrow_mut().push(Notice::Answered);
                }
            })
            .error(move |id, _, result, message| {
                if id == PW_ID_CORE && result == -libc::EPIPE {
                    let error = message.to_owned();
                    failed.borrow_mut().push(Notice::ServerLost { error });
                } else {
                    tracing::debug!(id, result, message, "PipeWire refused something");
                }
            })
            .register();
        let registry = core.get_registry_rc()?;
        let (appeared, vanished) = (Rc::clone(inbox), Rc::clone(inbox));
        let registry_listener = registry
            .add_listener_local()
            .global(move |object| {
                if matches!(object.type_, ObjectType::Node | ObjectType::Metadata) {
                    let notice = Notice::Appeared(object.to_owned());
                    appeared.borrow_mut().push(notice);
                }
            })
            .global_remove(move |id| vanished.borrow_mut().push(Notice::Vanished(id)))
            .register();
        core.sync(0)?;
        Ok(Self {
            voices: BTreeMap::new(),
            leaving: Vec::new(),
            made: 0,
            graph: Graph::default(),
            settling: Settling::Objects,
            metadata: None,
            _registry_listener: registry_listener,
            _core_listener: core_listener,
            registry,
            core,
            inbox: Rc::clone(inbox),
        })
    }

    /// Works a notice off.
    pub(super) fn take(&mut self, notice: Notice, settings: &AudioSettings) -> Outcome {
        match notice {
            Notice::ServerLost { error } => {
                tracing::debug!(error, "PipeWire closed the connection");
                return Outcome::Lost;
            }
            Notice::Answered => self.answered(),
            Notice::Appeared(object) => self.appeared(&object, settings),
            Notice::Vanished(id) => {
                self.graph.remove(id);
                if matches!(self.metadata, Some((metadata, ..)) if metadata == id) {
                    self.metadata = None;
                    self.graph.set_default(None);
                }
            }
            Notice::DefaultChosen(value) => self.graph.set_default(value.as_deref()),
            Notice::VoiceFailed { id, serial, error } => {
                if self.voices.get(&id).is_some_and(|it| it.serial() == serial) {
                    self.voices.remove(&id);
                    return Outcome::Ended(id, error);
                }
            }
        }
        Outcome::Known
    }

    fn answered(&mut self) {
        self.settling = match self.settling {
            // The default is told by an object that was only found while the list came in.
            Settling::Objects if self.core.sync(0).is_ok() => Settling::Default,
            _ => Settling::Settled,
        };
    }

    fn appeared(&mut self, object: &GlobalObject<PropertiesBox>, settings: &AudioSettings) {
        let Some(properties) = &object.props else {
            return;
        };
        let properties: &DictRef = properties.as_ref();
        if object.type_ == ObjectType::Node {
            self.graph.add(object.id, |key| properties.get(key));
            self.aim_when_found(settings);
        } else if properties.get("metadata.name") == Some("default") {
            match self.registry.bind::<Metadata, _>(object) {
                Ok(metadata) => self.listen(object.id, metadata),
                Err(error) => tracing::debug!(%error, "PipeWire's metadata cannot be read"),
            }
        }
    }

    fn listen(&mut self, id: u32, metadata: Metadata) {
        let inbox = Rc::clone(&self.inbox);
        let listener = metadata
            .add_listener_local()
            .property(move |subject, key, _, value| {
                // No key at all means that everything was taken back.
                if subject == PW_ID_CORE && key.is_none_or(|key| key == "default.audio.sink") {
                    let notice = Notice::DefaultChosen(value.map(str::to_owned));
                    inbox.borrow_mut().push(notice);
                }
                0
            })
            .register();
        self.metadata = Some((id, listener, metadata));
    }

    /// Says whether all that the server has to tell at first has been told.
    pub(super) fn is_settled(&self) -> bool {
        self.settling == Settling::Settled
    }

    /// Returns where sound goes, as people know it.
    pub(super) fn output(&self, settings: &AudioSettings) -> Option<String> {
        let output = self.graph.output(settings.output.as_deref())?;
        Some(output.description.clone())
    }

    /// Returns the name of the output that was asked for. While it is not there the session
    /// manager decides.
    fn target(&self, settings: &AudioSettings) -> Option<String> {
        let output = self.graph.find(settings.output.as_deref()?)?;
        Some(output.name.clone())
    }

    /// Has a voice ready for what the transport will play.
    pub(super) fn prepare(
        &mut self,
        id: &TransportId,
        spec: &StreamSpec,
        settings: &AudioSettings,
    ) -> Result<(), Error> {
        if let Some(voice) = self.voices.get(id) {
            if voice.suits(spec) {
                voice.set_volume(spec.volume);
                return Ok(());
            }
        }
        let target = self.target(settings);
        let core = self.core.clone();
        self.made += 1;
        let voice = Voice::new(core, (id, self.made), spec, target.as_deref(), &self.inbox)?;
        self.voices.insert(id.clone(), voice);
        Ok(())
    }

    /// Plays a source, in place of what the transport played before.
    pub(super) fn play(
        &mut self,
        id: &TransportId,
        spec: &StreamSpec,
        source: Box<dyn Source + Send>,
        settings: &AudioSettings,
    ) -> Result<(), Error> {
        self.prepare(id, spec, settings)?;
        let Some(voice) = self.voices.get_mut(id) else {
            return Err(Error::CreationFailed);
        };
        voice.play(source)
    }

    /// Changes how loud a stream is.
    pub(super) fn set_volume(&self, id: &TransportId, volume: Volume) {
        if let Some(voice) = self.voices.get(id) {
            voice.set_volume(volume);
        }
    }

    /// Begins the last fade of what a stream plays.
    pub(super) fn stop(&mut self, id: &TransportId, now: Instant) {
        if let Some(voice) = self.voices.get_mut(id) {
            voice.stop(now);
        }
    }

    /// Begins the last fade of all streams.
    pub(super) fn stop_all(&mut self, now: Instant) {
        for voice in self.voices.values_mut() {
            voice.stop(now);
        }
    }

    /// Lets go of a stream, after its last fade.
    pub(super) fn release(&mut self, id: &TransportId, now: Instant) {
        if let Some(mut voice) = self.voices.remove(id) {
            voice.stop(now);
            self.leaving.push(voice);
        }
    }

    /// Puts streams that faded out to rest, and drops those that leave; says whether some still
    /// fade.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        self.leaving.retain_mut(|voice| voice.settle(now));
        let fading = self.voices.values_mut().filter_map(|voice| {
            let fading = voice.settle(now);
            fading.then_some(())
        });
        fading.count() > 0 || !self.leaving.is_empty()
    }

    /// Moves every stream to the output that is asked for now.
    pub(super) fn aim(&self, settings: &AudioSettings) {
        let Some((_, _, metadata)) = &self.metadata else {
            return;
        };
        // The session manager reads this as "wherever the default is".
        let target = self.target(settings).unwrap_or_else(|| "-1".to_owned());
        for voice in self.voices.values() {
            metadata.set_property(
                voice.node(),
                "target.object",
                Some("Spa:String"),
                Some(&target),
            );
        }
    }

    fn aim_when_found(&self, settings: &AudioSettings) {
        if self.is_settled() && self.target(settings).is_some() {
            self.aim(settings);
        }
    }
}
