//! The edge between BlueZ's object paths and property maps and the policy's words.
//!
//! Invariant: whatever BlueZ leaves out or types differently becomes `None` or the harmless default
//! (not bonded, not trusted, not connected), never an error that hides the rest.

use std::collections::HashMap;

use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

use crate::policy::event::{AdapterFacts, PhoneFacts, RadioBlock, TransportState};
use crate::policy::model::Address;

/// The properties of one interface of one object.
pub(super) type Properties = HashMap<String, OwnedValue>;

/// The interfaces of one object.
pub(super) type Interfaces = HashMap<String, Properties>;

/// Everything `GetManagedObjects` tells.
pub(super) type Objects = HashMap<OwnedObjectPath, Interfaces>;

/// The well-known name of bluetoothd.
pub(super) const BLUEZ: &str = "org.bluez";
/// An adapter.
pub(super) const ADAPTER: &str = "org.bluez.Adapter1";
/// A device that an adapter knows.
pub(super) const DEVICE: &str = "org.bluez.Device1";
/// A configured stream of a device.
pub(super) const TRANSPORT: &str = "org.bluez.MediaTransport1";

/// What plays on a device.
pub(super) const PLAYER: &str = "org.bluez.MediaPlayer1";

/// The remote control of a device.
pub(super) const CONTROL: &str = "org.bluez.MediaControl1";

/// The service of a phone that we want: the source of the music.
pub(super) const AUDIO_SOURCE: &str = "0000110a-0000-1000-8000-00805f9b34fb";

const ROOT: &str = "/org/bluez/";

/// Reads one property.
pub(super) fn property<'a, T>(properties: &'a Properties, name: &str) -> Option<T>
where
    T: TryFrom<&'a Value<'a>>,
    zbus::zvariant::Error: From<<T as TryFrom<&'a Value<'a>>>::Error>,
{
    properties.get(name)?.downcast_ref().ok()
}

/// Reads a property that holds bytes.
pub(super) fn bytes(properties: &Properties, name: &str) -> Option<Vec<u8>> {
    let value = properties.get(name)?.try_clone().ok()?;
    Vec::try_from(value).ok()
}

/// Reads a property that holds texts; none when it is not there.
fn texts(properties: &Properties, name: &str) -> Vec<String> {
    let value = properties.get(name).map(OwnedValue::try_clone);
    let texts = value.and_then(|it| Vec::try_from(it.ok()?).ok());
    texts.unwrap_or_default()
}

/// Returns the object path of an adapter; nothing when `id` cannot be part of a path.
pub(super) fn adapter_path(id: &str) -> Option<OwnedObjectPath> {
    ObjectPath::try_from(format!("{ROOT}{id}"))
        .ok()
        .map(Into::into)
}

/// Returns the name of the adapter at `path`: `hci0` for `/org/bluez/hci0`.
pub(super) fn adapter_id(path: &str) -> Option<&str> {
    path.strip_prefix(ROOT)
        .filter(|id| !id.is_empty() && !id.contains('/'))
}

/// Returns the object path of a device; nothing when `adapter` cannot be part of a path.
pub(super) fn device_path(adapter: &str, device: Address) -> Option<OwnedObjectPath> {
    let device = device.to_string().replace(':', "_");
    ObjectPath::try_from(format!("{ROOT}{adapter}/dev_{device}"))
        .ok()
        .map(Into::into)
}

/// Returns adapter and address of the device at `path`, or of the device that the object at `path`
/// belongs to, like `/org/bluez/hci0/dev_DA_4C_10_DE_00_01/fd3`.
pub(super) fn device_of(path: &str) -> Option<(&str, Address)> {
    let (adapter, rest) = path.strip_prefix(ROOT)?.split_once('/')?;
    let device = rest.split('/').next()?.strip_prefix("dev_")?;
    let address = device.replace('_', ":").parse().ok()?;
    Some((adapter, address))
}

/// Returns adapter and address of the device at `path` itself.
pub(super) fn device_at(path: &str) -> Option<(&str, Address)> {
    path.rsplit_once('/')
        .filter(|(_, last)| last.starts_with("dev_"))
        .and_then(|_| device_of(path))
}

/// Reads a transport's state; nothing for states that an A2DP sink never has.
pub(super) fn transport_state(text: &str) -> Option<TransportState> {
    match text {
        "idle" => Some(TransportState::Idle),
        "pending" => Some(TransportState::Pending),
        "active" => Some(TransportState::Active),
        _ => None,
    }
}

/// What the kernel knows of an adapter and bluetoothd does not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    /// What rfkill does to it.
    pub(super) block: RadioBlock,
    /// Whether calls on it can be coded better than with CVSD.
    pub(super) wide_band: bool,
}

/// Reads an adapter's facts from the properties of its `Adapter1`; nothing while BlueZ has not told
/// its address.
pub(super) fn adapter_facts(
    id: &str,
    properties: &Properties,
    Kernel { block, wide_band }: Kernel,
) -> Option<AdapterFacts> {
    let flag = |name| property(properties, name).unwrap_or(false);
    Some(AdapterFacts {
        id: id.to_owned(),
        address: property::<&str>(properties, "Address")?.parse().ok()?,
        powered: flag("Powered"),
        block,
        wide_band,
        discoverable: flag("Discoverable"),
        pairable: flag("Pairable"),
        discovering: flag("Discovering"),
        alias: property(properties, "Alias").unwrap_or_default(),
        class: property(properties, "Class").unwrap_or_default(),
    })
}

/// Reads a phone's facts from the properties of its `Device1`.
pub(super) fn phone_facts(address: Address, properties: &Properties) -> PhoneFacts {
    let flag = |name| property(properties, name).unwrap_or(false);
    PhoneFacts {
        address,
        name: phone_name(address, properties),
        bonded: flag("Bonded"),
        trusted: flag("Trusted"),
        source: texts(properties, "UUIDs")
            .iter()
            .any(|uuid| uuid == AUDIO_SOURCE),
        connected: flag("Connected"),
    }
}

/// BlueZ makes up an alias from the address while it does not know the name; people are better
/// served by the address as it is written everywhere else.
fn phone_name(address: Address, properties: &Properties) -> String {
    let made_up = address.to_string().replace(':', "-");
    property::<&str>(properties, "Alias")
        .map(str::trim)
        .filter(|alias| !alias.is_empty() && *alias != made_up)
        // It comes from the air and goes to systemd and the journal, line by line.
        .map_or_else(
            || address.to_string(),
            |alias| alias.replace(char::is_control, " "),
        )
}

#[cfg(test)]
pub(super) fn properties<const N: usize>(pairs: [(&str, Value<'static>); N]) -> Properties {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.try_into_owned().unwrap()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x01]);

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!(adapter_id("/org/bluez/hci0"), Some("hci0"));
        for other in ["/org/bluez", "/org/bluez/", "/org/bluez/hci0/dev_X", "/"] {
            assert_eq!(adapter_id(other), None, "{other}");
        }
        let device = "/org/bluez/hci1/dev_DA_4C_10_DE_00_01";
        assert_eq!(device_at(device), Some(("hci1", PHONE)));
        assert_eq!(device_of(device), Some(("hci1", PHONE)));
        for below in ["fd3", "sep2/fd3", "player0"] {
            let path = format!("{device}/{below}");
            assert_eq!(device_of(&path), Some(("hci1", PHONE)), "{path}");
            assert_eq!(device_at(&path), None, "{path}");
        }
        assert_eq!(device_of("/org/bluez/hci0/dev_nonsense"), None);
        assert_eq!(device_of("/org/bluez/hci0"), None);
        assert_eq!(adapter_path("hci0").unwrap().as_str(), "/org/bluez/hci0");
        assert_eq!(adapter_path("hci 0"), None);
    }

    #[test]
    fn a_phone_is_what_its_properties_say() {
        let known = properties([
            ("Alias", "Anna's iPhone".into()),
            ("Bonded", true.into()),
            ("Trusted", true.into()),
            ("Connected", true.into()),
            (
                "UUIDs",
                vec!["00001200-0000-1000-8000-00805f9b34fb", AUDIO_SOURCE].into(),
            ),
        ]);
        assert_eq!(
            phone_facts(PHONE, &known),
            PhoneFacts {
                address: PHONE,
                name: "Anna's iPhone".to_owned(),
                bonded: true,
                trusted: true,
                source: true,
                connected: true,
            }
        );
    }

    #[test]
    fn what_is_missing_or_mistyped_counts_as_no() {
        let odd = properties([
            ("Alias", "DA-4C-10-DE-00-01".into()),
            ("Bonded", "yes".into()),
            ("Paired", true.into()),
        ]);
        let facts = phone_facts(PHONE, &odd);
        assert_eq!(facts.name, "DA:4C:10:DE:00:01");
        assert!(!facts.bonded && !facts.trusted && !facts.source && !facts.connected);
        assert_eq!(phone_facts(PHONE, &Properties::new()).name, facts.name);
    }

    #[test]
    fn bytes_are_read_from_byte_arrays_only() {
        let odd = properties([
            ("Configuration", vec![0x21_u8, 0x15, 2, 53].into()),
            ("Volume", 64_u16.into()),
        ]);
        assert_eq!(bytes(&odd, "Configuration"), Some(vec![0x21, 0x15, 2, 53]));
        assert_eq!(bytes(&odd, "Volume"), None);
        assert_eq!(bytes(&odd, "Missing"), None);
        assert_eq!(property::<u16>(&odd, "Volume"), Some(64));
        assert_eq!(property::<bool>(&odd, "Volume"), None);
    }

    #[test]
    fn only_the_states_of_a_sink_are_known() {
        assert_eq!(transport_state("pending"), Some(TransportState::Pending));
        assert_eq!(transport_state("broadcasting"), None);
    }
}
