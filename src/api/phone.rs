//! `org.dotd.Phone1`, for the service and for its clients.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use zbus::zvariant::OwnedValue;
use zbus::{fdo, interface};

use super::publish::Published;
use super::requests::Requests;
use super::speaker::{given_name, volume};
use super::view::PhoneView;
use super::wire::{self, Error};
use crate::policy::event::Request;
use crate::policy::model::Address;

/// A phone, on the bus.
#[derive(Debug)]
pub struct Phone {
    address: Address,
    published: Arc<Published>,
    requests: Requests,
}

impl Phone {
    pub(super) fn new(address: Address, published: Arc<Published>, requests: Requests) -> Self {
        Self {
            address,
            published,
            requests,
        }
    }

    fn view(&self) -> fdo::Result<PhoneView> {
        self.published
            .phone(self.address, |phone| PhoneView::from(phone))
            .ok_or_else(|| self.gone())
    }

    /// A call can still hold an object that was just taken off the bus.
    fn gone(&self) -> fdo::Error {
        fdo::Error::UnknownObject(format!("{} is forgotten; pair it again", self.address))
    }
}

/// A phone that is trusted, or connected.
#[interface(
    name = "org.dotd.Phone1",
    proxy(default_service = "org.dotd", gen_blocking = false)
)]
impl Phone {
    /// Calls the phone and waits until it is connected.
    async fn connect(&self) -> Result<(), Error> {
        let phone = self.address;
        self.requests.put(Request::Connect { phone }).await
    }

    /// Hangs up on the phone.
    async fn disconnect(&self) -> Result<(), Error> {
        let phone = self.address;
        self.requests.put(Request::Disconnect { phone }).await
    }

    /// Trusts the phone no longer and removes its bond, connected or not.
    async fn forget(&self) -> Result<(), Error> {
        let phone = self.address;
        self.requests.put(Request::Forget { phone }).await
    }

    /// Locks the phone out without forgetting it, or lets it in again.
    async fn block(&self, blocked: bool) -> Result<(), Error> {
        let phone = self.address;
        self.requests.put(Request::Block { phone, blocked }).await
    }

    /// Calls the phone something else here, for good; an empty name brings its own back.
    async fn rename(&self, name: &str) -> Result<(), Error> {
        let phone = self.address;
        let name = given_name(name)?;
        self.requests
            .put(Request::RenamePhone { phone, name })
            .await
    }

    /// Says when the phone is called, should it be missing: first, usual, last or never; for good.
    async fn prefer(&self, preference: &str) -> Result<(), Error> {
        let request = Request::Prefer {
            phone: self.address,
            preference: wire::preference_named(preference)?,
        };
        self.requests.put(request).await
    }

    /// Sets the phone's volume, 0 to 100: that of its call while there is one.
    async fn set_volume(&self, percent: u8) -> Result<(), Error> {
        let request = Request::SetVolume {
            phone: Some(self.address),
            volume: volume(percent)?,
        };
        self.requests.put(request).await
    }

    /// Turns the same volume up or down; it ends at 0 and 100.
    async fn step_volume(&self, steps: i16) -> Result<(), Error> {
        let phone = Some(self.address);
        self.requests
            .put(Request::StepVolume { phone, steps })
            .await
    }

    /// Its Bluetooth address.
    #[zbus(property(emits_changed_signal = "const"))]
    fn address(&self) -> String {
        self.address.to_string()
    }

    /// What people here know it by.
    #[zbus(property)]
    fn name(&self) -> fdo::Result<String> {
        Ok(self.view()?.name)
    }

    /// What it calls itself.
    #[zbus(property)]
    fn own_name(&self) -> fdo::Result<String> {
        Ok(self.view()?.own_name)
    }

    /// Whether it is locked out.
    #[zbus(property)]
    fn blocked(&self) -> fdo::Result<bool> {
        Ok(self.view()?.blocked)
    }

    /// What its player tells, without what it does not tell: App s, State s ("playing", "paused",
    /// "stopped", "forward", "rewind" or "unknown"), Title s, Artist s, Album s, Genre s, Number u, Of
    /// u (how many the album has), LengthMs t, Shuffle b, Repeat s ("off", "track" or "all"), Cover s
    /// (the file with the picture of what it plays). Empty without a player.
    #[zbus(property)]
    fn player(&self) -> fdo::Result<HashMap<String, OwnedValue>> {
        Ok(self.view()?.player)
    }

    /// How far into its track the player is right now, in milliseconds; -1 if that is not known.
    #[zbus(property(emits_changed_signal = "false"))]
    fn position(&self) -> fdo::Result<i64> {
        let position = self
            .published
            .phone(self.address, |phone| self.published.position(phone))
            .ok_or_else(|| self.gone())?;
        let milliseconds = |position: Duration| i64::try_from(position.as_millis());
        Ok(position.map_or(-1, |it| milliseconds(it).unwrap_or(i64::MAX)))
    }

    /// Whether somebody let it in, and nobody has locked it out.
    #[zbus(property)]
    fn trusted(&self) -> fdo::Result<bool> {
        Ok(self.view()?.trusted)
    }

    /// Whether BlueZ has its key; a trusted phone without one has to pair again.
    #[zbus(property)]
    fn bonded(&self) -> fdo::Result<bool> {
        Ok(self.view()?.bonded)
    }

    /// Whether there is a link.
    #[zbus(property)]
    fn connected(&self) -> fdo::Result<bool> {
        Ok(self.view()?.connected)
    }

    /// Whether it plays.
    #[zbus(property)]
    fn playing(&self) -> fdo::Result<bool> {
        Ok(self.view()?.playing)
    }

    /// The codec it plays with, like "AAC" or "SBC"; empty while it does not.
    #[zbus(property)]
    fn codec(&self) -> fdo::Result<String> {
        Ok(self.view()?.codec.to_owned())
    }

    /// Its volume, 0 to 100.
    #[zbus(property)]
    fn volume(&self) -> fdo::Result<u8> {
        Ok(self.view()?.volume)
    }

    /// Whether it may use calls, by calls.enabled and calls.phones of the configuration.
    #[zbus(property)]
    fn calls_allowed(&self) -> fdo::Result<bool> {
        Ok(self.view()?.calls_allowed)
    }

    /// Whether it is connected for calls.
    #[zbus(property)]
    fn hands_free(&self) -> fdo::Result<bool> {
        Ok(self.view()?.hands_free)
    }

    /// How the sound of its calls comes here: "CVSD", "mSBC" or "LC3-SWB"; empty while it does not.
    #[zbus(property)]
    fn voice(&self) -> fdo::Result<String> {
        Ok(self.view()?.voice)
    }

    /// The volume of its calls, 0 to 100; 0 while it is not connected for calls.
    #[zbus(property)]
    fn call_volume(&self) -> fdo::Result<u8> {
        Ok(self.view()?.call_volume)
    }

    /// How loud its callers get the room, 0 to 100; 0 while it is not connected for calls.
    #[zbus(property)]
    fn microphone_volume(&self) -> fdo::Result<u8> {
        Ok(self.view()?.microphone_volume)
    }

    /// Whether its assistant listens.
    #[zbus(property)]
    fn assistant_listens(&self) -> fdo::Result<bool> {
        Ok(self.view()?.assistant_listens)
    }

    /// What it tells of itself, without what it does not tell: Service b (it has a network),
    /// Signal y (0 to 5), Roaming b (the network is a foreign one), Battery y (0 to 5), Operator s.
    #[zbus(property)]
    fn gateway(&self) -> fdo::Result<HashMap<String, OwnedValue>> {
        Ok(self.view()?.gateway)
    }

    /// When it was trusted, in seconds since 1970; 0 if it is not.
    #[zbus(property)]
    fn first_seen(&self) -> fdo::Result<u64> {
        Ok(self.view()?.first_seen)
    }

    /// When it last connected or disconnected, in seconds since 1970; 0 if never.
    #[zbus(property)]
    fn last_seen(&self) -> fdo::Result<u64> {
        Ok(self.view()?.last_seen)
    }

    /// When it is called, should it be missing: first, usual, last or never.
    #[zbus(property)]
    fn preference(&self) -> fdo::Result<String> {
        Ok(self.view()?.preference.to_owned())
    }

    /// Whether it is missing and called just now.
    #[zbus(property)]
    fn called(&self) -> fdo::Result<bool> {
        Ok(self.view()?.called)
    }

    /// When it is called next, in seconds since 1970, unless somebody pairs, telephones or plays
    /// then; 0 while it is not missing, or given up.
    #[zbus(property)]
    fn next_call(&self) -> fdo::Result<u64> {
        Ok(self.view()?.next_call)
    }

    /// What it plays and how that goes right now; empty while it does not play. Codec s, Rate u,
    /// Channels y, ChannelMode s, MaxBitpool y; and once sound comes out: Packets t, Lost t,
    /// ConcealedMs u, Underruns t, BufferMs u, DelayMs u, DriftPpm d, BitRate u.
    #[zbus(property(emits_changed_signal = "false"))]
    fn stream(&self) -> fdo::Result<HashMap<String, OwnedValue>> {
        let status = self
            .published
            .phone(self.address, |phone| phone.stream.clone())
            .ok_or_else(|| self.gone())?;
        Ok(status.map_or_else(HashMap::new, |status| {
            wire::stream(&status, self.published.figures(&status.transport))
        }))
    }
}
