//! Whom a command about calls is about, as far as can be seen from here.
//!
//! Invariant: it only serves to say what was done. Which phone is meant is decided by dotd; where
//! that cannot be told from what was seen before, nobody is named.

use zbus::zvariant::OwnedObjectPath;

use super::client::Client;
use super::failure::Failure;
use super::shape::{CallShape, PhoneShape};

/// The phone that was named, or all that are connected for calls.
#[derive(Debug)]
pub(super) struct Meant {
    /// The one that was named.
    pub(super) path: Option<OwnedObjectPath>,
    pub(super) phones: Vec<PhoneShape>,
}

impl Meant {
    pub(super) async fn see(client: &Client, phone: Option<&str>) -> Result<Self, Failure> {
        if let Some(phone) = phone {
            let path = client.find(phone).await?;
            let phones = vec![client.phone(&path).await?];
            let path = Some(path);
            return Ok(Self { path, phones });
        }
        let mut phones = client.phones().await?;
        phones.retain(|phone| phone.hands_free.is_some());
        Ok(Self { path: None, phones })
    }

    /// Returns the only phone that fits; nothing when several do, or none.
    pub(super) fn phone(&self, fits: impl Fn(&PhoneShape) -> bool) -> Option<&PhoneShape> {
        only(self.phones.iter().filter(|phone| fits(phone)))
    }

    /// Returns the only call that fits, with its phone; nothing when several do, or none.
    pub(super) fn call(
        &self,
        fits: impl Fn(&CallShape) -> bool,
    ) -> Option<(&PhoneShape, &CallShape)> {
        only(self.calls().filter(|(_, call)| fits(call)))
    }

    /// Returns every call, with its phone.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&PhoneShape, &CallShape)> {
        each_call(&self.phones)
    }
}

/// Returns every call of these phones, with its phone.
pub(super) fn each_call(phones: &[PhoneShape]) -> impl Iterator<Item = (&PhoneShape, &CallShape)> {
    phones
        .iter()
        .flat_map(|phone| phone.calls().iter().map(move |call| (phone, call)))
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next();
    match all.next() {
        None => first,
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_named_where_several_fit() {
        assert_eq!(only([1].into_iter()), Some(1));
        assert_eq!(only([1, 2].into_iter()), None);
        assert_eq!(only([0; 0].into_iter()), None);
    }
}
