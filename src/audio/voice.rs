//! One stream in PipeWire that plays.
//!
//! Invariant: made, steered and dropped on the audio thread; what runs on the real-time thread is
//! given away at once and never touched again.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipewire::Error;
use pipewire::core::CoreRc;
use pipewire::spa::pod::Pod;
use pipewire::spa::sys as spa;
use pipewire::spa::utils::Direction;
use pipewire::stream::{StreamFlags, StreamListener, StreamRc, StreamState};

use crate::pcm::Source;
use crate::pcm::shaping::{Shape, Shaper};
use crate::policy::model::Volume;

use super::callback::{Controls, Turner};
use super::describe;
use super::hatch::{Hatch, hatch};
use super::notice::{Inbox, Notice};
use super::reference::Reference;
use super::{StreamKey, StreamSpec};

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
    hatch: Hatch<Box<dyn Source + Send>>,
    shapers: Hatch<Box<Shaper>>,
    /// What is to be done to its sound, if there was no room to hand that over.
    shape: Option<Shape>,
    rate: u32,
    channels: u8,
    prompt: bool,
    /// What it plays, if it is the other end of a call.
    reference: Option<Arc<Reference>>,
    /// Until when the last fade of what is played may take, once it has begun.
    fades: Option<Instant>,
}

impl Voice {
    /// Makes a silent one with a number of its own, hushed or not, and for the output with the name
    /// `target` if one is given.
    pub(super) fn new(
        core: CoreRc,
        (key, serial): (&StreamKey, u64),
        spec: &StreamSpec,
        hushed: bool,
        target: Option<&str>,
        inbox: &Rc<RefCell<Inbox>>,
    ) -> Result<Self, Error> {
        let stream = StreamRc::new(core, "dotd", describe::playback(key, spec, target))?;
        let controls = Arc::new(Controls::new(spec.volume.gain(), hushed));
        let (sources, inlet) = hatch();
        let (shapers, shaping) = hatch();
        let mono = spec.channels == 1;
        let reference = (mono && matches!(key, StreamKey::Voice(_)))
            .then(|| Arc::new(Reference::new(spec.rate)));
        let format = (spec.rate, spec.channels);
        let inlets = (inlet, shaping);
        let turner = Turner::new(inlets, Arc::clone(&controls), format, reference.clone());
        let turns = stream
            .add_local_listener_with_user_data(turner)
            .process(|stream, turner| turner.process(stream))
            .register()?;
        let (inbox, key) = (Rc::clone(inbox), key.clone());
        let lent = Arc::clone(&controls);
        let changes = stream
            .add_local_listener_with_user_data(())
            .state_changed(move |_, (), _, new| {
                if let StreamState::Error(error) = new {
                    let key = key.clone();
                    let notice = Notice::VoiceFailed { key, serial, error };
                    inbox.borrow_mut().push(notice);
                }
            })
            .io_changed(move |_, (), area_id, area, _| {
                if area_id == spa::SPA_IO_RateMatch {
                    lent.rate_match().lend(area.cast());
                }
            })
            .register()?;
        let format = describe::format(spec.rate, spec.channels)?;
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
            hatch: sources,
            shapers,
            shape: None,
            rate: spec.rate,
            channels: spec.channels,
            prompt: spec.prompt,
            reference,
            fades: None,
        })
    }

    /// Says whether what is described so can be played by this voice.
    pub(super) fn suits(&self, spec: &StreamSpec) -> bool {
        let wanted = (spec.rate, spec.channels, spec.prompt);
        (self.rate, self.channels, self.prompt) == wanted && self.hatch.has_room()
    }

    /// Plays a source, in place of the one before, and takes a last fade back.
    pub(super) fn play(&mut self, source: Box<dyn Source + Send>) -> Result<(), Error> {
        // Before the source is there: a turn that still sees the last fade would give it back.
        self.fades = None;
        self.controls.play();
        self.hand_shape();
        self.hatch.hand(source).map_err(|_| Error::CreationFailed)?;
        self.stream.set_active(true)
    }

    /// Has this done to what it plays, in place of what was done before.
    pub(super) fn reshape(&mut self, shape: &Shape) {
        self.shape = Some(shape.clone());
        self.hand_shape();
    }

    /// Hands over what is to be done, as soon as there is room: while nobody pulls, none is taken.
    fn hand_shape(&mut self) {
        self.shapers.sweep();
        if let Some(shape) = self.shape.take_if(|_| self.shapers.has_room()) {
            let shaper = Shaper::new(&shape, self.rate, usize::from(self.channels));
            if self.shapers.hand(Box::new(shaper)).is_err() {
                self.shape = Some(shape);
            }
        }
    }

    /// The number it was made with.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// Returns what it plays, for who captures at `rate` Hz what comes back of it.
    pub(super) fn reference(&self, rate: u32) -> Option<&Arc<Reference>> {
        self.reference.as_ref().filter(|_| self.rate == rate)
    }

    /// The stream's node in the graph.
    pub(super) fn node(&self) -> u32 {
        self.stream.node_id()
    }

    pub(super) fn set_volume(&self, volume: Volume) {
        self.controls.set_gain(volume.gain());
    }

    /// Has it not heard whatever its volume, or heard again.
    pub(super) fn hush(&self, on: bool) {
        self.controls.hush(on);
    }

    /// Sound goes out of it from now on, on all channels, or no longer.
    pub(super) fn link(&self, on: bool) {
        self.controls.link(on);
    }

    /// Begins the last fade.
    pub(super) fn stop(&mut self, now: Instant) {
        self.controls.stop();
        self.fades.get_or_insert(now + LAST_WORD);
    }

    /// Rests when the last fade is over; says whether it is still under way.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        self.hand_shape();
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
