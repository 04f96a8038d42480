//! The buttons of a phone's player, through BlueZ's side of AVRCP.
//!
//! Invariant: a button is pressed once. Whether the phone heeds it is its own affair.

use super::convert;
use super::error::BluetoothError;
use super::session::Session;
use crate::policy::action::PlayerCommand;
use crate::policy::model::Address;

/// The interface of a device that has a remote control.
const CONTROL: &str = "org.bluez.MediaControl1";

/// Presses a button. A phone without a remote control has none, which is no error.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn press(
    session: &Session,
    phone: Address,
    command: PlayerCommand,
) -> Result<(), BluetoothError> {
    let what = "press a button of a phone";
    let adapter = session.used().ok_or(BluetoothError::NoAdapter)?;
    let path = convert::device_path(&adapter, phone).ok_or(BluetoothError::NoAdapter)?;
    let button = match command {
        PlayerCommand::Play => "Play",
        PlayerCommand::Pause => "Pause",
    };
    match session.call(what, &path, (CONTROL, button), &()).await {
        Err(error) if NO_REMOTE_CONTROL.iter().any(|name| error.says(name)) => Ok(()),
        answer => answer.map(drop),
    }
}

/// What BlueZ answers for a phone that has no remote control, or not yet, or not any more.
const NO_REMOTE_CONTROL: [&str; 4] = [
    "org.freedesktop.DBus.Error.UnknownObject",
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.bluez.Error.NotConnected",
    "org.bluez.Error.NotSupported",
];
