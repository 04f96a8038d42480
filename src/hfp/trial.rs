//! A life of a machine with a phone that sends anything; for tests and the fuzzer.
//!
//! Invariant: what must hold whatever the phone does is checked after every input, here and
//! nowhere else.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{
    BatteryLevel, Codec, Codecs, Command, CommandId, Config, Event, Gain, Machine, Output,
    PhoneNumber, Tones,
};

/// The largest line that we send: a number, and what is around it.
const LONGEST: usize = PhoneNumber::MAX + 8;

/// The bytes that never occur in UTF-8 stand for something else to happen.
const FIRST_COMMAND: u8 = 0xf5;
/// This one stands for three seconds.
const WAIT: u8 = 0xff;

/// A machine and what it owes.
struct Trial {
    machine: Machine,
    now: Duration,
    commands: u64,
    /// Commands that were taken and have no answer yet.
    owed: BTreeSet<CommandId>,
    broken: bool,
}

/// Lives through `bytes`: what a phone sends, with commands and time in between, told by bytes that
/// no text has.
pub(super) fn live(bytes: &[u8]) {
    let mut trial = Trial::new();
    let mut rest = bytes;
    while let Some(special) = rest.iter().position(|byte| *byte >= FIRST_COMMAND) {
        trial.hear(&rest[..special]);
        match rest[special] {
            WAIT => trial.wait(Duration::from_secs(3)),
            other => trial.order(other - FIRST_COMMAND),
        }
        rest = &rest[special + 1..];
    }
    trial.hear(rest);
    trial.machine.close();
    trial.check();
    assert!(trial.owed.is_empty(), "commands without an answer");
    assert!(trial.machine.deadline().is_none() && trial.machine.calls().is_empty());
}

impl Trial {
    fn new() -> Self {
        let mut trial = Self {
            machine: Machine::new(Config {
                codecs: Codecs::new(true, true),
                echo_cancelling: true,
                speaker: Some(Gain::MAX),
                microphone: Gain::MAX,
                battery: BatteryLevel::FULL,
            }),
            now: Duration::ZERO,
            commands: 0,
            owed: BTreeSet::new(),
            broken: false,
        };
        trial.machine.start(trial.now);
        trial.check();
        trial
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.machine.receive(self.now, bytes);
        self.check();
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.machine.deadline().filter(|due| *due <= until) {
            assert!(due >= self.now, "a deadline in the past");
            self.now = due;
            self.machine.tick(self.now);
            self.check();
            let again = self.machine.deadline();
            assert!(again.is_none_or(|again| again > due), "nothing was done");
        }
        self.now = until;
    }

    fn order(&mut self, which: u8) {
        self.commands += 1;
        let id = CommandId(self.commands);
        let turn = (self.commands % 16) as u8;
        let command = match which {
            0 => Command::Answer,
            1 => Command::HangUp,
            2 => Command::Swap,
            3 => Command::ReleaseActive,
            4 => Command::Merge,
            5 => Command::OpenAudio,
            6 => Command::Reject,
            7 => PhoneNumber::new("+49 30 123").map_or(Command::Redial, Command::Dial),
            8 => Gain::new(turn).map_or(Command::Redial, Command::SetSpeaker),
            _ => match (Tones::new("1#"), self.machine.calls().last()) {
                (Some(tones), _) if turn < 6 => Command::SendTones(tones),
                (_, Some(call)) if turn < 12 => Command::HangUpOne(call.id),
                _ => Command::AudioFailed(Codec::Msbc),
            },
        };
        if self.machine.command(self.now, id, command).is_ok() {
            self.owed.insert(id);
        }
        self.check();
    }

    fn check(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send(bytes) => {
                    assert!(!self.broken, "a broken link is used");
                    assert!(bytes.starts_with(b"AT") && bytes.len() <= LONGEST);
                    let end = bytes.iter().position(|byte| byte.is_ascii_control());
                    assert_eq!(end, Some(bytes.len() - 1), "one command at a time");
                }
                Output::Event(Event::CommandEnded { id, .. }) => {
                    assert!(self.owed.remove(&id), "an answer to nothing");
                }
                Output::Event(Event::Broken(_)) => {
                    assert!(!self.broken, "broken twice");
                    self.broken = true;
                }
                Output::Event(_) => {}
            }
        }
        self.machine.check();
    }
}
