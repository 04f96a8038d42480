//! `dotctl monitor`: what happens, as it happens.

use futures_util::StreamExt;
use jiff::{Timestamp, Zoned};
use serde_json::{Value as Json, json};

use crate::api::Happened;
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::output::{Look, Output, clean};
use crate::policy::Story;

pub(in crate::ctl) async fn run(output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let mut stories = client.speaker.receive_happened().await?;
    let mut owner = client.speaker.inner().receive_owner_changed().await?;
    loop {
        tokio::select! {
            story = stories.next() => match story {
                Some(story) => print(&story, output)?,
                None => return Err(Failure::WentAway),
            },
            owner = owner.next() => if owner.flatten().is_none() {
                return Err(Failure::WentAway);
            },
        }
    }
}

fn print(signal: &Happened, output: &mut Output) -> Result<(), Failure> {
    let args = signal.args()?;
    let details: Json = serde_json::from_str(args.json()).unwrap_or_default();
    // A later dotd may tell what we do not know; then its own words have to do.
    let warning =
        serde_json::from_value::<Story>(details.clone()).is_ok_and(|story| story.is_warning());
    let value = json!({
        "time": Timestamp::now().as_second(),
        "kind": args.kind(),
        "warning": warning,
        "text": args.text(),
        "details": details,
    });
    let time = Zoned::now().strftime("%b %e %H:%M:%S").to_string();
    let look = if warning { Look::Bad } else { Look::Plain };
    let line = format!(
        "{} {}",
        output.paint(Look::Faint, &time),
        output.paint(look, &clean(args.text()))
    );
    output.tell(&value, &line)
}
