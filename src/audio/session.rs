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
use pipewire::properties::{PropertiesBox, properties};
use pipewire::registry::{GlobalObject, Listener as RegistryListener, RegistryRc};
use pipewire::spa::utils::dict::DictRef;
use pipewire::types::ObjectType;
use pipewire::{Error, keys};

use crate::pcm::Source;
use crate::pcm::shaping::Shape;
use crate::policy::model::{Address, Volume};

use super::graph::{Endpoint, Graph};
use super::links::{self, Links};
use super::metadata::{Defaults, SecondLook};
use super::notice::{Inbox, Notice, Outcome};
use super::voice::Voice;
use super::{AudioSettings, StreamKey, StreamSpec};

/// How much of the server's answers is in.
#[derive(PartialEq)]
enum Settling {
    /// The list of objects is on its way.
    Objects,
    /// So are the defaults.
    Defaults,
    /// All is known.
    Settled,
    /// All is known, and the defaults are told once more in case some were missed.
    Again,
}

/// The connection and what plays through it.
pub(super) struct Session {
    voices: BTreeMap<StreamKey, Voice>,
    leaving: Vec<Voice>,
    /// How many voices there were.
    made: u64,
    graph: Graph,
    links: Links,
    settling: Settling,
    defaults: Option<Defaults>,
    second_look: SecondLook,
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
                if matches!(
                    object.type_,
                    ObjectType::Node | ObjectType::Metadata | ObjectType::Link
                ) {
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
            links: Links::default(),
            settling: Settling::Objects,
            defaults: None,
            second_look: SecondLook::default(),
            _registry_listener: registry_listener,
            _core_listener: core_listener,
            registry,
            core,
            inbox: Rc::clone(inbox),
        })
    }

    /// Works a notice off.
    pub(super) fn take(
        &mut self,
        notice: Notice,
        settings: &AudioSettings,
        now: Instant,
    ) -> Outcome {
        match notice {
            Notice::ServerLost { error } => {
                tracing::debug!(error, "PipeWire closed the connection");
                return Outcome::Lost;
            }
            Notice::Answered => self.answered(now),
            Notice::Appeared(object) => self.appeared(object, settings, now),
            Notice::Vanished(id) => self.vanished(id, now),
            Notice::LinkChanged { id, carries } => {
                let node = self.links.change(id, carries);
                self.heed_links(node);
            }
            Notice::OutputChosen(value) => self.graph.set_default_output(value.as_deref()),
            Notice::InputChosen(value) => self.graph.set_default_input(value.as_deref()),
            Notice::VoiceFailed { key, serial, error } => {
                if self
                    .voices
                    .get(&key)
                    .is_some_and(|it| it.serial() == serial)
                {
                    self.voices.remove(&key);
                    return Outcome::Ended(key, error);
                }
            }
            Notice::CaptureFailed {
                phone,
                serial,
                error,
            } => return Outcome::Deaf(phone, serial, error),
        }
        Outcome::Known
    }

    fn answered(&mut self, now: Instant) {
        self.settling = match self.settling {
            // They are told by an object that was only found while the list came in.
            Settling::Objects if self.core.sync(0).is_ok() => Settling::Defaults,
            Settling::Again => {
                self.graph.settle_defaults();
                self.second_look.looked(self.graph.lacks_defaults(), now);
                Settling::Settled
            }
            _ => Settling::Settled,
        };
    }

    fn appeared(
        &mut self,
        object: GlobalObject<PropertiesBox>,
        settings: &AudioSettings,
        now: Instant,
    ) {
        if object.type_ == ObjectType::Link {
            return self.linked(&object);
        }
        let Some(properties) = &object.props else {
            return;
        };
        let properties: &DictRef = properties.as_ref();
        if object.type_ == ObjectType::Node {
            if self.graph.add(object.id, |key| properties.get(key)) {
                self.second_look.expect_change(now);
            }
            self.aim_when_found(settings);
        } else if properties.get("metadata.name") == Some("default") {
            self.defaults = listened(Defaults::listen(object, &self.registry, &self.inbox));
        }
    }

    fn vanished(&mut self, id: u32, now: Instant) {
        if self.graph.remove(id) {
            self.second_look.expect_change(now);
        }
        if self.defaults.as_ref().is_some_and(|it| it.id() == id) {
            self.defaults = None;
            self.graph.forget_defaults();
        }
        let node = self.links.remove(id);
        self.heed_links(node);
    }

    fn linked(&mut self, link: &GlobalObject<PropertiesBox>) {
        let Some(ends) = links::ends(link) else {
            return;
        };
        if self.voices.values().any(|voice| voice.node() == ends.0) {
            if let Err(error) = self.links.add(link, ends, &self.registry, &self.inbox) {
                // The stream does not wait for this one.
                tracing::debug!(%error, "PipeWire's link cannot be listened to");
            }
        }
    }

    /// Tells the voice behind `node` whether it is linked.
    fn heed_links(&self, node: Option<u32>) {
        let Some(node) = node else {
            return;
        };
        let voice = self.voices.values().find(|voice| voice.node() == node);
        if let (Some(voice), Some(on)) = (voice, self.links.is_linked(node)) {
            voice.link(on);
        }
    }

    /// Has the defaults told once more when that is due.
    pub(super) fn look_again(&mut self, now: Instant) {
        if self.settling != Settling::Settled || !self.second_look.is_due(now) {
            return;
        }
        let Some(defaults) = self.defaults.take() else {
            return;
        };
        self.defaults = listened(defaults.listen_again(&self.registry, &self.inbox));
        if self.defaults.is_some() && self.core.sync(0).is_ok() {
            self.graph.doubt_defaults();
            self.settling = Settling::Again;
        }
    }

    /// When [`look_again`](Self::look_again) has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        // Until all is known there is an answer to wait for.
        let settled = self.settling == Settling::Settled;
        self.second_look.due().filter(|_| settled)
    }

    /// Says whether all that the server has to tell at first has been told.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.settling, Settling::Settled | Settling::Again)
    }

    /// Returns where sound goes, as people know it.
    pub(super) fn output(&self, settings: &AudioSettings) -> Option<String> {
        let output = self.graph.output(settings.output.as_deref())?;
        Some(output.description.clone())
    }

    /// Returns what the room is heard with, once that is settled.
    pub(super) fn microphone(&self, settings: &AudioSettings) -> Option<&Endpoint> {
        if !self.is_settled() {
            return None;
        }
        self.graph.microphone(settings.microphone.as_deref())
    }

    /// The connection itself, for streams that are not voices.
    pub(super) fn core(&self) -> &CoreRc {
        &self.core
    }

    /// Returns the name of the output that was asked for. While it is not there the session
    /// manager decides.
    fn target(&self, settings: &AudioSettings) -> Option<String> {
        let output = self.graph.find(settings.output.as_deref()?)?;
        Some(output.name.clone())
    }

    /// Has a voice ready for what will be played; one that has to be made is `hushed`, or not.
    pub(super) fn prepare(
        &mut self,
        key: &StreamKey,
        spec: &StreamSpec,
        hushed: bool,
        settings: &AudioSettings,
    ) -> Result<(), Error> {
        if let Some(voice) = self.voices.get(key) {
            if voice.suits(spec) {
                voice.set_volume(spec.volume);
                return Ok(());
            }
        }
        let target = self.target(settings);
        let core = self.core.clone();
        self.made += 1;
        let named = (key, self.made);
        let mut voice = Voice::new(core, named, spec, hushed, target.as_deref(), &self.inbox)?;
        voice.reshape(&settings.shape);
        self.voices.insert(key.clone(), voice);
        Ok(())
    }

    /// Plays a source, in place of what the stream played before.
    pub(super) fn play(
        &mut self,
        key: &StreamKey,
        spec: &StreamSpec,
        hushed: bool,
        source: Box<dyn Source + Send>,
        settings: &AudioSettings,
    ) -> Result<(), Error> {
        self.prepare(key, spec, hushed, settings)?;
        let Some(voice) = self.voices.get_mut(key) else {
            return Err(Error::CreationFailed);
        };
        voice.play(source)
    }

    /// Changes how loud a stream is.
    pub(super) fn set_volume(&self, key: &StreamKey, volume: Volume) {
        if let Some(voice) = self.voices.get(key) {
            voice.set_volume(volume);
        }
    }

    /// Has another thing done to all that plays.
    pub(super) fn reshape(&mut self, shape: &Shape) {
        for voice in self.voices.values_mut() {
            voice.reshape(shape);
        }
    }

    /// Returns the voice of a phone's calls.
    pub(super) fn voice(&self, phone: Address) -> Option<&Voice> {
        self.voices.get(&StreamKey::Voice(phone))
    }

    /// Has a stream not heard whatever its volume, or heard again.
    pub(super) fn hush(&self, key: &StreamKey, on: bool) {
        if let Some(voice) = self.voices.get(key) {
            voice.hush(on);
        }
    }

    /// Has each stream not heard, or heard again, as is said of it.
    pub(super) fn hush_all(&self, on: impl Fn(&StreamKey) -> bool) {
        for (key, voice) in &self.voices {
            voice.hush(on(key));
        }
    }

    /// Begins the last fade of what a stream plays.
    pub(super) fn stop(&mut self, key: &StreamKey, now: Instant) {
        if let Some(voice) = self.voices.get_mut(key) {
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
    pub(super) fn release(&mut self, key: &StreamKey, now: Instant) {
        if let Some(mut voice) = self.voices.remove(key) {
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

    /// Moves every stream that plays to the output that is asked for now.
    pub(super) fn aim(&self, settings: &AudioSettings) {
        let Some(defaults) = &self.defaults else {
            return;
        };
        let target = self.target(settings);
        for voice in self.voices.values() {
            defaults.aim(voice.node(), target.as_deref());
        }
    }

    fn aim_when_found(&self, settings: &AudioSettings) {
        if self.is_settled() && self.target(settings).is_some() {
            self.aim(settings);
        }
    }
}

fn listened(defaults: Result<Defaults, Error>) -> Option<Defaults> {
    defaults
        .inspect_err(|error| tracing::debug!(%error, "PipeWire's metadata cannot be read"))
        .ok()
}
