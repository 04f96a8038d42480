//! What happens when: every case of `tests/household/cases.toml`, played through with the policy among
//! phones that behave as phones do; and the README's table, which is made of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use dotd::policy::calls::event::HandsFreeFact;
use dotd::policy::calls::facts::{Call, CallId, CallState, Direction};
use dotd::policy::event::{
    AdapterFacts, Parting, PhoneFacts, Question, RadioBlock, Timer, TransportState,
};
use dotd::policy::model::{
    Address, ChannelMode, Memory, Now, PhoneChoice, PhoneRule, Preference, QuestionId, Rules,
    StreamFormat, TakeoverRule, TransportId, TrustedPhone,
};
use dotd::policy::player::{PlayState, Player, PlayerCommand};
use dotd::policy::{Action, Event, Policy, RadioAction, StreamAction};
use serde::Deserialize;

const FAMILY: [(&str, &str); 4] = [
    ("anna", "Anna"),
    ("ben", "Ben"),
    ("cara", "Cara"),
    ("dora", "Dora"),
];
const MUSIC: &str = "0000110d-0000-1000-8000-00805f9b34fb";

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    with: With,
    when: String,
    then: String,
    here: Vec<String>,
    steps: Vec<String>,
    heard: Option<String>,
    paused: Option<Vec<String>>,
    connected: Option<Vec<String>>,
    called: Option<Vec<String>>,
}

/// The rules that are not the usual ones.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct With {
    takeover: Option<TakeoverRule>,
    #[serde(default)]
    priority: Vec<String>,
    may_not_take_over: Option<String>,
}

impl With {
    fn rules(&self) -> Rules {
        let named = |name: &String| PhoneChoice::Named(name.clone());
        let may_not = |name: &String| PhoneRule {
            may_take_over: false,
            ..PhoneRule::new(named(name))
        };
        Rules {
            takeover: self.takeover.unwrap_or_default(),
            priority: self.priority.iter().map(named).collect(),
            phones: self.may_not_take_over.iter().map(may_not).collect(),
            ..Rules::default()
        }
    }

    /// Writes them as they stand in the configuration.
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if let Some(rule) = self.takeover {
            let word = serde_json::to_string(&rule).unwrap();
            parts.push(format!("`takeover = {word}`"));
        }
        if !self.priority.is_empty() {
            parts.push(format!("`priority = {:?}`", self.priority));
        }
        if let Some(name) = &self.may_not_take_over {
            parts.push(format!("`may-take-over = false` for {name}"));
        }
        parts.join(", ")
    }
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(repository("tests/household/cases.toml")).unwrap();
    toml::from_str::<Cases>(&text).unwrap().case
}

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A phone as phones are: it pauses when it is told to, unless it does not.
struct Phone {
    address: Address,
    name: &'static str,
    connected: bool,
    plays: bool,
    obeys: bool,
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
}

/// The family, and a speaker among it.
struct World {
    policy: Policy,
    now: Duration,
    phones: BTreeMap<String, Phone>,
    timers: BTreeMap<Timer, Duration>,
    playing: BTreeSet<TransportId>,
    hushed: BTreeSet<TransportId>,
    paused: BTreeSet<String>,
    called: BTreeSet<String>,
}

impl World {
    fn new(case: &Case) -> Self {
        let mut phones = BTreeMap::new();
        let mut memory = Memory::default();
        for (last, (id, name)) in (1..).zip(FAMILY) {
            let address = Address::new([0xF0, 0, 0, 0, 0, last]);
            let connected = case.here.iter().any(|here| here == id);
            let phone = Phone {
                address,
                name,
                connected,
                plays: false,
                obeys: true,
            };
            phones.insert(id.to_owned(), phone);
            memory.phones.push(TrustedPhone {
                address,
                name: name.to_owned(),
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
            });
        }
        let mut world = Self {
            policy: Policy::new(case.with.rules(), memory),
            now: Duration::ZERO,
            phones,
            timers: BTreeMap::new(),
            playing: BTreeSet::new(),
            hushed: BTreeSet::new(),
            paused: BTreeSet::new(),
            called: BTreeSet::new(),
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
        for action in self.policy.handle(now, event) {
            self.carry_out(action);
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
            Action::Radio(order) => self.radio(order),
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
            RadioAction::Connect { phone, .. } => {
                let id = self.id_of(phone);
                self.called.insert(id);
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

    fn connects(&mut self, id: &str) {
        self.phones.get_mut(id).unwrap().connected = true;
        let facts = self.phones[id].facts();
        self.tell(Event::PhoneSeen(facts.clone()));
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
            self.player(id, PlayState::Playing);
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

    /// Lets time go by.
    fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some((timer, due)) = self.next_timer().filter(|(_, due)| *due <= end) {
            self.timers.remove(&timer);
            self.now = due;
            self.tell(Event::TimerFired { timer });
        }
        self.now = end;
    }

    fn next_timer(&self) -> Option<(Timer, Duration)> {
        let timers = self.timers.iter().map(|(timer, due)| (*timer, *due));
        timers.min_by_key(|(_, due)| *due)
    }

    fn step(&mut self, step: &str) {
        let (who, verb) = step.split_once(' ').unwrap();
        match verb {
            seconds if who == "wait" => self.wait(seconds.parse().unwrap()),
            "connects" => self.connects(who),
            "plays" => self.plays(who),
            "stops" => self.stops(who),
            "disobeys" => self.phones.get_mut(who).unwrap().obeys = false,
            "pings" => {
                self.streams(who, TransportState::Pending);
                self.wait(2);
                self.streams(who, TransportState::Idle);
            }
            "rings" => self.calls(who, 1),
            "hangs up" => self.calls(who, 0),
            "leaves" => self.parts(who, Parting::Theirs),
            "is lost" => self.parts(who, Parting::Lost),
            _ => panic!("nobody knows what \"{step}\" is"),
        }
    }

    fn heard(&self) -> String {
        let heard: Vec<&String> = self
            .phones
            .iter()
            .filter(|(_, phone)| {
                let id = phone.transport();
                self.playing.contains(&id) && !self.hushed.contains(&id)
            })
            .map(|(id, _)| id)
            .collect();
        match heard[..] {
            [] => "nobody".to_owned(),
            [one] => one.clone(),
            _ => panic!("{heard:?} are heard together"),
        }
    }
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
        alias: "Dot-0000".into(),
        class: 0x24_0414,
    }
}

#[test]
fn what_happens_is_what_is_said() {
    for case in cases() {
        let mut world = World::new(&case);
        for step in &case.steps {
            world.step(step);
        }
        let named = format!("{} ({})", case.when, case.with.text());
        let sorted = |names: &Vec<String>| names.iter().cloned().collect::<BTreeSet<_>>();
        if let Some(heard) = &case.heard {
            assert_eq!(world.heard(), *heard, "{named}");
        }
        if let Some(paused) = &case.paused {
            assert_eq!(world.paused, sorted(paused), "{named}");
        }
        if let Some(called) = &case.called {
            assert_eq!(world.called, sorted(called), "{named}");
        }
        if let Some(connected) = &case.connected {
            let here = world.phones.iter().filter(|(_, phone)| phone.connected);
            let here: BTreeSet<String> = here.map(|(id, _)| id.clone()).collect();
            assert_eq!(here, sorted(connected), "{named}");
        }
    }
}

#[test]
fn the_table_in_the_readme_is_made_of_the_cases() {
    const BEGIN: &str = "<!-- made of tests/household/cases.toml -->\n";
    const END: &str = "<!-- end -->\n";
    let mut table = String::from("| when | and in `dotd.toml` | then |\n|---|---|---|\n");
    for case in cases() {
        let (when, with, then) = (&case.when, case.with.text(), &case.then);
        writeln!(table, "| {when} | {with} | {then} |").unwrap();
    }
    let file = repository("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if std::env::var_os("DOTD_REGENERATE").is_some() {
        fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(
        shown == table,
        "README.md does not have the cases; run `DOTD_REGENERATE=1 cargo test --test household` and \
         look at the difference"
    );
}
