//! `dotctl phones`: who is trusted, who is connected, who plays, who is in a call.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::calls::{gateway_in_words, in_words};
use super::status::name_width;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Look, Output, clean, padded};
use crate::ctl::shape::PhoneShape;

pub(in crate::ctl) async fn run(output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let phones = client.phones().await?;
    let width = name_width(&phones);
    let line = |phone: &PhoneShape| {
        let (look, state) = state(phone);
        let (name, address) = (padded(&clean(&phone.name), width), &phone.address);
        format!("{name}  {address}  {}", output.paint(look, &state))
    };
    let text = if phones.is_empty() {
        "no phones yet; let one in with `dotctl pair`".to_owned()
    } else {
        phones.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    output.tell(&phones, &text)
}

/// Says in a few words what a phone is doing.
pub(super) fn state(phone: &PhoneShape) -> (Look, String) {
    // The music is hushed while there are calls.
    if let Some(told) = in_words(phone) {
        return told;
    }
    if phone.blocked {
        return (Look::Bad, "blocked; `dotctl unblock` lets it in".to_owned());
    }
    let volume = phone.volume;
    let calls = if phone.calls_allowed {
        ""
    } else {
        ", calls not allowed"
    };
    let told = gateway_in_words(phone);
    if let Some(format) = phone.format() {
        let text = format!("playing {}, volume {volume}{calls}{told}", clean(&format));
        (Look::Good, text)
    } else if phone.connected && phone.trusted {
        (
            Look::Plain,
            format!("connected, volume {volume}{calls}{told}"),
        )
    } else if phone.connected {
        (Look::Bad, "connected, but not trusted".to_owned())
    } else if !phone.bonded {
        let text = "has to pair again: run `dotctl pair`, then choose the speaker on the phone";
        (Look::Bad, text.to_owned())
    } else if phone.called {
        (Look::Plain, "not connected, being called".to_owned())
    } else if let Some(time) = phone.next_call.and_then(|time| clock(time, &Zoned::now())) {
        (
            Look::Faint,
            format!("not connected, called again at {time}"),
        )
    } else if let Some(seen) = phone.last_seen.and_then(|time| day(time, &Zoned::now())) {
        (Look::Faint, format!("not connected, last seen {seen}"))
    } else {
        (Look::Faint, "not connected".to_owned())
    }
}

/// Writes a time that is near.
fn clock(unix: u64, now: &Zoned) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(unix).ok()?).ok()?;
    let time = time.to_zoned(TimeZone::clone(now.time_zone()));
    Some(time.strftime("%H:%M:%S").to_string())
}

/// Writes a time as people say it: with the clock if it was today, else the day.
fn day(unix: u64, now: &Zoned) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(unix).ok()?).ok()?;
    let time = time.to_zoned(TimeZone::clone(now.time_zone()));
    let format = if time.date() == now.date() {
        "today at %H:%M"
    } else {
        "on %-d %B %Y"
    };
    Some(time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_do() {
        let now: Zoned = "2026-11-22T16:30:00+01:00[+01:00]".parse().unwrap();
        let unix = |text: &str| text.parse::<Timestamp>().unwrap().as_second() as u64;
        let seen = |text| day(unix(text), &now).unwrap();
        assert_eq!(seen("2026-11-22T08:05:00Z"), "today at 09:05");
        assert_eq!(seen("2026-11-21T23:30:00Z"), "today at 00:30");
        assert_eq!(seen("2026-11-21T22:30:00Z"), "on 21 November 2026");
        assert_eq!(day(u64::MAX, &now), None);
    }
}
