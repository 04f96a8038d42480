//! Plays conversations with phones of several kinds and compares what the machine said.
//!
//! `tests/fixtures/hfp/NAME.txt`: see `hfp/script.rs` for how they are written. After a deliberate
//! change of behaviour `DOTD_BLESS=1 cargo test --test hfp_conversations` writes what comes out
//! anew, and the fuzzer's corpus with it; the difference is read in review.

#[path = "hfp/script.rs"]
mod script;

use std::fs;
use std::path::{Path, PathBuf};

use dotd::hfp::Command;
use proptest::prelude::*;
use script::{Conversation, Input, comes_out};

fn below(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn blessed() -> bool {
    std::env::var_os("DOTD_BLESS").is_some()
}

/// All conversations, by name.
fn conversations() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(below("tests/fixtures/hfp"))
        .expect("the conversations are there")
        .map(|entry| entry.expect("a folder can be read").path())
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            let text = fs::read_to_string(&path).expect("a conversation can be read");
            (name.into_owned(), text)
        })
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// The conversation with what comes out now.
fn replayed(text: &str) -> String {
    let mut conversation = Conversation::new();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !comes_out(line)) {
        // What came out of the last input goes right behind it.
        lines.push(line.to_owned());
        if line == "# start" {
            lines.append(&mut conversation.told);
        } else if let Some(input) = Input::read(line) {
            conversation.take(input);
            lines.append(&mut conversation.told);
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[test]
fn every_conversation_goes_as_written() {
    for (name, text) in conversations() {
        let now = replayed(&text);
        if blessed() {
            fs::write(below("tests/fixtures/hfp").join(name + ".txt"), now).expect("written");
        } else {
            assert!(now == text, "{name} goes differently now:\n{now}");
        }
    }
}

/// What the fuzzer begins with: the same, in the form of `src/hfp/trial.rs`.
fn corpus(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for input in text.lines().filter_map(Input::read) {
        match input {
            Input::Line(line) => bytes.extend_from_slice(format!("\r\n{line}\r\n").as_bytes()),
            Input::Wait(_) => bytes.push(0xff),
            Input::Command(command) => bytes.push(match command {
                Command::Answer => 0xf5,
                Command::HangUp => 0xf6,
                Command::Swap => 0xf7,
                Command::ReleaseActive => 0xf8,
                Command::Merge => 0xf9,
                Command::OpenAudio => 0xfa,
                Command::Reject | Command::ReleaseHeld => 0xfb,
                Command::Dial(_) | Command::DialMemory(_) | Command::Redial => 0xfc,
                Command::SetSpeaker(_) | Command::SetMicrophone(_) => 0xfd,
                _ => 0xfe,
            }),
        }
    }
    bytes
}

#[test]
fn the_fuzzer_begins_with_the_conversations() {
    for (name, text) in conversations() {
        let path = below("fuzz/corpus/hfp_lines").join(&name);
        let bytes = corpus(&text);
        if blessed() {
            fs::create_dir_all(below("fuzz/corpus/hfp_lines")).expect("made");
            fs::write(path, bytes).expect("written");
        } else {
            assert!(
                fs::read(path).expect("a seed") == bytes,
                "{name} is another"
            );
        }
    }
}

/// The other seeds are what phones said in real runs, up to the service level connection at least:
/// `fuzz/corpus-from-btsnoop` makes them of traces.
#[test]
fn what_phones_said_in_real_runs_connects_them() {
    let mut of_the_lab = 0;
    for seed in fs::read_dir(below("fuzz/corpus/hfp_lines")).expect("the seeds are there") {
        let path = seed.expect("a folder can be read").path();
        if !path.to_string_lossy().contains("/lab-") {
            continue;
        }
        of_the_lab += 1;
        let mut conversation = Conversation::new();
        for said in fs::read(&path).expect("a seed").split(|byte| *byte >= 0xf5) {
            conversation.hear(said);
        }
        let ready = |line: &String| line.starts_with("*  ready");
        let told = &conversation.told;
        assert!(told.iter().any(ready), "{}: {told:?}", path.display());
    }
    assert!(of_the_lab > 0, "nothing of real runs is left");
}

/// Plays a conversation, with what the phone says in pieces of these lengths, over and over, and
/// with these ends of lines.
fn in_pieces(text: &str, lengths: &[usize], end: &str) -> Vec<String> {
    let mut conversation = Conversation::new();
    let mut lengths = lengths.iter().cycle();
    let mut said = Vec::new();
    let flush = |conversation: &mut Conversation,
                 said: &mut Vec<u8>,
                 lengths: &mut dyn Iterator<Item = &usize>| {
        while !said.is_empty() {
            let length = lengths.next().map_or(1, |length| (*length).min(said.len()));
            let piece: Vec<u8> = said.drain(..length).collect();
            conversation.hear(&piece);
        }
    };
    for input in text.lines().filter_map(Input::read) {
        match input {
            Input::Line(line) => said.extend_from_slice(format!("{line}{end}").as_bytes()),
            other => {
                flush(&mut conversation, &mut said, &mut lengths);
                conversation.take(other);
            }
        }
    }
    flush(&mut conversation, &mut said, &mut lengths);
    conversation.told
}

proptest! {
    #[test]
    fn where_lines_are_cut_does_not_matter(
        lengths in prop::collection::vec(1..40_usize, 1..20),
        end in prop::sample::select(vec!["\r\n", "\r", "\n", "\n\r", "\r\r\n\n"]),
    ) {
        for (name, text) in conversations() {
            let whole = in_pieces(&text, &[usize::MAX], "\r\n");
            prop_assert_eq!(in_pieces(&text, &lengths, end), whole, "{}", name);
        }
    }
}
