//! When we ring ourselves, and how loud.

use super::*;

/// What was ordered about the ring tone since this was last asked.
fn rings(life: &mut Life) -> Vec<SoundAction> {
    let orders = life.taken().into_iter();
    let sounds = orders.filter_map(|action| match action {
        Action::Sound(sound) => Some(sound),
        _ => None,
    });
    sounds.collect()
}

fn ring(percent: u8) -> [SoundAction; 1] {
    let volume = Volume::new(percent).unwrap();
    [SoundAction::Ring { volume }]
}

fn patience_is_over(life: &mut Life) {
    let timer = Timer::RingComes;
    life.tell(Event::TimerFired { timer });
}

#[test]
fn we_ring_only_for_phones_that_do_not_and_softly_while_people_talk() {
    let mut life = Life::with_two_callers();
    life.calls(ANNA, &[(1, CallState::Incoming)]);
    assert_eq!(rings(&mut life), ring(50));
    life.calls(ANNA, &[(1, CallState::Active)]).voice(ANNA);
    assert_eq!(rings(&mut life), [SoundAction::StopRinging]);
    life.calls(BEN, &[(1, CallState::Incoming)]);
    assert_eq!(rings(&mut life), ring(25));
    life.fact(BEN, HandsFreeFact::RingsItself { on: true });
    assert_eq!(rings(&mut life), [SoundAction::StopRinging]);
}

#[test]
fn we_ring_for_a_phone_whose_own_tone_does_not_come_until_it_does() {
    let ends: [fn(&mut Life); 3] = [
        |life| {
            life.voice(ANNA);
        },
        |life| {
            life.calls(ANNA, &[]);
        },
        |life| {
            life.calls(ANNA, &[(1, CallState::Active)]);
        },
    ];
    for end in ends {
        let mut life = Life::with_two_callers();
        life.fact(ANNA, HandsFreeFact::RingsItself { on: true });
        life.calls(ANNA, &[(1, CallState::Incoming)]);
        let timer = Timer::RingComes;
        let armed = |it: &Action| matches!(it, Action::ArmTimer { timer: it, .. } if *it == timer);
        assert_eq!(life.orders.iter().filter(|it| armed(it)).count(), 1);
        assert_eq!(rings(&mut life), []);
        patience_is_over(&mut life);
        assert_eq!(rings(&mut life), ring(50));
        end(&mut life);
        assert_eq!(rings(&mut life), [SoundAction::StopRinging]);
        life.calls(ANNA, &[])
            .calls(ANNA, &[(2, CallState::Incoming)]);
        assert_eq!(rings(&mut life), [], "the next one may bring it");
    }
}

#[test]
fn a_tone_that_comes_in_time_is_the_only_one() {
    let mut life = Life::with_two_callers();
    life.fact(ANNA, HandsFreeFact::RingsItself { on: true });
    life.calls(ANNA, &[(1, CallState::Incoming)]).voice(ANNA);
    patience_is_over(&mut life);
    assert_eq!(rings(&mut life), []);
}
