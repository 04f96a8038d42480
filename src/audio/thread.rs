//! The thread that owns all of PipeWire's objects.
//!
//! Invariant: one loop: let PipeWire run until there is something to do, work off what it told,
//! work off the orders, tell the daemon. It never blocks on the queue of events, whose reader may
//! be waiting for this thread to end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pipewire::channel::{self, Receiver, Sender};
use pipewire::context::ContextRc;
use pipewire::keys;
use pipewire::loop_::Timeout;
use pipewire::main_loop::MainLoopRc;
use pipewire::properties::properties;
use tokio::sync::mpsc as queue;
use tokio::sync::mpsc::error::TrySendError;

use crate::pcm::Source;
use crate::policy::Event;
use crate::policy::model::{TransportId, Volume};

use super::session::{Inbox, Outcome, Session};
use super::{AudioError, AudioSettings, StreamSpec};

/// libpipewire parses its configuration on this stack.
const STACK: usize = 512 * 1024;
/// How often to look for a server that is not there: it takes a few seconds to boot anyway.
const LOOK: Duration = Duration::from_millis(500);
/// How often to look at what has no descriptor to wait on: last fades, a full queue of events.
const SOON: Duration = Duration::from_millis(10);

/// How long all last fades together may take when the daemon ends.
const LAST_FADES: Duration = Duration::from_millis(100);

/// What the thread can be told.
pub(super) enum Order {
    Prepare {
        id: TransportId,
        spec: StreamSpec,
    },
    Play {
        id: TransportId,
        spec: StreamSpec,
        source: Box<dyn Source + Send>,
    },
    SetVolume {
        id: TransportId,
        volume: Volume,
    },
    Stop {
        id: TransportId,
    },
    Release {
        id: TransportId,
    },
    Reconfigure(AudioSettings),
    Quit,
}

/// Starts the thread, and returns once libpipewire is known to work.
pub(super) fn start(
    settings: AudioSettings,
    events: queue::Sender<Event>,
) -> Result<(Sender<Order>, JoinHandle<()>), AudioError> {
    let (sender, orders) = channel::channel();
    let (ready, started) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("dotd-audio".to_owned())
        .stack_size(STACK)
        .spawn(move || match library() {
            Ok((main_loop, context)) => {
                ready.send(Ok(())).ok();
                Room::new(context, settings, events).run(&main_loop, orders);
            }
            Err(error) => {
                ready.send(Err(error)).ok();
            }
        })
        .map_err(AudioError::Thread)?;
    match started.recv() {
        Ok(Err(error)) => Err(AudioError::Library(error)),
        _ => Ok((sender, thread)),
    }
}

fn library() -> Result<(MainLoopRc, ContextRc), pipewire::Error> {
    pipewire::init();
    let main_loop = MainLoopRc::new(None)?;
    let properties = properties! { *keys::APP_NAME => "dotd" };
    let context = ContextRc::new(&main_loop, Some(properties))?;
    Ok((main_loop, context))
}

/// All that the thread has.
struct Room {
    context: ContextRc,
    settings: AudioSettings,
    session: Option<Session>,
    inbox: Rc<RefCell<Inbox>>,
    look: Instant,
    /// What was last told of the server: nothing while it is away, else its output.
    told: Option<Option<String>>,
    events: queue::Sender<Event>,
    untold: VecDeque<Event>,
}

impl Room {
    fn new(context: ContextRc, settings: AudioSettings, events: queue::Sender<Event>) -> Self {
        Self {
            context,
            settings,
            session: None,
            inbox: Rc::default(),
            look: Instant::now(),
            told: None,
            events,
            untold: VecDeque::new(),
        }
    }

    fn run(mut self, main_loop: &MainLoopRc, orders: Receiver<Order>) {
        let arrived = Rc::new(RefCell::new(VecDeque::new()));
        let arriving = Rc::clone(&arrived);
        let _attached = orders.attach(main_loop.loop_(), move |order| {
            arriving.borrow_mut().push_back(order);
        });
        loop {
            let busy = self.settle(Instant::now());
            let timeout = match (busy, &self.session) {
                (true, _) => Timeout::Finite(SOON),
                (false, None) => {
                    Timeout::Finite(self.look.saturating_duration_since(Instant::now()) + SOON)
                }
                (false, Some(_)) => Timeout::Infinite,
            };
            main_loop.loop_().iterate(timeout);
            self.work_off_notices();
            // Taken out first: carrying an order out may let PipeWire call back.
            let orders: Vec<Order> = arrived.borrow_mut().drain(..).collect();
            for order in orders {
                match order {
                    Order::Quit => return self.fade_out(main_loop),
                    order => self.carry_out(order, Instant::now()),
                }
            }
        }
    }

    /// Silences everything before it ends, since an end in mid-sound is a click.
    fn fade_out(&mut self, main_loop: &MainLoopRc) {
        let until = Instant::now() + LAST_FADES;
        if let Some(session) = &mut self.session {
            session.stop_all(Instant::now());
            while session.settle(Instant::now()) && Instant::now() < until {
                main_loop.loop_().iterate(Timeout::Finite(SOON));
            }
        }
    }

    /// Brings everything up to date; says whether to come back soon.
    fn settle(&mut self, now: Instant) -> bool {
        if self.session.is_none() && now >= self.look {
            self.look = now + LOOK;
            match Session::connect(&self.context, &self.settings, &self.inbox) {
                Ok(session) => self.session = Some(session),
                Err(error) => tracing::trace!(%error, "no PipeWire yet"),
            }
        }
        let fading = self.session.as_mut().is_some_and(|s| s.settle(now));
        self.note_output();
        fading || !self.tell()
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

    fn work_off_notices(&mut self) {
        let notices = self.inbox.take();
        for notice in notices {
            let Some(session) = &mut self.session else {
                return;
            };
            match session.take(notice, &self.settings) {
                Outcome::Known => {}
                Outcome::Lost => self.lose(),
                Outcome::Ended(transport, error) => {
                    // First whether there is an output at all: that may be why.
                    self.note_output();
                    self.untold.push_back(Event::StreamEnded {
                        transport,
                        error: Some(format!("PipeWire refused the stream: {error}")),
                    });
                }
            }
        }
    }

    fn lose(&mut self) {
        self.session = None;
        self.look = Instant::now() + LOOK;
        if self.told.take().is_some() {
            self.untold.push_back(Event::AudioLost);
        }
    }

    fn carry_out(&mut self, order: Order, now: Instant) {
        if let Order::Reconfigure(settings) = order {
            return self.reconfigure(settings);
        }
        let Some(session) = &mut self.session else {
            return;
        };
        match order {
            Order::Prepare { id, spec } => {
                if let Err(error) = session.prepare(&id, &spec, &self.settings) {
                    // It is tried again, and told if need be, when there is something to play.
                    tracing::debug!(%error, "PipeWire takes no stream yet");
                }
            }
            Order::Play { id, spec, source } => {
                if let Err(error) = session.play(&id, &spec, source, &self.settings) {
                    self.untold.push_back(Event::StreamEnded {
                        transport: id,
                        error: Some(format!(
                            "PipeWire takes no stream: {error}; see `journalctl -u dotd-pipewire`"
                        )),
                    });
                }
            }
            Order::SetVolume { id, volume } => session.set_volume(&id, volume),
            Order::Stop { id } => session.stop(&id, now),
            Order::Release { id } => session.release(&id, now),
            Order::Reconfigure(_) | Order::Quit => {}
        }
    }

    fn reconfigure(&mut self, settings: AudioSettings) {
        let elsewhere = settings.remote != self.settings.remote;
        self.settings = settings;
        if elsewhere {
            self.lose();
            self.look = Instant::now();
        } else if let Some(session) = &self.session {
            session.aim(&self.settings);
        }
    }
}
