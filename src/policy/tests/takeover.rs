//! Who is heard when several phones play.

use super::*;
use crate::policy::action::PlayerCommand;
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::calls::facts::{Call, CallId, CallState, Direction};

const CARA: Address = Address::new([0xF0, 0, 0, 0, 0, 3]);

impl Life {
    /// A life in which three phones are connected.
    fn with_a_family() -> Self {
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

    fn becomes(&mut self, transport: &TransportId, state: TransportState) -> &mut Self {
        let transport = transport.clone();
        self.tell(Event::TransportChanged { transport, state })
    }

    fn stops(&mut self, transport: &TransportId) -> &mut Self {
        self.becomes(transport, TransportState::Idle)
    }

    fn plays_again(&mut self, transport: &TransportId) -> &mut Self {
        self.becomes(transport, TransportState::Pending)
    }

    fn speaker_is_free(&mut self) -> &mut Self {
        let timer = Timer::SpeakerFree;
        self.tell(Event::TimerFired { timer })
    }

    /// What was ordered about who is heard, and who is to pause.
    fn turns(&mut self) -> Vec<Action> {
        let turns = |action: &Action| {
            matches!(
                action,
                Action::Stream(StreamAction::Hush { .. })
                    | Action::Radio(RadioAction::Player { .. })
            )
        };
        self.taken().into_iter().filter(turns).collect()
    }

    fn rings(&mut self, phone: Address, calls: u32) -> &mut Self {
        let ringing = (0..calls).map(|id| Call {
            id: CallId(id),
            direction: Direction::Incoming,
            state: CallState::Incoming,
            number: String::new(),
            name: None,
            multiparty: false,
        });
        let calls = ringing.collect();
        self.tell(Event::HandsFree {
            phone,
            fact: HandsFreeFact::Calls { calls },
        })
    }
}

fn hush(transport: &TransportId, on: bool) -> Action {
    let transport = transport.clone();
    Action::Stream(StreamAction::Hush { transport, on })
}

fn player(phone: Address, command: PlayerCommand) -> Action {
    Action::Radio(RadioAction::Player { phone, command })
}

fn pause(phone: Address) -> Action {
    player(phone, PlayerCommand::Pause)
}

#[test]
fn whoever_plays_last_is_heard_and_the_one_before_is_asked_to_pause() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    assert_eq!(life.turns(), [], "nobody else plays");
    let ben = life.music(BEN);
    assert_eq!(life.turns(), [hush(&anna, true), pause(ANNA)]);
    life.stops(&anna);
    assert_eq!(life.turns(), [], "it may still fade out");
    life.plays_again(&anna);
    let turns = life.turns();
    for turn in [hush(&anna, false), hush(&ben, true), pause(BEN)] {
        assert!(turns.contains(&turn), "{turns:?}");
    }
    assert_eq!(turns.len(), 3);
}

#[test]
fn a_phone_that_does_not_obey_is_heard_when_the_speaker_is_free() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    let ben = life.music(BEN);
    let cara = life.music(CARA);
    let asked = [hush(&anna, true), pause(ANNA), hush(&ben, true), pause(BEN)];
    assert_eq!(life.turns(), asked, "each once");
    life.stops(&cara);
    assert_eq!(life.turns(), [], "it may be between two pieces");
    life.plays_again(&cara);
    assert_eq!(life.turns(), []);
    life.speaker_is_free();
    assert_eq!(life.turns(), [], "the timer was late");
    life.stops(&cara);
    life.orders.clear();
    life.speaker_is_free();
    assert_eq!(life.turns(), [hush(&ben, false)], "the latest first");
    life.tell(Event::TransportClosed { transport: ben });
    life.orders.clear();
    life.speaker_is_free();
    assert_eq!(life.turns(), [hush(&anna, false)]);
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
    assert_eq!(turns.len(), 2, "only Ben is told: {turns:?}");
    assert_eq!(turns[1], pause(BEN));
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

#[test]
fn in_a_call_the_speaker_changes_hands_unheard() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    let fact = HandsFreeFact::Ready;
    life.tell(Event::HandsFree { phone: CARA, fact });
    life.rings(CARA, 1);
    assert_eq!(life.turns(), [hush(&anna, true), pause(ANNA)]);
    let ben = life.music(BEN);
    assert_eq!(life.turns(), [hush(&ben, true)], "Anna was told");
    life.rings(CARA, 0);
    life.orders.clear();
    let timer = Timer::MusicReturns;
    life.tell(Event::TimerFired { timer });
    let play = player(ANNA, PlayerCommand::Play);
    assert_eq!(life.turns(), [hush(&ben, false), play]);
    // She went on playing, so that is all; had she paused, she would begin now.
    life.stops(&anna);
    life.plays_again(&anna);
    let turns = life.turns();
    assert_eq!(turns, [hush(&ben, true), pause(BEN), hush(&anna, false)]);
}
