//! `dotctl mic`: what calls get of the room.

use serde_json::json;

use crate::ctl::args::{MicArgs, MicCommand, Switch};
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::meant::Meant;
use crate::ctl::output::{Output, clean};
use crate::ctl::shape::{MicrophoneShape, PhoneShape};

pub(in crate::ctl) async fn run(args: MicArgs, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    match args.command {
        Some(MicCommand::Volume { volume, phone }) => {
            loudness(&client, volume, phone.as_deref(), output).await
        }
        None => switch(&client, args.switch, output).await,
    }
}

async fn switch(
    client: &Client,
    switch: Option<Switch>,
    output: &mut Output,
) -> Result<(), Failure> {
    if let Some(switch) = switch {
        client.speaker.set_microphone(switch == Switch::On).await?;
    }
    let microphone = client.speaker().await?.microphone;
    output.tell(&microphone, &sentence(&microphone))
}

fn sentence(microphone: &MicrophoneShape) -> String {
    match &microphone.name {
        _ if microphone.muted => "the microphone is off: callers hear silence".to_owned(),
        Some(name) => format!("callers hear the room through {}", clean(name)),
        None => "there is no microphone: callers hear silence".to_owned(),
    }
}

async fn loudness(
    client: &Client,
    volume: Option<u8>,
    phone: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let path = match phone {
        Some(phone) => Some(client.find(phone).await?),
        None => None,
    };
    if let Some(volume) = volume {
        let calls = client.calls(path.as_ref()).await?;
        calls.set_microphone_volume(volume).await?;
    }
    let phones = Meant::see(client, phone).await?.phones;
    let lines: Vec<String> = phones.iter().filter_map(heard_at).collect();
    let text = if lines.is_empty() {
        "no phone is connected for calls; connect one with `dotctl connect`".to_owned()
    } else {
        lines.join("\n")
    };
    output.tell(&json!({"phones": phones}), &text)
}

fn heard_at(phone: &PhoneShape) -> Option<String> {
    let volume = phone.hands_free.as_ref()?.microphone_volume;
    let name = clean(&phone.name);
    Some(format!(
        "callers of {name} hear the room at volume {volume}"
    ))
}
