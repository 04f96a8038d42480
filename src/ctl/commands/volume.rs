//! `dotctl volume`: how loud the phones are.

use serde_json::json;

use crate::api::wire;
use crate::ctl::args::VolumeChange;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Output, clean};
use crate::ctl::shape::PhoneShape;
use crate::policy::model::{Address, Volume};

pub(in crate::ctl) async fn run(
    change: Option<VolumeChange>,
    phone: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = Client::connect().await?;
    match phone {
        Some(phone) => of_phone(&client, change, phone, output).await,
        None => overall(&client, change, output).await,
    }
}

async fn of_phone(
    client: &Client,
    change: Option<VolumeChange>,
    phone: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let path = client.find(phone).await?;
    if let Some(change) = change {
        let before = client.phone(&path).await?.volume;
        let proxy = client.at(&path).await?;
        proxy.set_volume(changed(before, change)).await?;
    }
    let phone = client.phone(&path).await?;
    output.tell(&phone, &sentence(&phone))
}

async fn overall(
    client: &Client,
    change: Option<VolumeChange>,
    output: &mut Output,
) -> Result<(), Failure> {
    match change {
        Some(VolumeChange::To(percent)) => client.speaker.set_volume(percent).await?,
        Some(step @ VolumeChange::By(_)) => step_each(client, step).await?,
        None => {}
    }
    let heard = heard(client.phones().await?);
    let (start, max) = (
        client.speaker.volume().await?,
        client.speaker.max_volume().await?,
    );
    let text = if heard.is_empty() {
        format!("phones start at volume {start}")
    } else {
        heard.iter().map(sentence).collect::<Vec<_>>().join("\n")
    };
    let value = json!({"start_volume": start, "max_volume": max, "phones": heard});
    output.tell(&value, &text)
}

/// A step keeps the difference between phones, so each takes it for itself.
async fn step_each(client: &Client, step: VolumeChange) -> Result<(), Failure> {
    let heard = heard(client.phones().await?);
    if heard.is_empty() {
        let start = client.speaker.volume().await?;
        return Ok(client.speaker.set_volume(changed(start, step)).await?);
    }
    for phone in heard {
        let address: Address = phone
            .address
            .parse()
            .map_err(|_| Failure::Missing("Address"))?;
        let proxy = client.at(&wire::phone_path(address)).await?;
        proxy.set_volume(changed(phone.volume, step)).await?;
    }
    Ok(())
}

/// Returns those whose volume a person means who names no phone: who plays, else who could.
fn heard(phones: Vec<PhoneShape>) -> Vec<PhoneShape> {
    let someone_plays = phones.iter().any(|phone| phone.playing);
    let means = |phone: &PhoneShape| {
        if someone_plays {
            phone.playing
        } else {
            phone.connected
        }
    };
    phones.into_iter().filter(means).collect()
}

fn changed(before: u8, change: VolumeChange) -> u8 {
    match change {
        VolumeChange::To(percent) => percent,
        VolumeChange::By(steps) => {
            let before = Volume::new(before).unwrap_or(Volume::MAX);
            before.step(steps).percent()
        }
    }
}

fn sentence(phone: &PhoneShape) -> String {
    format!("{} is at volume {}", clean(&phone.name), phone.volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stop_at_the_ends() {
        assert_eq!(changed(98, VolumeChange::By(5)), 100);
        assert_eq!(changed(3, VolumeChange::By(-5)), 0);
        assert_eq!(changed(50, VolumeChange::By(5)), 55);
        assert_eq!(changed(50, VolumeChange::To(7)), 7);
    }
}
