//! The ways to bluetoothd: a zbus connection for what it tells and for what bluer does not know, a
//! bluer session for adapters and devices.
//!
//! Invariant: bluetoothd is only ever addressed while it is on the bus, so that nothing we do makes
//! the bus start it against the admin's will; and only what its present owner sent is believed,
//! because anybody on the bus can call our objects and send us signals.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use zbus::message::{Header, Message};
use zbus::names::OwnedUniqueName;
use zbus::zvariant::DynamicType;

use super::convert::BLUEZ;
use super::error::BluetoothError;

/// How long bluetoothd may take to answer anything but a connection attempt.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// Both connections, and what all parts of the room have to know; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The connection of which our objects are part.
    pub(super) bus: zbus::Connection,
    bluer: bluer::Session,
    owner: watch::Receiver<Option<OwnedUniqueName>>,
    used: Arc<Mutex<Option<String>>>,
}

impl Session {
    /// Connects to the system bus. `owner` is to be told who owns `org.bluez`.
    ///
    /// # Errors
    /// Only when the bus itself cannot be reached.
    pub(super) async fn open(
        owner: watch::Receiver<Option<OwnedUniqueName>>,
    ) -> Result<Self, BluetoothError> {
        let bus = zbus::connection::Builder::system()
            .map_err(BluetoothError::bus)?
            .method_timeout(ANSWER_DEADLINE)
            .build()
            .await
            .map_err(BluetoothError::bus)?;
        let bluer = bluer::Session::new().await.map_err(BluetoothError::bus)?;
        Ok(Self {
            bus,
            bluer,
            owner,
            used: Arc::default(),
        })
    }

    /// Returns bluetoothd's unique name.
    ///
    /// # Errors
    /// When it is not on the bus.
    pub(super) fn bluetoothd(&self) -> Result<OwnedUniqueName, BluetoothError> {
        let owner = self.owner.borrow().clone();
        owner.ok_or(BluetoothError::NotRunning)
    }

    /// Says whether a message to one of our objects came from bluetoothd.
    pub(super) fn is_bluetoothd(&self, header: &Header<'_>) -> bool {
        match (header.sender(), &*self.owner.borrow()) {
            (Some(sender), Some(owner)) => *sender == **owner,
            _ => false,
        }
    }

    /// Remembers which adapter is in use.
    pub(super) fn set_used(&self, id: Option<String>) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }

    /// Returns the name of the adapter in use.
    pub(super) fn used(&self) -> Option<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.clone()
    }

    /// Returns the adapter in use.
    ///
    /// # Errors
    /// When there is none, or no bluetoothd.
    pub(super) fn adapter(&self) -> Result<bluer::Adapter, BluetoothError> {
        self.bluetoothd()?;
        let id = self.used().ok_or(BluetoothError::NoAdapter)?;
        self.bluer
            .adapter(&id)
            .map_err(BluetoothError::refused("use the adapter"))
    }

    /// Calls a method of an object of bluetoothd.
    ///
    /// # Errors
    /// When bluetoothd is not there or says no.
    pub(super) async fn call<B>(
        &self,
        what: &'static str,
        path: &str,
        method: (&str, &str),
        body: &B,
    ) -> Result<Message, BluetoothError>
    where
        B: serde::Serialize + DynamicType,
    {
        let (interface, method) = method;
        let owner = self.bluetoothd()?;
        self.bus
            .call_method(Some(owner.as_str()), path, Some(interface), method, body)
            .await
            .map_err(BluetoothError::refused(what))
    }

    /// Asks the bus who owns bluetoothd's name now.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub(super) async fn current_owner(&self) -> Result<Option<OwnedUniqueName>, BluetoothError> {
        owner_of(&self.bus, BLUEZ).await
    }
}

/// Asks a bus who owns a name now.
///
/// # Errors
/// When the bus does not answer.
pub(super) async fn owner_of(
    bus: &zbus::Connection,
    name: &'static str,
) -> Result<Option<OwnedUniqueName>, BluetoothError> {
    let bus = zbus::fdo::DBusProxy::new(bus)
        .await
        .map_err(BluetoothError::bus)?;
    let name = zbus::names::BusName::from_static_str(name).map_err(BluetoothError::bus)?;
    match bus.get_name_owner(name).await {
        Ok(owner) => Ok(Some(owner)),
        Err(zbus::fdo::Error::NameHasNoOwner(_)) => Ok(None),
        Err(error) => Err(BluetoothError::bus(error)),
    }
}
