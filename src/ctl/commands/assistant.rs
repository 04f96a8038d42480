//! `dotctl assistant`: has a phone's assistant listen, or not.

use serde_json::json;

use crate::ctl::args::AssistantStep;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::meant::Meant;
use crate::ctl::output::{Output, clean};
use crate::ctl::shape::PhoneShape;

pub(in crate::ctl) async fn run(
    step: Option<AssistantStep>,
    phone: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let meant = Meant::see(&client, phone).await?;
    let on = step != Some(AssistantStep::Stop);
    let calls = client.calls(meant.path.as_ref()).await?;
    calls.assistant(on).await?;
    let phone = meant.phone(|_| true).map(PhoneShape::named);
    let who = match &phone {
        Some(phone) => format!("the assistant of {}", clean(&phone.name)),
        None => "the assistant".to_owned(),
    };
    let text = format!("{who} {}", if on { "listens" } else { "listens no more" });
    output.tell(&json!({"assistant": on, "phone": phone}), &text)
}
