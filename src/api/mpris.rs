//! The players of phones as players of this machine (MPRIS 2.2), which `playerctl` and desktops know.
//!
//! Invariant: each phone that is connected and has a player is one player, under a name of its own and
//! on a connection of its own, because all of them have the same path. Nothing is decided here: what a
//! client wants becomes a request like any other, and what is shown is the snapshot.

mod interfaces;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use zbus::Connection;
use zbus::object_server::{Interface, SignalEmitter};

use super::publish::Published;
use super::requests::Requests;
use super::view::changes;
use crate::policy::Snapshot;
use crate::policy::model::Address;
use crate::policy::snapshot::PhoneStatus;
use interfaces::{App, Player};
use view::View;

/// Where all players are.
const PATH: &str = "/org/mpris/MediaPlayer2";
/// What the names of ours begin with; shairport-sync has its own on the system bus likewise.
const PREFIX: &str = "org.mpris.MediaPlayer2.dotd";
/// By how much a position may differ from where it should be by now before somebody has moved it.
const JUMP: Duration = Duration::from_secs(1);

/// The bus that players are shown on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MprisBus {
    /// None.
    Off,
    /// The system bus.
    System,
    /// The one at this D-Bus address: that of somebody's session.
    Address(String),
}

/// A player on the bus.
struct Shown {
    connection: Connection,
    view: View,
}

/// Shows the players until the daemon ends.
pub(super) async fn show(
    mut bus: watch::Receiver<MprisBus>,
    mut snapshots: watch::Receiver<Snapshot>,
    published: Arc<Published>,
    requests: Requests,
) {
    let mut players = Players {
        shown: BTreeMap::new(),
        refused: BTreeSet::new(),
        published,
        requests,
    };
    loop {
        let wanted = views(&snapshots.borrow_and_update());
        let on = bus.borrow_and_update().clone();
        players.follow(&on, wanted).await;
        let changed = tokio::select! {
            changed = snapshots.changed() => changed,
            changed = bus.changed() => {
                players.shown.clear();
                players.refused.clear();
                changed
            }
        };
        if changed.is_err() {
            return;
        }
    }
}

/// The players that are shown.
struct Players {
    shown: BTreeMap<String, Shown>,
    /// Those that the bus does not let us show, as was told.
    refused: BTreeSet<String>,
    published: Arc<Published>,
    requests: Requests,
}

impl Players {
    async fn follow(&mut self, bus: &MprisBus, wanted: BTreeMap<String, View>) {
        // A name may have passed to another phone.
        let is_his = |name: &String, shown: &Shown| {
            let view = wanted.get(name);
            view.is_some_and(|view| view.phone == shown.view.phone)
        };
        self.shown.retain(|name, shown| is_his(name, shown));
        self.refused.retain(|name| wanted.contains_key(name));
        if *bus == MprisBus::Off {
            return;
        }
        for (name, view) in wanted {
            let done = match self.shown.get_mut(&name) {
                Some(shown) => shown.change(view, &self.published).await,
                None if self.refused.contains(&name) => Ok(()),
                None => self.open(bus, &name, view).await,
            };
            if let Err(error) = done {
                self.shown.remove(&name);
                self.refused.insert(name);
                tracing::warn!(
                    "a phone's player is not shown to other programs: {error}; see players.mpris in \
                     dotd.toml"
                );
            }
        }
    }

    async fn open(&mut self, bus: &MprisBus, name: &str, view: View) -> zbus::Result<()> {
        let builder = match bus {
            MprisBus::Off => return Ok(()),
            MprisBus::System => zbus::connection::Builder::system()?,
            MprisBus::Address(address) => zbus::connection::Builder::address(&**address)?,
        };
        let phone = view.phone;
        let player = Player::new(phone, Arc::clone(&self.published), self.requests.clone());
        let connection = builder
            .serve_at(PATH, App::new(phone, Arc::clone(&self.published)))?
            .serve_at(PATH, player)?
            .name(name.to_owned())?
            .build()
            .await?;
        let shown = Shown { connection, view };
        self.shown.insert(name.to_owned(), shown);
        Ok(())
    }
}

impl Shown {
    /// Signals what is different now.
    async fn change(&mut self, view: View, published: &Published) -> zbus::Result<()> {
        let before = std::mem::replace(&mut self.view, view.clone());
        let emitter = SignalEmitter::new(&self.connection, PATH)?;
        let changed = changes(before.clone().properties(), view.clone().properties());
        if !changed.is_empty() {
            let name = Player::name();
            zbus::fdo::Properties::properties_changed(&emitter, name, changed, (&[]).into())
                .await?;
        }
        if let Some(position) = before.jump_to(&view, JUMP, published.clock()) {
            Player::seeked(&emitter, position).await?;
        }
        Ok(())
    }
}

/// Returns what is to be shown, by its name on the bus.
fn views(snapshot: &Snapshot) -> BTreeMap<String, View> {
    let has_player = |it: &&PhoneStatus| it.connected && it.trusted && it.player.is_some();
    let phones: Vec<&PhoneStatus> = snapshot.phones.iter().filter(has_player).collect();
    let all = || snapshot.phones.iter().filter(|it| it.trusted);
    let named = |phone: &PhoneStatus| {
        let name = word(&phone.name);
        // Of all that are trusted, so that a name does not depend on who is here.
        let alone = all().filter(|other| word(&other.name) == name).count() == 1;
        if alone {
            format!("{PREFIX}.{name}")
        } else {
            format!("{PREFIX}.{name}_{}", suffix(phone.address))
        }
    };
    let views = phones.into_iter().filter_map(|phone| {
        let view = View::of(phone)?;
        Some((named(phone), view))
    });
    views.collect()
}

fn suffix(phone: Address) -> String {
    phone.to_string().replace(':', "_")
}

/// Makes a word of a name that can be part of a bus name: letters, digits and underscores, and no digit
/// first.
fn word(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let word: String = name.chars().map(plain).take(100).collect();
    match word.chars().next() {
        Some(first) if !first.is_ascii_digit() => word,
        _ => format!("_{word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_what_a_bus_name_may_have() {
        for (name, expected) in [
            ("Anna", "Anna"),
            ("Anna\u{2019}s iPhone", "Anna_s_iPhone"),
            ("3310", "_3310"),
            ("Özgür", "_zg_r"),
            ("", "_"),
        ] {
            assert_eq!(word(name), expected);
            let whole = format!("{PREFIX}.{expected}");
            assert!(zbus::names::WellKnownName::try_from(whole).is_ok());
        }
    }
}
