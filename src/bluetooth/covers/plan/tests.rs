//! What is done, by table; [`world`] has it over random lives.

mod world;

use super::*;

const ANNA: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x01]);
const BEN: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x02]);
const PSM: u16 = 0x1007;
const COVERS: Wishes = Wishes {
    covers: true,
    hold: false,
};

fn image(number: u32) -> ImageHandle {
    format!("{number:07}").parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What Anna's phone offers, and which telling that is.
fn anna(told: u64, playing: Option<u32>) -> Gallery {
    anna_at(PSM, told, playing)
}

fn anna_at(psm: u16, told: u64, playing: Option<u32>) -> Gallery {
    let image = playing.map(image);
    Gallery::from([(ANNA, Some(Art { psm, image, told }))])
}

/// Anna's phone, without a player.
fn bare() -> Gallery {
    Gallery::from([(ANNA, None)])
}

fn open(psm: u16, ticket: u64) -> Step {
    let (phone, ticket) = (ANNA, Ticket(ticket));
    Step::Open { phone, psm, ticket }
}

fn close(session: &str) -> Step {
    let session = session.to_owned();
    Step::Close { session }
}

fn fetch(session: &str, number: u32, ticket: u64) -> Step {
    Step::Fetch {
        session: session.to_owned(),
        image: image(number),
        ticket: Ticket(ticket),
    }
}

fn seen(number: u32, path: &str) -> Step {
    Step::Tell(Event::CoverSeen {
        phone: ANNA,
        image: image(number),
        path: path.to_owned(),
    })
}

fn gone(path: &str) -> [Step; 2] {
    [Step::Tell(Event::CoverGone { phone: ANNA }), discard(path)]
}

fn discard(path: &str) -> Step {
    let path = path.to_owned();
    Step::Discard { path }
}

fn picture(path: &str) -> Fetched {
    Fetched::Picture(path.to_owned())
}

/// One with obexd there and pictures wanted.
fn ready() -> Plan {
    let mut plan = Plan::default();
    assert_eq!(plan.wish(seconds(0), COVERS), []);
    assert_eq!(plan.attended(seconds(0), true), []);
    plan
}

/// One on which Anna's phone has its link, and nothing is on its way.
fn linked() -> Plan {
    let mut plan = ready();
    assert_eq!(plan.offered(seconds(0), &anna(1, None)), [open(PSM, 1)]);
    assert_eq!(link_up(&mut plan, 1), []);
    plan
}

/// One that shows a picture of Anna's phone.
fn showing() -> Plan {
    let mut plan = linked();
    let steps = plan.offered(seconds(0), &anna(2, Some(7)));
    assert_eq!(steps, [fetch("/s1", 7, 2)]);
    let steps = plan.fetched(seconds(0), Ticket(2), picture("/7"));
    assert_eq!(steps, [seen(7, "/7")]);
    plan
}

fn link_up(plan: &mut Plan, ticket: u64) -> Vec<Step> {
    let session = format!("/s{ticket}");
    plan.opened(seconds(0), Ticket(ticket), Some(session))
}

#[test]
fn nothing_is_done_unless_it_is_wanted_possible_and_offered() {
    let held = Wishes {
        hold: true,
        ..COVERS
    };
    for (wishes, there, offers) in [
        (Wishes::default(), true, anna(1, Some(7))),
        (held, true, anna(1, Some(7))),
        (COVERS, false, anna(1, Some(7))),
        (COVERS, true, bare()),
        (COVERS, true, Gallery::new()),
    ] {
        let mut plan = Plan::default();
        let mut steps = plan.wish(seconds(0), wishes);
        steps.extend(plan.attended(seconds(0), there));
        steps.extend(plan.offered(seconds(0), &offers));
        assert_eq!(steps, [], "{wishes:?} {there} {offers:?}");
        assert_eq!(plan.next_due(), None);
    }
}

#[test]
fn a_picture_is_fetched_once_while_it_is_named_and_shown_as_long() {
    let mut plan = showing();
    assert_eq!(plan.offered(seconds(0), &anna(3, Some(7))), []);
    let mut expected = gone("/7").to_vec();
    expected.push(fetch("/s1", 8, 3));
    assert_eq!(plan.offered(seconds(0), &anna(4, Some(8))), expected);
    assert_eq!(
        plan.fetched(seconds(0), Ticket(3), picture("/8")),
        [seen(8, "/8")]
    );
    assert_eq!(plan.offered(seconds(0), &anna(5, None)), gone("/8"));
    assert_eq!(plan.offered(seconds(0), &anna(5, None)), []);
    let steps = plan.offered(seconds(0), &anna(6, Some(8)));
    assert_eq!(steps, [fetch("/s1", 8, 4)], "the file was let go");
}

#[test]
fn one_picture_is_on_its_way_at_a_time() {
    let mut plan = linked();
    let steps = plan.offered(seconds(0), &anna(2, Some(7)));
    assert_eq!(steps, [fetch("/s1", 7, 2)]);
    assert_eq!(plan.offered(seconds(0), &anna(3, Some(8))), []);
    assert_eq!(plan.offered(seconds(0), &anna(4, Some(9))), []);
    let steps = plan.fetched(seconds(0), Ticket(2), picture("/7"));
    assert_eq!(steps, [discard("/7"), fetch("/s1", 9, 3)]);
}

#[test]
fn a_picture_that_cannot_be_had_is_left_at_that() {
    let mut plan = linked();
    plan.offered(seconds(0), &anna(2, Some(7)));
    assert_eq!(plan.fetched(seconds(0), Ticket(2), Fetched::Nothing), []);
    assert_eq!(plan.offered(seconds(9), &anna(3, Some(7))), []);
    assert_eq!(plan.due(seconds(999)), []);
    let steps = plan.offered(seconds(999), &anna(4, Some(8)));
    assert_eq!(steps, [fetch("/s1", 8, 3)]);
}

#[test]
fn what_plays_when_the_first_link_opens_is_fetched() {
    let mut plan = ready();
    plan.offered(seconds(0), &anna(1, Some(7)));
    // Links that did not open were none.
    assert_eq!(plan.opened(seconds(0), Ticket(1), None), []);
    assert_eq!(plan.due(seconds(10)), [open(PSM, 2)]);
    let steps = plan.opened(seconds(10), Ticket(2), Some("/s".to_owned()));
    assert_eq!(steps, [fetch("/s", 7, 3)]);
}

#[test]
fn a_name_of_a_dead_link_is_not_asked_for_in_the_next() {
    let mut plan = linked();
    plan.offered(seconds(0), &anna(2, Some(7)));
    assert_eq!(
        plan.fetched(seconds(0), Ticket(2), Fetched::Broken),
        [close("/s1")]
    );
    assert_eq!(plan.closed(seconds(0), "/s1"), []);
    assert_eq!(plan.due(seconds(10)), [open(PSM, 3)]);
    assert_eq!(link_up(&mut plan, 3), [], "of the first link");
    let steps = plan.offered(seconds(10), &anna(3, Some(7)));
    assert_eq!(steps, [fetch("/s3", 7, 4)], "named anew");
    // The phone leaves and comes again: its link is the first.
    plan.offered(seconds(20), &Gallery::new());
    plan.closed(seconds(20), "/s3");
    let steps = plan.offered(seconds(30), &anna(4, Some(7)));
    assert_eq!(steps, [open(PSM, 5)]);
    assert_eq!(link_up(&mut plan, 5), [fetch("/s5", 7, 6)]);
}

#[test]
fn what_is_shown_outlives_its_link_while_it_is_what_the_phone_means() {
    // Of the same album, told while there is no link: shown until it has come anew.
    let mut plan = showing();
    assert_eq!(plan.closed(seconds(0), "/s1"), []);
    assert_eq!(plan.offered(seconds(1), &anna(3, Some(7))), [open(PSM, 3)]);
    assert_eq!(link_up(&mut plan, 3), [fetch("/s3", 7, 4)]);
    let steps = plan.fetched(seconds(1), Ticket(4), picture("/7b"));
    assert_eq!(steps, [seen(7, "/7b"), discard("/7")]);
    // Named in the new link, it may be anything.
    let mut plan = showing();
    plan.attended(seconds(0), false);
    assert_eq!(plan.attended(seconds(10), true), [open(PSM, 3)]);
    assert_eq!(link_up(&mut plan, 3), []);
    let mut expected = gone("/7").to_vec();
    expected.push(fetch("/s3", 7, 4));
    assert_eq!(plan.offered(seconds(11), &anna(3, Some(7))), expected);
    // The phone has it no more, does not mean it, has no player, has left, and nobody wants it.
    let mut plan = showing();
    plan.closed(seconds(0), "/s1");
    plan.offered(seconds(1), &anna(3, Some(7)));
    link_up(&mut plan, 3);
    assert_eq!(
        plan.fetched(seconds(1), Ticket(4), Fetched::Nothing),
        gone("/7")
    );
    for offers in [anna(2, Some(8)), bare(), Gallery::new()] {
        let mut plan = showing();
        plan.closed(seconds(0), "/s1");
        assert_eq!(plan.offered(seconds(0), &offers), gone("/7"), "{offers:?}");
    }
    let mut plan = showing();
    plan.closed(seconds(0), "/s1");
    assert_eq!(plan.wish(seconds(0), Wishes::default()), gone("/7"));
}

#[test]
fn a_phone_that_ends_idle_links_gets_one_when_it_plays_something_else() {
    let mut plan = showing();
    assert_eq!(plan.closed(seconds(0), "/s1"), []);
    assert_eq!(plan.next_due(), None);
    assert_eq!(plan.due(seconds(999)), []);
    let mut expected = gone("/7").to_vec();
    expected.push(open(PSM, 3));
    assert_eq!(plan.offered(seconds(999), &anna(3, Some(8))), expected);
    assert_eq!(link_up(&mut plan, 3), [fetch("/s3", 8, 4)]);
    // In the middle of something it is a failure.
    assert_eq!(plan.closed(seconds(999), "/s3"), []);
    assert_eq!(plan.due(seconds(1_009)), [open(PSM, 5)]);
}

#[test]
fn a_phone_that_ends_its_link_at_once_is_left_alone_for_a_while() {
    let mut plan = linked();
    assert_eq!(plan.closed(seconds(9), "/s1"), []);
    assert_eq!(plan.offered(seconds(9), &anna(2, Some(7))), []);
    assert_eq!(plan.next_due(), Some(seconds(19)));
    assert_eq!(plan.due(seconds(19)), [open(PSM, 2)]);
}

#[test]
fn a_name_of_a_dead_link_is_not_asked_for_after_another_player_was_used() {
    let mut plan = linked();
    plan.offered(seconds(0), &anna(10, None));
    plan.offered(seconds(0), &anna(3, None));
    plan.closed(seconds(20), "/s1");
    assert_eq!(plan.offered(seconds(20), &anna(10, Some(7))), []);
    assert_eq!(
        plan.offered(seconds(20), &anna(11, Some(8))),
        [open(PSM, 2)]
    );
    assert_eq!(link_up(&mut plan, 2), [fetch("/s2", 8, 3)]);
}

#[test]
fn a_phone_that_leaves_is_not_taken_leave_of() {
    // Whole, or its player first.
    for before in [anna(2, Some(7)), bare()] {
        let mut plan = showing();
        let mut steps = plan.offered(seconds(0), &before);
        steps.extend(plan.offered(seconds(4), &Gallery::new()));
        assert_eq!(steps, gone("/7"), "{before:?}");
        assert_eq!(plan.closed(seconds(4), "/s1"), []);
        assert!(plan.phones.is_empty());
    }
    // What obexd then still calls a link is one.
    let mut plan = showing();
    plan.offered(seconds(0), &Gallery::new());
    assert_eq!(plan.next_due(), Some(seconds(5)));
    assert_eq!(plan.due(seconds(5)), [close("/s1")]);
    assert_eq!(plan.closed(seconds(5), "/s1"), []);
    assert!(plan.phones.is_empty());
}

#[test]
fn a_player_may_come_back_before_its_link_is_closed() {
    let mut plan = linked();
    assert_eq!(plan.offered(seconds(0), &bare()), []);
    assert_eq!(plan.due(seconds(4)), []);
    let steps = plan.offered(seconds(4), &anna(2, Some(7)));
    assert_eq!(steps, [fetch("/s1", 7, 2)]);
    assert_eq!(plan.offered(seconds(5), &bare()), []);
    assert_eq!(plan.next_due(), Some(seconds(10)));
    assert_eq!(plan.due(seconds(10)), [close("/s1")]);
}

#[test]
fn there_is_no_second_link_before_the_first_is_gone() {
    // A phone that listens elsewhere by now.
    let mut plan = linked();
    let moved = anna_at(PSM + 2, 2, Some(7));
    assert_eq!(plan.offered(seconds(0), &moved), [close("/s1")]);
    assert_eq!(plan.due(seconds(89)), []);
    assert_eq!(plan.closed(seconds(89), "/s1"), [open(PSM + 2, 2)]);
    // Nobody wants pictures any more, and then again.
    let mut plan = linked();
    assert_eq!(plan.wish(seconds(0), Wishes::default()), [close("/s1")]);
    assert_eq!(plan.wish(seconds(0), COVERS), []);
    assert_eq!(plan.closed(seconds(1), "/s1"), [open(PSM, 2)]);
    // One that hangs, and one that obexd says nothing of any more.
    let mut plan = linked();
    plan.offered(seconds(0), &anna(2, Some(7)));
    let steps = plan.fetched(seconds(0), Ticket(2), Fetched::Broken);
    assert_eq!(steps, [close("/s1")]);
    assert_eq!(plan.due(seconds(89)), []);
    assert_eq!(plan.due(seconds(90)), [open(PSM, 3)]);
    // A phone that comes back before obexd has noticed that it left.
    let mut plan = linked();
    plan.offered(seconds(0), &Gallery::new());
    assert_eq!(plan.offered(seconds(1), &anna(2, None)), []);
    assert_eq!(plan.closed(seconds(1), "/s1"), [open(PSM, 2)]);
}

#[test]
fn a_link_that_comes_too_late_is_closed() {
    let mut plan = ready();
    plan.offered(seconds(0), &anna(1, None));
    assert_eq!(plan.next_due(), Some(seconds(90)));
    assert_eq!(plan.due(seconds(89)), []);
    assert_eq!(plan.due(seconds(90)), [], "given up");
    assert_eq!(link_up(&mut plan, 1), [close("/s1")]);
    assert_eq!(plan.due(seconds(100)), [open(PSM, 2)]);
    // Nobody wants it by now, or it is of a phone that has left.
    plan.wish(seconds(100), Wishes::default());
    assert_eq!(link_up(&mut plan, 2), [close("/s2")]);
    let mut plan = ready();
    plan.offered(seconds(0), &anna(1, None));
    plan.offered(seconds(0), &Gallery::new());
    assert_eq!(link_up(&mut plan, 1), []);
    assert_eq!(plan.closed(seconds(1), "/s1"), []);
    assert!(plan.phones.is_empty());
}

#[test]
fn a_link_may_end_before_we_know_what_it_is_called() {
    let mut plan = ready();
    plan.offered(seconds(0), &anna(1, Some(7)));
    assert_eq!(plan.closed(seconds(0), "/s1"), []);
    assert_eq!(link_up(&mut plan, 1), [], "it is no link");
    assert_eq!(plan.due(seconds(10)), [open(PSM, 2)]);
    assert_eq!(link_up(&mut plan, 2), [], "named in the one that is gone");
    assert!(plan.gone.is_empty());
    // Whoever waits for no link remembers none, and nobody remembers any number.
    plan.closed(seconds(10), "/s7");
    assert!(plan.gone.is_empty());
    let mut plan = ready();
    plan.offered(seconds(0), &anna(1, Some(7)));
    for number in 0..99 {
        plan.closed(seconds(0), &format!("/x{number}"));
    }
    assert_eq!(plan.gone.len(), MOST_GONE);
}

#[test]
fn a_picture_that_comes_too_late_is_let_go() {
    let mut plan = linked();
    plan.offered(seconds(0), &anna(2, Some(7)));
    assert_eq!(plan.closed(seconds(0), "/s1"), []);
    let late = plan.fetched(seconds(0), Ticket(2), picture("/7"));
    assert_eq!(late, [discard("/7")]);
    assert_eq!(plan.fetched(seconds(0), Ticket(2), Fetched::Broken), []);
}

#[test]
fn a_link_that_fails_is_tried_again_after_a_rest_that_doubles() {
    let mut plan = ready();
    let mut now = 0;
    plan.offered(seconds(now), &anna(1, Some(7)));
    for (attempt, rest) in [
        (1, 10),
        (2, 20),
        (3, 40),
        (4, 80),
        (5, 160),
        (6, 320),
        (7, 640),
        (8, 640),
    ] {
        assert_eq!(plan.opened(seconds(now), Ticket(attempt), None), []);
        assert_eq!(plan.next_due(), Some(seconds(now + rest)));
        let told = attempt + 1;
        let steps = plan.offered(seconds(now + rest - 1), &anna(told, Some(8)));
        assert_eq!(steps, []);
        now += rest;
        assert_eq!(plan.due(seconds(now)), [open(PSM, attempt + 1)]);
    }
    // A picture makes good for everything.
    let session = Some("/s".to_owned());
    let steps = plan.opened(seconds(now), Ticket(9), session);
    assert_eq!(steps, [fetch("/s", 8, 10)]);
    plan.fetched(seconds(now), Ticket(10), picture("/8"));
    plan.attended(seconds(now), false);
    plan.attended(seconds(now), true);
    assert_eq!(plan.next_due(), Some(seconds(now + 10)));
}

#[test]
fn whoever_had_a_link_rests_when_obexd_dies() {
    let mut plan = showing();
    assert_eq!(plan.attended(seconds(0), false), [], "it is shown still");
    assert_eq!(plan.next_due(), None);
    assert_eq!(plan.attended(seconds(1), true), []);
    assert_eq!(plan.due(seconds(9)), []);
    assert_eq!(plan.due(seconds(10)), [open(PSM, 3)]);
    assert_eq!(plan.attended(seconds(10), false), [], "while it opens");
    assert_eq!(plan.attended(seconds(11), true), []);
    assert_eq!(plan.next_due(), Some(seconds(30)));
    // Who had none has nothing to do with it.
    let mut plan = ready();
    plan.attended(seconds(0), false);
    assert_eq!(plan.offered(seconds(0), &anna(1, None)), []);
    assert_eq!(plan.attended(seconds(1), true), [open(PSM, 1)]);
}

#[test]
fn what_an_obexd_answers_that_is_gone_is_nobodys() {
    let mut plan = ready();
    plan.offered(seconds(0), &anna(1, Some(7)));
    plan.attended(seconds(0), false);
    assert_eq!(plan.attended(seconds(10), true), [open(PSM, 2)]);
    assert_eq!(
        plan.opened(seconds(10), Ticket(2), Some("/s".to_owned())),
        [fetch("/s", 7, 3)]
    );
    // The next one counts from the beginning.
    let late = plan.opened(seconds(10), Ticket(1), Some("/s".to_owned()));
    assert_eq!(late, []);
    plan.attended(seconds(10), false);
    let late = plan.fetched(seconds(10), Ticket(3), picture("/7"));
    assert_eq!(late, [discard("/7")]);
}

#[test]
fn while_somebody_telephones_nothing_new_is_begun() {
    let held = Wishes {
        hold: true,
        ..COVERS
    };
    let mut plan = linked();
    plan.offered(seconds(0), &anna(2, Some(7)));
    assert_eq!(plan.wish(seconds(0), held), []);
    let steps = plan.fetched(seconds(0), Ticket(2), picture("/7"));
    assert_eq!(steps, [seen(7, "/7")], "what is on its way comes");
    assert_eq!(plan.offered(seconds(1), &anna(3, Some(8))), gone("/7"));
    assert_eq!(plan.closed(seconds(1), "/s1"), []);
    assert_eq!(plan.next_due(), None);
    assert_eq!(plan.offered(seconds(2), &anna(4, Some(9))), []);
    assert_eq!(plan.wish(seconds(3), COVERS), [open(PSM, 3)]);
    plan.wish(seconds(3), held);
    assert_eq!(link_up(&mut plan, 3), []);
    assert_eq!(plan.wish(seconds(4), COVERS), [fetch("/s3", 9, 4)]);
}

#[test]
fn phones_have_nothing_to_do_with_each_other() {
    let mut plan = showing();
    let mut both = anna(2, Some(7));
    let (psm, told) = (PSM + 2, 3);
    let image = Some(image(7));
    both.insert(BEN, Some(Art { psm, image, told }));
    let (phone, ticket) = (BEN, Ticket(3));
    let opens = Step::Open { phone, psm, ticket };
    assert_eq!(plan.offered(seconds(0), &both), [opens]);
    assert_eq!(plan.opened(seconds(0), ticket, None), []);
    both.remove(&BEN);
    assert_eq!(plan.offered(seconds(0), &both), []);
}
