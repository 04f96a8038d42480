//! The built `dotctl` where it waits for others: pairing, watching, and being kept out by the bus.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::bus::Bus;
use common::dotctl::{Lines, Scene, command, finished, run};
use common::speaker::{Speaker, address, granted, kitchen};
use dotd::policy::Story;
use dotd::policy::event::Request;
use dotd::policy::story::WindowEnd;
use serde_json::{Value, json};

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[test]
fn pair_opens_and_closes_the_window() {
    let scene = Scene::new(
        kitchen(),
        Box::new(|stage, request| {
            let until = match request {
                Request::OpenPairing { length } => {
                    Some(unix_now() + length.map_or(180, |length| length.as_secs()))
                }
                _ => None,
            };
            stage.change(|snapshot| snapshot.pairing_until = until);
            Ok(())
        }),
    );
    let told = scene.dotctl(&["pair", "--for", "2m"]).succeeds();
    assert!(told.starts_with("pairing is open for "), "{told}");
    assert!(told.ends_with("; choose \"Kitchen\" on the phone\n"));
    let status = scene.dotctl(&["status"]).succeeds();
    assert!(status.contains("  Pairing    open for "), "{status}");
    let opened = scene.dotctl(&["--json", "pair"]).json();
    assert_eq!(opened["open"], json!(true));
    assert!(opened["until"].as_u64().unwrap() >= unix_now() + 100);
    assert_eq!(
        scene.dotctl(&["pair", "stop"]).succeeds(),
        "pairing is closed\n"
    );
    assert_eq!(
        scene.requests(),
        [
            Request::OpenPairing {
                length: Some(Duration::from_secs(120))
            },
            Request::OpenPairing { length: None },
            Request::ClosePairing,
        ]
    );
    for wrong in ["0", "9s", "2h", "99999999999"] {
        let told = scene.dotctl(&["pair", "--for", wrong]).fails_with(2);
        assert!(told.contains("allowed is 10 s to 1 h"), "{told}");
    }
    assert_eq!(scene.dotctl(&["pair", "--for", "soon"]).code, 2);
}

fn paired(name: &str) -> Story {
    Story::PhonePaired {
        name: name.to_owned(),
        address: address(7),
        again: false,
    }
}

fn closed(why: WindowEnd) -> Story {
    Story::PairingClosed { why }
}

#[test]
fn pair_wait_ends_with_the_phone_that_came() {
    let scene = Scene::new(
        kitchen(),
        Box::new(|stage, _| {
            stage.change(|snapshot| snapshot.pairing_until = Some(unix_now() + 180));
            stage.tell(closed(WindowEnd::Paired));
            stage.tell(paired("Carol's Phone"));
            Ok(())
        }),
    );
    let told = scene.dotctl(&["pair", "--wait"]).succeeds();
    assert_eq!(told.lines().last(), Some("Carol's Phone paired"), "{told}");
    assert_eq!(
        scene.dotctl(&["pair", "--wait", "--json"]).json(),
        json!({"paired": {"name": "Carol's Phone", "address": "DA:4C:10:DE:00:07",
                          "again": false}})
    );
}

#[test]
fn pair_wait_fails_when_nobody_comes() {
    for why in [
        WindowEnd::TimeOver,
        WindowEnd::Asked,
        WindowEnd::AdapterLost,
    ] {
        let scene = Scene::new(
            kitchen(),
            Box::new(move |stage, _| {
                stage.tell(closed(why));
                Ok(())
            }),
        );
        let run = scene.dotctl(&["pair", "--wait", "--json"]);
        let told = run.fails_with(1);
        assert!(told.contains("nobody paired"), "{told}");
    }
}

#[test]
fn pair_wait_ends_with_the_daemon() {
    let mut scene = Scene::new(kitchen(), granted());
    let waiting = Lines::of(&scene, &["pair", "--wait"]);
    assert!(waiting.next().starts_with("pairing is open"));
    scene.speaker = None;
    let (code, told) = waiting.end();
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("dotd went away"), "{told}");
}

/// Tells `story` again and again until the returned value is dropped: a signal that nobody hears yet
/// is lost, and only `dotctl` knows when it listens.
fn telling(scene: &Scene, story: Story) -> mpsc::Sender<()> {
    let stage = scene.speaker.as_ref().unwrap().stage.clone();
    let (stop, stopped) = mpsc::channel();
    thread::spawn(move || {
        while let Err(mpsc::RecvTimeoutError::Timeout) =
            stopped.recv_timeout(Duration::from_millis(10))
        {
            stage.tell(story.clone());
        }
    });
    stop
}

#[test]
fn monitor_prints_what_happens_until_the_daemon_goes() {
    let mut scene = Scene::new(kitchen(), granted());
    let noise = telling(&scene, Story::ConfigApplied);
    let text = Lines::of(&scene, &["monitor"]);
    let json = Lines::of(&scene, &["monitor", "--json"]);
    let line = text.next();
    assert!(
        line.ends_with(" the configuration was read again"),
        "{line}"
    );
    json.next();
    drop(noise);
    let stage = scene.speaker.as_ref().unwrap().stage.clone();
    stage.tell(paired("\u{1b}[2JCarol"));
    let line = text.next_but("the configuration was read again");
    assert!(line.ends_with(" \u{fffd}[2JCarol paired"), "{line}");
    let event: Value = loop {
        let event: Value = serde_json::from_str(&json.next()).unwrap();
        if event["kind"] != "config-applied" {
            break event;
        }
    };
    assert!(event["time"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(event["kind"], "phone-paired");
    assert_eq!(event["warning"], json!(false));
    assert_eq!(event["text"], "\u{1b}[2JCarol paired");
    assert_eq!(event["details"]["address"], "DA:4C:10:DE:00:07");
    stage.tell(Story::AudioLost);
    let event: Value = serde_json::from_str(&json.next()).unwrap();
    assert_eq!(event["warning"], json!(true));
    scene.speaker = None;
    for monitor in [text, json] {
        let (code, told) = monitor.end();
        assert_eq!(code, 3, "{told}");
        assert!(told.contains("dotd went away"), "{told}");
    }
}

#[test]
fn monitor_ends_quietly_when_nobody_reads_on() {
    let scene = Scene::new(kitchen(), granted());
    let mut child = command(&scene.bus.address, &["monitor"]).spawn().unwrap();
    drop(child.stdout.take());
    let _noise = telling(&scene, Story::ConfigApplied);
    let run = finished(child);
    assert_eq!((run.code, run.err.as_str()), (1, ""));
}

/// The bus policy as it is shipped, with other people in the roles of root, dotd and its group.
fn shipped_policy(user: &str, group: &str) -> String {
    let policy = include_str!("../config/dbus/org.dotd.conf");
    let (_, rules) = policy.split_once("<busconfig>").unwrap();
    let (rules, _) = rules.split_once("</busconfig>").unwrap();
    let rules = rules.replace("user=\"root\"", "user=\"dotd\"");
    assert_eq!(rules.matches("user=\"dotd\"").count(), 2);
    assert_eq!(rules.matches("group=\"dotd\"").count(), 1);
    // The service of this test runs as whoever runs the test, so it may always own the name.
    rules
        .replace("user=\"dotd\"", &format!("user=\"{user}\""))
        .replace("group=\"dotd\"", &format!("group=\"{group}\""))
        + "<policy context=\"mandatory\"><allow own=\"org.dotd\"/></policy>"
}

/// Nobody has these ids: they mean "unchanged" to the kernel.
const NOBODYS: &str = "4294967294";

#[test]
fn strangers_are_refused_by_the_bus() {
    let bus = Bus::strict(&shipped_policy(NOBODYS, NOBODYS));
    let _speaker = Speaker::start(&bus, kitchen(), granted()).unwrap();
    for args in [&["status"][..], &["pair"], &["monitor"]] {
        let told = run(&bus.address, args).fails_with(6);
        assert!(told.contains("sudo usermod -aG dotd $USER"), "{told}");
    }
}

#[test]
fn members_of_the_group_are_let_in() {
    let group = rustix::process::getegid().as_raw().to_string();
    let bus = Bus::strict(&shipped_policy(NOBODYS, &group));
    let scene = Scene {
        speaker: Some(Speaker::start(&bus, kitchen(), granted()).unwrap()),
        bus,
    };
    scene.dotctl(&["status"]).succeeds();
    let noise = telling(&scene, Story::ConfigApplied);
    let monitor = Lines::of(&scene, &["monitor"]);
    monitor.next();
    drop(noise);
}
