//! What people here call a phone.
//!
//! Invariant: a name given here outranks the phone's own until it is taken back; the phone's own is
//! remembered all the while.

use super::model::{Address, SpeakerName};
use super::pairing::unknown_phone;
use super::{Orders, Policy, Rejection, Story};

impl Policy {
    /// Gives a phone another name, which is checked as the speaker's is; without one its own is back.
    pub(super) fn rename_phone(
        &mut self,
        phone: Address,
        name: Option<SpeakerName>,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        let Some(known) = self.known_mut(phone) else {
            return Err(unknown_phone(phone));
        };
        let before = known.shown_name().to_owned();
        known.alias = name.map(|name| name.to_string());
        let name = known.shown_name().to_owned();
        if name != before {
            out.tell(Story::PhoneRenamed {
                name,
                address: phone,
                before,
            });
            // Rules name phones.
            self.heed_who_may_call(out);
        }
        Ok(())
    }
}
