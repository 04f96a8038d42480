//! `dotctl connect`, `disconnect` and `forget`.

use serde_json::json;

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

pub(in crate::ctl) async fn forget(phone: &str, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let path = client.find(phone).await?;
    let name = client.phone(&path).await?;
    client.at(&path).await?.forget().await?;
    let text = format!("{} is forgotten", clean(&name.name));
    let value = json!({"forgotten": {"name": name.name, "address": name.address}});
    output.tell(&value, &text)
}
