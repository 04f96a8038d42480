//! `dotctl play`, `pause`, `stop`, `next`, `previous`, `forward`, `rewind`, `shuffle` and `repeat`: the
//! buttons of a phone's player.

use serde_json::json;

use crate::ctl::args::RepeatMode;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Output, clean};

/// A button.
#[derive(Clone, Copy, Debug)]
pub(in crate::ctl) enum Button {
    Play,
    Pause,
    Stop,
    Next,
    Previous,
    Forward,
    Rewind,
    Shuffle(bool),
    Repeat(RepeatMode),
}

impl Button {
    /// Says what a player is told with it.
    fn words(self) -> &'static str {
        match self {
            Self::Play => "to play",
            Self::Pause => "to pause",
            Self::Stop => "to stop",
            Self::Next => "to play the next track",
            Self::Previous => "to go back a track",
            Self::Forward => "to wind forwards",
            Self::Rewind => "to wind backwards",
            Self::Shuffle(true) => "to shuffle",
            Self::Shuffle(false) => "not to shuffle",
            Self::Repeat(RepeatMode::Off) => "not to repeat",
            Self::Repeat(RepeatMode::Track) => "to repeat the track",
            Self::Repeat(RepeatMode::All) => "to begin anew after the last track",
        }
    }
}

pub(in crate::ctl) async fn press(
    button: Button,
    phone: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let named = match phone {
        Some(phone) => Some(client.find(phone).await?),
        None => None,
    };
    let player = client.player(named.as_ref()).await?;
    match button {
        Button::Play => player.play().await?,
        Button::Pause => player.pause().await?,
        Button::Stop => player.stop().await?,
        Button::Next => player.next().await?,
        Button::Previous => player.previous().await?,
        Button::Forward => player.fast_forward().await?,
        Button::Rewind => player.rewind().await?,
        Button::Shuffle(on) => player.set_shuffle(on).await?,
        Button::Repeat(mode) => player.set_repeat(mode.word()).await?,
    }
    let words = button.words();
    let phone = match &named {
        Some(path) => Some(client.phone(path).await?.named()),
        None => None,
    };
    let text = match &phone {
        Some(phone) => format!("told {} {words}", clean(&phone.name)),
        None => format!("told the phone {words}"),
    };
    output.tell(&json!({"told": words, "phone": phone}), &text)
}
