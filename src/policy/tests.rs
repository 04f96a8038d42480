//! The policy as a table of stories, and its invariants over random lives.

mod calls;
mod household;
mod invariants;
mod lives;
mod pairing;
mod playback;
mod radio;
mod reconnect;
mod remote;
mod takeover;

use std::time::Duration;

use super::event::{AdapterFacts, Question, RadioBlock, Timer, TransportState};
use super::model::{
    AttemptId, ChannelMode, Memory, Preference, QuestionId, SpeakerName, StreamFormat, TransportId,
    TrustedPhone, Volume,
};
use super::player::{PlayState, Player};
use super::snapshot::{AdapterStatus, AudioStatus};
use super::story::{PairingRefusal, WindowEnd};
use super::*;

const SPEAKER: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x00]);
const OTHER: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x01]);
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
        wide_band: true,
        discoverable: false,
        pairable: false,
        discovering: false,
        alias: "Dot-0000".into(),
        class: 0x24_0414,
    }
}

/// Something that a player plays, or does not.
fn playing(playing: bool) -> Player {
    let state = if playing {
        PlayState::Playing
    } else {
        PlayState::Paused
    };
    Player {
        state,
        ..Player::default()
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
        call_volume: None,
        preference: Preference::default(),
        last_played: None,
        left: false,
        alias: None,
        blocked: false,
    }
}

fn service(uuid: &str) -> Question {
    Question::Service { uuid: uuid.into() }
}
