//! Who is called when somebody is missing, and when.

use super::*;
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::calls::facts::{Call, CallId, CallState, Direction};
use crate::policy::event::Parting;
use crate::policy::snapshot::NextTry;

const CLEO: Address = Address::new([0xF0, 0, 0, 0, 0, 3]);

impl Life {
    /// A life that begins with these phones trusted and away.
    fn begins_without(phones: Vec<TrustedPhone>) -> Self {
        let away = phones.iter().map(|it| away(it.address, &it.name));
        let inventory = Event::InventoryTaken {
            phones: away.collect(),
        };
        let mut life = Self::new(Memory {
            phones,
            ..Memory::default()
        });
        life.tell(Event::AdapterSeen(adapter()));
        life.tell(inventory);
        life
    }

    /// Whom the speaker began to call, by the attempt.
    fn called(&mut self) -> Vec<(Address, AttemptId)> {
        let orders = self.radio().into_iter();
        let calls = orders.filter_map(|order| match order {
            RadioAction::Connect { phone, attempt, .. } => Some((phone, attempt)),
            _ => None,
        });
        calls.collect()
    }

    /// The timer is always armed for the next that is due.
    fn reconnect_timer(&mut self, seconds: u64) -> &mut Self {
        self.wait(seconds).tell(Event::TimerFired {
            timer: Timer::Reconnect,
        })
    }

    fn no_answer(&mut self, (phone, attempt): (Address, AttemptId)) -> &mut Self {
        let error = Some("it does not answer".to_owned());
        self.tell(Event::ConnectEnded {
            phone,
            attempt,
            error,
        })
    }

    /// A link ends like this.
    fn parts(&mut self, phone: Address, name: &str, why: Parting) -> &mut Self {
        self.tell(Event::PhoneLeft { phone, why });
        self.tell(Event::PhoneSeen(away(phone, name)))
    }

    fn next_call_of(&self, phone: Address) -> Option<NextTry> {
        let phones = self.policy.snapshot().phones;
        let phone = phones.into_iter().find(|it| it.address == phone);
        phone.and_then(|it| it.next_try)
    }
}

fn away(address: Address, name: &str) -> PhoneFacts {
    PhoneFacts {
        connected: false,
        ..bonded(address, name)
    }
}

fn seen(address: Address, name: &str, last_seen: u64, preference: Preference) -> TrustedPhone {
    TrustedPhone {
        last_seen,
        preference,
        ..trusted(address, name)
    }
}

#[test]
fn at_the_start_phones_are_called_one_after_the_other_the_preferred_first() {
    let mut life = Life::begins_without(vec![
        seen(ANNA, "Anna", 30, Preference::Last),
        seen(BEN, "Ben", 20, Preference::Usual),
        seen(CLEO, "Cleo", 10, Preference::First),
    ]);
    assert_eq!(life.called(), [], "they may come by themselves");
    let mut order = Vec::new();
    life.reconnect_timer(1);
    while let [call] = life.called()[..] {
        assert_eq!(life.next_call_of(call.0), Some(NextTry::Now));
        order.push(call.0);
        life.no_answer(call);
    }
    assert_eq!(order, [CLEO, BEN, ANNA]);
    assert!(life.stories().is_empty(), "what is tried again is no news");
}

#[test]
fn who_comes_is_called_no_more() {
    let mut life = Life::begins_without(vec![
        seen(ANNA, "Anna", 30, Preference::Usual),
        seen(BEN, "Ben", 20, Preference::Usual),
    ]);
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    life.reconnect_timer(1);
    let [call] = life.called()[..] else {
        panic!("Ben is called")
    };
    assert_eq!(call.0, BEN);
    life.tell(Event::PhoneSeen(bonded(BEN, "Ben")));
    life.tell(Event::ConnectEnded {
        phone: BEN,
        attempt: call.1,
        error: None,
    });
    life.reconnect_timer(100);
    assert_eq!(life.called(), []);
    assert_eq!(life.next_call_of(BEN), None);
}

#[test]
fn who_leaves_on_purpose_is_left_alone_and_who_is_lost_is_not() {
    for (why, missed) in [(Parting::Lost, true), (Parting::Theirs, false)] {
        for told_late in [false, true] {
            let mut life = Life::with_anna();
            if told_late {
                life.tell(Event::PhoneSeen(away(ANNA, "Anna")));
                life.tell(Event::PhoneLeft { phone: ANNA, why });
            } else {
                life.parts(ANNA, "Anna", why);
            }
            life.reconnect_timer(1);
            assert_eq!(!life.called().is_empty(), missed, "{why:?}");
            assert_eq!(life.policy.memory().phones[0].left, !missed);
        }
    }
}

#[test]
fn who_was_sent_away_is_left_alone_until_somebody_asks() {
    let mut life = Life::with_anna();
    life.ask(Request::Disconnect { phone: ANNA });
    life.tell(Event::PhoneSeen(away(ANNA, "Anna")));
    life.reconnect_timer(1);
    assert_eq!(life.called(), []);
    // Also after a restart.
    let phones = life.policy.memory().phones.clone();
    let mut again = Life::begins_without(phones);
    again.reconnect_timer(1);
    assert_eq!(again.called(), []);
    again.ask(Request::Connect { phone: ANNA });
    assert_eq!(again.called().len(), 1);
    assert!(!again.policy.memory().phones[0].left);
}

#[test]
fn nobody_is_called_while_that_disturbs() {
    let ringing = |calls| Event::HandsFree {
        phone: BEN,
        fact: HandsFreeFact::Calls { calls },
    };
    let call = Call {
        id: CallId(1),
        direction: Direction::Incoming,
        state: CallState::Incoming,
        number: String::new(),
        name: None,
        multiparty: false,
    };
    let begun = |life: &mut Life| {
        life.tell(Event::PhoneSeen(bonded(BEN, "Ben")));
        life.tell(Event::HandsFree {
            phone: BEN,
            fact: HandsFreeFact::Ready,
        });
    };
    let looking = |discovering| {
        Event::AdapterSeen(AdapterFacts {
            discovering,
            ..adapter()
        })
    };
    for disturbed in ["pairing", "search", "call", "music"] {
        let mut life = Life::begins_without(vec![
            seen(ANNA, "Anna", 30, Preference::Usual),
            seen(BEN, "Ben", 20, Preference::Usual),
        ]);
        begun(&mut life);
        let mut music = None;
        match disturbed {
            "pairing" => drop(life.ask(Request::OpenPairing { length: None })),
            "search" => drop(life.tell(looking(true))),
            "call" => drop(life.tell(ringing(vec![call.clone()]))),
            _ => music = Some(life.music(BEN)),
        }
        life.reconnect_timer(1);
        assert_eq!(life.called(), [], "{disturbed}");
        match disturbed {
            "pairing" => drop(life.ask(Request::ClosePairing)),
            "search" => drop(life.tell(looking(false))),
            "call" => {
                life.tell(ringing(Vec::new()));
                life.wait(10).tell(Event::TimerFired {
                    timer: Timer::VoiceComes,
                });
            }
            _ => {
                life.tell(Event::TransportChanged {
                    transport: music.unwrap(),
                    state: TransportState::Idle,
                });
            }
        }
        assert_eq!(life.called().len(), 1, "after {disturbed}");
    }
}

#[test]
fn a_search_without_end_keeps_nobody_from_being_called() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    life.tell(Event::AdapterSeen(AdapterFacts {
        discovering: true,
        ..adapter()
    }));
    life.reconnect_timer(29);
    assert_eq!(life.called(), []);
    life.reconnect_timer(2);
    assert_eq!(life.called().len(), 1);
}

#[test]
fn a_search_that_pauses_for_seconds_is_the_same() {
    for (pause, called) in [(5, 1), (40, 0)] {
        let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
        let search = |life: &mut Life, discovering| {
            life.tell(Event::AdapterSeen(AdapterFacts {
                discovering,
                ..adapter()
            }));
        };
        search(&mut life, true);
        life.reconnect_timer(31);
        let call = life.called()[0];
        life.no_answer(call);
        search(&mut life, false);
        life.wait(pause);
        search(&mut life, true);
        assert_eq!(life.called().len(), called, "after {pause} s");
    }
}

#[test]
fn only_the_time_of_a_search_counts_for_it() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    let search = |life: &mut Life, discovering| {
        life.tell(Event::AdapterSeen(AdapterFacts {
            discovering,
            ..adapter()
        }));
    };
    search(&mut life, true);
    life.wait(1);
    search(&mut life, false);
    let call = life.called()[0];
    life.no_answer(call).wait(25);
    search(&mut life, true);
    life.reconnect_timer(28);
    assert_eq!(life.called(), []);
    life.reconnect_timer(2);
    assert_eq!(life.called().len(), 1);
}

#[test]
fn call_that_comes_to_disturb_somebody_is_broken_off_and_made_up_for() {
    let broken_off =
        |orders: &[RadioAction]| orders.contains(&RadioAction::BreakOff { phone: ANNA });
    for somebody_waits in [false, true] {
        let mut life = Life::begins_without(vec![trusted(ANNA, "Anna"), trusted(BEN, "Ben")]);
        life.tell(Event::PhoneSeen(bonded(BEN, "Ben")));
        life.reconnect_timer(1);
        let [call] = life.called()[..] else {
            panic!("Anna is called")
        };
        let music = life.music(BEN);
        let orders = life.radio();
        assert!(broken_off(&orders), "{orders:?}");
        life.tell(Event::StreamStarted {
            transport: music.clone(),
        });
        assert!(!broken_off(&life.radio()), "once is enough");
        if somebody_waits {
            life.ask(Request::Connect { phone: ANNA });
        }
        life.no_answer(call);
        let called = life.called();
        assert_eq!(!called.is_empty(), somebody_waits, "{called:?}");
        if let [call] = called[..] {
            life.no_answer(call);
            continue;
        }
        life.tell(Event::TransportChanged {
            transport: music,
            state: TransportState::Idle,
        });
        assert_eq!(life.called().len(), 1, "it is no fault of Anna's");
    }
}

#[test]
fn call_that_was_answered_or_asked_for_is_not_broken_off() {
    for answered in [false, true] {
        let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
        life.reconnect_timer(1);
        if answered {
            life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
        } else {
            life.ask(Request::Connect { phone: ANNA });
        }
        life.ask(Request::OpenPairing { length: None });
        let orders = life.radio();
        let broken_off = |it: &RadioAction| matches!(it, RadioAction::BreakOff { .. });
        assert!(!orders.iter().any(broken_off), "{orders:?}");
    }
}

#[test]
fn somebody_who_asked_in_vain_ends_nothing() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    life.reconnect_timer(1);
    let call = life.called()[0];
    life.no_answer(call);
    life.ask(Request::Connect { phone: ANNA });
    let call = life.called()[0];
    life.no_answer(call);
    life.reconnect_timer(100);
    assert_eq!(life.called().len(), 1, "she is still missed");
}

#[test]
fn link_alone_is_no_coming_and_its_end_no_leaving() {
    for why in [Parting::Lost, Parting::Theirs] {
        let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
        let mut calls = 0;
        for _ in 0..1_000 {
            life.reconnect_timer(1);
            if let [call] = life.called()[..] {
                calls += 1;
                life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
                life.no_answer(call);
                life.parts(ANNA, "Anna", why);
            }
        }
        assert!((8..25).contains(&calls), "{why:?}: called {calls} times");
        assert!(!life.policy.memory().phones[0].left, "{why:?}");
    }
}

#[test]
fn call_that_nobody_asked_for_yields_its_place_to_who_comes() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna"), trusted(BEN, "Ben")]);
    life.policy.rules.max_connected = 1;
    life.reconnect_timer(1);
    let [(called, _)] = life.called()[..] else {
        panic!("one is called")
    };
    let (comes, name) = if called == ANNA {
        (BEN, "Ben")
    } else {
        (ANNA, "Anna")
    };
    life.tell(Event::PhoneSeen(bonded(comes, name)));
    life.tell(Event::AgentAsked {
        id: QuestionId(1),
        phone: bonded(comes, name),
        question: service(MUSIC),
    });
    let orders = life.radio();
    let allowed = RadioAction::AnswerAgent {
        id: QuestionId(1),
        allow: true,
    };
    assert!(orders.contains(&allowed), "{orders:?}");
    assert!(
        orders.contains(&RadioAction::BreakOff { phone: called }),
        "{orders:?}"
    );
}

#[test]
fn time_in_which_nobody_may_be_called_does_not_count() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna"), trusted(BEN, "Ben")]);
    life.tell(Event::PhoneSeen(bonded(BEN, "Ben")));
    let music = life.music(BEN);
    life.reconnect_timer(60 * 60);
    assert_eq!(life.called(), []);
    life.tell(Event::TransportChanged {
        transport: music,
        state: TransportState::Idle,
    });
    assert_eq!(life.called().len(), 1, "she was not given up");
}

#[test]
fn who_is_not_wanted_any_more_is_not_called_on() {
    let unwanted = [
        Request::Prefer {
            phone: ANNA,
            preference: Preference::Never,
        },
        Request::Block {
            phone: ANNA,
            blocked: true,
        },
        Request::Forget { phone: ANNA },
        Request::Disconnect { phone: ANNA },
    ];
    for request in unwanted {
        let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
        life.reconnect_timer(1);
        let call = life.called()[0];
        life.ask(request.clone());
        let orders = life.radio();
        let broken_off = orders.contains(&RadioAction::BreakOff { phone: ANNA });
        assert!(broken_off, "{request:?}: {orders:?}");
        life.no_answer(call).reconnect_timer(100);
        assert_eq!(life.called(), [], "{request:?}");
    }
}

#[test]
fn patience_that_is_configured_anew_holds_at_once() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    let mut rules = life.policy.rules.clone();
    let patience = std::mem::replace(&mut rules.reconnect_for, Duration::ZERO);
    life.tell(Event::ConfigLoaded(rules.clone()));
    life.reconnect_timer(100);
    assert_eq!(life.called(), []);
    rules.reconnect_for = patience;
    life.tell(Event::ConfigLoaded(rules));
    life.reconnect_timer(1);
    assert_eq!(life.called().len(), 1);
}

#[test]
fn who_does_not_answer_is_called_ever_more_seldom_and_given_up() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    let mut times = Vec::new();
    for _ in 0..2_000 {
        life.reconnect_timer(1);
        if let [call] = life.called()[..] {
            times.push(life.seconds);
            life.no_answer(call);
        }
    }
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        waits[..5].windows(2).all(|pair| pair[0] < pair[1]),
        "{waits:?}"
    );
    assert!(
        waits.iter().all(|wait| (1..=151).contains(wait)),
        "{waits:?}"
    );
    assert!(*times.last().unwrap() <= 15 * 60, "given up: {times:?}");
    assert!(times.len() > 10, "not at once: {times:?}");
    assert_eq!(life.next_call_of(ANNA), None);
    life.tell(Event::InventoryTaken {
        phones: vec![away(ANNA, "Anna")],
    });
    life.reconnect_timer(1);
    assert_eq!(life.called().len(), 1, "missed anew");
}

#[test]
fn never_is_never_and_can_be_taken_back() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    let prefer = |preference| Request::Prefer {
        phone: ANNA,
        preference,
    };
    life.ask(prefer(Preference::Never));
    life.reconnect_timer(1);
    assert_eq!(life.called(), []);
    life.ask(prefer(Preference::Usual));
    life.reconnect_timer(1);
    assert_eq!(life.called().len(), 1);
    let phone = BEN;
    life.ask(Request::Prefer {
        phone,
        preference: Preference::First,
    });
    let refused = |action: &Action| matches!(action, Action::Reply { result: Err(_), .. });
    assert!(life.taken().iter().any(refused), "an unknown phone");
}

#[test]
fn an_answer_that_somebody_waits_for_is_given() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    life.reconnect_timer(1);
    let [call] = life.called()[..] else {
        panic!("Anna is called")
    };
    life.wait(1).ask(Request::Connect { phone: ANNA });
    life.no_answer(call);
    let taken = life.taken();
    let refused = |action: &Action| matches!(action, Action::Reply { result: Err(_), .. });
    assert!(taken.iter().any(refused), "{taken:?}");
    let told = |action: &Action| matches!(action, Action::Tell(Story::ConnectFailed { .. }));
    assert!(taken.iter().any(told), "{taken:?}");
}

#[test]
fn without_a_key_or_a_wish_nobody_is_called() {
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    life.tell(Event::PhoneGone { phone: ANNA });
    life.reconnect_timer(1);
    assert_eq!(life.called(), []);
    let mut life = Life::begins_without(vec![trusted(ANNA, "Anna")]);
    life.ask(Request::Forget { phone: ANNA });
    life.reconnect_timer(1);
    assert_eq!(life.called(), []);
    let mut life = Life::new(Memory {
        phones: vec![trusted(ANNA, "Anna")],
        ..Memory::default()
    });
    life.policy.rules.reconnect_for = Duration::ZERO;
    life.tell(Event::AdapterSeen(adapter()));
    life.tell(Event::InventoryTaken {
        phones: vec![away(ANNA, "Anna")],
    });
    life.reconnect_timer(1);
    assert_eq!(life.called(), []);
}
