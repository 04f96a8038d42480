//! Calling phones that should be here and are not.
//!
//! Invariant: one phone is called at a time, and only while nobody pairs, searches, telephones or
//! plays, for a page takes the radio for seconds; one that is under way when they begin is broken off.
//! Whoever left on purpose or is never to be called is left alone until it comes or somebody asks for
//! it. A phone has come when it uses the speaker: a link alone may be lost again before it does. Each
//! failure doubles the wait until the next attempt; after the time that the rules give, in which only
//! the time counts that a page was free to use, a phone is given up until it is missed anew.
//!
//! ```text
//!          link lost, start, radio back              answered, left, forgotten, given up
//! content ──────────────────────────────▶ missing ────────────────────────────────────▶ content
//!                                          │   ▲
//!                                       due ▼   │ no answer
//!                                          called
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{Parting, Timer};
use super::model::{Address, Now, Preference, TrustedPhone};
use super::snapshot::NextTry;
use super::{Action, Orders, Policy, RadioAction, Rejection, Story};

/// How long after it was missed a phone is called first: what lost a link for a moment often comes by
/// itself.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(120);
/// How long a search counts as one. An inquiry takes 10 s, and people look at a list for half a minute;
/// programs there are that search for ever, mostly for devices of other kinds.
const SEARCH: Duration = Duration::from_secs(30);
/// By how much a wait is longer or shorter at random, in parts of it: two speakers that came back with
/// the same fuse do not call in step.
const JITTER: u32 = 4;

/// Who is missing, and who is called.
#[derive(Debug, Default)]
pub(super) struct Reconnect {
    missing: BTreeMap<Address, Missing>,
    /// Whom we call just now, unasked.
    called: Option<Address>,
    /// That call was broken off, and has not ended yet.
    broken_off: bool,
    /// How links ended that are still up as far as BlueZ has told.
    partings: BTreeMap<Address, Parting>,
    /// Whose link has ended, nobody has told how, and who used the speaker until then.
    were_here: BTreeSet<Address>,
    /// Until when it is counted how long phones are missed, and whether the time since then counts.
    counted: Duration,
    counts: bool,
    search: Search,
    /// When the timer fires.
    armed: Option<Duration>,
}

/// Some program has the adapter look for others.
#[derive(Debug, Default)]
struct Search {
    /// Since when it does.
    since: Option<Duration>,
    /// Since when it does not, after it did.
    rested: Option<Duration>,
    /// For how long it had done so by then.
    searched: Duration,
    /// Until when nobody is called for it, while it goes on.
    counts_until: Option<Duration>,
}

impl Reconnect {
    /// Says whether the phone's call is one that was broken off.
    pub(super) fn was_broken_off(&self, phone: Address) -> bool {
        self.broken_off && self.called == Some(phone)
    }

    /// Whom we called unasked, somebody has asked for.
    pub(super) fn leave_to_others(&mut self) {
        self.called = None;
        self.broken_off = false;
    }
}

/// A phone that should be here.
#[derive(Clone, Copy, Debug)]
struct Missing {
    /// How often it was called in vain.
    failures: u32,
    due: Duration,
    due_unix: u64,
    /// For how long it could have been called.
    missed: Duration,
}

impl Missing {
    fn new(now: Now) -> Self {
        Self {
            failures: 0,
            due: now.monotonic + FIRST,
            due_unix: now.unix + FIRST.as_secs(),
            missed: Duration::ZERO,
        }
    }

    /// It did not answer.
    fn put_off(&mut self, now: Now, phone: Address, speaker: Address) {
        let wait = (FIRST * 2_u32.saturating_pow(self.failures + 1)).min(LONGEST);
        let wait = jittered(wait, seed(phone, speaker, self.failures));
        self.failures = (self.failures + 1).min(16);
        self.due = now.monotonic + wait;
        self.due_unix = now.unix + wait.as_secs();
    }
}

/// Makes a wait longer or shorter by up to a part of it.
fn jittered(wait: Duration, seed: u32) -> Duration {
    let spread = wait / JITTER;
    wait - spread + (2 * spread).mul_f64(f64::from(seed) / f64::from(u32::MAX))
}

/// Returns a number that looks like chance and is the same for the same attempt (FNV-1a).
fn seed(phone: Address, speaker: Address, failures: u32) -> u32 {
    let bytes = phone.octets().into_iter().chain(speaker.octets());
    bytes
        .chain(failures.to_le_bytes())
        .fold(0x811c_9dc5, |hash: u32, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
}

impl Policy {
    /// The radio is on (again) and its phones were counted: those that were here are missed.
    pub(super) fn miss_everybody(&mut self, now: Now) {
        self.reconnect.called = None;
        self.reconnect.partings.clear();
        self.reconnect.were_here.clear();
        self.miss_all(now);
    }

    fn miss_all(&mut self, now: Now) {
        let all: Vec<Address> = self.memory.phones.iter().map(|it| it.address).collect();
        for phone in all {
            self.miss(now, phone);
        }
    }

    /// The rules say something else of how long phones are called.
    pub(super) fn heed_patience(&mut self, now: Now, before: Duration) {
        if self.rules.reconnect_for.is_zero() {
            self.reconnect.missing.clear();
        } else if before.is_zero() && self.radio.on().is_some() {
            self.miss_all(now);
        }
    }

    /// The radio is off or gone: nobody can be called.
    pub(super) fn miss_nobody(&mut self) {
        self.reconnect.missing.clear();
        self.reconnect.called = None;
        self.reconnect.partings.clear();
        self.reconnect.were_here.clear();
    }

    fn miss(&mut self, now: Now, phone: Address) {
        let patience = self.rules.reconnect_for;
        let known = self.known(phone);
        let calls_for =
            |it: &TrustedPhone| !it.left && !it.blocked && it.preference != Preference::Never;
        let wanted = known.is_some_and(calls_for);
        let has_key = self.phones.get(&phone).is_some_and(|facts| facts.bonded);
        if wanted && has_key && !self.is_connected(phone) && !patience.is_zero() {
            let missing = Missing::new(now);
            self.reconnect.missing.entry(phone).or_insert(missing);
        }
    }

    /// The kernel told how a link ended, before or after BlueZ told that it did.
    pub(super) fn phone_left(&mut self, now: Now, phone: Address, why: Parting) {
        if self.is_connected(phone) {
            self.reconnect.partings.insert(phone, why);
        } else {
            let was_here = self.reconnect.were_here.remove(&phone);
            self.parted(now, phone, was_here, why);
        }
    }

    /// A phone's link ended: if it is known how, that decides whether it is missed.
    pub(super) fn part(&mut self, now: Now, phone: Address, was_here: bool) {
        if let Some(why) = self.reconnect.partings.remove(&phone) {
            self.parted(now, phone, was_here, why);
        } else if was_here {
            self.reconnect.were_here.insert(phone);
        }
    }

    fn parted(&mut self, now: Now, phone: Address, was_here: bool, why: Parting) {
        match why {
            Parting::Lost => self.miss(now, phone),
            // A phone that was refused, or whose profiles were gone, hangs up as well.
            Parting::Theirs if was_here => self.leave_alone(phone),
            Parting::Theirs => {}
        }
    }

    /// A link came up: how the one before ended is of no interest any more.
    pub(super) fn linked(&mut self, phone: Address) {
        self.reconnect.partings.remove(&phone);
        self.reconnect.were_here.remove(&phone);
    }

    /// A phone is missed, if not at once then when it has left, which it is about to.
    pub(super) fn miss_once_gone(&mut self, now: Now, phone: Address) {
        if self.is_connected(phone) {
            self.reconnect.partings.insert(phone, Parting::Lost);
        } else {
            self.miss(now, phone);
        }
    }

    /// A phone cannot be called: it has to pair again.
    pub(super) fn miss_no_more(&mut self, phone: Address) {
        self.reconnect.missing.remove(&phone);
        self.reconnect.partings.remove(&phone);
    }

    /// A phone is not to be called until it comes or is asked for.
    pub(super) fn leave_alone(&mut self, phone: Address) {
        self.reconnect.missing.remove(&phone);
        self.set_left(phone, true);
    }

    /// A phone is here.
    pub(super) fn welcome_back(&mut self, phone: Address) {
        self.reconnect.missing.remove(&phone);
        self.set_left(phone, false);
    }

    /// Somebody wants a phone to be here.
    pub(super) fn ask_back(&mut self, phone: Address) {
        self.set_left(phone, false);
    }

    /// Says whether a phone is missed or called, and leaves it alone from now on.
    pub(super) fn stop_calling(&mut self, phone: Address) -> bool {
        let missed = self.next_try_of(phone).is_some();
        if missed {
            self.leave_alone(phone);
        }
        missed
    }

    fn set_left(&mut self, phone: Address, left: bool) {
        if let Some(known) = self.known_mut(phone) {
            known.left = left;
        }
    }

    pub(super) fn prefer(
        &mut self,
        now: Now,
        phone: Address,
        preference: Preference,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        let Some(known) = self.known_mut(phone) else {
            return Err(super::pairing::unknown_phone(phone));
        };
        known.preference = preference;
        let name = known.shown_name().to_owned();
        if preference == Preference::Never {
            self.reconnect.missing.remove(&phone);
        } else {
            self.miss(now, phone);
        }
        out.tell(Story::Preferred {
            name,
            address: phone,
            preference,
        });
        Ok(())
    }

    /// Counts the time in which whoever is missed could have been called.
    pub(super) fn time_passes(&mut self, now: Now) {
        let since = now.monotonic.saturating_sub(self.reconnect.counted);
        self.reconnect.counted = now.monotonic;
        if self.reconnect.counts {
            for missing in self.reconnect.missing.values_mut() {
                missing.missed += since;
            }
        }
    }

    /// Calls whoever is due, if that disturbs nobody; else sees to it that this is done in time.
    pub(super) fn attend_to_missing(&mut self, now: Now, out: &mut Orders) {
        self.heed_search(now);
        self.break_off(out);
        let patience = self.rules.reconnect_for;
        self.reconnect
            .missing
            .retain(|_, missing| missing.missed < patience);
        self.reconnect.counts = self.radio.on().is_some() && self.disturbs_nobody();
        if self.reconnect.missing.is_empty() || !self.may_page() {
            if let Some(until) = self.reconnect.search.counts_until {
                self.arm_reconnect(until, now, out);
            }
            return;
        }
        if let Some(phone) = self.who_is_next(now) {
            self.reconnect.called = Some(phone);
            self.reconnect.broken_off = false;
            self.call_unasked(phone, out);
            return;
        }
        let away = self.reconnect.missing.iter();
        let away = away.filter(|(phone, _)| !self.is_connected(**phone));
        let first = away.map(|(_, it)| it.due).min();
        if let Some(due) = first {
            self.arm_reconnect(due, now, out);
        }
    }

    /// Some program has the adapter look for others, or none does any more.
    fn heed_search(&mut self, now: Now) {
        let looks = self.radio.is_looking();
        let search = &mut self.reconnect.search;
        if looks && search.since.is_none() {
            // One that pauses for some seconds is still the same.
            let rested = search.rested.take();
            if rested.is_none_or(|since| now.monotonic >= since + SEARCH) {
                search.searched = Duration::ZERO;
            }
            search.since = Some(now.monotonic);
        } else if let Some(since) = search.since.take_if(|_| !looks) {
            search.searched += now.monotonic.saturating_sub(since);
            search.rested = Some(now.monotonic);
        }
        let left = SEARCH.saturating_sub(search.searched);
        let until = search.since.map(|since| since + left);
        search.counts_until = until.filter(|until| now.monotonic < *until);
    }

    /// Has the timer fire when this is due.
    fn arm_reconnect(&mut self, due: Duration, now: Now, out: &mut Orders) {
        if self.reconnect.armed != Some(due) {
            self.reconnect.armed = Some(due);
            out.push(Action::ArmTimer {
                timer: Timer::Reconnect,
                after: due.saturating_sub(now.monotonic),
            });
        }
    }

    /// Ends a call that is not wanted any more, or disturbs somebody by now, unless it was answered or
    /// somebody waits for it.
    fn break_off(&mut self, out: &mut Orders) {
        let Some(phone) = self.reconnect.called else {
            return;
        };
        let wanted = self.is_waited_for(phone)
            || self.reconnect.missing.contains_key(&phone)
                && self.disturbs_nobody()
                && self.room_for(phone)
                && !self.is_another_waited_for(phone);
        let goes_on = self.is_trusted(phone) && wanted;
        if !goes_on && !self.reconnect.broken_off && !self.is_connected(phone) {
            self.reconnect.broken_off = true;
            out.radio(RadioAction::BreakOff { phone });
        }
    }

    pub(super) fn somebody_is_due(&mut self) {
        self.reconnect.armed = None;
    }

    /// Says whether the radio has time for a page.
    fn may_page(&self) -> bool {
        self.radio.on().is_some()
            && self.has_room()
            && !self.is_connecting()
            && self.disturbs_nobody()
    }

    /// Says whether a page would disturb neither pairing nor a search, nor a call, nor music.
    fn disturbs_nobody(&self) -> bool {
        !self.pairing.is_open()
            && self.reconnect.search.counts_until.is_none()
            && !self.is_telephoning()
            && !self.is_playing()
    }

    /// Returns who is called first of those that are due: the preferred, then who played last, then
    /// who was here last.
    fn who_is_next(&self, now: Now) -> Option<Address> {
        let is_due = |phone: &&TrustedPhone| {
            let missing = self.reconnect.missing.get(&phone.address);
            let due = missing.is_some_and(|missing| missing.due <= now.monotonic);
            due && !self.is_connected(phone.address)
        };
        let due = self.memory.phones.iter().filter(is_due);
        let first = due.max_by_key(|it| (it.preference.rank(), it.last_played, it.last_seen));
        first.map(|phone| phone.address)
    }

    /// An attempt ended, asked for or not; says whether nobody had asked when it began.
    pub(super) fn call_ended(&mut self, now: Now, phone: Address, failed: bool) -> bool {
        let unasked = self.reconnect.called == Some(phone);
        let broken_off = unasked && std::mem::take(&mut self.reconnect.broken_off);
        if unasked {
            self.reconnect.called = None;
        }
        let speaker = self.radio.address().unwrap_or(phone);
        if let Some(missing) = self.reconnect.missing.get_mut(&phone) {
            // One that was broken off says nothing of the phone.
            if !broken_off {
                missing.put_off(now, phone, speaker);
            }
        }
        if !failed {
            self.reconnect.missing.remove(&phone);
        }
        unasked
    }

    /// Says whether a phone is called that nobody waits for.
    pub(super) fn is_called_unasked(&self, phone: Address) -> bool {
        self.reconnect.called == Some(phone) && !self.is_waited_for(phone)
    }

    /// Returns when a phone is called next.
    pub(super) fn next_try_of(&self, phone: Address) -> Option<NextTry> {
        if self.reconnect.called == Some(phone) {
            return Some(NextTry::Now);
        }
        let away = !self.is_connected(phone);
        let missing = self.reconnect.missing.get(&phone).filter(|_| away)?;
        Some(NextTry::At(missing.due_unix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: Address = Address::new([0xF0, 0, 0, 0, 0, 1]);
    const SPEAKER: Address = Address::new([0xDA, 0, 0, 0, 0, 1]);

    #[test]
    fn waits_double_up_to_the_longest_and_are_never_the_same_for_two_speakers() {
        let now = Now {
            monotonic: Duration::ZERO,
            unix: 0,
        };
        let waits = |speaker| -> Vec<f64> {
            let mut missing = Missing::new(now);
            let wait = |_| {
                missing.put_off(now, PHONE, speaker);
                missing.due.as_secs_f64()
            };
            (0..30).map(wait).collect()
        };
        let ours = waits(SPEAKER);
        for (n, wait) in ours.iter().enumerate() {
            let nominal = 2_f64.powi(n as i32 + 1).min(LONGEST.as_secs_f64());
            let off = wait / nominal;
            assert!((0.75..=1.25).contains(&off), "{n}: {wait} s");
        }
        let theirs = waits(Address::new([0xDA, 0, 0, 0, 0, 2]));
        assert!(
            ours.iter()
                .zip(theirs)
                .all(|(ours, theirs)| *ours != theirs)
        );
    }
}
