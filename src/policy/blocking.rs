//! Locking a phone out without forgetting it.
//!
//! Invariant: a phone that is blocked is trusted with nothing, is not called and keeps no link; not
//! even a pairing window lets it in. All that is remembered of it is there again when it is let in.

use super::model::{Address, Now};
use super::pairing::unknown_phone;
use super::{Orders, Policy, RadioAction, Rejection, RejectionKind, Story};

impl Policy {
    pub(super) fn block(
        &mut self,
        now: Now,
        phone: Address,
        blocked: bool,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        let Some(known) = self.known_mut(phone) else {
            return Err(unknown_phone(phone));
        };
        if std::mem::replace(&mut known.blocked, blocked) == blocked {
            return Ok(());
        }
        if blocked {
            self.stop_music_of(phone, out);
            self.drop_calls(phone, out);
            self.withdraw_admission(phone);
            self.miss_no_more(phone);
            self.send_away_blocked(phone, out);
        } else {
            self.miss_once_gone(now, phone);
        }
        out.tell(Story::Blocked {
            name: self.name_of(phone),
            address: phone,
            blocked,
        });
        Ok(())
    }

    /// Says whether a phone is locked out.
    pub(super) fn is_blocked(&self, phone: Address) -> bool {
        self.known(phone).is_some_and(|known| known.blocked)
    }

    /// A phone that is locked out keeps no link.
    pub(super) fn send_away_blocked(&self, phone: Address, out: &mut Orders) {
        if self.is_blocked(phone) && self.is_connected(phone) {
            out.radio(RadioAction::Disconnect { phone });
        }
    }

    /// Returns what to say to whoever wants something of a phone that is locked out, or unknown.
    pub(super) fn not_trusted(&self, phone: Address) -> Rejection {
        if !self.is_blocked(phone) {
            return unknown_phone(phone);
        }
        let name = self.name_of(phone);
        Rejection::new(
            RejectionKind::Refused,
            format!("{name} is blocked; let it in again with `dotctl unblock`"),
        )
    }
}
