use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::policy::model::{Address, Preference, SpeakerName, TrustedPhone, Volume};

fn memory() -> Memory {
    Memory {
        name: Some(SpeakerName::new("Küche \"laut\"").unwrap()),
        outranked: SpeakerName::new("Flur").ok(),
        volume: Volume::new(35),
        outranked_volume: Volume::new(60),
        microphone_muted: true,
        muted: true,
        forgotten: BTreeMap::from([
            (Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, 3]), None),
            (
                Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, 4]),
                Some(Address::new([0xDA, 0x4C, 0x10, 0xDE, 1, 0])),
            ),
        ]),
        phones: vec![
            TrustedPhone {
                address: Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, 1]),
                name: "Anna's iPhone".to_owned(),
                first_seen: 1_700_000_000,
                last_seen: 1_700_000_100,
                volume: Volume::new(40),
                call_volume: Volume::new(70),
                preference: Preference::Never,
                last_played: Some(1_700_000_200),
                left: true,
                alias: Some("Mum".into()),
                blocked: true,
            },
            TrustedPhone {
                address: Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, 2]),
                name: String::new(),
                first_seen: 0,
                last_seen: 0,
                volume: None,
                call_volume: None,
                preference: Preference::default(),
                last_played: None,
                left: false,
                alias: None,
                blocked: false,
            },
        ],
    }
}

#[test]
fn what_is_saved_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let (mut store, empty, trouble) = Store::open(&state);
    assert_eq!(empty, Memory::default());
    assert!(trouble.is_none(), "{trouble:?}");
    for saved in [memory(), Memory::default(), memory()] {
        store.save(&saved).unwrap();
        assert_eq!(Store::open(&state).1, saved);
    }
    assert_eq!(names(&state), [FILE_NAME]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state.join(FILE_NAME)), 0o600);
    assert_eq!(mode(&state), 0o700);
}

/// Version 1 as dotd 0.1 wrote it. Frozen: it must stay readable as it is.
#[test]
fn version_1_stays_readable() {
    let text = r#"# Written by dotd; changes are lost.
version = 1
name = "Küche \"laut\""
volume = 35

[[phones]]
address = "DA:4C:10:DE:00:01"
name = "Anna's iPhone"
first-seen = 1700000000
last-seen = 1700000100
volume = 40

[[phones]]
address = "DA:4C:10:DE:00:02"
name = ""
first-seen = 0
last-seen = 0
"#;
    let mut without_later_keys = Memory {
        outranked: None,
        outranked_volume: None,
        microphone_muted: false,
        muted: false,
        forgotten: BTreeMap::new(),
        ..memory()
    };
    for phone in &mut without_later_keys.phones {
        *phone = TrustedPhone {
            call_volume: None,
            preference: Preference::default(),
            last_played: None,
            left: false,
            alias: None,
            blocked: false,
            ..phone.clone()
        };
    }
    assert_eq!(schema::read(text.as_bytes()).unwrap(), without_later_keys);
}

#[test]
fn a_damaged_file_is_kept_and_told() {
    let dir = tempfile::tempdir().unwrap();
    for (number, damaged) in [
        "version = 1\nphones = [{",
        "version = 1\nvolume = 101\n",
        "version = 1\nsurprise = true\n",
        "version = 0",
        "phones = []",
        "version = 1\n[[phones]]\naddress = \"nobody\"\n",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(dir.path().join(FILE_NAME), damaged).unwrap();
        let (mut store, empty, trouble) = Store::open(dir.path());
        assert_eq!(empty, Memory::default());
        let trouble = trouble.expect(damaged);
        assert!(
            matches!(trouble.kind, TroubleKind::Corrupt(_)),
            "{trouble:?}"
        );
        let aside = trouble.moved_to.clone().unwrap();
        assert_eq!(
            aside,
            dir.path()
                .join(format!("state.toml.corrupt-{}", number + 1))
        );
        assert_eq!(fs::read_to_string(&aside).unwrap(), damaged);
        let told = trouble.to_string();
        assert!(!told.contains('\n') && told.contains("pair"), "{told}");
        store.save(&memory()).unwrap();
        assert_eq!(Store::open(dir.path()).1, memory());
    }
}

#[test]
fn a_file_of_a_later_version_is_kept_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let text = "version = 7\nhologram = true\n";
    fs::write(dir.path().join(FILE_NAME), text).unwrap();
    let (_, memory, trouble) = Store::open(dir.path());
    assert_eq!(memory, Memory::default());
    let aside = trouble.unwrap().moved_to.unwrap();
    assert_eq!(aside, dir.path().join("state.toml.from-version-7-1"));
    assert_eq!(fs::read_to_string(aside).unwrap(), text);
}

#[test]
fn what_an_interrupted_save_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state.toml.new"), "version = 1\npho").unwrap();
    let (_, _, trouble) = Store::open(dir.path());
    assert!(trouble.is_none(), "{trouble:?}");
    assert!(names(dir.path()).is_empty());
}

#[test]
fn something_that_is_no_file_is_moved_aside_too() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
    let (mut store, _, trouble) = Store::open(dir.path());
    assert!(matches!(trouble.unwrap().kind, TroubleKind::Unreadable(_)));
    store.save(&memory()).unwrap();
    assert_eq!(names(dir.path()), [FILE_NAME, "state.toml.unreadable-1"]);
}

#[test]
fn without_a_directory_it_starts_empty_and_saving_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let (mut store, memory, trouble) = Store::open(&file.join("state"));
    assert_eq!(memory, Memory::default());
    assert!(matches!(trouble.unwrap().kind, TroubleKind::NoDirectory(_)));
    assert!(store.save(&memory).is_err());
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join(FILE_NAME)).unwrap();
    let (_, _, trouble) = Store::open(dir.path());
    assert!(matches!(trouble.unwrap().kind, TroubleKind::Corrupt(_)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_none_are_lost(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), &bytes).unwrap();
        let (_, _, trouble) = Store::open(dir.path());
        let kept = trouble.and_then(|trouble| trouble.moved_to);
        let kept = kept.unwrap_or_else(|| dir.path().join(FILE_NAME));
        prop_assert_eq!(fs::read(kept).unwrap(), bytes);
    }

    #[test]
    fn any_memory_is_read_as_it_was_saved(
        name in proptest::option::of("[ -~äß🎵]{1,60}"),
        outranked in proptest::option::of("[ -~äß🎵]{1,60}"),
        volume in proptest::option::of(0_u8..=100),
        forgotten in proptest::collection::btree_map(
            any::<[u8; 6]>(), proptest::option::of(any::<[u8; 6]>()), 0..3),
        phones in proptest::collection::vec(
            (any::<[u8; 6]>(), any::<String>(), 0..i64::MAX as u64, 0..i64::MAX as u64), 0..6),
    ) {
        let memory = Memory {
            name: name.and_then(|name| SpeakerName::new(&name).ok()),
            outranked: outranked.and_then(|name| SpeakerName::new(&name).ok()),
            volume: volume.and_then(Volume::new),
            outranked_volume: None,
            microphone_muted: false,
            muted: false,
            forgotten: forgotten.into_iter().map(|(phone, adapter)| {
                (Address::new(phone), adapter.map(Address::new))
            }).collect(),
            phones: phones.into_iter().map(|(address, name, first_seen, last_seen)| TrustedPhone {
                address: Address::new(address),
                name,
                first_seen,
                last_seen,
                volume: None,
                call_volume: None,
                preference: Preference::default(),
                last_played: None,
                left: false,
                alias: None,
                blocked: false,
            }).collect(),
        };
        let text = schema::write(&memory).unwrap();
        prop_assert_eq!(schema::read(text.as_bytes()).unwrap(), memory);
    }
}

#[test]
fn a_state_behind_a_closed_door_is_not_overwritten_when_the_door_opens() {
    let dir = tempfile::tempdir().unwrap();
    let (door, state) = (dir.path().join("door"), dir.path().join("door/state"));
    // A file where the directory should be: as good as a disk that is not mounted yet.
    fs::write(&door, "").unwrap();
    let (mut store, memory_now, trouble) = Store::open(&state);
    assert_eq!(memory_now, Memory::default());
    assert!(matches!(trouble.unwrap().kind, TroubleKind::NoDirectory(_)));
    fs::remove_file(&door).unwrap();
    Store::open(&state).0.save(&memory()).unwrap();
    let error = store.save(&Memory::default()).unwrap_err().to_string();
    assert!(error.contains("in the way"), "{error}");
    assert_eq!(Store::open(&state).1, memory());
    // Once somebody has moved it, there is nothing to lose, neither now nor later.
    fs::remove_file(state.join(FILE_NAME)).unwrap();
    store.save(&Memory::default()).unwrap();
    store.save(&memory()).unwrap();
    assert_eq!(Store::open(&state).1, memory());
}
