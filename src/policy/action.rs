//! Everything the policy can order.
//!
//! Invariant: actions are orders in the imperative, plain and comparable. Whoever carries one out
//! reports what came of it as an [`Event`](super::Event) and never tries again on its own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calls::event::HandsFreeOrder;
use super::event::Timer;
use super::model::{
    Address, AttemptId, MusicCodec, QuestionId, RequestId, SpeakerName, StreamFormat, TransportId,
    Volume,
};
use super::player::PlayerCommand;
use super::rejection::Rejection;
use super::story::Story;

/// One order, for the room that can carry it out.
#[must_use = "an action does nothing until it is carried out"]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// For the Bluetooth room.
    Radio(RadioAction),
    /// For the audio path.
    Stream(StreamAction),
    /// For the sound of calls that is not a stream of a phone.
    Sound(SoundAction),
    /// For the hands-free room.
    HandsFree {
        /// Which phone it is about.
        phone: Address,
        /// What to do.
        order: HandsFreeOrder,
    },
    /// Fires [`Event::TimerFired`](super::Event::TimerFired) once; replaces an earlier one.
    ArmTimer {
        /// Which timer.
        timer: Timer,
        /// How long from now.
        after: Duration,
    },
    /// Takes a timer back.
    CancelTimer {
        /// Which timer.
        timer: Timer,
    },
    /// Answers a client.
    Reply {
        /// Whom.
        id: RequestId,
        /// With what.
        result: Result<(), Rejection>,
    },
    /// Tells people what happened: journal, `dotctl monitor`, later voice and lights.
    Tell(Story),
}

/// An order about adapter, agent, phones or transports.
#[must_use = "an action does nothing until it is carried out"]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "radio", rename_all = "kebab-case")]
pub enum RadioAction {
    /// Take this adapter: agent, endpoints, then
    /// [`Event::InventoryTaken`](super::Event::InventoryTaken).
    UseAdapter {
        /// Its name, like `hci0`.
        id: String,
        /// How many endpoints of each codec to register.
        endpoints: u8,
        /// The codecs, in the order in which phones are to see them.
        codecs: Vec<MusicCodec>,
        /// Whether to offer hands-free as well.
        hands_free: bool,
    },
    /// Lift a soft block and switch the radio on.
    PowerOn,
    /// Have the controller bring the sound of calls here, if it is of a kind that has to be told.
    RouteVoice,
    /// Set the name in the air.
    SetAlias {
        /// The name.
        name: SpeakerName,
    },
    /// Let phones find the speaker and pair with it. BlueZ ends it by itself after `length`, so
    /// that it ends even when the daemon is killed.
    OpenWindow {
        /// For how long.
        length: Duration,
    },
    /// Hide the speaker and take no new bonds.
    CloseWindow,
    /// The same when nobody knows whether and how an earlier window ended: BlueZ may think the
    /// speaker hidden that is not.
    CloseOldWindow,
    /// Answer a question of BlueZ.
    AnswerAgent {
        /// Which one.
        id: QuestionId,
        /// Yes or no.
        allow: bool,
    },
    /// Clear BlueZ's own trusted flag of a phone, with which it would use services without our
    /// agent being asked.
    ClearTrusted {
        /// Which one.
        phone: Address,
    },
    /// Remove a phone and its bond from BlueZ.
    RemoveBond {
        /// Which one.
        phone: Address,
    },
    /// Call a phone and connect its profiles; ends with
    /// [`Event::ConnectEnded`](super::Event::ConnectEnded).
    Connect {
        /// Which one.
        phone: Address,
        /// To tell its end by.
        attempt: AttemptId,
        /// Whether to connect its calls as well as its music.
        hands_free: bool,
    },
    /// Stop calling a phone that has not answered yet.
    BreakOff {
        /// Which one.
        phone: Address,
    },
    /// Connect the calls of a phone that is connected; if it has none, that is no news.
    ConnectHandsFree {
        /// Which one.
        phone: Address,
    },
    /// Connect the music of a phone that is connected; if it has none, that is no news.
    ConnectMusic {
        /// Which one.
        phone: Address,
    },
    /// Have BlueZ read the services of a phone that is connected.
    ReadServices {
        /// Which one.
        phone: Address,
    },
    /// Press a button of the phone's player.
    Player {
        /// Which phone.
        phone: Address,
        /// Which button.
        command: PlayerCommand,
    },
    /// End the link with a phone.
    Disconnect {
        /// Which one.
        phone: Address,
    },
    /// Tell the phone where its slider belongs.
    SetTransportVolume {
        /// Which transport.
        transport: TransportId,
        /// AVRCP absolute volume, 0 to 127.
        avrcp: u8,
    },
    /// Fetch no more covers of what phones play for now, or go on.
    HoldCovers {
        /// No more.
        hold: bool,
    },
    /// Tell the phone how late its sound comes out.
    SetTransportDelay {
        /// Which transport.
        transport: TransportId,
        /// From the arrival of a packet to the sound of it.
        delay: Duration,
    },
}

/// An order about the sound of a transport.
#[must_use = "an action does nothing until it is carried out"]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stream", rename_all = "kebab-case")]
pub enum StreamAction {
    /// Have a silent stream ready for the transport, linked to the output: a phone sends its first
    /// packet at once when it plays, and what comes before the link is there is lost.
    Prepare {
        /// Which one.
        transport: TransportId,
        /// What the stream is called, as people will see it: the phone's name.
        name: String,
        /// What will come out of the socket.
        format: StreamFormat,
        /// How loud.
        volume: Volume,
    },
    /// Acquire the transport, decode it and play it.
    Start {
        /// Which one.
        transport: TransportId,
        /// What the stream is called, as people will see it: the phone's name.
        name: String,
        /// What comes out of the socket.
        format: StreamFormat,
        /// How loud.
        volume: Volume,
    },
    /// Stop playing it and let the transport go. What was prepared stays ready.
    Stop {
        /// Which one.
        transport: TransportId,
    },
    /// Give back a socket that BlueZ believes to be read by us, which nobody does.
    GiveBack {
        /// Whose.
        transport: TransportId,
    },
    /// The transport is gone: so is what was prepared for it.
    Release {
        /// Which one.
        transport: TransportId,
    },
    /// Have it not heard, whatever its volume, or heard again; without a click.
    Hush {
        /// Which one.
        transport: TransportId,
        /// Not heard.
        on: bool,
    },
    /// Change how loud it is, without a click.
    SetVolume {
        /// Which one.
        transport: TransportId,
        /// How loud.
        volume: Volume,
    },
}

/// An order about the sound of calls that concerns no single phone.
#[must_use = "an action does nothing until it is carried out"]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sound", rename_all = "kebab-case")]
pub enum SoundAction {
    /// Ring, until told otherwise.
    Ring {
        /// How loud.
        volume: Volume,
    },
    /// Ring no more.
    StopRinging,
    /// Send silence instead of the room, or the room again.
    MuteMicrophone {
        /// Silence.
        muted: bool,
    },
    /// Have nothing heard, whatever plays, or all again.
    Mute {
        /// Nothing.
        muted: bool,
    },
    /// Offer phones codecs better than CVSD, or not; each with its next link.
    ClaimWideBand {
        /// The adapter carries them.
        works: bool,
    },
    /// Tell phones that we can cancel echo, or that they have to; each with its next link.
    ClaimCanceller {
        /// We can.
        works: bool,
    },
}
