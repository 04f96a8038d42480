//! Whether sound flows both ways through a voice link that is up.
//!
//! Invariant: pure. A link is silent when no packet has come for [`LONGEST`], and mute when none
//! could be sent for as long; a phone that is walking away may be both for a moment, so that ends
//! nothing.

use crate::pcm::{Nanos, SECOND};

/// How long nothing may flow before that is worth a word.
const LONGEST: Nanos = 3 * SECOND;

/// When packets last went through.
#[derive(Debug)]
pub(super) struct Flow {
    came: Nanos,
    went: Nanos,
}

impl Flow {
    /// Begins at `now`, when the link is up.
    pub(super) fn new(now: Nanos) -> Self {
        Self {
            came: now,
            went: now,
        }
    }

    /// A packet came.
    pub(super) fn came(&mut self, now: Nanos) {
        self.came = now;
    }

    /// A packet was sent.
    pub(super) fn went(&mut self, now: Nanos) {
        self.went = now;
    }

    /// Says what is wrong, and what to do about it; nothing while all is well.
    pub(super) fn problem(&self, now: Nanos) -> Option<&'static str> {
        if now - self.came > LONGEST {
            Some(
                "no sound comes through the voice link any more; bring the phone nearer, or hang up \
                 and see CALLS in dotd(8)",
            )
        } else if now - self.went > LONGEST {
            Some(
                "the adapter takes no sound for the phone any more; hang up and plug the adapter in \
                 again, or reboot",
            )
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_flow_for_long_is_told_and_what_flows_again_is_not() {
        let mut flow = Flow::new(0);
        assert_eq!(flow.problem(LONGEST), None);
        assert!(flow.problem(LONGEST + 1).unwrap().contains("comes"));
        flow.came(LONGEST);
        assert!(flow.problem(LONGEST + 1).unwrap().contains("takes"));
        flow.went(LONGEST);
        assert_eq!(flow.problem(2 * LONGEST), None);
        flow.came(2 * LONGEST);
        flow.went(2 * LONGEST);
        assert_eq!(flow.problem(3 * LONGEST), None);
        assert!(flow.problem(3 * LONGEST + 1).is_some());
    }
}
