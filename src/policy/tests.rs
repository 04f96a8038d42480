//! The policy as a table of stories, and its invariants over random lives.

mod invariants;

use std::time::Duration;

use super::event::{AdapterFacts, Question, RadioBlock, Timer, TransportState};
use super::model::{
    ChannelMode, Memory, QuestionId, SpeakerName, StreamFormat, TransportId, TrustedPhone, Volume,
};
use super::snapshot::{AdapterStatus, AudioStatus};
use super::story::{PairingRefusal, WindowEnd};
use super::*;

const SPEAKER: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x00]);
const ANNA: Address = Address::new([0xF0, 0, 0, 0, 0, 1]);
const BEN: Address = Address::new([0xF0, 0, 0, 0, 0, 2]);
const MUSIC: &str = "0000110d-0000-1000-8000-00805f9b34fb";
const KEYBOARD: &str = "00001124-0000-1000-8000-00805f9b34fb";

/// A policy with its clock and everything it has ordered since it was last asked.
struct Life {
    policy: Policy,
    seconds: u64,
    orders: Vec<Action>,
}

impl Life {
    fn new(memory: Memory) -> Self {
        Self {
            policy: Policy::new(Rules::default(), memory),
            seconds: 0,
            orders: Vec::new(),
        }
    }

    /// A life in which the adapter has come up, with nobody trusted and the first window closed.
    fn ready() -> Self {
        let mut life = Self::new(Memory::default());
        life.tell(Event::AdapterSeen(adapter()));
        life.tell(Event::InventoryTaken { phones: Vec::new() });
        life.ask(Request::ClosePairing);
        life.orders.clear();
        life
    }

    /// A life in which Anna is trusted, bonded and connected.
    fn with_anna() -> Self {
        let mut life = Self::new(Memory {
            phones: vec![trusted(ANNA, "Anna")],
            ..Memory::default()
        });
        life.tell(Event::AdapterSeen(adapter()));
        life.tell(Event::InventoryTaken {
            phones: vec![bonded(ANNA, "Anna")],
        });
        life.orders.clear();
        life
    }

    fn now(&self) -> Now {
        Now {
            monotonic: Duration::from_secs(self.seconds),
            unix: 1_000_000 + self.seconds,
        }
    }

    fn tell(&mut self, event: Event) -> &mut Self {
        let orders = self.policy.handle(self.now(), event);
        self.orders.extend(orders);
        self
    }

    fn ask(&mut self, request: Request) -> &mut Self {
        self.tell(Event::Requested {
            id: RequestId(self.seconds),
            request,
        })
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.seconds += seconds;
        self
    }

    fn taken(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.orders)
    }

    fn stories(&mut self) -> Vec<Story> {
        self.taken()
            .into_iter()
            .filter_map(|action| match action {
                Action::Tell(story) => Some(story),
                _ => None,
            })
            .collect()
    }

    fn radio(&mut self) -> Vec<RadioAction> {
        self.taken()
            .into_iter()
            .filter_map(|action| match action {
                Action::Radio(action) => Some(action),
                _ => None,
            })
            .collect()
    }

    fn answer(&mut self, facts: PhoneFacts, question: Question) -> bool {
        self.tell(Event::AgentAsked {
            id: QuestionId(7),
            phone: facts,
            question,
        });
        let answered = self.orders.iter().find_map(|action| match action {
            Action::Radio(RadioAction::AnswerAgent {
                id: QuestionId(7),
                allow,
            }) => Some(*allow),
            _ => None,
        });
        answered.expect("every question is answered")
    }

    fn music(&mut self, phone: Address) -> TransportId {
        let id = TransportId(format!("/{phone}/fd0"));
        let mode = ChannelMode::JointStereo;
        let format = StreamFormat::Sbc {
            rate: 44_100,
            mode,
            max_bitpool: 53,
        };
        self.tell(Event::TransportOpened {
            transport: id.clone(),
            phone,
            format,
        });
        self.tell(Event::TransportChanged {
            transport: id.clone(),
            state: TransportState::Pending,
        });
        id
    }
}

fn adapter() -> AdapterFacts {
    AdapterFacts {
        id: "hci0".into(),
        address: SPEAKER,
        powered: true,
        block: RadioBlock::Free,
        discoverable: false,
        pairable: false,
        alias: "Dot-0000".into(),
        class: 0x24_0414,
    }
}

fn stranger(address: Address, name: &str) -> PhoneFacts {
    PhoneFacts {
        address,
        name: name.into(),
        bonded: false,
        trusted: false,
        source: true,
        connected: true,
    }
}

fn bonded(address: Address, name: &str) -> PhoneFacts {
    PhoneFacts {
        bonded: true,
        ..stranger(address, name)
    }
}

fn trusted(address: Address, name: &str) -> TrustedPhone {
    TrustedPhone {
        address,
        name: name.into(),
        first_seen: 5,
        last_seen: 5,
        volume: None,
    }
}

fn service(uuid: &str) -> Question {
    Question::Service { uuid: uuid.into() }
}

#[test]
fn the_first_start_opens_pairing_and_the_second_does_not() {
    let mut life = Life::new(Memory::default());
    life.tell(Event::AdapterSeen(adapter()));
    let length = Duration::from_secs(180);
    assert!(
        life.orders
            .contains(&Action::Radio(RadioAction::OpenWindow { length }))
    );
    assert_eq!(life.policy.snapshot().pairing_until, Some(1_000_180));

    let mut life = Life::new(Memory {
        phones: vec![trusted(ANNA, "Anna")],
        ..Memory::default()
    });
    life.tell(Event::AdapterSeen(adapter()));
    assert_eq!(life.policy.snapshot().pairing_until, None);
}

#[test]
fn an_unplugged_adapter_does_not_open_pairing_again() {
    let mut life = Life::ready();
    life.tell(Event::AdapterGone { id: "hci0".into() });
    life.tell(Event::AdapterSeen(adapter()));
    assert_eq!(life.policy.snapshot().pairing_until, None);
    assert!(matches!(
        life.policy.snapshot().adapter,
        AdapterStatus::On { .. }
    ));
}

#[test]
fn an_adapter_comes_up_step_by_step() {
    let mut life = Life::new(Memory::default());
    life.policy.rules.name = Some(SpeakerName::new("Kitchen").unwrap());
    life.policy.rules.open_when_nobody_is_trusted = false;
    let off = AdapterFacts {
        powered: false,
        block: RadioBlock::Soft,
        ..adapter()
    };
    life.tell(Event::AdapterSeen(off.clone()));
    assert_eq!(
        life.radio(),
        [
            RadioAction::UseAdapter {
                id: "hci0".into(),
                endpoints: 3
            },
            RadioAction::PowerOn
        ]
    );
    life.tell(Event::TimerFired {
        timer: Timer::AdapterRetry,
    });
    assert!(
        life.orders.contains(&Action::Radio(RadioAction::PowerOn)),
        "asked again"
    );
    assert!(life.stories().contains(&Story::AdapterStaysOff {
        adapter: "hci0".into()
    }));
    life.tell(Event::AdapterSeen(AdapterFacts {
        discoverable: true,
        ..adapter()
    }));
    let name = SpeakerName::new("Kitchen").unwrap();
    assert_eq!(
        life.radio(),
        [RadioAction::SetAlias { name }, RadioAction::CloseWindow]
    );
}

#[test]
fn a_switch_that_holds_the_radio_off_is_named_once() {
    let mut life = Life::new(Memory::default());
    let off = AdapterFacts {
        powered: false,
        block: RadioBlock::Hard,
        ..adapter()
    };
    life.tell(Event::AdapterSeen(off.clone()))
        .tell(Event::AdapterSeen(off));
    assert_eq!(
        life.stories(),
        [Story::RadioBlocked {
            adapter: "hci0".into()
        }]
    );
}

#[test]
fn the_configured_adapter_is_waited_for() {
    let mut life = Life::new(Memory::default());
    life.policy.rules.adapter = super::model::AdapterChoice::Named("hci1".into());
    life.tell(Event::BluetoothFound)
        .tell(Event::AdapterSeen(adapter()));
    assert_eq!(life.policy.snapshot().adapter, AdapterStatus::Missing);
    assert_eq!(life.stories(), [Story::AdapterMissing]);
    life.tell(Event::AdapterSeen(AdapterFacts {
        id: "hci1".into(),
        ..adapter()
    }));
    assert!(matches!(
        life.policy.snapshot().adapter,
        AdapterStatus::On { .. }
    ));
}

#[test]
fn a_stranger_gets_nothing_while_the_window_is_closed() {
    for question in [
        Question::Confirm { passkey: 1 },
        Question::Authorize,
        Question::Secret,
        service(MUSIC),
        service(KEYBOARD),
    ] {
        for facts in [stranger(BEN, "Ben"), bonded(BEN, "Ben")] {
            let mut life = Life::ready();
            assert!(
                !life.answer(facts.clone(), question.clone()),
                "{question:?} {facts:?}"
            );
            assert!(life.policy.memory().phones.is_empty());
        }
    }
}

#[test]
fn a_no_bonding_link_opens_no_service_even_in_the_window() {
    let mut life = Life::ready();
    life.ask(Request::OpenPairing { length: None });
    assert!(life.answer(stranger(BEN, "Ben"), Question::Authorize));
    life.taken();
    assert!(!life.answer(stranger(BEN, "Ben"), service(MUSIC)));
    assert!(life.policy.memory().phones.is_empty());
}

#[test]
fn a_refused_stranger_loses_its_link_and_is_told_of_once() {
    let mut life = Life::ready();
    life.answer(stranger(BEN, "Ben"), service(MUSIC));
    let orders = life.taken();
    assert!(orders.contains(&Action::Radio(RadioAction::Disconnect { phone: BEN })));
    life.answer(stranger(BEN, "Ben"), Question::Authorize);
    assert_eq!(life.stories(), [], "not news within a minute");
    life.wait(61)
        .answer(stranger(BEN, "Ben"), Question::Authorize);
    let (name, address, why) = ("Ben".into(), BEN, PairingRefusal::WindowClosed);
    assert_eq!(
        life.stories(),
        [Story::PairingRefused { name, address, why }]
    );
}

#[test]
fn a_phone_that_pairs_in_the_window_is_trusted_and_closes_it() {
    let mut life = Life::ready();
    life.ask(Request::OpenPairing { length: None });
    life.tell(Event::PhoneSeen(stranger(ANNA, "Anna")));
    assert!(life.answer(
        stranger(ANNA, "Anna"),
        Question::Confirm { passkey: 123_456 }
    ));
    life.taken();
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    let (name, address) = (String::from("Anna"), ANNA);
    assert_eq!(
        life.stories(),
        [
            Story::PhonePaired {
                name: name.clone(),
                address,
                again: false
            },
            Story::PhoneConnected { name, address },
            Story::PairingClosed {
                why: WindowEnd::Paired
            },
        ]
    );
    assert_eq!(life.policy.memory().phones[0].address, ANNA);
    assert!(life.answer(bonded(ANNA, "Anna"), service(MUSIC)));
    life.taken();
    assert!(
        !life.answer(bonded(ANNA, "Anna"), service(KEYBOARD)),
        "a speaker has no keyboard"
    );
    assert!(
        !life
            .radio()
            .contains(&RadioAction::Disconnect { phone: ANNA })
    );
}

#[test]
fn a_pairing_begun_in_time_may_end_after_the_window() {
    let mut life = Life::ready();
    life.ask(Request::OpenPairing { length: None });
    life.answer(stranger(ANNA, "Anna"), Question::Authorize);
    life.ask(Request::ClosePairing).wait(20);
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    assert!(life.policy.is_trusted(ANNA));

    let mut life = Life::ready();
    life.ask(Request::OpenPairing { length: None });
    life.answer(stranger(ANNA, "Anna"), Question::Authorize);
    life.ask(Request::ClosePairing).wait(31);
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    assert!(!life.policy.is_trusted(ANNA), "not for ever");
}

#[test]
fn a_phone_that_forgot_us_is_told_of_when_it_pairs_again() {
    let mut life = Life::with_anna();
    life.ask(Request::OpenPairing { length: None });
    assert!(life.answer(bonded(ANNA, "Anna"), Question::Authorize));
    life.taken();
    life.music(ANNA);
    let stories = life.stories();
    let paired = Story::PhonePaired {
        name: "Anna".into(),
        address: ANNA,
        again: true,
    };
    assert!(stories.contains(&paired), "{stories:?}");
    assert!(stories.contains(&Story::PairingClosed {
        why: WindowEnd::Paired
    }));
    assert_eq!(life.policy.memory().phones.len(), 1);
}

#[test]
fn a_phone_that_forgot_us_cannot_pair_again_outside_the_window() {
    let mut life = Life::with_anna();
    assert!(!life.answer(bonded(ANNA, "Anna"), Question::Authorize));
    assert!(!life.answer(bonded(ANNA, "Anna"), Question::Confirm { passkey: 0 }));
}

#[test]
fn the_window_closes_by_itself_and_a_stale_timer_does_not_close_a_new_one() {
    let mut life = Life::ready();
    life.ask(Request::OpenPairing {
        length: Some(Duration::from_secs(60)),
    });
    life.wait(60).ask(Request::OpenPairing {
        length: Some(Duration::from_secs(60)),
    });
    life.tell(Event::TimerFired {
        timer: Timer::PairingWindow,
    });
    assert!(
        life.policy.pairing.is_open(),
        "the timer of the first window"
    );
    life.wait(60).taken();
    life.tell(Event::TimerFired {
        timer: Timer::PairingWindow,
    });
    assert!(!life.policy.pairing.is_open());
    assert!(life.radio().contains(&RadioAction::CloseWindow));
}

#[test]
fn a_window_length_out_of_range_or_without_a_radio_is_rejected() {
    let mut life = Life::ready();
    for seconds in [0, 9, 3601] {
        life.ask(Request::OpenPairing {
            length: Some(Duration::from_secs(seconds)),
        });
        let [
            Action::Reply {
                result: Err(rejection),
                ..
            },
        ] = &life.taken()[..]
        else {
            panic!("{seconds} s was taken")
        };
        assert_eq!(rejection.kind, RejectionKind::InvalidArgument);
    }
    life.tell(Event::BluetoothLost).taken();
    life.ask(Request::OpenPairing { length: None });
    let Some(Action::Reply {
        result: Err(rejection),
        ..
    }) = life.taken().pop()
    else {
        panic!()
    };
    assert_eq!(rejection.kind, RejectionKind::NotAvailable);
}

#[test]
fn bonds_and_list_are_compared_both_ways() {
    let lena = Address::new([0xF0, 0, 0, 0, 0, 3]);
    let mut life = Life::new(Memory {
        phones: vec![trusted(ANNA, "Anna")],
        ..Memory::default()
    });
    life.tell(Event::AdapterSeen(adapter()));
    life.taken();
    let admins = PhoneFacts {
        trusted: true,
        connected: false,
        ..bonded(lena, "Lena")
    };
    let keyboard = Address::new([0xF0, 0, 0, 0, 0, 4]);
    let keyboard = PhoneFacts {
        trusted: true,
        source: false,
        ..bonded(keyboard, "Keyboard")
    };
    life.tell(Event::InventoryTaken {
        phones: vec![bonded(BEN, "Ben"), admins, keyboard],
    });
    let orders = life.taken();
    assert!(orders.contains(&Action::Radio(RadioAction::ClearTrusted { phone: lena })));
    let stories: Vec<&Action> = orders
        .iter()
        .filter(|action| matches!(action, Action::Tell(_)))
        .collect();
    let told = |name: &str, address, story: fn(String, Address) -> Story| {
        stories.contains(&&Action::Tell(story(name.into(), address)))
    };
    assert!(told("Ben", BEN, |name, address| Story::StrangerBonded {
        name,
        address
    }));
    assert!(told("Lena", lena, |name, address| Story::PhoneAdopted {
        name,
        address
    }));
    assert!(told("Anna", ANNA, |name, address| Story::BondMissing {
        name,
        address
    }));
    assert_eq!(stories.len(), 3, "the keyboard is nobody's business");
}

#[test]
fn forgetting_removes_the_bond_too() {
    let mut life = Life::with_anna();
    life.ask(Request::Forget { phone: ANNA });
    assert_eq!(life.radio(), [RadioAction::RemoveBond { phone: ANNA }]);
    assert!(life.policy.memory().phones.is_empty());
    assert!(!life.answer(bonded(ANNA, "Anna"), service(MUSIC)));
    life.taken();
    life.ask(Request::Forget { phone: BEN });
    let Some(Action::Reply {
        result: Err(rejection),
        ..
    }) = life.taken().pop()
    else {
        panic!()
    };
    assert_eq!(rejection.kind, RejectionKind::NotFound);
}

#[test]
fn everyone_who_asked_for_a_connection_is_answered_once() {
    let mut life = Life::with_anna();
    life.ask(Request::Connect { phone: ANNA })
        .wait(1)
        .ask(Request::Connect { phone: ANNA });
    assert_eq!(
        life.radio(),
        [RadioAction::Connect { phone: ANNA }],
        "one call for both"
    );
    life.tell(Event::ConnectEnded {
        phone: ANNA,
        error: Some("it is off".into()),
    });
    let replies = life
        .taken()
        .into_iter()
        .filter(|action| matches!(action, Action::Reply { .. }));
    assert_eq!(replies.count(), 2);
}

#[test]
fn music_starts_stops_and_is_told_when_it_is_heard() {
    let mut life = Life::with_anna();
    let id = life.music(ANNA);
    let orders = life.taken();
    assert!(orders.iter().any(|action| matches!(
        action,
        Action::Stream(StreamAction::Start { volume, .. }) if volume.percent() == 60
    )));
    assert!(
        !orders
            .iter()
            .any(|action| matches!(action, Action::Tell(_)))
    );
    life.tell(Event::StreamStarted {
        transport: id.clone(),
    });
    life.tell(Event::StreamStarted {
        transport: id.clone(),
    });
    assert_eq!(life.stories().len(), 1);
    life.tell(Event::TransportChanged {
        transport: id.clone(),
        state: TransportState::Idle,
    });
    let orders = life.taken();
    assert_eq!(
        orders[0],
        Action::Stream(StreamAction::Stop { transport: id })
    );
    assert!(matches!(orders[1], Action::Tell(Story::Stopped { .. })));
}

#[test]
fn a_stranger_with_a_transport_is_not_heard() {
    let mut life = Life::ready();
    life.tell(Event::PhoneSeen(bonded(BEN, "Ben")));
    life.music(BEN);
    assert!(
        !life
            .taken()
            .iter()
            .any(|action| matches!(action, Action::Stream(_)))
    );
}

#[test]
fn the_slider_we_set_does_not_come_back_as_a_wish() {
    let mut life = Life::with_anna();
    let id = life.music(ANNA);
    let moved = |life: &mut Life, avrcp| {
        life.taken();
        life.tell(Event::TransportVolumeChanged {
            transport: id.clone(),
            avrcp,
        });
        life.policy.volume_of(ANNA).percent()
    };
    assert_eq!(moved(&mut life, 127), 60, "BlueZ's own start value");
    assert_eq!(
        life.radio(),
        [RadioAction::SetTransportVolume {
            transport: id.clone(),
            avrcp: 76
        }]
    );
    assert_eq!(moved(&mut life, 76), 60, "the echo");
    assert_eq!(moved(&mut life, 127), 100, "the phone's wish");
    life.policy.rules.max_volume = Volume::new(50).unwrap();
    assert_eq!(moved(&mut life, 100), 50, "the ceiling");
    assert_eq!(life.radio().len(), 1, "and the slider is told");
}

#[test]
fn volume_without_a_name_is_of_whoever_plays_else_connected_else_the_start() {
    let volume = |percent| Volume::new(percent).unwrap();
    let mut life = Life::ready();
    life.ask(Request::SetVolume {
        phone: None,
        volume: volume(20),
    });
    assert_eq!(life.policy.memory().volume, Some(volume(20)));
    let mut life = Life::with_anna();
    life.ask(Request::SetVolume {
        phone: None,
        volume: volume(30),
    });
    assert_eq!(life.policy.memory().phones[0].volume, Some(volume(30)));
    assert_eq!(life.policy.memory().volume, None);
}

#[test]
fn a_reload_renames_and_lowers_without_stopping_the_music() {
    let mut life = Life::with_anna();
    life.ask(Request::Rename {
        name: SpeakerName::new("Old").ok(),
    });
    let id = life.music(ANNA);
    life.taken();
    let name = SpeakerName::new("New").unwrap();
    let rules = Rules {
        name: Some(name.clone()),
        max_volume: Volume::new(40).unwrap(),
        ..Rules::default()
    };
    life.policy.memory.phones[0].volume = Volume::new(90);
    life.tell(Event::ConfigLoaded(rules));
    let orders = life.taken();
    assert!(orders.contains(&Action::Radio(RadioAction::SetAlias { name })));
    let volume = Volume::new(40).unwrap();
    assert!(orders.contains(&Action::Stream(StreamAction::SetVolume {
        transport: id,
        volume
    })));
    let stopped = |a: &Action| matches!(a, Action::Stream(StreamAction::Stop { .. }));
    assert!(!orders.iter().any(stopped));
}

#[test]
fn music_comes_back_with_pipewire() {
    let mut life = Life::with_anna();
    life.tell(Event::AudioFound {
        output: Some("Speaker".into()),
    });
    life.music(ANNA);
    life.tell(Event::AudioLost).taken();
    assert_eq!(life.policy.snapshot().audio, AudioStatus::NoServer);
    life.tell(Event::AudioFound { output: None });
    let start = |a: &Action| matches!(a, Action::Stream(StreamAction::Start { .. }));
    assert!(life.taken().iter().any(start));
}

#[test]
fn nothing_is_connected_once_bluetoothd_is_gone() {
    let mut life = Life::with_anna();
    life.music(ANNA);
    life.ask(Request::Connect { phone: ANNA });
    life.taken();
    life.tell(Event::BluetoothLost);
    let orders = life.taken();
    let replied = |a: &Action| matches!(a, Action::Reply { result: Err(_), .. });
    assert!(orders.iter().any(replied));
    let snapshot = life.policy.snapshot();
    assert!(!snapshot.phones[0].connected);
    assert_eq!(snapshot.phones[0].stream, None);
    assert_eq!(snapshot.adapter, AdapterStatus::NoBluetooth);
}
