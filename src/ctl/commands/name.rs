//! `dotctl name`: what the speaker is called.

use serde_json::json;

use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Output, clean};

pub(in crate::ctl) async fn run(new: Option<&str>, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    if let Some(new) = new {
        client.speaker.set_name(new).await?;
    }
    let name = client.speaker.name().await?;
    let text = match new {
        Some(_) => format!("the speaker is called \"{}\" now", clean(&name)),
        None => clean(&name),
    };
    output.tell(&json!({"name": name}), &text)
}
