//! The speaker, as seen over the bus.
//!
//! Invariant: nothing is remembered; every question is asked anew.

use std::collections::HashMap;

use zbus::Connection;
use zbus::fdo::{DBusProxy, ObjectManagerProxy, PropertiesProxy};
use zbus::names::InterfaceName;
use zbus::proxy::CacheProperties;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::failure::Failure;
use super::shape::{PhoneShape, SpeakerShape};
use crate::api::{PhoneProxy, SpeakerProxy, wire};

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

    /// Returns all phones, by name.
    pub(super) async fn phones(&self) -> Result<Vec<PhoneShape>, Failure> {
        let objects = ObjectManagerProxy::builder(&self.connection)
            .destination(wire::SERVICE)?
            .path(wire::ROOT)?
            .build()
            .await?;
        let mut phones = Vec::new();
        for interfaces in objects.get_managed_objects().await?.into_values() {
            for (interface, properties) in interfaces {
                if interface.as_str() == "org.dotd.Phone1" {
                    phones.push(PhoneShape::read(properties)?);
                }
            }
        }
        phones.sort_by_key(|phone| (phone.name.to_lowercase(), phone.address.clone()));
        Ok(phones)
    }

    pub(super) async fn phone(&self, path: &OwnedObjectPath) -> Result<PhoneShape, Failure> {
        PhoneShape::read(self.properties(path.as_str(), "org.dotd.Phone1").await?)
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
