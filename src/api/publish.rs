//! Brings snapshots and stories to the bus.
//!
//! Invariant: what is published is one whole snapshot. Objects, properties and signals follow it in
//! the order in which the snapshots came; a snapshot is on the bus before the stories told after it,
//! and both before the answers given after them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use zbus::Connection;
use zbus::object_server::{Interface, SignalEmitter};
use zbus::zvariant::{OwnedObjectPath, Value};

use super::call::Call;
use super::calls::Calls;
use super::phone::Phone;
use super::player::Player;
use super::requests::{Answer, Requests};
use super::speaker::Speaker;
use super::view::{self, CallView, PhoneView, SpeakerView};
use super::wire;
use super::{ApiError, Figures, StreamFigures};
use crate::policy::calls::facts::CallId;
use crate::policy::model::{Address, TransportId};
use crate::policy::snapshot::{CallStatus, PhoneStatus};
use crate::policy::{Snapshot, Story};

/// The snapshot that the objects on the bus show.
pub(super) struct Published {
    snapshot: Mutex<Arc<Snapshot>>,
    figures: Figures,
    /// When the daemon's own clock was at 0.
    started: Instant,
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Published").field(&self.snapshot()).finish()
    }
}

impl Published {
    pub(super) fn new(figures: Figures, started: Instant) -> Arc<Self> {
        Arc::new(Self {
            snapshot: Mutex::default(),
            figures,
            started,
        })
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        let snapshot = self.snapshot.lock();
        Arc::clone(&snapshot.unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what `of` makes of the phone; nothing if it is not there.
    pub(super) fn phone<T>(&self, phone: Address, of: impl FnOnce(&PhoneStatus) -> T) -> Option<T> {
        let snapshot = self.snapshot();
        snapshot
            .phones
            .iter()
            .find(|one| one.address == phone)
            .map(of)
    }

    /// Returns what `of` makes of a call of the phone; nothing if it is not there.
    pub(super) fn call<T>(
        &self,
        phone: Address,
        call: CallId,
        of: impl FnOnce(&CallStatus) -> T,
    ) -> Option<T> {
        let found = self.phone(phone, |phone| {
            let calls = calls_of(Some(phone));
            calls.get(&call).copied().map(of)
        });
        found.flatten()
    }

    pub(super) fn figures(&self, transport: &TransportId) -> Option<StreamFigures> {
        (self.figures)(transport)
    }

    /// Returns how far into its track the player of a phone is now.
    pub(super) fn position(&self, phone: &PhoneStatus) -> Option<Duration> {
        phone.player.as_ref()?.position(self.clock())
    }

    /// Returns the time by the daemon's own clock.
    pub(super) fn clock(&self) -> Duration {
        self.started.elapsed()
    }

    fn replace(&self, snapshot: Arc<Snapshot>) {
        let mut current = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        *current = snapshot;
    }
}

/// Follows the policy and tells the bus.
pub(super) struct Publisher {
    connection: Connection,
    published: Arc<Published>,
    requests: Requests,
    snapshots: watch::Receiver<Snapshot>,
    stories: broadcast::Receiver<Story>,
    answers: mpsc::UnboundedReceiver<Answer>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.requests.abandon();
    }
}

impl Publisher {
    pub(super) fn new(
        connection: &Connection,
        published: Arc<Published>,
        requests: Requests,
        snapshots: watch::Receiver<Snapshot>,
        stories: broadcast::Receiver<Story>,
        answers: mpsc::UnboundedReceiver<Answer>,
    ) -> Self {
        Self {
            connection: connection.clone(),
            published,
            requests,
            snapshots,
            stories,
            answers,
        }
    }

    /// Follows until the bus fails or the policy is no more.
    pub(super) async fn run(&mut self) -> ApiError {
        loop {
            let told = tokio::select! {
                // The order is the invariant: who hears a story or gets an answer must be able to
                // look at what it is about.
                biased;
                changed = self.snapshots.changed() => match changed {
                    Ok(()) => self.publish().await,
                    Err(_) => return ApiError::PolicyGone,
                },
                story = self.stories.recv() => match story {
                    Ok(story) => self.tell(&story).await,
                    Err(RecvError::Lagged(count)) => {
                        tracing::warn!(count, "stories came faster than the bus took them");
                        Ok(())
                    }
                    Err(RecvError::Closed) => return ApiError::PolicyGone,
                },
                answer = self.answers.recv() => match answer {
                    Some(answer) => {
                        self.requests.answer(answer);
                        Ok(())
                    }
                    None => return ApiError::PolicyGone,
                },
            };
            if let Err(error) = told {
                return error.into();
            }
        }
    }

    /// Puts the latest snapshot on the bus.
    pub(super) async fn publish(&mut self) -> zbus::Result<()> {
        let after = Arc::new(self.snapshots.borrow_and_update().clone());
        let before = self.published.snapshot();
        let (old, new) = (by_address(&before), by_address(&after));

        // What is gone leaves first: nobody is to see an object without its properties.
        for (&address, &phone) in &old {
            let left = new.get(&address).copied();
            self.remove_calls(address, phone, left).await?;
            if left.is_none() {
                self.remove(address).await?;
            }
        }
        self.published.replace(Arc::clone(&after));

        let properties = |snapshot: &Snapshot| SpeakerView::from(snapshot).properties();
        let changed = view::changes(properties(&before), properties(&after));
        self.signal::<Speaker>(wire::ROOT, changed).await?;

        for (&address, &phone) in &new {
            let before = old.get(&address).copied();
            match before {
                Some(before) if before == phone => continue,
                Some(before) => {
                    let path = wire::phone_path(address);
                    let properties = |phone: &PhoneStatus| PhoneView::from(phone).properties();
                    let changed = view::changes(properties(before), properties(phone));
                    self.signal::<Phone>(path.as_str(), changed).await?;
                }
                None => self.add(address).await?,
            }
            self.publish_calls(address, before, phone).await?;
        }
        Ok(())
    }

    /// Brings the calls of a phone to the bus.
    async fn publish_calls(
        &self,
        phone: Address,
        before: Option<&PhoneStatus>,
        after: &PhoneStatus,
    ) -> zbus::Result<()> {
        let old = calls_of(before);
        for (id, call) in calls_of(Some(after)) {
            let path = wire::call_path(phone, id);
            match old.get(&id) {
                Some(before) => {
                    let properties = |call: &CallStatus| CallView::from(call).properties();
                    let changed = view::changes(properties(before), properties(call));
                    self.signal::<Call>(path.as_str(), changed).await?;
                }
                None => {
                    let published = Arc::clone(&self.published);
                    let call = Call::new(phone, id, published, self.requests.clone());
                    self.connection.object_server().at(path, call).await?;
                }
            }
        }
        Ok(())
    }

    /// Takes calls off the bus that are over, or whose phone is gone: the object server would drop
    /// what lies below a phone without a word.
    async fn remove_calls(
        &self,
        phone: Address,
        before: &PhoneStatus,
        after: Option<&PhoneStatus>,
    ) -> zbus::Result<()> {
        let left = calls_of(after);
        for id in calls_of(Some(before)).into_keys() {
            if !left.contains_key(&id) {
                let path = wire::call_path(phone, id);
                let objects = self.connection.object_server();
                objects.remove::<Call, _>(path).await?;
            }
        }
        Ok(())
    }

    /// The object server signals `InterfacesAdded`, with all properties.
    async fn add(&self, phone: Address) -> zbus::Result<()> {
        let objects = self.connection.object_server();
        let path = wire::phone_path(phone);
        let calls = Calls::new(Some(phone), self.requests.clone());
        let player = Player::new(Some(phone), self.requests.clone());
        let phone = Phone::new(phone, Arc::clone(&self.published), self.requests.clone());
        objects.at(&path, phone).await?;
        objects.at(&path, calls).await?;
        objects.at(&path, player).await?;
        Ok(())
    }

    /// The object server signals `InterfacesRemoved`.
    async fn remove(&self, phone: Address) -> zbus::Result<()> {
        let objects = self.connection.object_server();
        let path = wire::phone_path(phone);
        objects.remove::<Player, _>(&path).await?;
        objects.remove::<Calls, _>(&path).await?;
        objects.remove::<Phone, _>(&path).await?;
        Ok(())
    }

    async fn signal<I: Interface>(
        &self,
        path: &str,
        changed: HashMap<&'static str, Value<'static>>,
    ) -> zbus::Result<()> {
        if changed.is_empty() {
            return Ok(());
        }
        let emitter = SignalEmitter::new(&self.connection, path)?;
        zbus::fdo::Properties::properties_changed(&emitter, I::name(), changed, (&[]).into()).await
    }

    async fn tell(&self, story: &Story) -> zbus::Result<()> {
        let details = serde_json::to_value(story).map_err(|error| {
            zbus::Error::Failure(format!("a story cannot be written as JSON: {error}"))
        })?;
        let object = match story.phone() {
            Some(phone) => wire::phone_path(phone),
            None => OwnedObjectPath::try_from(wire::ROOT)?,
        };
        let emitter = SignalEmitter::new(&self.connection, wire::ROOT)?;
        let kind = details["story"].as_str().unwrap_or_default();
        let json = details.to_string();
        Speaker::happened(&emitter, kind, object.into(), &story.to_string(), &json).await
    }
}

fn by_address(snapshot: &Snapshot) -> BTreeMap<Address, &PhoneStatus> {
    let phones = snapshot.phones.iter();
    phones.map(|phone| (phone.address, phone)).collect()
}

fn calls_of(phone: Option<&PhoneStatus>) -> BTreeMap<CallId, &CallStatus> {
    let hands_free = phone.and_then(|phone| phone.hands_free.as_ref());
    let calls = hands_free.into_iter().flat_map(|it| &it.calls);
    calls.map(|status| (status.call.id, status)).collect()
}
