//! A hundred thousand short lives of a family: the same invariants as everywhere, over events that are
//! made so cheaply that there can be many.
//!
//! A life that breaks one is shrunk and written down as `dotd --record` does; `DOTD_LIFE=FILE cargo
//! test --lib lives` plays such a file again.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::invariants::Observer;
use super::takeover::{CARA, ringing};
use super::*;
use crate::policy::calls::CallWish;
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::calls::facts::VoiceId;
use crate::policy::event::{Parting, Stamped};
use crate::policy::model::TakeoverRule;
use crate::policy::player::PlayerCommand;

const FAMILY: [(Address, &str); 3] = [(ANNA, "Anna"), (BEN, "Ben"), (CARA, "Cara")];
/// The address of somebody whom nobody knows.
const EVE: Address = Address::new([0xF0, 0, 0, 0, 0, 9]);

/// What one number decides of an event.
#[derive(Clone, Copy)]
struct Dice(u32);

impl Dice {
    /// Takes one of `sides`, and leaves the rest to decide about.
    fn roll(&mut self, sides: u32) -> u32 {
        let rolled = self.0 % sides;
        self.0 /= sides;
        rolled
    }

    fn flip(&mut self) -> bool {
        self.roll(2) == 1
    }

    fn phone(&mut self) -> (Address, &'static str) {
        let who = self.roll(16) as usize;
        FAMILY.get(who / 5).copied().unwrap_or((EVE, "Eve"))
    }

    fn address(&mut self) -> Address {
        self.phone().0
    }

    fn transport(&mut self) -> TransportId {
        TransportId(format!("/{}/fd0", self.address()))
    }

    fn facts(&mut self) -> PhoneFacts {
        let (address, name) = self.phone();
        PhoneFacts {
            bonded: self.roll(4) > 0,
            connected: self.roll(3) > 0,
            trusted: self.roll(8) == 0,
            ..stranger(address, name)
        }
    }

    fn anybody(&mut self) -> Option<Address> {
        let address = self.address();
        self.flip().then_some(address)
    }

    fn event(mut self) -> (Event, u64) {
        let pause = [0, 0, 0, 1, 2, 5, 11, 40][self.roll(8) as usize];
        let event = match self.roll(16) {
            0..=3 => self.music(),
            4 | 5 => self.air(),
            6 => Event::PlayerSeen {
                player: playing(self.flip()),
                phone: self.address(),
            },
            7 | 8 => self.calls(),
            9..=11 => Event::Requested {
                request: self.request(),
                id: RequestId(0),
            },
            _ => Event::TimerFired {
                timer: self.timer(),
            },
        };
        (event, pause)
    }

    fn music(&mut self) -> Event {
        let transport = self.transport();
        let state = [
            TransportState::Idle,
            TransportState::Pending,
            TransportState::Active,
        ];
        match self.roll(8) {
            0..=3 => Event::TransportChanged {
                state: state[self.roll(3) as usize],
                transport,
            },
            4 => Event::TransportVolumeChanged {
                avrcp: self.roll(128) as u8,
                transport,
            },
            5 => Event::TransportClosed { transport },
            6 => Event::StreamStarted { transport },
            _ => Event::StreamEnded {
                error: self.flip().then(|| "no".to_owned()),
                transport,
            },
        }
    }

    fn air(&mut self) -> Event {
        match self.roll(10) {
            0..=3 => Event::PhoneSeen(self.facts()),
            4 => Event::PhoneLeft {
                why: if self.flip() {
                    Parting::Lost
                } else {
                    Parting::Theirs
                },
                phone: self.address(),
            },
            5 | 6 => Event::AgentAsked {
                id: QuestionId(1),
                phone: self.facts(),
                question: if self.flip() {
                    service(MUSIC)
                } else {
                    Question::Authorize
                },
            },
            7 => Event::ConnectEnded {
                attempt: AttemptId(self.roll(4).into()),
                error: self.flip().then(|| "no".to_owned()),
                phone: self.address(),
            },
            8 => Event::PhoneGone {
                phone: self.address(),
            },
            _ => Event::AdapterSeen(AdapterFacts {
                powered: self.flip(),
                ..adapter()
            }),
        }
    }

    fn calls(&mut self) -> Event {
        let phone = self.address();
        let fact = match self.roll(6) {
            0 => HandsFreeFact::Ready,
            1 | 2 => HandsFreeFact::Calls {
                calls: (0..self.roll(3)).map(ringing).collect(),
            },
            3 => HandsFreeFact::VoiceAsked { id: QuestionId(2) },
            4 => HandsFreeFact::VoiceUp {
                voice: VoiceId(self.roll(4).into()),
            },
            _ => HandsFreeFact::Ended { error: None },
        };
        Event::HandsFree { phone, fact }
    }

    fn request(&mut self) -> Request {
        let phone = self.address();
        match self.roll(12) {
            0 => Request::Connect { phone },
            1 => Request::Disconnect { phone },
            2 => Request::Forget { phone },
            3 => Request::Block {
                phone,
                blocked: self.flip(),
            },
            4 => Request::Prefer {
                phone,
                preference: Preference::First,
            },
            5 | 6 => Request::SetVolume {
                volume: Volume::new(self.roll(101) as u8).unwrap(),
                phone: self.anybody(),
            },
            7 => Request::StepVolume {
                steps: self.roll(41) as i16 - 20,
                phone: self.anybody(),
            },
            8 => Request::PlayOrPause {
                phone: self.anybody(),
            },
            9 => Request::Player {
                phone: self.anybody(),
                command: PlayerCommand::Next,
            },
            10 => Request::Call {
                phone: self.anybody(),
                wish: CallWish::Answer {
                    end_others: self.flip(),
                },
            },
            _ => Request::OpenPairing { length: None },
        }
    }

    fn timer(&mut self) -> Timer {
        const TIMERS: [Timer; 11] = [
            Timer::PairingWindow,
            Timer::CallsPatience,
            Timer::MusicPatience,
            Timer::MusicReturns,
            Timer::SettingAside,
            Timer::VoiceReturns,
            Timer::VoiceComes,
            Timer::RingComes,
            Timer::SpeakerFree,
            Timer::TurnSettled,
            Timer::Reconnect,
        ];
        TIMERS[self.roll(11) as usize]
    }
}

/// How a life that is written down begins.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Beginning {
    takeover: TakeoverRule,
}

/// A life, and all that happened in it.
struct Watched {
    life: Life,
    observer: Observer,
    /// Nothing if it is not a family's.
    beginning: Option<Beginning>,
    record: Vec<Stamped>,
}

impl Watched {
    fn new(memory: Memory) -> Self {
        Self {
            life: Life::new(memory),
            observer: Observer::default(),
            beginning: None,
            record: Vec::new(),
        }
    }

    /// A family whose phones are here.
    fn family(beginning: Beginning) -> Self {
        let phones = FAMILY.map(|(phone, name)| trusted(phone, name)).into();
        let mut watched = Self::new(Memory {
            phones,
            ..Memory::default()
        });
        watched.life.policy.rules.takeover = beginning.takeover;
        watched.beginning = Some(beginning);
        watched.happens(Event::AdapterSeen(adapter()));
        watched.happens(Event::InventoryTaken {
            phones: FAMILY.map(|(phone, name)| bonded(phone, name)).into(),
        });
        for (phone, _) in FAMILY {
            watched.happens(Event::TransportOpened {
                transport: TransportId(format!("/{phone}/fd0")),
                phone,
                format: StreamFormat::Sbc {
                    rate: 44_100,
                    mode: ChannelMode::JointStereo,
                    max_bitpool: 53,
                },
            });
        }
        watched.record.clear();
        watched
    }

    fn happens(&mut self, event: Event) {
        self.record.push(Stamped {
            now: self.life.now(),
            event: event.clone(),
        });
        let known = self.life.policy.memory().phones.iter();
        let trusted: Vec<Address> = known.map(|it| it.address).collect();
        self.life.tell(event.clone());
        let orders = self.life.taken();
        self.observer.check(&self.life, &event, &trusted, &orders);
    }

    /// Writes it down, to be lived again.
    fn written(&self) -> String {
        let beginning = self
            .beginning
            .iter()
            .map(|it| serde_json::to_string(it).unwrap());
        let lines = self
            .record
            .iter()
            .map(|it| serde_json::to_string(it).unwrap());
        beginning.chain(lines).collect::<Vec<_>>().join("\n")
    }

    /// Lives what was written down.
    fn again(written: &str) -> Self {
        let mut lines = written.lines().peekable();
        let beginning = lines.peek().and_then(|it| serde_json::from_str(it).ok());
        let mut watched = match beginning {
            Some(beginning) => {
                lines.next();
                Self::family(beginning)
            }
            None => Self::new(Memory::default()),
        };
        for line in lines {
            let Stamped { now, event } = serde_json::from_str(line).unwrap();
            watched.life.seconds = now.monotonic.as_secs();
            watched.happens(event);
        }
        watched
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let file = std::env::temp_dir().join("dotd-life.jsonl");
            // What shrinks overwrites what it came from.
            fs::write(&file, self.written()).unwrap();
        }
    }
}

const RULES: [TakeoverRule; 3] = [
    TakeoverRule::LastPlay,
    TakeoverRule::Hold,
    TakeoverRule::Refuse,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn short_lives_hold_all_that_long_ones_do(
        rule in 0..RULES.len(),
        dice in proptest::collection::vec(any::<u32>(), 1..12),
    ) {
        let mut watched = Watched::family(Beginning { takeover: RULES[rule] });
        for dice in dice {
            let (event, pause) = Dice(dice).event();
            watched.life.wait(pause);
            watched.happens(event);
        }
    }
}

#[test]
fn a_life_that_was_written_down_can_be_lived_again() {
    let file = std::env::var_os("DOTD_LIFE").map(PathBuf::from);
    let file = file.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replay/a-first-day.jsonl")
    });
    Watched::again(&fs::read_to_string(file).unwrap());
}

#[test]
fn what_is_written_of_a_life_is_all_of_it() {
    for takeover in RULES {
        let mut lived = Watched::family(Beginning { takeover });
        for dice in (0_u32..200).map(|it| it.wrapping_mul(0x9E37_79B9)) {
            let (event, pause) = Dice(dice).event();
            lived.life.wait(pause);
            lived.happens(event);
        }
        let again = Watched::again(&lived.written());
        assert_eq!(again.life.policy.memory(), lived.life.policy.memory());
        assert_eq!(again.life.policy.snapshot(), lived.life.policy.snapshot());
    }
}
