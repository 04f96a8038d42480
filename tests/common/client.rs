//! Another program on the bus, looking at the service.

use std::collections::{BTreeMap, HashMap};

use dotd::api::{CallsProxy, PhoneProxy, SpeakerProxy, wire};
use dotd::policy::Snapshot;
use futures_util::StreamExt;
use zbus::fdo::{ObjectManagerProxy, PropertiesChangedStream, PropertiesProxy};
use zbus::names::InterfaceName;
use zbus::proxy::CacheProperties;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, Message};

use super::DEADLINE;
use super::bus::Bus;
use super::speaker::{Answer, Speaker, address};

/// The service and a client of it.
pub(crate) struct Scene {
    pub(crate) client: Connection,
    pub(crate) speaker: Speaker,
    pub(crate) bus: Bus,
}

/// Properties by name, as people write values.
pub(crate) type Properties = BTreeMap<String, String>;

impl Scene {
    pub(crate) async fn new(snapshot: Snapshot, answer: Answer) -> Self {
        let bus = Bus::open();
        let speaker = Speaker::start(&bus, snapshot, answer).unwrap();
        let builder = zbus::connection::Builder::address(bus.address.as_str()).unwrap();
        let client = builder.build().await.unwrap();
        Self {
            client,
            speaker,
            bus,
        }
    }

    pub(crate) async fn proxy(&self) -> SpeakerProxy<'static> {
        SpeakerProxy::builder(&self.client)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .unwrap()
    }

    pub(crate) async fn phone(&self, last: u8) -> PhoneProxy<'static> {
        PhoneProxy::builder(&self.client)
            .path(wire::phone_path(address(last)))
            .unwrap()
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .unwrap()
    }

    /// The means to do something about calls at `path`.
    pub(crate) async fn calls(&self, path: &str) -> CallsProxy<'static> {
        CallsProxy::builder(&self.client)
            .path(path.to_owned())
            .unwrap()
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .unwrap()
    }

    pub(crate) async fn objects(&self) -> ObjectManagerProxy<'static> {
        ObjectManagerProxy::builder(&self.client)
            .destination(wire::SERVICE)
            .unwrap()
            .path(wire::ROOT)
            .unwrap()
            .build()
            .await
            .unwrap()
    }

    pub(crate) async fn properties_at(&self, path: &str) -> PropertiesProxy<'static> {
        PropertiesProxy::builder(&self.client)
            .destination(wire::SERVICE)
            .unwrap()
            .path(path.to_owned())
            .unwrap()
            .build()
            .await
            .unwrap()
    }

    pub(crate) async fn all(&self, path: &str, interface: &str) -> Properties {
        let interface = InterfaceName::try_from(interface).unwrap();
        let properties = self.properties_at(path).await;
        readable(properties.get_all(interface).await.unwrap())
    }
}

fn readable(properties: HashMap<String, OwnedValue>) -> Properties {
    let shown = |(name, value): (String, OwnedValue)| (name, value.to_string());
    properties.into_iter().map(shown).collect()
}

/// Waits for what comes next, not for ever.
pub(crate) async fn next<S: StreamExt + Unpin>(stream: &mut S) -> S::Item {
    let next = tokio::time::timeout(DEADLINE, stream.next()).await;
    next.expect("something comes").expect("the stream goes on")
}

/// Returns the object, the interface and the changes of the next `PropertiesChanged`.
pub(crate) async fn changed(stream: &mut PropertiesChangedStream) -> (String, Properties) {
    let signal = next(stream).await;
    let args = signal.args().unwrap();
    assert!(args.invalidated_properties().is_empty());
    let changed = args.changed_properties().iter();
    let changed = changed.map(|(name, value)| {
        let value = value.try_to_owned().unwrap();
        ((*name).to_owned(), value.to_string())
    });
    (args.interface_name().to_string(), changed.collect())
}

pub(crate) fn path_of(message: &Message) -> String {
    message.header().path().unwrap().to_string()
}

pub(crate) fn expected(pairs: &[(&str, &str)]) -> Properties {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}
