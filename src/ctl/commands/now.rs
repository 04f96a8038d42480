//! `dotctl now`: what the phones' players play.

use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Look, Output, clean, padded};
use crate::ctl::shape::{PhoneShape, PlayerShape};

use super::status::name_width;

pub(in crate::ctl) async fn run(output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let mut phones = client.phones().await?;
    phones.retain(|phone| phone.player.is_some());
    let width = name_width(&phones);
    let line = |phone: &PhoneShape| {
        let player = phone.player.as_ref()?;
        let look = match phone.playing {
            true => Look::Good,
            false => Look::Faint,
        };
        let name = padded(&clean(&phone.name), width);
        Some(format!("{name}  {}", output.paint(look, &words(player))))
    };
    let text = if phones.is_empty() {
        "no phone tells what it plays".to_owned()
    } else {
        phones
            .iter()
            .filter_map(line)
            .collect::<Vec<_>>()
            .join("\n")
    };
    output.tell(&phones, &text)
}

/// Says in a line what a player does.
fn words(player: &PlayerShape) -> String {
    let mut parts = vec![padded(&player.state, "stopped".len())];
    let length = player.length_ms.map(clock);
    match (player.position_ms.map(clock), length) {
        (Some(position), Some(length)) => parts.push(format!("{position} of {length}")),
        (Some(position), None) => parts.push(position),
        (None, Some(length)) => parts.push(length),
        (None, None) => {}
    }
    let by = player
        .artist
        .as_deref()
        .map(|artist| format!("by {artist}"));
    let from = player.album.as_deref().map(|album| format!("from {album}"));
    let what = [player.title.clone(), by, from];
    let what: Vec<String> = what.into_iter().flatten().collect();
    if !what.is_empty() {
        parts.push(clean(&what.join(" ")));
    }
    if let Some(app) = &player.app {
        parts.push(format!("({})", clean(app)));
    }
    parts.join("  ")
}

/// Writes a time as minutes and seconds, or with hours before them.
fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_in_a_line() {
        let mut player = PlayerShape {
            state: "playing".to_owned(),
            ..PlayerShape::default()
        };
        assert_eq!(words(&player), "playing");
        player.position_ms = Some(42_900);
        player.length_ms = Some(200_000);
        player.title = Some("Hey".to_owned());
        player.artist = Some("Pixies".to_owned());
        player.app = Some("Music".to_owned());
        assert_eq!(
            words(&player),
            "playing  0:42 of 3:20  Hey by Pixies  (Music)"
        );
        player.length_ms = Some(4_000_000);
        assert!(words(&player).contains("of 1:06:40"));
    }
}
