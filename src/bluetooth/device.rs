//! Orders about one phone, carried out through bluer.
//!
//! Invariant: tried once, unless BlueZ is busy with the phone and so has not tried at all. Whether
//! and when to try again is for the policy to decide.

use std::pin::pin;
use std::time::Duration;

use bluer::{Adapter, Device, ErrorKind, InternalErrorKind};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::error::BluetoothError;
use crate::policy::model::Address;

/// The service of a phone that we want: the source of the music (`convert::AUDIO_SOURCE`).
const AUDIO_SOURCE: bluer::Uuid = bluer::Uuid::from_u128(0x0000_110a_0000_1000_8000_0080_5f9b_34fb);

/// The remote control of a phone's music: AVRCP target.
const REMOTE_CONTROL: bluer::Uuid =
    bluer::Uuid::from_u128(0x0000_110c_0000_1000_8000_0080_5f9b_34fb);

/// The calls of a phone: the hands-free audio gateway.
const AUDIO_GATEWAY: bluer::Uuid =
    bluer::Uuid::from_u128(0x0000_111f_0000_1000_8000_0080_5f9b_34fb);

/// How long BlueZ may be busy with a phone: reading its services, or making a connection that the
/// phone began.
const BUSY_DEADLINE: Duration = Duration::from_secs(15);

/// How long to wait for a change of the phone before a busy BlueZ is asked again without one.
const BUSY_PATIENCE: Duration = Duration::from_millis(500);

/// Calls a phone and connects its profiles, or, where there is a link already, its music and calls;
/// without `hands_free` its music alone.
///
/// # Errors
/// What to tell the person who is waiting for the phone.
pub(super) async fn connect(
    adapter: &Adapter,
    phone: Address,
    hands_free: bool,
) -> Result<(), String> {
    match connect_when_free(adapter, phone, hands_free).await {
        Ok(()) => Ok(()),
        Err(error) if already(&error) => Ok(()),
        Err(error) => Err(sentence(&error)),
    }
}

/// BlueZ does nothing but say "busy" while it is still reading the services of a phone that has
/// just left.
async fn connect_when_free(
    adapter: &Adapter,
    phone: Address,
    hands_free: bool,
) -> bluer::Result<()> {
    let device = adapter.device(phone.octets().into())?;
    let mut changes = pin!(device.events().await?);
    let deadline = Instant::now() + BUSY_DEADLINE;
    loop {
        match try_connect(&device, hands_free).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                // Either way it is asked again.
                timeout(BUSY_PATIENCE, changes.next()).await.ok();
            }
            done => return done,
        }
    }
}

async fn try_connect(device: &Device, hands_free: bool) -> bluer::Result<()> {
    // BlueZ would connect all that phone and speaker have in common.
    if hands_free && !device.is_connected().await? {
        return device.connect().await;
    }
    match device.connect_profile(&AUDIO_SOURCE).await {
        Err(error) if !already(&error) => return Err(error),
        _ => {}
    }
    if !hands_free {
        return Ok(());
    }
    match device.connect_profile(&AUDIO_GATEWAY).await {
        Err(error) if is_busy(&error) => Err(error),
        Err(error) => {
            // Its music is connected, and not every phone has calls, or they are switched off here.
            tracing::debug!(%error, "a phone comes without its calls");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Has BlueZ read the services of a phone, which it does before it connects one: its remote
/// control, because the phone is about to connect the music itself.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn read_services(adapter: &Adapter, phone: Address) -> Result<(), BluetoothError> {
    let what = "read the services of a phone";
    match device(adapter, phone, what)?
        .connect_profile(&REMOTE_CONTROL)
        .await
    {
        // It is at it, or the phone has no remote control; its services are read all the same.
        Err(error) if is_busy(&error) || already(&error) => Ok(()),
        Err(error) if error.message == "br-connection-profile-unavailable" => Ok(()),
        other => other.map_err(BluetoothError::refused(what)),
    }
}

/// Connects the calls of a phone. One that has none, or brings them just now, is left at that.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn connect_hands_free(
    adapter: &Adapter,
    phone: Address,
) -> Result<(), BluetoothError> {
    let what = "connect the calls of a phone";
    connect_profile(adapter, phone, &AUDIO_GATEWAY, what).await
}

/// Connects the music of a phone. One that has none, or brings it just now, is left at that.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn connect_music(adapter: &Adapter, phone: Address) -> Result<(), BluetoothError> {
    let what = "connect the music of a phone";
    connect_profile(adapter, phone, &AUDIO_SOURCE, what).await
}

async fn connect_profile(
    adapter: &Adapter,
    phone: Address,
    profile: &bluer::Uuid,
    what: &'static str,
) -> Result<(), BluetoothError> {
    match device(adapter, phone, what)?.connect_profile(profile).await {
        Err(error) if is_busy(&error) || already(&error) => Ok(()),
        Err(error) if error.message == "br-connection-profile-unavailable" => Ok(()),
        other => other.map_err(BluetoothError::refused(what)),
    }
}

/// Ends the link with a phone.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn disconnect(adapter: &Adapter, phone: Address) -> Result<(), BluetoothError> {
    let what = "disconnect a phone";
    match device(adapter, phone, what)?.disconnect().await {
        Err(error) if error.message == "Not Connected" => Ok(()),
        other => other.map_err(BluetoothError::refused(what)),
    }
}

/// Stops calling a phone, unless it has answered.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn break_off(adapter: &Adapter, phone: Address) -> Result<(), BluetoothError> {
    let what = "stop calling a phone";
    let called = device(adapter, phone, what)?;
    match called.is_connected().await {
        Ok(true) => Ok(()),
        Ok(false) => disconnect(adapter, phone).await,
        // It was forgotten meanwhile, and its page broken off with that.
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BluetoothError::refused(what)(error)),
    }
}

/// Clears BlueZ's trusted flag, with which a phone would use services without our agent being asked.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn clear_trusted(adapter: &Adapter, phone: Address) -> Result<(), BluetoothError> {
    let what = "clear the trusted flag of a phone";
    let device = device(adapter, phone, what)?;
    let cleared = device.set_trusted(false).await;
    cleared.map_err(BluetoothError::refused(what))
}

/// Removes a phone with its key. One that BlueZ does not know is as removed as can be.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn remove(adapter: &Adapter, phone: Address) -> Result<(), BluetoothError> {
    match adapter.remove_device(phone.octets().into()).await {
        Err(error) if error.kind == ErrorKind::DoesNotExist => Ok(()),
        other => other.map_err(BluetoothError::refused("forget a phone")),
    }
}

/// Says whether a phone is connected.
///
/// # Errors
/// When BlueZ does not know, or say.
pub(super) async fn is_connected(
    adapter: &Adapter,
    phone: Address,
) -> Result<bool, BluetoothError> {
    let what = "tell whether a phone is connected";
    let connected = device(adapter, phone, what)?.is_connected().await;
    connected.map_err(BluetoothError::refused(what))
}

fn device(adapter: &Adapter, phone: Address, what: &'static str) -> Result<Device, BluetoothError> {
    let device = adapter.device(phone.octets().into());
    device.map_err(BluetoothError::refused(what))
}

fn is_busy(error: &bluer::Error) -> bool {
    error.kind == ErrorKind::InProgress || error.message == "br-connection-busy"
}

fn already(error: &bluer::Error) -> bool {
    error.kind == ErrorKind::AlreadyConnected || error.message == "br-connection-already-connected"
}

/// Says in words why a phone could not be connected. The codes are those of BlueZ's `src/error.h`.
fn sentence(error: &bluer::Error) -> String {
    let gone = InternalErrorKind::DBus("org.freedesktop.DBus.Error.NoReply".to_owned());
    let text = match (&error.kind, error.message.as_str()) {
        (_, "br-connection-page-timeout" | "br-connection-timeout") => {
            "it does not answer; bring it nearer and switch its Bluetooth on"
        }
        (_, "br-connection-key-missing") => {
            "it has forgotten this speaker; pair it again: dotctl pair"
        }
        (_, "br-connection-refused" | "br-connection-aborted-by-remote") => {
            "it refused; connect from the phone instead"
        }
        (_, "br-connection-busy" | "br-connection-concurrent-connection-limit")
        | (ErrorKind::InProgress, _) => "a connection with it is already being made; wait for it",
        (_, "br-connection-profile-unavailable") => {
            "it offers no music over Bluetooth; check the phone's settings for this speaker"
        }
        (_, "br-connection-adapter-not-powered") | (ErrorKind::NotReady, _) => {
            "the radio is off; see: dotctl status"
        }
        (_, "br-connection-canceled" | "br-connection-aborted-by-local") => {
            "the attempt was called off; try again"
        }
        (ErrorKind::NotFound | ErrorKind::DoesNotExist, _) => {
            "BlueZ has no bond with it; pair it again: dotctl pair"
        }
        (ErrorKind::Internal(kind), _) if *kind == gone => {
            "bluetoothd went away meanwhile; look at: journalctl -u bluetooth"
        }
        _ => return format!("BlueZ says \"{error}\"; look at: journalctl -u bluetooth"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_in_words_with_what_to_do() {
        for (kind, message, words) in [
            (
                ErrorKind::Failed,
                "br-connection-page-timeout",
                "does not answer",
            ),
            (
                ErrorKind::Failed,
                "br-connection-key-missing",
                "dotctl pair",
            ),
            (ErrorKind::Failed, "br-connection-refused", "from the phone"),
            (ErrorKind::InProgress, "br-connection-busy", "wait for it"),
            (
                ErrorKind::NotAvailable,
                "br-connection-profile-unavailable",
                "settings",
            ),
            (
                ErrorKind::NotReady,
                "br-connection-adapter-not-powered",
                "radio is off",
            ),
            (ErrorKind::NotFound, "", "no bond"),
            (ErrorKind::Failed, "br-connection-unknown", "journalctl"),
        ] {
            let error = bluer::Error {
                kind,
                message: message.to_owned(),
            };
            let said = sentence(&error);
            assert!(said.contains(words), "{message}: {said}");
        }
    }

    #[test]
    fn both_libraries_ask_for_the_same_service() {
        assert_eq!(
            AUDIO_SOURCE.to_string(),
            super::super::convert::AUDIO_SOURCE
        );
    }

    #[test]
    fn being_connected_is_no_failure() {
        let error = |kind, message: &str| bluer::Error {
            kind,
            message: message.to_owned(),
        };
        assert!(already(&error(ErrorKind::AlreadyConnected, "")));
        assert!(already(&error(
            ErrorKind::Failed,
            "br-connection-already-connected"
        )));
        assert!(!already(&error(ErrorKind::Failed, "br-connection-busy")));
    }
}
