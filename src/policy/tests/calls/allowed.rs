//! Which phones may use calls.

use super::*;
use crate::policy::model::{CallPhones, PhoneChoice};

const CALLS: &str = "0000111e-0000-1000-8000-00805f9b34fb";

fn dial() -> CallWish {
    CallWish::Dial {
        number: "112".into(),
    }
}

fn only(name: &str) -> Event {
    let choice = PhoneChoice::Named(name.into());
    Event::ConfigLoaded(Rules {
        call_phones: CallPhones::Only(vec![choice]),
        ..Rules::default()
    })
}

fn switched_off() -> Event {
    Event::ConfigLoaded(Rules {
        calls: false,
        ..Rules::default()
    })
}

#[test]
fn a_phone_that_may_not_is_refused_its_calls_and_keeps_its_music() {
    let mut life = Life::with_anna();
    life.tell(only("Ben"));
    for expected in [1, 0] {
        life.orders.clear();
        assert!(!life.answer(bonded(ANNA, "Anna"), service(CALLS)));
        let orders = life.taken();
        let told = |it: &&Action| matches!(it, Action::Tell(Story::CallsNotAllowed { .. }));
        assert_eq!(orders.iter().filter(told).count(), expected);
        assert!(!orders.contains(&Action::Radio(RadioAction::Disconnect { phone: ANNA })));
    }
    assert!(life.answer(bonded(ANNA, "Anna"), service(MUSIC)));
    life.orders.clear();
    life.tell(only("anna"));
    assert!(life.answer(bonded(ANNA, "Anna"), service(CALLS)));
}

#[test]
fn a_phone_that_comes_through_the_window_with_its_calls_is_trusted_all_the_same() {
    let mut life = Life::ready();
    life.tell(only("Ben"));
    life.ask(Request::OpenPairing { length: None });
    assert!(!life.answer(bonded(ANNA, "Anna"), service(CALLS)));
    assert!(life.policy.is_trusted(ANNA));
}

#[test]
fn a_link_that_comes_all_the_same_is_closed() {
    let mut life = Life::with_two_callers();
    life.tell(only("Ben"));
    assert_eq!(
        life.hands_free_orders()
            .iter()
            .filter(|it| it.1 == HandsFreeOrder::Close)
            .collect::<Vec<_>>(),
        [&(ANNA, HandsFreeOrder::Close)]
    );
    life.fact(ANNA, HandsFreeFact::Ready);
    assert_eq!(life.hands_free_orders(), [(ANNA, HandsFreeOrder::Close)]);
    let shown = life.policy.snapshot().phones;
    assert_eq!(
        [shown[0].calls_allowed, shown[1].calls_allowed],
        [false, true]
    );
    assert!(shown[0].hands_free.is_none() && shown[1].hands_free.is_some());
}

#[test]
fn a_call_that_is_up_when_the_rules_change_goes_on_to_its_end() {
    let close = (ANNA, HandsFreeOrder::Close);
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Active)]).voice(ANNA);
    life.tell(only("Ben"));
    assert!(!life.hands_free_orders().contains(&close));
    life.wish(Some(ANNA), dial());
    assert_eq!(life.refusal(), RejectionKind::Refused, "no other one");
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(2) });
    let orders = life.hands_free_orders();
    assert!(
        matches!(orders[..], [(ANNA, HandsFreeOrder::LetVoiceIn { .. })]),
        "its voice may come back"
    );
    life.wait(1)
        .wish(Some(ANNA), CallWish::HangUp { call: None });
    let end = asked(&life, CallCommand::HangUp);
    assert_eq!(life.hands_free_orders(), [(ANNA, end)]);
    life.calls(ANNA, &[]);
    assert!(!life.hands_free_orders().contains(&close), "it is heard");
    life.voice_ends(ANNA, None);
    let end = [(ANNA, HandsFreeOrder::EndVoice)];
    assert_eq!(life.hands_free_orders(), end, "who hung up has no answer");
    let id = RequestId(life.seconds);
    let (request, result) = (Some(id), Ok(()));
    life.fact(ANNA, HandsFreeFact::CommandEnded { request, result });
    let (phone, order) = close;
    let (result, closed) = (Ok(()), Action::HandsFree { phone, order });
    assert_eq!(life.taken(), [Action::Reply { id, result }, closed]);
}

#[test]
fn a_phone_that_may_again_is_asked_for_its_calls() {
    let mut life = Life::with_two_callers();
    life.tell(only("Ben"));
    let fetched = |life: &mut Life| {
        let timer = Timer::CallsPatience;
        life.tell(Event::TimerFired { timer });
        life.radio()
            .contains(&RadioAction::ConnectHandsFree { phone: ANNA })
    };
    assert!(!fetched(&mut life));
    life.tell(Event::ConfigLoaded(Rules::default()));
    // Nobody is fetched who may not be any more when it comes to it.
    life.tell(only("Ben"));
    assert!(!fetched(&mut life));
    life.tell(Event::ConfigLoaded(Rules::default()));
    assert!(fetched(&mut life));
}

#[test]
fn a_phone_that_gives_itself_another_name_is_another_one_to_the_rules() {
    let mut life = Life::with_two_callers();
    life.tell(only("Anna"));
    life.orders.clear();
    life.tell(Event::PhoneSeen(bonded(ANNA, "Zoe")));
    assert_eq!(life.hands_free_orders(), [(ANNA, HandsFreeOrder::Close)]);
    life.tell(Event::PhoneSeen(bonded(BEN, "Anna")));
    life.orders.clear();
    life.tell(Event::TimerFired {
        timer: Timer::CallsPatience,
    });
    assert_eq!(life.radio(), [RadioAction::ConnectHandsFree { phone: BEN }]);
}

#[test]
fn who_wants_a_call_of_such_a_phone_is_told_why_there_is_none() {
    for (rules, words) in [
        (only("Ben"), "calls.phones"),
        (switched_off(), "calls.enabled"),
    ] {
        let mut life = Life::with_anna();
        life.tell(rules);
        for phone in [Some(ANNA), None] {
            life.orders.clear();
            life.wait(1).wish(phone, dial());
            let [
                Action::Reply {
                    result: Err(refusal),
                    ..
                },
            ] = &life.orders[..]
            else {
                panic!("{:?}", life.orders);
            };
            assert_eq!(refusal.kind, RejectionKind::Refused);
            assert!(refusal.message.contains(words), "{refusal}");
        }
    }
    let mut life = Life::with_anna();
    life.tell(Event::PhoneSeen(PhoneFacts {
        connected: false,
        ..bonded(ANNA, "Anna")
    }));
    life.tell(only("Ben"));
    life.orders.clear();
    life.wish(None, dial());
    assert_eq!(
        life.refusal(),
        RejectionKind::NotConnected,
        "Ben may come yet"
    );
}

#[test]
fn a_phone_that_is_called_is_asked_for_what_it_may_bring() {
    let mut life = Life::with_anna();
    for (number, rules, hands_free) in [(1, only("Ben"), false), (2, only("Anna"), true)] {
        life.tell(rules);
        life.orders.clear();
        let (phone, attempt, error) = (ANNA, AttemptId(number), None);
        life.wait(1).ask(Request::Connect { phone });
        let connect = RadioAction::Connect {
            phone,
            attempt,
            hands_free,
        };
        assert_eq!(life.radio(), [connect]);
        life.tell(Event::ConnectEnded {
            phone,
            attempt,
            error,
        });
    }
}
