//! What the session manager keeps for all to see: the defaults, and who is to be linked where.
//!
//! Invariant: its callback only puts notices into the inbox.

use std::cell::RefCell;
use std::rc::Rc;

use pipewire::core::PW_ID_CORE;
use pipewire::metadata::{Metadata, MetadataListener};

use super::notice::{Inbox, Notice};

/// The metadata object that is called "default".
pub(super) struct Defaults {
    id: u32,
    // Goes before what it listens to.
    _listener: MetadataListener,
    metadata: Metadata,
}

impl Defaults {
    /// Listens to the object with the server's number `id`; what it says at first comes as well.
    pub(super) fn listen(id: u32, metadata: Metadata, inbox: &Rc<RefCell<Inbox>>) -> Self {
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
        Self {
            id,
            _listener: listener,
            metadata,
        }
    }

    /// The server's number for the object.
    pub(super) fn id(&self) -> u32 {
        self.id
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
