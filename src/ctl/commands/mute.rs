//! `dotctl mute` and `unmute`.

use serde_json::json;

use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::Output;

pub(in crate::ctl) async fn run(muted: bool, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    client.speaker.set_muted(muted).await?;
    let text = if muted {
        "nothing is heard until `dotctl unmute`, or until the volume is turned"
    } else {
        "it is heard again"
    };
    output.tell(&json!({"muted": muted}), text)
}
