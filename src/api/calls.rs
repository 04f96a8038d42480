//! `org.dotd.Calls1`, for the service and for its clients.
//!
//! Invariant: it is one interface in two places. At a phone it means that phone; at the speaker it
//! means the only one that fits, and is refused where none or several do.

use zbus::interface;

use super::requests::Requests;
use super::speaker::volume;
use super::wire::Error;
use crate::policy::calls::CallWish;
use crate::policy::event::Request;
use crate::policy::model::Address;

/// What can be done about calls, on the bus.
#[derive(Debug)]
pub struct Calls {
    phone: Option<Address>,
    requests: Requests,
}

impl Calls {
    /// Makes those of `phone`; of the one that fits if nothing is said.
    pub(super) fn new(phone: Option<Address>, requests: Requests) -> Self {
        Self { phone, requests }
    }

    async fn wish(&self, wish: CallWish) -> Result<(), Error> {
        let phone = self.phone;
        self.requests.put(Request::Call { phone, wish }).await
    }
}

/// The calls of a phone; at the speaker, of the only phone that fits.
#[interface(
    name = "org.dotd.Calls1",
    proxy(
        default_service = "org.dotd",
        default_path = "/org/dotd",
        gen_blocking = false
    )
)]
impl Calls {
    /// Answers what rings. Calls that are up, of other phones too, are held, or ended if so wanted;
    /// if one of another phone is not, what rings is not answered.
    async fn answer(&self, end_others: bool) -> Result<(), Error> {
        self.wish(CallWish::Answer { end_others }).await
    }

    /// Refuses what rings.
    async fn reject(&self) -> Result<(), Error> {
        self.wish(CallWish::Reject).await
    }

    /// Ends the call that is up or being made.
    async fn hang_up(&self) -> Result<(), Error> {
        self.wish(CallWish::HangUp { call: None }).await
    }

    /// Calls a number: digits, +, * and #; what people write between them to read it is left out.
    async fn dial(&self, number: &str) -> Result<(), Error> {
        let number = number.to_owned();
        self.wish(CallWish::Dial { number }).await
    }

    /// Calls the number at a place of the phone's memory.
    async fn dial_memory(&self, place: u32) -> Result<(), Error> {
        self.wish(CallWish::DialMemory { place }).await
    }

    /// Calls the last number again.
    async fn redial(&self) -> Result<(), Error> {
        self.wish(CallWish::Redial).await
    }

    /// Sends tones into the call that is up, one after the other: digits, *, # and A to D.
    async fn send_tones(&self, digits: &str) -> Result<(), Error> {
        let digits = digits.to_owned();
        self.wish(CallWish::Tones { digits }).await
    }

    /// Sets the call that is up aside, or takes up again the one that was.
    async fn hold(&self) -> Result<(), Error> {
        self.wish(CallWish::Hold).await
    }

    /// Changes between the call that is up and the one that waits or was set aside.
    async fn swap(&self) -> Result<(), Error> {
        self.wish(CallWish::Swap).await
    }

    /// Joins the calls of a phone.
    async fn merge(&self) -> Result<(), Error> {
        self.wish(CallWish::Merge).await
    }

    /// Moves the sound of the call to the phone, or back here.
    async fn transfer(&self) -> Result<(), Error> {
        self.wish(CallWish::Transfer).await
    }

    /// Starts the phone's assistant, or stops it.
    async fn assistant(&self, on: bool) -> Result<(), Error> {
        self.wish(CallWish::Assistant { on }).await
    }

    /// Sets how loud callers get the room, 0 to 100, until the phone leaves; the phone moves in 15
    /// steps, and may move it too.
    async fn set_microphone_volume(&self, percent: u8) -> Result<(), Error> {
        let volume = volume(percent)?;
        self.wish(CallWish::MicrophoneVolume { volume }).await
    }
}
