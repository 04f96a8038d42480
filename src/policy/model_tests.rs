//! The words of the policy, read, written and told.

use super::*;

#[test]
fn an_address_reads_what_it_writes() {
    let address: Address = "da:4c:10:DE:00:1f".parse().unwrap();
    assert_eq!(address.to_string(), "DA:4C:10:DE:00:1F");
    assert_eq!(address.suffix(), "001F");
    for wrong in [
        "",
        "da:4c",
        "da:4c:10:de:00:1f:00",
        "da-4c-10-de-00-1f",
        "+a:4c:10:de:00:1f",
    ] {
        assert_eq!(wrong.parse::<Address>(), Err(NotAnAddress), "{wrong}");
    }
}

#[test]
fn every_volume_survives_the_way_over_avrcp() {
    for percent in 0..=100 {
        let volume = Volume::new(percent).unwrap();
        assert_eq!(Volume::from_avrcp(volume.to_avrcp()), volume);
    }
    assert_eq!(Volume::MAX.to_avrcp(), 127);
    assert_eq!(Volume::MIN.to_avrcp(), 0);
    assert_eq!(Volume::from_avrcp(255), Volume::MAX);
}

#[test]
fn gain_is_even_and_ends_at_one() {
    assert_eq!(Volume::MAX.gain(), 1.0);
    assert_eq!(Volume::MIN.gain(), 0.0);
    let decibel = |volume: u8| 20.0 * Volume(volume).gain().log10();
    assert!((decibel(50) + 14.04).abs() < 0.01);
    assert!(decibel(1) > -46.0, "it is heard");
    let steps = (1..100).map(|it| decibel(it + 1) - decibel(it));
    assert!(
        steps.into_iter().all(|step| 0.0 < step && step < 2.5),
        "no step is a jump"
    );
}

#[test]
fn names_are_checked() {
    assert_eq!(SpeakerName::new("  Küche ").unwrap().as_str(), "Küche");
    assert_eq!(SpeakerName::new(" \n"), Err(BadName::Empty));
    assert_eq!(SpeakerName::new("a\u{7}b"), Err(BadName::ControlCharacter));
    assert_eq!(
        SpeakerName::new(&"é".repeat(125)),
        Err(BadName::TooLong(250))
    );
    assert!(SpeakerName::new(&"é".repeat(124)).is_ok());
}

#[test]
fn phones_are_chosen_by_whole_name_or_address() {
    let (anna, ben) = (Address([1; 6]), Address([2; 6]));
    let named = PhoneChoice::Named("Anna's iPhone".into());
    let addressed = PhoneChoice::Addressed(ben);
    for (name, hers) in [
        ("anna's iphone ", true),
        ("Anna\u{2019}s iPhone", true),
        ("Anna", false),
        ("", false),
    ] {
        assert_eq!(named.is_name(name), hers, "{name}");
        assert!(!addressed.is_name(name));
    }
    assert!(addressed.is_address(ben) && !addressed.is_address(anna));
    assert!(!named.is_address(anna));
}
