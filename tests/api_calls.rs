//! Calls on D-Bus as another program sees them: objects that come and go, methods, errors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::client::{Scene, changed, expected, next, path_of};
use common::speaker::{LATER, address, busy_kitchen, call, granted, hands_free, kitchen};
use dotd::api::{CallProxy, Error, wire};
use dotd::policy::calls::CallWish;
use dotd::policy::calls::facts::{CallId, CallState, Direction, VoiceCodec};
use dotd::policy::event::Request;
use dotd::policy::{Rejection, RejectionKind};
use zbus::fdo::{InterfacesAddedStream, InterfacesRemovedStream};
use zbus::names::InterfaceName;
use zbus::proxy::CacheProperties;

const ANNA: &str = "/org/dotd/phones/DA_4C_10_DE_00_01";
const MOM: &str = "/org/dotd/phones/DA_4C_10_DE_00_01/calls/1";

async fn call_at(scene: &Scene, path: &str) -> CallProxy<'static> {
    CallProxy::builder(&scene.client)
        .path(path.to_owned())
        .unwrap()
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .unwrap()
}

/// Returns the object and the interfaces of the next `InterfacesRemoved`.
async fn gone(removed: &mut InterfacesRemovedStream) -> (String, String) {
    let signal = next(removed).await;
    let args = signal.args().unwrap();
    let interfaces = args.interfaces().iter().map(ToString::to_string);
    let interfaces: Vec<_> = interfaces.collect();
    (args.object_path().to_string(), interfaces.join(" "))
}

#[tokio::test]
async fn calls_are_objects() {
    let scene = Scene::new(busy_kitchen(), granted()).await;
    let objects = scene.objects().await.get_managed_objects().await.unwrap();
    let mut paths = Vec::new();
    for (path, interfaces) in objects {
        if interfaces.keys().any(|it| it.as_str() == "org.dotd.Call1") {
            paths.push(path.to_string());
        }
    }
    paths.sort();
    assert_eq!(
        paths,
        [
            MOM,
            "/org/dotd/phones/DA_4C_10_DE_00_01/calls/2",
            "/org/dotd/phones/DA_4C_10_DE_00_02/calls/1",
        ]
    );
    let time = format!("uint64 {LATER}");
    assert_eq!(
        scene.all(MOM, "org.dotd.Call1").await,
        expected(&[
            ("Answered", &time),
            ("Direction", "\"incoming\""),
            ("Multiparty", "false"),
            ("Name", "\"Mom\""),
            ("Number", "\"+4930123\""),
            ("Phone", &format!("objectpath \"{ANNA}\"")),
            ("Since", &time),
            ("State", "\"active\""),
        ])
    );
    let unknown = scene.all(&paths[1], "org.dotd.Call1").await;
    for (property, value) in [
        ("Answered", "uint64 0"),
        ("Name", "\"\""),
        ("Number", "\"\""),
        ("State", "\"waiting\""),
    ] {
        assert_eq!(unknown[property], value, "{property}");
    }
    let police = call_at(&scene, &paths[2]).await;
    assert_eq!(police.state().await.unwrap(), "alerting");
    assert_eq!(police.direction().await.unwrap(), "outgoing");
    assert_eq!(police.phone().await.unwrap(), wire::phone_path(address(2)));
}

#[tokio::test]
async fn a_phone_shows_what_it_is_for_calls() {
    let scene = Scene::new(busy_kitchen(), granted()).await;
    let anna = scene.phone(1).await;
    assert!(anna.hands_free().await.unwrap());
    assert_eq!(anna.voice().await.unwrap(), "mSBC");
    assert_eq!(anna.call_volume().await.unwrap(), 70);
    assert_eq!(anna.microphone_volume().await.unwrap(), 100);
    assert!(!anna.assistant_listens().await.unwrap());
    let gateway = scene.all(ANNA, "org.dotd.Phone1").await["Gateway"].clone();
    assert_eq!(gateway, "{\"Service\": <true>, \"Signal\": <byte 0x04>}");
    assert_eq!(anna.gateway().await.unwrap().len(), 2);
}

#[tokio::test]
async fn calls_come_and_go() {
    let scene = Scene::new(kitchen(), granted()).await;
    let stage = &scene.speaker.stage;
    let objects = scene.objects().await;
    let mut added: InterfacesAddedStream = objects.receive_interfaces_added().await.unwrap();
    let mut removed: InterfacesRemovedStream = objects.receive_interfaces_removed().await.unwrap();
    stage.change(|snapshot| {
        let calls = vec![call(1, CallState::Incoming), call(2, CallState::Waiting)];
        snapshot.phones[0].hands_free = Some(hands_free(calls));
    });
    for number in 1..=2 {
        let signal = next(&mut added).await;
        assert_eq!(path_of(signal.message()), wire::ROOT);
        let args = signal.args().unwrap();
        let path = wire::call_path(address(1), CallId(number));
        assert_eq!(args.object_path().as_str(), path.as_str());
        let interfaces = args.interfaces_and_properties();
        let call = &interfaces[&InterfaceName::try_from("org.dotd.Call1").unwrap()];
        assert_eq!(call.len(), 8);
        assert_eq!(call["Name"].to_string(), "\"Mom\"");
    }
    // One ends, then the link, then the phone is forgotten while a call is up.
    let of_call = |number| {
        let path = wire::call_path(address(1), CallId(number));
        (path.to_string(), "org.dotd.Call1".to_owned())
    };
    stage.change(|snapshot| {
        snapshot.phones[0].hands_free = Some(hands_free(vec![call(2, CallState::Incoming)]));
    });
    assert_eq!(gone(&mut removed).await, of_call(1));
    stage.change(|snapshot| snapshot.phones[0].hands_free = None);
    assert_eq!(gone(&mut removed).await, of_call(2));
    let over = call_at(&scene, MOM).await.hang_up().await.unwrap_err();
    assert!(over.to_string().contains("Unknown object"), "{over}");
    stage.change(|snapshot| {
        snapshot.phones[0].hands_free = Some(hands_free(vec![call(3, CallState::Active)]));
    });
    next(&mut added).await;
    stage.change(|snapshot| drop(snapshot.phones.remove(0)));
    assert_eq!(gone(&mut removed).await, of_call(3));
    for interface in ["org.dotd.Player1", "org.dotd.Calls1", "org.dotd.Phone1"] {
        let phone = (ANNA.to_owned(), interface.to_owned());
        assert_eq!(gone(&mut removed).await, phone);
    }
}

#[tokio::test]
async fn each_change_of_a_call_is_signalled_once() {
    let scene = Scene::new(busy_kitchen(), granted()).await;
    let stage = &scene.speaker.stage;
    let mom = scene.properties_at(MOM).await;
    let mut of_mom = mom.receive_properties_changed().await.unwrap();
    let anna = scene.properties_at(ANNA).await;
    let mut of_anna = anna.receive_properties_changed().await.unwrap();

    stage.change(|snapshot| {
        let anna = snapshot.phones[0].hands_free.as_mut().unwrap();
        anna.calls[0].call.state = CallState::Held;
        anna.voice = Some(VoiceCodec::Cvsd);
        anna.gateway.battery = Some(5);
        anna.gateway.service = None;
    });
    let (interface, changes) = changed(&mut of_mom).await;
    assert_eq!(interface, "org.dotd.Call1");
    assert_eq!(changes, expected(&[("State", "\"held\"")]));
    let (interface, changes) = changed(&mut of_anna).await;
    assert_eq!(interface, "org.dotd.Phone1");
    let gateway = "{\"Battery\": <byte 0x05>, \"Signal\": <byte 0x04>}";
    assert_eq!(
        changes,
        expected(&[("Gateway", gateway), ("Voice", "\"CVSD\"")])
    );

    // A snapshot without a difference, then one in which all that can change has changed.
    stage.change(|_| {});
    stage.change(|snapshot| {
        let anna = snapshot.phones[0].hands_free.as_mut().unwrap();
        anna.assistant = true;
        anna.calls[0] = call(1, CallState::Dialing);
        anna.calls[0].since = 1;
        anna.calls[0].call.name = None;
        anna.calls[0].call.number = "110".to_owned();
        anna.calls[0].call.multiparty = true;
        anna.calls[0].call.direction = Direction::Outgoing;
    });
    let (_, changes) = changed(&mut of_mom).await;
    let names: Vec<_> = changes.keys().map(String::as_str).collect();
    assert_eq!(
        names.join(" "),
        "Answered Direction Multiparty Name Number Since State"
    );
    let now = scene.all(MOM, "org.dotd.Call1").await;
    for (name, value) in changes {
        assert_eq!(now[&name], value, "{name}");
    }
    let (_, changes) = changed(&mut of_anna).await;
    assert_eq!(changes, expected(&[("AssistantListens", "true")]));
}

#[tokio::test]
async fn wishes_become_requests_for_the_phone_that_is_meant() {
    let scene = Scene::new(busy_kitchen(), granted()).await;
    for path in [ANNA, wire::ROOT] {
        let calls = scene.calls(path).await;
        calls.answer(true).await.unwrap();
        calls.answer(false).await.unwrap();
        calls.reject().await.unwrap();
        calls.hang_up().await.unwrap();
        calls.dial("*100#").await.unwrap();
        calls.dial_memory(7).await.unwrap();
        calls.redial().await.unwrap();
        calls.send_tones("1A#").await.unwrap();
        calls.hold().await.unwrap();
        calls.swap().await.unwrap();
        calls.merge().await.unwrap();
        calls.transfer().await.unwrap();
        calls.assistant(true).await.unwrap();
    }
    let wishes = [
        CallWish::Answer { end_others: true },
        CallWish::Answer { end_others: false },
        CallWish::Reject,
        CallWish::HangUp { call: None },
        CallWish::Dial {
            number: "*100#".to_owned(),
        },
        CallWish::DialMemory { place: 7 },
        CallWish::Redial,
        CallWish::Tones {
            digits: "1A#".to_owned(),
        },
        CallWish::Hold,
        CallWish::Swap,
        CallWish::Merge,
        CallWish::Transfer,
        CallWish::Assistant { on: true },
    ];
    let of = |phone| wishes.clone().map(|wish| Request::Call { phone, wish });
    let requests = [of(Some(address(1))), of(None)].concat();
    assert_eq!(scene.speaker.stage.requests(), requests);
}

#[tokio::test]
async fn a_call_ends_itself_and_no_other() {
    let scene = Scene::new(busy_kitchen(), granted()).await;
    call_at(&scene, MOM).await.hang_up().await.unwrap();
    let wish = CallWish::HangUp {
        call: Some(CallId(1)),
    };
    let phone = Some(address(1));
    assert_eq!(
        scene.speaker.stage.requests(),
        [Request::Call { phone, wish }]
    );
}

#[tokio::test]
async fn a_wish_that_is_refused_is_an_error_of_its_kind() {
    let refuse = |_: &_, _: &_| Err(Rejection::new(RejectionKind::Ambiguous, "say which"));
    let scene = Scene::new(busy_kitchen(), Box::new(refuse)).await;
    let refused = scene.calls(wire::ROOT).await.answer(false).await;
    assert!(
        matches!(&refused, Err(Error::Ambiguous(text)) if text == "say which"),
        "{refused:?}"
    );
    let refused = call_at(&scene, MOM).await.hang_up().await;
    assert!(matches!(refused, Err(Error::Ambiguous(_))), "{refused:?}");
}
