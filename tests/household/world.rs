//! The family and a speaker among it: phones that behave as phones do, and a policy that knows of them
//! what is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dotd::policy::calls::event::HandsFreeFact;
use dotd::policy::calls::facts::{Call, CallId, CallState, Direction};
use dotd::policy::event::{
    AdapterFacts, Parting, PhoneFacts, Question, RadioBlock, Request, Timer, TransportState,
};
use dotd::policy::model::{
    Address, AttemptId, ChannelMode, Memory, Now, Preference, QuestionId, RequestId, StreamFormat,
    TransportId, TrustedPhone,
};
use dotd::policy::player::{PlayState, Player, PlayerCommand};
use dotd::policy::{Action, Event, Policy, RadioAction, SoundAction, Story, StreamAction};

use super::{ANSWERS, Case, FAMILY, IN_VAIN, LOOK, Look, MUSIC};

/// A phone as phones are: it pauses when it is told to, unless it does not.
struct Phone {
    address: Address,
    name: &'static str,
    connected: bool,
    plays: bool,
    obeys: bool,
    /// It is in range.
    near: bool,
}

impl Phone {
    fn transport(&self) -> TransportId {
        TransportId(format!("/{}", self.address))
    }

    fn facts(&self) -> PhoneFacts {
        PhoneFacts {
            address: self.address,
            name: self.name.to_owned(),
            bonded: true,
            trusted: false,
            source: true,
            connected: self.connected,
        }
    }

    fn known(&self) -> TrustedPhone {
        TrustedPhone {
            address: self.address,
            name: self.name.to_owned(),
            first_seen: 1,
            last_seen: 1,
            volume: None,
            call_volume: None,
            preference: Preference::default(),
            last_played: None,
            // Else it would be called because it is not here.
            left: true,
            alias: None,
            blocked: false,
        }
    }
}

/// A phone that is paged.
struct Page {
    attempt: AttemptId,
    ends: Duration,
    answers: bool,
}

/// What happens by itself when its time has come.
enum Due {
    Timer(Timer),
    EndOfPage(String),
}

/// The family, and a speaker among it.
pub(super) struct World {
    policy: Policy,
    now: Duration,
    phones: BTreeMap<String, Phone>,
    timers: BTreeMap<Timer, Duration>,
    playing: BTreeSet<TransportId>,
    hushed: BTreeSet<TransportId>,
    rings: bool,
    /// An event is being told, and what it calls for carried out.
    telling: bool,
    pages: BTreeMap<String, Page>,
    /// Who was told to pause since somebody looked.
    paused: BTreeSet<String>,
    /// Who was called since then.
    called: BTreeSet<String>,
    /// What was told since then of phones that were sent away.
    told: Vec<String>,
}

impl World {
    pub(super) fn new(case: &Case) -> Self {
        let mut phones = BTreeMap::new();
        let mut memory = Memory::default();
        for (last, (id, name)) in (1..).zip(FAMILY) {
            let phone = Phone {
                address: Address::new([0xF0, 0, 0, 0, 0, last]),
                name,
                connected: case.here.iter().any(|here| here == id),
                plays: false,
                obeys: true,
                near: true,
            };
            memory.phones.push(phone.known());
            phones.insert(id.to_owned(), phone);
        }
        let mut world = Self {
            policy: Policy::new(case.with.rules(), memory),
            now: Duration::ZERO,
            phones,
            timers: BTreeMap::new(),
            playing: BTreeSet::new(),
            hushed: BTreeSet::new(),
            rings: false,
            telling: false,
            pages: BTreeMap::new(),
            paused: BTreeSet::new(),
            called: BTreeSet::new(),
            told: Vec::new(),
        };
        world.tell(Event::AdapterSeen(adapter()));
        let phones = world.phones.values().map(Phone::facts).collect();
        world.tell(Event::InventoryTaken { phones });
        for here in &case.here {
            world.opens(here);
        }
        world
    }

    fn tell(&mut self, event: Event) {
        let now = Now {
            monotonic: self.now,
            unix: 1_000_000 + self.now.as_secs(),
        };
        // Phones answer at once, in the midst of what is carried out.
        let outermost = !std::mem::replace(&mut self.telling, true);
        for action in self.policy.handle(now, event) {
            self.carry_out(action);
        }
        if outermost {
            self.telling = false;
            self.heard();
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::ArmTimer { timer, after } => {
                self.timers.insert(timer, self.now + after);
            }
            Action::CancelTimer { timer } => {
                self.timers.remove(&timer);
            }
            Action::Stream(StreamAction::Start { transport, .. }) => {
                self.playing.insert(transport);
            }
            Action::Stream(StreamAction::Stop { transport }) => {
                self.playing.remove(&transport);
            }
            Action::Stream(StreamAction::Hush {
                transport,
                on: true,
            }) => {
                self.hushed.insert(transport);
            }
            Action::Stream(StreamAction::Hush { transport, .. }) => {
                self.hushed.remove(&transport);
            }
            Action::Sound(SoundAction::Ring { .. }) => self.rings = true,
            Action::Sound(SoundAction::StopRinging) => self.rings = false,
            Action::Radio(order) => self.radio(order),
            Action::Reply { result, .. } => assert_eq!(result, Ok(()), "what somebody asked for"),
            Action::Tell(story) if is_of_one_sent_away(&story) => self.told.push(story.to_string()),
            _ => {}
        }
    }

    fn radio(&mut self, order: RadioAction) {
        match order {
            RadioAction::Player { phone, command } => {
                let id = self.id_of(phone);
                let obeys = self.phones[&id].obeys;
                match command {
                    PlayerCommand::Pause => {
                        self.paused.insert(id.clone());
                        if obeys {
                            self.stops(&id);
                        }
                    }
                    PlayerCommand::Play if obeys => self.plays(&id),
                    _ => {}
                }
            }
            RadioAction::Disconnect { phone } => {
                let id = self.id_of(phone);
                self.is_gone(&id);
            }
            RadioAction::Connect { phone, attempt, .. } => {
                let id = self.id_of(phone);
                let answers = self.phones[&id].near;
                let ends = self.now + if answers { ANSWERS } else { IN_VAIN };
                self.called.insert(id.clone());
                let page = Page {
                    attempt,
                    ends,
                    answers,
                };
                self.pages.insert(id, page);
            }
            _ => {}
        }
    }

    fn id_of(&self, address: Address) -> String {
        let mut phones = self.phones.iter();
        let (id, _) = phones.find(|(_, phone)| phone.address == address).unwrap();
        id.clone()
    }

    /// Brings the music of a phone, and its calls.
    fn opens(&mut self, id: &str) {
        let phone = &self.phones[id];
        let (transport, phone) = (phone.transport(), phone.address);
        let format = StreamFormat::Sbc {
            rate: 44_100,
            mode: ChannelMode::JointStereo,
            max_bitpool: 53,
        };
        self.tell(Event::TransportOpened {
            transport,
            phone,
            format,
        });
        let fact = HandsFreeFact::Ready;
        self.tell(Event::HandsFree { phone, fact });
    }

    /// Brings up the link with a phone.
    fn link(&mut self, id: &str) -> PhoneFacts {
        self.phones.get_mut(id).unwrap().connected = true;
        let facts = self.phones[id].facts();
        self.tell(Event::PhoneSeen(facts.clone()));
        facts
    }

    fn connects(&mut self, id: &str) {
        let facts = self.link(id);
        self.tell(Event::AgentAsked {
            id: QuestionId(1),
            phone: facts,
            question: Question::Service {
                uuid: MUSIC.to_owned(),
            },
        });
        if self.phones[id].connected {
            self.opens(id);
        }
    }

    /// A phone has answered, or has not.
    fn page_ends(&mut self, id: &str) {
        let page = self.pages.remove(id).unwrap();
        if page.answers && !self.phones[id].connected {
            self.link(id);
            self.opens(id);
        }
        let error = (!page.answers).then(|| "it does not answer".to_owned());
        self.tell(Event::ConnectEnded {
            phone: self.phones[id].address,
            attempt: page.attempt,
            error,
        });
    }

    fn is_gone(&mut self, id: &str) {
        let phone = self.phones.get_mut(id).unwrap();
        if !std::mem::take(&mut phone.connected) {
            return;
        }
        phone.plays = false;
        let (transport, facts) = (phone.transport(), phone.facts());
        self.tell(Event::TransportClosed { transport });
        self.tell(Event::PhoneSeen(facts));
    }

    fn parts(&mut self, id: &str, why: Parting) {
        let phone = self.phones[id].address;
        self.tell(Event::PhoneLeft { phone, why });
        self.is_gone(id);
    }

    fn streams(&mut self, id: &str, state: TransportState) {
        let transport = self.phones[id].transport();
        self.tell(Event::TransportChanged { transport, state });
    }

    fn player(&mut self, id: &str, state: PlayState) {
        let phone = self.phones[id].address;
        let player = Player {
            state,
            ..Player::default()
        };
        self.tell(Event::PlayerSeen { phone, player });
    }

    fn plays(&mut self, id: &str) {
        let phone = self.phones.get_mut(id).unwrap();
        if phone.connected && !std::mem::replace(&mut phone.plays, true) {
            self.streams(id, TransportState::Pending);
            // It may have been told to pause by now.
            if self.phones[id].plays {
                self.player(id, PlayState::Playing);
            }
        }
    }

    fn stops(&mut self, id: &str) {
        if std::mem::take(&mut self.phones.get_mut(id).unwrap().plays) {
            self.player(id, PlayState::Paused);
            self.streams(id, TransportState::Idle);
        }
    }

    fn calls(&mut self, id: &str, count: u32) {
        let phone = self.phones[id].address;
        let ringing = |id| Call {
            id: CallId(id),
            direction: Direction::Incoming,
            state: CallState::Incoming,
            number: String::new(),
            name: None,
            multiparty: false,
        };
        let fact = HandsFreeFact::Calls {
            calls: (0..count).map(ringing).collect(),
        };
        self.tell(Event::HandsFree { phone, fact });
    }

    fn ask(&mut self, request: Request) {
        let id = RequestId(1);
        self.tell(Event::Requested { id, request });
    }

    /// Lets time go by.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= end) {
            self.now = at;
            match due {
                Due::Timer(timer) => {
                    self.timers.remove(&timer);
                    self.tell(Event::TimerFired { timer });
                }
                Due::EndOfPage(id) => self.page_ends(&id),
            }
        }
        self.now = end;
    }

    fn next_due(&self) -> Option<(Duration, Due)> {
        let timers = self.timers.iter();
        let timers = timers.map(|(timer, at)| (*at, Due::Timer(*timer)));
        let pages = self.pages.iter();
        let pages = pages.map(|(id, page)| (page.ends, Due::EndOfPage(id.clone())));
        timers.chain(pages).min_by_key(|(at, _)| *at)
    }

    pub(super) fn step(&mut self, step: &str) {
        let (who, verb) = step.split_once(' ').unwrap();
        if who == "wait" {
            return self.wait(Duration::from_secs(verb.parse().unwrap()));
        }
        let phone = self.phones[who].address;
        match verb {
            "connects" => self.connects(who),
            "plays" => self.plays(who),
            "stops" => self.stops(who),
            "disobeys" => self.phones.get_mut(who).unwrap().obeys = false,
            "pings" => self.streams(who, TransportState::Pending),
            "has pinged" => self.streams(who, TransportState::Idle),
            "rings" => self.calls(who, 1),
            "hangs up" => self.calls(who, 0),
            "leaves" => self.parts(who, Parting::Theirs),
            "is lost" => {
                self.phones.get_mut(who).unwrap().near = false;
                self.parts(who, Parting::Lost);
            }
            "is back" => self.phones.get_mut(who).unwrap().near = true,
            "is sent off" => self.ask(Request::Disconnect { phone }),
            "is asked for" => {
                self.ask(Request::Connect { phone });
                self.wait(ANSWERS);
            }
            _ => panic!("nobody knows what \"{step}\" is"),
        }
    }

    /// Looks: it is as expected, and stays so.
    pub(super) fn look(&mut self, expected: &Look) -> Result<(), String> {
        for after in [Duration::ZERO, LOOK] {
            self.wait(after);
            let seen = self.seen(expected);
            if seen != *expected {
                return Err(format!("expected {expected:?}, saw {seen:?}"));
            }
        }
        self.paused.clear();
        self.called.clear();
        self.told.clear();
        Ok(())
    }

    /// Returns what somebody sees who looks for the same.
    fn seen(&self, asked: &Look) -> Look {
        let connected = || {
            let here = self.phones.iter().filter(|(_, phone)| phone.connected);
            here.map(|(id, _)| id.clone()).collect()
        };
        Look {
            heard: asked.heard.is_some().then(|| self.heard()),
            connected: asked.connected.is_some().then(connected),
            paused: asked.paused.is_some().then(|| self.paused.clone()),
            called: asked.called.is_some().then(|| self.called.clone()),
            told: asked.told.is_some().then(|| self.told.clone()),
        }
    }

    /// Returns who is heard; panics if it is more than one.
    fn heard(&self) -> String {
        let sounds = |phone: &Phone| {
            let id = phone.transport();
            self.playing.contains(&id) && !self.hushed.contains(&id)
        };
        let phones = self.phones.iter().filter(|(_, phone)| sounds(phone));
        let mut heard: Vec<&str> = phones.map(|(id, _)| id.as_str()).collect();
        heard.extend(self.rings.then_some("the ring"));
        match heard[..] {
            [] => "nobody".to_owned(),
            [one] => one.to_owned(),
            _ => panic!("{heard:?} are heard together"),
        }
    }
}

fn is_of_one_sent_away(story: &Story) -> bool {
    matches!(
        story,
        Story::NoRoom { .. } | Story::NotNow { .. } | Story::MadeRoom { .. }
    )
}

fn adapter() -> AdapterFacts {
    AdapterFacts {
        id: "hci0".into(),
        address: Address::new([0xDA, 0, 0, 0, 0, 0]),
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
