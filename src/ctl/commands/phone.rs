//! `dotctl connect`, `disconnect`, `prefer`, `block`, `unblock`, `phone rename` and `forget`.

use serde_json::json;

use crate::ctl::args::When;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Output, clean};

pub(in crate::ctl) async fn connect(phone: &str, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let path = client.find(phone).await?;
    client.at(&path).await?.connect().await?;
    let phone = client.phone(&path).await?;
    let text = format!("{} is connected", clean(&phone.name));
    output.tell(&phone, &text)
}

pub(in crate::ctl) async fn disconnect(phone: &str, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let path = client.find(phone).await?;
    // Read before: a phone that is not trusted is gone with its link.
    let name = client.phone(&path).await?;
    client.at(&path).await?.disconnect().await?;
    let text = format!("{} is disconnected", clean(&name.name));
    let value = json!({"disconnected": {"name": name.name, "address": name.address}});
    output.tell(&value, &text)
}

pub(in crate::ctl) async fn prefer(
    phone: &str,
    when: &When,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let path = client.find(phone).await?;
    let (wanted, words) = when.wanted();
    client.at(&path).await?.prefer(wanted).await?;
    let phone = client.phone(&path).await?;
    let text = format!("{} {words}", clean(&phone.name));
    output.tell(&phone, &text)
}

pub(in crate::ctl) async fn block(
    phone: &str,
    blocked: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let path = client.find(phone).await?;
    client.at(&path).await?.block(blocked).await?;
    let phone = client.phone(&path).await?;
    let words = if blocked {
        "is locked out"
    } else {
        "is let in again"
    };
    let text = format!("{} {words}", clean(&phone.name));
    output.tell(&phone, &text)
}

pub(in crate::ctl) async fn rename(
    phone: &str,
    name: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let path = client.find(phone).await?;
    client
        .at(&path)
        .await?
        .rename(name.unwrap_or_default())
        .await?;
    let phone = client.phone(&path).await?;
    let text = format!("{} is called {} here", phone.address, clean(&phone.name));
    output.tell(&phone, &text)
}

pub(in crate::ctl) async fn forget_all(output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let phones = client.phones().await?;
    let phones: Vec<_> = phones.iter().filter(|it| it.is_in_list()).collect();
    client.speaker.forget_all().await?;
    let text = match phones.len() {
        0 => "there was no phone to forget".to_owned(),
        1 => format!("{} is forgotten", clean(&phones[0].name)),
        count => format!("{count} phones are forgotten"),
    };
    let named: Vec<_> = phones.iter().map(|phone| phone.named()).collect();
    output.tell(&json!({"forgotten": named}), &text)
}

pub(in crate::ctl) async fn forget(phone: &str, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let path = client.find(phone).await?;
    let name = client.phone(&path).await?;
    client.at(&path).await?.forget().await?;
    let text = format!("{} is forgotten", clean(&name.name));
    let value = json!({"forgotten": {"name": name.name, "address": name.address}});
    output.tell(&value, &text)
}
