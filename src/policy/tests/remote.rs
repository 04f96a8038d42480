//! The buttons of phones' players, and what they play.

use super::takeover::{CARA, player};
use super::*;
use crate::policy::player::{ImageHandle, PlayerCommand, Track};

fn tune(title: &str, state: PlayState, position: u64) -> Player {
    Player {
        state,
        track: Track {
            title: title.into(),
            length: Some(Duration::from_secs(100)),
            ..Track::default()
        },
        position: Some(Duration::from_secs(position)),
        ..Player::default()
    }
}

impl Life {
    fn seen(&mut self, phone: Address, player: Player) -> &mut Self {
        self.tell(Event::PlayerSeen { phone, player })
    }

    /// How far into its track Anna's player is, in seconds.
    fn position(&self) -> u64 {
        let snapshot = self.policy.snapshot();
        let player = snapshot.phones[0].player.as_ref().unwrap();
        player.position(self.now().monotonic).unwrap().as_secs()
    }

    /// Whose button was pressed, or why none was.
    fn pressed(&mut self) -> Result<(Address, PlayerCommand), RejectionKind> {
        let mut found = None;
        for action in self.taken() {
            match action {
                Action::Radio(RadioAction::Player { phone, command }) => {
                    found = Some(Ok((phone, command)));
                }
                Action::Reply {
                    result: Err(rejection),
                    ..
                } => found = Some(Err(rejection.kind)),
                _ => {}
            }
        }
        found.expect("an answer")
    }

    /// All have a player, of which nothing is told.
    fn have_players(&mut self) -> &mut Self {
        for phone in [ANNA, BEN, CARA] {
            self.seen(phone, Player::default());
        }
        self.orders.clear();
        self
    }

    fn next_track(&mut self, phone: Option<Address>) -> Result<Address, RejectionKind> {
        let command = PlayerCommand::Next;
        self.ask(Request::Player { phone, command });
        self.pressed().map(|(phone, _)| phone)
    }
}

#[test]
fn a_position_goes_on_while_it_plays_and_stands_while_it_does_not() {
    let mut life = Life::with_anna();
    life.seen(ANNA, tune("Hey", PlayState::Playing, 10));
    life.wait(5);
    assert_eq!(life.position(), 15);
    life.seen(ANNA, tune("Hey", PlayState::Paused, 10));
    assert_eq!(life.position(), 15, "nothing new was told of it");
    life.wait(5);
    assert_eq!(life.position(), 15);
    life.seen(ANNA, tune("Hey", PlayState::Paused, 16));
    assert_eq!(life.position(), 16, "the phone knows better");
    life.seen(ANNA, tune("Hey", PlayState::Playing, 16));
    life.wait(500);
    assert_eq!(life.position(), 100, "no further than to the end");
    life.seen(ANNA, tune("Debaser", PlayState::Playing, 16));
    assert_eq!(life.position(), 16, "of the next");
}

#[test]
fn a_track_is_told_once_and_when_it_plays() {
    let mut life = Life::with_anna();
    let tracks = |life: &mut Life| -> Vec<String> {
        let track = |story: &Story| match story {
            Story::Track { track, .. } => Some(track.title.clone()),
            _ => None,
        };
        life.stories().iter().filter_map(track).collect()
    };
    life.seen(ANNA, tune("Hey", PlayState::Paused, 0));
    assert!(tracks(&mut life).is_empty());
    for position in 0..3 {
        life.seen(ANNA, tune("Hey", PlayState::Playing, position));
    }
    assert_eq!(tracks(&mut life), ["Hey"]);
    life.seen(ANNA, tune("Debaser", PlayState::Playing, 0));
    assert_eq!(tracks(&mut life), ["Debaser"]);
    life.seen(BEN, tune("Noise", PlayState::Playing, 0));
    assert!(tracks(&mut life).is_empty(), "nobody knows Ben");
}

#[test]
fn a_picture_is_shown_with_the_piece_that_names_it_and_no_other() {
    let image = |name: &str| Some(name.parse::<ImageHandle>().unwrap());
    let piece = |title, name| Player {
        image: image(name),
        ..tune(title, PlayState::Playing, 0)
    };
    let here = |name, path: &str| Event::CoverSeen {
        phone: ANNA,
        image: image(name).unwrap(),
        path: path.to_owned(),
    };
    let shown = |life: &Life| {
        let snapshot = life.policy.snapshot();
        snapshot.phones[0].player.as_ref().unwrap().cover.clone()
    };
    let mut life = Life::with_anna();
    life.seen(ANNA, piece("Hey", "0000001"));
    assert_eq!(shown(&life), None);
    life.tell(here("0000001", "/1"));
    assert_eq!(shown(&life).as_deref(), Some("/1"));
    life.seen(ANNA, piece("Debaser", "0000001"));
    assert_eq!(shown(&life).as_deref(), Some("/1"), "of the same album");
    life.seen(ANNA, piece("Hurt", "0000002"));
    assert_eq!(shown(&life), None);
    life.tell(here("0000003", "/3"));
    assert_eq!(shown(&life), None, "of something else");
    life.tell(here("0000002", "/2"));
    assert_eq!(shown(&life).as_deref(), Some("/2"));
    life.tell(Event::PlayerGone { phone: ANNA });
    life.seen(ANNA, piece("Hurt", "0000002"));
    assert_eq!(
        shown(&life).as_deref(),
        Some("/2"),
        "the file was there all along"
    );
    life.tell(Event::CoverGone { phone: ANNA });
    assert_eq!(shown(&life), None);
    life.seen(ANNA, tune("Hurt", PlayState::Playing, 0));
    assert_eq!(shown(&life), None);
}

#[test]
fn a_picture_is_no_news_of_a_piece() {
    let mut life = Life::with_anna();
    let mut player = tune("Hey", PlayState::Playing, 10);
    life.seen(ANNA, player.clone());
    life.stories();
    life.wait(5);
    player.image = "0000001".parse().ok();
    life.seen(ANNA, player);
    assert!(life.stories().is_empty());
    assert_eq!(life.position(), 15);
}

#[test]
fn players_of_before_there_were_pictures_are_read() {
    let old = r#"{"event":"player-seen","phone":"DA:4C:10:DE:00:01","player":{"app":"","state":
        "playing","track":{"title":"Hey","artist":"","album":"","genre":"","number":null,"of":null,
        "length":null},"position":null,"shuffle":null,"repeat":null}}"#;
    let Event::PlayerSeen { player, .. } = serde_json::from_str(old).unwrap() else {
        panic!("another event");
    };
    assert_eq!(player.image, None);
    let odd = old.replace(r#""repeat":null"#, r#""repeat":null,"image":"../../x""#);
    assert!(serde_json::from_str::<Event>(&odd).is_err());
}

#[test]
fn a_player_is_gone_with_its_phone() {
    let mut life = Life::with_anna();
    let shown = |life: &Life| life.policy.snapshot().phones[0].player.is_some();
    for gone in [
        Event::PlayerGone { phone: ANNA },
        Event::PhoneSeen(PhoneFacts {
            connected: false,
            ..bonded(ANNA, "Anna")
        }),
        Event::BluetoothLost,
    ] {
        life.seen(ANNA, tune("Hey", PlayState::Playing, 0));
        assert!(shown(&life));
        life.tell(gone);
        assert!(!shown(&life));
    }
}

#[test]
fn buttons_are_those_of_who_plays_or_did_last() {
    let mut life = Life::with_a_family();
    life.have_players();
    assert_eq!(life.next_track(None), Err(RejectionKind::Ambiguous));
    assert_eq!(life.next_track(Some(CARA)), Ok(CARA));
    let ben = life.music(BEN);
    life.tell(Event::StreamStarted {
        transport: ben.clone(),
    });
    assert_eq!(life.next_track(None), Ok(BEN));
    life.wait(60).stops(&ben);
    assert_eq!(life.next_track(None), Ok(BEN), "he did last");
    let anna = life.music(ANNA);
    assert_eq!(life.next_track(None), Ok(ANNA));
    life.stops(&anna);
    assert_eq!(life.next_track(None), Ok(BEN), "that was but a ping");
    life.tell(Event::PhoneSeen(PhoneFacts {
        connected: false,
        ..bonded(BEN, "Ben")
    }));
    assert_eq!(life.next_track(None), Err(RejectionKind::Ambiguous));
    assert_eq!(life.next_track(Some(BEN)), Err(RejectionKind::NotConnected));
    let unknown = Address::new([9; 6]);
    assert_eq!(life.next_track(Some(unknown)), Err(RejectionKind::NotFound));
    let mut life = Life::with_anna();
    let none = Err(RejectionKind::NotAvailable);
    assert_eq!(life.next_track(None), none, "she has no player");
    life.seen(ANNA, Player::default());
    assert_eq!(life.next_track(None), Ok(ANNA), "the only one");
    life.tell(Event::PhoneGone { phone: ANNA });
    assert_eq!(life.next_track(None), Err(RejectionKind::NotConnected));
}

#[test]
fn one_button_plays_and_pauses() {
    let mut life = Life::with_anna();
    let toggles = |life: &mut Life| {
        life.ask(Request::PlayOrPause { phone: None });
        life.pressed().unwrap().1
    };
    life.seen(ANNA, Player::default());
    assert_eq!(toggles(&mut life), PlayerCommand::Play);
    life.music(ANNA);
    assert_eq!(toggles(&mut life), PlayerCommand::Pause, "it streams");
    life.seen(ANNA, tune("Hey", PlayState::Paused, 0));
    assert_eq!(
        toggles(&mut life),
        PlayerCommand::Play,
        "its player knows better"
    );
}

#[test]
fn who_is_paused_by_hand_in_a_call_does_not_go_on_after_it() {
    let mut life = Life::with_a_family();
    life.have_players();
    let anna = life.music(ANNA);
    life.calls_come(CARA);
    life.rings(CARA, 1);
    life.stops(&anna);
    life.ask(Request::Player {
        phone: Some(ANNA),
        command: PlayerCommand::Pause,
    });
    life.orders.clear();
    life.call_is_over();
    let play = player(ANNA, PlayerCommand::Play);
    assert!(!life.turns().contains(&play));
}
