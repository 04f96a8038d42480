//! Who gets in, who does not, and what is told of it.

use super::*;

#[test]
fn the_first_start_opens_pairing_and_the_second_does_not() {
    let mut life = Life::new(Memory::default());
    life.tell(Event::AdapterSeen(adapter()));
    let length = Duration::from_secs(180);
    assert!(
        life.orders
            .contains(&Action::Radio(RadioAction::OpenWindow { length }))
    );
    assert_eq!(life.policy.snapshot().pairing_until, Some(1_000_180));

    let mut life = Life::new(Memory {
        phones: vec![trusted(ANNA, "Anna")],
        ..Memory::default()
    });
    life.tell(Event::AdapterSeen(adapter()));
    assert_eq!(life.policy.snapshot().pairing_until, None);
}

#[test]
fn a_stranger_gets_nothing_while_the_window_is_closed() {
    for question in [
        Question::Confirm { passkey: 1 },
        Question::Authorize,
        Question::Secret,
        service(MUSIC),
        service(KEYBOARD),
    ] {
        for facts in [stranger(BEN, "Ben"), bonded(BEN, "Ben")] {
            let mut life = Life::ready();
            assert!(
                !life.answer(facts.clone(), question.clone()),
                "{question:?} {facts:?}"
            );
            assert!(life.policy.memory().phones.is_empty());
        }
    }
}

#[test]
fn a_no_bonding_link_opens_no_service_even_in_the_window() {
    let mut life = Life::ready();
    life.ask(Request::OpenPairing { length: None });
    assert!(life.answer(stranger(BEN, "Ben"), Question::Authorize));
    life.taken();
    assert!(!life.answer(stranger(BEN, "Ben"), service(MUSIC)));
    assert!(life.policy.memory().phones.is_empty());
}

#[test]
fn a_refused_stranger_loses_its_link_and_is_told_of_once() {
    let mut life = Life::ready();
    life.answer(stranger(BEN, "Ben"), service(MUSIC));
    let orders = life.taken();
    assert!(orders.contains(&Action::Radio(RadioAction::Disconnect { phone: BEN })));
    life.answer(stranger(BEN, "Ben"), Question::Authorize);
    assert_eq!(life.stories(), [], "not news within a minute");
    life.wait(61)
        .answer(stranger(BEN, "Ben"), Question::Authorize);
    let (name, address, why) = ("Ben".into(), BEN, PairingRefusal::WindowClosed);
    assert_eq!(
        life.stories(),
        [Story::PairingRefused { name, address, why }]
    );
}

#[test]
fn a_phone_that_pairs_in_the_window_is_trusted_and_closes_it() {
    let mut life = Life::ready();
    life.ask(Request::OpenPairing { length: None });
    life.tell(Event::PhoneSeen(stranger(ANNA, "Anna")));
    assert!(life.answer(
        stranger(ANNA, "Anna"),
        Question::Confirm { passkey: 123_456 }
    ));
    life.taken();
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    let (name, address) = (String::from("Anna"), ANNA);
    assert_eq!(
        life.stories(),
        [
            Story::PhonePaired {
                name: name.clone(),
                address,
                again: false
            },
            Story::PhoneConnected { name, address },
            Story::PairingClosed {
                why: WindowEnd::Paired
            },
        ]
    );
    assert_eq!(life.policy.memory().phones[0].address, ANNA);
    assert!(life.answer(bonded(ANNA, "Anna"), service(MUSIC)));
    life.taken();
    assert!(
        !life.answer(bonded(ANNA, "Anna"), service(KEYBOARD)),
        "a speaker has no keyboard"
    );
    assert!(
        !life
            .radio()
            .contains(&RadioAction::Disconnect { phone: ANNA })
    );
}

#[test]
fn a_pairing_begun_in_time_may_end_after_the_window() {
    let mut life = Life::ready();
    life.ask(Request::OpenPairing { length: None });
    life.answer(stranger(ANNA, "Anna"), Question::Authorize);
    life.ask(Request::ClosePairing).wait(20);
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    assert!(life.policy.is_trusted(ANNA));

    let mut life = Life::ready();
    life.ask(Request::OpenPairing { length: None });
    life.answer(stranger(ANNA, "Anna"), Question::Authorize);
    life.ask(Request::ClosePairing).wait(31);
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    assert!(!life.policy.is_trusted(ANNA), "not for ever");
}

#[test]
fn a_phone_that_forgot_us_is_told_of_when_it_pairs_again() {
    let mut life = Life::with_anna();
    life.ask(Request::OpenPairing { length: None });
    assert!(life.answer(bonded(ANNA, "Anna"), Question::Authorize));
    life.taken();
    life.music(ANNA);
    let stories = life.stories();
    let paired = Story::PhonePaired {
        name: "Anna".into(),
        address: ANNA,
        again: true,
    };
    assert!(stories.contains(&paired), "{stories:?}");
    assert!(stories.contains(&Story::PairingClosed {
        why: WindowEnd::Paired
    }));
    assert_eq!(life.policy.memory().phones.len(), 1);
}

#[test]
fn a_phone_that_forgot_us_cannot_pair_again_outside_the_window() {
    let mut life = Life::with_anna();
    assert!(!life.answer(bonded(ANNA, "Anna"), Question::Authorize));
    assert!(!life.answer(bonded(ANNA, "Anna"), Question::Confirm { passkey: 0 }));
}

#[test]
fn the_window_closes_by_itself_and_a_stale_timer_does_not_close_a_new_one() {
    let mut life = Life::ready();
    life.ask(Request::OpenPairing {
        length: Some(Duration::from_secs(60)),
    });
    life.wait(60).ask(Request::OpenPairing {
        length: Some(Duration::from_secs(60)),
    });
    life.tell(Event::TimerFired {
        timer: Timer::PairingWindow,
    });
    assert!(
        life.policy.pairing.is_open(),
        "the timer of the first window"
    );
    life.wait(60).taken();
    life.tell(Event::TimerFired {
        timer: Timer::PairingWindow,
    });
    assert!(!life.policy.pairing.is_open());
    assert!(life.radio().contains(&RadioAction::CloseWindow));
}

#[test]
fn a_window_length_out_of_range_or_without_a_radio_is_rejected() {
    let mut life = Life::ready();
    for seconds in [0, 9, 3601] {
        life.ask(Request::OpenPairing {
            length: Some(Duration::from_secs(seconds)),
        });
        let [
            Action::Reply {
                result: Err(rejection),
                ..
            },
        ] = &life.taken()[..]
        else {
            panic!("{seconds} s was taken")
        };
        assert_eq!(rejection.kind, RejectionKind::InvalidArgument);
    }
    life.tell(Event::BluetoothLost).taken();
    life.ask(Request::OpenPairing { length: None });
    let Some(Action::Reply {
        result: Err(rejection),
        ..
    }) = life.taken().pop()
    else {
        panic!()
    };
    assert_eq!(rejection.kind, RejectionKind::NotAvailable);
}

#[test]
fn bonds_and_list_are_compared_both_ways() {
    let lena = Address::new([0xF0, 0, 0, 0, 0, 3]);
    let mut life = Life::new(Memory {
        phones: vec![trusted(ANNA, "Anna")],
        ..Memory::default()
    });
    life.tell(Event::AdapterSeen(adapter()));
    life.taken();
    let admins = PhoneFacts {
        trusted: true,
        connected: false,
        ..bonded(lena, "Lena")
    };
    let keyboard = Address::new([0xF0, 0, 0, 0, 0, 4]);
    let keyboard = PhoneFacts {
        trusted: true,
        source: false,
        ..bonded(keyboard, "Keyboard")
    };
    life.tell(Event::InventoryTaken {
        phones: vec![bonded(BEN, "Ben"), admins, keyboard],
    });
    let orders = life.taken();
    assert!(orders.contains(&Action::Radio(RadioAction::ClearTrusted { phone: lena })));
    let stories: Vec<&Action> = orders
        .iter()
        .filter(|action| matches!(action, Action::Tell(_)))
        .collect();
    let told = |name: &str, address, story: fn(String, Address) -> Story| {
        stories.contains(&&Action::Tell(story(name.into(), address)))
    };
    assert!(told("Ben", BEN, |name, address| Story::StrangerBonded {
        name,
        address
    }));
    assert!(told("Lena", lena, |name, address| Story::PhoneAdopted {
        name,
        address
    }));
    assert!(told("Anna", ANNA, |name, address| Story::BondMissing {
        name,
        address
    }));
    assert_eq!(stories.len(), 3, "the keyboard is nobody's business");
}

#[test]
fn forgetting_removes_the_bond_too() {
    let mut life = Life::with_anna();
    life.ask(Request::Forget { phone: ANNA });
    assert_eq!(life.radio(), [RadioAction::RemoveBond { phone: ANNA }]);
    assert!(life.policy.memory().phones.is_empty());
    assert!(!life.answer(bonded(ANNA, "Anna"), service(MUSIC)));
    life.taken();
    life.ask(Request::Forget { phone: BEN });
    let Some(Action::Reply {
        result: Err(rejection),
        ..
    }) = life.taken().pop()
    else {
        panic!()
    };
    assert_eq!(rejection.kind, RejectionKind::NotFound);
}

#[test]
fn a_bond_that_outlived_its_forgetting_is_removed_when_the_adapter_is_back() {
    let mut life = Life::with_anna();
    life.ask(Request::Forget { phone: ANNA });
    life.tell(Event::AdapterGone { id: "hci0".into() });
    life.tell(Event::AdapterSeen(adapter()));
    life.taken();
    life.tell(Event::InventoryTaken {
        phones: vec![bonded(ANNA, "Anna")],
    });
    assert_eq!(life.radio(), [RadioAction::RemoveBond { phone: ANNA }]);
}

#[test]
fn a_bond_that_outlived_its_forgetting_is_removed_even_after_a_restart() {
    let mut life = Life::with_anna();
    life.tell(Event::AdapterGone { id: "hci0".into() });
    life.ask(Request::Forget { phone: ANNA });
    let mut life = Life::new(life.policy.memory().clone());
    life.tell(Event::AdapterSeen(adapter()));
    life.taken();
    // Not even the flag that any program may set makes up for being forgotten.
    life.tell(Event::InventoryTaken {
        phones: vec![PhoneFacts {
            trusted: true,
            ..bonded(ANNA, "Anna")
        }],
    });
    let orders = life.radio();
    assert!(
        orders.contains(&RadioAction::RemoveBond { phone: ANNA }),
        "{orders:?}"
    );
    life.ask(Request::OpenPairing { length: None });
    assert!(!life.answer(bonded(ANNA, "Anna"), service(MUSIC)));
    assert!(life.policy.memory().phones.is_empty());
}

#[test]
fn who_was_forgotten_is_remembered_until_the_bond_is_gone() {
    let forgotten = || {
        let mut life = Life::with_anna();
        life.ask(Request::Forget { phone: ANNA });
        assert!(life.policy.memory().forgotten.contains_key(&ANNA));
        life
    };
    let no_bond = PhoneFacts {
        bonded: false,
        ..bonded(ANNA, "Anna")
    };
    for done in [
        Event::PhoneGone { phone: ANNA },
        Event::PhoneSeen(no_bond),
        Event::InventoryTaken { phones: Vec::new() },
    ] {
        let mut life = forgotten();
        life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
        life.tell(Event::AdapterGone { id: "hci0".into() });
        life.tell(Event::AdapterSeen(adapter()));
        assert!(life.policy.memory().forgotten.contains_key(&ANNA));
        life.tell(done.clone());
        assert!(life.policy.memory().forgotten.is_empty(), "{done:?}");
    }
    let mut life = forgotten();
    life.ask(Request::OpenPairing { length: None });
    assert!(life.answer(bonded(ANNA, "Anna"), Question::Authorize));
    life.tell(Event::AgentAsked {
        id: QuestionId(8),
        phone: bonded(ANNA, "Anna"),
        question: service(MUSIC),
    });
    assert!(life.policy.is_trusted(ANNA), "it has paired again");
    assert!(life.policy.memory().forgotten.is_empty());
}

/// The adapter of the other tests is unplugged, and another one plugged in, or the other way round.
fn another_adapter(life: &mut Life, on: bool) {
    let other = AdapterFacts {
        id: "hci1".into(),
        address: OTHER,
        ..adapter()
    };
    let (gone, seen) = if on {
        (adapter(), other)
    } else {
        (other, adapter())
    };
    life.tell(Event::AdapterGone { id: gone.id });
    life.tell(Event::AdapterSeen(seen));
    life.taken();
}

#[test]
fn a_bond_is_removed_at_the_adapter_that_has_it() {
    let remove = [RadioAction::RemoveBond { phone: ANNA }];
    let mut life = Life::with_anna();
    life.tell(Event::AdapterGone { id: "hci0".into() });
    life.ask(Request::Forget { phone: ANNA });
    another_adapter(&mut life, true);
    life.tell(Event::InventoryTaken { phones: Vec::new() });
    assert_eq!(life.radio(), [], "no bond is known there");
    life.tell(Event::InventoryTaken {
        phones: vec![bonded(ANNA, "Anna")],
    });
    assert_eq!(life.radio(), remove, "one there is no better");
    life.tell(Event::PhoneGone { phone: ANNA });
    another_adapter(&mut life, false);
    life.tell(Event::InventoryTaken {
        phones: vec![bonded(ANNA, "Anna")],
    });
    assert_eq!(life.radio(), remove);
    life.tell(Event::PhoneGone { phone: ANNA });
    assert!(life.policy.memory().forgotten.is_empty());
}

#[test]
fn a_bond_of_an_adapter_that_nobody_has_seen_is_removed_when_it_comes() {
    let mut life = Life::with_anna();
    another_adapter(&mut life, true);
    life.tell(Event::InventoryTaken { phones: Vec::new() });
    life.ask(Request::Forget { phone: ANNA });
    life.tell(Event::InventoryTaken { phones: Vec::new() });
    another_adapter(&mut life, false);
    life.tell(Event::InventoryTaken {
        phones: vec![bonded(ANNA, "Anna")],
    });
    assert_eq!(life.radio(), [RadioAction::RemoveBond { phone: ANNA }]);
    life.tell(Event::InventoryTaken { phones: Vec::new() });
    assert!(life.policy.memory().forgotten.is_empty());
}

#[test]
fn a_difference_from_bluez_is_told_once() {
    let mut life = Life::with_anna();
    let bens_bond = || Event::InventoryTaken {
        phones: vec![bonded(BEN, "Ben")],
    };
    life.tell(bens_bond());
    let told = life.stories();
    assert!(told.iter().any(|s| matches!(s, Story::BondMissing { .. })));
    assert!(
        told.iter()
            .any(|s| matches!(s, Story::StrangerBonded { .. }))
    );
    assert_eq!(life.tell(bens_bond()).stories(), []);
}

#[test]
fn the_services_of_a_trusted_phone_that_were_never_read_are_read() {
    let mut life = Life::with_anna();
    let unread = |connected| PhoneFacts {
        source: false,
        connected,
        ..bonded(ANNA, "Anna")
    };
    life.tell(Event::PhoneSeen(unread(false)));
    life.taken();
    life.tell(Event::PhoneSeen(unread(true)));
    let over = || Event::TimerFired {
        timer: Timer::UnreadServices,
    };
    assert!(life.taken().iter().any(|action| matches!(
        action,
        Action::ArmTimer {
            timer: Timer::UnreadServices,
            ..
        }
    )));
    life.tell(over());
    assert_eq!(life.radio(), [RadioAction::ReadServices { phone: ANNA }]);
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    assert_eq!(life.tell(over()).radio(), []);
}

#[test]
fn a_phone_that_was_forgotten_without_a_radio_is_a_stranger_in_the_next_window() {
    let mut life = Life::with_anna();
    life.tell(Event::AdapterGone { id: "hci0".into() });
    life.ask(Request::Forget { phone: ANNA });
    life.tell(Event::AdapterSeen(adapter()));
    life.ask(Request::OpenPairing { length: None });
    life.taken();
    assert!(!life.answer(bonded(ANNA, "Anna"), service(MUSIC)));
    assert!(life.policy.memory().phones.is_empty());
}

#[test]
fn the_flag_that_any_program_may_set_is_cleared_and_lets_nobody_in() {
    let mut life = Life::ready();
    life.tell(Event::PhoneSeen(PhoneFacts {
        trusted: true,
        ..bonded(ANNA, "Anna")
    }));
    // With the flag BlueZ would not ask us any more.
    assert_eq!(life.radio(), [RadioAction::ClearTrusted { phone: ANNA }]);
    assert_eq!(life.policy.memory().phones, []);
    let music = MUSIC.to_owned();
    assert!(!life.answer(bonded(ANNA, "Anna"), Question::Service { uuid: music }));
}

#[test]
fn a_state_that_cannot_be_read_is_no_first_start() {
    let mut life = Life::new(Memory::default());
    life.policy.trust_is_not_known();
    life.tell(Event::AdapterSeen(adapter()));
    life.tell(Event::InventoryTaken { phones: Vec::new() });
    assert_eq!(life.policy.snapshot().pairing_until, None);
}

#[test]
fn no_more_phones_are_connected_than_may_be() {
    let mut life = Life::with_anna();
    life.policy.rules.max_connected = 1;
    life.policy.memory.phones.push(trusted(BEN, "Ben"));
    let away = PhoneFacts {
        connected: false,
        ..bonded(ANNA, "Anna")
    };
    assert!(!life.answer(bonded(BEN, "Ben"), service(MUSIC)));
    let sent_away = RadioAction::Disconnect { phone: BEN };
    assert!(life.orders.contains(&Action::Radio(sent_away)));
    assert!(life.stories().contains(&Story::NoRoom {
        name: "Ben".into(),
        address: BEN,
        most: 1,
    }));
    assert!(
        life.answer(bonded(ANNA, "Anna"), service(MUSIC)),
        "it is here"
    );
    life.orders.clear();
    life.ask(Request::Connect { phone: BEN });
    let busy = |action: &Action| matches!(action, Action::Reply { result: Err(it), .. } if it.kind == RejectionKind::Busy);
    assert!(!life.orders.iter().any(busy), "it has no bond");
    life.tell(Event::PhoneSeen(PhoneFacts {
        connected: false,
        ..bonded(BEN, "Ben")
    }));
    life.ask(Request::Connect { phone: BEN });
    assert!(life.orders.iter().any(busy));
    life.tell(Event::PhoneSeen(away));
    life.orders.clear();
    // Whoever is called has a place.
    life.ask(Request::Connect { phone: BEN });
    assert!(!life.answer(bonded(ANNA, "Anna"), service(MUSIC)));
    life.orders.clear();
    assert!(life.answer(bonded(BEN, "Ben"), service(MUSIC)));
}
