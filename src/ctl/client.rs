//! The speaker, as seen over the bus.
//!
//! Invariant: nothing is remembered; every question is asked anew.

use std::collections::{BTreeMap, HashMap};

use zbus::Connection;
use zbus::fdo::{DBusProxy, ObjectManagerProxy, PropertiesProxy};
use zbus::names::InterfaceName;
use zbus::proxy::CacheProperties;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::failure::Failure;
use super::shape::{CallShape, PhoneShape, SpeakerShape};
use crate::api::{CallProxy, CallsProxy, Error, PhoneProxy, PlayerProxy, SpeakerProxy, wire};
use crate::policy::calls::facts::CallId;
use crate::policy::model::Address;

/// The properties of one interface.
pub(super) type Properties = HashMap<String, OwnedValue>;

/// A running dotd.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    pub(super) speaker: SpeakerProxy<'static>,
}

impl Client {
    /// Finds dotd and makes sure that it answers us.
    pub(super) async fn connect() -> Result<Self, Failure> {
        let connection = Connection::system().await.map_err(Failure::NoBus)?;
        let bus = DBusProxy::new(&connection).await?;
        let name = wire::SERVICE.try_into().map_err(zbus::Error::from)?;
        if !bus.name_has_owner(name).await? {
            return Err(Failure::NotRunning);
        }
        let speaker = SpeakerProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        // Who may not ask must learn it now: signals would just never come.
        speaker.version().await?;
        Ok(Self {
            connection,
            speaker,
        })
    }

    pub(super) async fn speaker(&self) -> Result<SpeakerShape, Failure> {
        SpeakerShape::read(self.properties(wire::ROOT, "org.dotd.Speaker1").await?)
    }

    /// Returns all phones with their calls, by name.
    pub(super) async fn phones(&self) -> Result<Vec<PhoneShape>, Failure> {
        let objects = ObjectManagerProxy::builder(&self.connection)
            .destination(wire::SERVICE)?
            .path(wire::ROOT)?
            .build()
            .await?;
        let mut found: Vec<(Address, Properties)> = Vec::new();
        let mut calls: BTreeMap<Address, Vec<CallShape>> = BTreeMap::new();
        for (path, interfaces) in objects.get_managed_objects().await? {
            for (interface, properties) in interfaces {
                match interface.as_str() {
                    "org.dotd.Phone1" => {
                        let phone = wire::phone_address(&path);
                        found.extend(phone.map(|phone| (phone, properties)));
                    }
                    "org.dotd.Call1" => {
                        if let Some((phone, id)) = wire::phone_and_call(&path) {
                            let call = CallShape::read(id, properties)?;
                            calls.entry(phone).or_default().push(call);
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut phones = Vec::new();
        for (address, properties) in found {
            let mut calls = calls.remove(&address).unwrap_or_default();
            calls.sort_by_key(|call| call.id);
            phones.push(PhoneShape::read(properties, calls)?);
        }
        phones.sort_by_key(|phone| (phone.name.to_lowercase(), phone.address.clone()));
        Ok(phones)
    }

    /// Returns one phone with its calls.
    pub(super) async fn phone(&self, path: &OwnedObjectPath) -> Result<PhoneShape, Failure> {
        let address = wire::phone_address(path).map(|address| address.to_string());
        let phones = self.phones().await?.into_iter();
        let mut meant = phones.filter(|phone| Some(&phone.address) == address.as_ref());
        meant.next().ok_or_else(|| {
            let gone = "the phone is gone; `dotctl phones` lists those that are left";
            Failure::Service(Error::NotFound(gone.to_owned()))
        })
    }

    /// Finds the phone that a person means.
    pub(super) async fn find(&self, text: &str) -> Result<OwnedObjectPath, Failure> {
        Ok(self.speaker.find_phone(text).await?)
    }

    /// Returns the means to tell a phone what to do.
    pub(super) async fn at(&self, phone: &OwnedObjectPath) -> Result<PhoneProxy<'static>, Failure> {
        let proxy = PhoneProxy::builder(&self.connection)
            .path(phone.clone())?
            .cache_properties(CacheProperties::No)
            .build();
        Ok(proxy.await?)
    }

    /// Returns the means to do something about the calls of a phone, or of the only one that fits.
    pub(super) async fn calls(
        &self,
        phone: Option<&OwnedObjectPath>,
    ) -> Result<CallsProxy<'static>, Failure> {
        let proxy = CallsProxy::builder(&self.connection).cache_properties(CacheProperties::No);
        let proxy = match phone {
            Some(phone) => proxy.path(phone.clone())?,
            None => proxy,
        };
        Ok(proxy.build().await?)
    }

    /// Returns the buttons of a phone's player, or of that of the phone that is meant.
    pub(super) async fn player(
        &self,
        phone: Option<&OwnedObjectPath>,
    ) -> Result<PlayerProxy<'static>, Failure> {
        let proxy = PlayerProxy::builder(&self.connection).cache_properties(CacheProperties::No);
        let proxy = match phone {
            Some(phone) => proxy.path(phone.clone())?,
            None => proxy,
        };
        Ok(proxy.build().await?)
    }

    /// Returns the means to end a call.
    pub(super) async fn call(
        &self,
        phone: Address,
        call: CallId,
    ) -> Result<CallProxy<'static>, Failure> {
        let proxy = CallProxy::builder(&self.connection)
            .path(wire::call_path(phone, call))?
            .cache_properties(CacheProperties::No)
            .build();
        Ok(proxy.await?)
    }

    async fn properties(&self, path: &str, interface: &str) -> Result<Properties, Failure> {
        let properties = PropertiesProxy::builder(&self.connection)
            .destination(wire::SERVICE)?
            .path(path)?
            .build()
            .await?;
        let interface = InterfaceName::try_from(interface).map_err(zbus::Error::from)?;
        Ok(properties.get_all(interface).await?)
    }
}
