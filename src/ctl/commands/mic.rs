//! `dotctl mic`: what calls get of the room.

use crate::ctl::args::Switch;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Output, clean};
use crate::ctl::shape::MicrophoneShape;

pub(in crate::ctl) async fn run(
    switch: Option<Switch>,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = Client::connect().await?;
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
