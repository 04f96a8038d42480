//! The real service with a test in the place of the policy.

use std::sync::mpsc as sync;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use dotd::api::{self, ApiError, MprisBus, Sources, StreamFigures};
use dotd::policy::calls::facts::{Call, CallId, CallState, Direction, Gateway, VoiceCodec};
use dotd::policy::event::Request;
use dotd::policy::model::{Address, ChannelMode, Preference, StreamFormat, TransportId, Volume};
use dotd::policy::snapshot::{
    AdapterStatus, AudioStatus, CallStatus, HandsFreeStatus, MicrophoneStatus, PhoneStatus,
    StreamStatus,
};
use dotd::policy::{Event, Rejection, Snapshot, Story};
use tokio::sync::{broadcast, mpsc, watch};

use super::bus::Bus;

/// What the test has in its hands.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) snapshots: watch::Sender<Snapshot>,
    pub(crate) stories: broadcast::Sender<Story>,
    /// Every request so far.
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
}

impl Stage {
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshots.send_modify(change);
    }

    pub(crate) fn tell(&self, story: Story) {
        self.stories.send(story).expect("the service listens");
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers requests in the place of the policy.
pub(crate) type Answer = Box<dyn FnMut(&Stage, &Request) -> Result<(), Rejection> + Send>;

/// A running service; it leaves the bus when it is dropped.
pub(crate) struct Speaker {
    pub(crate) stage: Stage,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Speaker {
    /// Starts the service on `bus` and returns when it has its name.
    pub(crate) fn start(bus: &Bus, snapshot: Snapshot, answer: Answer) -> Result<Self, ApiError> {
        let stage = Stage {
            snapshots: watch::channel(snapshot).0,
            stories: broadcast::channel(64).0,
            requests: Arc::default(),
        };
        let (ready, started) = sync::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (address, on_stage) = (bus.address.clone(), stage.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(&address, on_stage, answer, ready) => {}
                    _ = stopped => {}
                }
            });
        });
        started.recv_timeout(super::DEADLINE).unwrap()?;
        Ok(Self {
            stage,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A service that already ended needs no telling.
            stop.send(()).ok();
        }
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            if !thread::panicking() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

async fn serve(
    address: &str,
    stage: Stage,
    mut answer: Answer,
    ready: sync::Sender<Result<(), ApiError>>,
) {
    let connection = zbus::connection::Builder::address(address).unwrap();
    let connection = connection.build().await.unwrap();
    let (events, mut queue) = mpsc::channel(8);
    let sources = Sources {
        snapshots: stage.snapshots.subscribe(),
        stories: stage.stories.subscribe(),
        figures: Arc::new(|transport: &TransportId| (transport.0 == "/fd0").then(figures)),
        started: Instant::now(),
        mpris: watch::channel(MprisBus::Address(address.to_owned())).1,
        events,
    };
    let served = api::serve(&connection, sources);
    let (_api, replies) = match served.await {
        Ok(served) => served,
        Err(error) => return ready.send(Err(error)).unwrap(),
    };
    ready.send(Ok(())).unwrap();
    while let Some(event) = queue.recv().await {
        let Event::Requested { id, request } = event else {
            panic!("the service sends requests only, not {event:?}");
        };
        stage.requests.lock().unwrap().push(request.clone());
        replies.resolve(id, answer(&stage, &request));
    }
}

/// Grants everything and changes nothing.
pub(crate) fn granted() -> Answer {
    Box::new(|_, _| Ok(()))
}

/// The phone whose address ends in `last`.
pub(crate) fn address(last: u8) -> Address {
    Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, last])
}

/// A trusted phone that is not connected.
pub(crate) fn phone(last: u8, name: &str) -> PhoneStatus {
    PhoneStatus {
        address: address(last),
        name: name.to_owned(),
        own_name: name.to_owned(),
        trusted: true,
        blocked: false,
        bonded: true,
        connected: false,
        stream: None,
        player: None,
        volume: Volume::new(60).unwrap(),
        calls_allowed: true,
        hands_free: None,
        first_seen: Some(1_700_000_000),
        last_seen: Some(1_700_000_100),
        preference: Preference::Usual,
        next_try: None,
    }
}

/// The stream that [`figures`] is about.
pub(crate) fn stream() -> StreamStatus {
    StreamStatus {
        transport: TransportId("/fd0".to_owned()),
        format: StreamFormat::Sbc {
            rate: 44_100,
            mode: ChannelMode::JointStereo,
            max_bitpool: 53,
        },
    }
}

/// What the sound path says of [`stream`].
pub(crate) fn figures() -> StreamFigures {
    StreamFigures {
        packets: 1000,
        lost: 3,
        delay: std::time::Duration::from_millis(92),
        bit_rate: 328_000,
        ..StreamFigures::default()
    }
}

/// A speaker that is ready, with Anna who plays, Bob who is connected and Eve who is away.
pub(crate) fn kitchen() -> Snapshot {
    let mut anna = phone(1, "Anna's iPhone");
    anna.connected = true;
    anna.stream = Some(stream());
    anna.volume = Volume::new(45).unwrap();
    let mut bob = phone(2, "Bob's Pixel");
    bob.connected = true;
    Snapshot {
        name: "Kitchen".to_owned(),
        adapter: AdapterStatus::On {
            id: "hci0".to_owned(),
            address: address(0),
            class: 0x24_04_14,
            discoverable: false,
        },
        pairing_until: None,
        audio: AudioStatus::Ready {
            output: "Built-in Audio".to_owned(),
        },
        microphone: MicrophoneStatus {
            name: Some("USB Microphone".to_owned()),
            muted: false,
            echo_problem: None,
        },
        volume: Volume::new(60).unwrap(),
        muted: false,
        max_volume: Volume::new(80).unwrap(),
        config_problems: None,
        memory_problem: None,
        memory_lost: None,
        voice_problem: None,
        phones: vec![anna, bob, phone(3, "Eve's Pixel")],
    }
}

/// Later than any clock of today, so that whatever began then has lasted for no time.
pub(crate) const LATER: u64 = 4_000_000_000;

/// A call of Mom that came in at [`LATER`] and nobody has answered.
pub(crate) fn call(id: u32, state: CallState) -> CallStatus {
    CallStatus {
        call: Call {
            id: CallId(id),
            direction: Direction::Incoming,
            state,
            number: "+4930123".to_owned(),
            name: Some("Mom".to_owned()),
            multiparty: false,
        },
        since: LATER,
        answered: None,
    }
}

/// What a phone is doing that is connected for calls and has these.
pub(crate) fn hands_free(calls: Vec<CallStatus>) -> HandsFreeStatus {
    HandsFreeStatus {
        gateway: Gateway {
            service: Some(true),
            signal: Some(4),
            ..Gateway::default()
        },
        calls,
        voice: None,
        volume: Volume::new(70).unwrap(),
        microphone_volume: Volume::MAX,
        assistant: false,
    }
}

/// The kitchen while Anna talks with Mom there and somebody else waits, and Bob has called 110.
pub(crate) fn busy_kitchen() -> Snapshot {
    let mut mom = call(1, CallState::Active);
    mom.answered = Some(LATER);
    let mut unknown = call(2, CallState::Waiting);
    unknown.call.number.clear();
    unknown.call.name = None;
    let mut anna = hands_free(vec![mom, unknown]);
    anna.voice = Some(VoiceCodec::Msbc);
    let mut police = call(1, CallState::Alerting);
    police.call.direction = Direction::Outgoing;
    police.call.number = "110".to_owned();
    police.call.name = None;
    let mut snapshot = kitchen();
    snapshot.phones[0].stream = None;
    snapshot.phones[0].hands_free = Some(anna);
    snapshot.phones[1].hands_free = Some(hands_free(vec![police]));
    snapshot
}
