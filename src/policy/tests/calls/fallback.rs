//! What becomes of a call whose voice did not come up.

use super::*;

const CODEC: VoiceCodec = VoiceCodec::Msbc;

impl Life {
    /// A life in which Anna is in a call, and her voice was on its way up with mSBC.
    fn with_voice_under_way() -> Self {
        let mut life = Self::with_two_callers();
        life.calls(ANNA, &[(1, CallState::Active)]);
        life.fact(ANNA, HandsFreeFact::CodecChosen { codec: CODEC });
        life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
        life.orders.clear();
        life
    }

    fn voice_patience_is_over(&mut self) -> Vec<(Address, HandsFreeOrder)> {
        self.orders.clear();
        self.tell(Event::TimerFired {
            timer: Timer::VoiceReturns,
        });
        let waits = self.waits();
        let asked = self.hands_free_orders();
        assert_eq!(waits, !asked.is_empty());
        asked
    }

    fn waits(&self) -> bool {
        let armed = |order: &Action| {
            let timer = Timer::VoiceReturns;
            matches!(order, Action::ArmTimer { timer: other, .. } if *other == timer)
        };
        self.orders.iter().any(armed)
    }
}

/// The orders to ask for a plainer codec.
fn asked() -> [(Address, HandsFreeOrder); 2] {
    [
        (ANNA, command(CallCommand::VoiceFailed { codec: CODEC })),
        (ANNA, command(CallCommand::OpenVoice)),
    ]
}

#[test]
fn a_phone_that_brings_no_other_voice_is_asked_again_and_then_that_is_shown() {
    let mut life = Life::with_voice_under_way();
    life.voice_ends(ANNA, Some("no sound"));
    assert!(life.waits());
    assert_eq!(life.hands_free_orders()[1..], asked());
    assert_eq!(life.voice_patience_is_over(), asked());
    assert_eq!(life.policy.snapshot().voice_problem, None);
    assert_eq!(life.voice_patience_is_over(), []);
    let problem = Some("no sound".to_owned());
    assert_eq!(life.policy.snapshot().voice_problem, problem);
    assert_eq!(life.voice_patience_is_over(), []);
    life.voice(ANNA);
    assert_eq!(life.policy.snapshot().voice_problem, None);
}

#[test]
fn a_phone_that_gives_its_voice_up_and_brings_no_other_is_asked_for_a_plainer_one() {
    let mut life = Life::with_voice_under_way();
    life.voice_ends(ANNA, None);
    assert!(life.waits());
    let end = [(ANNA, HandsFreeOrder::EndVoice)];
    assert_eq!(life.hands_free_orders(), end, "it may be about to");
    assert_eq!(life.voice_patience_is_over(), asked());
    assert_eq!(life.voice_patience_is_over(), asked());
    assert_eq!(life.voice_patience_is_over(), []);
    assert!(life.policy.snapshot().voice_problem.is_some());
}

#[test]
fn a_phone_that_brings_another_voice_or_has_nothing_to_say_is_not_asked() {
    let ends: [fn(&mut Life); 5] = [
        |life| {
            life.voice(ANNA);
        },
        |life| {
            life.calls(ANNA, &[]);
        },
        |life| {
            life.calls(ANNA, &[(1, CallState::Held)]);
        },
        |life| {
            life.fact(ANNA, HandsFreeFact::Ended { error: None });
        },
        |life| {
            // One that always works has nothing to fall back to.
            let codec = VoiceCodec::Cvsd;
            life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
            life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(2) });
            life.voice_ends(ANNA, None);
        },
    ];
    for end in ends {
        for error in [None, Some("no sound")] {
            let mut life = Life::with_voice_under_way();
            life.voice_ends(ANNA, error);
            end(&mut life);
            assert_eq!(life.voice_patience_is_over(), []);
            assert_eq!(life.policy.snapshot().voice_problem, None);
        }
    }
}

#[test]
fn a_phone_that_chose_another_codec_meanwhile_is_given_the_time_to_open_it() {
    let mut life = Life::with_voice_under_way();
    let plain = VoiceCodec::Cvsd;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec: plain });
    life.voice_ends(ANNA, Some("no sound"));
    let end = [(ANNA, HandsFreeOrder::EndVoice)];
    assert_eq!(life.hands_free_orders(), end, "what failed was mSBC");
    assert_eq!(life.policy.snapshot().voice_problem, None);
    assert_eq!(life.voice_patience_is_over(), asked());
    life.voice(ANNA);
    assert_eq!(life.voice_shown(0), Some(plain));
}

#[test]
fn a_codec_for_the_next_voice_changes_nothing_about_this_one() {
    let mut life = Life::with_voice_under_way();
    let voice = life.last_voice();
    life.fact(ANNA, HandsFreeFact::VoiceUp { voice });
    let codec = VoiceCodec::Cvsd;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    assert_eq!(life.voice_shown(0), Some(CODEC));
}

#[test]
fn an_assistant_has_a_voice_without_a_call() {
    let mut life = Life::with_voice_under_way();
    life.calls(ANNA, &[]);
    life.fact(ANNA, HandsFreeFact::Assistant { on: true });
    life.voice_ends(ANNA, Some("no sound"));
    assert_eq!(life.voice_patience_is_over(), asked());
    life.fact(ANNA, HandsFreeFact::Assistant { on: false });
    assert_eq!(life.voice_patience_is_over(), []);
    assert_eq!(life.policy.snapshot().voice_problem, None);
}

#[test]
fn a_codec_that_was_chosen_and_not_used_is_given_up_as_well() {
    let late = |life: &mut Life| {
        life.orders.clear();
        let timer = Timer::VoiceComes;
        life.tell(Event::TimerFired { timer });
        let waits = life.waits();
        let orders = life.hands_free_orders();
        assert_eq!(waits, orders.contains(&asked()[1]));
        orders
    };
    let answered = |here: bool| {
        let mut life = Life::with_two_callers();
        life.calls(ANNA, &[(1, CallState::Incoming)]);
        if here {
            let wish = CallWish::Answer { end_others: false };
            life.ask(Request::Call { phone: None, wish });
        }
        life.fact(ANNA, HandsFreeFact::CodecChosen { codec: CODEC });
        life.calls(ANNA, &[(1, CallState::Active)]);
        life
    };
    let mut life = answered(true);
    assert!(late(&mut life).ends_with(&asked()));
    // The plainest one is all there is.
    let plain = VoiceCodec::Cvsd;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec: plain });
    life.voice_patience_is_over();
    life.voice_patience_is_over();
    assert!(life.policy.snapshot().voice_problem.is_some());
    life.voice(ANNA);
    assert_eq!(life.policy.snapshot().voice_problem, None);
    // At somebody's ear it is right where it is.
    assert!(!late(&mut answered(false)).contains(&asked()[1]));
    // Nor is a call that is over asked for.
    let mut life = answered(true);
    life.calls(ANNA, &[]);
    assert!(!late(&mut life).contains(&asked()[1]));
    assert_eq!(life.policy.snapshot().voice_problem, None);
}

#[test]
fn a_voice_that_stalls_is_shown_until_it_flows_or_ends() {
    let problem = || Some("nothing comes; bring the phone nearer".to_owned());
    let stalled = |life: &mut Life, problem| {
        let voice = life.policy.calls.last_voice;
        life.fact(ANNA, HandsFreeFact::VoiceStalled { voice, problem });
        life.policy.snapshot().voice_problem
    };
    let ends: [fn(&mut Life); 3] = [
        |life| {
            life.voice_ends(ANNA, None);
        },
        |life| {
            life.fact(ANNA, HandsFreeFact::Ended { error: None });
        },
        |life| {
            let voice = life.policy.calls.last_voice;
            let problem = None;
            life.fact(ANNA, HandsFreeFact::VoiceStalled { voice, problem });
        },
    ];
    for end in ends {
        let mut life = Life::with_two_callers();
        life.calls(ANNA, &[(1, CallState::Active)]).voice(ANNA);
        assert_eq!(stalled(&mut life, problem()), problem());
        end(&mut life);
        assert_eq!(life.policy.snapshot().voice_problem, None);
        assert_eq!(stalled(&mut Life::with_two_callers(), problem()), None);
        // One phone's trouble is not over with another's.
        let mut life = Life::with_two_callers();
        life.calls(ANNA, &[(1, CallState::Active)]).voice(ANNA);
        stalled(&mut life, problem());
        life.calls(BEN, &[(1, CallState::Active)]).voice(BEN);
        assert_eq!(life.policy.snapshot().voice_problem, problem());
    }
}

#[test]
fn a_voice_that_pipewire_refuses_is_shown_until_pipewire_is_back_or_the_voice_ends() {
    let problem = "PipeWire takes no stream".to_owned();
    for ends in [false, true] {
        let mut life = Life::with_voice_under_way();
        let error = problem.clone();
        life.fact(ANNA, HandsFreeFact::VoiceUnheard { error });
        let voice = life.policy.calls.last_voice;
        life.fact(ANNA, HandsFreeFact::VoiceUp { voice });
        let shown = life.policy.snapshot().voice_problem;
        assert_eq!(
            shown,
            Some(problem.clone()),
            "its packets come all the same"
        );
        if ends {
            life.voice_ends(ANNA, None);
        } else {
            let output = Some("Built-in Audio".to_owned());
            life.tell(Event::AudioFound { output });
        }
        assert_eq!(life.policy.snapshot().voice_problem, None);
    }
}
