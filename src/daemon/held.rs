//! What is said only when the disk has what it promises.
//!
//! Invariant: an answer, or a story that promises something, waits for the version of the state that
//! holds it, and no story overtakes another.

use crate::policy::Action;

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
        for action in actions {
            match self.wait_of(&action, version) {
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

    /// Returns the version that has to be written before the action.
    fn wait_of(&self, action: &Action, version: Option<u64>) -> Option<u64> {
        match action {
            Action::Reply { .. } => version,
            Action::Tell(story) if story.is_promise() => version.or(self.last_story()),
            Action::Tell(_) => self.last_story(),
            _ => None,
        }
    }

    /// Returns what the last story that waits is waiting for.
    fn last_story(&self) -> Option<u64> {
        let told = |waiting: &&Waiting| matches!(waiting.action, Action::Tell(_));
        self.0.iter().rev().find(told).map(|it| it.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::model::{Address, RequestId, Volume};
    use crate::policy::story::WindowEnd;
    use crate::policy::{RadioAction, Story};

    const ANNA: Address = Address::new([0xF0, 0, 0, 0, 0, 1]);

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

    fn louder() -> Action {
        Action::Tell(Story::VolumeChanged {
            name: "Anna".to_owned(),
            address: ANNA,
            volume: Volume::MAX,
        })
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
    fn no_story_overtakes_another() {
        let mut held = Held::default();
        assert_eq!(held.sift(vec![louder()], Some(1)), [louder()]);
        assert_eq!(held.sift(vec![paired()], Some(2)), []);
        assert_eq!(held.sift(vec![louder()], Some(3)), []);
        assert_eq!(held.sift(vec![paired()], Some(4)), []);
        assert_eq!(held.sift(vec![closed()], None), []);
        assert_eq!(held.release(3), [paired(), louder()]);
        assert_eq!(held.release(4), [paired(), closed()]);
        assert_eq!(held.sift(vec![closed()], None), [closed()]);
    }
}
