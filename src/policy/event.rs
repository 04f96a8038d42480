//! Everything the policy can be told.
//!
//! Invariant: events are facts in the past tense, plain and comparable, and can be written down and
//! replayed. None carries a socket, a channel or a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calls::CallWish;
use super::calls::event::HandsFreeFact;
use super::model::{
    Address, AttemptId, Now, Preference, QuestionId, RequestId, Rules, SpeakerName, StreamFormat,
    TransportId, Volume,
};
use super::player::{ImageHandle, Player, PlayerCommand};

/// One fact for [`Policy::handle`](super::Policy::handle).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// bluetoothd is on the bus; its adapters follow, if it has any.
    BluetoothFound,
    /// bluetoothd left the bus: adapters, phones and transports are gone without further word.
    BluetoothLost,
    /// An adapter appeared, or something about it changed.
    AdapterSeen(AdapterFacts),
    /// An adapter was unplugged.
    AdapterGone {
        /// Its name, like `hci0`.
        id: String,
    },
    /// The radio of the adapter in use is on (again), and BlueZ told which phones it knows. Of
    /// phones nothing is told while it is off.
    InventoryTaken {
        /// Every device it has a bond with or that is connected.
        phones: Vec<PhoneFacts>,
    },
    /// A phone appeared, or something about it changed.
    PhoneSeen(PhoneFacts),
    /// BlueZ no longer knows the phone.
    PhoneGone {
        /// Its address.
        phone: Address,
    },
    /// The kernel told how the link with a phone ended.
    PhoneLeft {
        /// Which one.
        phone: Address,
        /// How.
        why: Parting,
    },
    /// BlueZ asked our agent; it waits for [`Action::AnswerAgent`](super::Action::AnswerAgent).
    AgentAsked {
        /// To answer by.
        id: QuestionId,
        /// The phone, with its bond read when the question came.
        phone: PhoneFacts,
        /// What was asked.
        question: Question,
    },
    /// BlueZ withdrew its question.
    AgentCancelled {
        /// Which question.
        id: QuestionId,
    },
    /// A phone configured one of our endpoints.
    TransportOpened {
        /// To name it by.
        transport: TransportId,
        /// Whose it is.
        phone: Address,
        /// What it will send.
        format: StreamFormat,
    },
    /// A transport started, or stopped.
    TransportChanged {
        /// Which one.
        transport: TransportId,
        /// Its new state.
        state: TransportState,
    },
    /// A phone moved its slider, or BlueZ confirmed that we did.
    TransportVolumeChanged {
        /// Which one.
        transport: TransportId,
        /// AVRCP absolute volume, 0 to 127.
        avrcp: u8,
    },
    /// A phone closed its transport.
    TransportClosed {
        /// Which one.
        transport: TransportId,
    },
    /// The sound of a transport began to come out.
    StreamStarted {
        /// Which one.
        transport: TransportId,
    },
    /// A stream ended by itself: the socket closed, or it could not start.
    StreamEnded {
        /// Which one.
        transport: TransportId,
        /// What went wrong; nothing when the phone closed it.
        error: Option<String>,
    },
    /// The delay from the phone to the ear changed enough to tell the phone.
    StreamDelayChanged {
        /// Which one.
        transport: TransportId,
        /// From the arrival of a packet to the sound of it.
        delay: Duration,
    },
    /// Something about a phone's player changed: somebody pressed a button there, or the next track
    /// began.
    PlayerSeen {
        /// Whose.
        phone: Address,
        /// How it is now.
        player: Player,
    },
    /// A phone has no player any more.
    PlayerGone {
        /// Whose it was.
        phone: Address,
    },
    /// A picture that a phone's player named is here.
    CoverSeen {
        /// Whose.
        phone: Address,
        /// By the phone's own name for it.
        image: ImageHandle,
        /// The file.
        path: String,
    },
    /// That file is not there any more.
    CoverGone {
        /// Whose picture it was.
        phone: Address,
    },
    /// PipeWire is there.
    AudioFound {
        /// Where sound goes to, as people know it; nothing while there is no output.
        output: Option<String>,
    },
    /// PipeWire went away; its streams are gone.
    AudioLost,
    /// BlueZ took our agent and endpoints on an adapter not, so no phone can play.
    AdapterRefused {
        /// Which one.
        id: String,
        /// What BlueZ said.
        error: String,
    },
    /// Something about the calls of a phone.
    HandsFree {
        /// Whose.
        phone: Address,
        /// What.
        fact: HandsFreeFact,
    },
    /// There is something to hear the room with, or there is not any more.
    MicrophoneFound {
        /// As people know it.
        name: Option<String>,
    },
    /// Callers hear the echo of themselves although it should be cancelled, or do not any more.
    EchoCancelling {
        /// Why they do, and what to do about it.
        problem: Option<String>,
    },
    /// A client of the D-Bus service wants something.
    Requested {
        /// To reply by.
        id: RequestId,
        /// What it wants.
        request: Request,
    },
    /// An attempt to connect a phone ended.
    ConnectEnded {
        /// Which one.
        phone: Address,
        /// Which attempt.
        attempt: AttemptId,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// The configuration was read, at start or again, and is valid.
    ConfigLoaded(Rules),
    /// The configuration was read again and is not valid; the old one stays.
    ConfigRefused {
        /// The problems, one a line.
        problems: String,
    },
    /// What has to survive a restart could not be written down; it is tried again.
    MemoryUnsaved {
        /// Why, and what to do.
        error: String,
    },
    /// It could be written down after all.
    MemorySaved,
    /// A timer armed by [`Action::ArmTimer`](super::Action::ArmTimer) ran out.
    TimerFired {
        /// Which one.
        timer: Timer,
    },
}

/// What is known of an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// Its name, like `hci0`.
    pub id: String,
    /// Its address.
    pub address: Address,
    /// Whether its radio is on.
    pub powered: bool,
    /// Whether rfkill holds its radio off.
    pub block: RadioBlock,
    /// Whether calls on it can be coded better than with CVSD; so too while nobody knows.
    #[serde(default = "AdapterFacts::wide_band_as_a_rule")]
    pub wide_band: bool,
    /// Whether phones can find it.
    pub discoverable: bool,
    /// Whether it takes new bonds.
    pub pairable: bool,
    /// Whether some program has it look for others.
    #[serde(default)]
    pub discovering: bool,
    /// Its name in the air.
    pub alias: String,
    /// Its class of device (24 bits).
    pub class: u32,
}

impl AdapterFacts {
    /// What older recordings, which do not tell, are to be read as.
    const fn wide_band_as_a_rule() -> bool {
        true
    }
}

/// What rfkill says of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RadioBlock {
    /// The radio may be on.
    Free,
    /// Blocked by software; can be lifted.
    Soft,
    /// Blocked by a switch; only a hand can lift it.
    Hard,
}

/// What BlueZ knows of a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneFacts {
    /// Its address.
    pub address: Address,
    /// What it calls itself; its address while that is unknown.
    pub name: String,
    /// Whether both sides keep a key: not so after pairing with "no bonding".
    pub bonded: bool,
    /// BlueZ's own trusted flag, with which services are used without our agent being asked.
    pub trusted: bool,
    /// Whether it offers music (A2DP source, UUID 110a); unknown and false until it was asked.
    pub source: bool,
    /// Whether there is a link.
    pub connected: bool,
}

/// How a link ended. What ended here tells nothing: bluetoothd ends all when it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parting {
    /// The phone was not heard any more.
    Lost,
    /// The phone ended it.
    Theirs,
}

/// What BlueZ asks an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// May this phone, which shows the same six digits, pair?
    Confirm {
        /// 0 to 999999.
        passkey: u32,
    },
    /// May this phone, which shows nothing, pair?
    Authorize,
    /// May this phone use this service?
    Service {
        /// The service's UUID, lower case.
        uuid: String,
    },
    /// A PIN or a passkey to be typed in: old devices and keyboards.
    Secret,
}

/// The states of a media transport that matter to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransportState {
    /// The phone does not send.
    Idle,
    /// The phone wants to send and waits for us.
    Pending,
    /// The phone sends and we have the socket.
    Active,
}

/// What a client can want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Open the pairing window, or keep it open for longer.
    OpenPairing {
        /// For how long; the configured length if nothing is said.
        length: Option<Duration>,
    },
    /// Close the pairing window.
    ClosePairing,
    /// Call a trusted phone.
    Connect {
        /// Which one.
        phone: Address,
    },
    /// Hang up on a phone.
    Disconnect {
        /// Which one.
        phone: Address,
    },
    /// Trust a phone no longer, and remove its bond.
    Forget {
        /// Which one.
        phone: Address,
    },
    /// Trust no phone any more, and remove all bonds.
    ForgetAll,
    /// Press a button of a phone's player.
    Player {
        /// On which phone; the one that has the speaker, or had it last, if nothing is said.
        phone: Option<Address>,
        /// Which button.
        command: PlayerCommand,
    },
    /// Press the button that pauses what plays, and has it go on else.
    PlayOrPause {
        /// As with `Player`.
        phone: Option<Address>,
    },
    /// Lock a phone out without forgetting it, or let it in again.
    Block {
        /// Which one.
        phone: Address,
        /// Lock it out.
        blocked: bool,
    },
    /// Call a phone something else here, for good.
    RenamePhone {
        /// Which one.
        phone: Address,
        /// The new name; nothing to go back to its own.
        name: Option<SpeakerName>,
    },
    /// Have nothing heard, whatever plays, or all again; for good.
    Mute {
        /// Nothing.
        muted: bool,
    },
    /// Call a phone sooner or later than others, or never, when it is missing.
    Prefer {
        /// Which one.
        phone: Address,
        /// When.
        preference: Preference,
    },
    /// Do something about calls.
    Call {
        /// On which phone; the only one that fits if nothing is said.
        phone: Option<Address>,
        /// What.
        wish: CallWish,
    },
    /// Send silence instead of the room, or the room again; for good.
    MuteMicrophone {
        /// Silence.
        muted: bool,
    },
    /// Call the speaker something else, for good.
    Rename {
        /// The new name; nothing to go back to the configured one.
        name: Option<SpeakerName>,
    },
    /// Set the volume of a phone, or of whoever is heard.
    SetVolume {
        /// Which one; if nothing is said, the calls that are heard, else those who play, else calls
        /// that are about to be heard, else those connected, else the start.
        phone: Option<Address>,
        /// The new volume; the ceiling holds it down.
        volume: Volume,
    },
    /// Turn the same volumes up or down, each from where it is.
    StepVolume {
        /// As with `SetVolume`.
        phone: Option<Address>,
        /// By how much, -100 to 100.
        steps: i16,
    },
}

/// The timers of the policy. Each runs at most once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timer {
    /// The pairing window closes.
    PairingWindow,
    /// An adapter that did not come up is asked again, or one that is missing is told of.
    AdapterRetry,
    /// BlueZ, which refused us on an adapter, is asked again.
    RefusalRetry,
    /// BlueZ has had time to read the services of a phone that has connected.
    UnreadServices,
    /// PipeWire has had time to find a sound card.
    OutputPatience,
    /// A phone that brought its music has had time to bring its calls.
    CallsPatience,
    /// A phone that brought its calls has had time to bring its music.
    MusicPatience,
    /// It was quiet for long enough after a call.
    MusicReturns,
    /// A call has rung for as long as the admin lets it before it is answered.
    AutoAnswer,
    /// Another phone has had time to set its call aside for one that is to be answered.
    SettingAside,
    /// A phone that sends its own ring tone has had time to do so.
    RingComes,
    /// A voice that was about to come has had time to do so.
    VoiceComes,
    /// A phone whose voice did not come up has had time to bring another one.
    VoiceReturns,
    /// The phone that was heard last has had time to go on.
    SpeakerFree,
    /// A phone that took the speaker has played for long enough to mean it.
    TurnSettled,
    /// A phone that is missing is to be called.
    Reconnect,
}

/// An event with its time: one line of a recorded session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// When the daemon took it from its queue.
    pub now: Now,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
