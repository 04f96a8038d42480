//! The bus policy as it is shipped, in what concerns obexd: it hears dotd alone, and calls nobody.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::bus::Bus;
use zbus::Connection;
use zbus::fdo::ObjectManager;

/// What bluez, bluez-obexd and systemd of Debian 13 allow everybody.
const DEBIANS: &str = r#"
  <policy context="default">
    <allow send_destination="org.bluez"/>
    <allow send_destination="org.bluez.obex"/>
    <allow send_destination="org.freedesktop.systemd1"/>
  </policy>
  <policy context="mandatory">
    <allow own="org.bluez"/>
    <allow own="org.freedesktop.systemd1"/>
    <allow own="org.dotd.Covers"/>
  </policy>
"#;

/// The policy with whoever runs this test in the role of dotd-obexd.
fn shipped_policy() -> String {
    let policy = include_str!("../config/dbus/org.dotd.conf");
    let (_, rules) = policy.split_once("<busconfig>").unwrap();
    let (rules, _) = rules.split_once("</busconfig>").unwrap();
    let us = format!("user=\"{}\"", rustix::process::geteuid().as_raw());
    // Nobody has this id: it means "unchanged" to the kernel.
    let nobody = "user=\"4294967294\"";
    let rules = rules.replace("user=\"root\"", nobody);
    let rules = rules.replace("user=\"dotd\"", nobody);
    assert_eq!(rules.matches("user=\"dotd-obexd\"").count(), 1);
    rules.replace("user=\"dotd-obexd\"", &us)
}

/// Joins the bus under a name, if any, and answers whoever calls.
async fn join(bus: &Bus, name: Option<&'static str>) -> Connection {
    let builder = zbus::connection::Builder::address(bus.address.as_str()).unwrap();
    let builder = builder.serve_at("/", ObjectManager).unwrap();
    let builder = match name {
        Some(name) => builder.name(name).unwrap(),
        None => builder,
    };
    builder.build().await.unwrap()
}

/// Says whether a call arrives.
async fn reaches(from: &Connection, whom: &str) -> bool {
    may_ask(from, whom, "org.freedesktop.DBus.Peer", "Ping").await
}

async fn may_ask(from: &Connection, whom: &str, interface: &str, method: &str) -> bool {
    let asked = from.call_method(Some(whom), "/", Some(interface), method, &());
    match asked.await {
        Ok(_) => true,
        Err(zbus::Error::MethodError(name, ..)) => {
            assert_eq!(name.as_str(), "org.freedesktop.DBus.Error.AccessDenied");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn obexd_hears_dotd_alone() {
    // Who calls it here has its user.
    let silence = "<deny send_type=\"method_call\"/>";
    let policy = shipped_policy();
    let (_, its_own) = policy.rsplit_once("<policy ").unwrap();
    assert_eq!(its_own.matches(silence).count(), 1);
    let rules = policy.replace(its_own, &its_own.replace(silence, ""));
    let bus = Bus::strict(&format!("{rules}{DEBIANS}"));
    let obexd = join(&bus, Some("org.bluez.obex")).await;
    let dotd = join(&bus, Some("org.dotd.Covers")).await;
    let anybody = join(&bus, None).await;
    assert!(reaches(&dotd, "org.bluez.obex").await);
    assert!(!reaches(&anybody, "org.bluez.obex").await);
    let unique = obexd.unique_name().unwrap().as_str();
    assert!(!reaches(&anybody, unique).await, "nor by its other name");
}

#[tokio::test]
async fn obexd_calls_nobody_but_the_bus() {
    // Whom it calls here has its user, and would hear nobody.
    let deafness = "<deny receive_type=\"method_call\"/>";
    let policy = shipped_policy();
    assert_eq!(policy.matches(deafness).count(), 1);
    let bus = Bus::strict(&format!("{}{DEBIANS}", policy.replace(deafness, "")));
    let obexd = join(&bus, Some("org.bluez.obex")).await;
    for name in ["org.bluez", "org.freedesktop.systemd1"] {
        let other = join(&bus, Some(name)).await;
        let unique = other.unique_name().unwrap().as_str();
        for name in [name, unique] {
            assert!(!reaches(&obexd, name).await, "{name}");
        }
    }
    let bus = "org.freedesktop.DBus";
    assert!(may_ask(&obexd, bus, bus, "ListNames").await);
    let stats = "org.freedesktop.DBus.Debug.Stats";
    assert!(!may_ask(&obexd, bus, stats, "GetStats").await);
}
