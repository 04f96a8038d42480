//! The D-Bus service `org.dotd`: what other programs, `dotctl` first among them, see and ask for.
//!
//! Invariant: it decides nothing. Methods turn a call into one [`Event::Requested`] and wait for the
//! policy's answer; properties show the last snapshot that was published, and every change of it is
//! signalled exactly once. Each interface is defined once, for the service and for its clients.

mod call;
mod calls;
mod mpris;
mod phone;
mod player;
mod publish;
mod requests;
mod speaker;
mod view;
pub mod wire;

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use zbus::Connection;
use zbus::fdo::{DBusProxy, ObjectManager, RequestNameFlags, RequestNameReply};

pub use call::{Call, CallProxy};
pub use calls::{Calls, CallsProxy};
pub use mpris::MprisBus;
pub use phone::{Phone, PhoneProxy};
pub use player::{Player, PlayerProxy};
pub use requests::Replies;
pub use speaker::{Happened, HappenedArgs, HappenedStream, Speaker, SpeakerProxy};
pub use wire::{Error, StreamFigures};

use crate::policy::model::TransportId;
use crate::policy::{Event, Snapshot, Story};
use publish::{Published, Publisher};
use requests::Requests;

/// Asks the sound path how a stream is doing; nothing when it knows no such stream.
pub type Figures = Arc<dyn Fn(&TransportId) -> Option<StreamFigures> + Send + Sync>;

/// Why the service could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Another process owns the name.
    #[error("another dotd is running; stop it, see `systemctl status dotd`")]
    NameTaken,
    /// The bus does not let us own the name.
    #[error(
        "the bus does not let this user own org.dotd; install org.dotd.conf, or run as user dotd"
    )]
    NotAllowed,
    /// The daemon let go of the other ends of our channels.
    #[error("the daemon is stopping; see `systemctl status dotd`")]
    PolicyGone,
    /// The connection ended.
    #[error("the connection to the bus ended; see `systemctl status dbus`")]
    BusLost,
    /// Anything else the bus can say.
    #[error("the bus failed: {0}; see `systemctl status dbus`")]
    Bus(#[from] zbus::Error),
}

/// What the service shows, and whom it asks.
pub struct Sources {
    /// The speaker as it is.
    pub snapshots: watch::Receiver<Snapshot>,
    /// What happens, told to people.
    pub stories: broadcast::Receiver<Story>,
    /// Asks the sound path how a stream is doing.
    pub figures: Figures,
    /// When the daemon's own clock was at 0.
    pub started: Instant,
    /// Where players of phones are shown as players of this machine.
    pub mpris: watch::Receiver<MprisBus>,
    /// Where requests go to.
    pub events: mpsc::Sender<Event>,
}

/// The running service; it ends when this is dropped.
#[derive(Debug)]
pub struct Api {
    publisher: JoinHandle<ApiError>,
    players: JoinHandle<()>,
}

impl Api {
    /// Waits until the service cannot go on. That takes for ever on a healthy system.
    pub async fn ended(&mut self) -> ApiError {
        (&mut self.publisher).await.unwrap_or(ApiError::BusLost)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.publisher.abort();
        self.players.abort();
    }
}

/// Starts the service on `connection` and takes the name last, when all can be seen and asked.
///
/// What the policy answers goes into [`Replies`].
///
/// # Errors
/// Says why the service cannot be there.
pub async fn serve(connection: &Connection, sources: Sources) -> Result<(Api, Replies), ApiError> {
    let requests = Requests::new(sources.events);
    let (replies, answers) = Replies::new();
    let published = Published::new(sources.figures, sources.started);
    let speaker = Speaker::new(Arc::clone(&published), requests.clone());
    let calls = Calls::new(None, requests.clone());
    let player = Player::new(None, requests.clone());
    let players = mpris::show(
        sources.mpris,
        sources.snapshots.clone(),
        Arc::clone(&published),
        requests.clone(),
    );
    let mut publisher = Publisher::new(
        connection,
        published,
        requests,
        sources.snapshots,
        sources.stories,
        answers,
    );

    let objects = connection.object_server();
    objects.at(wire::ROOT, ObjectManager).await?;
    objects.at(wire::ROOT, speaker).await?;
    objects.at(wire::ROOT, calls).await?;
    objects.at(wire::ROOT, player).await?;
    publisher.publish().await?;

    let bus = DBusProxy::new(connection).await?;
    let mut lost = bus
        .receive_name_lost_with_args(&[(0, wire::SERVICE)])
        .await?;
    take_name(&bus).await?;

    let publisher = tokio::spawn(async move {
        tokio::select! {
            error = publisher.run() => error,
            _ = lost.next() => ApiError::BusLost,
        }
    });
    let players = tokio::spawn(players);
    Ok((Api { publisher, players }, replies))
}

async fn take_name(bus: &DBusProxy<'_>) -> Result<(), ApiError> {
    let name = wire::SERVICE.try_into().map_err(zbus::Error::from)?;
    match bus
        .request_name(name, RequestNameFlags::DoNotQueue.into())
        .await
    {
        Ok(RequestNameReply::PrimaryOwner) => Ok(()),
        Ok(_) => Err(ApiError::NameTaken),
        Err(zbus::fdo::Error::AccessDenied(_)) => Err(ApiError::NotAllowed),
        Err(error) => Err(ApiError::Bus(error.into())),
    }
}
