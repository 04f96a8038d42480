//! Who is heard when phones play and one of them has a call.

use super::*;

#[test]
fn a_ping_in_a_call_does_not_keep_the_music_from_coming_back() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.calls_come(CARA);
    life.rings(CARA, 1);
    life.stops(&anna);
    let ben = life.music(BEN);
    life.stops(&ben);
    life.orders.clear();
    life.call_is_over();
    let turns = life.turns();
    let asked = |phone| turns.contains(&player(phone, PlayerCommand::Play));
    assert_eq!((asked(ANNA), asked(BEN)), (true, false));
}

#[test]
fn in_a_call_the_speaker_changes_hands_unheard() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.calls_come(CARA);
    life.rings(CARA, 1);
    assert_eq!(life.turns(), [hush(&anna, true), pause(ANNA)]);
    let ben = life.music(BEN);
    life.turn_is_settled();
    assert_eq!(life.turns(), [hush(&ben, true)], "Anna was told");
    life.call_is_over();
    assert_eq!(life.turns(), [hush(&ben, false)], "Ben has the speaker");
    life.stops(&anna);
    life.plays_again(&anna);
    assert_eq!(life.turns(), [hush(&ben, true), hush(&anna, false)]);
}

#[test]
fn after_a_call_the_one_that_was_paused_for_it_comes_before_the_disobedient() {
    let mut life = Life::with_a_family();
    let ben = life.music(BEN);
    let anna = life.music(ANNA);
    life.turn_is_settled();
    life.calls_come(CARA);
    life.rings(CARA, 1);
    life.stops(&anna);
    life.orders.clear();
    life.speaker_is_free();
    life.call_is_over();
    let play = player(ANNA, PlayerCommand::Play);
    assert_eq!(life.turns(), [hush(&anna, false), play], "Ben stays silent");
    life.plays_again(&anna);
    assert_eq!(life.turns(), []);
    life.stops(&anna);
    life.speaker_is_free();
    assert_eq!(life.turns(), [hush(&ben, false)]);
}

#[test]
fn after_two_calls_one_phone_goes_on() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.calls_come(CARA);
    life.rings(CARA, 1);
    life.stops(&anna);
    life.rings(CARA, 0);
    let ben = life.music(BEN);
    life.rings(CARA, 1);
    life.stops(&ben);
    life.orders.clear();
    life.call_is_over();
    let turns = life.turns();
    let asked = |phone| turns.contains(&player(phone, PlayerCommand::Play));
    assert_eq!((asked(ANNA), asked(BEN)), (false, true), "he had it last");
}

#[test]
fn a_chime_after_a_call_does_not_keep_the_music_from_coming_back() {
    for plays_on in [false, true] {
        let mut life = Life::with_a_family();
        let anna = life.music(ANNA);
        life.calls_come(CARA);
        life.rings(CARA, 1);
        life.stops(&anna);
        life.rings(CARA, 0);
        let chime = life.music(CARA);
        life.orders.clear();
        let timer = Timer::MusicReturns;
        life.tell(Event::TimerFired { timer });
        assert_eq!(life.turns(), [hush(&anna, false)], "the chime is heard");
        if !plays_on {
            life.stops(&chime);
        }
        life.tell(Event::TimerFired { timer });
        let play = player(ANNA, PlayerCommand::Play);
        let expected = if plays_on { vec![] } else { vec![play] };
        assert_eq!(life.turns(), expected);
    }
}

#[test]
fn a_phone_that_has_paused_by_itself_is_not_started_by_a_call() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.presses(ANNA, true);
    life.presses(ANNA, false);
    life.calls_come(CARA);
    life.rings(CARA, 1);
    assert_eq!(life.turns(), [hush(&anna, true)]);
    life.call_is_over();
    assert_eq!(life.turns(), [hush(&anna, false)]);
}

#[test]
fn a_phone_that_was_silent_for_a_ping_pauses_for_a_call_as_well() {
    let mut life = Life::with_a_family();
    let anna = life.music(ANNA);
    life.presses(BEN, false);
    let ben = life.music(BEN);
    life.orders.clear();
    life.calls_come(CARA);
    life.rings(CARA, 1);
    assert_eq!(life.turns(), [hush(&ben, true), pause(ANNA)]);
    life.stops(&ben);
    life.stops(&anna);
    life.call_is_over();
    let turns = life.turns();
    let asked = |phone| turns.contains(&player(phone, PlayerCommand::Play));
    assert_eq!((asked(ANNA), asked(BEN)), (true, false));
}

#[test]
fn the_speaker_is_kept_for_who_was_paused_for_a_call_until_it_is_told_to_go_on() {
    let mut life = Life::with_a_family();
    life.music(BEN);
    let anna = life.music(ANNA);
    life.turn_is_settled();
    life.calls_come(CARA);
    life.rings(CARA, 1);
    life.stops(&anna);
    life.rings(CARA, 0);
    life.orders.clear();
    life.speaker_is_free();
    assert_eq!(life.turns(), []);
    life.call_is_over();
    assert!(life.turns().contains(&player(ANNA, PlayerCommand::Play)));
}

#[test]
fn a_phone_that_was_superseded_in_a_call_is_asked_to_pause() {
    let mut life = Life::with_a_family();
    life.calls_come(CARA);
    life.rings(CARA, 1);
    let anna = life.music(ANNA);
    let ben = life.music(BEN);
    assert_eq!(life.turns(), [hush(&anna, true), hush(&ben, true)]);
    life.turn_is_settled();
    assert_eq!(life.turns(), [pause(ANNA)]);
    life.call_is_over();
    assert_eq!(life.turns(), [hush(&ben, false)]);
}
