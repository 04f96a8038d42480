//! The event loop: facts in, decisions through the policy, orders out.
//!
//! Invariant: the loop alone owns the policy, so nothing is ever decided twice or at once; READY is
//! told to systemd when the bus name is ours and the loop is about to turn.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{broadcast, mpsc, watch};

use super::calls::{Calls, abilities_at_first};
use super::error::DaemonError;
use super::executor::{Executor, Late, Streams};
use super::held::Held;
use super::logging;
use super::notify::Notify;
use super::recorder::Recorder;
use super::reloads::{Loaded, Reloads};
use super::signals::{self, Signal};
use super::timers::Timers;
use crate::api::{self, ApiError, MprisBus, Sources};
use crate::audio::{Audio, AudioSettings};
use crate::bluetooth::{Bluetooth, BluetoothError, CoverFolders, GatewaySocket};
use crate::cli::DaemonArgs;
use crate::config::{self, Settings};
use crate::handsfree;
use crate::policy::model::{Memory, Now};
use crate::policy::{Action, Event, Policy, Snapshot};
use crate::store::{Keeper, Outcome, Store, StoreTrouble};

/// How many facts may wait to be looked at; a room that is faster than that waits.
const EVENTS: usize = 256;
/// How many stories a slow listener may be behind before it misses some.
const STORIES: usize = 64;

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// What kept it from starting, or the room that ended under it.
pub(super) async fn run(arguments: DaemonArgs, settings: Settings) -> Result<(), DaemonError> {
    let mut signals = signals::listen().map_err(DaemonError::Signals)?;
    let (store, memory, trouble) = Store::open(&arguments.state_dir);
    let (events, mut inbox) = mpsc::channel(EVENTS);
    let (late, arrivals) = mpsc::unbounded_channel();
    let policy = policy(&settings, memory.clone(), trouble);
    let (snapshots, seen) = watch::channel(policy.snapshot());
    let (stories, _) = broadcast::channel(STORIES);

    let streams = Streams::new(events.clone(), late.clone(), settings.delay);
    let figures = streams.figures();
    let started = Instant::now();
    let (mpris, players_on) = watch::channel(mpris_bus(&settings));
    let sources = Sources {
        snapshots: seen,
        stories: stories.subscribe(),
        figures: Arc::new(move |transport: &_| figures.of(transport)),
        started,
        mpris: players_on,
        events: events.clone(),
    };
    let bus = zbus::Connection::system().await.map_err(ApiError::Bus)?;
    let (mut api, replies) = api::serve(&bus, sources).await?;
    let audio = Audio::start(audio_settings(&settings), events.clone())?;
    audio.mute(memory.muted);
    let (gateways, connected) = mpsc::unbounded_channel();
    let bluetooth = radio(&settings, events.clone(), gateways).await?;
    let executor = Executor {
        calls: Calls::new(events.clone(), late, &settings),
        bluetooth,
        audio,
        replies,
        stories,
        timers: Timers::new(events),
        streams,
    };
    let (outcomes, mut kept) = mpsc::unbounded_channel();
    let keeper = Keeper::start(store, memory, outcomes).map_err(DaemonError::Thread)?;

    let mut speaker = Speaker {
        policy,
        executor,
        snapshots,
        keeper,
        held: Held::default(),
        settings,
        reloads: Reloads::of(arguments.config),
        recorder: Recorder::open(arguments.record.as_deref())?,
        notify: Notify::default(),
        mpris,
        started,
    };
    speaker.notify.ready();
    let mut sockets = Sockets::new(arrivals, connected);
    let ended = tokio::select! {
        () = speaker.turn(&mut inbox, &mut sockets, &mut kept, &mut signals) => Ok(()),
        error = api.ended() => Err(error.into()),
    };
    speaker.end().await;
    ended
}

/// Makes the policy, which has to know if what is remembered is not all.
fn policy(settings: &Settings, memory: Memory, trouble: Option<StoreTrouble>) -> Policy {
    let mut policy = Policy::new(settings.rules.clone(), memory);
    if let Some(trouble) = trouble {
        tracing::warn!("{trouble}");
        if trouble.hides_the_state() {
            policy.trust_is_not_known();
        }
        policy.memory_was_lost(trouble.to_string());
    }
    policy
}

/// Starts the radio.
async fn radio(
    settings: &Settings,
    events: mpsc::Sender<Event>,
    gateways: mpsc::UnboundedSender<GatewaySocket>,
) -> Result<Bluetooth, BluetoothError> {
    let claims = handsfree::sdp_features(abilities_at_first(settings));
    let folders = CoverFolders::default();
    let bluetooth = Bluetooth::start(events, gateways, claims, folders).await?;
    bluetooth.fetch_covers(settings.players.covers);
    Ok(bluetooth)
}

fn audio_settings(settings: &Settings) -> AudioSettings {
    let config::AudioSettings {
        output,
        remote,
        microphone,
        echo_cancelling,
        shape,
    } = settings.audio.clone();
    AudioSettings {
        remote,
        output,
        microphone,
        echo_cancelling,
        shape,
    }
}

fn mpris_bus(settings: &Settings) -> MprisBus {
    match &settings.players.mpris {
        config::Mpris::Off => MprisBus::Off,
        config::Mpris::System => MprisBus::System,
        config::Mpris::Address(address) => MprisBus::Address(address.clone()),
    }
}

/// Where sockets come from, which only the loop touches.
struct Sockets {
    late: mpsc::UnboundedReceiver<Late>,
    gateways: mpsc::UnboundedReceiver<GatewaySocket>,
}

impl Sockets {
    fn new(
        late: mpsc::UnboundedReceiver<Late>,
        gateways: mpsc::UnboundedReceiver<GatewaySocket>,
    ) -> Self {
        Self { late, gateways }
    }
}

/// Everything the loop owns.
struct Speaker {
    policy: Policy,
    executor: Executor,
    snapshots: watch::Sender<Snapshot>,
    keeper: Keeper,
    /// What is said when what it promises is on the disk.
    held: Held,
    settings: Settings,
    reloads: Reloads,
    recorder: Recorder,
    notify: Notify,
    mpris: watch::Sender<MprisBus>,
    started: Instant,
}

impl Speaker {
    async fn turn(
        &mut self,
        inbox: &mut mpsc::Receiver<Event>,
        sockets: &mut Sockets,
        kept: &mut mpsc::UnboundedReceiver<Outcome>,
        signals: &mut mpsc::UnboundedReceiver<Signal>,
    ) {
        let pace = Notify::watchdog_interval();
        let mut alive = tokio::time::interval(pace.unwrap_or(Duration::from_secs(3600)));
        loop {
            tokio::select! {
                Some(event) = inbox.recv() => self.handle(event),
                Some(late) = sockets.late.recv() => self.executor.arrived(late),
                Some(gateway) = sockets.gateways.recv() => self.executor.calls.connected(gateway),
                Some(outcome) = kept.recv() => self.kept(outcome),
                loaded = self.reloads.next() => self.reloaded(loaded),
                signal = signals.recv() => match signal {
                    Some(Signal::Reload) => self.reload(),
                    Some(Signal::Stop) | None => return,
                },
                _ = alive.tick(), if pace.is_some() => self.notify.alive(),
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        tracing::debug!(?event);
        self.recorder.note(now, &event);
        let actions = self.policy.handle(now, event);
        let version = self.keeper.keep(self.policy.memory());
        for action in &actions {
            tracing::debug!(?action);
        }
        for action in self.held.sift(actions, version) {
            self.executor.carry_out(action);
        }
        let snapshot = self.policy.snapshot();
        self.notify.status(&snapshot);
        self.snapshots.send_if_modified(|shown| {
            let changed = *shown != snapshot;
            if changed {
                *shown = snapshot;
            }
            changed
        });
    }

    /// Says what waited for a write. One that failed is told of by itself, and what was asked for
    /// is in force all the same.
    fn kept(&mut self, outcome: Outcome) {
        for action in self.held.release(outcome.number) {
            self.executor.carry_out(action);
        }
        if let Some(news) = outcome.news {
            self.handle(news);
        }
    }

    fn reload(&mut self) {
        self.notify.reloading();
        self.reloads.ask();
    }

    fn reloaded(&mut self, loaded: Loaded) {
        match loaded {
            Ok(settings) => {
                if settings.audio != self.settings.audio {
                    self.executor.audio.reconfigure(audio_settings(&settings));
                    self.executor.cancel_echo(settings.audio.echo_cancelling);
                }
                if settings.players.mpris != self.settings.players.mpris {
                    self.mpris.send_replace(mpris_bus(&settings));
                }
                if settings.players.covers != self.settings.players.covers {
                    let wanted = settings.players.covers;
                    self.executor.bluetooth.fetch_covers(wanted);
                }
                self.executor.streams.set_delay(settings.delay);
                let ring_tone = settings.ring_tone.clone();
                self.executor.calls.set_ring_tone(ring_tone);
                self.settings = settings.clone();
                self.handle(Event::ConfigLoaded(settings.rules));
            }
            Err(problems) => {
                self.handle(Event::ConfigRefused {
                    // Quoted from a file, and a zero byte is the one thing the bus does not carry.
                    problems: problems.brief().replace('\0', " "),
                });
            }
        }
        // Whoever waits for a reload (systemd) waits for the last.
        if !self.reloads.are_under_way() {
            self.notify.ready();
        }
    }

    /// Leaves the air as it was found: not discoverable, no agent, no endpoints.
    async fn end(mut self) {
        self.notify.stopping();
        let Executor {
            bluetooth,
            audio,
            streams,
            calls,
            ..
        } = self.executor;
        drop(streams);
        drop(calls);
        drop(audio);
        bluetooth.stop().await;
        // This waits for the last write; then nothing keeps the journal from its last stories.
        drop(self.keeper);
        for action in self.held.release(u64::MAX) {
            if let Action::Tell(story) = action {
                logging::tell(&story);
            }
        }
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        Now {
            monotonic: self.started.elapsed(),
            unix,
        }
    }
}
