//! What the session manager keeps for all to see: the defaults, and who is to be linked where.
//!
//! Invariant: its callback only puts notices into the inbox. What is missed is asked for again:
//! PipeWire (1.4, `module-metadata`'s `pending`) keeps a change from all who listen while somebody
//! else begins to listen and the session manager has not answered that, and never makes up for it.
//! One `pw-dump` at the wrong moment would leave the speaker without an output for good.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pipewire::Error;
use pipewire::core::PW_ID_CORE;
use pipewire::metadata::{Metadata, MetadataListener};
use pipewire::properties::PropertiesBox;
use pipewire::registry::{GlobalObject, RegistryRc};

use super::notice::{Inbox, Notice};

/// How long after outputs or inputs changed the defaults are asked for again: the session manager
/// takes a few hundred milliseconds to choose them.
const SETTLED: Duration = Duration::from_secs(1);
/// The longest time between two questions while a default is lacking: it may never be chosen.
const PATIENCE: Duration = Duration::from_secs(32);

/// When to ask for the defaults again.
#[derive(Debug, Default)]
pub(super) struct SecondLook {
    due: Option<Instant>,
    wait: Duration,
}

impl SecondLook {
    /// Outputs or inputs changed, so that the defaults will.
    pub(super) fn expect_change(&mut self, now: Instant) {
        self.wait = SETTLED;
        self.due = Some(now + self.wait);
    }

    /// When the defaults are to be asked for again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Says whether they are to be asked for now; this is said once.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// They were told again; while some are `lacking` that is done ever more rarely.
    pub(super) fn looked(&mut self, lacking: bool, now: Instant) {
        if lacking && self.due.is_none() {
            self.wait = (self.wait * 2).clamp(SETTLED, PATIENCE);
            self.due = Some(now + self.wait);
        }
    }
}

/// The metadata object that is called "default".
pub(super) struct Defaults {
    object: GlobalObject<PropertiesBox>,
    // Goes before what it listens to.
    _listener: MetadataListener,
    metadata: Metadata,
}

impl Defaults {
    /// Listens to the object; what it says at first comes as well.
    pub(super) fn listen(
        object: GlobalObject<PropertiesBox>,
        registry: &RegistryRc,
        inbox: &Rc<RefCell<Inbox>>,
    ) -> Result<Self, Error> {
        let metadata = registry.bind::<Metadata, _>(&object)?;
        let inbox = Rc::clone(inbox);
        let listener = metadata
            .add_listener_local()
            .property(move |subject, key, _, value| {
                if subject == PW_ID_CORE {
                    // No key at all means that everything was taken back.
                    let is = |name: &str| key.is_none_or(|key| key == name);
                    let value = value.map(str::to_owned);
                    let mut inbox = inbox.borrow_mut();
                    if is("default.audio.sink") {
                        inbox.push(Notice::OutputChosen(value.clone()));
                    }
                    if is("default.audio.source") {
                        inbox.push(Notice::InputChosen(value));
                    }
                }
                0
            })
            .register();
        Ok(Self {
            object,
            _listener: listener,
            metadata,
        })
    }

    /// Listens to the same object anew, so that it says everything again.
    pub(super) fn listen_again(
        self,
        registry: &RegistryRc,
        inbox: &Rc<RefCell<Inbox>>,
    ) -> Result<Self, Error> {
        Self::listen(self.object, registry, inbox)
    }

    /// The server's number for the object.
    pub(super) fn id(&self) -> u32 {
        self.object.id
    }

    /// Has a stream's node linked to the one called `target`; to the default one if nothing is
    /// given.
    pub(super) fn aim(&self, node: u32, target: Option<&str>) {
        // The session manager reads -1 as "wherever the default is".
        let target = target.unwrap_or("-1");
        self.metadata
            .set_property(node, "target.object", Some("Spa:String"), Some(target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_asked_for_once_after_a_change() {
        let (mut look, begin) = (SecondLook::default(), Instant::now());
        assert!(!look.is_due(begin));
        look.expect_change(begin);
        let later = begin + SETTLED / 2;
        look.expect_change(later);
        assert_eq!(look.due(), Some(later + SETTLED));
        assert!(!look.is_due(begin + SETTLED));
        assert!(look.is_due(later + SETTLED));
        look.looked(false, later + SETTLED);
        assert_eq!(look.due(), None);
        assert!(!look.is_due(later + PATIENCE));
    }

    #[test]
    fn a_lacking_default_is_asked_for_ever_more_rarely() {
        let (mut look, mut now) = (SecondLook::default(), Instant::now());
        look.expect_change(now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let due = look.due().unwrap();
            waits.push((due - now).as_secs());
            now = due;
            assert!(look.is_due(now));
            look.looked(true, now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 32, 32]);
        look.expect_change(now);
        assert_eq!(look.due(), Some(now + SETTLED));
        // What changed meanwhile is not put off.
        look.looked(true, now);
        assert_eq!(look.due(), Some(now + SETTLED));
    }
}
