//! `dotctl pair`: lets a phone in.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::status::{clock, unix_now};
use crate::api::Happened;
use crate::ctl::args::{PairArgs, PairCommand};
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Output, clean};
use crate::ctl::shape::SpeakerShape;
use crate::policy::Story;
use crate::policy::story::WindowEnd;

pub(in crate::ctl) async fn run(args: PairArgs, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    if let Some(PairCommand::Stop) = args.command {
        client.speaker.stop_pairing().await?;
        let value = json!({"open": false, "until": null});
        return output.tell(&value, "pairing is closed");
    }
    // 0 would mean the configured length; whoever asks for 0 s is told what is allowed instead.
    let seconds = match args.length.map(|length| length.as_secs()) {
        None => 0,
        Some(0) => 1,
        Some(seconds) => u32::try_from(seconds).unwrap_or(u32::MAX),
    };
    if args.wait {
        return open_and_wait(&client, seconds, output).await;
    }
    client.speaker.start_pairing(seconds).await?;
    let speaker = client.speaker().await?;
    output.tell(&speaker.pairing, &invitation(&speaker))
}

fn invitation(speaker: &SpeakerShape) -> String {
    let left = speaker.pairing.until.unwrap_or_default();
    format!(
        "pairing is open for {}; choose \"{}\" on the phone",
        clock(left.saturating_sub(unix_now())),
        clean(&speaker.name)
    )
}

async fn open_and_wait(client: &Client, seconds: u32, output: &mut Output) -> Result<(), Failure> {
    // Listening comes first: a phone can be faster than we are.
    let mut stories = client.speaker.receive_happened().await?;
    let mut owner = client.speaker.inner().receive_owner_changed().await?;
    client.speaker.start_pairing(seconds).await?;
    let speaker = client.speaker().await?;
    if !output.is_json() {
        output.line(&invitation(&speaker))?;
    }
    let until = speaker.pairing.until.unwrap_or_default();
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let ending = loop {
        tokio::select! {
            story = stories.next() => match story.as_ref().map(told) {
                None => break Err(Failure::WentAway),
                Some(Some(Story::PhonePaired { name, address, again })) => {
                    break Ok((name, address, again));
                }
                Some(Some(Story::PairingClosed { why })) if why != WindowEnd::Paired => {
                    break Err(Failure::NobodyPaired);
                }
                Some(_) => {}
            },
            owner = owner.next() => if owner.flatten().is_none() {
                break Err(Failure::WentAway);
            },
            _ = second.tick(), if output.is_watched() => {
                let left = until.saturating_sub(unix_now());
                output.show(&format!("waiting for a phone, {} left", clock(left)))?;
            }
        }
    };
    if output.is_watched() {
        output.show("")?;
    }
    let (name, address, again) = ending?;
    let text = format!(
        "{} paired{}",
        clean(&name),
        if again { " again" } else { "" }
    );
    let value = json!({"paired": {"name": name, "address": address, "again": again}});
    output.tell(&value, &text)
}

/// Reads what a signal tells; nothing when a later dotd tells something we do not know.
fn told(signal: &Happened) -> Option<Story> {
    serde_json::from_str(signal.args().ok()?.json()).ok()
}
