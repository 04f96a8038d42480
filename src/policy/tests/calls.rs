//! Who rings, who may speak, and what becomes of the music.

mod allowed;
mod answer;
mod auto_answer;
mod fallback;
mod ready;
mod ring;
mod voice;
mod wishes;

use super::*;
use crate::policy::calls::CallWish;
use crate::policy::calls::event::{HandsFreeFact, HandsFreeOrder, VoiceSpec};
use crate::policy::calls::facts::{
    Call, CallCommand, CallId, CallState, Direction, VoiceCodec, VoiceId,
};
use crate::policy::player::PlayerCommand;

impl Life {
    /// A life in which Anna and Ben are connected for calls.
    fn with_two_callers() -> Self {
        let phones = vec![trusted(ANNA, "Anna"), trusted(BEN, "Ben")];
        let mut life = Self::new(Memory {
            phones,
            ..Memory::default()
        });
        life.tell(Event::AdapterSeen(adapter()));
        life.tell(Event::InventoryTaken {
            phones: vec![bonded(ANNA, "Anna"), bonded(BEN, "Ben")],
        });
        life.fact(ANNA, HandsFreeFact::Ready);
        life.fact(BEN, HandsFreeFact::Ready);
        life.orders.clear();
        life
    }

    fn fact(&mut self, phone: Address, fact: HandsFreeFact) -> &mut Self {
        self.tell(Event::HandsFree { phone, fact })
    }

    fn calls(&mut self, phone: Address, calls: &[(u32, CallState)]) -> &mut Self {
        let calls = calls.iter().map(|(id, state)| call(*id, *state)).collect();
        self.fact(phone, HandsFreeFact::Calls { calls })
    }

    fn voice(&mut self, phone: Address) -> &mut Self {
        self.fact(phone, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
        let voice = self.last_voice();
        self.fact(phone, HandsFreeFact::VoiceUp { voice })
    }

    fn last_voice(&self) -> VoiceId {
        self.policy.calls.last_voice
    }

    /// The voice link that was ordered last ends.
    fn voice_ends(&mut self, phone: Address, error: Option<&str>) -> &mut Self {
        let (voice, error) = (self.last_voice(), error.map(str::to_owned));
        self.fact(phone, HandsFreeFact::VoiceEnded { voice, error })
    }

    fn wish(&mut self, phone: Option<Address>, wish: CallWish) -> &mut Self {
        self.ask(Request::Call { phone, wish })
    }

    /// But for those to be ready.
    fn hands_free_orders(&mut self) -> Vec<(Address, HandsFreeOrder)> {
        let orders = self.taken().into_iter();
        let ours = orders.filter_map(|action| match action {
            Action::HandsFree {
                order: HandsFreeOrder::ExpectVoice { .. },
                ..
            } => None,
            Action::HandsFree { phone, order } => Some((phone, order)),
            _ => None,
        });
        ours.collect()
    }

    /// What comes through the voice link of one of the phones, as clients see it.
    fn voice_shown(&self, phone: usize) -> Option<VoiceCodec> {
        let snapshot = self.policy.snapshot();
        snapshot.phones[phone].hands_free.as_ref().unwrap().voice
    }

    fn refusal(&mut self) -> RejectionKind {
        let orders = self.taken();
        let refused = orders.iter().find_map(|action| match action {
            Action::Reply { result, .. } => Some(result.as_ref().unwrap_err().kind),
            _ => None,
        });
        refused.expect("the question was answered")
    }
}

fn call(id: u32, state: CallState) -> Call {
    Call {
        id: CallId(id),
        direction: Direction::Incoming,
        state,
        number: "+493012345".into(),
        name: None,
        multiparty: false,
    }
}

fn command(command: CallCommand) -> HandsFreeOrder {
    let request = None;
    HandsFreeOrder::Command { request, command }
}

fn asked(life: &Life, command: CallCommand) -> HandsFreeOrder {
    let request = Some(RequestId(life.seconds));
    HandsFreeOrder::Command { request, command }
}

fn player(phone: Address, command: PlayerCommand) -> Action {
    Action::Radio(RadioAction::Player { phone, command })
}

fn hush(transport: &TransportId, on: bool) -> Action {
    let transport = transport.clone();
    Action::Stream(StreamAction::Hush { transport, on })
}

#[test]
fn a_phone_nobody_trusts_has_no_calls_here() {
    let mut life = Life::ready();
    life.tell(Event::PhoneSeen(stranger(ANNA, "Anna")));
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::Ready);
    assert_eq!(life.hands_free_orders(), [(ANNA, HandsFreeOrder::Close)]);
    let id = QuestionId(3);
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id });
    assert_eq!(
        life.hands_free_orders(),
        [(ANNA, HandsFreeOrder::RefuseVoice { id })]
    );
}

#[test]
fn a_voice_is_let_in_as_the_phone_chose_it_and_only_with_its_service_level() {
    let mut life = Life::with_two_callers();
    let codec = VoiceCodec::Msbc;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
    let orders = life.hands_free_orders();
    assert!(matches!(
        &orders[..],
        [(ANNA, HandsFreeOrder::LetVoiceIn { id: QuestionId(1), voice })]
            if voice.codec == codec && voice.name == "Anna" && !voice.muted
    ));
    let voice = life.last_voice();
    life.fact(ANNA, HandsFreeFact::VoiceUp { voice });
    assert_eq!(life.voice_shown(0), Some(codec));
    life.fact(ANNA, HandsFreeFact::Ended { error: None });
    assert_eq!(life.hands_free_orders(), [(ANNA, HandsFreeOrder::EndVoice)]);
    let id = QuestionId(2);
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id });
    assert_eq!(
        life.hands_free_orders(),
        [(ANNA, HandsFreeOrder::RefuseVoice { id })]
    );
}

#[test]
fn a_codec_that_does_not_come_up_is_given_up_once() {
    let mut life = Life::with_two_callers();
    let codec = VoiceCodec::Msbc;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
    life.orders.clear();
    life.voice_ends(ANNA, Some("no"));
    assert_eq!(
        life.hands_free_orders(),
        [
            (ANNA, HandsFreeOrder::EndVoice),
            (ANNA, command(CallCommand::VoiceFailed { codec })),
            (ANNA, command(CallCommand::OpenVoice)),
        ]
    );
    let codec = VoiceCodec::Cvsd;
    life.fact(ANNA, HandsFreeFact::CodecChosen { codec });
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(2) });
    life.orders.clear();
    life.voice_ends(ANNA, Some("no"));
    let end = [(ANNA, HandsFreeOrder::EndVoice)];
    assert_eq!(life.hands_free_orders(), end);
    life.voice(ANNA);
    life.orders.clear();
    life.voice_ends(ANNA, Some("no"));
    assert_eq!(life.hands_free_orders(), end, "one that was up is over");
}

#[test]
fn a_call_that_cannot_be_heard_is_shown_until_one_can() {
    let mut life = Life::with_two_callers();
    let shown = |life: &Life| life.policy.snapshot().voice_problem;
    let fail = |life: &mut Life, phone, codec| {
        life.fact(phone, HandsFreeFact::CodecChosen { codec });
        life.fact(phone, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
        life.orders.clear();
        life.voice_ends(phone, Some("no sound"));
        assert!(life.radio().contains(&RadioAction::RouteVoice));
    };
    fail(&mut life, ANNA, VoiceCodec::Lc3Swb);
    fail(&mut life, ANNA, VoiceCodec::Msbc);
    assert_eq!(shown(&life), None, "there is a codec left to try");
    fail(&mut life, ANNA, VoiceCodec::Cvsd);
    let problem = Some("no sound".to_owned());
    assert_eq!(shown(&life), problem);
    life.fact(ANNA, HandsFreeFact::Ended { error: None });
    assert_eq!(shown(&life), problem, "it is no better now");
    life.voice(BEN);
    assert_eq!(shown(&life), None);
    life.voice_ends(BEN, Some("broke off"));
    assert_eq!(shown(&life), None, "it was heard");
    fail(&mut life, BEN, VoiceCodec::Cvsd);
    life.tell(Event::AdapterSeen(AdapterFacts {
        powered: false,
        ..adapter()
    }));
    assert_eq!(shown(&life), None, "who knows, after a reset");
}

#[test]
fn a_controller_that_brings_a_voice_is_left_alone() {
    let mut life = Life::with_two_callers();
    let told = |life: &mut Life| life.radio().contains(&RadioAction::RouteVoice);
    let max_connected = |max_connected| {
        Event::ConfigLoaded(Rules {
            max_connected,
            ..Rules::default()
        })
    };
    life.voice(BEN);
    let bens = life.last_voice();
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(9) });
    life.orders.clear();
    life.voice_ends(ANNA, Some("no sound"));
    assert!(!told(&mut life), "Anna's voice failed for another reason");
    life.tell(max_connected(2));
    assert!(!told(&mut life), "the call goes on");
    let (voice, error) = (bens, None);
    life.fact(BEN, HandsFreeFact::VoiceEnded { voice, error });
    life.tell(max_connected(1));
    assert!(told(&mut life));
}

#[test]
fn a_word_that_comes_too_late_says_nothing_of_the_present_voice() {
    let mut life = Life::with_two_callers();
    life.voice(ANNA);
    let early = life.last_voice();
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(2) });
    assert!(early < life.last_voice());
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::VoiceUp { voice: early });
    assert_eq!(life.voice_shown(0), None, "the other one is not up yet");
    for error in [None, Some("late".to_owned())] {
        let voice = early;
        life.fact(ANNA, HandsFreeFact::VoiceEnded { voice, error });
    }
    assert_eq!(life.taken(), []);
    let voice = life.last_voice();
    life.fact(ANNA, HandsFreeFact::VoiceUp { voice });
    assert_eq!(life.voice_shown(0), Some(VoiceCodec::Cvsd));
    life.fact(BEN, HandsFreeFact::VoiceAsked { id: QuestionId(3) });
    life.fact(ANNA, HandsFreeFact::VoiceEnded { voice, error: None });
    assert_eq!(
        life.voice_shown(0),
        None,
        "another phone's is not a later one"
    );
}

#[test]
fn the_music_pauses_for_a_call_and_comes_back() {
    for (plays, asked) in [(BEN, true), (ANNA, false)] {
        let mut life = Life::with_two_callers();
        let music = life.music(plays);
        life.orders.clear();
        life.calls(ANNA, &[(1, CallState::Incoming)]);
        let orders = life.taken();
        assert!(orders.contains(&hush(&music, true)));
        // Anna's phone pauses for its own call by itself.
        let pause = player(plays, PlayerCommand::Pause);
        assert_eq!(orders.contains(&pause), asked);
        life.voice(ANNA).calls(ANNA, &[(1, CallState::Active)]);
        life.calls(ANNA, &[]);
        life.voice_ends(ANNA, None);
        let orders = life.taken();
        let timer = Timer::MusicReturns;
        assert!(
            orders
                .iter()
                .any(|it| matches!(it, Action::ArmTimer { timer: t, .. } if *t == timer))
        );
        assert!(!orders.contains(&hush(&music, false)));
        life.tell(Event::TimerFired { timer });
        let orders = life.taken();
        assert!(orders.contains(&hush(&music, false)));
        let play = player(plays, PlayerCommand::Play);
        assert_eq!(orders.contains(&play), asked);
        life.tell(Event::TimerFired { timer });
        assert_eq!(life.taken(), [], "once");
    }
}

#[test]
fn music_that_another_phone_silenced_is_not_told_of_a_call() {
    let mut life = Life::with_two_callers();
    let (annas, bens) = (life.music(ANNA), life.music(BEN));
    life.orders.clear();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    let orders = life.taken();
    assert!(orders.contains(&hush(&bens, true)) && !orders.contains(&hush(&annas, true)));
    life.calls(ANNA, &[]);
    life.orders.clear();
    let timer = Timer::MusicReturns;
    life.tell(Event::TimerFired { timer });
    let orders = life.taken();
    assert!(orders.contains(&hush(&bens, false)) && !orders.contains(&hush(&annas, false)));
}

#[test]
fn it_stays_quiet_between_the_answer_and_its_voice() {
    let mut life = Life::with_two_callers();
    let bens = life.music(BEN);
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.calls(ANNA, &[(1, CallState::Active)]);
    life.orders.clear();
    life.voice(ANNA);
    assert!(life.orders.contains(&Action::CancelTimer {
        timer: Timer::MusicReturns
    }));
    life.tell(Event::TimerFired {
        timer: Timer::MusicReturns,
    });
    assert!(!life.orders.contains(&hush(&bens, false)));
}

#[test]
fn music_that_begins_in_a_call_is_not_heard_and_one_that_ended_is_forgotten() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.orders.clear();
    let bens = life.music(BEN);
    assert!(life.orders.contains(&hush(&bens, true)));
    life.tell(Event::TransportClosed {
        transport: bens.clone(),
    });
    life.calls(ANNA, &[]);
    life.orders.clear();
    life.tell(Event::TimerFired {
        timer: Timer::MusicReturns,
    });
    assert!(!life.orders.contains(&hush(&bens, false)));
}

#[test]
fn a_phone_that_came_back_in_a_call_is_not_told_to_play() {
    let mut life = Life::with_two_callers();
    let bens = life.music(BEN);
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    assert!(life.orders.contains(&player(BEN, PlayerCommand::Pause)));
    life.tell(Event::TransportClosed { transport: bens });
    life.orders.clear();
    life.music(BEN);
    assert!(
        !life.orders.contains(&player(BEN, PlayerCommand::Pause)),
        "only not heard"
    );
    life.calls(ANNA, &[]);
    life.tell(Event::TimerFired {
        timer: Timer::MusicReturns,
    });
    assert!(!life.orders.contains(&player(BEN, PlayerCommand::Play)));
}

#[test]
fn the_ring_tone_comes_back_with_pipewire() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    life.orders.clear();
    life.tell(Event::AudioFound {
        output: Some("Speakers".into()),
    });
    let volume = Volume::new(50).unwrap();
    assert!(
        life.orders
            .contains(&Action::Sound(SoundAction::Ring { volume }))
    );
}

#[test]
fn a_ceiling_that_was_lowered_makes_no_call_louder_when_it_is_raised() {
    let mut life = Life::with_two_callers();
    life.voice(ANNA)
        .fact(ANNA, HandsFreeFact::SpeakerVolume { steps: 15 });
    let with_ceiling = |percent| {
        Event::ConfigLoaded(Rules {
            max_volume: Volume::new(percent).unwrap(),
            start_volume: Volume::new(20).unwrap(),
            ..Rules::default()
        })
    };
    life.tell(with_ceiling(40)).tell(with_ceiling(100));
    let volume = Volume::new(40);
    assert_eq!(life.policy.memory().phones[0].call_volume, volume);
}

#[test]
fn the_volume_of_calls_is_its_own_and_no_echo_goes_back() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Active)]).voice(ANNA);
    life.orders.clear();
    life.fact(ANNA, HandsFreeFact::SpeakerVolume { steps: 15 });
    let volume = Volume::MAX;
    assert_eq!(
        life.hands_free_orders(),
        [(ANNA, HandsFreeOrder::SetVoiceVolume { volume })]
    );
    life.fact(ANNA, HandsFreeFact::SpeakerVolume { steps: 15 });
    assert_eq!(life.taken(), []);
    let (phone, volume) = (None, Volume::new(20).unwrap());
    life.ask(Request::SetVolume { phone, volume });
    assert_eq!(
        life.hands_free_orders(),
        [
            (ANNA, HandsFreeOrder::SetVoiceVolume { volume }),
            (ANNA, command(CallCommand::SpeakerVolume { steps: 3 })),
        ]
    );
    let known = &life.policy.memory().phones[0];
    assert_eq!((known.call_volume, known.volume), (Some(volume), None));
}

#[test]
fn calls_are_fetched_when_the_music_comes_alone() {
    let mut life = Life::with_anna();
    life.music(ANNA);
    let timer = Timer::CallsPatience;
    life.orders.clear();
    life.tell(Event::TimerFired { timer });
    assert_eq!(
        life.radio(),
        [RadioAction::ConnectHandsFree { phone: ANNA }]
    );
    life.tell(Event::TimerFired { timer });
    assert_eq!(life.taken(), [], "once");
}

#[test]
fn each_turn_of_a_call_is_told_once() {
    let mut life = Life::with_two_callers();
    for states in [
        vec![(1, CallState::Incoming)],
        vec![(1, CallState::Incoming)],
        vec![(1, CallState::Active)],
        vec![(1, CallState::Held), (2, CallState::Waiting)],
        vec![(1, CallState::Active)],
        vec![],
    ] {
        life.calls(ANNA, &states).wait(5);
    }
    let told: Vec<String> = life.stories().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "+493012345 calls Anna",
            "Anna talks with +493012345",
            "+493012345 calls Anna",
            "the call of Anna with +493012345 is over",
            "the call of Anna with +493012345 is over",
        ]
    );
}

#[test]
fn echo_that_is_not_cancelled_is_shown_and_left_to_phones() {
    let mut life = Life::with_two_callers();
    let problem = Some("there is no canceller".to_owned());
    for (problem, works) in [(problem, false), (None, true)] {
        life.orders.clear();
        let shown = problem.clone();
        life.tell(Event::EchoCancelling { problem });
        let order = Action::Sound(SoundAction::ClaimCanceller { works });
        assert_eq!(life.orders, [order]);
        assert_eq!(life.policy.snapshot().microphone.echo_problem, shown);
    }
}

#[test]
fn a_muted_microphone_stays_so_and_calls_know() {
    let mut life = Life::with_two_callers();
    life.ask(Request::MuteMicrophone { muted: true });
    let muted = true;
    assert!(
        life.orders
            .contains(&Action::Sound(SoundAction::MuteMicrophone { muted }))
    );
    assert!(life.policy.memory().microphone_muted);
    life.orders.clear();
    life.ask(Request::MuteMicrophone { muted: true });
    assert!(
        matches!(life.taken()[..], [Action::Reply { .. }]),
        "no news"
    );
    life.fact(ANNA, HandsFreeFact::VoiceAsked { id: QuestionId(1) });
    assert!(matches!(
        &life.hands_free_orders()[..],
        [(ANNA, HandsFreeOrder::LetVoiceIn { voice, .. })] if voice.muted
    ));
}

#[test]
fn calls_that_are_not_wanted_any_more_are_let_go() {
    let mut life = Life::with_two_callers();
    let rules = Rules {
        calls: false,
        ..Rules::default()
    };
    life.tell(Event::ConfigLoaded(rules));
    assert!(life.orders.iter().any(|action| matches!(
        action,
        Action::Radio(RadioAction::UseAdapter {
            hands_free: false,
            ..
        })
    )));
    assert_eq!(
        life.hands_free_orders(),
        [(ANNA, HandsFreeOrder::Close), (BEN, HandsFreeOrder::Close)]
    );
}

#[test]
fn pipewire_that_comes_back_gets_the_voices_again() {
    let mut life = Life::with_two_callers();
    life.tell(Event::AudioFound {
        output: Some("Speakers".into()),
    });
    life.voice(ANNA);
    life.tell(Event::AudioLost);
    life.orders.clear();
    life.tell(Event::AudioFound {
        output: Some("Speakers".into()),
    });
    assert!(matches!(
        &life.hands_free_orders()[..],
        [(ANNA, HandsFreeOrder::PlayVoice { .. })]
    ));
}

#[test]
fn calls_whose_link_broke_are_fetched_once_more() {
    let mut life = Life::with_two_callers();
    let breaks = |life: &mut Life| {
        life.orders.clear();
        let error = Some("it does not answer".to_owned());
        life.fact(ANNA, HandsFreeFact::Ended { error });
        let timer = Timer::CallsPatience;
        life.tell(Event::TimerFired { timer });
        let fetched = RadioAction::ConnectHandsFree { phone: ANNA };
        let fetched = life.radio().contains(&fetched);
        life.fact(ANNA, HandsFreeFact::Ready);
        fetched
    };
    assert!(breaks(&mut life));
    assert!(!breaks(&mut life), "it cannot");
    for connected in [false, true] {
        life.tell(Event::PhoneSeen(PhoneFacts {
            connected,
            ..bonded(ANNA, "Anna")
        }));
    }
    life.fact(ANNA, HandsFreeFact::Ready);
    assert!(breaks(&mut life), "it has come anew");
}
