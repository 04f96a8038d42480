//! What holds in every life, whatever happens in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::policy::calls::CallWish;
use crate::policy::calls::event::{HandsFreeFact, HandsFreeOrder};
use crate::policy::calls::facts::{Call, CallId, CallState, Direction, VoiceCodec, VoiceId};
use crate::policy::event::Parting;
use crate::policy::model::{CallPhones, PhoneChoice, TakeoverRule};
use crate::policy::player::PlayerCommand;
use crate::policy::snapshot::CallStatus;

fn phone() -> impl Strategy<Value = Address> {
    (1_u8..5).prop_map(|last| Address::new([0xF0, 0, 0, 0, 0, last]))
}

fn facts() -> impl Strategy<Value = PhoneFacts> {
    (phone(), any::<[bool; 4]>()).prop_map(|(address, [bonded, trusted, source, connected])| {
        PhoneFacts {
            address,
            name: format!("Phone {address}"),
            bonded,
            trusted,
            source,
            connected,
        }
    })
}

fn adapters() -> impl Strategy<Value = AdapterFacts> {
    (0..2, any::<[bool; 5]>()).prop_map(|(id, flags)| {
        let [powered, discoverable, pairable, wide_band, discovering] = flags;
        AdapterFacts {
            id: format!("hci{id}"),
            powered,
            discoverable,
            pairable,
            wide_band,
            discovering,
            ..adapter()
        }
    })
}

fn question() -> impl Strategy<Value = Question> {
    prop_oneof![
        Just(Question::Authorize),
        Just(Question::Confirm { passkey: 9 }),
        Just(Question::Secret),
        Just(service(MUSIC)),
        Just(service(KEYBOARD)),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let volume = || (0_u8..=100).prop_map(|percent| Volume::new(percent).unwrap());
    prop_oneof![
        (0_u64..4000).prop_map(|seconds| Request::OpenPairing {
            length: Some(Duration::from_secs(seconds))
        }),
        Just(Request::OpenPairing { length: None }),
        Just(Request::ClosePairing),
        phone().prop_map(|phone| Request::Connect { phone }),
        phone().prop_map(|phone| Request::Disconnect { phone }),
        phone().prop_map(|phone| Request::Forget { phone }),
        Just(Request::ForgetAll),
        (phone(), any::<bool>()).prop_map(|(phone, blocked)| Request::Block { phone, blocked }),
        phone().prop_map(|phone| Request::RenamePhone {
            phone,
            name: SpeakerName::new("Mum's").ok(),
        }),
        any::<bool>().prop_map(|muted| Request::Mute { muted }),
        proptest::option::of(phone()).prop_map(|phone| Request::PlayOrPause { phone }),
        (proptest::option::of(phone()), button())
            .prop_map(|(phone, command)| Request::Player { phone, command }),
        (phone(), preference())
            .prop_map(|(phone, preference)| Request::Prefer { phone, preference }),
        Just(Request::Rename {
            name: SpeakerName::new("Some name").ok()
        }),
        (proptest::option::of(phone()), volume())
            .prop_map(|(phone, volume)| Request::SetVolume { phone, volume }),
        (proptest::option::of(phone()), -100_i16..=100)
            .prop_map(|(phone, steps)| Request::StepVolume { phone, steps }),
        (proptest::option::of(phone()), wish())
            .prop_map(|(phone, wish)| Request::Call { phone, wish }),
    ]
}

fn button() -> impl Strategy<Value = PlayerCommand> {
    prop_oneof![
        Just(PlayerCommand::Play),
        Just(PlayerCommand::Pause),
        Just(PlayerCommand::Next),
    ]
}

fn takeover() -> impl Strategy<Value = TakeoverRule> {
    prop_oneof![
        Just(TakeoverRule::LastPlay),
        Just(TakeoverRule::Hold),
        Just(TakeoverRule::Refuse),
    ]
}

fn preference() -> impl Strategy<Value = Preference> {
    prop_oneof![
        Just(Preference::First),
        Just(Preference::Usual),
        Just(Preference::Last),
        Just(Preference::Never),
    ]
}

fn transport() -> impl Strategy<Value = (TransportId, Address)> {
    phone().prop_map(|phone| (TransportId(format!("/{phone}/fd0")), phone))
}

fn wish() -> impl Strategy<Value = CallWish> {
    prop_oneof![
        any::<bool>().prop_map(|end_others| CallWish::Answer { end_others }),
        Just(CallWish::Reject),
        Just(CallWish::HangUp { call: None }),
        (0..=100_u8).prop_map(|percent| CallWish::MicrophoneVolume {
            volume: Volume::new(percent).unwrap(),
        }),
        Just(CallWish::Redial),
        Just(CallWish::Swap),
        Just(CallWish::Transfer),
    ]
}

fn voice() -> impl Strategy<Value = VoiceId> {
    (0_u64..6).prop_map(VoiceId)
}

fn call_phones() -> impl Strategy<Value = CallPhones> {
    let choice = phone().prop_map(PhoneChoice::Addressed);
    prop_oneof![
        Just(CallPhones::All),
        proptest::collection::vec(choice, 1..4).prop_map(CallPhones::Only),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let auto_answer = proptest::option::of((1_u64..60).prop_map(Duration::from_secs));
    let volume = (0_u8..=100).prop_map(|percent| Volume::new(percent).unwrap());
    let priority = proptest::collection::vec(phone().prop_map(PhoneChoice::Addressed), 0..2);
    (volume, call_phones(), auto_answer, takeover(), priority).prop_map(
        |(volume, call_phones, auto_answer, takeover, priority)| Rules {
            max_volume: volume,
            start_volume: volume,
            call_phones,
            auto_answer,
            takeover,
            priority,
            ..Rules::default()
        },
    )
}

fn codec() -> impl Strategy<Value = VoiceCodec> {
    prop_oneof![
        Just(VoiceCodec::Cvsd),
        Just(VoiceCodec::Msbc),
        Just(VoiceCodec::Lc3Swb),
    ]
}

fn hands_free() -> impl Strategy<Value = HandsFreeFact> {
    let state = prop_oneof![
        Just(CallState::Incoming),
        Just(CallState::Waiting),
        Just(CallState::Dialing),
        Just(CallState::Alerting),
        Just(CallState::Active),
        Just(CallState::Held),
    ];
    let call = (0_u32..3, state).prop_map(|(id, state)| Call {
        id: CallId(id),
        direction: Direction::Incoming,
        state,
        number: String::new(),
        name: None,
        multiparty: false,
    });
    let request = (1_u64..60).prop_map(|id| Some(RequestId(id)));
    prop_oneof![
        3 => Just(HandsFreeFact::Ready),
        1 => Just(HandsFreeFact::Ended { error: None }),
        2 => proptest::collection::btree_map(0_u32..3, call, 0..3).prop_map(|calls| {
            let calls = calls.into_iter().map(|(id, call)| Call { id: CallId(id), ..call });
            HandsFreeFact::Calls { calls: calls.collect() }
        }),
        2 => any::<u64>().prop_map(|id| HandsFreeFact::VoiceAsked { id: QuestionId(id) }),
        1 => voice().prop_map(|voice| HandsFreeFact::VoiceUp { voice }),
        1 => (voice(), proptest::option::of(Just("no".to_owned())))
            .prop_map(|(voice, error)| HandsFreeFact::VoiceEnded { voice, error }),
        1 => any::<u8>().prop_map(|steps| HandsFreeFact::SpeakerVolume { steps }),
        1 => any::<u8>().prop_map(|steps| HandsFreeFact::MicrophoneVolume { steps }),
        1 => Just(HandsFreeFact::VoiceLeftToUs),
        1 => codec().prop_map(|codec| HandsFreeFact::VoiceLikely { codec }),
        2 => codec().prop_map(|codec| HandsFreeFact::CodecChosen { codec }),
        2 => request.prop_map(|request| HandsFreeFact::CommandEnded { request, result: Ok(()) }),
    ]
}

fn timer() -> impl Strategy<Value = Timer> {
    prop::sample::select(vec![
        Timer::PairingWindow,
        Timer::AdapterRetry,
        Timer::RefusalRetry,
        Timer::OutputPatience,
        Timer::UnreadServices,
        Timer::CallsPatience,
        Timer::MusicPatience,
        Timer::MusicReturns,
        Timer::AutoAnswer,
        Timer::SettingAside,
        Timer::VoiceReturns,
        Timer::VoiceComes,
        Timer::RingComes,
        Timer::SpeakerFree,
        Timer::TurnSettled,
        Timer::Reconnect,
    ])
}

fn event() -> impl Strategy<Value = Event> {
    let format = StreamFormat::Sbc {
        rate: 48_000,
        mode: ChannelMode::Stereo,
        max_bitpool: 53,
    };
    let state = prop_oneof![
        Just(TransportState::Idle),
        Just(TransportState::Pending),
        Just(TransportState::Active)
    ];
    prop_oneof![
        1 => Just(Event::BluetoothFound),
        1 => Just(Event::BluetoothLost),
        4 => adapters().prop_map(Event::AdapterSeen),
        1 => (0..2).prop_map(|id| Event::AdapterGone { id: format!("hci{id}") }),
        1 => proptest::collection::vec(facts(), 0..4)
            .prop_map(|phones| Event::InventoryTaken { phones }),
        4 => facts().prop_map(Event::PhoneSeen),
        1 => phone().prop_map(|phone| Event::PhoneGone { phone }),
        2 => (phone(), prop_oneof![Just(Parting::Lost), Just(Parting::Theirs)])
            .prop_map(|(phone, why)| Event::PhoneLeft { phone, why }),
        4 => (any::<u64>(), facts(), question()).prop_map(|(id, phone, question)| {
            Event::AgentAsked { id: QuestionId(id), phone, question }
        }),
        2 => transport().prop_map(move |(transport, phone)| Event::TransportOpened {
            transport, phone, format
        }),
        2 => (transport(), state).prop_map(|((transport, _), state)| Event::TransportChanged {
            transport, state
        }),
        1 => (transport(), any::<u8>()).prop_map(|((transport, _), avrcp)| {
            Event::TransportVolumeChanged { transport, avrcp }
        }),
        1 => transport().prop_map(|(transport, _)| Event::TransportClosed { transport }),
        1 => transport().prop_map(|(transport, _)| Event::StreamStarted { transport }),
        1 => transport().prop_map(|(transport, _)| Event::StreamEnded { transport, error: None }),
        1 => Just(Event::AudioFound { output: None }),
        1 => Just(Event::AudioLost),
        4 => request().prop_map(|request| Event::Requested { id: RequestId(0), request }),
        1 => (phone(), 0_u64..4).prop_map(|(phone, attempt)| Event::ConnectEnded {
            phone,
            attempt: AttemptId(attempt),
            error: None,
        }),
        1 => rules().prop_map(Event::ConfigLoaded),
        12 => timer().prop_map(|timer| Event::TimerFired { timer }),
        1 => (phone(), any::<bool>())
            .prop_map(|(phone, plays)| Event::PlayerSeen { phone, player: playing(plays) }),
        1 => phone().prop_map(|phone| Event::PlayerGone { phone }),
        6 => (phone(), hands_free()).prop_map(|(phone, fact)| Event::HandsFree { phone, fact }),
        1 => (0..2).prop_map(|id| Event::AdapterRefused {
            id: format!("hci{id}"),
            error: "no".into(),
        }),
    ]
}

/// What an observer of events and actions alone can hold the policy to.
#[derive(Default)]
pub(super) struct Observer {
    asked: u64,
    replied: Vec<RequestId>,
    /// The attempts to connect a phone.
    attempts: Vec<(Address, AttemptId)>,
    /// What the radio was last told.
    window_ordered: bool,
    /// The streams that the audio path has made and not let go.
    streams: BTreeSet<TransportId>,
    /// Those that play, and those that are not heard whatever they do; each phone has one.
    playing: BTreeSet<TransportId>,
    hushed: BTreeSet<TransportId>,
    /// The phones that have a voice link, or wait for one.
    voices: BTreeSet<Address>,
    /// Those that are ready for a voice.
    expected: BTreeSet<Address>,
    /// The phones that owe an answer to a client.
    owing: BTreeSet<(Address, RequestId)>,
}

impl Observer {
    pub(super) fn check(
        &mut self,
        life: &Life,
        event: &Event,
        trusted_before: &[Address],
        orders: &[Action],
    ) {
        let policy = &life.policy;
        for action in orders {
            match action {
                Action::Reply { id, .. } => {
                    self.replied.push(*id);
                    self.owing.retain(|(_, owed)| owed != id);
                }
                Action::Radio(order) => self.check_radio(policy, event, order),
                Action::Stream(order) => self.check_stream(order, policy.rules.max_volume),
                Action::HandsFree { phone, order } => self.check_phone(policy, *phone, order),
                _ => {}
            }
        }
        if let Event::TransportClosed { transport } = event {
            assert!(!self.streams.contains(transport), "{transport:?} is left");
        }
        if !policy.pairing.is_open() {
            assert!(
                !self.window_ordered || policy.radio.on().is_none(),
                "after {event:?}"
            );
        }
        if let Event::TimerFired {
            timer: Timer::VoiceComes,
        } = event
        {
            self.check_nothing_is_expected_for_nothing(policy);
        }
        let heard = self.playing.difference(&self.hushed).count();
        assert!(heard <= 1, "{heard} are heard after {event:?}");
        check_trust(policy, event, trusted_before);
        check_what_is_shown(policy);
        self.check_calls(policy);
    }

    fn check_radio(&mut self, policy: &Policy, event: &Event, order: &RadioAction) {
        match order {
            RadioAction::Connect { phone, attempt, .. } => {
                self.attempts.push((*phone, *attempt));
                check_call(policy, event, *phone);
            }
            RadioAction::OpenWindow { .. } => self.window_ordered = true,
            RadioAction::CloseWindow
            | RadioAction::CloseOldWindow
            | RadioAction::UseAdapter { .. } => self.window_ordered = false,
            RadioAction::AnswerAgent { allow: true, .. } => {
                let Event::AgentAsked {
                    phone, question, ..
                } = event
                else {
                    panic!("an answer without a question")
                };
                if let Question::Service { uuid } = question {
                    assert!(phone.bonded && uuid != KEYBOARD && policy.is_trusted(phone.address));
                } else {
                    assert!(policy.pairing.is_open());
                }
            }
            RadioAction::RouteVoice => {
                assert!(policy.rules.calls && policy.radio.on().is_some());
            }
            _ => {}
        }
    }

    fn check_phone(&mut self, policy: &Policy, phone: Address, order: &HandsFreeOrder) {
        match order {
            HandsFreeOrder::LetVoiceIn { voice, .. } | HandsFreeOrder::OpenVoice { voice } => {
                assert!(policy.is_trusted(phone) && voice.volume <= policy.rules.max_volume);
                assert!(policy.hands_free_status(phone).is_some());
                self.voices.insert(phone);
                self.expected.remove(&phone);
            }
            HandsFreeOrder::ExpectVoice { voice: None } => {
                self.expected.remove(&phone);
            }
            HandsFreeOrder::ExpectVoice { voice: Some(voice) } => {
                assert!(policy.is_trusted(phone) && voice.volume <= policy.rules.max_volume);
                assert!(!self.voices.contains(&phone));
                self.expected.insert(phone);
            }
            HandsFreeOrder::EndVoice => {
                assert!(
                    !self.expected.contains(&phone),
                    "it would end what is prepared"
                );
                self.voices.remove(&phone);
            }
            HandsFreeOrder::Command { request, .. } => {
                self.owing.extend(request.map(|id| (phone, id)));
            }
            _ => {}
        }
    }

    /// Whatever still rests when a voice has had its time is for a call that is being made or rings.
    fn check_nothing_is_expected_for_nothing(&self, policy: &Policy) {
        for phone in &self.expected {
            let calls = policy.hands_free_status(*phone).unwrap().calls;
            assert!(calls.iter().any(|it| !it.call.state.is_established()));
        }
    }

    /// Everything is ready for who rings. Who may not use calls is connected for them only until
    /// those there were are over, and whoever asked for something is answered.
    fn check_calls(&self, policy: &Policy) {
        let linked = |phone: &Address| policy.hands_free_status(*phone).is_some();
        assert!(self.expected.iter().all(linked), "{:?}", self.expected);
        for phone in policy.snapshot().phones {
            let address = phone.address;
            let comes = |it: &CallStatus| !it.call.state.is_established();
            if phone
                .hands_free
                .as_ref()
                .is_some_and(|it| it.calls.iter().any(comes))
            {
                assert!(self.expected.contains(&address) || self.voices.contains(&address));
            }
            if let Some(hands_free) = phone.hands_free.filter(|_| !phone.calls_allowed) {
                let owes = self.owing.iter().any(|(who, _)| *who == address);
                let heard = self.voices.contains(&address);
                assert!(!hands_free.calls.is_empty() || heard || owes);
            }
        }
    }

    fn check_stream(&mut self, order: &StreamAction, loudest: Volume) {
        match order {
            StreamAction::Start { transport, .. } => {
                self.playing.insert(transport.clone());
            }
            StreamAction::Stop { transport } => {
                self.playing.remove(transport);
            }
            StreamAction::Hush {
                transport,
                on: true,
            } => assert!(self.hushed.insert(transport.clone()), "hushed twice"),
            StreamAction::Hush {
                transport,
                on: false,
            } => assert!(self.hushed.remove(transport), "not hushed at all"),
            StreamAction::Release { transport } => {
                self.hushed.remove(transport);
            }
            StreamAction::GiveBack { transport } => {
                assert!(!self.playing.contains(transport), "it is read");
            }
            StreamAction::Prepare { .. } | StreamAction::SetVolume { .. } => {}
        }
        match order {
            StreamAction::Prepare {
                transport, volume, ..
            }
            | StreamAction::Start {
                transport, volume, ..
            } => {
                assert!(*volume <= loudest);
                self.streams.insert(transport.clone());
            }
            StreamAction::SetVolume { volume, .. } => assert!(*volume <= loudest),
            StreamAction::Stop { .. }
            | StreamAction::Hush { .. }
            | StreamAction::GiveBack { .. } => {}
            StreamAction::Release { transport } => {
                assert!(
                    self.streams.remove(transport),
                    "released twice: {transport:?}"
                );
            }
        }
    }
}

/// Whoever is called unasked is trusted, did not leave on purpose, and is called when that disturbs
/// nobody.
fn check_call(policy: &Policy, event: &Event, phone: Address) {
    let known = policy.memory().phones.iter().find(|it| it.address == phone);
    let known = known.expect("only the trusted are called");
    if let Event::Requested {
        request: Request::Connect { .. },
        ..
    } = event
    {
        return;
    }
    assert!(!known.left && known.preference != Preference::Never);
    assert!(!policy.pairing.is_open() && policy.radio.on().is_some());
    let phones = policy.snapshot().phones;
    assert!(phones.iter().all(|it| it.stream.is_none()), "music plays");
    let mut calls = phones.iter().filter_map(|it| it.hands_free.as_ref());
    assert!(calls.all(|it| it.calls.is_empty() && it.voice.is_none()));
}

/// Nobody is trusted whom nothing explains, or who was forgotten.
fn check_trust(policy: &Policy, event: &Event, before: &[Address]) {
    for known in &policy.memory().phones {
        assert!(
            !policy.memory().forgotten.contains_key(&known.address),
            "after {event:?}"
        );
        let newcomer = !before.contains(&known.address);
        let explained = matches!(
            event,
            Event::PhoneSeen(_)
                | Event::AgentAsked { .. }
                | Event::TransportOpened { .. }
                | Event::InventoryTaken { .. }
                | Event::HandsFree { .. }
        );
        assert!(
            !newcomer || explained,
            "{event:?} made {} trusted",
            known.address
        );
    }
}

fn check_what_is_shown(policy: &Policy) {
    let snapshot = policy.snapshot();
    for phone in &snapshot.phones {
        assert!(phone.volume <= snapshot.max_volume);
        assert!(phone.trusted || phone.stream.is_none());
        assert!(phone.trusted || phone.hands_free.is_none());
    }
    let mut list: Vec<Address> = policy.memory().phones.iter().map(|p| p.address).collect();
    list.sort_unstable();
    list.dedup();
    assert_eq!(
        list.len(),
        policy.memory().phones.len(),
        "each phone is in the list once"
    );
}
proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn hold_in_every_life(steps in proptest::collection::vec((event(), 0_u64..40), 1..60)) {
        let mut life = Life::new(Memory::default());
        let mut observer = Observer::default();
        for (mut event, pause) in steps {
            life.wait(pause);
            if let Event::Requested { id, .. } = &mut event {
                observer.asked += 1;
                *id = RequestId(observer.asked);
            }
            let trusted: Vec<Address> =
                life.policy.memory().phones.iter().map(|known| known.address).collect();
            life.tell(event.clone());
            let orders = life.taken();
            observer.check(&life, &event, &trusted, &orders);
        }
        // Whoever still waits for a phone is answered when the call ends.
        for (phone, attempt) in observer.attempts {
            let error = None;
            life.tell(Event::ConnectEnded { phone, attempt, error });
        }
        for last in 1..5 {
            let phone = Address::new([0xF0, 0, 0, 0, 0, last]);
            let fact = HandsFreeFact::Ended { error: None };
            life.tell(Event::HandsFree { phone, fact });
        }
        let ended = life.taken();
        let late = ended.iter().filter_map(|action| match action {
            Action::Reply { id, .. } => Some(*id),
            _ => None,
        });
        observer.replied.extend(late);
        observer.replied.sort_unstable();
        let every: Vec<RequestId> = (1..=observer.asked).map(RequestId).collect();
        prop_assert_eq!(observer.replied, every, "every request is answered exactly once");
    }

    #[test]
    fn events_can_be_written_down_and_read_again(event in event()) {
        let text = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
