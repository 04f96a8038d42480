//! What is prepared before a voice comes, and let go when none does.

use super::*;

/// What is to be ready from now on, as codec and volume; nothing for what is not to be any more.
fn expected(life: &mut Life) -> Vec<(Address, Option<(VoiceCodec, u8)>)> {
    let orders = life.taken().into_iter();
    let expected = orders.filter_map(|action| match action {
        Action::HandsFree {
            phone,
            order: HandsFreeOrder::ExpectVoice { voice },
        } => Some((phone, voice.map(|it| (it.codec, it.volume.percent())))),
        _ => None,
    });
    expected.collect()
}

fn likely(life: &mut Life, codec: VoiceCodec) {
    life.fact(ANNA, HandsFreeFact::VoiceLikely { codec });
}

#[test]
fn while_a_call_comes_all_is_ready_for_its_voice_which_takes_it_over() {
    for state in [CallState::Incoming, CallState::Dialing, CallState::Alerting] {
        let mut life = Life::with_two_callers();
        likely(&mut life, VoiceCodec::Msbc);
        life.fact(ANNA, HandsFreeFact::SpeakerVolume { steps: 6 });
        assert_eq!(expected(&mut life), []);
        life.calls(ANNA, &[(1, state)]);
        let ready = Some((VoiceCodec::Msbc, 40));
        assert_eq!(expected(&mut life), [(ANNA, ready)]);
        let codec = VoiceCodec::Msbc;
        life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
        life.calls(ANNA, &[(1, CallState::Active)]);
        life.voice(ANNA);
        life.voice_ends(ANNA, None);
        life.calls(ANNA, &[]);
        assert_eq!(expected(&mut life), []);
    }
}

/// Says whether the voice that is expected has only so long to come, from now on.
fn limited(life: &Life) -> bool {
    life.orders.iter().any(|action| {
        matches!(
            action,
            Action::ArmTimer {
                timer: Timer::VoiceComes,
                ..
            }
        )
    })
}

fn late(life: &mut Life) {
    let timer = Timer::VoiceComes;
    life.tell(Event::TimerFired { timer });
}

#[test]
fn what_no_voice_came_of_is_let_go() {
    for answered in [false, true] {
        let mut life = Life::with_two_callers();
        life.calls(ANNA, &[(1, CallState::Incoming)]);
        assert_eq!(expected(&mut life).len(), 1);
        if answered {
            life.calls(ANNA, &[(1, CallState::Active)]);
            assert_eq!(expected(&mut life), [], "the voice may follow");
        }
        life.fact(ANNA, HandsFreeFact::Ended { error: None });
        assert_eq!(expected(&mut life), [(ANNA, None)]);
    }
}

#[test]
fn a_moment_without_a_call_lets_nothing_go() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.orders.clear();
    life.calls(ANNA, &[]);
    assert!(limited(&life));
    life.calls(ANNA, &[(1, CallState::Active)]);
    assert_eq!(
        expected(&mut life),
        [],
        "its end was told before its answer"
    );
    life.calls(ANNA, &[]);
    late(&mut life);
    assert_eq!(expected(&mut life), [(ANNA, None)], "it is over");
}

#[test]
fn a_voice_has_only_so_long_to_come_once_nothing_rings_any_more() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    assert!(!limited(&life));
    late(&mut life);
    assert_eq!(expected(&mut life).len(), 1, "it rings on");
    life.calls(ANNA, &[(1, CallState::Active)]);
    assert!(limited(&life));
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::SpeakerVolume { steps: 3 });
    assert!(!limited(&life), "it runs already");
    late(&mut life);
    assert_eq!(expected(&mut life), [(ANNA, None)], "it stays on the phone");
    life.calls(ANNA, &[(1, CallState::Active), (2, CallState::Waiting)]);
    assert_eq!(expected(&mut life).len(), 1);
    life.calls(ANNA, &[(1, CallState::Active)]);
    assert!(limited(&life));
}

#[test]
fn a_codec_that_is_chosen_without_a_call_is_waited_for_as_long() {
    for fails_before in [false, true] {
        let mut life = Life::with_two_callers();
        if fails_before {
            life.calls(ANNA, &[(1, CallState::Active)]);
            let codec = VoiceCodec::Msbc;
            life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
            life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
            life.voice_ends(ANNA, Some("no"));
            life.calls(ANNA, &[]);
        }
        life.orders.clear();
        let codec = VoiceCodec::Cvsd;
        life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
        assert!(limited(&life));
        assert_eq!(expected(&mut life), [(ANNA, Some((codec, 60)))]);
        late(&mut life);
        assert_eq!(expected(&mut life), [(ANNA, None)]);
    }
}

#[test]
fn a_stream_that_cannot_even_rest_is_not_told_before_there_is_something_to_hear() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    let unheard = || HandsFreeFact::VoiceUnheard { error: "no".into() };
    let told = |life: &mut Life| {
        let stories = life.stories();
        let failed = |story: &Story| matches!(story, Story::VoiceFailed { .. });
        stories.iter().any(failed)
    };
    life.orders.clear();
    life.fact(ANNA, unheard());
    assert!(!told(&mut life));
    life.voice(ANNA);
    life.orders.clear();
    life.fact(ANNA, unheard());
    assert!(told(&mut life));
}

#[test]
fn what_is_ready_is_as_loud_as_calls_are_by_now() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::SpeakerVolume { steps: 3 });
    let volume = Volume::new(20).unwrap();
    let order = HandsFreeOrder::SetVoiceVolume { volume };
    assert_eq!(life.hands_free_orders(), [(ANNA, order)]);
}

#[test]
fn the_room_is_ready_for_what_the_phone_chose() {
    let mut life = Life::with_two_callers();
    likely(&mut life, VoiceCodec::Msbc);
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.orders.clear();
    for codec in [VoiceCodec::Lc3Swb, VoiceCodec::Cvsd] {
        life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
        assert_eq!(expected(&mut life), [(ANNA, Some((codec, 60)))]);
    }
    life.fact(ANNA, HandsFreeFact::Ended { error: None });
    life.fact(ANNA, HandsFreeFact::Ready);
    likely(&mut life, VoiceCodec::Msbc);
    life.orders.clear();
    life.calls(ANNA, &[(2, CallState::Incoming)]);
    let last = Some((VoiceCodec::Cvsd, 60));
    assert_eq!(expected(&mut life), [(ANNA, last)], "it may do so again");
}

#[test]
fn a_codec_that_was_left_over_or_cannot_be_carried_is_not_the_next_one() {
    let again = |life: &mut Life, guess| {
        life.fact(ANNA, HandsFreeFact::Ended { error: None });
        life.fact(ANNA, HandsFreeFact::Ready);
        likely(life, guess);
        life.orders.clear();
        life.calls(ANNA, &[(2, CallState::Incoming)]);
        expected(life)[0].1.unwrap().0
    };
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Active)]);
    let codec = VoiceCodec::Msbc;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
    life.voice_ends(ANNA, Some("no sound"));
    let codec = VoiceCodec::Cvsd;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    assert_eq!(again(&mut life, VoiceCodec::Msbc), VoiceCodec::Msbc);
    let codec = VoiceCodec::Lc3Swb;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    assert_eq!(again(&mut life, VoiceCodec::Msbc), VoiceCodec::Lc3Swb);
    assert_eq!(again(&mut life, VoiceCodec::Cvsd), VoiceCodec::Cvsd);
}

#[test]
fn a_call_on_the_phones_own_earpiece_needs_nothing_until_it_is_brought_here() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Active)]);
    life.calls(ANNA, &[(1, CallState::Held)]);
    life.calls(ANNA, &[(1, CallState::Active)]);
    assert_eq!(expected(&mut life), []);
    let codec = VoiceCodec::Msbc;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    assert_eq!(expected(&mut life), [(ANNA, Some((codec, 60)))]);
    life.voice(ANNA);
    life.voice_ends(ANNA, None);
    life.calls(ANNA, &[(1, CallState::Active)]);
    assert_eq!(expected(&mut life), [], "it was taken back");
}

#[test]
fn a_codec_told_while_a_voice_is_up_prepares_nothing() {
    let mut life = Life::with_two_callers();
    life.voice(ANNA);
    let codec = VoiceCodec::Msbc;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    life.voice_ends(ANNA, None);
    assert_eq!(expected(&mut life), []);
}

#[test]
fn pipewire_that_comes_back_is_made_ready_again() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.tell(Event::AudioLost);
    life.orders.clear();
    life.tell(Event::AudioFound {
        output: Some("Speakers".into()),
    });
    let ready = Some((VoiceCodec::Cvsd, 60));
    assert_eq!(expected(&mut life), [(ANNA, ready)]);
}

/// Turns the knob to the end; returns whose call it meant, and whose music.
fn whose_volume(life: &mut Life) -> (Vec<Address>, Vec<Address>) {
    let before = life.policy.memory().phones.clone();
    life.ask(Request::StepVolume {
        phone: None,
        steps: 100,
    });
    let pairs = before.iter().zip(&life.policy.memory().phones);
    let changed = |other: &dyn Fn(&TrustedPhone, &TrustedPhone) -> bool| -> Vec<Address> {
        let changed = pairs.clone().filter(|(before, after)| other(before, after));
        changed.map(|(before, _)| before.address).collect()
    };
    (
        changed(&|before, after| before.call_volume != after.call_volume),
        changed(&|before, after| before.volume != after.volume),
    )
}

#[test]
fn whoever_turns_the_knob_before_the_voice_is_there_means_the_call() {
    for states in [
        vec![CallState::Incoming],
        vec![CallState::Incoming, CallState::Active],
    ] {
        let mut life = Life::with_two_callers();
        for state in states {
            life.calls(ANNA, &[(1, state)]);
        }
        life.orders.clear();
        assert_eq!(whose_volume(&mut life), (vec![ANNA], vec![]));
        let volume = Volume::MAX;
        assert_eq!(
            life.hands_free_orders(),
            [
                (ANNA, HandsFreeOrder::SetVoiceVolume { volume }),
                (ANNA, command(CallCommand::SpeakerVolume { steps: 15 })),
            ]
        );
    }
}

#[test]
fn whoever_turns_the_knob_means_what_is_heard() {
    // A call that is heard, and not one that rings meanwhile.
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Active)]).voice(ANNA);
    life.calls(BEN, &[(1, CallState::Incoming)]);
    assert_eq!(whose_volume(&mut life), (vec![ANNA], vec![]));
    // Music that goes on while another phone dials at somebody's ear.
    let mut life = Life::with_two_callers();
    life.music(BEN);
    life.calls(ANNA, &[(1, CallState::Dialing)]);
    assert_eq!(whose_volume(&mut life), (vec![], vec![BEN]));
    // Music that a call silences is not.
    let mut life = Life::with_two_callers();
    life.music(BEN);
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    assert_eq!(whose_volume(&mut life), (vec![ANNA], vec![]));
}
