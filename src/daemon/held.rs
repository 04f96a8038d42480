//! What is said only when the disk has what it promises.
//!
//! Invariant: an answer, or a story that promises something, waits for the version of the state that
//! holds it; so do the stories that go with it: those that the same event led to after it, and later
//! ones of the same phone. Nothing else waits, however long a write takes: whoever changes nothing is
//! answered, and what happens is told.

use crate::policy::{Action, Story};

/// What waits, in the order in which it was decided.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<Waiting>);

/// Something that waits for a version to be written.
#[derive(Debug)]
struct Waiting {
    version: u64,
    action: Action,
}

impl Held {
    /// Returns those of the `actions` of one event that can be carried out at once, and keeps the
    /// others. `version` is the one of the state that the event led to, if it changed anything.
    pub(super) fn sift(&mut self, actions: Vec<Action>, version: Option<u64>) -> Vec<Action> {
        let mut at_once = Vec::with_capacity(actions.len());
        // What the stories of this event have come to wait for.
        let mut told_after = None;
        for action in actions {
            let wait = match &action {
                Action::Reply { .. } => version,
                Action::Tell(story) => {
                    let own = version.filter(|_| story.is_promise());
                    told_after = told_after.max(own).max(self.last_of_its_phone(story));
                    told_after
                }
                _ => None,
            };
            match wait {
                Some(version) => self.0.push(Waiting { version, action }),
                None => at_once.push(action),
            }
        }
        at_once
    }

    /// Returns what waited for version `written` or an earlier one.
    pub(super) fn release(&mut self, written: u64) -> Vec<Action> {
        let waiting = std::mem::take(&mut self.0).into_iter();
        let (released, kept): (Vec<_>, _) = waiting.partition(|it| it.version <= written);
        self.0 = kept;
        released.into_iter().map(|it| it.action).collect()
    }

    /// Returns what the last story that waits and is about the same phone is waiting for.
    fn last_of_its_phone(&self, story: &Story) -> Option<u64> {
        let phone = story.phone()?;
        let same =
            |it: &&Waiting| matches!(&it.action, Action::Tell(told) if told.phone() == Some(phone));
        self.0.iter().rev().find(same).map(|it| it.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RadioAction;
    use crate::policy::model::{Address, RequestId, Volume};
    use crate::policy::story::WindowEnd;

    const ANNA: Address = Address::new([0xF0, 0, 0, 0, 0, 1]);
    const BEN: Address = Address::new([0xF0, 0, 0, 0, 0, 2]);

    fn paired() -> Action {
        Action::Tell(Story::PhonePaired {
            name: "Anna".to_owned(),
            address: ANNA,
            again: false,
        })
    }

    fn closed() -> Action {
        let why = WindowEnd::Paired;
        Action::Tell(Story::PairingClosed { why })
    }

    fn louder(address: Address) -> Action {
        Action::Tell(Story::VolumeChanged {
            name: "Somebody".to_owned(),
            address,
            volume: Volume::MAX,
        })
    }

    fn muted() -> Action {
        Action::Tell(Story::MicrophoneMuted { muted: true })
    }

    fn answer() -> Action {
        Action::Reply {
            id: RequestId(1),
            result: Ok(()),
        }
    }

    fn order() -> Action {
        Action::Radio(RadioAction::CloseWindow)
    }

    #[test]
    fn a_phone_is_told_as_paired_when_the_disk_has_it() {
        let mut held = Held::default();
        let actions = vec![paired(), order(), closed()];
        assert_eq!(held.sift(actions, Some(1)), [order()]);
        assert_eq!(held.release(0), []);
        assert_eq!(held.release(1), [paired(), closed()]);
        assert_eq!(held.release(1), []);
    }

    #[test]
    fn an_answer_waits_for_its_own_version() {
        let mut held = Held::default();
        assert_eq!(held.sift(vec![answer()], Some(1)), []);
        assert_eq!(held.sift(vec![answer()], None), [answer()]);
        assert_eq!(held.sift(vec![paired(), answer()], Some(2)), []);
        assert_eq!(held.release(1), [answer()]);
        assert_eq!(held.release(2), [paired(), answer()]);
    }

    #[test]
    fn no_story_of_a_phone_overtakes_another_one() {
        let mut held = Held::default();
        assert_eq!(held.sift(vec![louder(ANNA)], Some(1)), [louder(ANNA)]);
        assert_eq!(held.sift(vec![paired()], Some(2)), []);
        assert_eq!(held.sift(vec![louder(ANNA)], Some(3)), []);
        assert_eq!(held.sift(vec![paired()], Some(4)), []);
        assert_eq!(held.sift(vec![louder(ANNA), closed()], None), []);
        assert_eq!(held.release(3), [paired(), louder(ANNA)]);
        let rest = [paired(), louder(ANNA), closed()];
        assert_eq!(held.release(4), rest);
        assert_eq!(held.sift(vec![louder(ANNA)], None), [louder(ANNA)]);
    }

    #[test]
    fn what_has_nothing_to_do_with_a_write_that_hangs_is_said_at_once() {
        let mut held = Held::default();
        assert_eq!(held.sift(vec![paired(), answer()], Some(1)), []);
        for other in [closed(), louder(BEN), answer(), order()] {
            assert_eq!(held.sift(vec![other.clone()], None), [other]);
        }
        // A volume is in the state, but what is told of it promises nothing.
        let actions = vec![louder(BEN), answer()];
        assert_eq!(held.sift(actions, Some(2)), [louder(BEN)]);
        assert_eq!(held.sift(vec![muted()], Some(3)), []);
        assert_eq!(held.release(1), [paired(), answer()]);
        assert_eq!(held.release(3), [answer(), muted()]);
    }
}
