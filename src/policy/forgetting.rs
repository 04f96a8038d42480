//! Forgetting a phone, and seeing to it that its bond is gone.
//!
//! Invariant: a phone that was forgotten is trusted no more, and none of its bonds lets it in again
//! before it has paired anew. Bonds are an adapter's: one that could not be removed, because its
//! adapter was not there, is when it is back, whichever was used meanwhile.

use std::collections::BTreeSet;

use super::model::Address;
use super::pairing::unknown_phone;
use super::{Orders, Policy, RadioAction, Rejection, Story};

impl Policy {
    pub(super) fn forget(&mut self, phone: Address, out: &mut Orders) -> Result<(), Rejection> {
        if self.known(phone).is_none() && !self.phones.contains_key(&phone) {
            return Err(unknown_phone(phone));
        }
        let name = self.name_of(phone);
        self.stop_music_of(phone, out);
        self.drop_calls(phone, out);
        self.memory.phones.retain(|known| known.address != phone);
        self.withdraw_admission(phone);
        self.leave_alone(phone);
        if self.phones.contains_key(&phone) {
            out.radio(RadioAction::RemoveBond { phone });
        }
        let had_bond = self.has_bond(phone) || self.bonds_left.contains(&phone);
        let adapter = self.phones_of.filter(|_| had_bond);
        self.memory.forgotten.insert(phone, adapter);
        out.tell(Story::PhoneForgotten {
            name,
            address: phone,
        });
        Ok(())
    }

    /// Trusts nobody any more, and has no bond left.
    pub(super) fn forget_all(&mut self, out: &mut Orders) -> Result<(), Rejection> {
        let trusted = self.memory.phones.iter().map(|it| it.address);
        let bonded = self.phones.values().filter(|facts| facts.bonded);
        let all: BTreeSet<Address> = trusted.chain(bonded.map(|it| it.address)).collect();
        all.into_iter()
            .try_for_each(|phone| self.forget(phone, out))
    }

    /// The phones of an adapter were counted: has the bonds removed that are left of those that were
    /// forgotten. Where none is left any more, there is nothing to remember.
    pub(super) fn finish_forgetting(&mut self, out: &mut Orders) {
        let here = self.phones_of;
        for (phone, adapter) in std::mem::take(&mut self.memory.forgotten) {
            let bonded = self.has_bond(phone);
            if bonded {
                out.radio(RadioAction::RemoveBond { phone });
            }
            if bonded || adapter.is_none() || adapter != here {
                let adapter = adapter.or(here.filter(|_| bonded));
                self.memory.forgotten.insert(phone, adapter);
            }
        }
    }

    /// The adapter in use has no bond with the phone: if it was forgotten there, that is done.
    pub(super) fn note_no_bond(&mut self, phone: Address) {
        let adapter = self.memory.forgotten.get(&phone).copied().flatten();
        if adapter.is_some() && adapter == self.phones_of {
            self.memory.forgotten.remove(&phone);
        }
    }

    fn has_bond(&self, phone: Address) -> bool {
        self.phones.get(&phone).is_some_and(|facts| facts.bonded)
    }
}
