//! The D-Bus service as another program sees it: objects, properties, signals, errors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;

use common::bus::Bus;
use common::client::{Scene, changed, expected, next, path_of};
use common::speaker::{Speaker, address, granted, kitchen, phone, stream};
use dotd::api::{ApiError, Error, wire};
use dotd::policy::event::Request;
use dotd::policy::model::Volume;
use dotd::policy::snapshot::{AdapterStatus, AudioStatus, MicrophoneStatus};
use dotd::policy::{Rejection, RejectionKind, Snapshot, Story};
use zbus::fdo::{InterfacesAddedStream, InterfacesRemovedStream};
use zbus::names::{InterfaceName, OwnedInterfaceName};
use zbus::zvariant::OwnedObjectPath;

#[tokio::test]
async fn the_speaker_shows_the_snapshot() {
    let scene = Scene::new(kitchen(), granted()).await;
    assert_eq!(
        scene.all(wire::ROOT, "org.dotd.Speaker1").await,
        expected(&[
            ("Adapter", "\"hci0\""),
            ("AdapterState", "\"on\""),
            ("Address", "\"DA:4C:10:DE:00:00\""),
            ("AudioState", "\"ready\""),
            ("ConfigProblems", "\"\""),
            ("MemoryLost", "\"\""),
            ("MemoryProblem", "\"\""),
            ("Discoverable", "false"),
            ("MaxVolume", "byte 0x50"),
            ("Microphone", "\"USB Microphone\""),
            ("MicrophoneMuted", "false"),
            ("Muted", "false"),
            ("EchoProblem", "\"\""),
            ("Name", "\"Kitchen\""),
            ("Output", "\"Built-in Audio\""),
            ("Pairing", "false"),
            ("PairingUntil", "uint64 0"),
            ("Powered", "true"),
            ("VoiceProblem", "\"\""),
            ("Version", &format!("\"{}\"", env!("CARGO_PKG_VERSION"))),
            ("Volume", "byte 0x3c"),
        ])
    );
}

#[tokio::test]
async fn phones_are_objects() {
    let scene = Scene::new(kitchen(), granted()).await;
    let objects = scene.objects().await.get_managed_objects().await.unwrap();
    // The node between speaker and phones has no interface of ours.
    let of_phones = |(path, interfaces): (OwnedObjectPath, HashMap<OwnedInterfaceName, _>)| {
        let mut names = interfaces.keys().map(|name| name.as_str());
        names
            .any(|name| name == "org.dotd.Phone1")
            .then(|| path.to_string())
    };
    let mut paths: Vec<_> = objects.into_iter().filter_map(of_phones).collect();
    paths.sort();
    let anna = "/org/dotd/phones/DA_4C_10_DE_00_01";
    assert_eq!(
        paths,
        [
            anna,
            "/org/dotd/phones/DA_4C_10_DE_00_02",
            "/org/dotd/phones/DA_4C_10_DE_00_03",
        ]
    );
    shows_anna(&scene, anna).await;
    let bob = scene.phone(2).await;
    assert!(bob.stream().await.unwrap().is_empty());
}

/// The properties of a phone that plays.
async fn shows_anna(scene: &Scene, anna: &str) {
    let mut shown = scene.all(anna, "org.dotd.Phone1").await;
    let stream = shown.remove("Stream").unwrap();
    for part in [
        "\"Codec\": <\"SBC\">",
        "\"Rate\": <uint32 44100>",
        "\"ChannelMode\": <\"joint stereo\">",
        "\"Lost\": <uint64 3>",
        "\"DelayMs\": <uint32 92>",
        "\"BitRate\": <uint32 328000>",
    ] {
        assert!(stream.contains(part), "{part} in {stream}");
    }
    assert_eq!(
        shown,
        expected(&[
            ("Address", "\"DA:4C:10:DE:00:01\""),
            ("AssistantListens", "false"),
            ("Bonded", "true"),
            ("CallVolume", "byte 0x00"),
            ("Called", "false"),
            ("Codec", "\"SBC\""),
            ("Connected", "true"),
            ("FirstSeen", "uint64 1700000000"),
            ("Gateway", "@a{sv} {}"),
            ("CallsAllowed", "true"),
            ("HandsFree", "false"),
            ("LastSeen", "uint64 1700000100"),
            ("MicrophoneVolume", "byte 0x00"),
            ("Name", "\"Anna's iPhone\""),
            ("NextCall", "uint64 0"),
            ("OwnName", "\"Anna's iPhone\""),
            ("Blocked", "false"),
            ("Player", "@a{sv} {}"),
            ("Position", "int64 -1"),
            ("Playing", "true"),
            ("Preference", "\"usual\""),
            ("Trusted", "true"),
            ("Voice", "\"\""),
            ("Volume", "byte 0x2d"),
        ])
    );
}

#[tokio::test]
async fn each_change_is_signalled_once_and_nothing_else_is() {
    let scene = Scene::new(kitchen(), granted()).await;
    let stage = &scene.speaker.stage;
    let speaker = scene.properties_at(wire::ROOT).await;
    let mut of_speaker = speaker.receive_properties_changed().await.unwrap();
    let path = wire::phone_path(address(2));
    let bob = scene.properties_at(path.as_str()).await;
    let mut of_bob = bob.receive_properties_changed().await.unwrap();

    stage.change(|snapshot| {
        snapshot.pairing_until = Some(1_800_000_000);
        snapshot.phones[1].stream = Some(stream());
    });
    let (interface, changes) = changed(&mut of_speaker).await;
    assert_eq!(interface, "org.dotd.Speaker1");
    assert_eq!(
        changes,
        expected(&[("Pairing", "true"), ("PairingUntil", "uint64 1800000000")])
    );
    let (interface, changes) = changed(&mut of_bob).await;
    assert_eq!(interface, "org.dotd.Phone1");
    assert_eq!(
        changes,
        expected(&[("Codec", "\"SBC\""), ("Playing", "true")])
    );

    // A snapshot without a difference, then one in which everything about the speaker is different.
    stage.change(|_| {});
    stage.change(|snapshot| {
        *snapshot = Snapshot {
            phones: snapshot.phones.clone(),
            name: "Bath".to_owned(),
            adapter: AdapterStatus::Missing,
            audio: AudioStatus::NoOutput,
            microphone: MicrophoneStatus {
                name: None,
                muted: true,
                echo_problem: Some("there is no canceller".to_owned()),
            },
            volume: Volume::new(1).unwrap(),
            muted: true,
            max_volume: Volume::new(2).unwrap(),
            config_problems: Some("broken".to_owned()),
            memory_problem: Some("the disk is full".to_owned()),
            memory_lost: Some("the file is damaged".to_owned()),
            voice_problem: Some("no sound comes".to_owned()),
            pairing_until: None,
        };
    });
    let (_, changes) = changed(&mut of_speaker).await;
    let names: Vec<_> = changes.keys().map(String::as_str).collect();
    assert_eq!(
        names.join(" "),
        "Adapter AdapterState Address AudioState ConfigProblems EchoProblem MaxVolume MemoryLost \
         MemoryProblem Microphone MicrophoneMuted Muted Name Output Pairing PairingUntil Powered VoiceProblem Volume"
    );
    // Every property is as it was signalled.
    let now = scene.all(wire::ROOT, "org.dotd.Speaker1").await;
    for (name, value) in changes {
        assert_eq!(now[&name], value, "{name}");
    }
}

#[tokio::test]
async fn objects_come_and_go_with_their_phones() {
    let scene = Scene::new(kitchen(), granted()).await;
    let stage = &scene.speaker.stage;
    let objects = scene.objects().await;
    let mut added: InterfacesAddedStream = objects.receive_interfaces_added().await.unwrap();
    let mut removed: InterfacesRemovedStream = objects.receive_interfaces_removed().await.unwrap();

    stage.change(|snapshot| {
        snapshot.phones.remove(0);
        snapshot.phones.push(phone(9, "Carol"));
    });
    let signal = next(&mut added).await;
    assert_eq!(path_of(signal.message()), wire::ROOT);
    let args = signal.args().unwrap();
    assert_eq!(
        args.object_path().as_str(),
        "/org/dotd/phones/DA_4C_10_DE_00_09"
    );
    let interfaces = args.interfaces_and_properties();
    let carol = &interfaces[&InterfaceName::try_from("org.dotd.Phone1").unwrap()];
    assert_eq!(carol["Name"].to_string(), "\"Carol\"");
    assert_eq!(carol.len(), 25);
    let signal = next(&mut added).await;
    let args = signal.args().unwrap();
    let names = args.interfaces_and_properties().keys();
    let names: Vec<_> = names.map(ToString::to_string).collect();
    assert_eq!(names, ["org.dotd.Calls1"]);
    let signal = next(&mut added).await;
    let args = signal.args().unwrap();
    let names = args.interfaces_and_properties().keys();
    let names: Vec<_> = names.map(ToString::to_string).collect();
    assert_eq!(names, ["org.dotd.Player1"]);
    for gone in ["org.dotd.Player1", "org.dotd.Calls1", "org.dotd.Phone1"] {
        let signal = next(&mut removed).await;
        let args = signal.args().unwrap();
        assert_eq!(
            args.object_path().as_str(),
            "/org/dotd/phones/DA_4C_10_DE_00_01"
        );
        assert_eq!(
            args.interfaces()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            [gone]
        );
    }
    let error = scene.phone(1).await.connect().await.unwrap_err();
    assert!(error.to_string().contains("Unknown object"), "{error}");
    assert_eq!(stage.requests(), []);
}

#[tokio::test]
async fn calls_become_requests() {
    let scene = Scene::new(kitchen(), granted()).await;
    let (speaker, anna) = (scene.proxy().await, scene.phone(1).await);
    speaker.start_pairing(0).await.unwrap();
    speaker.start_pairing(3600).await.unwrap();
    speaker.stop_pairing().await.unwrap();
    speaker.set_name(" Bath ").await.unwrap();
    speaker.set_name("").await.unwrap();
    speaker.set_volume(100).await.unwrap();
    speaker.set_microphone(false).await.unwrap();
    speaker.set_microphone(true).await.unwrap();
    anna.set_volume(0).await.unwrap();
    anna.connect().await.unwrap();
    anna.disconnect().await.unwrap();
    anna.forget().await.unwrap();
    let found = speaker.find_phone("bob").await.unwrap();
    assert_eq!(found, wire::phone_path(address(2)));
    let seen: Vec<_> = scene.speaker.stage.requests();
    let shown: Vec<_> = seen
        .iter()
        .map(|request| serde_json::to_string(request).unwrap())
        .collect();
    let anna = "\"phone\":\"DA:4C:10:DE:00:01\"";
    assert_eq!(
        shown,
        [
            "{\"request\":\"open-pairing\",\"length\":null}".to_owned(),
            "{\"request\":\"open-pairing\",\"length\":{\"secs\":3600,\"nanos\":0}}".to_owned(),
            "{\"request\":\"close-pairing\"}".to_owned(),
            "{\"request\":\"rename\",\"name\":\"Bath\"}".to_owned(),
            "{\"request\":\"rename\",\"name\":null}".to_owned(),
            "{\"request\":\"set-volume\",\"phone\":null,\"volume\":100}".to_owned(),
            "{\"request\":\"mute-microphone\",\"muted\":true}".to_owned(),
            "{\"request\":\"mute-microphone\",\"muted\":false}".to_owned(),
            format!("{{\"request\":\"set-volume\",{anna},\"volume\":0}}"),
            format!("{{\"request\":\"connect\",{anna}}}"),
            format!("{{\"request\":\"disconnect\",{anna}}}"),
            format!("{{\"request\":\"forget\",{anna}}}"),
        ]
    );
}

#[tokio::test]
async fn values_that_cannot_be_are_refused_before_the_policy_sees_them() {
    let scene = Scene::new(kitchen(), granted()).await;
    let (speaker, anna) = (scene.proxy().await, scene.phone(1).await);
    for refused in [
        speaker.start_pairing(9).await,
        speaker.start_pairing(3601).await,
        speaker.set_name(" ").await,
        speaker.set_volume(101).await,
        anna.set_volume(255).await,
        speaker.find_phone(" ").await.map(drop),
    ] {
        assert!(
            matches!(refused, Err(Error::InvalidArgument(_))),
            "{refused:?}"
        );
    }
    assert_eq!(scene.speaker.stage.requests(), []);
}

#[tokio::test]
async fn each_rejection_is_an_error_of_its_own() {
    for (kind, name) in [
        (RejectionKind::NotFound, "org.dotd.Error.NotFound"),
        (RejectionKind::Ambiguous, "org.dotd.Error.Ambiguous"),
        (RejectionKind::NotConnected, "org.dotd.Error.NotConnected"),
        (RejectionKind::Refused, "org.dotd.Error.Refused"),
        (RejectionKind::Busy, "org.dotd.Error.Busy"),
        (
            RejectionKind::InvalidArgument,
            "org.dotd.Error.InvalidArgument",
        ),
        (RejectionKind::NotAvailable, "org.dotd.Error.NotAvailable"),
    ] {
        let answer = move |_: &_, _: &_| Err(Rejection::new(kind, "because"));
        let scene = Scene::new(kitchen(), Box::new(answer)).await;
        let call = scene.client.call_method(
            Some(wire::SERVICE),
            wire::ROOT,
            Some("org.dotd.Speaker1"),
            "StopPairing",
            &(),
        );
        match call.await.unwrap_err() {
            zbus::Error::MethodError(found, text, _) => {
                assert_eq!(found.as_str(), name);
                assert_eq!(text.as_deref(), Some("because"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_comes_after_what_came_of_the_request() {
    let scene = Scene::new(
        kitchen(),
        Box::new(|stage, request| {
            if let Request::SetVolume { volume, .. } = request {
                stage.change(|snapshot| snapshot.volume = *volume);
            }
            Ok(())
        }),
    )
    .await;
    let speaker = scene.proxy().await;
    for percent in 0..=100 {
        speaker.set_volume(percent).await.unwrap();
        assert_eq!(speaker.volume().await.unwrap(), percent);
    }
}

#[tokio::test]
async fn stories_are_signals() {
    let scene = Scene::new(kitchen(), granted()).await;
    let mut stories = scene.proxy().await.receive_happened().await.unwrap();
    let stage = &scene.speaker.stage;
    stage.tell(Story::PhoneConnected {
        name: "Anna".to_owned(),
        address: address(1),
    });
    stage.tell(Story::AudioLost);
    let signal = next(&mut stories).await;
    let story = signal.args().unwrap();
    assert_eq!(*story.kind(), "phone-connected");
    assert_eq!(
        story.object().as_str(),
        "/org/dotd/phones/DA_4C_10_DE_00_01"
    );
    assert_eq!(*story.text(), "Anna connected");
    assert_eq!(
        serde_json::from_str::<Story>(story.json()).unwrap(),
        Story::PhoneConnected {
            name: "Anna".to_owned(),
            address: address(1),
        }
    );
    let signal = next(&mut stories).await;
    let story = signal.args().unwrap();
    assert_eq!(*story.kind(), "audio-lost");
    assert_eq!(story.object().as_str(), wire::ROOT);
}

#[tokio::test]
async fn a_second_service_is_refused() {
    let scene = Scene::new(kitchen(), granted()).await;
    let second = Speaker::start(&scene.bus, kitchen(), granted());
    assert!(matches!(second.err(), Some(ApiError::NameTaken)));
    assert_eq!(scene.proxy().await.name().await.unwrap(), "Kitchen");
}

#[tokio::test]
async fn without_permission_the_name_is_not_taken() {
    let bus = Bus::strict("");
    let refused = Speaker::start(&bus, kitchen(), granted());
    assert!(matches!(refused.err(), Some(ApiError::NotAllowed)));
}
