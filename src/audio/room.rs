//! All that the audio thread has: the session with the server while there is one, and what is
//! wanted of it whether there is one or not.
//!
//! Invariant: who listens and what is hushed outlives the server; what plays does not. Whatever is
//! told of outputs and microphones is told once it is settled, and once.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use pipewire::context::ContextRc;
use pipewire::loop_::Timeout;
use pipewire::main_loop::MainLoopRc;
use tokio::sync::mpsc as queue;
use tokio::sync::mpsc::error::TrySendError;

use crate::pcm::Source;
use crate::policy::Event;
use crate::policy::calls::event::HandsFreeFact;

use super::listening::Listening;
use super::notice::{Inbox, Outcome};
use super::session::Session;
use super::thread::Order;
use super::{AudioSettings, StreamKey, StreamSpec};

/// How often to look for a server that is not there: it takes a few seconds to boot anyway.
const LOOK: Duration = Duration::from_millis(500);
/// How often to look at what has no descriptor to wait on: last fades, a full queue of events.
const SOON: Duration = Duration::from_millis(10);

/// How long all last fades together may take when the daemon ends.
const LAST_FADES: Duration = Duration::from_millis(100);

/// All that the thread has.
pub(super) struct Room {
    context: ContextRc,
    settings: AudioSettings,
    session: Option<Session>,
    inbox: Rc<RefCell<Inbox>>,
    look: Instant,
    /// The streams that are not to be heard, be they there or not.
    hushed: BTreeSet<StreamKey>,
    /// No stream is to be heard.
    muted: bool,
    listening: Listening,
    /// What was last told of the server: nothing while it is away, else its output.
    told: Option<Option<String>>,
    /// The microphone that was last told of.
    told_microphone: Option<String>,
    /// What was last told of why callers hear the echo of themselves.
    told_echo: Option<String>,
    events: queue::Sender<Event>,
    untold: VecDeque<Event>,
}

impl Room {
    /// Makes one without a server; the first [`settle`](Self::settle) looks for it.
    pub(super) fn new(
        context: ContextRc,
        settings: AudioSettings,
        events: queue::Sender<Event>,
    ) -> Self {
        Self {
            context,
            settings,
            session: None,
            inbox: Rc::default(),
            look: Instant::now(),
            hushed: BTreeSet::new(),
            muted: false,
            listening: Listening::default(),
            told: None,
            told_microphone: None,
            told_echo: None,
            events,
            untold: VecDeque::new(),
        }
    }

    /// Brings everything up to date; says for how long that is enough if nothing happens.
    pub(super) fn settle(&mut self, now: Instant) -> Timeout {
        self.look_for_server(now);
        let fading = self.session.as_mut().is_some_and(|it| it.settle(now));
        if let Some(session) = &mut self.session {
            session.look_again(now);
            let session = &*session;
            let microphone = session.microphone(&self.settings);
            let cancels = self.settings.echo_cancelling;
            let voice = |phone| session.voice(phone).filter(|_| cancels);
            let core = session.core();
            self.listening
                .attend(core, microphone, voice, &self.inbox, now);
        }
        self.note_output();
        self.note_microphone();
        self.note_echo();
        let told = self.tell();
        if fading || !told {
            return Timeout::Finite(SOON);
        }
        let due = match &self.session {
            Some(session) => [self.listening.due(), session.due()]
                .into_iter()
                .flatten()
                .min(),
            None => Some(self.look),
        };
        due.map_or(Timeout::Infinite, |due| {
            Timeout::Finite(due.saturating_duration_since(now) + SOON)
        })
    }

    fn look_for_server(&mut self, now: Instant) {
        if self.session.is_none() && now >= self.look {
            self.look = now + LOOK;
            match Session::connect(&self.context, &self.settings, &self.inbox) {
                Ok(session) => self.session = Some(session),
                Err(error) => tracing::trace!(%error, "no PipeWire yet"),
            }
        }
    }

    /// Takes down where sound goes, if that has changed.
    fn note_output(&mut self) {
        if let Some(session) = self.session.as_ref().filter(|s| s.is_settled()) {
            let output = session.output(&self.settings);
            if self.told.as_ref() != Some(&output) {
                self.untold.push_back(Event::AudioFound {
                    output: output.clone(),
                });
                self.told = Some(output);
            }
        }
    }

    /// Takes down what the room is heard with, if that has changed.
    fn note_microphone(&mut self) {
        let session = self.session.as_ref();
        let microphone = session.and_then(|it| it.microphone(&self.settings));
        let name = microphone.map(|it| it.description.clone());
        if self.told_microphone != name {
            self.untold
                .push_back(Event::MicrophoneFound { name: name.clone() });
            self.told_microphone = name;
        }
    }

    /// Takes down why callers hear the echo of themselves, if that has changed.
    fn note_echo(&mut self) {
        let problem = self.listening.echo_problem();
        if self.told_echo.as_deref() != problem {
            self.told_echo = problem.map(str::to_owned);
            self.untold.push_back(Event::EchoCancelling {
                problem: self.told_echo.clone(),
            });
        }
    }

    /// Tells the daemon what it does not know; says whether that is all.
    fn tell(&mut self) -> bool {
        while let Some(event) = self.untold.pop_front() {
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.untold.push_front(event);
                return false;
            }
        }
        true
    }

    /// Works off what PipeWire told.
    pub(super) fn work_off_notices(&mut self, now: Instant) {
        let notices = self.inbox.take();
        for notice in notices {
            let Some(session) = &mut self.session else {
                return;
            };
            match session.take(notice, &self.settings, now) {
                Outcome::Known => {}
                Outcome::Lost => self.lose(),
                Outcome::Ended(key, error) => {
                    // First whether there is an output at all: that may be why.
                    self.note_output();
                    self.unheard(key, format!("PipeWire refused the stream: {error}"));
                }
                Outcome::Deaf(phone, serial, error) => {
                    self.listening.failed(phone, serial, &error, now);
                }
            }
        }
    }

    /// A stream is not heard: takes that down for whom it concerns.
    fn unheard(&mut self, key: StreamKey, error: String) {
        let event = match key {
            StreamKey::Music(transport) => Event::StreamEnded {
                transport,
                error: Some(error),
            },
            StreamKey::Voice(phone) => Event::HandsFree {
                phone,
                fact: HandsFreeFact::VoiceUnheard { error },
            },
            StreamKey::Ring => {
                // The phone rings all the same, and nothing waits for our tone.
                tracing::warn!(
                    "the ring tone is not heard: {error}; see `journalctl -u dotd-pipewire`"
                );
                return;
            }
        };
        self.untold.push_back(event);
    }

    fn lose(&mut self) {
        self.session = None;
        self.listening.lose();
        self.look = Instant::now() + LOOK;
        self.note_microphone();
        if self.told.take().is_some() {
            self.untold.push_back(Event::AudioLost);
        }
    }

    /// Carries an order out, as far as that is possible without a server.
    pub(super) fn carry_out(&mut self, order: Order, now: Instant) {
        match order {
            Order::Prepare { key, spec } => self.prepare(&key, &spec),
            Order::Play { key, spec, source } => self.play(key, &spec, source),
            Order::SetVolume { key, volume } => {
                if let Some(session) = &self.session {
                    session.set_volume(&key, volume);
                }
            }
            Order::Hush { key, on } => self.hush(key, on),
            Order::Mute { on } => self.mute(on),
            Order::Stop { key } => {
                if let Some(session) = &mut self.session {
                    session.stop(&key, now);
                }
            }
            Order::Release { key } => {
                self.hushed.remove(&key);
                if let Some(session) = &mut self.session {
                    session.release(&key, now);
                }
            }
            Order::Listen {
                phone,
                name,
                rate,
                sinks,
            } => self.listening.begin(phone, name, rate, sinks),
            Order::PrepareToListen { phone, name, rate } => {
                self.listening.prepare(phone, name, rate);
            }
            Order::StopListening { phone } => self.listening.end(phone),
            Order::Reconfigure(settings) => self.reconfigure(settings),
            // The loop ends before it comes to that.
            Order::Quit => {}
        }
    }

    fn prepare(&mut self, key: &StreamKey, spec: &StreamSpec) {
        let hushed = self.is_hushed(key);
        if let Some(session) = &mut self.session {
            if let Err(error) = session.prepare(key, spec, hushed, &self.settings) {
                // It is tried again, and told if need be, when there is something to play.
                tracing::debug!(%error, "PipeWire takes no stream yet");
            }
        }
    }

    fn play(&mut self, key: StreamKey, spec: &StreamSpec, source: Box<dyn Source + Send>) {
        let hushed = self.is_hushed(&key);
        if let Some(session) = &mut self.session {
            if let Err(error) = session.play(&key, spec, hushed, source, &self.settings) {
                let error =
                    format!("PipeWire takes no stream: {error}; see `journalctl -u dotd-pipewire`");
                self.unheard(key, error);
            }
        }
    }

    fn is_hushed(&self, key: &StreamKey) -> bool {
        self.muted || self.hushed.contains(key)
    }

    fn hush(&mut self, key: StreamKey, on: bool) {
        if let Some(session) = &self.session {
            session.hush(&key, on || self.muted);
        }
        if on {
            self.hushed.insert(key);
        } else {
            self.hushed.remove(&key);
        }
    }

    fn mute(&mut self, on: bool) {
        self.muted = on;
        if let Some(session) = &self.session {
            session.hush_all(|key| self.is_hushed(key));
        }
    }

    fn reconfigure(&mut self, settings: AudioSettings) {
        let elsewhere = settings.remote != self.settings.remote;
        if settings.echo_cancelling != self.settings.echo_cancelling {
            self.listening.forget_echo_problem();
        }
        let reshaped = settings.shape != self.settings.shape;
        self.settings = settings;
        if let Some(session) = self.session.as_mut().filter(|_| reshaped) {
            session.reshape(&self.settings.shape);
        }
        if elsewhere {
            self.lose();
            self.look = Instant::now();
        } else if let Some(session) = &self.session {
            session.aim(&self.settings);
        }
    }

    /// Silences everything before it ends, since an end in mid-sound is a click.
    pub(super) fn fade_out(&mut self, main_loop: &MainLoopRc) {
        let until = Instant::now() + LAST_FADES;
        if let Some(session) = &mut self.session {
            session.stop_all(Instant::now());
            while session.settle(Instant::now()) && Instant::now() < until {
                main_loop.loop_().iterate(Timeout::Finite(SOON));
            }
        }
    }
}
