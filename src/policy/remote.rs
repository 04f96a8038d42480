//! The remote control of phones: whose buttons are pressed, and what is known of what they play.
//!
//! Invariant: a button is pressed on one phone only: the one that was named, else the one that has the
//! speaker, else the one that had it last, else the only one there is. Where a phone tells how far into
//! a track it is, that is told on from there for as long as nothing else is heard of it. A picture is
//! shown only with a piece that names it; a name that means another one since its link ended is taken
//! back by who fetches them, a moment later.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Address, Now};
use super::player::{ImageHandle, PlayState, Player, PlayerCommand, Track};
use super::snapshot::PlayerStatus;
use super::{Orders, Policy, RadioAction, Rejection, RejectionKind, Story};

/// The players there are.
#[derive(Debug, Default)]
pub(super) struct Remote {
    players: BTreeMap<Address, Seen>,
    covers: BTreeMap<Address, Cover>,
    /// Whose music was heard last since we started.
    last_heard: Option<Address>,
}

/// A picture that is here.
#[derive(Debug)]
struct Cover {
    image: ImageHandle,
    path: String,
}

/// A player, and what was told of it.
#[derive(Debug)]
struct Seen {
    /// Without the picture, which comes and goes by itself.
    status: PlayerStatus,
    /// The position as the phone told it last, which need not be the last that is known.
    told: Option<Duration>,
    /// What people were told that it plays.
    news: Track,
}

impl Policy {
    /// Something about a phone's player changed.
    pub(super) fn player_seen(&mut self, phone: Address, mut player: Player, out: &mut Orders) {
        let now = out.now.monotonic;
        let before = self.remote.players.remove(&phone);
        if before.is_none() {
            self.remote_control_came(out.now, phone);
        }
        let told = player.position;
        if let Some(before) = &before {
            // What is not told anew goes on from where it was.
            let status = &before.status;
            if before.told == told && status.player.track == player.track {
                player.position = status.position(now);
            }
        }
        let mut news = before.map(|before| before.news).unwrap_or_default();
        let (state, playing) = (player.state, player.state.is_playing());
        let tells = player.track != Track::default() && player.track != news;
        if playing && tells && self.is_trusted(phone) {
            news = player.track.clone();
            out.tell(Story::Track {
                name: self.name_of(phone),
                address: phone,
                track: news.clone(),
            });
        }
        let status = PlayerStatus {
            player,
            as_of: now,
            cover: None,
        };
        let seen = Seen { status, told, news };
        self.remote.players.insert(phone, seen);
        if state == PlayState::Unknown {
            self.forget_playing(phone);
        } else {
            self.player_changed(phone, playing, out);
        }
    }

    /// A phone has left, or its player has.
    pub(super) fn forget_player(&mut self, phone: Address) {
        self.remote.players.remove(&phone);
        self.forget_playing(phone);
    }

    /// No phone is connected any more.
    pub(super) fn forget_players(&mut self) {
        for phone in std::mem::take(&mut self.remote.players).into_keys() {
            self.forget_playing(phone);
        }
    }

    /// A picture of something that a phone plays, or played, is here.
    pub(super) fn cover_seen(&mut self, phone: Address, image: ImageHandle, path: String) {
        self.remote.covers.insert(phone, Cover { image, path });
    }

    /// It is not any more.
    pub(super) fn cover_gone(&mut self, phone: Address) {
        self.remote.covers.remove(&phone);
    }

    /// The music of a phone was heard, and it was no ping.
    pub(super) fn note_heard(&mut self, phone: Address, now: Now) {
        self.remote.last_heard = Some(phone);
        self.note_played(phone, now);
    }

    /// A phone plays: that is remembered beyond the next start.
    pub(super) fn note_played(&mut self, phone: Address, now: Now) {
        if let Some(known) = self.known_mut(phone) {
            known.last_played = Some(now.unix);
        }
    }

    /// Returns who had the speaker last, also before we started.
    fn had_it_last(&self) -> Option<Address> {
        let known = self
            .memory
            .phones
            .iter()
            .filter(|it| it.last_played.is_some());
        let before = || known.max_by_key(|it| it.last_played).map(|it| it.address);
        self.remote.last_heard.or_else(before)
    }

    /// Returns what a phone's player does.
    pub(super) fn player_of(&self, phone: Address) -> Option<PlayerStatus> {
        let seen = self.remote.players.get(&phone)?;
        let cover = self.remote.covers.get(&phone);
        let cover = cover.filter(|cover| seen.status.player.image == Some(cover.image));
        Some(PlayerStatus {
            cover: cover.map(|cover| cover.path.clone()),
            ..seen.status.clone()
        })
    }

    /// Somebody presses a button.
    pub(super) fn press(
        &mut self,
        phone: Option<Address>,
        command: PlayerCommand,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        let phone = self.whose_buttons(phone)?;
        if matches!(command, PlayerCommand::Pause | PlayerCommand::Stop) {
            // Nor is it to go on after a call.
            self.leave_paused(phone);
        }
        if !self.remote.players.contains_key(&phone) {
            let name = self.name_of(phone);
            return Err(Rejection::new(
                RejectionKind::NotAvailable,
                format!("{name} has no remote control that it lets us use; press its own buttons"),
            ));
        }
        out.radio(RadioAction::Player { phone, command });
        Ok(())
    }

    /// Somebody presses the one button that does both.
    pub(super) fn play_or_pause(
        &mut self,
        phone: Option<Address>,
        out: &mut Orders,
    ) -> Result<(), Rejection> {
        let phone = self.whose_buttons(phone)?;
        let seen = self.remote.players.get(&phone);
        let plays = match seen.map_or(PlayState::Unknown, |seen| seen.status.player.state) {
            // One that streams does not stand still, whatever its player says.
            PlayState::Unknown | PlayState::Stopped => self.playback.stream_of(phone).is_some(),
            told => told.is_playing(),
        };
        let command = if plays {
            PlayerCommand::Pause
        } else {
            PlayerCommand::Play
        };
        self.press(Some(phone), command, out)
    }

    /// Returns the phone whose buttons are meant.
    fn whose_buttons(&self, phone: Option<Address>) -> Result<Address, Rejection> {
        if let Some(phone) = phone {
            return self.named_for_buttons(phone);
        }
        let could = |phone: &Address| self.is_trusted(*phone) && self.is_connected(*phone);
        let had_it = || self.had_it_last();
        if let Some(phone) = self.takeover.turn().or_else(had_it).filter(could) {
            return Ok(phone);
        }
        let all = self.memory.phones.iter().map(|known| known.address);
        let all: Vec<Address> = all.filter(could).collect();
        match all[..] {
            [phone] => Ok(phone),
            [] => Err(Rejection::new(
                RejectionKind::NotConnected,
                "no phone is connected; connect one: dotctl connect PHONE",
            )),
            _ => {
                let names: Vec<String> = all.iter().map(|it| self.name_of(*it)).collect();
                let names = names.join(" and ");
                Err(Rejection::new(
                    RejectionKind::Ambiguous,
                    format!("{names} are connected and none plays; name the one you mean"),
                ))
            }
        }
    }

    fn named_for_buttons(&self, phone: Address) -> Result<Address, Rejection> {
        if !self.is_trusted(phone) {
            return Err(self.not_trusted(phone));
        }
        if !self.is_connected(phone) {
            let name = self.name_of(phone);
            return Err(Rejection::new(
                RejectionKind::NotConnected,
                format!("{name} is not connected; connect it: dotctl connect {name:?}"),
            ));
        }
        Ok(phone)
    }
}
