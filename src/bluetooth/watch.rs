//! Listens to bluetoothd and reports what it says.
//!
//! Invariant: one task holds the picture, and everything that changes it comes through one inbox in
//! the order in which the bus delivered it. The inbox is unbounded so that the bus connection is
//! always read: a full one would also hold up the answers that this task waits for.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use zbus::MessageStream;
use zbus::message::{Message, Sequence, Type};
use zbus::names::OwnedUniqueName;
use zbus::zvariant::OwnedObjectPath;

use super::convert::{
    self, ADAPTER, BLUEZ, CONTROL, DEVICE, Interfaces, Kernel, Objects, PLAYER, Properties,
    TRANSPORT,
};
use super::covers::Gallery;
use super::error::BluetoothError;
use super::features;
use super::picture::{Configured, Picture};
use super::rfkill::Rfkill;
use super::session::Session;
use crate::policy::event::Event;
use crate::policy::model::TransportId;

const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";

/// When bluetoothd is asked again for what it did not tell.
const REDRAW: Duration = Duration::from_secs(2);

/// One thing that changes the picture.
#[derive(Debug)]
pub(super) enum Word {
    /// bluetoothd came, went, or was replaced.
    Owner(Option<OwnedUniqueName>),
    /// bluetoothd sent a signal.
    Signal(Message),
    /// Agent and endpoints are registered with this adapter.
    Using(String),
    /// bluetoothd told at last what it knows.
    Drawn,
    /// A phone configured one of our endpoints.
    Opened(Configured),
    /// bluetoothd told an endpoint that its transport is gone.
    Closed(TransportId),
}

/// Tells the bus what we want to hear.
///
/// # Errors
/// When the bus refuses.
pub(super) async fn subscribe(session: &Session) -> Result<(), BluetoothError> {
    let bus = zbus::fdo::DBusProxy::new(&session.bus)
        .await
        .map_err(BluetoothError::bus)?;
    // Only what the picture shows.
    for rule in [
        format!("type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'"),
        format!("type='signal',sender='{BLUEZ}',interface='{OBJECT_MANAGER}',path='/'"),
        format!("type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',arg0='{ADAPTER}'"),
        format!("type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',arg0='{DEVICE}'"),
        format!("type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',arg0='{TRANSPORT}'"),
        format!("type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',arg0='{PLAYER}'"),
        format!("type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',arg0='{CONTROL}'"),
    ] {
        let rule = zbus::MatchRule::try_from(rule.as_str()).map_err(BluetoothError::bus)?;
        bus.add_match_rule(rule)
            .await
            .map_err(BluetoothError::bus)?;
    }
    Ok(())
}

/// Reads the bus connection to its end and sorts what comes into the inbox.
pub(super) async fn listen(
    mut messages: MessageStream,
    owner: watch::Sender<Option<OwnedUniqueName>>,
    inbox: mpsc::UnboundedSender<Word>,
) {
    while let Some(message) = messages.next().await {
        let Ok(message) = message else { break };
        if message.message_type() != Type::Signal {
            continue;
        }
        let word = match new_owner(&message, BLUEZ) {
            Some(new) if new == *owner.borrow() => continue,
            Some(new) => {
                owner.send_replace(new.clone());
                Word::Owner(new)
            }
            None if comes_from(&message, owner.borrow().as_ref()) => Word::Signal(message),
            // Anybody may send us a signal; only bluetoothd knows what it says.
            None => continue,
        };
        if inbox.send(word).is_err() {
            return;
        }
    }
    owner.send_replace(None);
    if inbox.send(Word::Owner(None)).is_err() {
        return;
    }
    tracing::error!("the system bus closed the connection; restart dotd: systemctl restart dotd");
}

/// Reads a `NameOwnerChanged` of a name: its new owner, if any.
pub(super) fn new_owner(message: &Message, of: &str) -> Option<Option<OwnedUniqueName>> {
    let header = message.header();
    let from_bus = header.sender().is_some_and(|it| it == BUS);
    if !from_bus || header.member()?.as_str() != "NameOwnerChanged" {
        return None;
    }
    let (name, _old, new): (String, String, String) = message.body().deserialize().ok()?;
    (name == of).then(|| new.try_into().ok())
}

fn comes_from(message: &Message, owner: Option<&OwnedUniqueName>) -> bool {
    let header = message.header();
    header.sender().zip(owner).is_some_and(|(a, b)| *a == **b)
}

/// The task that holds the picture.
pub(super) struct Watch {
    session: Session,
    rfkill: Rfkill,
    inbox: mpsc::UnboundedReceiver<Word>,
    events: mpsc::Sender<Event>,
    gallery: watch::Sender<Gallery>,
    picture: Picture,
    /// Whether bluetoothd is on the bus, as far as the inbox was read.
    there: bool,
    /// When it is to be asked again for what it did not tell.
    redraw_at: Option<Instant>,
    /// Signals that arrived before this are already part of the picture.
    drawn_at: Sequence,
}

impl Watch {
    /// Makes the task; nothing is known yet.
    pub(super) fn new(
        session: Session,
        rfkill: Rfkill,
        inbox: mpsc::UnboundedReceiver<Word>,
        events: mpsc::Sender<Event>,
        gallery: watch::Sender<Gallery>,
    ) -> Self {
        Self {
            session,
            rfkill,
            inbox,
            events,
            gallery,
            picture: Picture::default(),
            there: false,
            redraw_at: None,
            drawn_at: Sequence::default(),
        }
    }

    /// Reports until the daemon does not listen any more, beginning with who owns bluetoothd's
    /// name at the start.
    pub(super) async fn run(mut self, owner: Option<OwnedUniqueName>) {
        let mut next = Some(Word::Owner(owner));
        while let Some(word) = next {
            self.take(word).await;
            // BlueZ tells one change of a phone in several signals: look at what they lead to.
            while let Ok(word) = self.inbox.try_recv() {
                self.take(word).await;
            }
            let kernel = |adapter: &str| Kernel {
                block: self.rfkill.block(adapter),
                wide_band: features::wide_band(adapter),
            };
            for event in self.picture.report(kernel) {
                if self.events.send(event).await.is_err() {
                    return;
                }
            }
            // After it was told what plays: a picture of it is news of something known.
            self.offer(self.picture.gallery());
            next = self.next().await;
        }
    }

    fn offer(&self, gallery: Gallery) {
        self.gallery.send_if_modified(|offered| {
            let changed = *offered != gallery;
            *offered = gallery;
            changed
        });
    }

    /// Waits for the next word; draws anew meanwhile if that failed.
    async fn next(&mut self) -> Option<Word> {
        while let Some(deadline) = self.redraw_at.filter(|_| self.there) {
            match tokio::time::timeout_at(deadline, self.inbox.recv()).await {
                Ok(word) => return word,
                Err(_due) => self.draw().await,
            }
            if self.redraw_at.is_none() {
                // What was drawn is to be reported now.
                return Some(Word::Drawn);
            }
        }
        self.inbox.recv().await
    }

    async fn take(&mut self, word: Word) {
        match word {
            Word::Owner(owner) => {
                let was_there = std::mem::replace(&mut self.there, owner.is_some());
                if was_there || !self.there {
                    self.picture.lose();
                    self.session.set_used(None);
                }
                if self.there {
                    self.draw().await;
                }
            }
            Word::Signal(message) if message.recv_position() > self.drawn_at => {
                if let Err(error) = self.signal(&message) {
                    tracing::warn!(
                        "bluetoothd sent a signal that does not fit its interface: {error}"
                    );
                }
            }
            Word::Signal(_) => {}
            // Unless it went away while we registered.
            Word::Using(adapter) if self.session.used().as_ref() == Some(&adapter) => {
                self.picture.use_adapter(adapter);
            }
            Word::Using(_) | Word::Drawn => {}
            Word::Opened(configured) => self.picture.open(configured),
            Word::Closed(transport) => self.picture.close(&transport),
        }
    }

    async fn draw(&mut self) {
        let method = (OBJECT_MANAGER, "GetManagedObjects");
        let answer = self
            .session
            .call("list its objects", "/", method, &())
            .await;
        match answer.and_then(|it| Ok((it.recv_position(), objects(&it)?))) {
            Ok((position, objects)) => {
                self.redraw_at = None;
                self.drawn_at = position;
                self.picture.draw(objects);
            }
            Err(error) => {
                if self.redraw_at.replace(Instant::now() + REDRAW).is_none() {
                    tracing::warn!("what bluetoothd knows is not known; asking again: {error}");
                }
            }
        }
    }

    fn signal(&mut self, message: &Message) -> zbus::Result<()> {
        let header = message.header();
        let body = message.body();
        match header.member().map(|it| it.as_str()) {
            Some("InterfacesAdded") => {
                let (path, interfaces): (OwnedObjectPath, Interfaces) = body.deserialize()?;
                self.picture.add(&path, interfaces);
            }
            Some("InterfacesRemoved") => {
                let (path, interfaces): (OwnedObjectPath, Vec<String>) = body.deserialize()?;
                self.picture.remove(&path, &interfaces);
                let unplugged = convert::adapter_id(&path)
                    .filter(|_| interfaces.iter().any(|it| it == ADAPTER));
                if unplugged.is_some() && unplugged == self.session.used().as_deref() {
                    self.session.set_used(None);
                }
            }
            Some("PropertiesChanged") => {
                let (interface, changed, _invalidated): (String, Properties, Vec<String>) =
                    body.deserialize()?;
                if let Some(path) = header.path() {
                    self.picture.change(path, &interface, changed);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn objects(answer: &Message) -> Result<Objects, BluetoothError> {
    let nonsense = |_| BluetoothError::Nonsense {
        what: "list its objects",
    };
    answer.body().deserialize().map_err(nonsense)
}
