//! What clients want done about calls, and which phone they mean.
//!
//! Invariant: nothing is guessed. Where two phones could be meant, the question is refused with
//! their names; what cannot be done now is refused with the reason.

use super::event::HandsFreeOrder;
use super::facts::{CallCommand, CallId, CallState};
use super::{Link, Voice};
use crate::policy::model::{Address, Now, RequestId, Volume};
use crate::policy::pairing::unknown_phone;
use crate::policy::{Orders, Policy, Rejection, RejectionKind};

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "wish", rename_all = "kebab-case")]
pub enum CallWish {
    /// Answer whatever rings. Calls that are up are held, of other phones too.
    Answer {
        /// End them instead.
        end_others: bool,
    },
    /// Refuse whatever rings.
    Reject,
    /// End the call that is up or being made.
    HangUp {
        /// Only this one.
        call: Option<CallId>,
    },
    /// Call a number.
    Dial {
        /// As somebody typed it.
        number: String,
    },
    /// Call a number of the phone's memory.
    DialMemory {
        /// Its place there.
        place: u32,
    },
    /// Call the last number again.
    Redial,
    /// Send tones into the call, one after the other.
    Tones {
        /// As somebody typed them.
        digits: String,
    },
    /// Set the call that is up aside, or take up again the one that was.
    Hold,
    /// Change between the call that is up and the one that waits or was set aside.
    Swap,
    /// Join the calls of a phone.
    Merge,
    /// Move the sound of the call to the phone, or back here.
    Transfer,
    /// Start the phone's assistant, or stop it.
    Assistant {
        /// Start.
        on: bool,
    },
    /// Give callers the room louder or softer, until the phone leaves.
    MicrophoneVolume {
        /// How loud.
        volume: Volume,
    },
}

/// What is to be done, by which phone.
struct Step {
    phone: Address,
    order: Order,
}

enum Order {
    Answer { end_others: bool },
    Command(CallCommand),
    EndVoice,
    Microphone { volume: Volume },
}

/// The answer when a phone leaves before it has answered.
pub(super) fn gone(name: &str) -> Rejection {
    Rejection::new(
        RejectionKind::NotConnected,
        format!("{name} left meanwhile; connect it again: dotctl connect"),
    )
}

impl Policy {
    /// Passes a wish on to the phone that is meant; the answer comes with the phone's.
    pub(in crate::policy) fn call_wished(
        &mut self,
        now: Now,
        id: RequestId,
        phone: Option<Address>,
        wish: CallWish,
        out: &mut Orders,
    ) {
        let deals_with_ringing = matches!(
            wish,
            CallWish::Answer { .. } | CallWish::Reject | CallWish::HangUp { .. }
        );
        let Step { phone, order } = match self.understood(phone, wish) {
            Ok(step) => step,
            Err(rejection) => return out.reply(id, Err(rejection)),
        };
        if deals_with_ringing {
            self.leave_to_people(phone, out);
        }
        if matches!(order, Order::Answer { .. }) {
            // Nor is another one answered before the phone has told that this one is.
            if let Some(lone) = self.calls.lone {
                self.leave_to_people(lone.phone(), out);
            }
        }
        match order {
            Order::Answer { end_others } => self.answer(now, id, phone, end_others, out),
            Order::Command(command) => self.pass_on(id, phone, command, out),
            Order::EndVoice => {
                self.end_voice(phone, out);
                out.reply(id, Ok(()));
            }
            Order::Microphone { volume } => {
                self.set_microphone_volume(phone, volume, out);
                out.reply(id, Ok(()));
            }
        }
    }

    /// Tells a phone what a client wants of it, who is answered when the phone has answered.
    pub(super) fn pass_on(
        &mut self,
        id: RequestId,
        phone: Address,
        command: CallCommand,
        out: &mut Orders,
    ) {
        let request = Some(id);
        let brings_voice = matches!(
            command,
            CallCommand::Answer
                | CallCommand::Dial { .. }
                | CallCommand::DialMemory { .. }
                | CallCommand::Redial
                | CallCommand::OpenVoice
        );
        let talks = brings_voice || matches!(command, CallCommand::Assistant { on: true });
        self.with_link(phone, |link| {
            // As well if the one that is answered waits beside another.
            *link.waiting.entry(id).or_default() |= talks;
            if brings_voice {
                link.next.is_ours();
            }
        });
        Self::order(phone, HandsFreeOrder::Command { request, command }, out);
    }

    pub(super) fn command_ended(
        &mut self,
        phone: Address,
        request: Option<RequestId>,
        result: Result<(), Rejection>,
        out: &mut Orders,
    ) {
        let Some(id) = request else {
            return;
        };
        if self.set_aside(phone, id, &result, out) {
            return;
        }
        let mut waits = None;
        self.with_link(phone, |link| waits = link.waiting.remove(&id));
        if let Some(talks) = waits {
            if talks && result.is_ok() {
                // Whoever talks from here wants to hear the other one.
                self.mute(false, out);
            }
            self.answer_ended(id, &result, out);
            out.reply(id, result);
        }
    }

    /// Finds out what is to be done, and by which phone.
    fn understood(&self, phone: Option<Address>, wish: CallWish) -> Result<Step, Rejection> {
        let (what, command) = match wish {
            CallWish::HangUp { call } => return self.hang_up(phone, call),
            CallWish::Transfer => return self.transfer(phone),
            CallWish::MicrophoneVolume { volume } => {
                let phone = self.heard_through(phone)?;
                let order = Order::Microphone { volume };
                return Ok(Step { phone, order });
            }
            CallWish::Answer { end_others } => {
                let phone = self.meant(phone, "rings", |link| link.has(CallState::is_offered))?;
                let order = Order::Answer { end_others };
                return Ok(Step { phone, order });
            }
            CallWish::Reject => {
                let phone = self.meant(phone, "rings", |link| link.has(CallState::is_offered))?;
                return Ok(Step::command(phone, CallCommand::Reject));
            }
            CallWish::Hold => {
                let up = |link: &Link| link.has(CallState::is_established);
                let phone = self.meant(phone, "has a call that was answered", up)?;
                return Ok(Step::command(phone, CallCommand::Swap));
            }
            CallWish::Swap | CallWish::Merge => {
                let phone = self.meant(phone, "has two calls", |link| link.calls.len() > 1)?;
                let merge = wish == CallWish::Merge;
                let command = if merge {
                    CallCommand::Merge
                } else {
                    CallCommand::Swap
                };
                return Ok(Step::command(phone, command));
            }
            CallWish::Tones { digits } => {
                let up = |link: &Link| link.has(|state| state == CallState::Active);
                let phone = self.meant(phone, "has a call that is up", up)?;
                return Ok(Step::command(phone, CallCommand::Tones { digits }));
            }
            CallWish::Dial { number } => ("can make calls", CallCommand::Dial { number }),
            CallWish::DialMemory { place } => ("can make calls", CallCommand::DialMemory { place }),
            CallWish::Redial => ("can make calls", CallCommand::Redial),
            CallWish::Assistant { on } => ("has an assistant", CallCommand::Assistant { on }),
        };
        let phone = self.meant(phone, what, |_| true)?;
        // It may have a call that was there when the rules changed, but no other.
        match self.calls_refusal(phone) {
            Some(refusal) => Err(refusal),
            None => Ok(Step::command(phone, command)),
        }
    }

    fn hang_up(&self, phone: Option<Address>, call: Option<CallId>) -> Result<Step, Rejection> {
        if let Some(call) = call {
            let there = |link: &Link| link.calls.iter().any(|known| known.call.id == call);
            let phone = self.meant(phone, "has that call", there)?;
            return Ok(Step::command(phone, CallCommand::HangUpOne { call }));
        }
        let going = |link: &Link| link.has(|state| !state.is_offered() && state != CallState::Held);
        let held = |link: &Link| link.has(|state| state == CallState::Held);
        let nobody = |rejection: &Rejection| rejection.kind == RejectionKind::NotAvailable;
        let (what, end) = ("has a call that is up", CallCommand::HangUp);
        match self.meant(phone, what, going) {
            Err(none) if nobody(&none) => {}
            meant => return Ok(Step::command(meant?, end)),
        }
        match self.meant(phone, what, held) {
            Err(none) if nobody(&none) => {}
            meant => return Ok(Step::command(meant?, end)),
        }
        let phone = self.meant(phone, "has a call", |link| !link.calls.is_empty())?;
        Ok(Step::command(phone, CallCommand::Reject))
    }

    fn transfer(&self, phone: Option<Address>) -> Result<Step, Rejection> {
        let busy = |link: &Link| !link.calls.is_empty() || link.voice != Voice::None;
        let phone = self.meant(phone, "has a call", busy)?;
        let link = self.calls.links.get(&phone);
        let here = link.is_some_and(|link| link.voice != Voice::None);
        Ok(if here {
            let order = Order::EndVoice;
            Step { phone, order }
        } else {
            Step::command(phone, CallCommand::OpenVoice)
        })
    }

    /// Returns the phone whose callers are meant: who talks here now goes before who may later.
    fn heard_through(&self, phone: Option<Address>) -> Result<Address, Rejection> {
        let what = "is connected for calls";
        let mut talks = self.calls.links.values();
        if phone.is_none() && talks.any(|link| link.voice != Voice::None) {
            return self.meant(phone, "talks here", |link| link.voice != Voice::None);
        }
        self.meant(phone, what, |_| true)
    }

    /// Returns the phone that is meant: the one that was named, or the only one that fits.
    fn meant(
        &self,
        phone: Option<Address>,
        what: &str,
        fits: impl Fn(&Link) -> bool,
    ) -> Result<Address, Rejection> {
        if let Some(phone) = phone {
            return self.named(phone, what, fits);
        }
        let links = self.calls.links.iter();
        let fitting = links.filter(|(_, link)| fits(link));
        let fitting: Vec<Address> = fitting.map(|(phone, _)| *phone).collect();
        match fitting[..] {
            [phone] => Ok(phone),
            [] if self.calls.links.is_empty() => Err(self.no_phone_for_calls()),
            [] => Err(Rejection::new(
                RejectionKind::NotAvailable,
                format!("no phone {what}; `dotctl calls` shows what there is"),
            )),
            _ => {
                let names: Vec<String> = fitting.iter().map(|it| self.name_of(*it)).collect();
                Err(Rejection::new(
                    RejectionKind::Ambiguous,
                    format!("each of {} {what}; say --phone", names.join(", ")),
                ))
            }
        }
    }

    fn named(
        &self,
        phone: Address,
        what: &str,
        fits: impl Fn(&Link) -> bool,
    ) -> Result<Address, Rejection> {
        if !self.is_trusted(phone) {
            return Err(unknown_phone(phone));
        }
        let name = self.name_of(phone);
        match self.calls.links.get(&phone) {
            Some(link) if fits(link) => Ok(phone),
            Some(_) => Err(Rejection::new(
                RejectionKind::NotAvailable,
                format!("{name} is no phone that {what}; `dotctl calls` shows what there is"),
            )),
            None => Err(self.calls_refusal(phone).unwrap_or_else(|| {
                let text = format!("{name} is not connected for calls; connect it: dotctl connect");
                Rejection::new(RejectionKind::NotConnected, text)
            })),
        }
    }
}

impl Step {
    fn command(phone: Address, command: CallCommand) -> Self {
        let order = Order::Command(command);
        Self { phone, order }
    }
}
