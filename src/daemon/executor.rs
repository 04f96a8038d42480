//! Carries out what the policy ordered.
//!
//! Invariant: never blocks the event loop. What takes time runs as a task and comes back as an event
//! or, where it brings a socket, as a [`Late`] result that only the loop touches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, mpsc};

use super::calls::{Calls, LateRing, LateVoice};
use super::logging;
use super::timers::Timers;
use crate::a2dp::{self, Music};
use crate::api::{Replies, StreamFigures};
use crate::audio::{Audio, Role, StreamKey, StreamSpec};
use crate::bluetooth::{Bluetooth, BluetoothError, MediaSocket};
use crate::pcm::playout::Delay;
use crate::pcm::{Meters, Nanos};
use crate::policy::model::{StreamFormat, TransportId, Volume};
use crate::policy::{Action, Event, Story, StreamAction};

/// For so long the air stays what it was, most likely.
const LATELY: Duration = Duration::from_secs(600);

/// The rooms that orders go to.
pub(super) struct Executor {
    pub(super) bluetooth: Bluetooth,
    pub(super) audio: Audio,
    pub(super) replies: Replies,
    pub(super) stories: broadcast::Sender<Story>,
    pub(super) timers: Timers,
    pub(super) streams: Streams,
    pub(super) calls: Calls,
}

/// The sound of the transports.
pub(super) struct Streams {
    playing: HashMap<TransportId, Playing>,
    figures: Figures,
    events: mpsc::Sender<Event>,
    late: mpsc::UnboundedSender<Late>,
    /// How many questions for the socket of a transport are not answered yet.
    asked: HashMap<TransportId, usize>,
    /// How long what is played next waits before it is heard.
    delay: Delay,
    /// How long the music of each transport had to wait when it last paused, and when that was.
    learned: HashMap<TransportId, (Duration, Instant)>,
}

/// A stream from its order on; its socket comes later.
struct Playing {
    spec: StreamSpec,
    format: StreamFormat,
    stream: Option<a2dp::Stream>,
}

/// What was waited for.
pub(super) enum Late {
    Stream(LateStream),
    Voice(LateVoice),
    Ring(LateRing),
}

/// A socket that was acquired, or not.
pub(super) struct LateStream {
    transport: TransportId,
    socket: Result<MediaSocket, BluetoothError>,
}

/// The live figures of the streams, for the D-Bus service to read at any time.
#[derive(Clone, Default)]
pub(super) struct Figures(Arc<Mutex<HashMap<TransportId, Arc<Meters>>>>);

impl Figures {
    /// Returns the figures of a stream that plays.
    pub(super) fn of(&self, transport: &TransportId) -> Option<StreamFigures> {
        let meters = self.lock().get(transport).cloned()?;
        let reading = meters.read();
        Some(StreamFigures {
            packets: reading.packets,
            lost: reading.lost,
            concealed: reading.concealed,
            underruns: reading.underruns.into(),
            buffered: reading.buffered,
            delay: reading.delay,
            drift_ppm: reading.drift_ppm.into(),
            bit_rate: reading.bit_rate,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TransportId, Arc<Meters>>> {
        // Nothing panics while it holds the lock, and a map of counters cannot be left half-made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor {
    /// Carries out one order.
    pub(super) fn carry_out(&mut self, action: Action) {
        match action {
            Action::Radio(order) => self.bluetooth.order(order),
            Action::Stream(order) => self.stream(order),
            Action::Sound(order) => self.sound(order),
            Action::HandsFree { phone, order } => self.hands_free(phone, order),
            Action::ArmTimer { timer, after } => self.timers.arm(timer, after),
            Action::CancelTimer { timer } => self.timers.cancel(timer),
            Action::Reply { id, result } => self.replies.resolve(id, result),
            Action::Tell(story) => {
                logging::tell(&story);
                // Fails only while nobody listens.
                self.stories.send(story).ok();
            }
        }
    }

    fn stream(&mut self, order: StreamAction) {
        match order {
            StreamAction::Prepare {
                transport,
                name,
                format,
                volume,
            } => {
                let key = StreamKey::Music(transport);
                let spec = self.streams.spec(name, format, volume);
                self.audio.prepare(key, spec);
            }
            StreamAction::Start {
                transport,
                name,
                format,
                volume,
            } => {
                let spec = self.streams.spec(name, format, volume);
                self.start(transport, spec, format);
            }
            StreamAction::Stop { transport } => {
                self.audio.stop(StreamKey::Music(transport.clone()));
                self.streams.remove(&transport);
            }
            StreamAction::GiveBack { transport } => {
                let given = self.bluetooth.give_back(transport);
                tokio::spawn(async move {
                    if let Err(error) = given.await {
                        tracing::warn!("{error}");
                    }
                });
            }
            StreamAction::Release { transport } => {
                self.streams.learned.remove(&transport);
                self.audio.release(StreamKey::Music(transport));
            }
            StreamAction::Hush { transport, on } => {
                self.audio.hush(StreamKey::Music(transport), on);
            }
            StreamAction::SetVolume { transport, volume } => {
                if let Some(playing) = self.streams.playing.get_mut(&transport) {
                    playing.spec.volume = volume;
                }
                self.audio.set_volume(StreamKey::Music(transport), volume);
            }
        }
    }

    /// Acquires a transport, and gives the sound of one that was acquired to PipeWire anew.
    fn start(&mut self, id: TransportId, spec: StreamSpec, format: StreamFormat) {
        let playing = self
            .streams
            .playing
            .entry(id.clone())
            .or_insert_with(|| Playing {
                spec: spec.clone(),
                format,
                stream: None,
            });
        playing.spec = spec;
        if let Some(stream) = &playing.stream {
            let key = StreamKey::Music(id.clone());
            self.audio.play(key, playing.spec.clone(), stream.source());
        }
        self.acquire(id);
    }

    /// Asks for the socket of a transport, whether or not there was one or an earlier question is not
    /// answered: a suspend may have overtaken that. BlueZ refuses where it need not have been asked.
    fn acquire(&mut self, transport: TransportId) {
        *self.streams.asked.entry(transport.clone()).or_default() += 1;
        let socket = self.bluetooth.acquire(transport.clone());
        let late = self.streams.late.clone();
        tokio::spawn(async move {
            let socket = socket.await;
            // Fails only when the daemon is ending; the socket closes then.
            late.send(Late::Stream(LateStream { transport, socket }))
                .ok();
        });
    }

    /// Goes on with what was waited for.
    pub(super) fn arrived(&mut self, late: Late) {
        match late {
            Late::Stream(late) => self.stream_arrived(late),
            Late::Voice(late) => self.voice_arrived(late),
            Late::Ring(late) => self.ring_arrived(late),
        }
    }

    /// Plays what comes out of a socket.
    fn stream_arrived(&mut self, late: LateStream) {
        let LateStream { transport, socket } = late;
        let last = self.streams.answered(&transport);
        let learned = self.streams.learned(&transport);
        let Some(playing) = self.streams.playing.get_mut(&transport) else {
            return;
        };
        // It is one and the same socket, however often BlueZ hands it out.
        if playing.stream.is_some() {
            return;
        }
        // A later question may be answered otherwise, and who has stopped is told to have.
        if matches!(&socket, Err(error) if !last || error.has_stopped()) {
            return;
        }
        let events = self.streams.events.clone();
        let stream = socket
            .map_err(|error| error.to_string())
            .and_then(|socket| {
                let music = Music {
                    format: playing.format,
                    delay: self.streams.delay,
                    learned,
                };
                let (fd, mtu) = (socket.fd, socket.read_mtu);
                a2dp::Stream::start(transport.clone(), fd, mtu, music, events)
                    .map_err(|error| error.to_string())
            });
        match stream {
            Ok(stream) => {
                let key = StreamKey::Music(transport.clone());
                self.audio.play(key, playing.spec.clone(), stream.source());
                self.streams
                    .figures
                    .lock()
                    .insert(transport, stream.meters());
                playing.stream = Some(stream);
            }
            Err(error) => {
                self.streams.remove(&transport);
                let events = self.streams.events.clone();
                tokio::spawn(async move {
                    let error = Some(error);
                    // Fails only when the daemon is ending.
                    events
                        .send(Event::StreamEnded { transport, error })
                        .await
                        .ok();
                });
            }
        }
    }
}

impl Streams {
    pub(super) fn new(
        events: mpsc::Sender<Event>,
        late: mpsc::UnboundedSender<Late>,
        delay: Delay,
    ) -> Self {
        Self {
            playing: HashMap::new(),
            figures: Figures::default(),
            events,
            late,
            asked: HashMap::new(),
            delay,
            learned: HashMap::new(),
        }
    }

    /// Describes the stream of a transport to PipeWire.
    fn spec(&self, name: String, format: StreamFormat, volume: Volume) -> StreamSpec {
        StreamSpec {
            name,
            role: Role::Music,
            rate: format.rate(),
            channels: format.channels(),
            volume,
            prompt: self.delay.is_prompt(),
        }
    }

    /// Has what is played from now on wait so long before it is heard.
    pub(super) fn set_delay(&mut self, delay: Delay) {
        if delay != self.delay {
            // What was waited for was the setting's, and need not be the air's.
            self.learned.clear();
        }
        self.delay = delay;
    }

    /// Returns a handle that reads the figures of whatever plays.
    pub(super) fn figures(&self) -> Figures {
        self.figures.clone()
    }

    /// Notes an answer to a question for a socket, and says whether it was the last that was due.
    fn answered(&mut self, transport: &TransportId) -> bool {
        let left = self.asked.get(transport).map_or(0, |asked| asked - 1);
        if left == 0 {
            self.asked.remove(transport);
        } else {
            self.asked.insert(transport.clone(), left);
        }
        left == 0
    }

    /// Returns how long the music of a transport had to wait lately; nothing if that is not known.
    fn learned(&self, transport: &TransportId) -> Nanos {
        let known = self.learned.get(transport);
        let lately = known.filter(|(_, since)| since.elapsed() < LATELY);
        lately.map_or(0, |(wait, _)| wait.as_nanos() as Nanos)
    }

    fn remove(&mut self, transport: &TransportId) {
        self.figures.lock().remove(transport);
        let stream = self.playing.remove(transport).and_then(|it| it.stream);
        if let Some(stream) = stream {
            let wait = stream.meters().read().target;
            self.learned
                .retain(|_, (_, since)| since.elapsed() < LATELY);
            // Of one that ended before it had any sound nothing was learned.
            if !wait.is_zero() {
                self.learned
                    .insert(transport.clone(), (wait, Instant::now()));
            }
        }
    }
}
