//! The Bluetooth room: tells the policy what BlueZ knows and does with BlueZ what the policy orders.
//!
//! Invariant: decides nothing and retries nothing, but for covers (`covers/plan`). Facts leave as
//! [`Event`]s, orders come as [`RadioAction`]s; no type of bluer or zbus is seen outside. bluetoothd
//! may come, go and be killed at any time: the room stays, says so, and starts afresh when it is told
//! to use an adapter again.
//!
//! Four tasks: `watch::listen` reads the bus and never waits for anything else; [`watch::Watch`]
//! holds the picture of what bluetoothd knows; [`orders::Orders`] carries out one order after the
//! other; `covers::run` has obexd fetch the pictures of what phones play. Agent and endpoints are objects
//! on the bus that bluetoothd calls.

mod adapter;
mod agent;
mod broadcom;
mod caps;
mod convert;
mod covers;
mod device;
mod error;
mod features;
mod handsfree;
mod hci;
mod media;
mod orders;
mod partings;
mod picture;
mod player;
mod players;
mod rfkill;
mod session;
mod socket;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch as latest};
use tokio::task::JoinHandle;
use zbus::MessageStream;

pub use self::covers::CoverFolders;
pub use self::error::{BluetoothError, BusError};
pub use self::handsfree::profile::GatewaySocket;
pub use self::handsfree::sco::VoiceSocket;
pub use self::hci::HciError;
pub use self::media::transport::MediaSocket;

use self::agent::Questions;
use self::covers::{Gallery, Wishes};
use self::handsfree::{HandsFree, Knocks, sco};
use self::orders::{Order, Orders};
use self::rfkill::Rfkill;
use self::session::Session;
use self::watch::Watch;
use crate::policy::action::RadioAction;
use crate::policy::calls::facts::VoiceCodec;
use crate::policy::event::Event;
use crate::policy::model::{Address, QuestionId, TransportId};

/// How long tidying up may hold up the end of the daemon.
const STOP_DEADLINE: Duration = Duration::from_secs(3);

/// The daemon's handle to the radio.
#[derive(Debug)]
pub struct Bluetooth {
    session: Session,
    orders: mpsc::UnboundedSender<Order>,
    questions: Questions,
    knocks: Knocks,
    features: Arc<AtomicU16>,
    covers: latest::Sender<Wishes>,
    tasks: Vec<JoinHandle<()>>,
}

impl Bluetooth {
    /// Connects to the system bus and starts to report to `events`, first whether bluetoothd is
    /// there ([`Event::BluetoothLost`] if not) and each adapter it has. Links to phones' audio
    /// gateways go to `gateways`; our record claims the `features` of HFP 1.9 section 6.3. Covers lie in
    /// `folders`, once they are wanted. Needs a tokio runtime.
    ///
    /// # Errors
    /// Only when the bus cannot be reached; bluetoothd need not be there.
    pub async fn start(
        events: mpsc::Sender<Event>,
        gateways: mpsc::UnboundedSender<GatewaySocket>,
        features: u16,
        folders: CoverFolders,
    ) -> Result<Self, BluetoothError> {
        let (owner, owned_by) = latest::channel(None);
        let session = Session::open(owned_by).await?;
        // Before the subscription, so that no signal falls between the two.
        let messages = MessageStream::from(&session.bus);
        watch::subscribe(&session).await?;
        let first_owner = session.current_owner().await?;
        owner.send_replace(first_owner.clone());

        let (words, inbox) = mpsc::unbounded_channel();
        let (orders, ordered) = mpsc::unbounded_channel();
        let questions = Questions::default();
        let rfkill = Rfkill::default();
        let (gallery, offered) = latest::channel(Gallery::new());
        let (covers, wishes) = latest::channel(Wishes::default());
        let watch = Watch::new(
            session.clone(),
            rfkill.clone(),
            inbox,
            events.clone(),
            gallery,
        );
        let pictures = covers::run(session.clone(), events.clone(), folders, offered, wishes);
        let knocks = Knocks::default();
        let door = handsfree::watch_door(session.clone(), events.clone(), knocks.clone());
        let features = Arc::new(AtomicU16::new(features));
        let handsfree = HandsFree {
            gateways,
            features: Arc::clone(&features),
        };
        let executor = Orders::new(
            session.clone(),
            rfkill,
            questions.clone(),
            events,
            words.clone(),
            handsfree,
        );
        let tasks = vec![
            tokio::spawn(watch::listen(messages, owner, words)),
            tokio::spawn(watch.run(first_owner)),
            tokio::spawn(executor.run(ordered)),
            tokio::spawn(door),
            tokio::spawn(pictures),
        ];
        Ok(Self {
            session,
            orders,
            questions,
            knocks,
            features,
            covers,
            tasks,
        })
    }

    /// Has the pictures of what phones play fetched ([`Event::CoverSeen`]), or not any more, which is so
    /// at first.
    pub fn fetch_covers(&self, wanted: bool) {
        self.covers.send_modify(|wishes| wishes.covers = wanted);
    }

    /// Claims other features in our hands-free record, when that is registered the next time:
    /// registering it anew would end the links that there are.
    pub fn claim(&self, features: u16) {
        self.features.store(features, Relaxed);
    }

    /// Gives an order. Never waits; what comes of it is reported as events or logged.
    pub fn order(&self, action: RadioAction) {
        match action {
            // Never behind other orders: bluetoothd may be waiting for this answer before it carries
            // out any of them.
            RadioAction::AnswerAgent { id, allow } => self.questions.answer(id, allow),
            RadioAction::HoldCovers { hold } => {
                self.covers.send_modify(|wishes| wishes.hold = hold);
            }
            action => {
                if self.orders.send(Order::Radio(action)).is_err() {
                    tracing::debug!("an order was given after the radio was left");
                }
            }
        }
    }

    /// Takes the socket of a transport in state pending.
    ///
    /// # Errors
    /// When BlueZ does not hand it out, most often because the phone has stopped meanwhile.
    pub fn acquire(
        &self,
        transport: TransportId,
    ) -> impl Future<Output = Result<MediaSocket, BluetoothError>> + Send + use<> {
        let session = self.session.clone();
        async move { media::transport::acquire(&session, &transport).await }
    }

    /// Gives the socket of a transport back. One that is not ours (any more) is given back already.
    ///
    /// # Errors
    /// When BlueZ says no.
    pub fn give_back(
        &self,
        transport: TransportId,
    ) -> impl Future<Output = Result<(), BluetoothError>> + Send + use<> {
        let session = self.session.clone();
        async move { media::transport::release(&session, &transport).await }
    }

    /// Lets the phone that asked question `id` open its voice link.
    ///
    /// # Errors
    /// When the link does not come up.
    pub fn let_voice_in(
        &self,
        id: QuestionId,
        codec: VoiceCodec,
    ) -> impl Future<Output = Result<VoiceSocket, BluetoothError>> + Send + use<> {
        let knock = self.knocks.take(id);
        async move {
            let knock = knock.ok_or(BluetoothError::VoiceGone)?;
            let up = knock.let_in(codec).await;
            up.map_err(|source| BluetoothError::Voice { source })
        }
    }

    /// Lets it not.
    pub fn refuse_voice(&self, id: QuestionId) {
        drop(self.knocks.take(id));
    }

    /// Opens a voice link to a phone.
    ///
    /// # Errors
    /// When the link does not come up.
    pub fn open_voice(
        &self,
        phone: Address,
        codec: VoiceCodec,
    ) -> impl Future<Output = Result<VoiceSocket, BluetoothError>> + Send + use<> {
        let session = self.session.clone();
        async move {
            let address = session.adapter()?.address().await;
            let from = address.map_err(BluetoothError::refused("tell the adapter's address"))?;
            let up = sco::open(Address::new(from.0), phone, codec).await;
            up.map_err(|source| BluetoothError::Voice { source })
        }
    }

    /// Hides the speaker, takes agent and endpoints back and ends.
    pub async fn stop(self) {
        let (left, leaving) = oneshot::channel();
        if self.orders.send(Order::Leave(left)).is_ok()
            && tokio::time::timeout(STOP_DEADLINE, leaving).await.is_err()
        {
            tracing::warn!("bluetoothd did not let go in time; it will when the bus tells it");
        }
    }
}

impl Drop for Bluetooth {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[cfg(fuzzing)]
pub(crate) use covers::fuzz as fuzz_cover;

#[cfg(fuzzing)]
pub(crate) use caps::fuzz as fuzz_codec_parameters;
