//! Transports: the socket that music comes out of, and what we tell the phone about it.
//!
//! Invariant: a socket handed out belongs to whoever asked. BlueZ does not see it dropped: it takes the
//! transport back when the phone suspends, or when it is released. It has to be dropped when the
//! transport goes idle, because BlueZ does not close it then.

use std::os::fd::OwnedFd;
use std::time::Duration;

use zbus::zvariant::{self, Value};

use super::super::convert::TRANSPORT;
use super::super::error::BluetoothError;
use super::super::session::Session;
use crate::policy::model::TransportId;

/// Where a phone's packets come from: a non-blocking SEQPACKET socket.
#[derive(Debug)]
pub struct MediaSocket {
    /// The socket; one read takes one packet.
    pub fd: OwnedFd,
    /// The longest packet, in bytes.
    pub read_mtu: u16,
}

/// Takes the socket of a transport that waits for us. One that does not wait (any more) is refused:
/// waking up a phone that stopped is not our business.
///
/// # Errors
/// When BlueZ does not hand it out.
pub(in super::super) async fn acquire(
    session: &Session,
    transport: &TransportId,
) -> Result<MediaSocket, BluetoothError> {
    let what = "hand out the socket of a stream";
    let method = (TRANSPORT, "TryAcquire");
    let answer = session.call(what, &transport.0, method, &()).await?;
    let (fd, read_mtu, _write_mtu): (zvariant::OwnedFd, u16, u16) = answer
        .body()
        .deserialize()
        .map_err(|_| BluetoothError::Nonsense { what })?;
    Ok(MediaSocket {
        fd: fd.into(),
        read_mtu,
    })
}

/// Gives a transport back that was handed out after the phone had suspended.
///
/// # Errors
/// When BlueZ says no. A transport that is not ours (any more), that is being handed out anew, or that
/// is gone is no error.
pub(in super::super) async fn release(
    session: &Session,
    transport: &TransportId,
) -> Result<(), BluetoothError> {
    let what = "give up the socket of a stream";
    let method = (TRANSPORT, "Release");
    match session.call(what, &transport.0, method, &()).await {
        Err(error)
            if error.says("org.bluez.Error.NotAuthorized")
                || error.says("org.bluez.Error.InProgress")
                || error.says("org.freedesktop.DBus.Error.UnknownObject") =>
        {
            Ok(())
        }
        answer => answer.map(drop),
    }
}

/// Moves the phone's slider.
///
/// # Errors
/// When BlueZ says no. A phone without absolute volume makes it answer "Failed" although it took
/// the value (BlueZ 5.82): that is no error, the phone has no slider to move.
pub(in super::super) async fn set_volume(
    session: &Session,
    transport: &TransportId,
    avrcp: u8,
) -> Result<(), BluetoothError> {
    let what = "tell a phone its volume";
    match set(session, what, transport, "Volume", u16::from(avrcp)).await {
        Err(error) if error.says("org.bluez.Error.Failed") => Ok(()),
        other => other,
    }
}

/// Tells the phone how late its sound comes out, so that it can hold its pictures back.
///
/// # Errors
/// When BlueZ says no. Where the phone did not ask for delay reports there is no such property:
/// that is no error, the phone does not want to know.
pub(in super::super) async fn set_delay(
    session: &Session,
    transport: &TransportId,
    delay: Duration,
) -> Result<(), BluetoothError> {
    let what = "tell a phone its delay";
    match set(session, what, transport, "Delay", tenths(delay)).await {
        Err(error) if error.says("org.freedesktop.DBus.Error.UnknownProperty") => Ok(()),
        other => other,
    }
}

/// Returns a delay as AVDTP counts it: in tenths of a millisecond, 6.5 s at most.
fn tenths(delay: Duration) -> u16 {
    u16::try_from(delay.as_micros() / 100).unwrap_or(u16::MAX)
}

async fn set(
    session: &Session,
    what: &'static str,
    transport: &TransportId,
    property: &str,
    value: u16,
) -> Result<(), BluetoothError> {
    let method = ("org.freedesktop.DBus.Properties", "Set");
    let body = (TRANSPORT, property, Value::from(value));
    match session.call(what, &transport.0, method, &body).await {
        // The phone hung up meanwhile, and wants to know nothing any more.
        Err(error) if error.says("org.freedesktop.DBus.Error.UnknownObject") => Ok(()),
        answer => answer.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_counted_in_tenths_of_a_millisecond() {
        assert_eq!(tenths(Duration::from_micros(81_249)), 812);
        assert_eq!(tenths(Duration::ZERO), 0);
        assert_eq!(tenths(Duration::from_secs(60)), u16::MAX);
    }
}
