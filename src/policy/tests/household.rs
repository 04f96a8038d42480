//! Several phones under one roof: who keeps the speaker, who is let in, and what they are called.

use super::takeover::{CARA, hush, pause};
use super::*;
use crate::policy::model::{PhoneChoice, PhoneRule, TakeoverRule};

impl Life {
    fn with_rule(rule: TakeoverRule) -> Self {
        let mut life = Self::with_a_family();
        life.policy.rules.takeover = rule;
        life
    }

    /// Plays, and its player says so.
    fn plays(&mut self, phone: Address) -> TransportId {
        let id = self.music(phone);
        self.presses(phone, true);
        id
    }

    fn stops_playing(&mut self, phone: Address, id: &TransportId) {
        self.stops(id).presses(phone, false);
    }

    fn of(&self, phone: Address) -> crate::policy::snapshot::PhoneStatus {
        let phones = self.policy.snapshot().phones.into_iter();
        let mut found = phones.filter(|it| it.address == phone);
        found.next().expect("it is in the list")
    }
}

fn chosen(phone: Address) -> PhoneChoice {
    PhoneChoice::Addressed(phone)
}

#[test]
fn who_holds_the_speaker_keeps_it_and_the_others_are_paused_at_once() {
    let mut life = Life::with_rule(TakeoverRule::Hold);
    let anna = life.plays(ANNA);
    life.orders.clear();
    let ben = life.music(BEN);
    assert_eq!(life.turns(), [hush(&ben, true), pause(BEN)]);
    assert_eq!(life.who_plays(), [ANNA]);
    life.stops(&ben);
    life.plays_again(&ben);
    assert_eq!(life.turns(), [pause(BEN)], "each time");
    life.stops(&ben);
    life.stops_playing(ANNA, &anna);
    life.wait(9).plays_again(&ben);
    assert_eq!(life.turns(), [pause(BEN)], "it is kept for Anna");
    life.stops(&ben);
    life.wait(2).plays_again(&ben);
    assert_eq!(life.turns(), [hush(&ben, false)], "no longer");
}

#[test]
fn who_holds_the_speaker_comes_back_to_it_in_time() {
    let mut life = Life::with_rule(TakeoverRule::Hold);
    let anna = life.plays(ANNA);
    let ben = life.music(BEN);
    life.stops_playing(ANNA, &anna);
    life.orders.clear();
    life.wait(5).plays_again(&anna);
    assert_eq!(life.turns(), [], "Ben stays silent");
    life.stops_playing(ANNA, &anna);
    life.wait(10).speaker_is_free();
    assert_eq!(life.turns(), [hush(&ben, false)], "Ben does not obey");
    life.plays_again(&anna);
    let turns = life.turns();
    assert_eq!(turns[0], hush(&anna, true), "now Ben has it: {turns:?}");
}

#[test]
fn a_ping_holds_nothing() {
    let mut life = Life::with_rule(TakeoverRule::Hold);
    let ping = life.music(ANNA);
    let ben = life.music(BEN);
    assert_eq!(life.turns(), [hush(&ben, true)], "nobody is paused for it");
    life.wait(2).stops(&ping);
    assert_eq!(life.turns(), [hush(&ben, false)]);
    life.presses(BEN, true);
    life.plays_again(&ping);
    assert_eq!(life.turns(), [hush(&ping, true), pause(ANNA)]);
}

#[test]
fn who_leaves_holds_nothing_either() {
    let mut life = Life::with_rule(TakeoverRule::Hold);
    let anna = life.plays(ANNA);
    let ben = life.music(BEN);
    life.stops(&ben);
    life.tell(Event::TransportClosed { transport: anna });
    life.orders.clear();
    life.plays_again(&ben);
    assert_eq!(life.turns(), [hush(&ben, false)]);
}

#[test]
fn a_phone_that_matters_more_takes_the_speaker_and_keeps_it() {
    for rule in [TakeoverRule::LastPlay, TakeoverRule::Hold] {
        let mut life = Life::with_rule(rule);
        life.policy.rules.priority = vec![chosen(ANNA), chosen(BEN)];
        let cara = life.plays(CARA);
        let ben = life.plays(BEN);
        assert_eq!(life.who_plays(), [BEN], "{rule:?}");
        let anna = life.plays(ANNA);
        assert_eq!(life.who_plays(), [ANNA], "{rule:?}");
        life.orders.clear();
        for other in [&ben, &cara] {
            life.stops(other);
            life.plays_again(other);
        }
        assert_eq!(life.turns(), [pause(BEN), pause(CARA)], "{rule:?}");
        assert_eq!(life.who_plays(), [ANNA], "{rule:?}");
        drop(anna);
    }
}

#[test]
fn a_phone_that_may_not_take_over_waits_until_nobody_plays() {
    let mut life = Life::with_a_family();
    life.policy.rules.phones = vec![PhoneRule {
        phone: PhoneChoice::Named("cara".into()),
        may_take_over: false,
    }];
    let anna = life.plays(ANNA);
    let cara = life.music(CARA);
    assert_eq!(life.who_plays(), [ANNA]);
    assert!(life.turns().contains(&pause(CARA)));
    life.stops(&cara);
    life.plays(BEN);
    assert_eq!(life.who_plays(), [BEN], "others may");
    life.stops(&TransportId(format!("/{BEN}/fd0")));
    life.stops_playing(ANNA, &anna);
    life.orders.clear();
    life.plays_again(&cara);
    assert_eq!(life.who_plays(), [CARA]);
}

/// Says whether a phone that wants to use the speaker may.
fn uses(life: &mut Life, phone: Address, name: &str) -> bool {
    life.orders.clear();
    life.answer(bonded(phone, name), service(MUSIC))
}

#[test]
fn with_refuse_an_idle_phone_makes_room_and_one_that_plays_does_not() {
    let mut life = Life::new(Memory {
        phones: vec![trusted(ANNA, "Anna"), trusted(BEN, "Ben")],
        ..Memory::default()
    });
    life.policy.rules.takeover = TakeoverRule::Refuse;
    life.tell(Event::AdapterSeen(adapter()));
    life.tell(Event::InventoryTaken {
        phones: vec![bonded(ANNA, "Anna")],
    });
    life.tell(Event::PhoneSeen(bonded(BEN, "Ben")));
    assert!(uses(&mut life, BEN, "Ben"));
    let sent = Action::Radio(RadioAction::Disconnect { phone: ANNA });
    assert!(life.orders.contains(&sent));
    assert!(!uses(&mut life, ANNA, "Anna"), "she is on her way out");
    life.wait(61);
    let away = |phone, name| PhoneFacts {
        connected: false,
        ..bonded(phone, name)
    };
    life.tell(Event::PhoneSeen(away(ANNA, "Anna")));
    let ben = life.plays(BEN);
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    assert!(!uses(&mut life, ANNA, "Anna"), "Ben plays");
    let told = life.stories();
    assert!(
        matches!(&told[..], [Story::NotNow { owner, .. }] if owner == "Ben"),
        "{told:?}"
    );
    life.tell(Event::PhoneSeen(away(ANNA, "Anna")));
    life.ask(Request::Connect { phone: ANNA });
    let refused = |action: &Action| matches!(action, Action::Reply { result: Err(_), .. });
    assert!(life.taken().iter().any(refused));
    life.stops_playing(BEN, &ben);
    life.orders.clear();
    life.ask(Request::Connect { phone: ANNA });
    let radio = life.radio();
    assert!(
        radio.contains(&RadioAction::Disconnect { phone: BEN }),
        "{radio:?}"
    );
    let called = |it: &RadioAction| matches!(it, RadioAction::Connect { phone: ANNA, .. });
    assert!(radio.iter().any(called), "{radio:?}");
}

#[test]
fn a_blocked_phone_gets_nothing_and_keeps_its_place_in_the_list() {
    let mut life = Life::with_a_family();
    let anna = life.plays(ANNA);
    life.orders.clear();
    life.ask(Request::Block {
        phone: ANNA,
        blocked: true,
    });
    let sent = RadioAction::Disconnect { phone: ANNA };
    let stop = StreamAction::Stop { transport: anna };
    let taken = life.taken();
    assert!(taken.contains(&Action::Stream(stop)), "{taken:?}");
    assert!(taken.contains(&Action::Radio(sent.clone())), "{taken:?}");
    let shown = life.of(ANNA);
    assert!(shown.blocked && !shown.trusted && shown.stream.is_none());
    assert_eq!(life.policy.snapshot().phones.len(), 3, "once");
    life.ask(Request::OpenPairing { length: None });
    assert!(!uses(&mut life, ANNA, "Anna"));
    life.orders.clear();
    assert!(!life.answer(bonded(ANNA, "Anna"), Question::Authorize));
    life.tell(Event::PhoneSeen(PhoneFacts {
        connected: false,
        ..bonded(ANNA, "Anna")
    }));
    life.orders.clear();
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna")));
    assert!(life.radio().contains(&sent), "each time it comes");
    life.tell(Event::InventoryTaken {
        phones: vec![PhoneFacts {
            trusted: true,
            ..bonded(ANNA, "Anna")
        }],
    });
    assert_eq!(
        life.policy.memory().phones.len(),
        3,
        "it is not taken for a new one"
    );
    life.ask(Request::Block {
        phone: ANNA,
        blocked: false,
    });
    assert!(uses(&mut life, ANNA, "Anna"));
    assert_eq!(life.policy.memory().phones.len(), 3);
}

#[test]
fn a_phone_can_be_called_something_else_and_rules_know_both_names() {
    let mut life = Life::with_anna();
    life.policy.rules.priority = vec![PhoneChoice::Named("mum".into())];
    assert!(!life.policy.is_chosen(&life.policy.rules.priority[0], ANNA));
    life.ask(Request::RenamePhone {
        phone: ANNA,
        name: SpeakerName::new("Mum").ok(),
    });
    assert_eq!(life.of(ANNA).name, "Mum");
    assert_eq!(life.of(ANNA).own_name, "Anna");
    assert!(life.policy.is_chosen(&life.policy.rules.priority[0], ANNA));
    assert!(
        life.policy
            .is_chosen(&PhoneChoice::Named("Anna".into()), ANNA)
    );
    life.tell(Event::PhoneSeen(bonded(ANNA, "Anna's new phone")));
    assert_eq!(life.of(ANNA).name, "Mum", "whatever it calls itself");
    life.ask(Request::RenamePhone {
        phone: ANNA,
        name: None,
    });
    assert_eq!(life.of(ANNA).name, "Anna's new phone");
}

#[test]
fn a_phone_that_tells_its_old_slider_on_connecting_is_shown_where_it_belongs() {
    let mut life = Life::with_anna();
    let transport = life.music(ANNA);
    let volume = |life: &Life| life.of(ANNA).volume.percent();
    let told = |life: &mut Life, avrcp| {
        let transport = transport.clone();
        life.tell(Event::TransportVolumeChanged { transport, avrcp });
    };
    told(&mut life, 76);
    told(&mut life, 127);
    assert_eq!(
        volume(&life),
        60,
        "76 was ours, 127 is what it was elsewhere"
    );
    life.wait(2);
    told(&mut life, 127);
    assert_eq!(volume(&life), 100, "now somebody means it");
    life.ask(Request::StepVolume {
        phone: None,
        steps: -50,
    });
    told(&mut life, 64);
    told(&mut life, 100);
    assert_eq!(volume(&life), 79, "who turns last");
}

#[test]
fn all_are_forgotten_at_once() {
    let mut life = Life::with_a_family();
    life.ask(Request::ForgetAll);
    let radio = life.radio();
    for phone in [ANNA, BEN, CARA] {
        assert!(radio.contains(&RadioAction::RemoveBond { phone }));
    }
    assert!(life.policy.memory().phones.is_empty());
}

#[test]
fn mute_is_told_once_and_ends_when_a_volume_is_turned() {
    let mut life = Life::with_anna();
    let anna = life.music(ANNA);
    life.orders.clear();
    let mute = |muted| Action::Sound(SoundAction::Mute { muted });
    let mutes = |life: &mut Life| -> Vec<Action> {
        let sound = |action: &Action| matches!(action, Action::Sound(_));
        life.taken().into_iter().filter(sound).collect()
    };
    life.ask(Request::Mute { muted: true });
    life.ask(Request::Mute { muted: true });
    assert_eq!(mutes(&mut life), [mute(true)]);
    assert!(life.policy.memory().muted);
    life.ask(Request::StepVolume {
        phone: None,
        steps: 5,
    });
    assert_eq!(mutes(&mut life), [mute(false)]);
    life.ask(Request::Mute { muted: true });
    life.orders.clear();
    life.wait(5).tell(Event::TransportVolumeChanged {
        transport: anna,
        avrcp: 20,
    });
    assert_eq!(mutes(&mut life), [mute(false)], "on the phone too");
}

#[test]
fn a_phone_that_brought_its_calls_only_is_asked_for_its_music_once() {
    let mut life = Life::with_anna();
    life.calls_come(ANNA);
    let fetch = Action::Radio(RadioAction::ConnectMusic { phone: ANNA });
    let over = Event::TimerFired {
        timer: Timer::MusicPatience,
    };
    life.tell(over.clone());
    assert!(life.taken().contains(&fetch));
    life.calls_come(ANNA);
    life.tell(over.clone());
    assert!(!life.taken().contains(&fetch), "once");
    let mut life = Life::with_anna();
    life.calls_come(ANNA);
    life.music(ANNA);
    life.tell(over);
    assert!(!life.taken().contains(&fetch), "it came by itself");
}

#[test]
fn a_remote_control_that_comes_late_does_not_make_it_louder() {
    for (after, ours) in [(3, true), (20, false)] {
        let mut life = Life::with_anna();
        let transport = life.music(ANNA);
        life.wait(after).tell(Event::PlayerSeen {
            phone: ANNA,
            player: Player::default(),
        });
        life.tell(Event::TransportVolumeChanged {
            transport,
            avrcp: 127,
        });
        let volume = life.policy.snapshot().phones[0].volume.percent();
        assert_eq!(volume, if ours { 60 } else { 100 }, "after {after} s");
    }
}
