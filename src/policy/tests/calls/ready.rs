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

#[test]
fn what_no_voice_came_of_is_let_go() {
    let calls = |calls| HandsFreeFact::Calls { calls };
    for over in [calls(Vec::new()), HandsFreeFact::Ended { error: None }] {
        for answered in [false, true] {
            let mut life = Life::with_two_callers();
            life.calls(ANNA, &[(1, CallState::Incoming)]);
            assert_eq!(expected(&mut life).len(), 1);
            if answered {
                life.calls(ANNA, &[(1, CallState::Active)]);
                assert_eq!(expected(&mut life), [], "the voice may follow");
            }
            life.fact(ANNA, over.clone());
            assert_eq!(expected(&mut life), [(ANNA, None)], "{over:?}");
        }
    }
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
    life.calls(ANNA, &[]);
    life.orders.clear();
    life.calls(ANNA, &[(2, CallState::Incoming)]);
    let last = Some((VoiceCodec::Cvsd, 60));
    assert_eq!(expected(&mut life), [(ANNA, last)], "it may do so again");
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
