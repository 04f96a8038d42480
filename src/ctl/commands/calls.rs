//! `dotctl calls`: who talks with whom, on which phone, and where that is heard.

use serde::Serialize;

use super::status::{clock, unix_now};
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::meant::each_call;
use crate::ctl::output::{Look, Output, clean, listed, padded};
use crate::ctl::shape::{CallShape, NameShape, PhoneShape};

/// A call in the list of all.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    phone: NameShape,
    heard_here: bool,
    #[serde(flatten)]
    call: &'a CallShape,
}

/// A call as a line: its number, with whom, how far it is, how long, and where.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    number: String,
    whom: String,
    state: String,
    look: Look,
    length: String,
    place: String,
}

pub(in crate::ctl) async fn run(output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    let phones = client.phones().await?;
    let calls: Vec<_> = each_call(&phones)
        .map(|(phone, call)| Listed {
            phone: phone.named(),
            heard_here: phone.is_heard_here() && is_heard(call),
            call,
        })
        .collect();
    let text = if calls.is_empty() {
        none(&phones).to_owned()
    } else {
        let now = unix_now();
        let rows = each_call(&phones).map(|(phone, call)| row(phone, call, now));
        table(&rows.collect::<Vec<_>>(), output)
    };
    output.tell(&calls, &text)
}

fn none(phones: &[PhoneShape]) -> &'static str {
    if phones.iter().any(|phone| phone.hands_free.is_some()) {
        "no calls; make one with `dotctl call dial NUMBER`"
    } else {
        "no calls, and no phone is connected for any; connect one with `dotctl connect`"
    }
}

/// Says whether there is anything to be heard of it.
fn is_heard(call: &CallShape) -> bool {
    call.is_active() || call.is_made()
}

fn row(phone: &PhoneShape, call: &CallShape, now: u64) -> Row {
    let direction = match call.direction.as_str() {
        "outgoing" => "to",
        _ => "from",
    };
    let number = match (&call.name, &call.number) {
        (Some(_), Some(number)) => format!(", {}", clean(number)),
        _ => String::new(),
    };
    let (state, look) = match call.state.as_str() {
        "incoming" => ("rings", Look::Strong),
        "waiting" => ("waits", Look::Strong),
        "dialing" => ("dialing", Look::Plain),
        "alerting" => ("ringing there", Look::Plain),
        "held" => ("on hold", Look::Faint),
        "active" if call.multiparty => ("in a conference", Look::Good),
        "active" => ("talking", Look::Good),
        // A later dotd may know more states than we do.
        other => (other, Look::Plain),
    };
    let heard = match (is_heard(call), phone.is_heard_here()) {
        (false, _) => "",
        (true, true) => ", heard here",
        (true, false) => ", heard on the phone",
    };
    let since = call.answered.unwrap_or(call.since);
    Row {
        number: call.id.to_string(),
        whom: format!("{direction} {}{number}", clean(call.caller())),
        state: clean(state),
        look,
        length: clock(now.saturating_sub(since)),
        place: format!("{}{heard}", clean(&phone.name)),
    }
}

fn table(rows: &[Row], output: &Output) -> String {
    let width = |of: fn(&Row) -> &str| {
        let widths = rows.iter().map(|row| of(row).chars().count());
        widths.max().unwrap_or_default()
    };
    let (number, whom) = (width(|row| &row.number), width(|row| &row.whom));
    let (state, length) = (width(|row| &row.state), width(|row| &row.length));
    let line = |row: &Row| {
        let state = output.paint(row.look, &padded(&row.state, state));
        format!(
            "{:>number$}  {:whom$}  {state}  {:>length$}  {}",
            row.number, row.whom, row.length, row.place
        )
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Says what a phone tells of its battery and its network, each with a comma before it.
pub(super) fn gateway_in_words(phone: &PhoneShape) -> String {
    let Some(told) = &phone.hands_free else {
        return String::new();
    };
    let mut words = vec![String::new()];
    words.extend(told.battery.map(|level| format!("battery {level} of 5")));
    let network = told.operator.as_deref().map_or("network".into(), clean);
    if told.service == Some(false) {
        words.push("no network".to_owned());
    } else if let Some(signal) = told.signal {
        words.push(format!("{network} {signal} of 5"));
    } else if told.operator.is_some() {
        words.push(network);
    }
    if told.roaming == Some(true) {
        words.push("roaming".to_owned());
    }
    words.join(", ")
}

/// Says in a few words what calls a phone has, or that its assistant listens; nothing if neither.
pub(super) fn in_words(phone: &PhoneShape) -> Option<(Look, String)> {
    let hands_free = phone.hands_free.as_ref()?;
    let calls = phone.calls();
    let callers = |fits: fn(&CallShape) -> bool| {
        let fitting = calls.iter().filter(|call| fits(call));
        let names: Vec<_> = fitting.map(|call| clean(call.caller())).collect();
        (!names.is_empty()).then(|| listed(&names))
    };
    let offered = callers(CallShape::is_offered);
    let look = match offered {
        Some(_) => Look::Strong,
        None => Look::Good,
    };
    let mut words = Vec::new();
    words.extend(callers(CallShape::is_active).map(|who| format!("in a call with {who}")));
    words.extend(callers(CallShape::is_made).map(|who| format!("calling {who}")));
    words.extend(callers(CallShape::is_held).map(|who| format!("{who} on hold")));
    words.extend(offered.map(|who| format!("called by {who}")));
    if words.is_empty() && hands_free.assistant {
        words.push("its assistant listens".to_owned());
    }
    if words.is_empty() {
        return None;
    }
    if phone.is_heard_here() {
        words.push(format!("heard here, volume {}", hands_free.volume));
    } else if calls.iter().any(is_heard) {
        words.push("heard on the phone".to_owned());
    }
    Some((look, words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::shape::HandsFreeShape;

    fn call(id: u32, direction: &str, state: &str) -> CallShape {
        CallShape {
            id,
            direction: direction.to_owned(),
            state: state.to_owned(),
            since: 1000,
            ..CallShape::default()
        }
    }

    fn anna(calls: Vec<CallShape>, voice: Option<&str>) -> PhoneShape {
        PhoneShape {
            name: "Anna".to_owned(),
            hands_free: Some(HandsFreeShape {
                voice: voice.map(str::to_owned),
                volume: 60,
                calls,
                ..HandsFreeShape::default()
            }),
            ..PhoneShape::default()
        }
    }

    fn calls() -> Vec<CallShape> {
        vec![
            CallShape {
                name: Some("Mom".to_owned()),
                number: Some("+4930123".to_owned()),
                answered: Some(1010),
                ..call(1, "outgoing", "active")
            },
            CallShape {
                number: Some("110".to_owned()),
                answered: Some(1001),
                ..call(2, "incoming", "held")
            },
            call(12, "incoming", "waiting"),
        ]
    }

    #[test]
    fn the_list_is_a_table() {
        let phone = anna(calls(), Some("mSBC"));
        let rows: Vec<_> = phone
            .calls()
            .iter()
            .map(|it| row(&phone, it, 1700))
            .collect();
        let looks: Vec<_> = rows.iter().map(|row| row.look).collect();
        assert_eq!(looks, [Look::Good, Look::Faint, Look::Strong]);
        // Without colour, whatever the tests run in.
        let plain = |row: Row| Row {
            look: Look::Plain,
            ..row
        };
        let rows: Vec<_> = rows.into_iter().map(plain).collect();
        assert_eq!(
            table(&rows, &Output::new(false))
                .lines()
                .collect::<Vec<_>>(),
            [
                " 1  to Mom, +4930123                        talking  11:30  Anna, heard here",
                " 2  from 110                                on hold  11:39  Anna",
                "12  from somebody who withholds the number  waits    11:40  Anna",
            ]
        );
    }

    #[test]
    fn a_phone_says_what_its_calls_are_doing() {
        let told = |calls, voice| in_words(&anna(calls, voice)).unwrap();
        assert_eq!(in_words(&anna(Vec::new(), None)), None);
        assert_eq!(
            told(calls(), Some("mSBC")),
            (
                Look::Strong,
                "in a call with Mom, 110 on hold, called by somebody who withholds the number, \
                 heard here, volume 60"
                    .to_owned()
            )
        );
        let mut two = calls();
        two.pop();
        two[1].state = "active".to_owned();
        let text = "in a call with Mom and 110, heard on the phone".to_owned();
        assert_eq!(told(two, None), (Look::Good, text));
        let made = CallShape {
            number: Some("110".to_owned()),
            ..call(1, "outgoing", "alerting")
        };
        let text = "calling 110, heard here, volume 60".to_owned();
        assert_eq!(told(vec![made], Some("CVSD")), (Look::Good, text));
    }

    #[test]
    fn an_assistant_that_listens_is_told_of() {
        let mut anna = anna(Vec::new(), None);
        if let Some(hands_free) = &mut anna.hands_free {
            hands_free.assistant = true;
        }
        let text = "its assistant listens".to_owned();
        assert_eq!(in_words(&anna), Some((Look::Good, text)));
    }

    #[test]
    fn without_calls_it_says_what_to_do() {
        assert!(none(&[anna(Vec::new(), None)]).contains("call dial"));
        assert!(none(&[PhoneShape::default()]).contains("dotctl connect"));
    }
}
