//! Conversations of a phone with the machine, as text.
//!
//! ```text
//! # a remark
//! AG: RING          the phone says this
//! me: answer        somebody wants this
//! wait: 5           so many seconds pass
//! HF: ATA           the machine says this to the phone
//! *  1 done         the machine tells this
//! ```
//!
//! The first three are put in; the last two come out.

use std::time::Duration;

use dotd::hfp::{
    AgFeatures, BatteryLevel, Call, CallHold, CallId, Codec, Codecs, Command, CommandId, Config,
    Direction, Event, Gain, Machine, Output, PhoneNumber, PhoneStatus, Ready, Tones,
};

/// What is put in.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// The phone says a line.
    Line(String),
    /// Somebody wants something.
    Command(Command),
    /// Time passes.
    Wait(Duration),
}

impl Input {
    /// Reads a line of a conversation; nothing when it is a remark or comes out.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (who, what) = line.split_once(':')?;
        let what = what.trim();
        match who {
            "AG" => Some(Self::Line(what.into())),
            "me" => Some(Self::Command(command(what))),
            "wait" => {
                let seconds: f64 = what.parse().expect("seconds");
                Some(Self::Wait(Duration::from_secs_f64(seconds)))
            }
            _ => None,
        }
    }
}

/// Says whether the line comes out.
pub(crate) fn comes_out(line: &str) -> bool {
    line.starts_with("HF:") || line.starts_with('*')
}

fn command(words: &str) -> Command {
    let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
    let number = || rest.parse().expect("a number");
    match verb {
        "answer" => Command::Answer,
        "reject" => Command::Reject,
        "hangup" if rest.is_empty() => Command::HangUp,
        "hangup" => Command::HangUpOne(CallId(rest.parse().expect("a call"))),
        "dial" => Command::Dial(PhoneNumber::new(rest).expect("a number")),
        "memory" => Command::DialMemory(rest.parse().expect("a place")),
        "redial" => Command::Redial,
        "tones" => Command::SendTones(Tones::new(rest).expect("keys")),
        "swap" => Command::Swap,
        "release-held" => Command::ReleaseHeld,
        "release-active" => Command::ReleaseActive,
        "merge" => Command::Merge,
        "audio" => Command::OpenAudio,
        "audio-failed" => Command::AudioFailed(match rest {
            "CVSD" => Codec::Cvsd,
            "mSBC" => Codec::Msbc,
            _ => Codec::Lc3Swb,
        }),
        "assistant" => Command::RecognizeVoice(rest == "on"),
        "speaker" => Command::SetSpeaker(Gain::new(number()).expect("0 to 15")),
        "microphone" => Command::SetMicrophone(Gain::new(number()).expect("0 to 15")),
        "battery" => Command::SetBattery(BatteryLevel::new(number()).expect("per cent")),
        other => panic!("what is {other:?}?"),
    }
}

/// A machine in a conversation.
pub(crate) struct Conversation {
    machine: Machine,
    now: Duration,
    commands: u64,
    /// What came out, a line each.
    pub(crate) told: Vec<String>,
}

impl Conversation {
    pub(crate) fn new() -> Self {
        let mut machine = Machine::new(Config {
            codecs: Codecs::new(true, true),
            echo_cancelling: true,
            speaker: Some(Gain::new(9).expect("0 to 15")),
            microphone: Gain::new(12).expect("0 to 15"),
            battery: BatteryLevel::FULL,
        });
        machine.start(Duration::ZERO);
        let mut conversation = Self {
            machine,
            now: Duration::ZERO,
            commands: 0,
            told: Vec::new(),
        };
        conversation.drain();
        conversation
    }

    /// Puts bytes in.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.machine.receive(self.now, bytes);
        self.drain();
    }

    /// Puts something in.
    pub(crate) fn take(&mut self, input: Input) {
        match input {
            Input::Line(line) => self.hear(format!("\r\n{line}\r\n").as_bytes()),
            Input::Command(command) => {
                self.commands += 1;
                let id = CommandId(self.commands);
                if let Err(refusal) = self.machine.command(self.now, id, command) {
                    self.told.push(format!("*  {} refused: {refusal}", id.0));
                }
            }
            Input::Wait(time) => {
                let until = self.now + time;
                while let Some(due) = self.machine.deadline().filter(|due| *due <= until) {
                    self.now = due;
                    self.machine.tick(due);
                }
                self.now = until;
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            self.told.push(match output {
                Output::Send(bytes) => {
                    format!("HF: {}", String::from_utf8_lossy(&bytes).trim_end())
                }
                Output::Event(event) => format!("*  {}", in_words(&event)),
            });
        }
    }
}

fn in_words(event: &Event) -> String {
    match event {
        Event::Ready(ready) => ready_in_words(ready),
        Event::Broken(fault) => format!("broken: {fault}"),
        Event::CallsChanged(calls) if calls.is_empty() => "no calls".into(),
        Event::CallsChanged(calls) => {
            let calls: Vec<String> = calls.iter().map(call_in_words).collect();
            format!("calls: {}", calls.join("; "))
        }
        Event::Rang { in_band: true } => "rang, with the phone's tone".into(),
        Event::Rang { in_band: false } => "rang, the tone is ours".into(),
        Event::InBandRingChanged(on) => format!("in-band ring: {on}"),
        Event::CodecChosen(codec) => format!("codec: {codec}"),
        Event::AudioLeftToUs => "audio is left to us".into(),
        Event::VoiceRecognitionChanged(on) => format!("assistant: {on}"),
        Event::SpeakerChanged(gain) => format!("speaker: {}", gain.steps()),
        Event::MicrophoneChanged(gain) => format!("microphone: {}", gain.steps()),
        Event::StatusChanged(status) => format!("status: {}", status_in_words(status)),
        Event::CommandEnded { id, result: Ok(()) } => format!("{} done", id.0),
        Event::CommandEnded { id, result } => {
            let failure = result.expect_err("the other case was above");
            format!("{} failed: {failure}", id.0)
        }
    }
}

fn ready_in_words(ready: &Ready) -> String {
    let mut words = vec!["ready".to_owned()];
    if ready.features.has(AgFeatures::CALL_LIST) {
        words.push("lists calls".into());
    }
    if ready.negotiates_codec {
        words.push("negotiates codec".into());
    }
    if ready.in_band_ring {
        words.push("in-band ring".into());
    }
    let CallHold {
        release_held,
        release_active,
        release_one,
        hold,
        merge,
    } = ready.call_hold;
    for (can, what) in [
        (release_held, "0"),
        (release_active, "1"),
        (release_one, "1x"),
        (hold, "2"),
        (merge, "3"),
    ] {
        if can {
            words.push(what.into());
        }
    }
    let status = status_in_words(&ready.status);
    format!("{}; {status}", words.join(", "))
        .trim_end()
        .to_owned()
}

fn status_in_words(status: &PhoneStatus) -> String {
    let PhoneStatus {
        service,
        signal,
        roaming,
        battery,
        operator,
    } = status;
    let mut words = Vec::new();
    words.extend(service.map(|on| format!("service {on}")));
    words.extend(signal.map(|bars| format!("signal {bars}")));
    words.extend(roaming.map(|on| format!("roaming {on}")));
    words.extend(battery.map(|level| format!("battery {level}")));
    words.extend(operator.as_ref().map(|name| format!("operator {name:?}")));
    words.join(", ")
}

fn call_in_words(call: &Call) -> String {
    let direction = match call.direction {
        Direction::Incoming => "from",
        Direction::Outgoing => "to",
    };
    let number = match call.number.as_str() {
        "" => "?",
        number => number,
    };
    let state = format!("{:?}", call.state).to_lowercase();
    let mut words = format!(
        "#{} ({}) {state} {direction} {number}",
        call.id.0, call.index
    );
    if let Some(name) = &call.name {
        words.push_str(&format!(" {name:?}"));
    }
    if call.multiparty {
        words.push_str(", conference");
    }
    words
}
