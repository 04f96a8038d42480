//! The built `dotctl` against the real service on a private bus: what it prints, asks for, and
//! exits with.

#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::bus::Bus;
use common::dotctl::{Scene, run};
use common::speaker::{Answer, address, granted, kitchen, phone};
use dotd::policy::event::{RadioBlock, Request};
use dotd::policy::model::{SpeakerName, Volume};
use dotd::policy::snapshot::{AdapterStatus, AudioStatus, MicrophoneStatus};
use dotd::policy::{Rejection, RejectionKind, Snapshot};
use serde_json::{Value, json};

fn refusing(kind: RejectionKind) -> Answer {
    Box::new(move |_, _| Err(Rejection::new(kind, "not today; try tomorrow")))
}

#[test]
fn status_says_on_one_screen_how_it_is() {
    let scene = Scene::new(kitchen(), granted());
    assert_eq!(
        scene.dotctl(&["status"]).succeeds(),
        "Kitchen\n  \
         Bluetooth  ready on hci0 (DA:4C:10:DE:00:00)\n  \
         Pairing    closed\n  \
         Sound      Built-in Audio, volume starts at 60, at most 80\n  \
         Microphone USB Microphone\n  \
         Phones     Anna's iPhone  playing SBC 44.1 kHz joint stereo, volume 45\n             \
         Bob's Pixel    connected, volume 60\n             \
         Eve's Pixel    not connected, last seen on 14 November 2023\n"
    );
}

#[test]
fn status_says_what_is_wrong_and_what_to_do() {
    let mut broken = Snapshot {
        config_problems: Some("dotd.toml:2:7: volume.max is 140; allowed is 0 to 100".to_owned()),
        memory_problem: Some("the disk is full; make room".to_owned()),
        memory_lost: Some("state.toml is damaged; pair again".to_owned()),
        voice_problem: Some("no sound comes; see dotd(8)".to_owned()),
        microphone: MicrophoneStatus {
            echo_problem: Some("there is no canceller; install one".to_owned()),
            ..MicrophoneStatus::default()
        },
        ..Snapshot::default()
    };
    let scene = Scene::new(broken.clone(), granted());
    assert_eq!(
        scene.dotctl(&["status"]).succeeds(),
        "a speaker without a name yet\n  \
         Bluetooth  bluetoothd is not running; start it with `systemctl start bluetooth`\n  \
         Pairing    closed\n  \
         Sound      PipeWire is not running; see `systemctl status dotd-pipewire`\n  \
         Microphone no microphone: callers hear silence\n  \
         Echo       callers hear themselves: there is no canceller; install one\n  \
         Calls      the last one could not be heard: no sound comes; see dotd(8)\n  \
         Config     broken, the one before it holds:\n             \
         dotd.toml:2:7: volume.max is 140; allowed is 0 to 100\n  \
         State      nothing would survive a restart: the disk is full; make room\n  \
         State      nothing is known of before: state.toml is damaged; pair again\n  \
         Phones     none yet; let one in with `dotctl pair`\n"
    );
    let stage = &scene.speaker.as_ref().unwrap().stage;
    broken.audio = AudioStatus::NoOutput;
    for (adapter, expected) in [
        (AdapterStatus::Missing, "no adapter; plug one in"),
        (off(RadioBlock::Hard), "a switch holds hci0 off"),
        (off(RadioBlock::Soft), "rfkill unblock bluetooth"),
        (off(RadioBlock::Free), "hci0 is off"),
    ] {
        broken.adapter = adapter;
        stage.change(|snapshot| *snapshot = broken.clone());
        // An answered request comes after the snapshot before it.
        scene.dotctl(&["pair", "stop"]).succeeds();
        let screen = scene.dotctl(&["status"]).succeeds();
        assert!(screen.contains(expected), "{screen}");
        assert!(screen.contains("no output; connect one"), "{screen}");
    }
}

fn off(block: RadioBlock) -> AdapterStatus {
    let id = "hci0".to_owned();
    AdapterStatus::Off { id, block }
}

#[test]
fn status_as_json_keeps_its_promise() {
    let scene = Scene::new(kitchen(), granted());
    let status = scene.dotctl(&["status", "--json"]).json();
    assert_eq!(
        status,
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "name": "Kitchen",
            "bluetooth": {"state": "on", "adapter": "hci0", "address": "DA:4C:10:DE:00:00",
                          "discoverable": false},
            "pairing": {"open": false, "until": null},
            "sound": {"state": "ready", "output": "Built-in Audio", "start_volume": 60,
                      "max_volume": 80, "muted": false},
            "microphone": {"name": "USB Microphone", "muted": false, "echo_problem": null},
            "config_problems": null,
            "memory_problem": null,
            "memory_lost": null,
            "voice_problem": null,
            "phones": [
                {"name": "Anna's iPhone", "address": "DA:4C:10:DE:00:01", "trusted": true,
                 "bonded": true, "connected": true, "playing": true, "volume": 45,
                 "first_seen": 1_700_000_000, "last_seen": 1_700_000_100,
                 "preference": "usual", "called": false, "next_call": null,
                 "own_name": "Anna's iPhone", "blocked": false, "player": null,
                 "stream": {"codec": "SBC", "rate": 44100, "channels": 2,
                            "channel_mode": "joint stereo", "max_bitpool": 53, "packets": 1000,
                            "lost": 3, "concealed_ms": 0, "underruns": 0, "buffer_ms": 0,
                            "delay_ms": 92, "drift_ppm": 0.0, "bit_rate": 328_000},
                 "calls_allowed": true, "hands_free": null},
                {"name": "Bob's Pixel", "address": "DA:4C:10:DE:00:02", "trusted": true,
                 "bonded": true, "connected": true, "playing": false, "volume": 60,
                 "first_seen": 1_700_000_000, "last_seen": 1_700_000_100,
                 "preference": "usual", "called": false, "next_call": null,
                 "own_name": "Bob's Pixel", "blocked": false, "player": null, "stream": null,
                 "calls_allowed": true, "hands_free": null},
                {"name": "Eve's Pixel", "address": "DA:4C:10:DE:00:03", "trusted": true,
                 "bonded": true, "connected": false, "playing": false, "volume": 60,
                 "first_seen": 1_700_000_000, "last_seen": 1_700_000_100,
                 "preference": "usual", "called": false, "next_call": null,
                 "own_name": "Eve's Pixel", "blocked": false, "player": null, "stream": null,
                 "calls_allowed": true, "hands_free": null},
            ],
        })
    );
    let phones = scene.dotctl(&["--json", "phones"]).json();
    assert_eq!(phones, status["phones"]);
}

#[test]
fn phones_are_listed_with_what_they_do() {
    let mut snapshot = kitchen();
    snapshot.phones[1].trusted = false;
    snapshot.phones[2].bonded = false;
    snapshot.phones.push(phone(4, "\u{1b}[2JMallory\n"));
    let scene = Scene::new(snapshot, granted());
    let list = scene.dotctl(&["phones"]).succeeds();
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(
        lines,
        [
            "\u{fffd}[2JMallory\u{fffd}   DA:4C:10:DE:00:04  not connected, last seen on 14 \
             November 2023",
            "Anna's iPhone  DA:4C:10:DE:00:01  playing SBC 44.1 kHz joint stereo, volume 45",
            "Bob's Pixel    DA:4C:10:DE:00:02  connected, but not trusted",
            "Eve's Pixel    DA:4C:10:DE:00:03  has to pair again: run `dotctl pair`, then choose \
             the speaker on the phone",
        ]
    );
}

#[test]
fn phones_are_called_by_any_part_of_name_or_address() {
    let scene = Scene::new(kitchen(), granted());
    assert_eq!(
        scene.dotctl(&["connect", "anna"]).succeeds(),
        "Anna's iPhone is connected\n"
    );
    assert_eq!(
        scene.dotctl(&["disconnect", "bob"]).succeeds(),
        "Bob's Pixel is disconnected\n"
    );
    assert_eq!(
        scene.dotctl(&["forget", "00:03"]).succeeds(),
        "Eve's Pixel is forgotten\n"
    );
    assert_eq!(
        scene.dotctl(&["--json", "forget", "00:03"]).json(),
        json!({"forgotten": {"name": "Eve's Pixel", "address": "DA:4C:10:DE:00:03"}})
    );
    let (anna, bob, eve) = (address(1), address(2), address(3));
    assert_eq!(
        scene.requests(),
        [
            Request::Connect { phone: anna },
            Request::Disconnect { phone: bob },
            Request::Forget { phone: eve },
            Request::Forget { phone: eve },
        ]
    );
    let told = scene.dotctl(&["connect", "nokia"]).fails_with(4);
    assert!(told.contains("no phone is called \"nokia\""), "{told}");
    let told = scene.dotctl(&["connect", "pixel"]).fails_with(5);
    assert!(
        told.contains("Bob's Pixel (DA:4C:10:DE:00:02) and Eve's Pixel"),
        "{told}"
    );
    assert_eq!(scene.requests().len(), 4);
}

#[test]
fn what_was_done_is_told_as_json_too() {
    let scene = Scene::new(kitchen(), granted());
    let phones = scene.dotctl(&["--json", "phones"]).json();
    let anna = scene.dotctl(&["--json", "connect", "anna"]).json();
    assert_eq!(anna, phones[0], "the phone");
    assert_eq!(anna["name"], "Anna's iPhone");
    for (args, expected) in [
        (
            &["--json", "disconnect", "bob"][..],
            json!({"disconnected": {"name": "Bob's Pixel", "address": "DA:4C:10:DE:00:02"}}),
        ),
        (
            &["--json", "pair", "stop"],
            json!({"open": false, "until": null}),
        ),
    ] {
        assert_eq!(scene.dotctl(args).json(), expected, "{args:?}");
    }
    assert_eq!(
        scene.requests(),
        [
            Request::Connect { phone: address(1) },
            Request::Disconnect { phone: address(2) },
            Request::ClosePairing,
        ]
    );
}

#[test]
fn every_refusal_has_its_exit_code() {
    for (kind, code) in [
        (RejectionKind::InvalidArgument, 2),
        (RejectionKind::NotFound, 4),
        (RejectionKind::Ambiguous, 5),
        (RejectionKind::Refused, 6),
        (RejectionKind::NotConnected, 7),
        (RejectionKind::Busy, 8),
        (RejectionKind::NotAvailable, 9),
    ] {
        let scene = Scene::new(kitchen(), refusing(kind));
        let told = scene.dotctl(&["connect", "anna"]).fails_with(code);
        assert_eq!(told, "dotctl: not today; try tomorrow\n");
    }
}

#[test]
fn without_a_daemon_it_says_how_to_start_it() {
    let bus = Bus::open();
    for args in [
        &["status"][..],
        &["phones"],
        &["pair", "--wait"],
        &["pair", "stop"],
        &["connect", "x"],
        &["name"],
        &["volume", "3"],
        &["calls"],
        &["call", "answer"],
        &["call", "hangup", "1"],
        &["mic", "off"],
        &["assistant"],
        &["monitor"],
    ] {
        let told = run(&bus.address, args).fails_with(3);
        assert!(told.contains("systemctl start dotd"), "{told}");
    }
    let told = run("unix:path=/nowhere", &["status"]).fails_with(3);
    assert!(told.contains("systemctl status dbus"), "{told}");
}

#[test]
fn the_name_is_shown_and_changed() {
    let scene = Scene::new(
        kitchen(),
        Box::new(|stage, request| {
            if let Request::Rename { name } = request {
                let name = name.as_ref().map_or("Dot-0000", SpeakerName::as_str);
                stage.change(|snapshot| snapshot.name = name.to_owned());
            }
            Ok(())
        }),
    );
    assert_eq!(scene.dotctl(&["name"]).succeeds(), "Kitchen\n");
    assert_eq!(
        scene.dotctl(&["name", "Küche"]).succeeds(),
        "the speaker is called \"Küche\" now\n"
    );
    assert_eq!(
        scene.dotctl(&["name", "", "--json"]).json(),
        json!({"name": "Dot-0000"})
    );
    let told = scene.dotctl(&["name", &"x".repeat(249)]).fails_with(2);
    assert!(told.contains("at most 248 bytes"), "{told}");
    let new = SpeakerName::new("Küche").ok();
    assert_eq!(
        scene.requests(),
        [
            Request::Rename { name: new },
            Request::Rename { name: None }
        ]
    );
}

/// Does as the policy would with a ceiling of 80.
fn volumes() -> Answer {
    Box::new(|stage, request| {
        let (phone, turned): (_, &dyn Fn(Volume) -> Volume) = match request {
            Request::SetVolume { phone, volume } => (*phone, &|_| *volume),
            Request::StepVolume { phone, steps } => (*phone, &|before| before.step(*steps)),
            _ => return Ok(()),
        };
        stage.change(|snapshot| {
            let turned = |before| turned(before).min(snapshot.max_volume);
            let mut set = false;
            for status in &mut snapshot.phones {
                let meant = match phone {
                    Some(phone) => status.address == phone,
                    None => status.stream.is_some(),
                };
                if meant {
                    status.volume = turned(status.volume);
                    set = true;
                }
            }
            if !set {
                snapshot.volume = turned(snapshot.volume);
            }
        });
        Ok(())
    })
}

#[test]
fn the_volume_is_shown_set_and_stepped() {
    let scene = Scene::new(kitchen(), volumes());
    for (args, expected) in [
        (&["volume"][..], "Anna's iPhone is at volume 45\n"),
        (&["volume", "50"], "Anna's iPhone is at volume 50\n"),
        (&["volume", "+5"], "Anna's iPhone is at volume 55\n"),
        (&["volume", "-10"], "Anna's iPhone is at volume 45\n"),
        (&["volume", "99"], "Anna's iPhone is at volume 80\n"),
        (
            &["volume", "--phone", "bob"],
            "Bob's Pixel is at volume 60\n",
        ),
        (
            &["volume", "-100", "--phone", "bob"],
            "Bob's Pixel is at volume 0\n",
        ),
    ] {
        assert_eq!(scene.dotctl(args).succeeds(), expected, "{args:?}");
    }
    let volume = scene.dotctl(&["volume", "--json"]).json();
    assert_eq!(volume["start_volume"], json!(60));
    assert_eq!(volume["max_volume"], json!(80));
    assert_eq!(volume["phones"][0]["volume"], json!(80));
    assert_eq!(volume["phones"].as_array().unwrap().len(), 1);
    for wrong in ["101", "loud", "--5"] {
        assert_eq!(scene.dotctl(&["volume", wrong]).code, 2, "{wrong}");
    }
}

#[test]
fn without_phones_the_volume_is_where_they_start() {
    let mut snapshot = kitchen();
    snapshot.phones.clear();
    let scene = Scene::new(snapshot, volumes());
    assert_eq!(
        scene.dotctl(&["volume", "-20"]).succeeds(),
        "phones start at volume 40\n"
    );
    let (phone, steps) = (None, -20);
    assert_eq!(scene.requests(), [Request::StepVolume { phone, steps }]);
}

#[test]
fn config_check_tells_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dotd.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[volume]\nstart = 140\n").unwrap();
    // No bus is needed.
    let check = |args: &[&str]| run("unix:path=/nowhere", args);
    let broken = check(&["config", "check", path]);
    assert_eq!((broken.code, broken.out.as_str()), (78, ""));
    assert_eq!(
        broken.err,
        format!(
            "{path}:2:9: volume.start is 140; allowed is 0 to 100, and at most volume.max\n \
             2 | start = 140\n   |         ^^^\n1 problem; correct it and check again\n"
        )
    );
    let broken = check(&["--json", "config", "check", path]);
    assert_eq!(broken.code, 78);
    let problems: Value = serde_json::from_str(&broken.out).unwrap();
    assert_eq!(
        problems,
        json!({"file": path, "valid": false, "problems": [{"line": 2, "column": 9, "message":
            "volume.start is 140; allowed is 0 to 100, and at most volume.max"}]})
    );
    std::fs::write(&file, "[volume]\nstart = 40\n").unwrap();
    let valid = check(&["config", "check", path]).succeeds();
    assert!(valid.contains("is valid"), "{valid}");
    let valid = check(&["--json", "config", "check", path]).json();
    assert_eq!(valid["valid"], json!(true));
    assert_eq!(check(&["config", "check", "/nowhere/dotd.toml"]).code, 78);
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for args in [
        &[][..],
        &["dance"],
        &["connect"],
        &["pair", "stop", "--wait"],
        &["volume", "1", "2"],
        &["call"],
        &["call", "dial"],
        &["call", "hangup", "mom"],
        &["call", "--phone", "anna"],
        &["mic", "loud"],
        &["assistant", "sing"],
    ] {
        let run = run("unix:path=/nowhere", args);
        assert_eq!(run.code, 2, "{run:?}");
    }
}

#[test]
fn completions_and_manual_pages_come_out() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run("unix:path=/nowhere", &["completions", shell]).succeeds();
        assert!(script.contains("disconnect"), "{shell}");
    }
    let page = run("unix:path=/nowhere", &["man", "dotctl.1"]).succeeds();
    assert!(page.contains(".TH dotctl 1"), "{page}");
}
