//! Hands-free as BlueZ and the kernel have it: the profile, and the doors that voices come through.
//!
//! Invariant: a link that was made is handed on as it is; what is said on it is not this room's
//! business. No voice comes in that the policy did not let in.

pub(super) mod profile;
pub(super) mod sco;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use self::sco::{Knock, Listener};
use super::session::Session;
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::event::Event;
use crate::policy::model::{Address, QuestionId};

/// How long to wait with the door open when the system is short of something.
const BREATH: Duration = Duration::from_millis(100);

/// When a door that could not be opened is tried again.
const DOOR_RETRY: Duration = Duration::from_secs(10);

/// What the profile is registered with.
pub(super) struct HandsFree {
    /// Where links to phones' audio gateways go.
    pub(super) gateways: mpsc::UnboundedSender<profile::GatewaySocket>,
    /// The features in our record (HFP 1.9, 6.3), from its next registration on.
    pub(super) features: Arc<AtomicU16>,
}

/// The phones that wait at the door for an answer; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Knocks(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    waiting: BTreeMap<QuestionId, Knock>,
}

impl Knocks {
    /// Takes the phone that asked this question from the door; nothing if it was answered before.
    pub(super) fn take(&self, id: QuestionId) -> Option<Knock> {
        self.open().waiting.remove(&id)
    }

    /// A phone has one voice link: one that asks again has given up the question before.
    fn keep(&self, knock: Knock) -> QuestionId {
        let mut open = self.open();
        open.last += 1;
        let id = QuestionId(open.last);
        open.waiting.retain(|_, other| other.phone != knock.phone);
        open.waiting.insert(id, knock);
        id
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of every phone that asks for a voice link, until nobody listens.
pub(super) async fn watch_door(session: Session, events: mpsc::Sender<Event>, knocks: Knocks) {
    let mut told = false;
    loop {
        let answered = match Listener::open() {
            Ok(listener) => answer_door(&listener, &session, &events, &knocks).await,
            Err(error) => Err(error),
        };
        let Err(error) = answered else {
            return;
        };
        if std::mem::replace(&mut told, true) {
            tracing::debug!(%error, "still no voice links");
        } else {
            let advice = match error.raw_os_error() {
                Some(libc::EADDRINUSE) => "another program takes it; stop its Bluetooth",
                Some(libc::EAFNOSUPPORT) => "load the kernel's Bluetooth: modprobe bluetooth",
                _ => "see: journalctl --dmesg --grep Bluetooth",
            };
            tracing::warn!("the sound of calls cannot come in: {error}; {advice}");
        }
        tokio::time::sleep(DOOR_RETRY).await;
    }
}

/// Ends well only when nobody listens any more.
async fn answer_door(
    listener: &Listener,
    session: &Session,
    events: &mpsc::Sender<Event>,
    knocks: &Knocks,
) -> std::io::Result<()> {
    loop {
        let knock = match listener.next().await {
            Err(error) if passes(&error) => {
                tracing::debug!(%error, "a voice link could not be taken");
                tokio::time::sleep(BREATH).await;
                continue;
            }
            knock => knock?,
        };
        let phone = knock.phone;
        // Anybody can have a phone's address at another adapter, where nobody asked for a bond.
        if !is_at_our_adapter(session, &knock).await {
            tracing::debug!(%phone, adapter = %knock.adapter, "refused a voice link elsewhere");
            continue;
        }
        let id = knocks.keep(knock);
        let fact = HandsFreeFact::VoiceAsked { id };
        if events.send(Event::HandsFree { phone, fact }).await.is_err() {
            return Ok(());
        }
    }
}

/// Says whether an error is about one phone or a moment, and the door is as good as before.
fn passes(error: &std::io::Error) -> bool {
    let number = error.raw_os_error();
    [
        libc::ECONNABORTED,
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::ENOTCONN,
    ]
    .iter()
    .any(|passing| number == Some(*passing))
}

async fn is_at_our_adapter(session: &Session, knock: &Knock) -> bool {
    let Ok(adapter) = session.adapter() else {
        return false;
    };
    let address = adapter.address().await;
    address.is_ok_and(|address| Address::new(address.0) == knock.adapter)
}
