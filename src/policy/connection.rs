//! Which phones there are, and who calls whom.
//!
//! Invariant: every question of a client about a connection is answered exactly once; a phone's name
//! in the list is the last one it gave itself.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{PhoneFacts, Timer};
use super::model::{Address, AttemptId, Now, RequestId, TakeoverRule};
use super::pairing::{no_radio, unknown_phone};
use super::{Action, Orders, Policy, RadioAction, Rejection, RejectionKind, Story};

/// How long BlueZ may take by itself to read the services of a phone that has connected.
const READING_PATIENCE: Duration = Duration::from_secs(2);

/// The calls under way.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Who is called just now.
    under_way: BTreeMap<Address, Attempt>,
    /// How many attempts were ordered so far.
    attempts: u64,
    /// The phones that are connected and were let in.
    let_in: BTreeSet<Address>,
    /// Those that are still connected and were sent away to make room.
    sent_away: BTreeSet<Address>,
}

/// One attempt to connect a phone.
#[derive(Debug)]
struct Attempt {
    id: AttemptId,
    /// Who waits for its end.
    waiting: Vec<RequestId>,
}

impl Policy {
    pub(super) fn inventory_taken(&mut self, now: Now, phones: Vec<PhoneFacts>, out: &mut Orders) {
        self.adapter_accepted();
        self.phones_of = self.radio.address();
        self.bonds_left.clear();
        // Phones that stayed connected while we were away are news; phones that left are too.
        for facts in &phones {
            self.phone_seen(now, facts.clone(), out);
        }
        let told: BTreeSet<Address> = phones.iter().map(|facts| facts.address).collect();
        let known: Vec<Address> = self.phones.keys().copied().collect();
        for phone in known {
            if !told.contains(&phone) {
                self.link_ended(now, phone, out);
                self.phones.remove(&phone);
            }
        }
        self.reconcile(now, out);
        let here = self.memory.phones.iter().map(|known| known.address);
        let here: BTreeSet<Address> = here.filter(|phone| self.is_connected(*phone)).collect();
        self.connection.let_in = here;
        self.miss_everybody(now);
    }

    pub(super) fn phone_seen(&mut self, now: Now, facts: PhoneFacts, out: &mut Orders) {
        let phone = facts.address;
        let was_connected = self.is_connected(phone);
        let was_trusted = self.is_trusted(phone);
        if !facts.connected {
            self.link_ended(now, phone, out);
        }
        if facts.connected && !was_connected {
            // What an earlier player said last says nothing of the next.
            self.forget_player(phone);
        }
        let newly_bonded = facts.bonded && !self.phones.get(&phone).is_some_and(|old| old.bonded);
        self.phones.insert(phone, facts.clone());
        Self::clear_trusted(&facts, out);
        let mut renamed = false;
        if let Some(known) = self.known_mut(phone) {
            if is_a_name(&facts) && known.name != facts.name {
                known.name.clone_from(&facts.name);
                renamed = true;
            }
            if facts.connected && !was_connected {
                known.last_seen = now.unix;
            }
        }
        if facts.connected && !was_connected {
            self.linked(phone);
            self.send_away_blocked(phone, out);
        }
        if was_trusted && facts.connected && !was_connected {
            out.tell(Story::PhoneConnected {
                name: self.name_of(phone),
                address: phone,
            });
        }
        if newly_bonded {
            self.note_bond(now, &facts, out);
        } else if !facts.bonded {
            self.note_no_bond(phone);
        }
        if renamed {
            self.heed_who_may_call(out);
        }
        if was_trusted && !was_connected && self.is_unread(phone) {
            out.push(Action::ArmTimer {
                timer: Timer::UnreadServices,
                after: READING_PATIENCE,
            });
        }
    }

    /// Says whether BlueZ was interrupted before it had read a phone's services. Until it has, it
    /// does not even ask our agent about what the phone wants to use, and it begins only when we
    /// call.
    fn is_unread(&self, phone: Address) -> bool {
        let facts = self.phones.get(&phone);
        facts.is_some_and(|facts| facts.connected && facts.bonded && !facts.source)
    }

    /// Calls every trusted phone that is connected and cannot use anything.
    pub(super) fn reading_patience_over(&self, out: &mut Orders) {
        for known in &self.memory.phones {
            if self.is_unread(known.address) {
                let phone = known.address;
                out.radio(RadioAction::ReadServices { phone });
            }
        }
    }

    pub(super) fn phone_gone(&mut self, now: Now, phone: Address, out: &mut Orders) {
        self.link_ended(now, phone, out);
        let was_bonded = self.phones.remove(&phone).is_some_and(|facts| facts.bonded);
        self.note_no_bond(phone);
        self.miss_no_more(phone);
        if was_bonded && self.is_trusted(phone) {
            out.tell(Story::BondMissing {
                name: self.name_of(phone),
                address: phone,
            });
        }
    }

    /// The radio is off or gone: no phone is connected and nothing plays any more.
    pub(super) fn forget_links(&mut self, out: &mut Orders) {
        let connected: Vec<Address> = self
            .phones
            .values()
            .filter(|facts| facts.connected)
            .map(|f| f.address)
            .collect();
        for phone in connected {
            self.forget_music_of(phone);
            if self.is_trusted(phone) {
                out.tell(Story::PhoneDisconnected {
                    name: self.name_of(phone),
                    address: phone,
                });
            }
        }
        let bonded = self.phones.values().filter(|facts| facts.bonded);
        self.bonds_left.extend(bonded.map(|facts| facts.address));
        self.phones.clear();
        self.connection.let_in.clear();
        self.connection.sent_away.clear();
        self.forget_players();
        self.miss_nobody();
        self.close_all_transports(out);
        self.forget_calls(out);
        // The attempts end later, and by then nobody waits for them any more.
        for id in std::mem::take(&mut self.connection.under_way)
            .into_values()
            .flat_map(|attempt| attempt.waiting)
        {
            out.reply(id, Err(no_radio()));
        }
    }

    /// Says whether a phone may be connected: it is, or is called, or fewer others than are allowed.
    pub(super) fn room_for(&self, phone: Address) -> bool {
        let taken = self.places_taken();
        let stays = !self.connection.sent_away.contains(&phone);
        stays && (taken.contains(&phone) || taken.len() < self.places())
    }

    /// Says whether another phone may connect.
    pub(super) fn has_room(&self) -> bool {
        self.places_taken().len() < self.places()
    }

    /// Returns how many phones may be connected.
    fn places(&self) -> usize {
        match self.rules.takeover {
            TakeoverRule::Refuse => 1,
            TakeoverRule::LastPlay | TakeoverRule::Hold => self.rules.max_connected.into(),
        }
    }

    /// Where one phone only may be connected, sends it away for another one, unless it is in use:
    /// then says which one that is.
    pub(super) fn make_room_for(
        &mut self,
        phone: Address,
        out: &mut Orders,
    ) -> Result<(), Option<Address>> {
        if self.room_for(phone) {
            return Ok(());
        }
        if self.rules.takeover != TakeoverRule::Refuse {
            return Err(None);
        }
        let others: Vec<Address> = self.places_taken().into_iter().collect();
        if let Some(owner) = others.iter().find(|it| self.is_in_use(**it)) {
            return Err(Some(*owner));
        }
        if self.connection.sent_away.contains(&phone) {
            return Err(others.first().copied());
        }
        for other in others {
            self.connection.let_in.remove(&other);
            self.connection.sent_away.insert(other);
            out.radio(RadioAction::Disconnect { phone: other });
            out.tell(Story::MadeRoom {
                name: self.name_of(other),
                address: other,
                newcomer: self.name_of(phone),
            });
        }
        Ok(())
    }

    /// Says whether somebody would miss a phone at once: it plays, or has a call.
    fn is_in_use(&self, phone: Address) -> bool {
        self.playback.stream_of(phone).is_some() || self.has_call(phone)
    }

    /// The phones that are connected, or called.
    fn places_taken(&self) -> BTreeSet<Address> {
        let here = self.connection.let_in.iter().copied();
        let mut taken: BTreeSet<Address> = here.filter(|it| self.is_connected(*it)).collect();
        // One that is called unasked yields to whoever comes.
        let called = self.connection.under_way.keys();
        taken.extend(called.filter(|it| !self.is_called_unasked(**it)));
        taken
    }

    /// A phone uses the speaker, and takes one of its places.
    pub(super) fn is_here(&mut self, phone: Address) {
        if self.is_trusted(phone) && !self.connection.sent_away.contains(&phone) {
            self.connection.let_in.insert(phone);
            self.welcome_back(phone);
        }
    }

    fn link_ended(&mut self, now: Now, phone: Address, out: &mut Orders) {
        let was_here = self.connection.let_in.remove(&phone);
        self.forget_fetching(phone);
        self.forget_music_of(phone);
        if !self.is_connected(phone) {
            return;
        }
        self.connection.sent_away.remove(&phone);
        if let Some(facts) = self.phones.get_mut(&phone) {
            facts.connected = false;
        }
        self.forget_player(phone);
        if let Some(known) = self.known_mut(phone) {
            known.last_seen = now.unix;
            let (name, blocked) = (known.shown_name().to_owned(), known.blocked);
            if !blocked {
                out.tell(Story::PhoneDisconnected {
                    name,
                    address: phone,
                });
            }
        }
        self.part(now, phone, was_here);
    }

    /// Says whether a phone is called just now.
    pub(super) fn is_connecting(&self) -> bool {
        !self.connection.under_way.is_empty()
    }

    /// Says whether somebody waits for a phone that is called.
    pub(super) fn is_waited_for(&self, phone: Address) -> bool {
        let under_way = self.connection.under_way.get(&phone);
        under_way.is_some_and(|attempt| !attempt.waiting.is_empty())
    }

    /// Says whether somebody waits for another phone that is called.
    pub(super) fn is_another_waited_for(&self, phone: Address) -> bool {
        let mut others = self.connection.under_way.iter();
        others.any(|(other, attempt)| *other != phone && !attempt.waiting.is_empty())
    }

    /// Calls a phone; the answer comes with [`Policy::connect_ended`].
    pub(super) fn connect(
        &mut self,
        id: RequestId,
        phone: Address,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        if !self.is_trusted(phone) {
            return Err(self.not_trusted(phone));
        }
        if self.radio.on().is_none() {
            return Err(no_radio());
        }
        if !self.phones.get(&phone).is_some_and(|facts| facts.bonded) {
            return Err(Rejection::new(
                RejectionKind::Refused,
                format!(
                    "{} has to pair again: run `dotctl pair`, then choose the speaker on the phone",
                    self.name_of(phone)
                ),
            ));
        }
        if let Err(owner) = self.make_room_for(phone, out) {
            return Err(self.no_room(owner));
        }
        self.ask_back(phone);
        self.attempt(phone, out).waiting.push(id);
        Ok(())
    }

    fn no_room(&self, owner: Option<Address>) -> Rejection {
        let text = match owner {
            Some(owner) => format!(
                "{} has the speaker to itself, as playback.takeover wants it; wait until it has \
                 stopped, or disconnect it",
                self.name_of(owner)
            ),
            None => format!(
                "{} phones are connected, which is all that phones.max-connected allows; \
                 disconnect one first",
                self.rules.max_connected
            ),
        };
        Rejection::new(RejectionKind::Busy, text)
    }

    /// Calls a phone that nobody waits for.
    pub(super) fn call_unasked(&mut self, phone: Address, out: &mut Orders) {
        self.attempt(phone, out);
    }

    /// Begins an attempt, unless there is one.
    fn attempt(&mut self, phone: Address, out: &mut Orders) -> &mut Attempt {
        let hands_free = self.may_call(phone);
        let Connection {
            under_way,
            attempts,
            ..
        } = &mut self.connection;
        under_way.entry(phone).or_insert_with(|| {
            *attempts += 1;
            let attempt = AttemptId(*attempts);
            out.radio(RadioAction::Connect {
                phone,
                attempt,
                hands_free,
            });
            Attempt {
                id: attempt,
                waiting: Vec::new(),
            }
        })
    }

    pub(super) fn connect_ended(
        &mut self,
        now: Now,
        phone: Address,
        attempt: AttemptId,
        error: Option<String>,
        out: &mut Orders,
    ) {
        // An attempt from before the radio went away may end long after, and says nothing about the
        // one that was ordered since.
        let Entry::Occupied(under_way) = self.connection.under_way.entry(phone) else {
            return;
        };
        if under_way.get().id != attempt {
            return;
        }
        let ended = under_way.remove();
        let broken_off = self.reconnect.was_broken_off(phone) && error.is_some();
        if self.connection.sent_away.contains(&phone) {
            // Another one came while it was called.
            if error.is_some() {
                self.connection.sent_away.remove(&phone);
            } else {
                out.radio(RadioAction::Disconnect { phone });
            }
        }
        if broken_off && !ended.waiting.is_empty() {
            // Somebody asked for it meanwhile, which is worth the disturbance.
            self.reconnect.leave_to_others();
            self.attempt(phone, out).waiting = ended.waiting;
            return;
        }
        // What fails unasked is no news: it is tried again.
        let unasked = self.call_ended(now, phone, error.is_some());
        let name = self.name_of(phone);
        let result = match error {
            None => Ok(()),
            Some(error) => {
                if !unasked || !ended.waiting.is_empty() {
                    out.tell(Story::ConnectFailed {
                        name: name.clone(),
                        address: phone,
                        error: error.clone(),
                    });
                }
                Err(Rejection::new(
                    RejectionKind::NotConnected,
                    format!("{name} did not connect: {error}"),
                ))
            }
        };
        for id in ended.waiting {
            out.reply(id, result.clone());
        }
    }

    pub(super) fn disconnect(&mut self, phone: Address, out: &mut Orders) -> Result<(), Rejection> {
        if self.known(phone).is_none() && !self.phones.contains_key(&phone) {
            return Err(unknown_phone(phone));
        }
        if !self.is_connected(phone) && self.stop_calling(phone) {
            return Ok(());
        }
        if !self.is_connected(phone) {
            return Err(Rejection::new(
                RejectionKind::NotConnected,
                format!("{} is not connected; nothing to do", self.name_of(phone)),
            ));
        }
        self.leave_alone(phone);
        out.radio(RadioAction::Disconnect { phone });
        Ok(())
    }
}

/// Says whether the phone gave a name, rather than BlueZ its address for want of one.
fn is_a_name(facts: &PhoneFacts) -> bool {
    !facts.name.is_empty() && facts.name.replace('-', ":") != facts.address.to_string()
}
