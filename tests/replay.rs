//! Replays recorded sessions through the policy and compares what people were told.
//!
//! `tests/fixtures/replay/NAME.jsonl` is what `dotd --record` wrote in the lab; the call of that day
//! (its hands-free facts, and what was asked meanwhile) was written in by hand. `NAME.told` is what
//! the policy made of it: each story and each order to radio and audio path, one a line. After a
//! deliberate change of behaviour `DOTD_BLESS=1 cargo test --test replay` writes the latter anew,
//! and the difference is read in review.

use std::fs;
use std::path::{Path, PathBuf};

use dotd::policy::event::Stamped;
use dotd::policy::model::{Memory, Rules};
use dotd::policy::{Action, Policy};

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replay");
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the recordings are there")
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    found.sort();
    found
}

fn line(action: &Action) -> Option<String> {
    match action {
        Action::Tell(story) => Some(format!("tell   {story}")),
        Action::Radio(order) => Some(format!("radio  {}", plain(order))),
        Action::Stream(order) => Some(format!("stream {}", plain(order))),
        Action::Sound(order) => Some(format!("sound  {}", plain(order))),
        Action::HandsFree { phone, order } => Some(format!("calls  {phone} {}", plain(order))),
        Action::Reply { id, result } => {
            let result = result
                .as_ref()
                .map_or_else(ToString::to_string, |()| "done".into());
            Some(format!("reply  {}: {result}", id.0))
        }
        Action::ArmTimer { .. } | Action::CancelTimer { .. } => None,
    }
}

fn plain(order: &impl serde::Serialize) -> String {
    serde_json::to_string(order).expect("an order can be written down")
}

fn replay(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a recording can be read");
    let mut policy = Policy::new(Rules::default(), Memory::default());
    let mut told = String::new();
    for (number, recorded) in text.lines().enumerate() {
        let Stamped { now, event } = serde_json::from_str(recorded)
            .unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), number + 1));
        for action in policy.handle(now, event) {
            if let Some(line) = line(&action) {
                told.push_str(&format!("{:9.3} {line}\n", now.monotonic.as_secs_f64()));
            }
        }
    }
    told
}

#[test]
fn recorded_sessions_come_to_the_same_decisions() {
    let recordings = recordings();
    assert!(!recordings.is_empty(), "no recording was found");
    for path in recordings {
        let told = replay(&path);
        let expected = path.with_extension("told");
        if std::env::var_os("DOTD_BLESS").is_some() {
            fs::write(&expected, &told).expect("the fixture can be written");
        }
        let before = fs::read_to_string(&expected).expect("run once with DOTD_BLESS=1");
        assert_eq!(told, before, "{} is decided otherwise now", path.display());
    }
}
