//! Bursts of what bluetoothd says, and what has to be told of them.

use super::super::convert::properties;
use super::*;
use crate::policy::event::{RadioBlock, TransportState};
use crate::policy::model::ChannelMode;

const ANNA: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x01]);
const BEN: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x02]);
const HCI0: &str = "/org/bluez/hci0";
const ANNA_PATH: &str = "/org/bluez/hci0/dev_DA_4C_10_DE_00_01";
const BEN_PATH: &str = "/org/bluez/hci0/dev_DA_4C_10_DE_00_02";
const FD0: &str = "/org/bluez/hci0/dev_DA_4C_10_DE_00_01/fd0";

fn free(_: &str) -> Kernel {
    Kernel {
        block: RadioBlock::Free,
        wide_band: true,
    }
}

fn interface(name: &str, properties: Properties) -> Interfaces {
    Interfaces::from([(name.to_owned(), properties)])
}

fn adapter(address: &'static str) -> Interfaces {
    let told = properties([
        ("Address", address.into()),
        ("Alias", "Dot-0000".into()),
        ("Powered", true.into()),
        ("Class", 0x24_0414_u32.into()),
    ]);
    interface(ADAPTER, told)
}

fn device(alias: &'static str, bonded: bool, connected: bool) -> Interfaces {
    let told = properties([
        ("Alias", alias.into()),
        ("Bonded", bonded.into()),
        ("Connected", connected.into()),
    ]);
    interface(DEVICE, told)
}

fn phone(address: Address, name: &str, bonded: bool, connected: bool) -> PhoneFacts {
    PhoneFacts {
        address,
        name: name.to_owned(),
        bonded,
        trusted: false,
        source: false,
        connected,
    }
}

fn fd0() -> TransportId {
    TransportId(FD0.to_owned())
}

fn configured(properties: Properties) -> Configured {
    Configured {
        transport: fd0(),
        phone: ANNA,
        format: StreamFormat::Sbc {
            rate: 44_100,
            mode: ChannelMode::JointStereo,
            max_bitpool: 53,
        },
        properties,
    }
}

/// A picture with `hci0` in use and Anna bonded and connected, all of it told.
fn anna_connected() -> Picture {
    let mut picture = Picture::default();
    picture.draw(Objects::new());
    picture.add(HCI0, adapter("DA:4C:10:DE:00:00"));
    picture.add(ANNA_PATH, device("Anna", true, true));
    picture.use_adapter("hci0".to_owned());
    assert_eq!(picture.report(free).len(), 3);
    picture
}

fn names(events: &[Event]) -> Vec<String> {
    let name = |event| serde_json::to_value(event).unwrap()["event"].to_string();
    events.iter().map(name).collect()
}

#[test]
fn adapters_are_told_with_what_rfkill_does_to_them() {
    let mut picture = Picture::default();
    picture.draw(Objects::new());
    picture.add(HCI0, adapter("DA:4C:10:DE:00:00"));
    let facts = AdapterFacts {
        id: "hci0".to_owned(),
        address: Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x00]),
        powered: true,
        block: RadioBlock::Free,
        wide_band: true,
        discoverable: false,
        pairable: false,
        discovering: false,
        alias: "Dot-0000".to_owned(),
        class: 0x24_0414,
    };
    let seen = Event::AdapterSeen(facts.clone());
    assert_eq!(picture.report(free), [Event::BluetoothFound, seen]);
    assert_eq!(picture.report(free), []);
    let off = properties([("Powered", false.into())]);
    picture.change(HCI0, ADAPTER, off);
    let blocked = AdapterFacts {
        powered: false,
        block: RadioBlock::Soft,
        wide_band: false,
        ..facts
    };
    let kernel = |_: &str| Kernel {
        block: RadioBlock::Soft,
        wide_band: false,
    };
    assert_eq!(picture.report(kernel), [Event::AdapterSeen(blocked)]);
    picture.remove(HCI0, &[ADAPTER.to_owned()]);
    let id = "hci0".to_owned();
    assert_eq!(picture.report(free), [Event::AdapterGone { id }]);
}

#[test]
fn an_adapter_that_loses_another_interface_stays() {
    let mut picture = anna_connected();
    picture.remove(HCI0, &["org.bluez.LEAdvertisingManager1".to_owned()]);
    assert_eq!(picture.report(free), []);
}

#[test]
fn phones_are_told_of_the_adapter_in_use_only_and_first_all_at_once() {
    let mut picture = Picture::default();
    picture.draw(Objects::new());
    picture.add(HCI0, adapter("DA:4C:10:DE:00:00"));
    picture.add(ANNA_PATH, device("Anna", true, false));
    picture.add(BEN_PATH, device("Ben", false, false));
    let elsewhere = ANNA_PATH.replace("hci0", "hci1");
    picture.add(&elsewhere, device("Anna", true, true));
    assert!(
        !names(&picture.report(free))
            .iter()
            .any(|it| it.contains("phone"))
    );

    picture.use_adapter("hci0".to_owned());
    let phones = vec![phone(ANNA, "Anna", true, false)];
    assert_eq!(picture.report(free), [Event::InventoryTaken { phones }]);

    picture.change(BEN_PATH, DEVICE, properties([("Connected", true.into())]));
    let connected = Event::PhoneSeen(phone(BEN, "Ben", false, true));
    assert_eq!(picture.report(free), [connected]);
    picture.change(BEN_PATH, DEVICE, properties([("Connected", false.into())]));
    let left = Event::PhoneSeen(phone(BEN, "Ben", false, false));
    assert_eq!(picture.report(free), [left]);
    picture.remove(BEN_PATH, &[DEVICE.to_owned()]);
    assert_eq!(picture.report(free), [Event::PhoneGone { phone: BEN }]);
}

#[test]
fn a_burst_about_a_phone_is_told_once() {
    let mut picture = anna_connected();
    picture.add(BEN_PATH, device("Ben", false, true));
    picture.change(BEN_PATH, DEVICE, properties([("Bonded", true.into())]));
    picture.change(BEN_PATH, DEVICE, properties([("RSSI", 7_i16.into())]));
    let seen = Event::PhoneSeen(phone(BEN, "Ben", true, true));
    assert_eq!(picture.report(free), [seen]);
    picture.change(BEN_PATH, DEVICE, properties([("RSSI", 9_i16.into())]));
    assert_eq!(picture.report(free), []);
}

#[test]
fn a_transport_is_told_change_by_change() {
    let mut picture = anna_connected();
    let first = properties([("State", "idle".into()), ("Volume", 127_u16.into())]);
    picture.open(configured(first));
    for state in ["pending", "active", "idle", "pending"] {
        picture.change(FD0, TRANSPORT, properties([("State", state.into())]));
    }
    let changed = |state| Event::TransportChanged {
        transport: fd0(),
        state,
    };
    assert_eq!(
        picture.report(free),
        [
            Event::TransportOpened {
                transport: fd0(),
                phone: ANNA,
                format: configured(Properties::new()).format,
            },
            changed(TransportState::Pending),
            changed(TransportState::Active),
            changed(TransportState::Idle),
            changed(TransportState::Pending),
            Event::TransportVolumeChanged {
                transport: fd0(),
                avrcp: 127,
            },
        ]
    );
}

#[test]
fn a_transport_closes_once_however_often_it_is_said() {
    let mut picture = anna_connected();
    picture.open(configured(Properties::new()));
    picture.report(free);
    picture.close(&fd0());
    picture.remove(FD0, &[TRANSPORT.to_owned()]);
    let transport = fd0();
    assert_eq!(picture.report(free), [Event::TransportClosed { transport }]);
    picture.change(FD0, TRANSPORT, properties([("State", "active".into())]));
    assert_eq!(picture.report(free), []);
}

#[test]
fn transports_of_other_programs_are_not_told() {
    let mut picture = anna_connected();
    let told = properties([("State", "active".into())]);
    picture.add(FD0, interface(TRANSPORT, told));
    picture.change(FD0, TRANSPORT, properties([("Volume", 5_u16.into())]));
    picture.remove(FD0, &[TRANSPORT.to_owned()]);
    assert_eq!(picture.report(free), []);
}

#[test]
fn an_unplugged_adapter_takes_its_transports_along_but_no_bonds() {
    let mut picture = anna_connected();
    picture.open(configured(Properties::new()));
    picture.report(free);
    // As BlueZ 5.82 tells it: off, the phones gone one by one, the adapter gone.
    picture.change(HCI0, ADAPTER, properties([("Powered", false.into())]));
    assert_eq!(names(&picture.report(free)), ["\"adapter-seen\""]);
    picture.remove(ANNA_PATH, &[DEVICE.to_owned()]);
    assert_eq!(picture.report(free), []);
    picture.remove(HCI0, &[ADAPTER.to_owned()]);
    let transport = fd0();
    assert_eq!(
        picture.report(free),
        [
            Event::AdapterGone {
                id: "hci0".to_owned()
            },
            Event::TransportClosed { transport },
        ]
    );
}

#[test]
fn the_inventory_is_taken_again_whenever_the_radio_comes_on() {
    let mut picture = anna_connected();
    picture.change(HCI0, ADAPTER, properties([("Powered", false.into())]));
    picture.change(ANNA_PATH, DEVICE, properties([("Connected", false.into())]));
    assert_eq!(names(&picture.report(free)), ["\"adapter-seen\""]);
    picture.change(HCI0, ADAPTER, properties([("Powered", true.into())]));
    let told = picture.report(free);
    assert_eq!(names(&told), ["\"adapter-seen\"", "\"inventory-taken\""]);
    let phones = vec![phone(ANNA, "Anna", true, false)];
    assert_eq!(told[1], Event::InventoryTaken { phones });
}

#[test]
fn nothing_outlives_bluetoothd() {
    let mut picture = anna_connected();
    picture.open(configured(Properties::new()));
    picture.report(free);
    picture.lose();
    assert_eq!(picture.report(free), [Event::BluetoothLost]);

    let mut restarted = anna_connected();
    restarted.lose();
    let path = zbus::zvariant::ObjectPath::try_from(HCI0).unwrap();
    restarted.draw(Objects::from([(path.into(), adapter("DA:4C:10:DE:00:00"))]));
    assert_eq!(
        names(&restarted.report(free)),
        [
            "\"bluetooth-lost\"",
            "\"bluetooth-found\"",
            "\"adapter-seen\""
        ]
    );
}

#[test]
fn a_player_is_told_if_its_phone_is_at_our_adapter() {
    let mut picture = Picture::default();
    picture.add(HCI0, adapter("DA:4C:10:DE:00:00"));
    picture.use_adapter("hci0".into());
    picture.report(free);
    let elsewhere = ANNA_PATH.replace("hci0", "hci1");
    for device in [&elsewhere, ANNA_PATH] {
        let player = interface(PLAYER, properties([("Status", "playing".into())]));
        picture.add(&format!("{device}/avrcp/player0"), player);
    }
    let told = picture.report(free);
    assert!(
        matches!(told[..], [Event::PlayerSeen { phone: ANNA, .. }]),
        "{told:?}"
    );
    let player = format!("{ANNA_PATH}/avrcp/player0");
    picture.change(&player, PLAYER, properties([("Status", "paused".into())]));
    assert_eq!(picture.report(free).len(), 1);
    picture.remove(&player, &[PLAYER.to_owned()]);
    assert_eq!(picture.report(free), [Event::PlayerGone { phone: ANNA }]);
}

#[test]
fn the_gallery_has_the_phones_that_are_connected_and_what_they_offer() {
    let mut picture = anna_connected();
    picture.add(BEN_PATH, device("Ben", true, false));
    let gallery = |picture: &Picture| {
        let offers = picture.gallery().into_iter();
        offers
            .map(|(phone, art)| (phone, art.map(|art| art.psm)))
            .collect::<Vec<_>>()
    };
    assert_eq!(gallery(&picture), [(ANNA, None)]);
    let offer = || interface(PLAYER, properties([("ObexPort", 0x1007_u16.into())]));
    picture.add(&format!("{ANNA_PATH}/player0"), offer());
    picture.add(&format!("{BEN_PATH}/player0"), offer());
    assert_eq!(gallery(&picture), [(ANNA, Some(0x1007))]);
    let left = properties([("Connected", false.into())]);
    picture.change(ANNA_PATH, DEVICE, left);
    assert_eq!(gallery(&picture), [], "whatever is left of its player");
    let came = properties([("Connected", true.into())]);
    picture.change(BEN_PATH, DEVICE, came);
    assert_eq!(gallery(&picture), [(BEN, Some(0x1007))]);
    let off = properties([("Powered", false.into())]);
    picture.change(HCI0, ADAPTER, off);
    assert_eq!(gallery(&picture), [], "the radio is off");
}
