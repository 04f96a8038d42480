//! Answering a call while somebody talks on another phone.

use super::*;

const CARL: Address = Address::new([0xF0, 0, 0, 0, 0, 3]);

impl Life {
    /// A life in which Ben talks and Anna rings, and somebody has asked to answer.
    fn about_to_answer(end_others: bool) -> Self {
        let mut life = Self::with_two_callers();
        life.voice(BEN);
        life.calls(BEN, &[(1, CallState::Active)]);
        life.calls(ANNA, &[(1, CallState::Incoming)]);
        life.orders.clear();
        life.wait(1).wish(None, CallWish::Answer { end_others });
        life
    }

    /// A phone answers the command that came with the last question.
    fn ends(&mut self, phone: Address, result: Result<(), Rejection>) -> &mut Self {
        let request = Some(RequestId(self.seconds));
        self.fact(phone, HandsFreeFact::CommandEnded { request, result })
    }

    fn replies(&mut self) -> Vec<Result<(), Rejection>> {
        let orders = self.taken().into_iter();
        let replies = orders.filter_map(|action| match action {
            Action::Reply { result, .. } => Some(result),
            _ => None,
        });
        replies.collect()
    }

    fn patience_is_over(&mut self) -> &mut Self {
        let timer = Timer::SettingAside;
        self.tell(Event::TimerFired { timer })
    }
}

fn refused() -> Result<(), Rejection> {
    Err(Rejection::new(
        RejectionKind::Refused,
        "the phone refused; look at the phone",
    ))
}

#[test]
fn it_is_answered_when_the_other_one_does_not_talk_any_more() {
    for (end_others, first, after) in [
        (false, CallCommand::Swap, vec![(1, CallState::Held)]),
        (true, CallCommand::HangUp, vec![]),
    ] {
        let mut life = Life::about_to_answer(end_others);
        let first = (BEN, asked(&life, first));
        assert_eq!(life.hands_free_orders(), [first]);
        life.ends(BEN, Ok(()));
        assert_eq!(life.taken(), [], "it said so, and is not there yet");
        life.calls(BEN, &after);
        let answer = asked(&life, CallCommand::Answer);
        assert_eq!(life.hands_free_orders(), [(ANNA, answer)]);
        life.calls(ANNA, &[(1, CallState::Active)]);
        life.ends(ANNA, Ok(()));
        assert_eq!(life.replies(), [Ok(())]);
        life.wait(9).patience_is_over();
        assert_eq!(life.taken(), [], "that is over");
    }
}

#[test]
fn it_is_answered_as_it_waits_then() {
    for (end_others, command) in [
        (false, CallCommand::Swap),
        (true, CallCommand::ReleaseActive),
    ] {
        let mut life = Life::with_two_callers();
        life.voice(BEN);
        life.calls(BEN, &[(1, CallState::Active)]);
        life.calls(ANNA, &[(1, CallState::Held), (2, CallState::Waiting)]);
        life.wish(None, CallWish::Answer { end_others });
        life.orders.clear();
        life.calls(BEN, &[]);
        let answer = asked(&life, command);
        assert_eq!(life.hands_free_orders(), [(ANNA, answer)]);
    }
}

#[test]
fn it_goes_on_ringing_when_the_other_one_is_not_set_aside() {
    for (end_others, words) in [(false, "was not set aside"), (true, "was not ended")] {
        let mut life = Life::about_to_answer(end_others);
        life.orders.clear();
        life.ends(BEN, refused());
        let orders = life.replies();
        let [Err(why)] = &orders[..] else {
            panic!("{orders:?}");
        };
        assert_eq!(why.kind, RejectionKind::Refused);
        assert!(
            why.message.contains(words) && why.message.contains("Anna still rings"),
            "{why}"
        );
        // Nothing of it comes back later, and it can be tried again.
        life.calls(BEN, &[(1, CallState::Held)]);
        assert_eq!(life.hands_free_orders(), []);
        life.calls(BEN, &[(1, CallState::Active)]);
        life.wait(1).wish(None, CallWish::Answer { end_others });
        assert_eq!(life.hands_free_orders().len(), 1);
    }
}

#[test]
fn one_that_is_answered_at_the_phone_meanwhile_is_answered() {
    let mut life = Life::about_to_answer(false);
    life.orders.clear();
    life.calls(ANNA, &[(1, CallState::Active)]);
    assert_eq!(life.replies(), [Ok(())]);
    life.calls(BEN, &[(1, CallState::Held)]);
    assert_eq!(life.hands_free_orders(), [], "it stays aside");
}

#[test]
fn a_refusal_is_nothing_when_that_call_has_just_ended() {
    let mut life = Life::about_to_answer(false);
    life.calls(BEN, &[]);
    life.orders.clear();
    life.ends(BEN, refused());
    assert_eq!(life.taken(), []);
    life.ends(ANNA, Ok(()));
    assert_eq!(life.replies(), [Ok(())]);
}

#[test]
fn a_phone_that_does_not_do_what_it_says_is_not_waited_for_for_ever() {
    let mut life = Life::about_to_answer(false);
    assert!(life.orders.contains(&Action::ArmTimer {
        timer: Timer::SettingAside,
        after: Duration::from_secs(8)
    }));
    life.ends(BEN, Ok(()));
    life.orders.clear();
    life.wait(7).patience_is_over();
    assert_eq!(life.taken(), [], "a timer of before");
    life.wait(1).patience_is_over();
    let replies = life.replies();
    assert!(matches!(&replies[..], [Err(why)] if why.kind == RejectionKind::NotAvailable));
    life.calls(BEN, &[(1, CallState::Held)]);
    assert_eq!(life.hands_free_orders(), [], "somebody else's doing");
}

#[test]
fn a_call_that_was_set_aside_for_nothing_is_taken_up_again() {
    type Turn = fn(&mut Life);
    let turns: [(&str, Turn); 4] = [
        ("the phone refuses to answer", |life| {
            life.calls(BEN, &[(1, CallState::Held)]);
            life.ends(ANNA, refused());
        }),
        ("it is given up before the other one is held", |life| {
            life.calls(ANNA, &[]);
            life.calls(BEN, &[(1, CallState::Held)]);
        }),
        ("the phone leaves before", |life| {
            life.fact(ANNA, HandsFreeFact::Ended { error: None });
            life.calls(BEN, &[(1, CallState::Held)]);
        }),
        ("the phone leaves after", |life| {
            life.calls(BEN, &[(1, CallState::Held)]);
            life.fact(ANNA, HandsFreeFact::Ended { error: None });
        }),
    ];
    for (what, turn) in turns {
        let mut life = Life::about_to_answer(false);
        life.orders.clear();
        turn(&mut life);
        let orders = life.orders.clone();
        let again = (BEN, command(CallCommand::Swap));
        assert_eq!(life.hands_free_orders().last(), Some(&again), "{what}");
        life.orders = orders;
        assert!(matches!(life.replies()[..], [Err(_)]), "{what}");
        life.calls(BEN, &[(1, CallState::Active)]);
        life.calls(BEN, &[(1, CallState::Held)]);
        assert_eq!(life.hands_free_orders(), [], "{what}: once");
    }
}

#[test]
fn a_call_that_is_set_aside_too_late_stays_where_it_is() {
    let mut life = Life::about_to_answer(false);
    life.calls(ANNA, &[]);
    life.ends(BEN, refused());
    life.calls(BEN, &[(1, CallState::Held)]);
    let again = (BEN, command(CallCommand::Swap));
    assert!(!life.hands_free_orders().contains(&again));
}

#[test]
fn a_call_that_was_ended_for_nothing_is_over() {
    let mut life = Life::about_to_answer(true);
    life.calls(BEN, &[]);
    life.orders.clear();
    life.ends(ANNA, refused());
    assert_eq!(life.hands_free_orders(), []);
}

#[test]
fn two_are_not_answered_at_once() {
    let mut life = Life::about_to_answer(false);
    life.orders.clear();
    let answer = CallWish::Answer { end_others: false };
    life.wait(1).wish(None, answer);
    assert_eq!(life.refusal(), RejectionKind::Busy);
}

#[test]
fn of_two_others_the_one_that_was_set_aside_is_taken_up_when_the_other_one_refuses() {
    let names = [(ANNA, "Anna"), (BEN, "Ben"), (CARL, "Carl")];
    let mut life = Life::new(Memory {
        phones: names.map(|(phone, name)| trusted(phone, name)).into(),
        ..Memory::default()
    });
    life.tell(Event::AdapterSeen(adapter()));
    life.tell(Event::InventoryTaken {
        phones: names.map(|(phone, name)| bonded(phone, name)).into(),
    });
    for (phone, _) in names {
        life.fact(phone, HandsFreeFact::Ready);
        life.voice(phone);
        life.calls(phone, &[(1, CallState::Active)]);
    }
    life.calls(ANNA, &[(2, CallState::Incoming)]);
    life.wish(None, CallWish::Answer { end_others: false });
    life.calls(BEN, &[(1, CallState::Held)]).orders.clear();
    life.ends(CARL, refused());
    let again = (BEN, command(CallCommand::Swap));
    assert_eq!(life.hands_free_orders(), [again]);
}

#[test]
fn a_phone_that_would_take_up_another_call_keeps_its_sound_instead() {
    let mut life = Life::with_two_callers();
    life.calls(BEN, &[(1, CallState::Active), (2, CallState::Waiting)]);
    life.voice(BEN);
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.orders.clear();
    life.wish(Some(ANNA), CallWish::Answer { end_others: false });
    let answer = asked(&life, CallCommand::Answer);
    let expected = [(BEN, HandsFreeOrder::EndVoice), (ANNA, answer)];
    assert_eq!(life.hands_free_orders(), expected);
}

#[test]
fn who_talks_at_the_phone_itself_is_left_alone() {
    let mut life = Life::with_two_callers();
    life.calls(BEN, &[(1, CallState::Active)]);
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.orders.clear();
    life.wish(None, CallWish::Answer { end_others: false });
    let answer = asked(&life, CallCommand::Answer);
    assert_eq!(life.hands_free_orders(), [(ANNA, answer)]);
}
