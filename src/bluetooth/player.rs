//! The buttons and switches of a phone's player, through BlueZ's side of AVRCP.
//!
//! Invariant: a button is pressed once. Whether the phone heeds it is its own affair.

use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use super::convert::{self, CONTROL, PLAYER};
use super::error::BluetoothError;
use super::session::Session;
use crate::policy::model::Address;
use crate::policy::player::{PlayerCommand, Repeat};

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What BlueZ is asked for.
enum Asked {
    /// A button, which a remote control has even if it knows of no player.
    Button(&'static str),
    /// A switch of the player: its name, and where it is moved to.
    Switch(&'static str, &'static str),
}

impl From<PlayerCommand> for Asked {
    fn from(command: PlayerCommand) -> Self {
        match command {
            PlayerCommand::Play => Self::Button("Play"),
            PlayerCommand::Pause => Self::Button("Pause"),
            PlayerCommand::Stop => Self::Button("Stop"),
            PlayerCommand::Next => Self::Button("Next"),
            PlayerCommand::Previous => Self::Button("Previous"),
            PlayerCommand::FastForward => Self::Button("FastForward"),
            PlayerCommand::Rewind => Self::Button("Rewind"),
            PlayerCommand::Shuffle { on: true } => Self::Switch("Shuffle", "alltracks"),
            PlayerCommand::Shuffle { on: false } => Self::Switch("Shuffle", "off"),
            PlayerCommand::Repeat { repeat } => Self::Switch(
                "Repeat",
                match repeat {
                    Repeat::Off => "off",
                    Repeat::Track => "singletrack",
                    Repeat::All => "alltracks",
                },
            ),
        }
    }
}

/// Presses a button or moves a switch. A phone without a remote control has none, which is no error.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn press(
    session: &Session,
    phone: Address,
    command: PlayerCommand,
) -> Result<(), BluetoothError> {
    let adapter = session.used().ok_or(BluetoothError::NoAdapter)?;
    let device = convert::device_path(&adapter, phone).ok_or(BluetoothError::NoAdapter)?;
    let done = match command.into() {
        Asked::Button(button) => {
            let what = "press a button of a phone";
            session.call(what, &device, (CONTROL, button), &()).await
        }
        Asked::Switch(switch, to) => move_switch(session, &device, switch, to).await,
    };
    match done {
        Err(error) if NO_REMOTE_CONTROL.iter().any(|name| error.says(name)) => {
            tracing::debug!(%phone, %error, "a button that the phone does not have");
            Ok(())
        }
        answer => answer.map(drop),
    }
}

async fn move_switch(
    session: &Session,
    device: &OwnedObjectPath,
    switch: &str,
    to: &str,
) -> Result<zbus::Message, BluetoothError> {
    let what = "move a switch of a phone's player";
    let method = (PROPERTIES, "Get");
    let answer = session
        .call(what, device, method, &(CONTROL, "Player"))
        .await?;
    let nonsense = || BluetoothError::Nonsense { what };
    let player: OwnedValue = answer.body().deserialize().map_err(|_| nonsense())?;
    let player = OwnedObjectPath::try_from(player).map_err(|_| nonsense())?;
    let body = (PLAYER, switch, Value::from(to));
    session
        .call(what, &player, (PROPERTIES, "Set"), &body)
        .await
}

/// What BlueZ answers for a phone that has no remote control, or not yet, or not any more, or whose
/// player has no such switch.
const NO_REMOTE_CONTROL: [&str; 6] = [
    "org.freedesktop.DBus.Error.UnknownObject",
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.freedesktop.DBus.Error.UnknownProperty",
    "org.freedesktop.DBus.Error.InvalidArgs",
    "org.bluez.Error.NotConnected",
    "org.bluez.Error.NotSupported",
];
