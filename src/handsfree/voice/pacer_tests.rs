use super::*;
use proptest::prelude::*;

/// One mSBC frame a packet.
const FRAME: Nanos = 7_500_000;

/// Takes all that is due.
fn take(pacer: &mut Pacer, now: Nanos) -> Vec<Nanos> {
    std::iter::from_fn(|| pacer.due(now)).collect()
}

#[test]
fn the_sound_of_a_packet_lasts_as_long_as_its_bytes_tell() {
    for (codec, bytes, lasts) in [
        (Codec::Msbc, 60, FRAME),
        (Codec::Lc3Swb, 24, 3_000_000),
        (Codec::Cvsd, 48, 3_000_000),
        (Codec::Cvsd, 60, 3_750_000),
    ] {
        assert_eq!(lasting(codec, bytes), lasts);
    }
}

#[test]
fn the_first_packet_answers_the_phones_first() {
    let mut pacer = Pacer::new(SECOND, FRAME);
    let first = SECOND + 20 * MILLISECOND;
    assert!(take(&mut pacer, first).is_empty());
    pacer.arrived(first, FRAME);
    assert_eq!(take(&mut pacer, first), [first]);
    assert_eq!(pacer.deadline(), first + FRAME);
    assert!(take(&mut pacer, first + FRAME - 1).is_empty());
    assert_eq!(take(&mut pacer, first + FRAME), [first + FRAME]);
}

#[test]
fn a_phone_that_is_silent_is_sent_to_all_the_same() {
    let mut pacer = Pacer::new(SECOND, FRAME);
    let first = SECOND + SILENCE;
    assert_eq!(pacer.deadline(), first);
    assert_eq!(take(&mut pacer, first), [first]);
    // Its first packet changes nothing about ours.
    pacer.arrived(first + MILLISECOND, FRAME);
    assert!(take(&mut pacer, first + MILLISECOND).is_empty());
    assert_eq!(take(&mut pacer, first + FRAME), [first + FRAME]);
}

#[test]
fn what_is_long_overdue_is_passed_over() {
    let mut pacer = Pacer::new(0, FRAME);
    pacer.arrived(0, FRAME);
    assert_eq!(take(&mut pacer, 0), [0]);
    // Ten are overdue: the last three go.
    let due: Vec<Nanos> = (8..=10).map(|n| n * FRAME).collect();
    assert_eq!(take(&mut pacer, 10 * FRAME), due);
    assert_eq!(pacer.deadline(), 11 * FRAME);
}

#[test]
fn another_size_of_packets_goes_at_its_own_rate() {
    let mut pacer = Pacer::new(0, FRAME);
    for n in 0..200 {
        pacer.arrived(n * 3 * MILLISECOND, 3 * MILLISECOND);
        take(&mut pacer, n * 3 * MILLISECOND);
    }
    assert_eq!(pacer.deadline() % FRAME, 0);
    pacer.set_interval(3 * MILLISECOND);
    let next = pacer.deadline();
    take(&mut pacer, next);
    assert_eq!(pacer.deadline(), next + 3 * MILLISECOND);
}

#[test]
fn a_pause_does_not_bend_the_clock() {
    let mut pacer = Pacer::new(0, FRAME);
    let mut now = 0;
    for n in 0..2000 {
        // It goes on at the worst moment for our phase.
        let pause = Nanos::from(n >= 1000) * (3 * SECOND + FRAME / 2);
        now = n * FRAME + pause;
        take(&mut pacer, now);
        pacer.arrived(now, FRAME);
    }
    assert_eq!(pacer.stretch, 0.0);
    assert!(pacer.deadline() - now <= FRAME);
}

/// What became of a call.
struct Outcome {
    /// By how many packets we were behind the link or ahead of it, at worst.
    behind: f64,
    ahead: f64,
    /// By how much our rate differed from that of the link, in parts, over the last minute.
    error: f64,
}

/// A link on which a packet lasts `interval`, by a clock that differs by `drift` parts; the phone's
/// packets come up to `jitter` packets late, and some do not come.
fn call(interval: Nanos, drift: f64, jitter: f64, loss: f64) -> Outcome {
    const SECONDS: f64 = 75.0;
    let mut dice = dice();
    let slot = interval as f64 * (1.0 + drift);
    let slots = (SECONDS * SECOND as f64 / slot) as u64;
    let mut pacer = Pacer::new(0, interval);
    let (mut earliest, mut sent) = (0.0_f64, Vec::new());
    let mut outcome = Outcome {
        behind: 0.0,
        ahead: 0.0,
        error: 0.0,
    };
    for n in 0..slots {
        let (late, lost) = (dice() * jitter, dice() < loss);
        if lost {
            continue;
        }
        let arrival = ((n as f64 + late) * slot).max(earliest);
        earliest = arrival;
        // The thread wakes up to a millisecond late.
        let mut wake = pacer.deadline() + (dice() * 1e6) as Nanos;
        while wake < arrival as Nanos {
            sent.extend(take(&mut pacer, wake));
            let ahead = sent.len() as f64 - (wake as f64 / slot + 1.0);
            outcome.ahead = outcome.ahead.max(ahead);
            outcome.behind = outcome.behind.max(-ahead);
            wake = pacer.deadline() + (dice() * 1e6) as Nanos;
        }
        pacer.arrived(arrival as Nanos, interval);
        sent.extend(take(&mut pacer, arrival as Nanos));
    }
    let end = (SECONDS - 60.0) * SECOND as f64;
    let minute: Vec<Nanos> = sent.into_iter().filter(|at| *at as f64 > end).collect();
    let between = (minute[minute.len() - 1] - minute[0]) as f64 / (minute.len() - 1) as f64;
    outcome.error = between / slot - 1.0;
    outcome
}

/// Numbers from 0 to 1 that look random and are always the same.
fn dice() -> impl FnMut() -> f64 {
    let mut state = 1_u64;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24)
    }
}

/// The clock once took it for half a packet early and half a packet late by turns, and ran off.
#[test]
fn a_first_packet_that_is_late_by_more_than_a_packet_does_not_mislead() {
    let outcome = call(3 * MILLISECOND, 96.3e-6, 1.794, 0.036);
    assert!(outcome.ahead < 1.0, "{} ahead", outcome.ahead);
    assert!(outcome.error.abs() < 1e-5, "{} off", outcome.error);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn packets_go_as_often_as_they_come(
        interval in prop::sample::select(vec![FRAME, 3 * MILLISECOND]),
        drift in -200e-6..200e-6_f64,
        jitter in 0.0..1.5_f64,
        loss in 0.0..0.05_f64,
    ) {
        let outcome = call(interval, drift, jitter, loss);
        prop_assert!(outcome.error.abs() < 1e-4, "{} off", outcome.error);
        prop_assert!(outcome.behind < 4.0, "{} behind", outcome.behind);
        prop_assert!(outcome.ahead < 1.0, "{} ahead", outcome.ahead);
    }

    #[test]
    fn whatever_comes_never_more_than_three_go_at_once(
        steps in prop::collection::vec(
            (0_i64..300_000_000, 0_i64..40_000_000, any::<bool>()),
            1..200,
        ),
    ) {
        let (mut now, mut last) = (SECOND, 0);
        let mut pacer = Pacer::new(now, FRAME);
        for (elapsed, lasts, arrives) in steps {
            now += elapsed;
            if arrives {
                pacer.arrived(now, lasts);
            }
            let due = take(&mut pacer, now);
            prop_assert!(due.len() <= 3, "{} at once", due.len());
            prop_assert!(due.iter().all(|at| *at <= now));
            prop_assert!(pacer.deadline() > now);
            prop_assert!(pacer.deadline() >= last);
            last = last.max(due.last().copied().unwrap_or(0));
        }
    }
}
