use std::path::Path;
use std::time::Duration;

use super::*;
use crate::policy::model::{
    AdapterChoice, CallPhones, MusicCodec, PhoneChoice, PhoneRule, TakeoverRule, Volume,
};

fn read(text: &str) -> Result<Settings, ConfigErrors> {
    parse(Path::new("dotd.toml"), text.as_bytes())
}

/// Returns the headlines of what is wrong with `text`.
fn wrong(text: &str) -> Vec<String> {
    let errors = read(text).expect_err(text);
    errors.brief().lines().map(str::to_owned).collect()
}

#[test]
fn a_missing_file_means_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        load(&folder.path().join("dotd.toml")).unwrap(),
        Settings::default()
    );
    assert_eq!(read("").unwrap(), Settings::default());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(folder.path()).unwrap_err();
    assert!(error.problems().is_empty());
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn every_key_is_taken_over() {
    let settings = read(
        r#"
        phones.max-connected = 7
        audio = { output = "hdmi", remote = "pipewire-1" }
        music = { codecs = ["SBC", "aac"], delay = "robust" }
        calls = { enabled = false, ring-volume = 0, microphone = "usb", echo-cancelling = false }
        [speaker]
        name = " Küche "
        adapter = "da:4c:10:de:00:01"
        [pairing]
        window = "90s"
        open-on-first-start = false
        [volume]
        start = 0x10
        max = 80
        [playback]
        takeover = "hold"
        hold-for = "1m"
        priority = ["Anna's iPhone", "00:1a:7d:da:71:13"]
        [players]
        mpris = "unix:path=/run/user/1000/bus"
        covers = false
        [phone."Anna's tablet"]
        may-take-over = false
        [phone."Ben"]
        may-take-over = true
        "#,
    )
    .unwrap();
    let rules = settings.rules;
    assert_eq!(rules.name.unwrap().as_str(), "Küche");
    let address = "DA:4C:10:DE:00:01".parse().unwrap();
    assert_eq!(rules.adapter, AdapterChoice::Addressed(address));
    assert_eq!(rules.window, Duration::from_secs(90));
    assert!(!rules.open_when_nobody_is_trusted);
    assert_eq!(rules.max_connected, 7);
    assert_eq!(rules.codecs, [MusicCodec::Sbc, MusicCodec::Aac]);
    assert_eq!(settings.delay, Delay::Robust);
    assert_eq!(rules.start_volume, Volume::new(16).unwrap());
    assert_eq!(rules.max_volume, Volume::new(80).unwrap());
    assert_eq!(rules.takeover, TakeoverRule::Hold);
    assert_eq!(rules.hold_for, Duration::from_secs(60));
    let addressed = PhoneChoice::Addressed("00:1A:7D:DA:71:13".parse().unwrap());
    let named = |name: &str| PhoneChoice::Named(name.to_owned());
    assert_eq!(rules.priority, [named("Anna's iPhone"), addressed]);
    let tablet = PhoneRule {
        may_take_over: false,
        ..PhoneRule::new(named("Anna's tablet"))
    };
    assert_eq!(rules.phones, [tablet], "what changes nothing is no rule");
    assert!(!rules.calls);
    assert_eq!(rules.ring_volume, Volume::MIN);
    assert_eq!(settings.audio.microphone.as_deref(), Some("usb"));
    assert!(!settings.audio.echo_cancelling);
    assert_eq!(settings.audio.output.as_deref(), Some("hdmi"));
    assert_eq!(settings.audio.remote.as_deref(), Some("pipewire-1"));
    let bus = "unix:path=/run/user/1000/bus".to_owned();
    assert_eq!(settings.players.mpris, Mpris::Address(bus));
    assert!(!settings.players.covers);
}

#[test]
fn what_is_done_to_sound_is_taken_over() {
    let text = "mono = true\nbalance = -20\nequaliser = [3, 0, -2, 0, 12]\nceiling = -6\n";
    let shape = Shape {
        equaliser: [3, 0, -2, 0, 12],
        mono: true,
        balance: -20,
        ceiling: Some(-6),
    };
    let read = read(&format!("[audio]\n{text}")).unwrap();
    assert_eq!(read.audio.shape, shape);
}

#[test]
fn shapes_that_make_no_sense_say_what_is_allowed() {
    let bands = "allowed is a list of five numbers from -12 to 12";
    for (text, expected) in [
        (
            "audio.mono = 1",
            "14: audio.mono is 1; allowed is true or false".to_owned(),
        ),
        (
            "audio.balance = -101",
            "17: audio.balance is -101; allowed is -100 to 100".to_owned(),
        ),
        (
            "audio.ceiling = 1",
            "17: audio.ceiling is 1; allowed is \"off\", or -40 to 0".to_owned(),
        ),
        (
            "audio.ceiling = \"low\"",
            "17: audio.ceiling is \"low\"; allowed is \"off\", or -40 to 0".to_owned(),
        ),
        (
            "audio.equaliser = [0, 0, 0, 13, 0]",
            format!("19: audio.equaliser is a list: 13 is no gain; {bands}"),
        ),
        (
            "audio.equaliser = [0, 0]",
            format!("19: audio.equaliser is a list: it has 2 of the 5 bands; {bands}"),
        ),
        (
            "audio.equaliser = \"loud\"",
            format!("19: audio.equaliser is \"loud\"; {bands}"),
        ),
    ] {
        assert_eq!(wrong(text), [format!("dotd.toml:1:{expected}")]);
    }
    let off = read("audio = { ceiling = \"off\", balance = 0, equaliser = [0, 0, 0, 0, 0] }");
    assert_eq!(off.unwrap().audio.shape, Shape::default());
}

#[test]
fn wishes_for_music_that_make_no_sense_say_what_is_allowed() {
    let codecs = |found, why| {
        format!(
            "dotd.toml:1:{found}: {why}allowed is a list of \"aac\" and \"sbc\", with \"sbc\" in it"
        )
    };
    let delay = "allowed is \"low\", \"balanced\", \"robust\", or 10 to 300 milliseconds, written as a \
                 number (80)";
    for (text, expected) in [
        (
            "music.codecs = [\"mp3\", \"sbc\"]",
            codecs(16, "music.codecs is a list: \"mp3\" is no codec of music; "),
        ),
        (
            "music.codecs = [\"sbc\", 3]",
            codecs(16, "music.codecs is a list: 3 is no codec of music; "),
        ),
        (
            "music.codecs = [\"sbc\", \"SBC\"]",
            codecs(16, "music.codecs is a list: \"SBC\" is in it twice; "),
        ),
        (
            "music.codecs = [\"aac\"]",
            codecs(
                16,
                "music.codecs is a list: \"sbc\" is not in it, and some phones have no other; ",
            ),
        ),
        (
            "music.codecs = \"sbc\"",
            codecs(16, "music.codecs is \"sbc\"; "),
        ),
        (
            "music.delay = \"short\"",
            format!("dotd.toml:1:15: music.delay is \"short\"; {delay}"),
        ),
        (
            "music.delay = 9",
            format!("dotd.toml:1:15: music.delay is 9; {delay}"),
        ),
        (
            "music.delay = 301",
            format!("dotd.toml:1:15: music.delay is 301; {delay}"),
        ),
    ] {
        assert_eq!(wrong(text), [expected]);
    }
    for (text, expected) in [
        ("music.delay = \"low\"", Delay::Low),
        ("music.delay = \"balanced\"", Delay::Balanced),
        ("music.delay = 10", Delay::Fixed(10)),
        ("music.delay = 300", Delay::Fixed(300)),
    ] {
        assert_eq!(read(text).unwrap().delay, expected);
    }
}

#[test]
fn wishes_for_phones_that_make_no_sense_say_what_is_allowed() {
    for (text, expected) in [
        (
            "[playback]\ntakeover = \"first\"",
            "dotd.toml:2:12: playback.takeover is \"first\"; allowed is \"last-play\", \"hold\" or \
             \"refuse\"",
        ),
        (
            "[playback]\nhold-for = \"1h\"",
            "dotd.toml:2:12: playback.hold-for is \"1h\"; allowed is 0s to 10m, written as seconds \
             (10) or as text (\"10s\", \"1m\")",
        ),
        (
            "[phone.\"Anna\"]\nmay-take-over = 3",
            "dotd.toml:2:17: phone.\"Anna\".may-take-over is 3; allowed is true or false",
        ),
        (
            "[phone.\"Anna\"]\nmay-takeover = true",
            "dotd.toml:2:1: phone.\"Anna\".may-takeover does not exist; did you mean may-take-over?",
        ),
        (
            "phone = 3",
            "dotd.toml:1:9: phone is 3; allowed is a table for each phone, written \
             [phone.\"Anna's tablet\"]",
        ),
        (
            "phone.Anna = true",
            "dotd.toml:1:14: phone.\"Anna\" is true; allowed is a table, written [phone.\"Anna\"]",
        ),
    ] {
        assert_eq!(wrong(text), [expected]);
    }
    assert_eq!(wrong("players.mpris = \"session\"").len(), 1);
    assert_eq!(wrong("players.covers = \"some\"").len(), 1);
    assert_eq!(wrong("[phone.\" \"]\nmay-take-over = true").len(), 1);
}

#[test]
fn wishes_for_calls_that_make_no_sense_say_what_is_allowed() {
    for text in [
        "calls.ring-tone = \"Bell\"",
        "calls.ring-tone = \"ring.wav\"",
        "calls.ring-tone = 3",
        "calls.auto-answer = 0",
        "calls.auto-answer = 61",
        "calls.auto-answer = \"2m\"",
        "calls.auto-answer = \"on\"",
        "calls.auto-answer = true",
        "calls.phones = true",
        "calls.phones = \"Anna\"",
        "calls.phones = []",
        "calls.phones = [\"Anna\", 7]",
        "calls.phones = [\" \"]",
    ] {
        assert_eq!(wrong(text).len(), 1, "{text}");
    }
    assert_eq!(
        wrong("[calls]\nphones = [\"Anna\", 7]"),
        [
            "dotd.toml:2:10: calls.phones is a list: 7 is no name or address; allowed is \"all\", \
             or a list of whole names and addresses like [\"Anna's iPhone\", \
             \"00:1A:7D:DA:71:13\"]"
        ]
    );
}

#[test]
fn the_ring_tone_is_built_in_or_a_file() {
    for melody in Melody::ALL {
        let text = format!("calls.ring-tone = \"{}\"", melody.name());
        assert_eq!(read(&text).unwrap().ring_tone, RingTone::BuiltIn(melody));
    }
    let tone = read("calls.ring-tone = \"/srv/ring.wav\"")
        .unwrap()
        .ring_tone;
    assert_eq!(tone, RingTone::File("/srv/ring.wav".into()));
    // What is allowed is told from what there is.
    let allowed = reference::table("calls")
        .unwrap()
        .key("ring-tone")
        .unwrap()
        .allowed;
    for melody in Melody::ALL {
        assert!(allowed.contains(&format!("\"{}\"", melody.name())));
    }
    let (seconds, megabytes) = (crate::pcm::MAX_SECONDS, crate::pcm::MAX_BYTES / 1_000_000);
    assert!(allowed.ends_with(&format!("at most {seconds} s and {megabytes} MB")));
}

#[test]
fn a_ring_tone_that_cannot_be_played_is_a_problem_but_no_reason_not_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let (file, wav) = (
        folder.path().join("dotd.toml"),
        folder.path().join("ring.wav"),
    );
    let text = format!(
        "volume.max = 60\ncalls.ring-tone = {:?}\n",
        wav.display().to_string()
    );
    fs::write(&file, text).unwrap();
    let errors = load(&file).unwrap_err().brief();
    let begin = format!(
        "{}:2:19: calls.ring-tone is {wav:?}: it cannot be read: ",
        file.display()
    );
    assert!(errors.starts_with(&begin), "{errors}");
    assert!(errors.contains("; allowed is \"warble\", "), "{errors}");
    let settings = load_alone(&file).unwrap();
    assert_eq!(settings.ring_tone, RingTone::File(wav.clone()));
    assert_eq!(settings.rules.max_volume.percent(), 60);
    fs::write(&wav, "not a sound").unwrap();
    let errors = load(&file).unwrap_err().brief();
    assert!(errors.contains("it is no WAV file"), "{errors}");
}

#[test]
fn answering_by_itself_is_off_or_a_time() {
    for (text, seconds) in [("\"off\"", None), ("1", Some(1)), ("\"1m\"", Some(60))] {
        let rules = read(&format!("calls.auto-answer = {text}")).unwrap().rules;
        assert_eq!(
            rules.auto_answer,
            seconds.map(Duration::from_secs),
            "{text}"
        );
    }
}

#[test]
fn phones_for_calls_are_named_or_addressed() {
    let phones = |text: &str| {
        read(&format!("calls.phones = {text}"))
            .unwrap()
            .rules
            .call_phones
    };
    assert_eq!(phones("\"all\""), CallPhones::All);
    let ben = "DA:4C:10:DE:00:02".parse().unwrap();
    let only = vec![
        PhoneChoice::Named("Anna".into()),
        PhoneChoice::Addressed(ben),
    ];
    let read = phones("[\" Anna \", \"da:4c:10:de:00:02\"]");
    assert_eq!(read, CallPhones::Only(only));
}

#[test]
fn values_out_of_range_and_of_other_types_say_what_is_allowed() {
    let percent = "allowed is 0 to 100";
    for (text, expected) in [
        (
            "[volume]\nmax = 140",
            format!("dotd.toml:2:7: volume.max is 140; {percent}"),
        ),
        (
            "[volume]\nmax = -1",
            format!("dotd.toml:2:7: volume.max is -1; {percent}"),
        ),
        (
            "[volume]\nmax = 1e2",
            format!("dotd.toml:2:7: volume.max is 1e2; {percent}"),
        ),
        (
            "[volume]\nmax = 99999999999999999999",
            format!("dotd.toml:2:7: volume.max is 99999999999999999999; {percent}"),
        ),
        (
            "phones.max-connected = 8",
            "dotd.toml:1:24: phones.max-connected is 8; allowed is 1 to 7".to_owned(),
        ),
        (
            "[pairing]\nopen-on-first-start = \"yes\"",
            "dotd.toml:2:23: pairing.open-on-first-start is \"yes\"; allowed is true or false"
                .to_owned(),
        ),
        (
            "[speaker]\nname = \"\"",
            "dotd.toml:2:8: speaker.name is \"\": a name cannot be empty; allowed is a text of 1 \
             to 248 bytes without control characters"
                .to_owned(),
        ),
        (
            "speaker = 3",
            "dotd.toml:1:11: speaker is 3; allowed is a table, written [speaker]".to_owned(),
        ),
    ] {
        assert_eq!(wrong(text), [expected]);
    }
    for text in [
        "pairing.window = 9",
        "pairing.window = 3601",
        "pairing.window = \"2h\"",
        "pairing.window = \"soon\"",
        "pairing.window = -20",
        "speaker.adapter = \"hci\"",
        "speaker.adapter = \"usb0\"",
        "speaker.adapter = 0",
        "audio.output = \" \"",
        "audio.remote = []",
        "phones.max-connected = 0",
    ] {
        assert_eq!(wrong(text).len(), 1, "{text}");
    }
}

#[test]
fn the_ends_of_the_ranges_are_allowed() {
    for text in [
        "pairing.window = 10",
        "pairing.window = \"1h\"",
        "phones.max-connected = 1",
        "volume = { start = 0, max = 0 }",
        "volume = { start = 100, max = 100 }",
        "speaker.adapter = \"hci12\"",
    ] {
        assert!(read(text).is_ok(), "{text}");
    }
}

#[test]
fn start_above_max_is_told_at_start() {
    assert_eq!(
        wrong("[volume]\nmax = 50\nstart = 51"),
        [
            "dotd.toml:3:9: volume.start is 51, above volume.max; allowed is 0 to 50 while \
             volume.max is 50"
        ]
    );
    let lowered = read("volume.max = 50").unwrap().rules;
    assert_eq!(lowered.start_volume.percent(), 50);
}

#[test]
fn unknown_names_are_guessed_at() {
    for (text, expected) in [
        (
            "[volume]\nstrat = 3",
            "dotd.toml:2:1: volume.strat does not exist; did you mean start?",
        ),
        (
            "[phones]\nmax_connected = 3",
            "dotd.toml:2:1: phones.max_connected does not exist; did you mean max-connected?",
        ),
        (
            "[volume]\nwindow = 30",
            "dotd.toml:2:1: volume.window does not exist; window belongs below [pairing]",
        ),
        (
            "[volume]\nbrightness = 3",
            "dotd.toml:2:1: volume.brightness does not exist; [volume] has start, max",
        ),
        (
            "[speakers]\n",
            "dotd.toml:1:2: [speakers] is not a table of dotd; did you mean [speaker]?",
        ),
        (
            "[mqtt]\n",
            "dotd.toml:1:2: [mqtt] is not a table of dotd; there are [speaker], [pairing], \
             [phones], [playback], [volume], [music], [calls], [players], [audio]",
        ),
        (
            "name = \"x\"",
            "dotd.toml:1:1: name stands alone; it belongs below [speaker]",
        ),
        (
            "colour = 3",
            "dotd.toml:1:1: colour is not a key of dotd; see dotd.toml(5)",
        ),
    ] {
        assert_eq!(wrong(text), [expected]);
    }
}

#[test]
fn all_problems_are_told_at_once_in_order() {
    assert_eq!(wrong("volume = { start = 140, max = 200 }").len(), 2);
    let lines = wrong("[volume]\nstart = 140\nmaxx = 3\n[phones]\nmax-connected = true\n[x]\n");
    let places: Vec<_> = lines.iter().map(|line| &line[..14]).collect();
    assert_eq!(
        places,
        [
            "dotd.toml:2:9:",
            "dotd.toml:3:1:",
            "dotd.toml:5:17",
            "dotd.toml:6:2:"
        ]
    );
}

#[test]
fn syntax_errors_are_told_with_what_is_wrong_elsewhere() {
    let text = "[volume]\nstart = 140\nmax = \n[phones]\nmax-connected = 9\nmax-connected = 3\n";
    let lines = wrong(text);
    let places: Vec<_> = lines.iter().map(|line| &line[..14]).collect();
    assert_eq!(
        places,
        [
            "dotd.toml:2:9:",
            "dotd.toml:3:7:",
            "dotd.toml:5:17",
            "dotd.toml:6:1:"
        ]
    );
    assert!(lines[1].contains("this is not TOML"), "{lines:?}");
    assert_eq!(lines[3], "dotd.toml:6:1: this is not TOML: duplicate key");
}

#[test]
fn names_below_a_syntax_error_are_not_guessed_at() {
    let lines = wrong("[volume\nmax = 3\nmax = 4\n");
    assert_eq!(
        lines,
        ["dotd.toml:1:8: this is not TOML: unclosed table, expected `]`"]
    );
}

#[test]
fn bytes_that_are_not_utf8_have_a_place() {
    let errors = parse(Path::new("dotd.toml"), b"# \xC3\xA9\n# caf\xE9\n").unwrap_err();
    assert_eq!(
        errors.brief(),
        "dotd.toml:2:6: the byte 0xE9 is not UTF-8; save the file as UTF-8"
    );
}

#[test]
fn the_place_is_marked_in_its_line() {
    let errors = read("[volume]\r\n\tstart = 140 # loud\r\n").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "dotd.toml:2:10: volume.start is 140; allowed is 0 to 100, and at most volume.max\n \
         2 | \tstart = 140 # loud\n   | \t        ^^^"
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        if let Err(errors) = parse(Path::new("dotd.toml"), &bytes) {
            proptest::prop_assert!(!errors.problems().is_empty());
            proptest::prop_assert!(!errors.to_string().is_empty());
        }
    }

    #[test]
    fn no_text_of_toml_pieces_makes_it_panic(text in "(\\[|\\]|volume|start|max|=| |\n|\"|140|é|\t|\\{|\\}|\\.|\r|,|pairing|window){0,40}") {
        if let Err(errors) = read(&text) {
            proptest::prop_assert!(!errors.to_string().is_empty());
        }
    }
}
