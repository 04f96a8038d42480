//! What clients want done about calls, and what they get for an answer.

use super::*;

#[test]
fn a_call_waits_while_somebody_talks_on_another_phone() {
    let mut life = Life::with_two_callers();
    let shown = |life: &Life| {
        let phones = life.policy.snapshot().phones;
        let bens = phones[1].hands_free.as_ref().unwrap();
        bens.calls[0].call.state
    };
    life.calls(BEN, &[(1, CallState::Incoming)]);
    assert_eq!(shown(&life), CallState::Incoming);
    life.calls(ANNA, &[(1, CallState::Active)]);
    assert_eq!(shown(&life), CallState::Waiting);
    life.calls(ANNA, &[(1, CallState::Held)]);
    assert_eq!(shown(&life), CallState::Incoming);
}

#[test]
fn hanging_up_means_the_call_that_is_up_else_the_one_that_rings() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.orders.clear();
    let hang_up = || CallWish::HangUp { call: None };
    life.wish(None, hang_up());
    let reject = asked(&life, CallCommand::Reject);
    assert_eq!(life.hands_free_orders(), [(ANNA, reject)]);
    life.calls(BEN, &[(1, CallState::Held)]);
    life.orders.clear();
    life.wait(1).wish(None, hang_up());
    let end = asked(&life, CallCommand::HangUp);
    assert_eq!(life.hands_free_orders(), [(BEN, end)]);
    life.calls(ANNA, &[(1, CallState::Active)]);
    life.orders.clear();
    life.wait(1).wish(None, hang_up());
    let end = asked(&life, CallCommand::HangUp);
    assert_eq!(
        life.hands_free_orders(),
        [(ANNA, end)],
        "not the one that is held"
    );
    life.wait(1).wish(
        Some(BEN),
        CallWish::HangUp {
            call: Some(CallId(9)),
        },
    );
    assert_eq!(life.refusal(), RejectionKind::NotAvailable);
}

#[test]
fn the_sound_of_a_call_moves_to_the_phone_and_back() {
    let mut life = Life::with_two_callers();
    life.music(BEN);
    life.calls(ANNA, &[(1, CallState::Active)]).voice(ANNA);
    life.orders.clear();
    life.wish(None, CallWish::Transfer);
    assert!(
        life.orders
            .iter()
            .any(|it| matches!(it, Action::Reply { result: Ok(()), .. }))
    );
    let timer = Timer::MusicReturns;
    assert!(
        life.orders
            .iter()
            .any(|it| matches!(it, Action::ArmTimer { timer: t, .. } if *t == timer))
    );
    assert_eq!(life.hands_free_orders(), [(ANNA, HandsFreeOrder::EndVoice)]);
    life.wait(1).wish(None, CallWish::Transfer);
    let open = asked(&life, CallCommand::OpenVoice);
    assert_eq!(life.hands_free_orders(), [(ANNA, open)]);
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason() {
    let dial = || CallWish::Dial {
        number: "112".into(),
    };
    let mut life = Life::with_anna();
    life.wish(None, dial());
    assert_eq!(life.refusal(), RejectionKind::NotConnected);
    life.wish(Some(ANNA), dial());
    assert_eq!(life.refusal(), RejectionKind::NotConnected);
    life.wish(Some(BEN), dial());
    assert_eq!(life.refusal(), RejectionKind::NotFound);
    let mut life = Life::with_two_callers();
    life.wish(None, dial());
    assert_eq!(life.refusal(), RejectionKind::Ambiguous);
    life.wish(None, CallWish::Reject);
    assert_eq!(life.refusal(), RejectionKind::NotAvailable);
}

#[test]
fn a_client_is_answered_when_the_phone_answers_or_leaves() {
    let mut life = Life::with_two_callers();
    let request = Some(RequestId(0));
    let ended = |result| HandsFreeFact::CommandEnded { request, result };
    life.wish(Some(ANNA), CallWish::Redial);
    life.orders.clear();
    life.fact(ANNA, ended(Ok(()))).fact(ANNA, ended(Ok(())));
    let answer = Action::Reply {
        id: RequestId(0),
        result: Ok(()),
    };
    assert_eq!(life.taken(), [answer]);
    life.wish(Some(ANNA), CallWish::Redial);
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::Ended { error: None });
    assert_eq!(life.refusal(), RejectionKind::NotConnected);
    life.fact(ANNA, ended(Ok(())));
    assert_eq!(life.taken(), []);
}
