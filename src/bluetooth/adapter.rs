//! Orders about the adapter, carried out through bluer: power, name, pairing window.
//!
//! Invariant: the window is never open without an end that BlueZ itself keeps, so that it closes
//! even when we are killed.

use std::pin::pin;
use std::time::Duration;

use bluer::{Adapter, ErrorKind, InternalErrorKind};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::error::BluetoothError;
use super::rfkill::Rfkill;
use crate::policy::model::SpeakerName;

/// How much later than the policy BlueZ closes the window: enough not to come first.
const WINDOW_MARGIN: Duration = Duration::from_secs(5);

/// How long a change may take to be seen before a busy BlueZ is asked again without one: it does
/// not tell when what it tried itself has failed.
const BUSY_PATIENCE: Duration = Duration::from_secs(1);

/// Lifts a soft block and switches the radio on.
///
/// # Errors
/// Says what holds the radio off.
pub(super) async fn power_on(adapter: &Adapter, rfkill: &Rfkill) -> Result<(), BluetoothError> {
    rfkill.lift(adapter.name())?;
    let powered = set(adapter, || adapter.set_powered(true)).await;
    powered.map_err(BluetoothError::refused("switch the radio on"))
}

/// Sets the name in the air.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn set_alias(adapter: &Adapter, name: &SpeakerName) -> Result<(), BluetoothError> {
    let set = adapter.set_alias(name.as_str().to_owned()).await;
    set.map_err(BluetoothError::refused("set the speaker's name"))
}

/// Lets phones find the speaker and pair with it for `length`. Where the window is open already,
/// its end moves: BlueZ starts its timers again when a timeout is set.
///
/// # Errors
/// When BlueZ says no.
pub(super) async fn open_window(adapter: &Adapter, length: Duration) -> Result<(), BluetoothError> {
    let seconds = window_timeout(length);
    let opened = async {
        adapter.set_discoverable_timeout(seconds).await?;
        adapter.set_pairable_timeout(seconds).await?;
        set(adapter, || adapter.set_pairable(true)).await?;
        set(adapter, || adapter.set_discoverable(true)).await
    };
    let opened = opened.await;
    opened.map_err(BluetoothError::refused("open the pairing window"))
}

/// Hides the speaker and takes no new bonds.
///
/// # Errors
/// When BlueZ says no; both are tried all the same.
pub(super) async fn close_window(adapter: &Adapter) -> Result<(), BluetoothError> {
    let hidden = set(adapter, || adapter.set_discoverable(false)).await;
    let closed = set(adapter, || adapter.set_pairable(false)).await;
    hidden
        .and(closed)
        .map_err(BluetoothError::refused("close the pairing window"))
}

/// Closes a window of which nobody knows how it ended. When BlueZ's timeout ended it, the kernel
/// (6.12) forgot to tell the controller, which goes on to answer inquiries; and BlueZ passes on only
/// what is new to it. So the speaker is shown for the moment that it takes to hide it.
///
/// # Errors
/// When BlueZ says no; all is tried all the same.
pub(super) async fn close_old_window(adapter: &Adapter) -> Result<(), BluetoothError> {
    let closed = set(adapter, || adapter.set_pairable(false)).await;
    let shown = set(adapter, || adapter.set_discoverable(true)).await;
    let hidden = set(adapter, || adapter.set_discoverable(false)).await;
    closed
        .and(shown)
        .and(hidden)
        .map_err(BluetoothError::refused("close an old pairing window"))
}

/// Switches something of the adapter. BlueZ answers "Busy" while it is switching the same thing
/// itself, as it does when an adapter comes up or a block is lifted; then it is asked again after
/// the adapter's next change. The order's deadline bounds it.
async fn set<F>(adapter: &Adapter, switch: impl Fn() -> F) -> bluer::Result<()>
where
    F: Future<Output = bluer::Result<()>>,
{
    let mut changes = pin!(adapter.events().await?);
    loop {
        match switch().await {
            Err(error) if is_busy(&error) => {
                if timeout(BUSY_PATIENCE, changes.next()).await.is_err() {
                    tracing::debug!(
                        adapter = adapter.name(),
                        "bluetoothd is busy and does not move"
                    );
                }
            }
            done => return done,
        }
    }
}

/// Returns what BlueZ is told, in seconds. Zero would mean "for ever".
fn window_timeout(length: Duration) -> u32 {
    let seconds = (length + WINDOW_MARGIN).as_secs();
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn is_busy(error: &bluer::Error) -> bool {
    match &error.kind {
        ErrorKind::InProgress => true,
        ErrorKind::Internal(InternalErrorKind::DBus(name)) => name == "org.bluez.Error.Busy",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bluez_closes_the_window_after_us_and_never_never() {
        assert_eq!(window_timeout(Duration::from_secs(180)), 185);
        assert_eq!(window_timeout(Duration::ZERO), 5);
        assert_eq!(window_timeout(Duration::from_secs(u64::MAX / 2)), u32::MAX);
    }

    #[test]
    fn busy_is_told_from_no() {
        let error = |kind| bluer::Error {
            kind,
            message: String::new(),
        };
        let named = |name: &str| ErrorKind::Internal(InternalErrorKind::DBus(name.to_owned()));
        assert!(is_busy(&error(named("org.bluez.Error.Busy"))));
        assert!(!is_busy(&error(named("org.bluez.Error.Blocked"))));
        assert!(!is_busy(&error(ErrorKind::Failed)));
    }
}
