//! What a command did, in one sentence and for programs.
//!
//! Invariant: it names the call and the phone where only one can have been meant, and else nobody.

use serde::Serialize;

use crate::ctl::args::CallCommand;
use crate::ctl::meant::Meant;
use crate::ctl::output::{clean, listed};
use crate::ctl::shape::{CallShape, NameShape, PhoneShape};

/// What was done, and what with, as that was before.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    done: &'static str,
    phone: Option<NameShape>,
    call: Option<CallShape>,
    #[serde(skip)]
    text: String,
}

/// A call with its phone, if it is clear which one.
type About<'a> = Option<(&'a PhoneShape, &'a CallShape)>;

impl Done {
    /// Foresees what `command` does if nothing refuses it.
    pub(super) fn by(command: &CallCommand, meant: &Meant) -> Self {
        match command {
            CallCommand::Answer { .. } => {
                let about = meant.call(CallShape::is_offered);
                let text = match talks(about) {
                    Some(text) => text,
                    None => "the call is answered".to_owned(),
                };
                Self::with("answer", about, text)
            }
            CallCommand::Reject => {
                let about = meant.call(CallShape::is_offered);
                let text = match about {
                    Some((phone, _)) => format!("{} rings no more", name(phone)),
                    None => "nothing rings any more".to_owned(),
                };
                Self::with("reject", about, text)
            }
            CallCommand::Hangup { call: None } => {
                Self::over(meant.call(|call| call.is_active() || call.is_made()))
            }
            CallCommand::Hangup { call: Some(id) } => Self::over(meant.call(|it| it.id == *id)),
            CallCommand::Dial { number } => Self::calling("dial", &clean(number), meant),
            CallCommand::Memory { place } => {
                let whom = format!("the number at place {place} of the memory");
                Self::calling("memory", &whom, meant)
            }
            CallCommand::Redial => Self::calling("redial", "the last number again", meant),
            CallCommand::Dtmf { digits } => {
                let about = meant.call(CallShape::is_active);
                let whom = about.map(|(_, call)| format!(" to {}", caller(call)));
                let text = format!("sent {}{}", clean(digits), whom.unwrap_or_default());
                Self::with("dtmf", about, text)
            }
            CallCommand::Hold => Self::hold(meant),
            CallCommand::Swap => {
                let about = meant.call(|call| call.is_held() || call.state == "waiting");
                let text = match talks(about) {
                    Some(text) => text,
                    None => "the calls have changed places".to_owned(),
                };
                Self::with("swap", about, text)
            }
            CallCommand::Merge => Self::merge(meant),
            CallCommand::Transfer => Self::transfer(meant),
        }
    }

    /// Returns the sentence.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn with(done: &'static str, about: About<'_>, text: String) -> Self {
        let (phone, call) = about.unzip();
        Self {
            done,
            phone: phone.map(PhoneShape::named),
            call: call.cloned(),
            text,
        }
    }

    fn of_phone(done: &'static str, phone: Option<&PhoneShape>, text: String) -> Self {
        Self {
            done,
            phone: phone.map(PhoneShape::named),
            call: None,
            text,
        }
    }

    fn over(about: About<'_>) -> Self {
        let text = match about {
            Some((phone, call)) => {
                format!("the call of {} with {} is over", name(phone), caller(call))
            }
            None => "the call is over".to_owned(),
        };
        Self::with("hangup", about, text)
    }

    fn calling(done: &'static str, whom: &str, meant: &Meant) -> Self {
        let phone = meant.phone(|_| true);
        let text = match phone {
            Some(phone) => format!("calling {whom}, with {}", name(phone)),
            None => format!("calling {whom}"),
        };
        Self::of_phone(done, phone, text)
    }

    fn hold(meant: &Meant) -> Self {
        let talks_now = meant.calls().any(|(_, call)| call.is_active());
        if talks_now {
            let about = meant.call(CallShape::is_active);
            let text = match about {
                Some((_, call)) => format!("{} is on hold", caller(call)),
                None => "the calls are on hold".to_owned(),
            };
            Self::with("hold", about, text)
        } else {
            let about = meant.call(CallShape::is_held);
            let text = match talks(about) {
                Some(text) => format!("{text} again"),
                None => "the call is taken up again".to_owned(),
            };
            Self::with("hold", about, text)
        }
    }

    fn merge(meant: &Meant) -> Self {
        let phone = meant.phone(|phone| phone.calls().len() > 1);
        let text = match phone {
            Some(phone) => {
                let callers: Vec<_> = phone.calls().iter().map(caller).collect();
                format!("{} talks with {}", name(phone), listed(&callers))
            }
            None => "the calls are one".to_owned(),
        };
        Self::of_phone("merge", phone, text)
    }

    fn transfer(meant: &Meant) -> Self {
        let phone = meant.phone(|phone| !phone.calls().is_empty() || phone.is_heard_here());
        let text = match phone {
            Some(phone) if phone.is_heard_here() => {
                format!("the call is heard on {}", name(phone))
            }
            Some(phone) => format!("the call of {} is heard here", name(phone)),
            None => "the call is heard elsewhere".to_owned(),
        };
        Self::of_phone("transfer", phone, text)
    }
}

fn talks(about: About<'_>) -> Option<String> {
    about.map(|(phone, call)| format!("{} talks with {}", name(phone), caller(call)))
}

fn name(phone: &PhoneShape) -> String {
    clean(&phone.name)
}

fn caller(call: &CallShape) -> String {
    clean(call.caller())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::shape::HandsFreeShape;

    fn call(id: u32, state: &str, name: &str) -> CallShape {
        CallShape {
            id,
            state: state.to_owned(),
            name: Some(name.to_owned()),
            direction: "incoming".to_owned(),
            ..CallShape::default()
        }
    }

    fn phone(name: &str, calls: Vec<CallShape>) -> PhoneShape {
        PhoneShape {
            name: name.to_owned(),
            hands_free: Some(HandsFreeShape {
                calls,
                ..HandsFreeShape::default()
            }),
            ..PhoneShape::default()
        }
    }

    fn meant(phones: Vec<PhoneShape>) -> Meant {
        Meant { path: None, phones }
    }

    fn sentence(command: &CallCommand, meant: &Meant) -> String {
        Done::by(command, meant).text
    }

    #[test]
    fn a_sentence_says_who_is_meant() {
        let calls = vec![
            call(1, "active", "Mom"),
            call(2, "held", "Bob"),
            call(3, "waiting", "Carol\u{1b}"),
        ];
        let mut meant = meant(vec![phone("Anna's iPhone", calls)]);
        let digits = "1#".to_owned();
        for (command, text) in [
            (
                CallCommand::Answer { end_others: false },
                "Anna's iPhone talks with Carol\u{fffd}",
            ),
            (CallCommand::Reject, "Anna's iPhone rings no more"),
            (
                CallCommand::Hangup { call: None },
                "the call of Anna's iPhone with Mom is over",
            ),
            (
                CallCommand::Hangup { call: Some(2) },
                "the call of Anna's iPhone with Bob is over",
            ),
            (CallCommand::Dtmf { digits }, "sent 1# to Mom"),
            (CallCommand::Hold, "Mom is on hold"),
            // It may be Bob or Carol.
            (CallCommand::Swap, "the calls have changed places"),
            (
                CallCommand::Transfer,
                "the call of Anna's iPhone is heard here",
            ),
        ] {
            assert_eq!(sentence(&command, &meant), text);
        }
        if let Some(hands_free) = &mut meant.phones[0].hands_free {
            hands_free.voice = Some("mSBC".to_owned());
            hands_free.calls.remove(2);
        }
        for (command, text) in [
            (CallCommand::Transfer, "the call is heard on Anna's iPhone"),
            (CallCommand::Swap, "Anna's iPhone talks with Bob"),
            (CallCommand::Merge, "Anna's iPhone talks with Mom and Bob"),
        ] {
            assert_eq!(sentence(&command, &meant), text);
        }
        if let Some(hands_free) = &mut meant.phones[0].hands_free {
            hands_free.calls.remove(0);
        }
        assert_eq!(
            sentence(&CallCommand::Hold, &meant),
            "Anna's iPhone talks with Bob again"
        );
    }

    #[test]
    fn a_call_that_is_made_names_the_phone() {
        let meant = meant(vec![phone("Anna's iPhone", Vec::new())]);
        let number = "+49".to_owned();
        for (command, text) in [
            (
                CallCommand::Dial { number },
                "calling +49, with Anna's iPhone",
            ),
            (
                CallCommand::Memory { place: 3 },
                "calling the number at place 3 of the memory, with Anna's iPhone",
            ),
            (
                CallCommand::Redial,
                "calling the last number again, with Anna's iPhone",
            ),
        ] {
            assert_eq!(sentence(&command, &meant), text);
        }
    }

    #[test]
    fn nobody_is_named_who_may_not_be_meant() {
        let anna = phone("Anna's iPhone", vec![call(1, "incoming", "Mom")]);
        let bob = phone("Bob's Pixel", vec![call(1, "incoming", "Dad")]);
        let meant = meant(vec![anna, bob]);
        let done = Done::by(&CallCommand::Answer { end_others: true }, &meant);
        assert_eq!(done.text, "the call is answered");
        assert_eq!((done.phone, done.call), (None, None));
        let number = "110".to_owned();
        let dial = CallCommand::Dial { number };
        assert_eq!(sentence(&dial, &meant), "calling 110");
    }

    #[test]
    fn programs_get_the_call_as_it_was() {
        let meant = meant(vec![phone("Anna", vec![call(4, "active", "Mom")])]);
        let done = Done::by(&CallCommand::Hangup { call: Some(4) }, &meant);
        let json = serde_json::to_value(&done).unwrap();
        assert_eq!(json["done"], "hangup");
        assert_eq!(json["phone"]["name"], "Anna");
        assert_eq!(json["call"]["state"], "active");
        assert_eq!(json.as_object().map(|all| all.len()), Some(3));
    }
}
