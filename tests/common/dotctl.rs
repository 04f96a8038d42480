//! Runs the built `dotctl`.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use dotd::policy::Snapshot;
use dotd::policy::event::Request;
use serde_json::Value;

use super::DEADLINE;
use super::bus::Bus;
use super::speaker::{Answer, Speaker};

/// A bus with a speaker on it.
pub(crate) struct Scene {
    pub(crate) bus: Bus,
    pub(crate) speaker: Option<Speaker>,
}

impl Scene {
    pub(crate) fn new(snapshot: Snapshot, answer: Answer) -> Self {
        let bus = Bus::open();
        let speaker = Some(Speaker::start(&bus, snapshot, answer).unwrap());
        Self { bus, speaker }
    }

    pub(crate) fn dotctl(&self, args: &[&str]) -> Run {
        run(&self.bus.address, args)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.speaker.as_ref().unwrap().stage.requests()
    }
}

/// What a run of `dotctl` came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn fails_with(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        assert!(self.err.starts_with("dotctl: "), "{self:?}");
        self.err
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let out = self.succeeds();
        assert_eq!(out.matches('\n').count(), 1, "one line: {out}");
        serde_json::from_str(&out).unwrap()
    }
}

pub(crate) fn command(bus: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dotctl"));
    command
        .args(args)
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn run(bus: &str, args: &[&str]) -> Run {
    finished(command(bus, args).spawn().unwrap())
}

/// Waits for the end of `child`, not for ever.
pub(crate) fn finished(child: Child) -> Run {
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    let output: Output = end.recv_timeout(DEADLINE).expect("dotctl ends").unwrap();
    Run {
        code: output.status.code().expect("dotctl is not killed"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The lines of a `dotctl` that runs on.
pub(crate) struct Lines {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Lines {
    pub(crate) fn of(scene: &Scene, args: &[&str]) -> Self {
        let mut child = command(&scene.bus.address, args).spawn().unwrap();
        let stdout: ChildStdout = child.stdout.take().unwrap();
        let (found, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                drop(found.send(line.unwrap()));
            }
        });
        Self { child, lines }
    }

    pub(crate) fn next(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("a line comes")
    }

    /// Waits for the first line that is not `noise`.
    pub(crate) fn next_but(&self, noise: &str) -> String {
        loop {
            let line = self.next();
            if !line.ends_with(noise) {
                return line;
            }
        }
    }

    /// Returns the exit code and what stands on standard error.
    pub(crate) fn end(self) -> (i32, String) {
        let run = finished(self.child);
        (run.code, run.err)
    }
}
