//! What is done about the pictures of what phones play, and when.
//!
//! Invariant: pure. A phone has one link for pictures at most, and one picture on its way there. A link
//! counts as there from when it is ordered until obexd has said that it is gone, or has had longer than it
//! takes. What a phone's names for pictures mean ends with the link: a name that was given while an
//! earlier one was up is not asked for in the next. A picture is shown while its phone is connected and
//! names it. One that cannot be had is left at that until the phone names another; a link that cannot is
//! tried again after a rest that doubles, and one that the phone ended in peace when it plays something
//! else.

mod phone;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use self::phone::Phone;
use crate::policy::event::Event;
use crate::policy::model::Address;
use crate::policy::player::ImageHandle;

/// After this long without a word of obexd there is nothing that it could still say: it gives a link up
/// after 40 s of the kernel's and 10 s of its own.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// How many links may end without anybody knowing whose they were.
const MOST_GONE: usize = 16;

/// The pictures that a phone offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bluetooth) struct Art {
    /// Where, on L2CAP.
    pub(in crate::bluetooth) psm: u16,
    /// That of what it plays.
    pub(in crate::bluetooth) image: Option<ImageHandle>,
    /// Which of all the times, counted from 1, that any phone told what it plays.
    pub(in crate::bluetooth) told: u64,
}

/// The phones that are connected, and what each offers.
pub(in crate::bluetooth) type Gallery = BTreeMap<Address, Option<Art>>;

/// What is wanted of us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::bluetooth) struct Wishes {
    /// Pictures.
    pub(in crate::bluetooth) covers: bool,
    /// That none is fetched for now.
    pub(in crate::bluetooth) hold: bool,
}

/// Tells what was ordered from what was ordered earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Ticket(u64);

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Open a link; ends with [`Plan::opened`].
    Open {
        phone: Address,
        psm: u16,
        ticket: Ticket,
    },
    /// Close one, whatever is on its way there; ends with [`Plan::closed`].
    Close { session: String },
    /// Fetch a picture; ends with [`Plan::fetched`].
    Fetch {
        session: String,
        image: ImageHandle,
        ticket: Ticket,
    },
    /// Remove a file.
    Discard { path: String },
    /// Report this.
    Tell(Event),
}

/// What came of fetching a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// It is in this file.
    Picture(String),
    /// The phone does not have it, or it is of no use.
    Nothing,
    /// Nobody knows what the link is good for any more.
    Broken,
}

/// What is going on.
#[derive(Debug, Default)]
pub(super) struct Plan {
    phones: BTreeMap<Address, Phone>,
    wishes: Wishes,
    /// Somebody is there who fetches them.
    there: bool,
    last: Ticket,
    /// What was ordered up to this one, was of somebody who is gone with all links.
    outdated: Ticket,
    /// What ended while somebody waits for a link, and may turn out to be that.
    gone: BTreeSet<String>,
}

impl Plan {
    /// These phones are connected now, and offer this.
    pub(super) fn offered(&mut self, now: Duration, gallery: &Gallery) -> Vec<Step> {
        let mut steps = Vec::new();
        for (address, phone) in &mut self.phones {
            if !gallery.contains_key(address) {
                phone.leave(*address, now, &mut steps);
            }
        }
        for (address, art) in gallery {
            self.phones.entry(*address).or_default().offer(*art);
        }
        steps.extend(self.settle(now));
        steps
    }

    /// Something else is wanted.
    pub(super) fn wish(&mut self, now: Duration, wishes: Wishes) -> Vec<Step> {
        self.wishes = wishes;
        self.settle(now)
    }

    /// Whoever fetches them came, or is gone with all links.
    pub(super) fn attended(&mut self, now: Duration, there: bool) -> Vec<Step> {
        self.there = there;
        if !there {
            self.outdated = self.last;
            for phone in self.phones.values_mut() {
                phone.lose_link(now);
            }
        }
        self.settle(now)
    }

    /// A link is open, or could not be opened.
    pub(super) fn opened(
        &mut self,
        now: Duration,
        ticket: Ticket,
        session: Option<String>,
    ) -> Vec<Step> {
        let mut phones = self.phones.values_mut();
        let Some(phone) = phones.find(|phone| phone.waits_for_link(ticket)) else {
            // Given up. One of an earlier obexd is gone, and another may be called the same by now.
            let is_there = ticket > self.outdated;
            let close = |session| Step::Close { session };
            return session
                .filter(|_| is_there)
                .map(close)
                .into_iter()
                .collect();
        };
        match session {
            Some(session) => {
                let is_gone = self.gone.remove(&session);
                phone.link_up(now, session);
                if is_gone {
                    phone.lose_link(now);
                }
            }
            None => phone.lose_link(now),
        }
        self.settle(now)
    }

    /// A link is gone.
    pub(super) fn closed(&mut self, now: Duration, session: &str) -> Vec<Step> {
        let mut phones = self.phones.values_mut();
        match phones.find(|phone| phone.has(session)) {
            Some(phone) => phone.link_ended(now),
            None if self.gone.len() < MOST_GONE => drop(self.gone.insert(session.to_owned())),
            None => {}
        }
        self.settle(now)
    }

    /// A picture came, or does not.
    pub(super) fn fetched(&mut self, now: Duration, ticket: Ticket, what: Fetched) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut phones = self.phones.iter_mut();
        match phones.find(|(_, phone)| phone.waits_for_picture(ticket)) {
            Some((address, phone)) => phone.take(*address, now, what, &mut steps),
            // Its link is gone, and with it what the picture is called.
            None => {
                if let Fetched::Picture(path) = what {
                    steps.push(Step::Discard { path });
                }
            }
        }
        steps.extend(self.settle(now));
        steps
    }

    /// Time has passed.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Step> {
        self.settle(now)
    }

    /// Returns when that will be worth telling.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let ready = self.is_ready();
        let due = self.phones.values().filter_map(|phone| phone.due(ready));
        due.min()
    }

    /// Says whether anything can be fetched now.
    fn is_ready(&self) -> bool {
        self.there && self.wishes.covers && !self.wishes.hold
    }

    /// Does what is possible now.
    fn settle(&mut self, now: Duration) -> Vec<Step> {
        let mut steps = Vec::new();
        let ready = self.is_ready();
        for (address, phone) in &mut self.phones {
            phone.let_go(*address, self.wishes.covers, now, &mut steps);
            if ready {
                phone.go_on(*address, now, &mut self.last, &mut steps);
            }
        }
        self.phones.retain(|_, phone| !phone.is_over());
        if !self.phones.values().any(Phone::is_opening) {
            self.gone.clear();
        }
        steps
    }
}

#[cfg(test)]
mod tests;
