//! Carries out what the policy orders.
//!
//! Invariant: orders are carried out in the order in which they were given, each tried once and
//! given up after [`ANSWER_DEADLINE`]. Only those that wait for a phone, or for the controller
//! itself, run beside the others, so that a phone out of range holds nothing up.

use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use zbus::names::OwnedUniqueName;
use zbus::zvariant::ObjectPath;

use super::agent::{self, Agent, Questions};
use super::error::BluetoothError;
use super::handsfree::{HandsFree, profile};
use super::media::endpoint::{self, Endpoints};
use super::media::transport;
use super::rfkill::Rfkill;
use super::session::{ANSWER_DEADLINE, Session};
use super::watch::Word;
use super::{adapter, broadcom, device, partings, player};
use crate::policy::action::RadioAction;
use crate::policy::event::Event;
use crate::policy::model::{Address, AttemptId, MusicCodec};

const AGENTS: &str = "org.bluez.AgentManager1";
const AGENTS_PATH: &str = "/org/bluez";

/// What the task can be told.
#[derive(Debug)]
pub(super) enum Order {
    /// An order of the policy.
    Radio(RadioAction),
    /// Leave the adapter as if we had never been there, then drop this, which says so.
    Leave(oneshot::Sender<()>),
}

/// What bluetoothd knows of us.
#[derive(Debug, PartialEq, Eq)]
struct Registered {
    bluetoothd: OwnedUniqueName,
    adapter: String,
    endpoints: Endpoints,
}

/// The task that carries out orders.
pub(super) struct Orders {
    session: Session,
    rfkill: Rfkill,
    questions: Questions,
    events: mpsc::Sender<Event>,
    words: mpsc::UnboundedSender<Word>,
    handsfree: HandsFree,
    registered: Option<Registered>,
    /// Listens to how links of the adapter in use end.
    partings: Option<AbortHandle>,
}

impl Orders {
    /// Makes the task; bluetoothd knows nothing of us yet.
    pub(super) fn new(
        session: Session,
        rfkill: Rfkill,
        questions: Questions,
        events: mpsc::Sender<Event>,
        words: mpsc::UnboundedSender<Word>,
        handsfree: HandsFree,
    ) -> Self {
        Self {
            session,
            rfkill,
            questions,
            events,
            words,
            handsfree,
            registered: None,
            partings: None,
        }
    }

    /// Carries out orders until there is nobody to give any, or it was told to leave.
    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Radio(action) => self.carry_out(action).await,
                Order::Leave(left) => {
                    self.leave().await;
                    drop(left);
                    return;
                }
            }
        }
    }

    async fn carry_out(&mut self, action: RadioAction) {
        let what = name(&action);
        let taking = match &action {
            RadioAction::UseAdapter { id, .. } => Some(id.clone()),
            _ => None,
        };
        let done = match tokio::time::timeout(ANSWER_DEADLINE, self.try_carry_out(action)).await {
            Ok(done) => done,
            Err(_late) => Err(BluetoothError::Late { what }),
        };
        match (done, taking) {
            (Ok(()), _) => {}
            // bluetoothd went away, which is told by itself, and whoever comes next is asked anew.
            (Err(error @ BluetoothError::NotRunning), Some(_)) => tracing::debug!(%error),
            (Err(error), Some(id)) => {
                let error = error.to_string();
                if self
                    .events
                    .send(Event::AdapterRefused { id, error })
                    .await
                    .is_err()
                {
                    tracing::debug!("an adapter was refused after the daemon stopped");
                }
            }
            (Err(error), None) => tell(&error),
        }
    }

    async fn try_carry_out(&mut self, action: RadioAction) -> Result<(), BluetoothError> {
        let session = &self.session;
        match action {
            RadioAction::UseAdapter {
                id,
                endpoints: each,
                codecs,
                hands_free,
            } => {
                self.use_adapter(&id, codecs, each).await?;
                self.offer_hands_free(hands_free).await;
                self.listen_to_partings(&id);
                if self.words.send(Word::Using(id)).is_err() {
                    tracing::debug!("an adapter was taken after the daemon stopped listening");
                }
                Ok(())
            }
            RadioAction::PowerOn => adapter::power_on(&session.adapter()?, &self.rfkill).await,
            RadioAction::RouteVoice => {
                let adapter = session.adapter()?;
                beside(async move { broadcom::route_voice(adapter.name()).await });
                Ok(())
            }
            RadioAction::SetAlias { name } => adapter::set_alias(&session.adapter()?, &name).await,
            RadioAction::OpenWindow { length } => {
                adapter::open_window(&session.adapter()?, length).await
            }
            RadioAction::CloseWindow => adapter::close_window(&session.adapter()?).await,
            RadioAction::CloseOldWindow => adapter::close_old_window(&session.adapter()?).await,
            RadioAction::AnswerAgent { id, allow } => {
                self.questions.answer(id, allow);
                Ok(())
            }
            // Not an order to bluetoothd, and never behind one.
            RadioAction::HoldCovers { .. } => Ok(()),
            RadioAction::ClearTrusted { phone } => {
                device::clear_trusted(&session.adapter()?, phone).await
            }
            RadioAction::Connect {
                phone,
                attempt,
                hands_free,
            } => {
                self.connect(phone, attempt, hands_free);
                Ok(())
            }
            RadioAction::Player { .. }
            | RadioAction::BreakOff { .. }
            | RadioAction::ConnectHandsFree { .. }
            | RadioAction::ConnectMusic { .. }
            | RadioAction::ReadServices { .. }
            | RadioAction::Disconnect { .. }
            | RadioAction::RemoveBond { .. } => self.wait_for_phone(action),
            RadioAction::SetTransportVolume { transport, avrcp } => {
                transport::set_volume(session, &transport, avrcp).await
            }
            RadioAction::SetTransportDelay { transport, delay } => {
                transport::set_delay(session, &transport, delay).await
            }
        }
    }

    /// Begins what waits for a phone.
    fn wait_for_phone(&self, action: RadioAction) -> Result<(), BluetoothError> {
        let adapter = self.session.adapter()?;
        let session = self.session.clone();
        beside(async move {
            match action {
                RadioAction::Player { phone, command } => {
                    player::press(&session, phone, command).await
                }
                RadioAction::BreakOff { phone } => device::break_off(&adapter, phone).await,
                RadioAction::ConnectHandsFree { phone } => {
                    device::connect_hands_free(&adapter, phone).await
                }
                RadioAction::ConnectMusic { phone } => device::connect_music(&adapter, phone).await,
                RadioAction::ReadServices { phone } => device::read_services(&adapter, phone).await,
                RadioAction::Disconnect { phone } => device::disconnect(&adapter, phone).await,
                RadioAction::RemoveBond { phone } => device::remove(&adapter, phone).await,
                _ => Ok(()),
            }
        });
        Ok(())
    }

    /// Registers with the adapter, then lets the watch tell its phones.
    async fn use_adapter(
        &mut self,
        id: &str,
        codecs: Vec<MusicCodec>,
        each: u8,
    ) -> Result<(), BluetoothError> {
        let bluetoothd = self.session.bluetoothd()?;
        // Before anything is registered: what is asked from then on is about this adapter.
        self.session.set_used(Some(id.to_owned()));
        let mut endpoints = Endpoints {
            codecs,
            each,
            generation: 0,
        };
        let before = self.registered.take();
        if let Some(before) = before.filter(|it| it.bluetoothd == bluetoothd) {
            endpoints.generation = before.endpoints.generation;
            if before.adapter == id && before.endpoints.codecs == endpoints.codecs {
                // One that is too many may be playing, and who may connect is not decided here.
                endpoints.each = endpoints.each.max(before.endpoints.each);
            } else {
                // Of other codecs phones are to see them all in the order that is wanted now.
                endpoints.generation += 1;
                let all = &before.endpoints;
                let left = endpoint::unregister(&self.session, &before.adapter, all).await;
                if let Err(error) = left {
                    // The adapter we leave may be gone altogether.
                    tracing::debug!(%error, adapter = before.adapter, "left endpoints behind");
                }
            }
        }
        // Also if it fails halfway: what is asked for next has to know of it.
        let registered = self.registered.insert(Registered {
            bluetoothd,
            adapter: id.to_owned(),
            endpoints,
        });
        let endpoints = registered.endpoints.clone();
        self.register_agent().await?;
        endpoint::register(&self.session, &self.words, id, &endpoints).await
    }

    fn listen_to_partings(&mut self, id: &str) {
        let listening = partings::listen(id.to_owned(), self.events.clone());
        let listening = tokio::spawn(listening).abort_handle();
        if let Some(before) = self.partings.replace(listening) {
            before.abort();
        }
    }

    /// A speaker without calls is still a speaker, so a failure is told and left at that.
    async fn offer_hands_free(&self, wanted: bool) {
        let HandsFree { gateways, features } = &self.handsfree;
        let done = if wanted {
            profile::register(&self.session, gateways, features.load(Relaxed)).await
        } else {
            profile::unregister(&self.session).await
        };
        if let Err(error) = done {
            tracing::warn!("phones cannot bring their calls: {error}");
        }
    }

    async fn register_agent(&self) -> Result<(), BluetoothError> {
        let what = "take our pairing agent";
        let path = ObjectPath::from_static_str_unchecked(agent::PATH);
        let agent = Agent::new(
            self.session.clone(),
            self.questions.clone(),
            self.events.clone(),
        );
        // False when the object is there already, from an earlier life of bluetoothd.
        self.session
            .bus
            .object_server()
            .at(&path, agent)
            .await
            .map_err(BluetoothError::refused(what))?;
        let method = (AGENTS, "RegisterAgent");
        let body = (&path, agent::CAPABILITY);
        match self.session.call(what, AGENTS_PATH, method, &body).await {
            Err(error) if error.says("org.bluez.Error.AlreadyExists") => {}
            other => drop(other?),
        }
        let method = (AGENTS, "RequestDefaultAgent");
        let default = self.session.call(what, AGENTS_PATH, method, &path).await;
        default.map(drop)
    }

    fn connect(&self, phone: Address, attempt: AttemptId, hands_free: bool) {
        let adapter = self.session.adapter();
        let events = self.events.clone();
        tokio::spawn(async move {
            let connected = match adapter {
                Ok(adapter) => device::connect(&adapter, phone, hands_free).await,
                Err(error) => Err(error.to_string()),
            };
            let error = connected.err();
            let ended = Event::ConnectEnded {
                phone,
                attempt,
                error,
            };
            if events.send(ended).await.is_err() {
                tracing::debug!(%phone, "a connection attempt ended after the daemon stopped");
            }
        });
    }

    /// What fails here was gone before: BlueZ forgets us anyway when we leave the bus.
    async fn leave(&mut self) {
        let Some(registered) = self.registered.take() else {
            return;
        };
        let session = &self.session;
        if let Ok(adapter) = session.adapter() {
            log_leaving(adapter::close_window(&adapter).await);
        }
        let all = &registered.endpoints;
        log_leaving(endpoint::unregister(session, &registered.adapter, all).await);
        log_leaving(profile::unregister(session).await);
        let path = ObjectPath::from_static_str_unchecked(agent::PATH);
        let method = (AGENTS, "UnregisterAgent");
        let what = "let our pairing agent go";
        log_leaving(
            session
                .call(what, AGENTS_PATH, method, &path)
                .await
                .map(drop),
        );
    }
}

/// Carries out something that waits for a phone or a controller, beside the other orders.
fn beside(order: impl Future<Output = Result<(), BluetoothError>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = order.await {
            tell(&error);
        }
    });
}

/// Tells the admin why an order failed. What went away is told by itself, once.
fn tell(error: &BluetoothError) {
    match error {
        BluetoothError::NotRunning | BluetoothError::NoAdapter => tracing::debug!(%error),
        _ => tracing::warn!("{error}"),
    }
}

fn log_leaving(left: Result<(), BluetoothError>) {
    if let Err(error) = left {
        tracing::debug!(%error, "could not tidy up");
    }
}

fn name(action: &RadioAction) -> &'static str {
    match action {
        RadioAction::UseAdapter { .. } => "take our agent and endpoints",
        RadioAction::PowerOn => "switch the radio on",
        RadioAction::RouteVoice => "bring the sound of calls here",
        RadioAction::SetAlias { .. } => "set the speaker's name",
        RadioAction::OpenWindow { .. } => "open the pairing window",
        RadioAction::CloseWindow => "close the pairing window",
        RadioAction::CloseOldWindow => "close an old pairing window",
        RadioAction::AnswerAgent { .. } => "take an answer",
        RadioAction::HoldCovers { .. } => "fetch no covers",
        RadioAction::ClearTrusted { .. } => "clear the trusted flag of a phone",
        RadioAction::RemoveBond { .. } => "forget a phone",
        RadioAction::Connect { .. } => "connect a phone",
        RadioAction::BreakOff { .. } => "stop calling a phone",
        RadioAction::ConnectHandsFree { .. } => "connect the calls of a phone",
        RadioAction::ConnectMusic { .. } => "connect the music of a phone",
        RadioAction::Player { .. } => "press a button of a phone",
        RadioAction::ReadServices { .. } => "read the services of a phone",
        RadioAction::Disconnect { .. } => "disconnect a phone",
        RadioAction::SetTransportVolume { .. } => "tell a phone its volume",
        RadioAction::SetTransportDelay { .. } => "tell a phone its delay",
    }
}
