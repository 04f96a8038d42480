//! What happens when: every case of `tests/household/cases.toml`, played through with the policy among
//! phones that behave as phones do; and the README's table, which is made of them.
//!
//! Invariant: a case holds because of each thing that is done in it: without any one of them it fails.
//! After each event one is heard at most.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use dotd::policy::calls::event::HandsFreeFact;
use dotd::policy::calls::facts::{Call, CallId, CallState, Direction};
use dotd::policy::event::{
    AdapterFacts, Parting, PhoneFacts, Question, RadioBlock, Request, Timer, TransportState,
};
use dotd::policy::model::{
    Address, AttemptId, ChannelMode, Memory, Now, PhoneChoice, PhoneRule, Preference, QuestionId,
    RequestId, Rules, StreamFormat, TakeoverRule, TransportId, TrustedPhone,
};
use dotd::policy::player::{PlayState, Player, PlayerCommand};
use dotd::policy::{Action, Event, Policy, RadioAction, SoundAction, Story, StreamAction};
use serde::Deserialize;

const FAMILY: [(&str, &str); 4] = [
    ("anna", "Anna"),
    ("ben", "Ben"),
    ("cara", "Cara"),
    ("dora", "Dora"),
];
const MUSIC: &str = "0000110d-0000-1000-8000-00805f9b34fb";
/// How long it has to stay as it is looked at.
const LOOK: Duration = Duration::from_millis(1_500);
/// How long a phone takes to answer a page.
const ANSWERS: Duration = Duration::from_secs(1);
/// How long one is paged that does not answer.
const IN_VAIN: Duration = Duration::from_secs(5);
const FOOTNOTE: &str = "
\\* Played by the policy alone, for a link takes 20 s to be lost; with phones it is in
`tests/lab/scenarios/test_reconnect.py`.
";

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// It takes too long for phones.
    #[serde(default, rename = "only-policy")]
    only_policy: bool,
    #[serde(default)]
    with: With,
    when: String,
    then: String,
    here: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Step {
    Done(String),
    Seen(Look),
}

/// What is seen: of what nobody asks for, nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    heard: Option<String>,
    connected: Option<BTreeSet<String>>,
    paused: Option<BTreeSet<String>>,
    called: Option<BTreeSet<String>>,
    told: Option<Vec<String>>,
}

impl Case {
    fn named(&self) -> String {
        format!("{} ({})", self.when, self.with.text())
    }

    /// Plays it through; says what is otherwise than it should be.
    fn play(&self) -> Result<(), String> {
        let mut world = World::new(self);
        for step in &self.steps {
            match step {
                Step::Done(step) => world.step(step),
                Step::Seen(expected) => world.look(expected)?,
            }
        }
        Ok(())
    }

    /// Says whether what is done there matters: without it, something else is seen.
    fn needs(&self, place: usize, done: &str) -> bool {
        let mut without = self.clone();
        without.steps.remove(place);
        if without.play().is_err() {
            return true;
        }
        if !done.starts_with("wait ") {
            return false;
        }
        // Time may go by because something is still so after it: then ten times as long is too long.
        // Or because something stays so for good, such as that nobody is called; that is looked at right
        // after it, and is so without it all the more.
        let mut longer = self.clone();
        longer.steps[place] = Step::Done(format!("{done}0"));
        let stays = matches!(self.steps.get(place + 1), Some(Step::Seen(_)));
        stays || longer.play().is_err()
    }
}

/// The rules that are not the usual ones.
#[derive(Clone, Default, Deserialize)]
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
struct World {
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
    fn new(case: &Case) -> Self {
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

    fn step(&mut self, step: &str) {
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
    fn look(&mut self, expected: &Look) -> Result<(), String> {
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

#[test]
fn what_happens_is_what_is_said() {
    for case in cases() {
        if let Err(otherwise) = case.play() {
            panic!("{}: {otherwise}", case.named());
        }
    }
}

#[test]
fn nothing_that_is_done_can_be_left_out() {
    for case in cases() {
        let named = case.named();
        let looks = matches!(case.steps.last(), Some(Step::Seen(_)));
        assert!(looks, "{named}: nobody looks what became of it");
        for (place, step) in case.steps.iter().enumerate() {
            match step {
                Step::Seen(look) => assert_ne!(*look, Look::default(), "{named}: at what?"),
                Step::Done(done) => assert!(
                    case.needs(place, done),
                    "{named}: all is the same without \"{done}\""
                ),
            }
        }
    }
}

#[test]
fn the_table_in_the_readme_is_made_of_the_cases() {
    const BEGIN: &str = "<!-- made of tests/household/cases.toml -->\n";
    const END: &str = "<!-- end -->\n";
    let mut table = String::from("| when | and in `dotd.toml` | then |\n|---|---|---|\n");
    let cases = cases();
    for case in &cases {
        let (when, with, then) = (&case.when, case.with.text(), &case.then);
        let mark = if case.only_policy { " \\*" } else { "" };
        writeln!(table, "| {when} | {with} | {then}{mark} |").unwrap();
    }
    if cases.iter().any(|case| case.only_policy) {
        table.push_str(FOOTNOTE);
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
