//! The adapter and its links, from coming up to going away.

use super::*;
use crate::policy::model::{AdapterChoice, MusicCodec};

#[test]
fn an_unplugged_adapter_does_not_open_pairing_again() {
    let mut life = Life::ready();
    life.tell(Event::AdapterGone { id: "hci0".into() });
    life.tell(Event::AdapterSeen(adapter()));
    assert_eq!(life.policy.snapshot().pairing_until, None);
    assert!(matches!(
        life.policy.snapshot().adapter,
        AdapterStatus::On { .. }
    ));
}

#[test]
fn an_adapter_comes_up_step_by_step() {
    let mut life = Life::new(Memory::default());
    life.policy.rules.name = Some(SpeakerName::new("Kitchen").unwrap());
    life.policy.rules.open_when_nobody_is_trusted = false;
    let off = AdapterFacts {
        powered: false,
        block: RadioBlock::Soft,
        ..adapter()
    };
    life.tell(Event::AdapterSeen(off.clone()));
    assert_eq!(
        life.radio(),
        [
            RadioAction::UseAdapter {
                id: "hci0".into(),
                endpoints: 3,
                codecs: vec![MusicCodec::Aac, MusicCodec::Sbc],
                hands_free: true,
            },
            RadioAction::PowerOn
        ]
    );
    life.tell(Event::TimerFired {
        timer: Timer::AdapterRetry,
    });
    assert!(
        life.orders.contains(&Action::Radio(RadioAction::PowerOn)),
        "asked again"
    );
    assert!(life.stories().contains(&Story::AdapterStaysOff {
        adapter: "hci0".into()
    }));
    life.tell(Event::AdapterSeen(AdapterFacts {
        discoverable: true,
        ..adapter()
    }));
    let name = SpeakerName::new("Kitchen").unwrap();
    assert_eq!(
        life.radio(),
        [
            RadioAction::SetAlias { name },
            RadioAction::RouteVoice,
            RadioAction::CloseOldWindow
        ]
    );
}

#[test]
fn a_controller_that_came_up_is_told_where_calls_go() {
    let mut life = Life::ready();
    let times = |life: &mut Life| {
        let orders = life.radio().into_iter();
        orders.filter(|it| *it == RadioAction::RouteVoice).count()
    };
    let off = || {
        Event::AdapterSeen(AdapterFacts {
            powered: false,
            ..adapter()
        })
    };
    let on = || Event::AdapterSeen(adapter());
    let rules = |calls| {
        Event::ConfigLoaded(Rules {
            calls,
            ..Rules::default()
        })
    };
    for (event, expected, why) in [
        (off(), 0, "it is off"),
        (on(), 1, "a reset makes it forget"),
        (on(), 0, "once"),
        (Event::BluetoothLost, 0, "it is gone"),
        (on(), 1, "nobody knows what happened meanwhile"),
        (rules(false), 0, "there are no calls"),
        (off(), 0, "it is off"),
        (on(), 0, "there are no calls"),
        (rules(true), 1, "there are calls now"),
    ] {
        life.tell(event);
        assert_eq!(times(&mut life), expected, "{why}");
    }
}

#[test]
fn a_switch_that_holds_the_radio_off_is_named_once() {
    let mut life = Life::new(Memory::default());
    let off = AdapterFacts {
        powered: false,
        block: RadioBlock::Hard,
        ..adapter()
    };
    life.tell(Event::AdapterSeen(off.clone()))
        .tell(Event::AdapterSeen(off));
    assert_eq!(
        life.stories(),
        [Story::RadioBlocked {
            adapter: "hci0".into()
        }]
    );
}

#[test]
fn the_configured_adapter_is_waited_for() {
    let mut life = Life::new(Memory::default());
    life.policy.rules.adapter = super::model::AdapterChoice::Named("hci1".into());
    life.tell(Event::BluetoothFound)
        .tell(Event::AdapterSeen(adapter()));
    assert_eq!(life.policy.snapshot().adapter, AdapterStatus::Missing);
    assert_eq!(life.stories(), [], "bluetoothd may not have told it yet");
    life.tell(Event::TimerFired {
        timer: Timer::AdapterRetry,
    });
    life.tell(Event::TimerFired {
        timer: Timer::AdapterRetry,
    });
    assert_eq!(life.stories(), [Story::AdapterMissing]);
    life.tell(Event::AdapterSeen(AdapterFacts {
        id: "hci1".into(),
        ..adapter()
    }));
    assert!(matches!(
        life.policy.snapshot().adapter,
        AdapterStatus::On { .. }
    ));
}

#[test]
fn everyone_who_asked_for_a_connection_is_answered_once() {
    let mut life = Life::with_anna();
    life.ask(Request::Connect { phone: ANNA })
        .wait(1)
        .ask(Request::Connect { phone: ANNA });
    assert_eq!(life.radio(), [connect(1)], "one call for both");
    life.tell(Event::ConnectEnded {
        phone: ANNA,
        attempt: AttemptId(1),
        error: Some("it is off".into()),
    });
    let replies = life
        .taken()
        .into_iter()
        .filter(|action| matches!(action, Action::Reply { .. }));
    assert_eq!(replies.count(), 2);
}

fn connect(attempt: u64) -> RadioAction {
    RadioAction::Connect {
        phone: ANNA,
        attempt: AttemptId(attempt),
        hands_free: true,
    }
}

#[test]
fn the_end_of_an_earlier_attempt_answers_no_later_question() {
    let mut life = Life::with_anna();
    life.ask(Request::Connect { phone: ANNA });
    assert_eq!(life.radio(), [connect(1)]);
    life.tell(Event::AdapterGone { id: "hci0".into() });
    life.tell(Event::AdapterSeen(adapter()));
    life.tell(Event::InventoryTaken {
        phones: vec![PhoneFacts {
            connected: false,
            ..bonded(ANNA, "Anna")
        }],
    });
    life.taken();
    life.wait(1).ask(Request::Connect { phone: ANNA });
    assert_eq!(life.radio(), [connect(2)]);
    let ended = |attempt, error: Option<&str>| Event::ConnectEnded {
        phone: ANNA,
        attempt: AttemptId(attempt),
        error: error.map(str::to_owned),
    };
    life.tell(ended(1, Some("the radio went away")));
    assert_eq!(life.taken(), [], "whoever asked then was answered then");
    life.wait(1).ask(Request::Connect { phone: ANNA });
    assert_eq!(life.radio(), [], "the second attempt is under way still");
    life.tell(ended(2, None));
    let reply = |id| Action::Reply {
        id: RequestId(id),
        result: Ok(()),
    };
    assert_eq!(life.taken(), [reply(1), reply(2)]);
    life.wait(1).ask(Request::Connect { phone: ANNA });
    assert_eq!(life.radio(), [connect(3)]);
}

#[test]
fn nothing_is_connected_once_bluetoothd_is_gone() {
    let mut life = Life::with_anna();
    life.music(ANNA);
    life.ask(Request::Connect { phone: ANNA });
    life.taken();
    life.tell(Event::BluetoothLost);
    let orders = life.taken();
    let replied = |a: &Action| matches!(a, Action::Reply { result: Err(_), .. });
    assert!(orders.iter().any(replied));
    let snapshot = life.policy.snapshot();
    assert!(!snapshot.phones[0].connected);
    assert_eq!(snapshot.phones[0].stream, None);
    assert_eq!(snapshot.adapter, AdapterStatus::NoBluetooth);
}

#[test]
fn an_adapter_that_refuses_us_is_asked_again_and_told_once() {
    let mut life = Life::ready();
    let refused = || Event::AdapterRefused {
        id: "hci0".into(),
        error: "no".into(),
    };
    let retry = || Event::TimerFired {
        timer: Timer::RefusalRetry,
    };
    life.tell(refused());
    assert!(matches!(life.stories()[..], [Story::AdapterRefused { .. }]));
    life.tell(retry());
    assert!(matches!(life.radio()[..], [RadioAction::UseAdapter { .. }]));
    assert_eq!(life.tell(refused()).stories(), []);
    life.tell(Event::InventoryTaken { phones: Vec::new() });
    assert_eq!(life.tell(retry()).taken(), []);
}

#[test]
fn a_dead_adapter_is_asked_ever_more_rarely() {
    let mut life = Life::new(Memory::default());
    life.tell(Event::AdapterSeen(AdapterFacts {
        powered: false,
        ..adapter()
    }));
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.extend(life.taken().into_iter().filter_map(|action| match action {
            Action::ArmTimer {
                timer: Timer::AdapterRetry,
                after,
            } => Some(after.as_secs()),
            _ => None,
        }));
        life.tell(Event::TimerFired {
            timer: Timer::AdapterRetry,
        });
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 640, 640]);
}

#[test]
fn a_state_that_cannot_be_written_is_shown_until_it_can() {
    let mut life = Life::ready();
    let error = "the disk is full; make room".to_owned();
    life.tell(Event::MemoryUnsaved {
        error: error.clone(),
    });
    assert_eq!(life.policy.snapshot().memory_problem, Some(error.clone()));
    assert_eq!(life.stories(), [Story::MemoryUnsaved { error }]);
    life.tell(Event::MemorySaved);
    assert_eq!(life.policy.snapshot().memory_problem, None);
    assert_eq!(life.stories(), [Story::MemorySaved]);
}

#[test]
fn an_adapter_is_chosen_by_its_address() {
    let mut life = Life::new(Memory::default());
    let wanted = Address::new([1, 2, 3, 4, 5, 6]);
    life.policy.rules.adapter = super::model::AdapterChoice::Addressed(wanted);
    life.tell(Event::AdapterSeen(adapter()));
    assert_eq!(life.policy.snapshot().adapter, AdapterStatus::Missing);
    life.tell(Event::AdapterSeen(AdapterFacts {
        id: "hci7".into(),
        address: wanted,
        ..adapter()
    }));
    let AdapterStatus::On { id, address, .. } = life.policy.snapshot().adapter else {
        panic!("it is there");
    };
    assert_eq!((id.as_str(), address), ("hci7", wanted));
}

#[test]
fn the_name_given_last_is_the_one_whether_read_at_start_or_meanwhile() {
    let name = |text| SpeakerName::new(text).unwrap();
    let configured = |text| Rules {
        name: Some(name(text)),
        ..Rules::default()
    };
    let mut life = Life::ready();
    life.tell(Event::ConfigLoaded(configured("File")));
    life.ask(Request::Rename {
        name: Some(name("Told")),
    });
    life.tell(Event::ConfigLoaded(configured("File")));
    assert_eq!(life.policy.snapshot().name, "Told");
    let memory = life.policy.memory().clone();
    let restarted = |rules| Policy::new(rules, memory.clone()).snapshot().name;
    assert_eq!(restarted(configured("File")), "Told");
    assert_eq!(restarted(configured("New")), "New");
    life.tell(Event::ConfigLoaded(configured("New")));
    assert_eq!(life.policy.snapshot().name, "New");
}

#[test]
fn only_codecs_that_the_adapter_carries_are_offered() {
    let mut life = Life::new(Memory::default());
    let claim = |works| Action::Sound(SoundAction::ClaimWideBand { works });
    let claims = |life: &mut Life| -> Vec<Action> {
        let taken = life.taken().into_iter();
        let before_use =
            taken.take_while(|it| !matches!(it, Action::Radio(RadioAction::UseAdapter { .. })));
        before_use
            .filter(|it| matches!(it, Action::Sound(_)))
            .collect()
    };
    let old = AdapterFacts {
        wide_band: false,
        ..adapter()
    };
    let gone = Event::AdapterGone { id: "hci0".into() };
    for (facts, told) in [
        (adapter(), vec![]),
        (old.clone(), vec![claim(false)]),
        (old, vec![]),
        (adapter(), vec![claim(true)]),
    ] {
        life.tell(Event::AdapterSeen(facts));
        assert_eq!(claims(&mut life), told);
        life.tell(gone.clone());
        life.orders.clear();
    }
}

#[test]
fn memory_that_was_lost_is_shown_for_good() {
    let mut life = Life::new(Memory::default());
    assert_eq!(life.policy.snapshot().memory_lost, None);
    let trouble = "state.toml is damaged; pair your phones again".to_owned();
    life.policy.memory_was_lost(trouble.clone());
    life.tell(Event::AdapterSeen(adapter()));
    life.tell(Event::MemorySaved);
    assert_eq!(life.policy.snapshot().memory_lost, Some(trouble));
}

#[test]
fn another_adapter_is_taken_when_the_file_names_another() {
    let mut life = Life::with_anna();
    life.music(ANNA);
    let other = AdapterFacts {
        id: "hci1".into(),
        address: BEN,
        ..adapter()
    };
    life.tell(Event::AdapterSeen(other));
    life.orders.clear();
    let named = |id: &str| {
        Event::ConfigLoaded(Rules {
            adapter: super::model::AdapterChoice::Named(id.into()),
            ..Rules::default()
        })
    };
    life.tell(named("hci1"));
    let used = RadioAction::UseAdapter {
        id: "hci1".into(),
        endpoints: 3,
        codecs: vec![MusicCodec::Aac, MusicCodec::Sbc],
        hands_free: true,
    };
    assert!(life.radio().contains(&used));
    let AdapterStatus::On { id, .. } = life.policy.snapshot().adapter else {
        panic!("it is on");
    };
    assert_eq!(id, "hci1");
    assert!(
        !life.policy.snapshot().phones[0].connected,
        "of the one before nothing holds any more"
    );
    life.tell(named("hci1"));
    assert_eq!(life.radio(), [], "it is in use");
    life.tell(named("hci7"));
    assert_eq!(life.policy.snapshot().adapter, AdapterStatus::Missing);
}

#[test]
fn the_first_adapter_is_left_for_no_other_while_it_is_there() {
    let mut life = Life::new(Memory::default());
    let second = || AdapterFacts {
        id: "hci1".into(),
        address: OTHER,
        ..adapter()
    };
    life.tell(Event::AdapterSeen(second()));
    life.tell(Event::AdapterSeen(adapter()));
    life.tell(Event::AdapterSeen(second()));
    let used = |life: &mut Life| -> Vec<String> {
        let orders = life.radio().into_iter();
        let used = orders.filter_map(|order| match order {
            RadioAction::UseAdapter { id, .. } => Some(id),
            _ => None,
        });
        used.collect()
    };
    assert_eq!(used(&mut life), ["hci1"]);
    life.tell(Event::AdapterGone { id: "hci1".into() });
    assert_eq!(used(&mut life), ["hci0"]);
}

#[test]
fn an_adapter_that_is_left_for_another_is_not_to_be_found_any_more() {
    let mut life = Life::ready();
    life.tell(Event::AdapterSeen(AdapterFacts {
        id: "hci1".into(),
        address: OTHER,
        ..adapter()
    }));
    life.ask(Request::OpenPairing { length: None });
    life.orders.clear();
    let rules = Rules {
        adapter: AdapterChoice::Named("hci1".into()),
        ..Rules::default()
    };
    life.tell(Event::ConfigLoaded(rules));
    let radio = life.radio();
    let closed = radio.iter().position(|it| *it == RadioAction::CloseWindow);
    let used = radio
        .iter()
        .position(|it| matches!(it, RadioAction::UseAdapter { .. }));
    assert!(closed.unwrap() < used.unwrap(), "{radio:?}");
}

#[test]
fn services_that_change_with_the_choice_of_the_same_adapter_are_offered() {
    let mut life = Life::ready();
    let rules = Rules {
        adapter: AdapterChoice::Named("hci0".into()),
        calls: false,
        ..Rules::default()
    };
    life.orders.clear();
    life.tell(Event::ConfigLoaded(rules));
    let order = |it: &RadioAction| {
        matches!(
            it,
            RadioAction::UseAdapter {
                hands_free: false,
                ..
            }
        )
    };
    assert!(life.radio().iter().any(order));
}

#[test]
fn other_codecs_are_offered_at_once() {
    let mut life = Life::ready();
    life.orders.clear();
    let offered = |life: &mut Life| {
        life.radio().into_iter().find_map(|order| match order {
            RadioAction::UseAdapter { codecs, .. } => Some(codecs),
            _ => None,
        })
    };
    life.tell(Event::ConfigLoaded(Rules::default()));
    assert_eq!(offered(&mut life), None, "nothing changed");
    let codecs = vec![MusicCodec::Sbc];
    life.tell(Event::ConfigLoaded(Rules {
        codecs: codecs.clone(),
        ..Rules::default()
    }));
    assert_eq!(offered(&mut life), Some(codecs));
}
