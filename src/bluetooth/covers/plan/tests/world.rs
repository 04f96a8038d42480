//! Random lives of a plan, with an obexd that is slow and dies, and phones that come and go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

/// obexd has said yes or no by then: 40 s of the kernel's, 10 s of its own, and a slow machine.
const OBEXD_TAKES: Duration = Duration::from_secs(70);

/// What a player offers: where, and the picture of what it plays.
type Offer = (u16, Option<u32>);

/// What may happen to a plan.
#[derive(Clone, Debug)]
enum Happening {
    /// For each phone: nothing if it is away, then what its player offers.
    Offered(Vec<Option<Option<Offer>>>),
    Wished(bool, bool),
    Attended(bool),
    /// obexd opens the link that is awaited longest, and says so later.
    Linked,
    /// It says what came of it.
    Answered,
    Fetched(u8),
    /// A phone closes a link, which obexd says later.
    Closed,
    /// It does.
    Heard,
    Passed(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let art = (1_u16..3, proptest::option::of(1_u32..4));
    let phone = proptest::option::of(proptest::option::of(art));
    prop_oneof![
        6 => proptest::collection::vec(phone, 2).prop_map(Happening::Offered),
        1 => any::<(bool, bool)>().prop_map(|(covers, hold)| Happening::Wished(covers, hold)),
        1 => any::<bool>().prop_map(Happening::Attended),
        6 => Just(Happening::Linked),
        6 => Just(Happening::Answered),
        4 => (0_u8..5).prop_map(Happening::Fetched),
        2 => Just(Happening::Closed),
        4 => Just(Happening::Heard),
        3 => (0_u64..100).prop_map(Happening::Passed),
    ]
}

/// A link that was ordered.
struct Pending {
    phone: Address,
    ticket: Ticket,
    since: Duration,
    /// What obexd made of it.
    session: Option<String>,
    /// The obexd is gone.
    is_old: bool,
}

/// A link of the obexd that is there, until that has said that it is gone.
struct Known {
    phone: Address,
    is_alive: bool,
    /// Its phone has left since it came up.
    is_left: bool,
    /// The plan was told of it.
    is_told: bool,
    /// The plan wants it closed.
    is_closing: bool,
}

/// obexd, the phones and the disk, as the steps leave them.
#[derive(Default)]
struct World {
    plan: Plan,
    now: Duration,
    pending: VecDeque<Pending>,
    known: BTreeMap<String, Known>,
    /// What obexd has yet to say is gone.
    words: VecDeque<String>,
    fetching: VecDeque<(String, Ticket)>,
    files: BTreeSet<String>,
    shown: BTreeMap<Address, String>,
    /// What is offered.
    gallery: Gallery,
    /// What a phone had told when a link of its ended, since it connected.
    dead: BTreeMap<Address, u64>,
    told: u64,
    sessions: u32,
    pictures: u32,
}

impl World {
    fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Open { phone, ticket, .. } => self.order(phone, ticket),
                Step::Close { session } => self.close(&session),
                Step::Fetch {
                    session,
                    image,
                    ticket,
                } => self.fetch(session, image, ticket),
                Step::Discard { path } => assert!(self.files.remove(&path), "twice"),
                Step::Tell(Event::CoverSeen { phone, image, path }) => {
                    assert!(self.files.contains(&path));
                    let named = self.gallery[&phone].and_then(|art| art.image);
                    assert_eq!(named, Some(image), "it plays something else");
                    self.shown.insert(phone, path);
                }
                Step::Tell(Event::CoverGone { phone }) => {
                    assert!(self.shown.remove(&phone).is_some());
                }
                Step::Tell(other) => panic!("{other:?}"),
            }
        }
        let shown: BTreeSet<String> = self.shown.values().cloned().collect();
        assert_eq!(
            shown, self.files,
            "a file for each that is shown, and no other"
        );
    }

    fn order(&mut self, phone: Address, ticket: Ticket) {
        assert!(self.gallery.contains_key(&phone), "it has left");
        let mut known = self.known.values();
        let up = known.any(|link| link.phone == phone && (link.is_alive || link.is_closing));
        let mut pending = self.pending.iter();
        let comes = pending.any(|it| it.phone == phone && !it.is_old);
        assert!(!up && !comes, "a second link");
        self.pending.push_back(Pending {
            phone,
            ticket,
            since: self.now,
            session: None,
            is_old: false,
        });
    }

    fn close(&mut self, session: &str) {
        let link = self.known.get_mut(session).expect("a link of this obexd's");
        let (phone, left) = (link.phone, !self.gallery.contains_key(&link.phone));
        assert!(link.is_alive || !left, "to a phone that has left");
        assert!(!link.is_closing, "twice");
        link.is_closing = true;
        if std::mem::take(&mut link.is_alive) {
            self.words.push_back(session.to_owned());
        }
        self.outlive(phone);
    }

    fn fetch(&mut self, session: String, image: ImageHandle, ticket: Ticket) {
        let link = &self.known[&session];
        assert!(link.is_told && !link.is_closing, "{session}");
        let art = self.gallery[&link.phone].expect("an offer");
        assert_eq!(art.image, Some(image));
        let dead = self.dead.get(&link.phone);
        assert!(dead < Some(&art.told), "a name of a dead link");
        let waits = |it: &(String, Ticket)| it.0 == session;
        assert!(!self.fetching.iter().any(waits), "two at a time");
        self.fetching.push_back((session, ticket));
    }

    /// A link is gone that the plan took for one.
    fn end(&mut self, link: &Known) {
        if link.is_told && !link.is_left && !link.is_closing {
            self.outlive(link.phone);
        }
    }

    /// What the phone has named up to now means nothing any more.
    fn outlive(&mut self, phone: Address) {
        if let Some(art) = self.gallery.get(&phone) {
            let told = art.map(|art| art.told);
            let told = told.or(self.dead.get(&phone).copied());
            self.dead.insert(phone, told.unwrap_or_default());
        }
    }

    fn offer(&mut self, offers: Vec<Option<Option<Offer>>>) -> Vec<Step> {
        let mut gallery = Gallery::new();
        for (phone, offer) in [ANNA, BEN].into_iter().zip(offers) {
            let Some(player) = offer else {
                self.leave(phone);
                continue;
            };
            let art = player.map(|(psm, number)| {
                self.told += 1;
                let (image, told) = (number.map(image), self.told);
                Art { psm, image, told }
            });
            gallery.insert(phone, art);
        }
        self.gallery = gallery;
        self.plan.offered(self.now, &self.gallery)
    }

    fn leave(&mut self, phone: Address) {
        self.dead.remove(&phone);
        let links = self.known.iter_mut();
        for (name, link) in links.filter(|(_, link)| link.phone == phone) {
            link.is_left = true;
            if std::mem::take(&mut link.is_alive) {
                self.words.push_back(name.clone());
            }
        }
    }

    fn attend(&mut self, there: bool) -> Vec<Step> {
        if !there {
            // The next one counts from the beginning.
            self.sessions = 0;
            self.words.clear();
            for link in std::mem::take(&mut self.known).into_values() {
                self.end(&link);
            }
            for pending in &mut self.pending {
                pending.is_old = true;
            }
            for (session, _) in &mut self.fetching {
                session.clear();
            }
        }
        self.plan.attended(self.now, there)
    }

    /// obexd opens a link, if the phone is there.
    fn link(&mut self) {
        let mut pending = self.pending.iter_mut();
        let waits = |it: &&mut Pending| it.session.is_none() && !it.is_old;
        let Some(first) = pending.find(waits) else {
            return;
        };
        if !self.gallery.contains_key(&first.phone) {
            return;
        }
        self.sessions += 1;
        let name = format!("/s{}", self.sessions);
        first.session = Some(name.clone());
        let link = Known {
            phone: first.phone,
            is_alive: true,
            is_left: false,
            is_told: false,
            is_closing: false,
        };
        self.known.insert(name, link);
    }

    fn answer(&mut self) -> Vec<Step> {
        let Some(pending) = self.pending.pop_front() else {
            return Vec::new();
        };
        let Pending {
            ticket, session, ..
        } = pending;
        if pending.is_old {
            let session = session.or(Some("/s1".to_owned()));
            let steps = self.plan.opened(self.now, ticket, session);
            assert_eq!(steps, [], "of another obexd");
            return steps;
        }
        if let Some(link) = session.as_ref().and_then(|it| self.known.get_mut(it)) {
            link.is_told = true;
        }
        self.plan.opened(self.now, ticket, session)
    }

    fn fetched(&mut self, how: u8) -> Vec<Step> {
        let Some((_, ticket)) = self.fetching.pop_front() else {
            return Vec::new();
        };
        let what = match how {
            0 => Fetched::Broken,
            1 => Fetched::Nothing,
            _ => {
                self.pictures += 1;
                let path = format!("/{}", self.pictures);
                self.files.insert(path.clone());
                Fetched::Picture(path)
            }
        };
        self.plan.fetched(self.now, ticket, what)
    }

    /// A phone closes a link.
    fn part(&mut self) {
        let mut links = self.known.iter_mut();
        if let Some((name, link)) = links.find(|(_, link)| link.is_alive) {
            link.is_alive = false;
            self.words.push_back(name.clone());
        }
    }

    /// obexd says that a link is gone.
    fn hear(&mut self) -> Vec<Step> {
        let Some(name) = self.words.pop_front() else {
            return Vec::new();
        };
        let link = self.known.remove(&name).expect("a link of this obexd's");
        self.end(&link);
        self.plan.closed(self.now, &name)
    }

    fn hear_all(&mut self) {
        while !self.words.is_empty() {
            let steps = self.hear();
            self.carry_out(steps);
        }
    }

    /// obexd is slow, but not as slow as that.
    fn pass(&mut self, time: Duration) -> Vec<Step> {
        self.hear_all();
        let then = self.now + time;
        while let Some(first) = self.pending.front() {
            let due = first.since + OBEXD_TAKES;
            if due > then {
                break;
            }
            self.now = self.now.max(due);
            let steps = self.plan.due(self.now);
            self.carry_out(steps);
            let steps = self.answer();
            self.carry_out(steps);
            self.hear_all();
        }
        self.now = then;
        self.plan.due(self.now)
    }

    fn happen(&mut self, what: Happening) {
        let steps = match what {
            Happening::Offered(offers) => self.offer(offers),
            Happening::Wished(covers, hold) => self.plan.wish(self.now, Wishes { covers, hold }),
            Happening::Attended(there) => self.attend(there),
            Happening::Linked => {
                self.link();
                Vec::new()
            }
            Happening::Answered => self.answer(),
            Happening::Fetched(how) => self.fetched(how),
            Happening::Closed => {
                self.part();
                Vec::new()
            }
            Happening::Heard => self.hear(),
            Happening::Passed(time) => self.pass(seconds(time)),
        };
        self.carry_out(steps);
        let due = self.plan.next_due();
        assert!(due.is_none_or(|due| due > self.now), "it is due already");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_happens_nothing_is_left_behind_and_there_is_one_link_a_phone(
        happenings in proptest::collection::vec(happening(), 0..80),
    ) {
        let mut world = World { plan: ready(), ..World::default() };
        for what in happenings {
            world.happen(what);
        }
        world.happen(Happening::Offered(vec![None, None]));
        while !world.pending.is_empty() || !world.fetching.is_empty() {
            world.happen(Happening::Answered);
            world.happen(Happening::Fetched(2));
        }
        for _ in 0..3 {
            world.happen(Happening::Passed(100));
        }
        prop_assert!(world.files.is_empty(), "{:?}", world.files);
        let alive = world.known.values().filter(|link| link.is_alive).count();
        prop_assert_eq!(alive, 0);
        prop_assert!(world.plan.phones.is_empty());
        prop_assert_eq!(world.plan.next_due(), None);
    }
}
