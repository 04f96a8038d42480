//! Which of our streams sound goes out of.
//!
//! Invariant: a stream is linked once every link to somebody carries sound, and stays so until none does.
//! Each channel has a link of its own, and PipeWire sets them up one after another: what is played in
//! between is heard on one side, and begins on the other in the middle of a wave.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pipewire::Error;
use pipewire::link::{Link, LinkListener};
use pipewire::properties::PropertiesBox;
use pipewire::registry::{GlobalObject, RegistryRc};
use pipewire::sys::pw_link_state_PW_LINK_STATE_ACTIVE as ACTIVE;

use super::notice::{Inbox, Notice};

/// The links of our streams, by the server's number for them.
#[derive(Default)]
pub(super) struct Links(BTreeMap<u32, Held>);

/// One of them.
struct Held {
    node: u32,
    /// Who hears it.
    hearer: u32,
    carries: bool,
    // Goes before what it listens to.
    _listener: LinkListener,
    _link: Link,
}

/// Returns the node that a link leads out of, and the one that it leads to.
pub(super) fn ends(link: &GlobalObject<PropertiesBox>) -> Option<(u32, u32)> {
    let properties = link.props.as_ref()?;
    let node = |key| properties.get(key)?.parse().ok();
    Some((node("link.output.node")?, node("link.input.node")?))
}

impl Links {
    /// Listens to a link that leads from a stream's `node` to the one of who hears it.
    pub(super) fn add(
        &mut self,
        link: &GlobalObject<PropertiesBox>,
        (node, hearer): (u32, u32),
        registry: &RegistryRc,
        inbox: &Rc<RefCell<Inbox>>,
    ) -> Result<(), Error> {
        let id = link.id;
        let link = registry.bind::<Link, _>(link)?;
        let inbox = Rc::clone(inbox);
        let listener = link
            .add_listener_local()
            .info(move |info| {
                // Not by `state()`, which panics at what it does not know.
                let carries = info.as_raw().state == ACTIVE;
                inbox.borrow_mut().push(Notice::LinkChanged { id, carries });
            })
            .register();
        let held = Held {
            node,
            hearer,
            carries: false,
            _listener: listener,
            _link: link,
        };
        self.0.insert(id, held);
        Ok(())
    }

    /// A link carries sound from now on, or no longer; returns the node it leads out of.
    pub(super) fn change(&mut self, id: u32, carries: bool) -> Option<u32> {
        let held = self.0.get_mut(&id)?;
        held.carries = carries;
        Some(held.node)
    }

    /// A link is gone; returns the node it led out of.
    pub(super) fn remove(&mut self, id: u32) -> Option<u32> {
        self.0.remove(&id).map(|held| held.node)
    }

    /// Says whether sound goes out of a node; nothing if that stays as it was.
    pub(super) fn is_linked(&self, node: u32) -> Option<bool> {
        let links = self.0.values().filter(|held| held.node == node);
        linked(links.map(|held| (held.hearer, held.carries)))
    }
}

/// By who hears each of its links, and whether that carries sound.
fn linked(links: impl Iterator<Item = (u32, bool)>) -> Option<bool> {
    let (mut hear, mut wait) = (BTreeSet::new(), BTreeSet::new());
    for (hearer, carries) in links {
        let side = if carries { &mut hear } else { &mut wait };
        side.insert(hearer);
    }
    if hear.is_empty() {
        Some(false)
    } else if hear.is_subset(&wait) {
        // They are being set up.
        None
    } else {
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_linked_once_all_its_links_are_and_until_none_is() {
        for (links, expected) in [
            (&[][..], Some(false)),
            (&[(1, false), (1, false)], Some(false)),
            (&[(1, true), (1, false)], None),
            (&[(1, true)], Some(true)),
            (&[(1, true), (1, true)], Some(true)),
            // Somebody else records it, and has not begun to.
            (&[(1, true), (1, true), (2, false)], Some(true)),
            (&[(1, true), (1, false), (2, false)], None),
            (&[(1, false), (1, false), (2, true)], Some(true)),
        ] {
            assert_eq!(linked(links.iter().copied()), expected, "{links:?}");
        }
    }
}
