//! A picture of what bluetoothd knows, kept up to date by its signals, and what to report of it.
//!
//! Invariant: pure. What [`Picture::report`] returned so far, folded, is what the picture shows:
//! nothing is told twice and nothing is left out. Adapters and phones are told as they are after a
//! burst of signals, and phones all at once whenever the radio came on; transports are told change by
//! change, because a stream that stopped and started again has another socket.

use std::collections::BTreeMap;

use super::convert::{
    self, ADAPTER, CONTROL, DEVICE, Interfaces, Kernel, Objects, PLAYER, Properties, TRANSPORT,
};
use super::covers::Gallery;
use super::players::Players;
use crate::policy::event::{AdapterFacts, Event, PhoneFacts};
use crate::policy::model::{Address, StreamFormat, TransportId};

/// A transport of one of our endpoints, as its phone configured it.
#[derive(Clone, Debug)]
pub(super) struct Configured {
    pub(super) transport: TransportId,
    pub(super) phone: Address,
    pub(super) format: StreamFormat,
    /// The transport's properties at that time.
    pub(super) properties: Properties,
}

/// What is known, and how much of it has been told.
#[derive(Debug, Default)]
pub(super) struct Picture {
    adapters: BTreeMap<String, Properties>,
    devices: BTreeMap<(String, Address), Properties>,
    /// The transports of our endpoints; those of other programs are none of our business.
    transports: BTreeMap<TransportId, Address>,
    players: Players,
    /// The adapter whose phones are told.
    used: Option<String>,
    inventory_due: bool,
    told_adapters: BTreeMap<String, AdapterFacts>,
    told_phones: BTreeMap<Address, PhoneFacts>,
    /// bluetoothd's own coming and going since the last report.
    presence: Vec<Event>,
    /// What happened to transports since the last report.
    happened: Vec<Event>,
    /// Which sliders moved since then.
    volumes: Vec<Event>,
}

impl Picture {
    /// bluetoothd left: nothing that was known is true any more.
    pub(super) fn lose(&mut self) {
        let mut presence = std::mem::take(&mut self.presence);
        presence.push(Event::BluetoothLost);
        let mut players = std::mem::take(&mut self.players);
        players.lose();
        *self = Self {
            presence,
            players,
            ..Self::default()
        };
    }

    /// bluetoothd is there and this is everything it knows.
    pub(super) fn draw(&mut self, objects: Objects) {
        self.presence.push(Event::BluetoothFound);
        for (path, interfaces) in objects {
            self.add(&path, interfaces);
        }
    }

    /// An object appeared, or got more interfaces.
    pub(super) fn add(&mut self, path: &str, interfaces: Interfaces) {
        for (interface, properties) in interfaces {
            match interface.as_str() {
                ADAPTER => {
                    if let Some(id) = convert::adapter_id(path) {
                        self.adapters.insert(id.to_owned(), properties);
                    }
                }
                DEVICE => {
                    if let Some((adapter, phone)) = convert::device_at(path) {
                        self.devices.insert((adapter.to_owned(), phone), properties);
                    }
                }
                PLAYER | CONTROL => self.players.add(path, &interface, properties),
                _ => {}
            }
        }
    }

    /// An object disappeared, or lost some interfaces.
    pub(super) fn remove(&mut self, path: &str, interfaces: &[String]) {
        for interface in interfaces {
            match interface.as_str() {
                ADAPTER => {
                    if let Some(id) = convert::adapter_id(path) {
                        self.remove_adapter(id);
                    }
                }
                DEVICE => {
                    if let Some((adapter, phone)) = convert::device_at(path) {
                        self.devices.remove(&(adapter.to_owned(), phone));
                    }
                }
                TRANSPORT => self.close(&TransportId(path.to_owned())),
                PLAYER | CONTROL => self.players.remove(path, interface),
                _ => {}
            }
        }
    }

    /// Some properties of an object have other values.
    pub(super) fn change(&mut self, path: &str, interface: &str, changed: Properties) {
        let known = match interface {
            ADAPTER => convert::adapter_id(path).and_then(|id| self.adapters.get_mut(id)),
            DEVICE => convert::device_at(path)
                .and_then(|(id, phone)| self.devices.get_mut(&(id.to_owned(), phone))),
            TRANSPORT => {
                let transport = TransportId(path.to_owned());
                if self.transports.contains_key(&transport) {
                    self.transport_changed(&transport, &changed);
                }
                None
            }
            PLAYER | CONTROL => return self.players.change(path, interface, changed),
            _ => None,
        };
        if let Some(known) = known {
            known.extend(changed);
        }
    }

    /// An adapter is ours from now on: its phones are told, first all at once.
    pub(super) fn use_adapter(&mut self, id: String) {
        self.used = Some(id);
        self.inventory_due = true;
    }

    /// A phone configured one of our endpoints.
    pub(super) fn open(&mut self, configured: Configured) {
        let Configured {
            transport,
            phone,
            format,
            properties,
        } = configured;
        // A path that comes again without having gone: BlueZ reconfigured the stream.
        self.close(&transport);
        self.transports.insert(transport.clone(), phone);
        self.happened.push(Event::TransportOpened {
            transport: transport.clone(),
            phone,
            format,
        });
        let mut first = properties;
        if convert::property(&first, "State") == Some("idle") {
            first.remove("State");
        }
        self.transport_changed(&transport, &first);
    }

    /// A transport is gone. BlueZ says so up to twice: to the endpoint and by a signal.
    pub(super) fn close(&mut self, transport: &TransportId) {
        if self.transports.remove(transport).is_some() {
            self.happened.push(Event::TransportClosed {
                transport: transport.clone(),
            });
        }
    }

    /// Returns what is new since the last report. `kernel` says what the kernel knows of an
    /// adapter.
    pub(super) fn report(&mut self, kernel: impl Fn(&str) -> Kernel) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.presence);
        self.report_adapters(kernel, &mut events);
        self.report_phones(&mut events);
        events.append(&mut self.happened);
        let used = self.used.as_deref().filter(|it| self.is_on(it));
        events.extend(self.players.report(used));
        // A player that has come says what the first volume after it is worth.
        events.append(&mut self.volumes);
        events
    }

    /// Returns which phones are connected, and what pictures they offer of what they play.
    pub(super) fn gallery(&self) -> Gallery {
        let Some(used) = self.used.as_deref().filter(|it| self.is_on(it)) else {
            return Gallery::new();
        };
        let art = self.players.art(used);
        let devices = self.devices.iter();
        let connected = devices.filter(|((adapter, _), properties)| {
            adapter == used && convert::property(properties, "Connected") == Some(true)
        });
        connected
            .map(|((_, phone), _)| (*phone, art.get(phone).copied()))
            .collect()
    }

    fn remove_adapter(&mut self, id: &str) {
        self.adapters.remove(id);
        self.devices.retain(|(adapter, _), _| adapter != id);
        self.players.remove_adapter(id);
        if self.used.as_deref() == Some(id) {
            self.used = None;
        }
        let prefix = convert::adapter_path(id).map_or_else(String::new, |path| format!("{path}/"));
        let below: Vec<_> = self.transports.keys().cloned().collect();
        for transport in below.iter().filter(|it| it.0.starts_with(&prefix)) {
            self.close(transport);
        }
    }

    fn transport_changed(&mut self, transport: &TransportId, changed: &Properties) {
        let state = convert::property(changed, "State").and_then(convert::transport_state);
        if let Some(state) = state {
            self.happened.push(Event::TransportChanged {
                transport: transport.clone(),
                state,
            });
        }
        let volume = convert::property::<u16>(changed, "Volume").and_then(|it| it.try_into().ok());
        if let Some(avrcp) = volume {
            self.volumes.push(Event::TransportVolumeChanged {
                transport: transport.clone(),
                avrcp,
            });
        }
    }

    fn is_on(&self, adapter: &str) -> bool {
        let properties = self.adapters.get(adapter);
        properties.is_some_and(|it| convert::property(it, "Powered") == Some(true))
    }

    fn report_adapters(&mut self, kernel: impl Fn(&str) -> Kernel, events: &mut Vec<Event>) {
        let now: BTreeMap<_, _> = self
            .adapters
            .iter()
            .filter_map(|(id, properties)| {
                let facts = convert::adapter_facts(id, properties, kernel(id))?;
                Some((id.clone(), facts))
            })
            .collect();
        for id in self
            .told_adapters
            .keys()
            .filter(|id| !now.contains_key(*id))
        {
            events.push(Event::AdapterGone { id: id.clone() });
        }
        for (id, facts) in &now {
            if self.told_adapters.get(id) != Some(facts) {
                events.push(Event::AdapterSeen(facts.clone()));
            }
        }
        self.told_adapters = now;
    }

    fn report_phones(&mut self, events: &mut Vec<Event>) {
        let Some(used) = self.used.as_ref().filter(|it| self.is_on(it)) else {
            // An adapter that is being unplugged first goes off, then loses its phones one by one.
            // That says nothing about their bonds: what is true is told when it is on again.
            self.inventory_due = true;
            return;
        };
        let now: BTreeMap<_, _> = self
            .devices
            .iter()
            .filter(|((adapter, _), _)| adapter == used)
            .map(|((_, phone), properties)| (*phone, convert::phone_facts(*phone, properties)))
            // A device that only came by during a search is no phone of ours; one that was told
            // is told to the end.
            .filter(|(phone, facts)| {
                let told = !self.inventory_due && self.told_phones.contains_key(phone);
                facts.bonded || facts.connected || told
            })
            .collect();
        if std::mem::take(&mut self.inventory_due) {
            let phones = now.values().cloned().collect();
            events.push(Event::InventoryTaken { phones });
        } else {
            for phone in self.told_phones.keys().filter(|it| !now.contains_key(it)) {
                events.push(Event::PhoneGone { phone: *phone });
            }
            for (phone, facts) in &now {
                if self.told_phones.get(phone) != Some(facts) {
                    events.push(Event::PhoneSeen(facts.clone()));
                }
            }
        }
        self.told_phones = now;
    }
}

#[cfg(test)]
mod tests;
