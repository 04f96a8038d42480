//! `dotctl volume`: how loud the phones are.

use serde_json::json;

use crate::ctl::args::VolumeChange;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Output, clean};
use crate::ctl::shape::PhoneShape;

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
        let proxy = client.at(&path).await?;
        match change {
            VolumeChange::To(percent) => proxy.set_volume(percent).await?,
            VolumeChange::By(steps) => proxy.step_volume(steps).await?,
        }
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
        Some(VolumeChange::By(steps)) => client.speaker.step_volume(steps).await?,
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

/// Returns those whose volume a person means who names no phone: who is in a call, else who plays,
/// else who is about to be in a call, else who could play.
fn heard(mut phones: Vec<PhoneShape>) -> Vec<PhoneShape> {
    let plays: fn(&PhoneShape) -> bool = |it| it.playing;
    let means = [PhoneShape::is_heard, plays, PhoneShape::is_calling];
    let means = means.into_iter().find(|means| phones.iter().any(means));
    phones.retain(means.unwrap_or(|it| it.connected));
    phones
}

fn sentence(phone: &PhoneShape) -> String {
    let name = clean(&phone.name);
    let in_call = phone.is_heard() || (phone.is_calling() && !phone.playing);
    match phone.hands_free.as_ref().filter(|_| in_call) {
        Some(calls) => format!("calls of {name} are at volume {}", calls.volume),
        None => format!("{name} is at volume {}", phone.volume),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::shape::{CallShape, HandsFreeShape};

    /// A phone that is connected, plays or not, has its voice here or not, and a call in this state.
    fn phone(name: &str, playing: bool, voice: bool, state: Option<&str>) -> PhoneShape {
        let call = |state: &str| CallShape {
            state: state.to_owned(),
            ..CallShape::default()
        };
        PhoneShape {
            name: name.to_owned(),
            connected: true,
            playing,
            volume: 40,
            hands_free: Some(HandsFreeShape {
                voice: voice.then(|| "msbc".to_owned()),
                volume: 70,
                calls: state.map(call).into_iter().collect(),
                ..HandsFreeShape::default()
            }),
            ..PhoneShape::default()
        }
    }

    #[test]
    fn those_are_told_whose_volume_is_meant() {
        let idle = || phone("Anna", false, false, None);
        for (ben, expected) in [
            (
                phone("Ben", false, true, Some("active")),
                "calls of Ben are at volume 70",
            ),
            (phone("Ben", true, false, None), "Ben is at volume 40"),
            (
                phone("Ben", false, false, Some("incoming")),
                "calls of Ben are at volume 70",
            ),
            (
                phone("Ben", true, false, Some("dialing")),
                "Ben is at volume 40",
            ),
        ] {
            let told: Vec<String> = heard(vec![idle(), ben]).iter().map(sentence).collect();
            assert_eq!(told, [expected]);
        }
        let told = heard(vec![idle(), phone("Ben", false, false, Some("held"))]);
        assert_eq!(told.len(), 2);
    }
}
