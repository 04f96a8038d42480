//! Holds the dependency rule of `src/lib.rs`: which room may know which.

use std::fs;
use std::path::{Path, PathBuf};

/// What each room may use of the crate.
const RULES: &[(&str, &[&str])] = &[
    ("policy", &["policy"]),
    ("config", &["config", "pcm", "policy"]),
    ("store", &["store", "policy"]),
    ("pcm", &["pcm"]),
    ("bluetooth", &["bluetooth", "policy"]),
    ("a2dp", &["a2dp", "pcm", "policy"]),
    ("audio", &["audio", "pcm", "policy"]),
    ("hfp", &["hfp", "pcm"]),
    ("handsfree", &["handsfree", "hfp", "pcm", "policy"]),
    ("api", &["api", "policy"]),
    ("cli", &["cli", "config"]),
    ("ctl", &["ctl", "api", "cli", "config", "policy"]),
];

/// What the pure rooms may never reach for.
const IMPURE: &[&str] = &[
    "tokio::",
    "zbus::",
    "bluer::",
    "pipewire::",
    "tracing::",
    "rustix::",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::sync",
    "std::process",
    "Instant",
    "SystemTime",
];

/// Files outside `policy` that are pure all the same.
const PURE: &[&str] = &[
    "policy/",
    "a2dp/rtp",
    "bluetooth/covers/plan",
    "handsfree/voice/fade",
    "handsfree/voice/level",
    "handsfree/voice/pacer",
    "hfp/",
    "pcm/conceal",
    "pcm/ringtone",
    "pcm/playout/aims",
    "pcm/playout/buffer",
    "pcm/playout/lateness",
    "pcm/playout/servo",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file without comments, line by line.
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a source can be read");
    text.lines()
        .map(|line| line.split("//").next().unwrap_or("").to_owned())
        .collect()
}

/// The rooms of the crate that a line names: `crate::room` or `dotd::room`.
fn rooms_in(line: &str) -> Vec<String> {
    line.split("crate::")
        .skip(1)
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

fn all() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).expect("found below src");
            (inside.to_string_lossy().into_owned(), path)
        })
        .collect()
}

#[test]
fn rooms_know_only_whom_they_may() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for (inside, path) in all() {
        let room = inside.split(['/', '.']).next().unwrap_or("");
        let Some((_, allowed)) = RULES.iter().find(|(name, _)| *name == room) else {
            continue;
        };
        checked += 1;
        for (number, line) in code(&path).iter().enumerate() {
            for other in rooms_in(line)
                .iter()
                .filter(|other| !allowed.contains(&other.as_str()))
            {
                broken.push(format!(
                    "src/{inside}:{}: {room} reaches into {other}",
                    number + 1
                ));
            }
        }
    }
    assert!(checked >= RULES.len(), "the rooms were not found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_pure_rooms_have_no_io_and_no_clock() {
    let mut broken = Vec::new();
    for (inside, path) in all() {
        // This test writes down the life that it broke.
        let writes = inside == "policy/tests/lives.rs";
        if writes || !PURE.iter().any(|pure| inside.starts_with(pure)) {
            continue;
        }
        for (number, line) in code(&path).iter().enumerate() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                broken.push(format!("src/{inside}:{}: {word}", number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_file_has_at_most_600_lines() {
    for (inside, path) in all() {
        let lines = code(&path).len();
        assert!(
            lines <= 600,
            "src/{inside} has {lines} lines: a house with too many people"
        );
    }
}
