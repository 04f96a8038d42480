//! Who is heard when several phones play.

mod calls;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::calls::facts::{Call, CallId, CallState, Direction};
use crate::policy::model::{PhoneChoice, TakeoverRule};
use crate::policy::player::PlayerCommand;

pub(super) const CARA: Address = Address::new([0xF0, 0, 0, 0, 0, 3]);

impl Life {
    /// A life in which three phones are connected.
    pub(super) fn with_a_family() -> Self {
        let family = [(ANNA, "Anna"), (BEN, "Ben"), (CARA, "Cara")];
        let mut life = Self::new(Memory {
            phones: family.map(|(phone, name)| trusted(phone, name)).into(),
            ..Memory::default()
        });
        life.tell(Event::AdapterSeen(adapter()));
        life.tell(Event::InventoryTaken {
            phones: family.map(|(phone, name)| bonded(phone, name)).into(),
        });
        life.orders.clear();
        life
    }

    pub(super) fn becomes(&mut self, transport: &TransportId, state: TransportState) -> &mut Self {
        let transport = transport.clone();
        self.tell(Event::TransportChanged { transport, state })
    }

    pub(super) fn stops(&mut self, transport: &TransportId) -> &mut Self {
        self.becomes(transport, TransportState::Idle)
    }

    pub(super) fn plays_again(&mut self, transport: &TransportId) -> &mut Self {
        self.becomes(transport, TransportState::Pending)
    }

    pub(super) fn presses(&mut self, phone: Address, plays: bool) -> &mut Self {
        let player = playing(plays);
        self.tell(Event::PlayerSeen { phone, player })
    }

    pub(super) fn turn_is_settled(&mut self) -> &mut Self {
        let timer = Timer::TurnSettled;
        self.tell(Event::TimerFired { timer })
    }

    /// Whose music people are told to hear.
    pub(super) fn who_plays(&self) -> Vec<Address> {
        let phones = self.policy.snapshot().phones.into_iter();
        let playing = phones.filter(|phone| phone.stream.is_some());
        playing.map(|phone| phone.address).collect()
    }

    pub(super) fn speaker_is_free(&mut self) -> &mut Self {
        let timer = Timer::SpeakerFree;
        self.tell(Event::TimerFired { timer })
    }

    /// What was ordered about who is heard, and who is to pause.
    pub(super) fn turns(&mut self) -> Vec<Action> {
        let turns = |action: &Action| {
            matches!(
                action,
                Action::Stream(StreamAction::Hush { .. })
                    | Action::Radio(RadioAction::Player { .. })
            )
        };
        self.taken().into_iter().filter(turns).collect()
    }

    pub(super) fn calls_come(&mut self, phone: Address) {
        let fact = HandsFreeFact::Ready;
        self.tell(Event::HandsFree { phone, fact });
    }

    /// Cara's call ends, and it has been quiet for long enough.
    pub(super) fn call_is_over(&mut self) {
        self.rings(CARA, 0);
        let timer = Timer::MusicReturns;
        self.tell(Event::TimerFired { timer });
    }

    pub(super) fn rings(&mut self, phone: Address, calls: u32) -> &mut Self {
        let calls = (0..calls).map(ringing).collect();
        self.tell(Event::HandsFree {
            phone,
            fact: HandsFreeFact::Calls { calls },
        })
    }
}

pub(super) fn ringing(id: u32) -> Call {
    Call {
        id: CallId(id),
        direction: Direction::Incoming,
        state: CallState::Incoming,
        number: String::new(),
        name: None,
        multiparty: false,
    }
}

pub(super) fn hush(transport: &TransportId, on: bool) -> Action {
    let transport = transport.clone();
    Action::Stream(StreamAction::Hush { transport, on })
}

pub(super) fn player(phone: Address, command: PlayerCommand) -> Action {
    Action::Radio(RadioAction::Player { phone, command })
}

pub(super) fn pause(phone: Address) -> Action {
    player(phone, PlayerCommand::Pause)
}

#[test]
fn whoever_plays_last_is_heard_and_the_one_before_is_asked_to_pause() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    assert_eq!(life.turns(), [], "nobody else plays");
    let ben = life.music(BEN);
    assert_eq!(life.turns(), [hush(&anna, true)]);
    assert_eq!(life.who_plays(), [BEN]);
    life.turn_is_settled();
    assert_eq!(life.turns(), [pause(ANNA)]);
    life.turn_is_settled();
    assert_eq!(life.turns(), [], "once");
    life.stops(&anna);
    assert_eq!(life.turns(), [], "it may still fade out");
    life.plays_again(&anna);
    assert_eq!(life.turns(), [hush(&ben, true), hush(&anna, false)]);
    life.turn_is_settled();
    assert_eq!(life.turns(), [pause(BEN)]);
}

#[test]
fn a_ping_is_heard_alone_and_pauses_nobody() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    let ben = life.music(BEN);
    life.orders.clear();
    life.stops(&ben);
    assert_eq!(life.turns(), [hush(&anna, false)], "at once");
    life.turn_is_settled();
    assert_eq!(life.turns(), []);
}

#[test]
fn a_phone_whose_stream_stayed_open_takes_the_speaker_back_by_its_play_button() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.presses(ANNA, true);
    assert_eq!(life.turns(), [], "it is heard already");
    let ben = life.music(BEN);
    life.turn_is_settled();
    life.orders.clear();
    life.presses(CARA, true);
    life.presses(ANNA, true);
    assert_eq!(life.turns(), [], "nothing has changed");
    life.presses(ANNA, false);
    life.presses(ANNA, true);
    let taken = [hush(&ben, true), hush(&anna, false), pause(BEN)];
    assert_eq!(life.turns(), taken);
    life.presses(BEN, true);
    let back = [hush(&anna, true), hush(&ben, false), pause(ANNA)];
    assert_eq!(life.turns(), back);
}

#[test]
fn a_phone_that_was_asked_to_pause_does_not_take_over_with_its_next_track() {
    for (asked, pause, taken) in [(0, 0, true), (30, 0, false), (30, 5, true)] {
        let mut life = Life::with_a_family();
        life.music(ANNA);
        life.presses(ANNA, true);
        life.wait(60).music(BEN);
        life.presses(BEN, true);
        life.wait(asked).presses(ANNA, false);
        life.wait(pause).presses(ANNA, true);
        let heard = if taken { ANNA } else { BEN };
        assert_eq!(
            life.policy.takeover.heard(),
            Some(heard),
            "{asked} s, {pause} s"
        );
    }
}

#[test]
fn a_player_that_plays_is_no_ping() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.presses(BEN, true);
    let ben = life.music(BEN);
    assert_eq!(
        life.turns(),
        [hush(&anna, true), pause(ANNA)],
        "told before"
    );
    life.stops(&ben);
    life.presses(BEN, false);
    life.stops(&anna);
    life.plays_again(&anna);
    life.plays_again(&ben);
    life.orders.clear();
    life.presses(BEN, true);
    assert_eq!(life.turns(), [pause(ANNA)], "told after");
    life.tell(Event::PhoneGone { phone: BEN });
    life.tell(Event::PhoneSeen(bonded(BEN, "Ben")));
    life.stops(&ben);
    life.orders.clear();
    life.plays_again(&ben);
    assert!(
        !life.turns().contains(&pause(ANNA)),
        "it may have paused meanwhile"
    );
}

#[test]
fn a_phone_that_does_not_obey_is_heard_when_the_speaker_is_free() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    let ben = life.music(BEN);
    let cara = life.music(CARA);
    life.turn_is_settled();
    let asked = [hush(&anna, true), hush(&ben, true), pause(ANNA), pause(BEN)];
    assert_eq!(life.turns(), asked, "each once");
    life.stops(&cara);
    assert_eq!(life.turns(), [], "it may be between two pieces");
    life.plays_again(&cara);
    assert_eq!(life.turns(), []);
    life.speaker_is_free();
    assert_eq!(life.turns(), [], "the timer was late");
    life.stops(&cara);
    life.orders.clear();
    assert_eq!(life.who_plays(), []);
    life.speaker_is_free();
    assert_eq!(life.turns(), [hush(&ben, false)], "the latest first");
    life.plays_again(&cara);
    life.turn_is_settled();
    assert_eq!(life.turns(), [hush(&ben, true), pause(BEN)], "once a turn");
    life.stops(&cara);
    life.tell(Event::TransportClosed { transport: ben });
    life.orders.clear();
    life.speaker_is_free();
    assert_eq!(life.turns(), [hush(&anna, false)]);
}

#[test]
fn a_player_that_has_paused_has_more_time_for_pings() {
    let waits = |life: &Life| {
        let armed = life.orders.iter().filter_map(|action| match action {
            Action::ArmTimer {
                timer: Timer::TurnSettled,
                after,
            } => Some(after.as_secs()),
            _ => None,
        });
        armed.collect::<Vec<_>>()
    };
    let mut life = Life::with_a_family();
    life.music(ANNA);
    let ben = life.music(BEN);
    assert_eq!(waits(&life), [6]);
    life.stops(&ben);
    life.presses(BEN, false);
    life.orders.clear();
    life.plays_again(&ben);
    assert_eq!(waits(&life), [30]);
}

#[test]
fn a_transport_that_is_no_more_leaves_nothing_behind() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.music(BEN);
    life.tell(Event::TransportClosed { transport: anna });
    life.orders.clear();
    life.music(ANNA);
    let turns = life.turns();
    assert_eq!(turns.len(), 1, "only Ben is hushed: {turns:?}");
}

#[test]
fn music_that_comes_back_with_pipewire_does_not_take_over() {
    let mut life = Life::with_a_family();
    life.music(ANNA);
    life.music(BEN);
    life.tell(Event::AudioLost);
    life.orders.clear();
    life.tell(Event::AudioFound {
        output: Some("Speakers".into()),
    });
    assert_eq!(life.turns(), []);
}

#[test]
fn a_knob_turns_whoever_is_heard() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.music(BEN);
    let volume = Volume::new(30).unwrap();
    let phone = None;
    life.ask(Request::SetVolume { phone, volume });
    let volumes = life.policy.volumes();
    let of = |phone| volumes.iter().find(|it| it.0 == phone).unwrap().1;
    assert_eq!((of(ANNA).percent(), of(BEN).percent()), (60, 30));
    life.stops(&anna);
    life.stops(&TransportId(format!("/{BEN}/fd0")));
    life.ask(Request::SetVolume { phone, volume });
    assert!(life.policy.volumes().iter().all(|it| it.1 == volume));
}

/// What three phones may do.
fn step() -> impl Strategy<Value = Event> {
    let transport = || {
        prop::sample::select(vec![ANNA, BEN, CARA])
            .prop_map(|phone| TransportId(format!("/{phone}/fd0")))
    };
    let state = prop_oneof![Just(TransportState::Idle), Just(TransportState::Pending)];
    let timer = prop_oneof![
        Just(Timer::SpeakerFree),
        Just(Timer::TurnSettled),
        Just(Timer::MusicReturns)
    ];
    let output = prop_oneof![Just(None), Just(Some("Speakers".to_owned()))];
    let phone = prop::sample::select(vec![ANNA, BEN, CARA]);
    let calls = prop::collection::vec(Just(ringing(0)), 0..2);
    prop_oneof![
        8 => (transport(), state)
            .prop_map(|(transport, state)| Event::TransportChanged { transport, state }),
        1 => transport().prop_map(|transport| Event::TransportClosed { transport }),
        1 => transport().prop_map(|transport| opened(&transport)),
        1 => transport().prop_map(|transport| Event::StreamEnded { transport, error: None }),
        3 => timer.prop_map(|timer| Event::TimerFired { timer }),
        1 => output.prop_map(|output| Event::AudioFound { output }),
        1 => Just(Event::AudioLost),
        2 => (phone.clone(), any::<bool>())
            .prop_map(|(phone, plays)| Event::PlayerSeen { phone, player: playing(plays) }),
        2 => (phone, calls).prop_map(|(phone, calls)| Event::HandsFree {
            phone,
            fact: HandsFreeFact::Calls { calls },
        }),
    ]
}

fn opened(transport: &TransportId) -> Event {
    let mut family = [ANNA, BEN, CARA].into_iter();
    let phone = family.find(|phone| transport.0.contains(&phone.to_string()));
    Event::TransportOpened {
        transport: transport.clone(),
        phone: phone.unwrap(),
        format: StreamFormat::Sbc {
            rate: 44_100,
            mode: ChannelMode::JointStereo,
            max_bitpool: 53,
        },
    }
}

/// What the audio path was ordered.
#[derive(Default)]
struct Ordered {
    playing: BTreeSet<TransportId>,
    hushed: BTreeSet<TransportId>,
}

impl Ordered {
    fn take(&mut self, action: &Action) {
        match action {
            Action::Stream(StreamAction::Start { transport, .. }) => {
                self.playing.insert(transport.clone());
            }
            Action::Stream(StreamAction::Stop { transport }) => {
                self.playing.remove(transport);
            }
            Action::Stream(StreamAction::Release { transport }) => {
                self.hushed.remove(transport);
            }
            Action::Stream(StreamAction::Hush { transport, on }) => {
                let changed = if *on {
                    self.hushed.insert(transport.clone())
                } else {
                    self.hushed.remove(transport)
                };
                assert!(changed, "{action:?} is so already");
            }
            _ => {}
        }
    }

    fn heard(&self) -> usize {
        self.playing.difference(&self.hushed).count()
    }
}

proptest! {
    /// Of three phones one is heard at most; and when all is said, somebody is if anybody plays.
    #[test]
    fn one_is_heard(
        rule in prop::sample::select(vec![TakeoverRule::LastPlay, TakeoverRule::Hold]),
        important in prop::collection::vec(prop::sample::select(vec![ANNA, BEN, CARA]), 0..2),
        steps in prop::collection::vec((step(), 0_u64..8), 0..60),
    ) {
        let mut life = Life::with_a_family();
        life.policy.rules.takeover = rule;
        life.policy.rules.priority =
            important.into_iter().map(PhoneChoice::Addressed).collect();
        for phone in [ANNA, BEN, CARA] {
            life.music(phone);
            life.calls_come(phone);
        }
        let mut ordered = Ordered::default();
        let over = |phone| Event::HandsFree {
            phone,
            fact: HandsFreeFact::Calls { calls: Vec::new() },
        };
        let fired = |timer| Event::TimerFired { timer };
        let end = [ANNA, BEN, CARA].map(over).into_iter().chain([
            fired(Timer::MusicReturns),
            // Again, if it was for a ping that it waited.
            fired(Timer::MusicReturns),
            fired(Timer::SpeakerFree),
        ]);
        for (event, pause) in steps.into_iter().chain(end.map(|event| (event, 0))) {
            life.wait(pause).tell(event.clone());
            life.taken().iter().for_each(|action| ordered.take(action));
            prop_assert!(ordered.heard() <= 1, "after {event:?}");
        }
        prop_assert_eq!(ordered.heard(), ordered.playing.len().min(1));
    }
}

#[test]
fn a_player_that_has_only_just_come_and_plays_is_no_next_track() {
    let mut life = Life::with_a_family();
    life.policy.rules.takeover = TakeoverRule::Hold;
    life.music(BEN);
    life.presses(BEN, true).wait(60);
    life.music(ANNA);
    life.orders.clear();
    life.wait(1);
    for state in [PlayState::Unknown, PlayState::Playing] {
        let player = Player {
            state,
            ..Player::default()
        };
        life.tell(Event::PlayerSeen {
            phone: ANNA,
            player,
        });
    }
    assert!(life.turns().contains(&pause(ANNA)), "she is asked again");
}
