//! `dotctl status`: on one screen, is it ready, and if not, what to do.

use serde::Serialize;

use super::phones::state;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Look, Output, clean, clean_lines, padded};
use crate::ctl::shape::{MicrophoneShape, PhoneShape, SpeakerShape};

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    speaker: SpeakerShape,
    phones: Vec<PhoneShape>,
}

pub(in crate::ctl) async fn run(output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let status = Status {
        speaker: client.speaker().await?,
        phones: client.phones().await?,
    };
    let text = if output.is_json() {
        String::new()
    } else {
        screen(&status, unix_now(), output)
    };
    output.tell(&status, &text)
}

/// Seconds since 1970.
pub(super) fn unix_now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default()
}

fn screen(Status { speaker, phones }: &Status, now: u64, output: &Output) -> String {
    let name = match speaker.name.as_str() {
        "" => "a speaker without a name yet".to_owned(),
        name => clean(name),
    };
    let mut lines = vec![output.paint(Look::Strong, &name)];
    let mut row = |title: &str, (look, text): (Look, String)| {
        let title = output.paint(Look::Faint, &padded(title, 10));
        lines.push(format!("  {title} {}", output.paint(look, &text)));
    };
    row("Bluetooth", bluetooth(speaker));
    row("Pairing", pairing(speaker, now));
    row("Sound", sound(speaker));
    row("Microphone", microphone(&speaker.microphone, phones));
    if let Some(problem) = &speaker.microphone.echo_problem {
        let text = format!("callers hear themselves: {}", clean_lines(problem));
        row("Echo", (Look::Bad, text));
    }
    if let Some(problem) = &speaker.voice_problem {
        let text = format!("the last one could not be heard: {}", clean_lines(problem));
        row("Calls", (Look::Bad, text));
    }
    if let Some(problems) = &speaker.config_problems {
        let problems = clean_lines(problems).replace('\n', "\n             ");
        row(
            "Config",
            (
                Look::Bad,
                format!("broken, the one before it holds:\n             {problems}"),
            ),
        );
    }
    if let Some(problem) = &speaker.memory_problem {
        let text = format!("nothing would survive a restart: {}", clean_lines(problem));
        row("State", (Look::Bad, text));
    }
    if let Some(trouble) = &speaker.memory_lost {
        let text = format!("nothing is known of before: {}", clean_lines(trouble));
        row("State", (Look::Bad, text));
    }
    if phones.is_empty() {
        let text = "none yet; let one in with `dotctl pair`".to_owned();
        row("Phones", (Look::Plain, text));
    }
    let width = name_width(phones);
    for (index, phone) in phones.iter().enumerate() {
        let title = if index == 0 { "Phones" } else { "" };
        let (look, state) = state(phone);
        let name = padded(&clean(&phone.name), width);
        row(title, (look, format!("{name}  {state}")));
    }
    lines.join("\n")
}

/// The width of the column of names.
pub(super) fn name_width(phones: &[PhoneShape]) -> usize {
    let widths = phones.iter().map(|phone| phone.name.chars().count());
    widths.max().unwrap_or_default()
}

fn bluetooth(speaker: &SpeakerShape) -> (Look, String) {
    let bluetooth = &speaker.bluetooth;
    let adapter = bluetooth.adapter.as_deref().unwrap_or("the adapter");
    match bluetooth.state.as_str() {
        "on" => {
            let address = bluetooth.address.as_deref().unwrap_or_default();
            (Look::Good, format!("ready on {adapter} ({address})"))
        }
        "no-bluetooth" => {
            let text = "bluetoothd is not running; start it with `systemctl start bluetooth`";
            (Look::Bad, text.to_owned())
        }
        "missing" => {
            let text = "no adapter; plug one in, or name one that is there in dotd.toml";
            (Look::Bad, text.to_owned())
        }
        "soft-blocked" => {
            let text = format!("{adapter} is blocked; run `rfkill unblock bluetooth`");
            (Look::Bad, text)
        }
        "hard-blocked" => {
            let text = format!("a switch holds {adapter} off; turn it, see `rfkill list`");
            (Look::Bad, text)
        }
        state => {
            let text = format!("{adapter} is {state}; see `journalctl -u bluetooth`");
            (Look::Bad, text)
        }
    }
}

fn pairing(speaker: &SpeakerShape, now: u64) -> (Look, String) {
    match speaker.pairing.until {
        Some(until) if speaker.pairing.open => {
            let left = clock(until.saturating_sub(now));
            let name = clean(&speaker.name);
            let text = format!("open for {left} more; choose \"{name}\" on the phone");
            (Look::Good, text)
        }
        _ => (Look::Plain, "closed".to_owned()),
    }
}

fn sound(speaker: &SpeakerShape) -> (Look, String) {
    let sound = &speaker.sound;
    match (sound.state.as_str(), &sound.output) {
        ("ready", Some(output)) => {
            let limit = match sound.max_volume {
                100 => String::new(),
                max => format!(", at most {max}"),
            };
            let (output, start) = (clean(output), sound.start_volume);
            if sound.muted {
                return (Look::Bad, format!("{output}, muted (dotctl unmute)"));
            }
            let text = format!("{output}, volume starts at {start}{limit}");
            (Look::Plain, text)
        }
        ("no-server", _) => {
            let text = "PipeWire is not running; see `systemctl status dotd-pipewire`";
            (Look::Bad, text.to_owned())
        }
        _ => {
            let text = "no output; connect one, `aplay -l` lists the sound cards";
            (Look::Bad, text.to_owned())
        }
    }
}

fn microphone(microphone: &MicrophoneShape, phones: &[PhoneShape]) -> (Look, String) {
    let text = match &microphone.name {
        _ if microphone.muted => "off (dotctl mic on)".to_owned(),
        Some(name) => {
            let softer = phones.iter().filter_map(|phone| {
                let volume = phone.hands_free.as_ref()?.microphone_volume;
                let name = clean(&phone.name);
                (volume < 100).then(|| format!(", at {volume} for callers of {name}"))
            });
            format!("{}{}", clean(name), softer.collect::<String>())
        }
        None => "no microphone: callers hear silence".to_owned(),
    };
    (Look::Plain, text)
}

/// Writes a countdown, or how long something lasts: 2:05.
pub(super) fn clock(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_countdown_reads_like_a_clock() {
        assert_eq!(clock(125), "2:05");
        assert_eq!(clock(3600), "60:00");
        assert_eq!(clock(0), "0:00");
    }
}
