//! The built `dotctl` where it is about calls: what it shows, asks for, and exits with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::dotctl::Scene;
use common::speaker::{LATER, address, busy_kitchen, call, granted, hands_free, kitchen};
use dotd::policy::calls::CallWish;
use dotd::policy::calls::facts::{CallId, CallState, Gateway};
use dotd::policy::event::Request;
use dotd::policy::model::{Address, Volume};
use dotd::policy::snapshot::MicrophoneStatus;
use dotd::policy::{Rejection, RejectionKind};
use serde_json::json;

#[test]
fn calls_are_listed_with_where_they_are_heard() {
    let scene = Scene::new(busy_kitchen(), granted());
    assert_eq!(
        scene.dotctl(&["calls"]).succeeds(),
        "1  from Mom, +4930123                      talking        0:00  Anna's iPhone, heard \
         here\n\
         2  from somebody who withholds the number  waits          0:00  Anna's iPhone\n\
         1  to 110                                  ringing there  0:00  Bob's Pixel, heard on \
         the phone\n"
    );
    let calls = scene.dotctl(&["calls", "--json"]).json();
    assert_eq!(
        calls,
        json!([
            {"id": 1, "phone": {"name": "Anna's iPhone", "address": "DA:4C:10:DE:00:01"},
             "state": "active", "number": "+4930123", "name": "Mom", "direction": "incoming",
             "multiparty": false, "since": LATER, "answered": LATER, "heard_here": true},
            {"id": 2, "phone": {"name": "Anna's iPhone", "address": "DA:4C:10:DE:00:01"},
             "state": "waiting", "number": null, "name": null, "direction": "incoming",
             "multiparty": false, "since": LATER, "answered": null, "heard_here": false},
            {"id": 1, "phone": {"name": "Bob's Pixel", "address": "DA:4C:10:DE:00:02"},
             "state": "alerting", "number": "110", "name": null, "direction": "outgoing",
             "multiparty": false, "since": LATER, "answered": null, "heard_here": false},
        ])
    );
}

#[test]
fn without_calls_it_says_how_to_get_some() {
    let scene = Scene::new(kitchen(), granted());
    let told = scene.dotctl(&["calls"]).succeeds();
    assert!(told.contains("no phone is connected for any"), "{told}");
    assert_eq!(scene.dotctl(&["calls", "--json"]).json(), json!([]));
}

#[test]
fn status_and_phones_show_who_is_in_a_call() {
    let scene = Scene::new(busy_kitchen(), granted());
    assert_eq!(
        scene.dotctl(&["status"]).succeeds(),
        "Kitchen\n  \
         Bluetooth  ready on hci0 (DA:4C:10:DE:00:00)\n  \
         Pairing    closed\n  \
         Sound      Built-in Audio, volume starts at 60, at most 80\n  \
         Microphone USB Microphone\n  \
         Phones     Anna's iPhone  in a call with Mom, called by somebody who withholds the \
         number, heard here, volume 70\n             \
         Bob's Pixel    calling 110, heard on the phone\n             \
         Eve's Pixel    not connected, last seen on 14 November 2023\n"
    );
    let phones = scene.dotctl(&["phones"]).succeeds();
    let bob = phones.lines().nth(1).unwrap();
    assert_eq!(
        bob,
        "Bob's Pixel    DA:4C:10:DE:00:02  calling 110, heard on the phone"
    );
    let phones = scene.dotctl(&["phones", "--json"]).json();
    let mut anna = phones[0]["hands_free"].clone();
    let calls = anna.as_object_mut().unwrap().remove("calls").unwrap();
    assert_eq!(
        anna,
        json!({"voice": "mSBC", "volume": 70, "microphone_volume": 100, "assistant": false, "service": true, "signal": 4,
               "roaming": null, "battery": null, "operator": null})
    );
    assert_eq!(calls.as_array().unwrap().len(), 2);
    assert_eq!(
        calls[0],
        json!({"id": 1, "state": "active", "number": "+4930123", "name": "Mom",
               "direction": "incoming", "multiparty": false, "since": LATER, "answered": LATER})
    );
}

#[test]
fn phones_are_shown_with_what_they_tell_of_themselves() {
    let mut snapshot = kitchen();
    let mut told = hands_free(Vec::new());
    told.gateway = Gateway {
        service: Some(true),
        signal: Some(3),
        roaming: Some(true),
        battery: Some(2),
        operator: Some("Tele\u{1b}2".into()),
    };
    snapshot.phones[0].hands_free = Some(told.clone());
    told.gateway = Gateway {
        service: Some(false),
        ..Gateway::default()
    };
    snapshot.phones[1].hands_free = Some(told);
    let scene = Scene::new(snapshot, granted());
    let phones = scene.dotctl(&["phones"]).succeeds();
    let ends = [
        "volume 45, battery 2 of 5, Tele\u{fffd}2 3 of 5, roaming",
        "volume 60, no network",
        "2023",
    ];
    let ended = |(line, end): (&str, &str)| line.ends_with(end);
    assert!(phones.lines().zip(ends).all(ended), "{phones}");
}

#[test]
fn a_phone_that_may_not_use_calls_is_shown_so() {
    let mut snapshot = kitchen();
    for phone in &mut snapshot.phones {
        phone.calls_allowed = false;
    }
    let scene = Scene::new(snapshot, granted());
    let phones = scene.dotctl(&["phones"]).succeeds();
    let ends = [
        "volume 45, calls not allowed",
        "volume 60, calls not allowed",
        "2023",
    ];
    assert!(
        phones
            .lines()
            .zip(ends)
            .all(|(line, end)| line.ends_with(end)),
        "{phones}"
    );
    let phones = scene.dotctl(&["phones", "--json"]).json();
    assert_eq!(phones[0]["calls_allowed"], json!(false));
}

/// What is typed after `call`, what is told, and what the policy is asked for.
type Case<'a> = (&'a [&'a str], &'a str, Option<Address>, CallWish);

#[track_caller]
fn carried_out(scene: &Scene, cases: &[Case<'_>]) {
    let mut requests = Vec::new();
    for (args, told, phone, wish) in cases {
        let line: Vec<_> = ["call"].iter().chain(*args).copied().collect();
        assert_eq!(scene.dotctl(&line).succeeds(), format!("{told}\n"));
        let (phone, wish) = (*phone, wish.clone());
        requests.push(Request::Call { phone, wish });
    }
    assert_eq!(scene.requests(), requests);
}

#[test]
fn calls_are_answered_and_ended() {
    let scene = Scene::new(busy_kitchen(), granted());
    let anna = Some(address(1));
    let unknown = "Anna's iPhone talks with somebody who withholds the number";
    let answer = |end_others| CallWish::Answer { end_others };
    let hang_up = |call: Option<u32>| CallWish::HangUp {
        call: call.map(CallId),
    };
    let of_mom = "the call of Anna's iPhone with Mom is over";
    let of_unknown = "the call of Anna's iPhone with somebody who withholds the number is over";
    carried_out(
        &scene,
        &[
            (&["answer"], unknown, None, answer(false)),
            (
                &["answer", "--end-others", "--phone", "anna"],
                unknown,
                anna,
                answer(true),
            ),
            (
                &["reject"],
                "Anna's iPhone rings no more",
                None,
                CallWish::Reject,
            ),
            (&["hangup", "--phone", "anna"], of_mom, anna, hang_up(None)),
            (&["hangup"], "the call is over", None, hang_up(None)),
            (&["hangup", "2"], of_unknown, anna, hang_up(Some(2))),
        ],
    );
}

#[test]
fn calls_are_made_to_numbers_as_they_are_typed() {
    let scene = Scene::new(busy_kitchen(), granted());
    let anna = Some(address(1));
    let dial = |number: &str| CallWish::Dial {
        number: number.to_owned(),
    };
    let memory = CallWish::DialMemory { place: 3 };
    let of_memory = "calling the number at place 3 of the memory";
    let of_anna = "calling #31#110, with Anna's iPhone";
    let again = "calling the last number again";
    carried_out(
        &scene,
        &[
            (
                &["dial", "+49 30 123"],
                "calling +49 30 123",
                None,
                dial("+49 30 123"),
            ),
            (
                &["--phone", "anna", "dial", "#31#110"],
                of_anna,
                anna,
                dial("#31#110"),
            ),
            (&["dial", "*100#"], "calling *100#", None, dial("*100#")),
            (&["memory", "3"], of_memory, None, memory),
            (&["redial"], again, None, CallWish::Redial),
        ],
    );
}

#[test]
fn calls_that_are_up_are_changed() {
    let scene = Scene::new(busy_kitchen(), granted());
    let tones = CallWish::Tones {
        digits: "*1#".to_owned(),
    };
    let unknown = "Anna's iPhone talks with somebody who withholds the number";
    let both = "Anna's iPhone talks with Mom and somebody who withholds the number";
    let moved = "the call is heard on Anna's iPhone";
    carried_out(
        &scene,
        &[
            (&["dtmf", "*1#"], "sent *1# to Mom", None, tones),
            (&["hold"], "Mom is on hold", None, CallWish::Hold),
            (&["swap"], unknown, None, CallWish::Swap),
            (&["merge"], both, None, CallWish::Merge),
            (
                &["transfer", "--phone", "anna"],
                moved,
                Some(address(1)),
                CallWish::Transfer,
            ),
        ],
    );
}

#[test]
fn programs_are_told_what_was_done_and_to_whom() {
    let scene = Scene::new(busy_kitchen(), granted());
    let done = scene.dotctl(&["call", "answer", "--json"]).json();
    assert_eq!(done["done"], "answer");
    assert_eq!(done["phone"]["address"], "DA:4C:10:DE:00:01");
    assert_eq!(done["call"]["id"], 2);
    let done = scene.dotctl(&["call", "redial", "--json"]).json();
    assert_eq!(done, json!({"done": "redial", "phone": null, "call": null}));
}

#[test]
fn a_call_is_ended_by_its_number() {
    let scene = Scene::new(busy_kitchen(), granted());
    let told = scene.dotctl(&["call", "hangup", "3"]).fails_with(4);
    assert!(told.contains("there is no call 3"), "{told}");
    let told = scene.dotctl(&["call", "hangup", "1"]).fails_with(5);
    assert!(told.contains("Anna's iPhone and Bob's Pixel"), "{told}");
    assert_eq!(scene.requests(), []);
    let told = scene.dotctl(&["call", "hangup", "1", "--phone", "bob"]);
    assert_eq!(
        told.succeeds(),
        "the call of Bob's Pixel with 110 is over\n"
    );
    let wish = CallWish::HangUp {
        call: Some(CallId(1)),
    };
    let phone = Some(address(2));
    assert_eq!(scene.requests(), [Request::Call { phone, wish }]);
}

#[test]
fn a_refusal_has_its_exit_code_and_nothing_is_told_as_done() {
    for (kind, code) in [
        (RejectionKind::InvalidArgument, 2),
        (RejectionKind::Ambiguous, 5),
        (RejectionKind::NotConnected, 7),
        (RejectionKind::NotAvailable, 9),
    ] {
        let refuse = move |_: &_, _: &_| Err(Rejection::new(kind, "no; try tomorrow"));
        let scene = Scene::new(busy_kitchen(), Box::new(refuse));
        for args in [
            &["call", "answer"][..],
            &["call", "hangup", "2"],
            &["call", "dial", "110", "--phone", "bob"],
            &["assistant"],
        ] {
            let told = scene.dotctl(args).fails_with(code);
            assert_eq!(told, "dotctl: no; try tomorrow\n");
        }
        let told = scene.dotctl(&["call", "redial", "--phone", "nokia"]);
        assert_eq!(told.code, 4);
    }
}

#[test]
fn the_microphone_is_shown_and_switched() {
    let scene = Scene::new(
        kitchen(),
        Box::new(|stage, request| {
            if let Request::MuteMicrophone { muted } = request {
                stage.change(|snapshot| snapshot.microphone.muted = *muted);
            }
            Ok(())
        }),
    );
    let on = "callers hear the room through USB Microphone\n";
    let off = "the microphone is off: callers hear silence\n";
    assert_eq!(scene.dotctl(&["mic"]).succeeds(), on);
    assert_eq!(scene.dotctl(&["mic", "off"]).succeeds(), off);
    let status = scene.dotctl(&["status"]).succeeds();
    assert!(
        status.contains("  Microphone off (dotctl mic on)\n"),
        "{status}"
    );
    assert_eq!(
        scene.dotctl(&["mic", "--json"]).json(),
        json!({"name": "USB Microphone", "muted": true, "echo_problem": null})
    );
    assert_eq!(scene.dotctl(&["mic", "on"]).succeeds(), on);
    assert_eq!(
        scene.requests(),
        [
            Request::MuteMicrophone { muted: true },
            Request::MuteMicrophone { muted: false },
        ]
    );
    let mut bare = kitchen();
    bare.microphone = MicrophoneStatus::default();
    let scene = Scene::new(bare, granted());
    let none = "there is no microphone: callers hear silence\n";
    assert_eq!(scene.dotctl(&["mic", "on"]).succeeds(), none);
}

#[test]
fn callers_get_the_room_softer() {
    let scene = Scene::new(
        busy_kitchen(),
        Box::new(|stage, request| {
            if let Request::Call { phone, wish } = request {
                let CallWish::MicrophoneVolume { volume } = *wish else {
                    panic!("{wish:?}");
                };
                let index = usize::from(*phone == Some(address(2)));
                stage.change(|snapshot| {
                    let hands_free = snapshot.phones[index].hands_free.as_mut();
                    hands_free.unwrap().microphone_volume = volume;
                });
            }
            Ok(())
        }),
    );
    assert_eq!(
        scene.dotctl(&["mic", "volume", "40"]).succeeds(),
        "callers of Anna's iPhone hear the room at volume 40\n\
         callers of Bob's Pixel hear the room at volume 100\n"
    );
    let told = scene.dotctl(&["mic", "volume", "60", "--phone", "bob"]);
    let bob = "callers of Bob's Pixel hear the room at volume 60\n";
    assert_eq!(told.succeeds(), bob);
    let told = scene.dotctl(&["mic", "volume", "--phone", "bob"]);
    assert_eq!(told.succeeds(), bob);
    let json = scene.dotctl(&["--json", "mic", "volume"]).json();
    assert_eq!(json["phones"][0]["hands_free"]["microphone_volume"], 40);
    let status = scene.dotctl(&["status"]).succeeds();
    let shown = "Microphone USB Microphone, at 40 for callers of Anna's iPhone, at 60 for callers \
                 of Bob's Pixel\n";
    assert!(status.contains(shown), "{status}");
    let wish = |phone, percent| Request::Call {
        phone,
        wish: CallWish::MicrophoneVolume {
            volume: Volume::new(percent).unwrap(),
        },
    };
    assert_eq!(
        scene.requests(),
        [wish(None, 40), wish(Some(address(2)), 60)]
    );
}

#[test]
fn the_assistant_is_started_and_stopped() {
    let mut snapshot = kitchen();
    snapshot.phones[0].hands_free = Some(hands_free(vec![call(1, CallState::Held)]));
    let scene = Scene::new(snapshot, granted());
    assert_eq!(
        scene.dotctl(&["assistant"]).succeeds(),
        "the assistant of Anna's iPhone listens\n"
    );
    let told = scene.dotctl(&["assistant", "stop", "--phone", "bob"]);
    assert_eq!(
        told.succeeds(),
        "the assistant of Bob's Pixel listens no more\n"
    );
    assert_eq!(
        scene.dotctl(&["assistant", "start", "--json"]).json(),
        json!({"assistant": true,
               "phone": {"name": "Anna's iPhone", "address": "DA:4C:10:DE:00:01"}})
    );
    let wish = |phone, on| Request::Call {
        phone,
        wish: CallWish::Assistant { on },
    };
    assert_eq!(
        scene.requests(),
        [
            wish(None, true),
            wish(Some(address(2)), false),
            wish(None, true)
        ]
    );
}
