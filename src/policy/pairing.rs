//! The pairing window, the agent's answers, and who is trusted.
//!
//! Invariant: a phone becomes trusted only by a bond made, or a link used, while the window was open
//! (or by BlueZ's word when dotd comes to an adapter: the trusted flag, which is cleared whenever it
//! is seen, since any program on the machine may set it); a service is open only to a phone that is
//! bonded *and* trusted, and calls only to one that the rules name.
//! The agent is the gate: BlueZ's `Pairable` alone lets a stranger in with a "no bonding" link.
//!
//! ```text
//!            open (asked, first start)
//!   closed ────────────────────────────▶ open ──▶ a phone asks ──▶ admitted ──▶ bonded: trusted
//!      ▲     time over, asked, trusted,   │
//!      └─────── adapter lost ─────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{PhoneFacts, Question, Timer};
use super::model::{Address, Now, Preference, QuestionId, Rules, TrustedPhone};
use super::story::{PairingRefusal, WindowEnd};
use super::{Action, Orders, Policy, RadioAction, Rejection, RejectionKind, Story};

/// How long a phone that was told yes may take to finish, should the window close meanwhile.
const ADMISSION: Duration = Duration::from_secs(30);
/// How long a refusal of the same phone is not told again.
const REFUSAL_QUIET: Duration = Duration::from_secs(60);
/// How many refused devices are remembered, so that a flood of addresses costs nothing.
const REFUSALS_KEPT: usize = 16;

/// The services a speaker offers: A2DP, AVRCP and hands-free, by the short form of their UUIDs.
const SERVICES: [&str; 8] = [
    "110a", "110b", "110c", "110d", "110e", "110f", "111e", "111f",
];

/// Those of them that are about calls.
const CALL_SERVICES: [&str; 2] = ["111e", "111f"];

/// The window and who went through it.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    window: Option<Window>,
    /// Phones that were told yes, and until when that holds.
    admitted: BTreeMap<Address, Duration>,
    /// Devices that were refused, and when that was told.
    refused: BTreeMap<Address, Duration>,
    /// Whether the window for the first start was considered.
    started: bool,
    /// Phones whose bond and trust differ, as was told.
    told_apart: BTreeSet<Address>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    until: Duration,
    until_unix: u64,
}

impl Pairing {
    pub(super) fn is_open(&self) -> bool {
        self.window.is_some()
    }

    /// Returns when the window closes, in seconds since 1970.
    pub(super) fn open_until(&self) -> Option<u64> {
        self.window.map(|window| window.until_unix)
    }

    fn is_admitted(&self, phone: Address, now: Now) -> bool {
        self.admitted
            .get(&phone)
            .is_some_and(|until| now.monotonic <= *until)
    }

    /// Says whether this refusal is news, and remembers it.
    fn is_news(&mut self, phone: Address, now: Now) -> bool {
        self.refused
            .retain(|_, told| now.monotonic.saturating_sub(*told) < REFUSAL_QUIET);
        if self.refused.contains_key(&phone) || self.refused.len() >= REFUSALS_KEPT {
            return false;
        }
        self.refused.insert(phone, now.monotonic);
        true
    }
}

/// Says whether a speaker has this service, by its full UUID.
fn is_ours(uuid: &str) -> bool {
    is_one_of(&SERVICES, uuid)
}

fn is_one_of(services: &[&str], uuid: &str) -> bool {
    let uuid = uuid.to_ascii_lowercase();
    uuid.strip_prefix("0000")
        .and_then(|rest| rest.strip_suffix("-0000-1000-8000-00805f9b34fb"))
        .is_some_and(|short| services.contains(&short))
}

impl Policy {
    pub(super) fn open_pairing(
        &mut self,
        now: Now,
        length: Option<Duration>,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        let length = length.unwrap_or(self.rules.window);
        if !(Rules::MIN_WINDOW..=Rules::MAX_WINDOW).contains(&length) {
            return Err(Rejection::new(
                RejectionKind::InvalidArgument,
                "the pairing window can be open for 10 s to 1 h; give a time in between",
            ));
        }
        if self.radio.on().is_none() {
            return Err(no_radio());
        }
        self.open_window(now, length, false, out);
        Ok(())
    }

    pub(super) fn close_pairing(&mut self, out: &mut Orders) -> Result<(), Rejection> {
        self.end_window(WindowEnd::Asked, out);
        Ok(())
    }

    /// What is remembered could not be read: nobody knows whether anybody is trusted, so this is
    /// not taken for a first start.
    pub fn trust_is_not_known(&mut self) {
        self.pairing.started = true;
    }

    /// The radio is on (again): opens the window of the first start, or what is left of an open one.
    pub(super) fn radio_came_up(&mut self, now: Now, out: &mut Orders) {
        let first = !std::mem::replace(&mut self.pairing.started, true);
        if let Some(window) = self.pairing.window {
            let length = window.until.saturating_sub(now.monotonic);
            out.radio(RadioAction::OpenWindow { length });
        } else if first && self.memory.phones.is_empty() && self.rules.open_when_nobody_is_trusted {
            self.open_window(now, self.rules.window, true, out);
        }
    }

    fn open_window(&mut self, now: Now, length: Duration, first_start: bool, out: &mut Orders) {
        self.pairing.window = Some(Window {
            until: now.monotonic + length,
            until_unix: now.unix + length.as_secs(),
        });
        self.pairing.refused.clear();
        out.radio(RadioAction::OpenWindow { length });
        out.push(Action::ArmTimer {
            timer: Timer::PairingWindow,
            after: length,
        });
        out.tell(Story::PairingOpened {
            length,
            first_start,
        });
    }

    pub(super) fn end_window(&mut self, why: WindowEnd, out: &mut Orders) {
        if self.pairing.window.take().is_none() {
            return;
        }
        out.push(Action::CancelTimer {
            timer: Timer::PairingWindow,
        });
        if why != WindowEnd::AdapterLost {
            out.radio(RadioAction::CloseWindow);
        }
        out.tell(Story::PairingClosed { why });
    }

    pub(super) fn window_time_over(&mut self, now: Now, out: &mut Orders) {
        // A timer that was armed anew while the old one's event was in the queue is not over yet.
        if self
            .pairing
            .window
            .is_some_and(|window| now.monotonic >= window.until)
        {
            self.end_window(WindowEnd::TimeOver, out);
        }
    }

    pub(super) fn agent_asked(
        &mut self,
        now: Now,
        id: QuestionId,
        facts: PhoneFacts,
        question: &Question,
        out: &mut Orders,
    ) {
        let phone = facts.address;
        let allow = match question {
            Question::Confirm { .. } | Question::Authorize => self.may_pair(now, &facts, out),
            Question::Service { uuid } => self.may_use(now, &facts, uuid, out),
            Question::Secret => {
                self.refuse_pairing(now, &facts, PairingRefusal::NeedsPin, out);
                false
            }
        };
        out.radio(RadioAction::AnswerAgent { id, allow });
        // A stranger that was refused keeps no link, and so no place, on the speaker.
        let stranger = !self.is_trusted(phone) && !self.pairing.is_admitted(phone, now);
        if !allow && stranger {
            out.radio(RadioAction::Disconnect { phone });
        }
    }

    fn may_pair(&mut self, now: Now, facts: &PhoneFacts, out: &mut Orders) -> bool {
        if self.is_blocked(facts.address) {
            self.refuse_pairing(now, facts, PairingRefusal::Blocked, out);
            return false;
        }
        if self.pairing.is_open() {
            self.pairing
                .admitted
                .retain(|_, until| now.monotonic <= *until);
            self.pairing
                .admitted
                .insert(facts.address, now.monotonic + ADMISSION);
            return true;
        }
        self.refuse_pairing(now, facts, PairingRefusal::WindowClosed, out);
        false
    }

    fn may_use(&mut self, now: Now, facts: &PhoneFacts, uuid: &str, out: &mut Orders) -> bool {
        let phone = facts.address;
        if is_ours(uuid) && facts.bonded {
            if self.is_trusted(phone) {
                self.note_bond(now, facts, out);
                return self.has_room_for(now, facts, out) && self.may_use_ours(phone, uuid, out);
            }
            // A bond that was to be removed is none: who was forgotten pairs anew.
            let welcome = self.pairing.is_open() && !self.memory.forgotten.contains_key(&phone);
            let welcome = welcome && !self.is_blocked(phone);
            if self.pairing.is_admitted(phone, now) || welcome {
                self.trust(now, facts, out);
                return self.has_room_for(now, facts, out) && self.may_use_ours(phone, uuid, out);
            }
        }
        if !self.is_trusted(phone) && self.pairing.is_news(phone, now) {
            out.tell(Story::ServiceRefused {
                name: facts.name.clone(),
                address: phone,
                uuid: uuid.to_owned(),
            });
        }
        false
    }

    /// Says whether the phone may be one more of those that are connected; if not, it is sent away.
    fn has_room_for(&mut self, now: Now, facts: &PhoneFacts, out: &mut Orders) -> bool {
        let phone = facts.address;
        let Err(owner) = self.make_room_for(phone, out) else {
            self.is_here(phone);
            return true;
        };
        if self.pairing.is_news(phone, now) {
            let (name, address) = (self.name_or(facts), phone);
            let most = self.rules.max_connected;
            out.tell(match owner.map(|owner| self.name_of(owner)) {
                Some(owner) => Story::NotNow {
                    name,
                    address,
                    owner,
                },
                None => Story::NoRoom {
                    name,
                    address,
                    most,
                },
            });
        }
        out.radio(RadioAction::Disconnect { phone });
        false
    }

    /// Not every phone that is trusted may bring its calls.
    fn may_use_ours(&mut self, phone: Address, uuid: &str, out: &mut Orders) -> bool {
        !is_one_of(&CALL_SERVICES, uuid) || self.lets_calls_in(phone, out)
    }

    fn refuse_pairing(
        &mut self,
        now: Now,
        facts: &PhoneFacts,
        why: PairingRefusal,
        out: &mut Orders,
    ) {
        if self.pairing.is_news(facts.address, now) {
            let name = self.name_or(facts);
            out.tell(Story::PairingRefused {
                name,
                address: facts.address,
                why,
            });
        }
    }

    /// A phone that was told yes is told nothing any more.
    pub(super) fn withdraw_admission(&mut self, phone: Address) {
        self.pairing.admitted.remove(&phone);
    }

    /// A bonded phone is seen, or uses a service: if it came through the window, it is trusted now.
    pub(super) fn note_bond(&mut self, now: Now, facts: &PhoneFacts, out: &mut Orders) {
        if facts.bonded && self.pairing.is_admitted(facts.address, now) {
            self.trust(now, facts, out);
        }
    }

    fn trust(&mut self, now: Now, facts: &PhoneFacts, out: &mut Orders) {
        let address = facts.address;
        let name = self.name_or(facts);
        self.pairing.admitted.remove(&address);
        self.memory.forgotten.remove(&address);
        let again = self.is_trusted(address);
        if !again {
            self.enlist(now, address, &name);
        }
        out.tell(Story::PhonePaired {
            name: name.clone(),
            address,
            again,
        });
        if !again && facts.connected {
            out.tell(Story::PhoneConnected { name, address });
        }
        self.end_window(WindowEnd::Paired, out);
    }

    /// Puts a phone at the end of the list.
    fn enlist(&mut self, now: Now, address: Address, name: &str) {
        self.memory.phones.push(TrustedPhone {
            address,
            name: name.to_owned(),
            first_seen: now.unix,
            last_seen: now.unix,
            volume: None,
            call_volume: None,
            preference: Preference::default(),
            last_played: None,
            left: false,
            alias: None,
            blocked: false,
        });
    }

    /// Takes BlueZ's own trusted flag off a phone: with it BlueZ would not ask us any more.
    pub(super) fn clear_trusted(facts: &PhoneFacts, out: &mut Orders) {
        if facts.trusted && facts.bonded && facts.source {
            let phone = facts.address;
            out.radio(RadioAction::ClearTrusted { phone });
        }
    }

    /// Compares the trusted list with BlueZ's bonds, both ways, and tells the difference. A phone
    /// that BlueZ trusts was trusted before dotd came to this machine, or while it was not running;
    /// one that was forgotten has to pair again all the same, for nobody knows which came first.
    pub(super) fn reconcile(&mut self, now: Now, out: &mut Orders) {
        self.finish_forgetting(out);
        let phones: Vec<PhoneFacts> = self
            .phones
            .values()
            .filter(|facts| facts.bonded && facts.source)
            .filter(|facts| !self.memory.forgotten.contains_key(&facts.address))
            .cloned()
            .collect();
        for facts in phones {
            let (name, address) = (facts.name.clone(), facts.address);
            if self.known(address).is_none() {
                if facts.trusted {
                    self.enlist(now, address, &name);
                    out.tell(Story::PhoneAdopted { name, address });
                } else if self.pairing.told_apart.insert(address) {
                    out.tell(Story::StrangerBonded { name, address });
                }
            }
        }
        for known in &self.memory.phones {
            if !self
                .phones
                .get(&known.address)
                .is_some_and(|facts| facts.bonded)
            {
                let (name, address) = (known.shown_name().to_owned(), known.address);
                if self.pairing.told_apart.insert(address) {
                    out.tell(Story::BondMissing { name, address });
                }
            } else {
                self.pairing.told_apart.remove(&known.address);
            }
        }
    }

    /// Returns the name in the list, or else the one that was just heard.
    fn name_or(&self, facts: &PhoneFacts) -> String {
        if self.known(facts.address).is_some() {
            self.name_of(facts.address)
        } else {
            facts.name.clone()
        }
    }
}

/// The answer to whoever needs the radio while it is off.
pub(super) fn no_radio() -> Rejection {
    Rejection::new(
        RejectionKind::NotAvailable,
        "the Bluetooth adapter is not there or not on; `dotctl status` says what is missing",
    )
}

/// The answer to whoever names a phone that is not there.
pub(super) fn unknown_phone(phone: Address) -> Rejection {
    Rejection::new(
        RejectionKind::NotFound,
        format!("{phone} is not a phone of this speaker; `dotctl phones` lists them"),
    )
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_a_speakers_services_are_ours() {
        assert!(is_ours("0000110d-0000-1000-8000-00805f9b34fb"));
        assert!(is_ours("0000110E-0000-1000-8000-00805F9B34FB"));
        assert!(
            !is_ours("00001124-0000-1000-8000-00805f9b34fb"),
            "a keyboard"
        );
        assert!(!is_ours("110d"));
        assert!(!is_ours(""));
    }
}
