//! The hands-free profile as BlueZ knows it: a record that phones find, and the RFCOMM links that
//! BlueZ makes for us.
//!
//! Invariant: only bluetoothd may hand us a link, and only after our agent was asked about the
//! phone ([`crate::policy::event::Question::Service`]) or we called it ourselves.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::net::{Shutdown, shutdown};
use tokio::sync::mpsc;
use zbus::message::Header;
use zbus::zvariant::{self, ObjectPath, Value};

use super::super::convert::{self, Properties};
use super::super::error::BluetoothError;
use super::super::session::Session;
use crate::policy::model::Address;

/// Where BlueZ finds the profile.
const PATH: &str = "/org/dotd/handsfree";
/// The hands-free unit (HFP 1.9 section 5.3).
const HANDS_FREE: &str = "0000111e-0000-1000-8000-00805f9b34fb";
/// HFP 1.9.
const VERSION: u16 = 0x0109;

const PROFILES: &str = "org.bluez.ProfileManager1";
const PROFILES_PATH: &str = "/org/bluez";

/// A link to a phone's audio gateway: AT commands go out, result codes come in.
#[derive(Debug)]
pub struct GatewaySocket {
    /// Whose it is.
    pub phone: Address,
    /// A non-blocking stream socket.
    pub fd: OwnedFd,
}

/// Registers the profile with BlueZ, with these feature bits of HFP 1.9 section 5.3 in its record.
///
/// # Errors
/// When BlueZ does not take it, most often because another program has it.
pub(in super::super) async fn register(
    session: &Session,
    links: &mpsc::UnboundedSender<GatewaySocket>,
    features: u16,
) -> Result<(), BluetoothError> {
    let what = "take our hands-free profile";
    let path = ObjectPath::from_static_str_unchecked(PATH);
    let profile = Profile {
        session: session.clone(),
        links: links.clone(),
        given: Mutex::default(),
    };
    // False when the object is there already, from an earlier life of bluetoothd.
    session
        .bus
        .object_server()
        .at(&path, profile)
        .await
        .map_err(BluetoothError::refused(what))?;
    let options = HashMap::from([
        ("Name", Value::from("Hands-Free unit")),
        ("Version", Value::from(VERSION)),
        ("Features", Value::from(features)),
        ("RequireAuthentication", Value::from(true)),
        ("RequireAuthorization", Value::from(true)),
        // Whoever calls a phone gets its music and its calls.
        ("AutoConnect", Value::from(true)),
    ]);
    let body = (path, HANDS_FREE, options);
    let method = (PROFILES, "RegisterProfile");
    match session.call(what, PROFILES_PATH, method, &body).await {
        Err(error) if error.says("org.bluez.Error.AlreadyExists") => Ok(()),
        other => other.map(drop),
    }
}

/// Takes the profile back from BlueZ. One it does not know is left at that.
///
/// # Errors
/// When BlueZ does not let go.
pub(in super::super) async fn unregister(session: &Session) -> Result<(), BluetoothError> {
    let what = "let our hands-free profile go";
    let path = ObjectPath::from_static_str_unchecked(PATH);
    let method = (PROFILES, "UnregisterProfile");
    match session.call(what, PROFILES_PATH, method, &path).await {
        Err(error) if error.says("org.bluez.Error.DoesNotExist") => Ok(()),
        other => other.map(drop),
    }
}

/// What BlueZ is told when a link is not for us; it closes the link.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.bluez.Error")]
enum Refusal {
    /// The bus did not work.
    #[zbus(error)]
    Bus(zbus::Error),
    /// Not now, or not by you.
    Rejected(String),
}

/// The object at [`PATH`].
struct Profile {
    session: Session,
    links: mpsc::UnboundedSender<GatewaySocket>,
    /// The links that were handed on, to hang up on when BlueZ wants them closed.
    given: Mutex<HashMap<Address, OwnedFd>>,
}

impl Profile {
    /// A panic elsewhere leaves the table whole: every change of it is one step.
    fn given(&self) -> MutexGuard<'_, HashMap<Address, OwnedFd>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_caller(&self, header: &Header<'_>) -> Result<(), Refusal> {
        if self.session.is_bluetoothd(header) {
            return Ok(());
        }
        let sender = header.sender().map(ToString::to_string);
        tracing::warn!(
            sender,
            "a program that is not bluetoothd called the hands-free profile; refused"
        );
        Err(Refusal::Rejected("only bluetoothd may call".to_owned()))
    }
}

#[zbus::interface(name = "org.bluez.Profile1")]
impl Profile {
    fn new_connection(
        &self,
        device: ObjectPath<'_>,
        fd: zvariant::OwnedFd,
        _properties: Properties,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        self.check_caller(&header)?;
        let Some((adapter, phone)) = convert::device_at(&device) else {
            return Err(Refusal::Rejected("not a device".to_owned()));
        };
        if self.session.used().as_deref() != Some(adapter) {
            return Err(Refusal::Rejected("not the adapter in use".to_owned()));
        }
        let fd = OwnedFd::from(fd);
        if let Ok(ours) = fd.try_clone() {
            self.given().insert(phone, ours);
        }
        self.links
            .send(GatewaySocket { phone, fd })
            .map_err(|_| Refusal::Rejected("dotd is stopping".to_owned()))
    }

    /// BlueZ wants the link closed, which whoever has it notices.
    fn request_disconnection(
        &self,
        device: ObjectPath<'_>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        self.check_caller(&header)?;
        let phone = convert::device_at(&device).map(|(_, phone)| phone);
        if let Some(link) = phone.and_then(|phone| self.given().remove(&phone)) {
            // Fails only when the phone has hung up already.
            shutdown(&link, Shutdown::Both).ok();
        }
        Ok(())
    }

    /// BlueZ does not need the profile any more; it leaves the bus.
    fn release(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Refusal> {
        self.check_caller(&header)
    }
}
