//! Calls that nobody needs to answer.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::policy::model::{CallPhones, PhoneChoice};

fn rules(seconds: u64) -> Rules {
    Rules {
        auto_answer: Some(Duration::from_secs(seconds)),
        ..Rules::default()
    }
}

impl Life {
    /// A life in which Anna and Ben are connected, and calls are answered after 5 s.
    fn with_auto_answer() -> Self {
        let mut life = Self::with_two_callers();
        life.tell(Event::ConfigLoaded(rules(5)));
        life.orders.clear();
        life
    }

    fn time_is_over(&mut self) -> &mut Self {
        let timer = Timer::AutoAnswer;
        self.tell(Event::TimerFired { timer })
    }

    /// Says whether a phone was told to answer since this was last asked.
    fn answered(&mut self, phone: Address) -> bool {
        let answer = (phone, command(CallCommand::Answer));
        self.hands_free_orders().contains(&answer)
    }
}

fn armed(seconds: u64) -> Action {
    Action::ArmTimer {
        timer: Timer::AutoAnswer,
        after: Duration::from_secs(seconds),
    }
}

const CANCELLED: Action = Action::CancelTimer {
    timer: Timer::AutoAnswer,
};

#[test]
fn a_call_that_rings_for_long_enough_is_answered_once() {
    let mut life = Life::with_auto_answer();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    assert!(life.taken().contains(&armed(5)));
    life.wait(4).time_is_over();
    assert_eq!(life.taken(), [], "a timer of before");
    life.wait(1).time_is_over();
    let told: Vec<Action> = life.taken();
    let [Action::Tell(story), Action::HandsFree { phone, order }] = &told[..] else {
        panic!("{told:?}");
    };
    let text = "the call of +493012345 to Anna is answered by itself";
    assert_eq!(story.to_string(), text);
    assert_eq!((*phone, order), (ANNA, &command(CallCommand::Answer)));
    life.wait(1).time_is_over();
    assert_eq!(life.taken(), [], "once");
}

#[test]
fn nothing_is_answered_when_nobody_said_so() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    let timer = |it: &Action| {
        matches!(
            it,
            Action::ArmTimer {
                timer: Timer::AutoAnswer,
                ..
            }
        )
    };
    assert!(!life.taken().iter().any(timer));
    life.wait(60).time_is_over();
    assert_eq!(life.taken(), []);
}

#[test]
fn whoever_calls_into_a_conversation_is_not_put_through() {
    use CallState::{Active, Alerting, Held, Incoming, Waiting};
    // What a phone had before, who calls next, and what becomes of the first call.
    for (had, next) in [
        (Active, (ANNA, Waiting)),
        (Active, (BEN, Incoming)),
        (Held, (BEN, Incoming)),
        (Alerting, (BEN, Incoming)),
        (Incoming, (BEN, Incoming)),
        (Incoming, (ANNA, Waiting)),
    ] {
        let mut life = Life::with_auto_answer();
        life.calls(ANNA, &[(1, had)]);
        let (phone, state) = next;
        let mut calls = vec![(2, state)];
        if phone == ANNA {
            calls.insert(0, (1, had));
        }
        life.wait(1).calls(phone, &calls);
        life.orders.clear();
        // The first one is over, so that the second one rings alone.
        if phone == BEN {
            life.wait(1).calls(ANNA, &[]);
        }
        life.calls(phone, &[(2, Incoming)]);
        life.wait(60).time_is_over();
        assert!(!life.answered(phone), "{had:?}, then {next:?}");
    }
}

#[test]
fn a_second_one_that_rings_does_not_keep_the_first_from_being_answered() {
    let mut life = Life::with_auto_answer();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.wait(1).calls(BEN, &[(1, CallState::Incoming)]);
    life.wait(4).time_is_over();
    assert!(life.answered(ANNA));
    life.calls(ANNA, &[(1, CallState::Active)]);
    life.wait(60).time_is_over();
    assert!(!life.answered(BEN));
}

#[test]
fn a_call_is_left_to_people_once_anything_else_has_happened() {
    use CallState::{Active, Dialing, Incoming};
    type Turn = fn(&mut Life);
    let turns: [(&str, Turn); 9] = [
        ("the speaker is muted", |life| {
            life.ask(Request::Mute { muted: true });
        }),
        ("it is answered at the phone", |life| {
            life.calls(ANNA, &[(1, Active)]);
        }),
        ("it is given up", |life| {
            life.calls(ANNA, &[]);
        }),
        ("the phone leaves", |life| {
            life.fact(ANNA, HandsFreeFact::Ended { error: None });
        }),
        ("somebody is called meanwhile", |life| {
            life.calls(BEN, &[(1, Dialing)]);
        }),
        ("another one is answered at its phone", |life| {
            life.calls(BEN, &[(1, Incoming)]);
            life.calls(BEN, &[(1, Active)]);
        }),
        ("somebody has answered it here", |life| {
            life.wish(None, CallWish::Answer { end_others: false });
        }),
        ("somebody has refused it here", |life| {
            life.wish(None, CallWish::Reject);
        }),
        ("the phone may not call any more", |life| {
            let choice = PhoneChoice::Addressed(BEN);
            life.tell(Event::ConfigLoaded(Rules {
                call_phones: CallPhones::Only(vec![choice]),
                ..rules(5)
            }));
        }),
    ];
    for (what, turn) in turns {
        let mut life = Life::with_auto_answer();
        life.calls(ANNA, &[(1, Incoming)]);
        life.orders.clear();
        turn(&mut life);
        assert!(life.taken().contains(&CANCELLED), "{what}");
        life.calls(BEN, &[]);
        life.calls(ANNA, &[(1, Incoming)]);
        life.wait(60).time_is_over();
        let answered = life.answered(ANNA);
        // One that had ended before is another one now.
        let another = matches!(what, "it is given up");
        assert_eq!(answered, another, "{what}");
    }
}

#[test]
fn a_speaker_that_is_muted_answers_nothing_by_itself() {
    let mut life = Life::with_auto_answer();
    life.ask(Request::Mute { muted: true });
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.wait(60).time_is_over();
    assert!(!life.answered(ANNA));
}

#[test]
fn what_people_do_with_another_call_leaves_this_one_to_the_clock() {
    let mut life = Life::with_auto_answer();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.calls(BEN, &[(1, CallState::Incoming)]);
    life.wish(Some(BEN), CallWish::Reject);
    life.calls(BEN, &[]).wait(5).time_is_over();
    assert!(life.answered(ANNA));
}

#[test]
fn the_clock_follows_the_rules_while_a_call_rings() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.wait(2).orders.clear();
    for (rules, expected) in [
        (rules(10), armed(8)),
        (rules(3), armed(1)),
        (rules(1), armed(0)),
        (Rules::default(), CANCELLED),
    ] {
        life.tell(Event::ConfigLoaded(rules));
        assert!(life.taken().contains(&expected), "{expected:?}");
    }
    life.wait(60).time_is_over();
    assert!(!life.answered(ANNA), "it is off");
}

proptest! {
    /// Whatever two phones' calls do, none is answered by itself but one that rings while no other
    /// call is up or being made, and that came when there was none.
    #[test]
    fn nobody_is_put_through_to_people_who_talk(
        turns in proptest::collection::vec((any::<bool>(), calls_of_a_phone(), 0_u64..4), 1..40)
    ) {
        let mut life = Life::with_auto_answer();
        let mut shown: BTreeMap<Address, Vec<(u32, CallState)>> = BTreeMap::new();
        // The calls that came when there was no other.
        let mut lone = Vec::new();
        for (first, calls, pause) in turns {
            let phone = if first { ANNA } else { BEN };
            let before = shown.insert(phone, calls.clone()).unwrap_or_default();
            let known = |id: u32| before.iter().any(|(other, _)| *other == id);
            lone.retain(|(of, id)| *of != phone || calls.iter().any(|(other, _)| other == id));
            if let ([(id, CallState::Incoming)], 1) = (&calls[..], shown.values().flatten().count()) {
                if !known(*id) {
                    lone.push((phone, *id));
                }
            }
            life.calls(phone, &calls);
            life.orders.clear();
            life.wait(pause).time_is_over();
            for phone in [ANNA, BEN] {
                if life.orders.contains(&answer_of(phone)) {
                    let mut calls = shown[&phone].iter();
                    let rings = |it: &(u32, CallState)| it.1 == CallState::Incoming;
                    prop_assert!(calls.any(|it| rings(it) && lone.contains(&(phone, it.0))));
                    let mut all = shown.values().flatten();
                    prop_assert!(all.all(|(_, state)| state.is_offered()));
                }
            }
        }
    }
}

fn answer_of(phone: Address) -> Action {
    let order = command(CallCommand::Answer);
    Action::HandsFree { phone, order }
}

fn calls_of_a_phone() -> impl Strategy<Value = Vec<(u32, CallState)>> {
    let state = prop_oneof![
        4 => Just(CallState::Incoming),
        1 => Just(CallState::Waiting),
        1 => Just(CallState::Active),
        1 => Just(CallState::Held),
        1 => Just(CallState::Dialing),
    ];
    proptest::collection::btree_map(0_u32..3, state, 0..3)
        .prop_map(|calls| calls.into_iter().collect())
}
