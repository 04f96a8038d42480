//! What happens when: every case of `tests/household/cases.toml`, played through with the policy among
//! phones that behave as phones do; and the README's table, which is made of them.
//!
//! Invariant: a case holds because of each thing that is done in it: without any one of them it fails.
//! After each event one is heard at most.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use dotd::policy::model::{PhoneChoice, PhoneRule, Rules, TakeoverRule};
use serde::Deserialize;

use world::World;

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
