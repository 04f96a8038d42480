//! `org.dotd.Call1`, for the service and for its clients.

use std::sync::Arc;

use zbus::zvariant::OwnedObjectPath;
use zbus::{fdo, interface};

use super::publish::Published;
use super::requests::Requests;
use super::view::CallView;
use super::wire::{self, Error};
use crate::policy::calls::CallWish;
use crate::policy::calls::facts::CallId;
use crate::policy::event::Request;
use crate::policy::model::Address;

/// A call, on the bus.
#[derive(Debug)]
pub struct Call {
    phone: Address,
    id: CallId,
    published: Arc<Published>,
    requests: Requests,
}

impl Call {
    pub(super) fn new(
        phone: Address,
        id: CallId,
        published: Arc<Published>,
        requests: Requests,
    ) -> Self {
        Self {
            phone,
            id,
            published,
            requests,
        }
    }

    /// A question can still hold an object that was just taken off the bus.
    fn view(&self) -> fdo::Result<CallView> {
        self.published
            .call(self.phone, self.id, |call| CallView::from(call))
            .ok_or_else(|| fdo::Error::UnknownObject("the call is over; look again".to_owned()))
    }
}

/// A call of a phone, from the first ring to the end.
#[interface(
    name = "org.dotd.Call1",
    proxy(default_service = "org.dotd", gen_blocking = false)
)]
impl Call {
    /// Ends this call and no other.
    async fn hang_up(&self) -> Result<(), Error> {
        let request = Request::Call {
            phone: Some(self.phone),
            wish: CallWish::HangUp {
                call: Some(self.id),
            },
        };
        self.requests.put(request).await
    }

    /// The phone that it is on.
    #[zbus(property(emits_changed_signal = "const"))]
    fn phone(&self) -> OwnedObjectPath {
        wire::phone_path(self.phone)
    }

    /// "incoming" (it rings here), "waiting" (it comes in during another one), "dialing",
    /// "alerting" (it rings over there), "active" or "held".
    #[zbus(property)]
    fn state(&self) -> fdo::Result<String> {
        Ok(self.view()?.state.to_owned())
    }

    /// The other one's number; empty when it is withheld or not told.
    #[zbus(property)]
    fn number(&self) -> fdo::Result<String> {
        Ok(self.view()?.number)
    }

    /// The other one's name; empty when the phone tells none.
    #[zbus(property)]
    fn name(&self) -> fdo::Result<String> {
        Ok(self.view()?.name)
    }

    /// "incoming" or "outgoing".
    #[zbus(property)]
    fn direction(&self) -> fdo::Result<String> {
        Ok(self.view()?.direction.to_owned())
    }

    /// Whether it is part of a conference.
    #[zbus(property)]
    fn multiparty(&self) -> fdo::Result<bool> {
        Ok(self.view()?.multiparty)
    }

    /// When it was first heard of, in seconds since 1970.
    #[zbus(property)]
    fn since(&self) -> fdo::Result<u64> {
        Ok(self.view()?.since)
    }

    /// When it was answered, in seconds since 1970; 0 while it is not.
    #[zbus(property)]
    fn answered(&self) -> fdo::Result<u64> {
        Ok(self.view()?.answered)
    }
}
