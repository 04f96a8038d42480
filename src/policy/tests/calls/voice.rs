//! Who opens the voice link, and how loud callers get the room.

use super::*;

fn microphone(volume: u8) -> CallWish {
    CallWish::MicrophoneVolume {
        volume: Volume::new(volume).unwrap(),
    }
}

fn shown(life: &Life, phone: usize) -> u8 {
    let snapshot = life.policy.snapshot();
    let hands_free = snapshot.phones[phone].hands_free.as_ref();
    hands_free.unwrap().microphone_volume.percent()
}

/// The voice links that were ordered, with who opens each.
fn voices(life: &mut Life) -> Vec<(Address, bool, VoiceSpec)> {
    let orders = life.hands_free_orders().into_iter();
    let ordered = orders.filter_map(|(phone, order)| match order {
        HandsFreeOrder::OpenVoice { voice } => Some((phone, true, voice)),
        HandsFreeOrder::LetVoiceIn { voice, .. } => Some((phone, false, voice)),
        _ => None,
    });
    ordered.collect()
}

#[test]
fn the_voice_of_a_phone_that_leaves_it_to_us_is_opened_here() {
    let mut life = Life::with_two_callers();
    let music = life.music(BEN);
    let codec = VoiceCodec::Msbc;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    life.calls(ANNA, &[(1, CallState::Active)]);
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::VoiceLeftToUs);
    assert!(
        life.orders.contains(&hush(&music, true)),
        "on the way already"
    );
    let opened = voices(&mut life);
    let [(ANNA, true, voice)] = &opened[..] else {
        panic!("{opened:?}");
    };
    assert_eq!(voice.codec, VoiceCodec::Cvsd, "none was negotiated");
    assert_eq!(voice.id, life.last_voice());
    let voice = voice.id;
    life.fact(ANNA, HandsFreeFact::VoiceUp { voice });
    assert_eq!(life.voice_shown(0), Some(VoiceCodec::Cvsd));
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::VoiceLeftToUs);
    assert_eq!(life.taken(), [], "it has one");
}

#[test]
fn no_voice_is_opened_to_a_phone_nobody_trusts() {
    let mut life = Life::ready();
    life.tell(Event::PhoneSeen(stranger(ANNA, "Anna")));
    life.fact(ANNA, HandsFreeFact::Ready);
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::VoiceLeftToUs);
    assert_eq!(voices(&mut life), []);
}

#[test]
fn a_phone_moves_how_loud_it_gets_the_room() {
    let mut life = Life::with_two_callers();
    life.fact(ANNA, HandsFreeFact::MicrophoneVolume { steps: 6 });
    assert_eq!(life.taken(), [], "nobody talks yet, and Anna knows");
    assert_eq!((shown(&life, 0), shown(&life, 1)), (40, 100));
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
    let ordered = voices(&mut life);
    assert!(
        matches!(&ordered[..], [(ANNA, false, voice)] if voice.microphone == 6),
        "{ordered:?}"
    );
    for (told, steps) in [(3, 3), (15, 15), (200, 15)] {
        life.fact(ANNA, HandsFreeFact::MicrophoneVolume { steps: told });
        let order = HandsFreeOrder::SetMicrophoneVolume { steps };
        assert_eq!(life.hands_free_orders(), [(ANNA, order)]);
    }
    life.fact(ANNA, HandsFreeFact::Ended { error: None });
    life.fact(ANNA, HandsFreeFact::Ready);
    assert_eq!(shown(&life, 0), 100, "a new link begins anew");
}

#[test]
fn a_client_moves_how_loud_the_phone_that_talks_gets_the_room() {
    let mut life = Life::with_two_callers();
    life.wish(None, microphone(40));
    assert_eq!(life.refusal(), RejectionKind::Ambiguous);
    let told = |steps| command(CallCommand::MicrophoneVolume { steps });
    life.wish(Some(BEN), microphone(20));
    assert_eq!(life.hands_free_orders(), [(BEN, told(3))]);
    life.voice(ANNA);
    life.orders.clear();
    life.wish(None, microphone(40));
    let answered = |action: &Action| matches!(action, Action::Reply { result: Ok(()), .. });
    assert!(life.orders.iter().any(answered));
    assert_eq!(
        life.hands_free_orders(),
        [
            (ANNA, HandsFreeOrder::SetMicrophoneVolume { steps: 6 }),
            (ANNA, told(6)),
        ]
    );
    assert_eq!((shown(&life, 0), shown(&life, 1)), (40, 20));
    let mut nobody = Life::with_anna();
    nobody.wish(Some(ANNA), microphone(40));
    assert_eq!(nobody.refusal(), RejectionKind::NotConnected);
}

#[test]
fn who_talks_from_here_or_turns_a_call_up_wants_to_hear() {
    use HandsFreeFact::SpeakerVolume;
    let wishes = [
        (CallWish::Answer { end_others: false }, true),
        (CallWish::Redial, true),
        (CallWish::Assistant { on: true }, true),
        (CallWish::Reject, false),
    ];
    for (wish, hears) in wishes {
        for done in [true, false] {
            let mut life = Life::with_two_callers();
            life.ask(Request::Mute { muted: true });
            life.calls(ANNA, &[(1, CallState::Incoming)]);
            life.wait(1).wish(Some(ANNA), wish.clone());
            assert!(life.policy.snapshot().muted, "{wish:?} is not done yet");
            let rejection = Rejection::new(RejectionKind::NotAvailable, "the phone says no");
            let request = Some(RequestId(life.seconds));
            let result = if done { Ok(()) } else { Err(rejection) };
            life.fact(ANNA, HandsFreeFact::CommandEnded { request, result });
            assert_eq!(life.policy.snapshot().muted, !(hears && done), "{wish:?}");
        }
    }
    let turned = [
        (true, 2, 15, true),
        (true, 1, 15, false),
        (true, 2, 1, false),
        (false, 2, 15, false),
    ];
    for (talks, after, steps, hears) in turned {
        let mut life = Life::with_two_callers();
        life.calls(ANNA, &[(1, CallState::Active)]);
        if talks {
            life.voice(ANNA);
        }
        life.ask(Request::Mute { muted: true });
        life.wait(after).fact(ANNA, SpeakerVolume { steps });
        assert_eq!(
            life.policy.snapshot().muted,
            !hears,
            "{talks}, {after}, {steps}"
        );
    }
}

#[test]
fn whoever_answers_a_call_that_waits_wants_to_hear() {
    for end_others in [true, false] {
        let mut life = Life::with_two_callers();
        life.calls(ANNA, &[(1, CallState::Active), (2, CallState::Waiting)]);
        life.ask(Request::Mute { muted: true });
        life.wait(1)
            .wish(Some(ANNA), CallWish::Answer { end_others });
        assert!(life.policy.snapshot().muted, "it is not answered yet");
        let (request, result) = (Some(RequestId(life.seconds)), Ok(()));
        life.fact(ANNA, HandsFreeFact::CommandEnded { request, result });
        assert!(!life.policy.snapshot().muted);
    }
}

#[test]
fn no_covers_are_fetched_while_somebody_speaks() {
    let held = |life: &mut Life| {
        let orders = life.radio().into_iter();
        let held = orders.filter_map(|order| match order {
            RadioAction::HoldCovers { hold } => Some(hold),
            _ => None,
        });
        held.collect::<Vec<_>>()
    };
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Active)]);
    assert_eq!(held(&mut life), [false; 0], "on her own earpiece");
    life.voice(ANNA);
    let annas = life.last_voice();
    assert_eq!(held(&mut life), [true]);
    life.calls(BEN, &[(1, CallState::Active)]).voice(BEN);
    life.voice_ends(BEN, None);
    assert_eq!(held(&mut life), [false; 0], "Anna speaks");
    let (voice, error) = (annas, None);
    life.fact(ANNA, HandsFreeFact::VoiceEnded { voice, error });
    assert_eq!(held(&mut life), [false]);
    life.voice(ANNA);
    life.fact(ANNA, HandsFreeFact::Ended { error: None });
    assert_eq!(held(&mut life), [true, false]);
}
