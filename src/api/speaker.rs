//! `org.dotd.Speaker1`, for the service and for its clients.
#![expect(
    missing_docs,
    reason = "the types that the macro makes for the signal have none"
)]

use std::sync::Arc;
use std::time::Duration;

use zbus::interface;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{ObjectPath, OwnedObjectPath};

use super::publish::Published;
use super::requests::Requests;
use super::view::SpeakerView;
use super::wire::{self, Error};
use crate::policy::event::Request;
use crate::policy::find;
use crate::policy::model::{Rules, SpeakerName, Volume};

/// The speaker, on the bus.
#[derive(Debug)]
pub struct Speaker {
    published: Arc<Published>,
    requests: Requests,
}

impl Speaker {
    pub(super) fn new(published: Arc<Published>, requests: Requests) -> Self {
        Self {
            published,
            requests,
        }
    }

    fn view(&self) -> SpeakerView {
        SpeakerView::from(&*self.published.snapshot())
    }
}

/// The speaker.
#[interface(
    name = "org.dotd.Speaker1",
    proxy(
        default_service = "org.dotd",
        default_path = "/org/dotd",
        gen_blocking = false
    )
)]
impl Speaker {
    /// Opens the pairing window for this many seconds, 10 to 3600; 0 means as configured.
    async fn start_pairing(&self, seconds: u32) -> Result<(), Error> {
        let length = match Duration::from_secs(seconds.into()) {
            Duration::ZERO => None,
            length if (Rules::MIN_WINDOW..=Rules::MAX_WINDOW).contains(&length) => Some(length),
            _ => {
                return Err(Error::InvalidArgument(format!(
                    "pairing cannot be open for {seconds} s; allowed is 10 s to 1 h"
                )));
            }
        };
        self.requests.put(Request::OpenPairing { length }).await
    }

    /// Closes the pairing window.
    async fn stop_pairing(&self) -> Result<(), Error> {
        self.requests.put(Request::ClosePairing).await
    }

    /// Finds the phone whose name or address is, or else contains, the text.
    async fn find_phone(&self, text: &str) -> Result<OwnedObjectPath, Error> {
        let snapshot = self.published.snapshot();
        let phones = snapshot.phones.iter();
        let phone = find::phone(text, phones.map(|phone| (phone.address, &*phone.name)))?;
        Ok(wire::phone_path(phone))
    }

    /// Gives the speaker another name, for good; an empty one brings the configured one back.
    async fn set_name(&self, name: &str) -> Result<(), Error> {
        let name = given_name(name)?;
        self.requests.put(Request::Rename { name }).await
    }

    /// Trusts no phone any more and removes all bonds.
    async fn forget_all(&self) -> Result<(), Error> {
        self.requests.put(Request::ForgetAll).await
    }

    /// Has nothing heard, whatever plays, or all again; for good. A volume that is turned ends it, and so
    /// does a call that is answered here.
    async fn set_muted(&self, muted: bool) -> Result<(), Error> {
        self.requests.put(Request::Mute { muted }).await
    }

    /// Sets the volume, 0 to 100: in a call of that, else of the phones that play, else of those that
    /// are connected, else the one that phones start with.
    async fn set_volume(&self, percent: u8) -> Result<(), Error> {
        let volume = volume(percent)?;
        let request = Request::SetVolume {
            phone: None,
            volume,
        };
        self.requests.put(request).await
    }

    /// Turns the same volumes up or down, each from where it is; they end at 0 and 100.
    async fn step_volume(&self, steps: i16) -> Result<(), Error> {
        let phone = None;
        self.requests
            .put(Request::StepVolume { phone, steps })
            .await
    }

    /// Lets calls hear the room, or gives them silence instead; for good.
    async fn set_microphone(&self, on: bool) -> Result<(), Error> {
        let request = Request::MuteMicrophone { muted: !on };
        self.requests.put(request).await
    }

    /// Something happened: its kind, the phone it happened to (or the speaker; the object need not
    /// exist any more), a sentence for people, and the details as JSON.
    #[zbus(signal)]
    pub async fn happened(
        emitter: &SignalEmitter<'_>,
        kind: &str,
        object: ObjectPath<'_>,
        text: &str,
        json: &str,
    ) -> zbus::Result<()>;

    /// The name that phones show; empty until it is known.
    #[zbus(property)]
    fn name(&self) -> String {
        self.view().name
    }

    /// The adapter's address; empty while its radio is not on.
    #[zbus(property)]
    fn address(&self) -> String {
        self.view().address
    }

    /// The adapter, like "hci0"; empty while there is none.
    #[zbus(property)]
    fn adapter(&self) -> String {
        self.view().adapter
    }

    /// "no-bluetooth" (bluetoothd does not run), "missing", "off", "soft-blocked", "hard-blocked"
    /// or "on".
    #[zbus(property)]
    fn adapter_state(&self) -> String {
        self.view().adapter_state.to_owned()
    }

    /// Whether the radio is on.
    #[zbus(property)]
    fn powered(&self) -> bool {
        self.view().powered
    }

    /// Whether phones that do not know the speaker can find it.
    #[zbus(property)]
    fn discoverable(&self) -> bool {
        self.view().discoverable
    }

    /// Whether the pairing window is open.
    #[zbus(property)]
    fn pairing(&self) -> bool {
        self.view().pairing
    }

    /// When the pairing window closes, in seconds since 1970; 0 while it is closed.
    #[zbus(property)]
    fn pairing_until(&self) -> u64 {
        self.view().pairing_until
    }

    /// "no-server" (PipeWire does not run), "no-output" or "ready".
    #[zbus(property)]
    fn audio_state(&self) -> String {
        self.view().audio_state.to_owned()
    }

    /// Where the sound goes; empty while there is no output.
    #[zbus(property)]
    fn output(&self) -> String {
        self.view().output
    }

    /// What the room is heard with in calls; empty while there is no microphone.
    #[zbus(property)]
    fn microphone(&self) -> String {
        self.view().microphone
    }

    /// Whether calls get silence instead of the room.
    #[zbus(property)]
    fn microphone_muted(&self) -> bool {
        self.view().microphone_muted
    }

    /// Why callers hear the echo of themselves; empty when they should not, or may.
    #[zbus(property)]
    fn echo_problem(&self) -> String {
        self.view().echo_problem
    }

    /// The volume that a phone starts with, 0 to 100.
    #[zbus(property)]
    fn volume(&self) -> u8 {
        self.view().volume
    }

    /// Whether nothing is heard, whatever plays.
    #[zbus(property)]
    fn muted(&self) -> bool {
        self.view().muted
    }

    /// The volume that nothing exceeds, 0 to 100.
    #[zbus(property)]
    fn max_volume(&self) -> u8 {
        self.view().max_volume
    }

    /// Why the configuration file is not the one in use, one problem a line; empty when it is.
    #[zbus(property)]
    fn config_problems(&self) -> String {
        self.view().config_problems
    }

    /// Why trust and settings would not survive a restart now; empty when they would.
    #[zbus(property)]
    fn memory_problem(&self) -> String {
        self.view().memory_problem
    }

    /// Why dotd began without knowing whom it trusted and what was set; empty when it knew.
    #[zbus(property)]
    fn memory_lost(&self) -> String {
        self.view().memory_lost
    }

    /// Why the sound of a call did not come here when it last should have; empty once it has.
    #[zbus(property)]
    fn voice_problem(&self) -> String {
        self.view().voice_problem
    }

    /// The version of dotd.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }
}

/// Checks a name that came over the bus; an empty one is none.
pub(super) fn given_name(name: &str) -> Result<Option<SpeakerName>, Error> {
    if name.is_empty() {
        return Ok(None);
    }
    let checked = SpeakerName::new(name);
    let bad = |bad| Error::InvalidArgument(format!("{bad}; choose another one"));
    checked.map(Some).map_err(bad)
}

/// Checks a volume that came over the bus.
pub(super) fn volume(percent: u8) -> Result<Volume, Error> {
    Volume::new(percent).ok_or_else(|| {
        Error::InvalidArgument(format!("{percent} is not a volume; allowed is 0 to 100"))
    })
}
