//! `org.dotd.Player1`, for the service and for its clients.
//!
//! Invariant: it is one interface in two places. At a phone it means that phone's player; at the
//! speaker that of the phone that has the speaker, or had it last, or is the only one.

use zbus::interface;

use super::requests::Requests;
use super::wire::{self, Error};
use crate::policy::event::Request;
use crate::policy::model::Address;
use crate::policy::player::PlayerCommand;

/// The buttons of a player, on the bus.
#[derive(Debug)]
pub struct Player {
    phone: Option<Address>,
    requests: Requests,
}

impl Player {
    /// Makes those of `phone`; of the one that is meant if nothing is said.
    pub(super) fn new(phone: Option<Address>, requests: Requests) -> Self {
        Self { phone, requests }
    }

    async fn press(&self, command: PlayerCommand) -> Result<(), Error> {
        let phone = self.phone;
        self.requests.put(Request::Player { phone, command }).await
    }
}

/// The player of a phone; at the speaker, of the phone that has it. Whether a player heeds its buttons
/// is its own affair.
#[interface(
    name = "org.dotd.Player1",
    proxy(
        default_service = "org.dotd",
        default_path = "/org/dotd",
        gen_blocking = false
    )
)]
impl Player {
    /// Has it go on.
    async fn play(&self) -> Result<(), Error> {
        self.press(PlayerCommand::Play).await
    }

    /// Has it stop for a while.
    async fn pause(&self) -> Result<(), Error> {
        self.press(PlayerCommand::Pause).await
    }

    /// Has it stop for a while if it plays, and go on if it does not.
    async fn play_pause(&self) -> Result<(), Error> {
        let phone = self.phone;
        self.requests.put(Request::PlayOrPause { phone }).await
    }

    /// Has it stop.
    async fn stop(&self) -> Result<(), Error> {
        self.press(PlayerCommand::Stop).await
    }

    /// Goes on with the next track.
    async fn next(&self) -> Result<(), Error> {
        self.press(PlayerCommand::Next).await
    }

    /// Goes back to the beginning of the track, or from there to the one before.
    async fn previous(&self) -> Result<(), Error> {
        self.press(PlayerCommand::Previous).await
    }

    /// Winds forwards until it is told to play.
    async fn fast_forward(&self) -> Result<(), Error> {
        self.press(PlayerCommand::FastForward).await
    }

    /// Winds backwards until it is told to play.
    async fn rewind(&self) -> Result<(), Error> {
        self.press(PlayerCommand::Rewind).await
    }

    /// Plays tracks in no order, or in theirs.
    async fn set_shuffle(&self, on: bool) -> Result<(), Error> {
        self.press(PlayerCommand::Shuffle { on }).await
    }

    /// Does this at the end of a track: "off", "track" or "all".
    async fn set_repeat(&self, repeat: &str) -> Result<(), Error> {
        let repeat = wire::repeat_named(repeat)?;
        self.press(PlayerCommand::Repeat { repeat }).await
    }
}
