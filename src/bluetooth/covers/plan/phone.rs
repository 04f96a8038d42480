//! One phone, its link for pictures, and what is shown of it.
//!
//! Invariant: pure. There is no second link while one may be up.
//!
//! ```text
//!   closed ──▶ opening ──▶ open ──▶ ending      is to go, or its phone has gone
//!      ▲──────────┴──────────┴─────────┘        obexd says that it is not there, or not any more
//! ```

use std::time::Duration;

use super::{Art, Fetched, PATIENCE, Step, Ticket};
use crate::policy::event::Event;
use crate::policy::model::Address;
use crate::policy::player::ImageHandle;

/// How long a phone is left alone after its link for pictures failed.
const REST: Duration = Duration::from_secs(10);
/// What that grows to while it goes on failing.
const LONGEST_REST: Duration = Duration::from_secs(640);
/// How long a phone may take to be gone, and obexd to notice, after it took its player away.
const PARTING: Duration = Duration::from_secs(5);

/// A phone that is connected, or has a link yet.
#[derive(Debug, Default)]
pub(super) struct Phone {
    connected: bool,
    /// Nothing while it offers no pictures.
    art: Option<Art>,
    /// What it told last, also while it offers none.
    told: u64,
    link: Link,
    /// What it had told when its last link ended: names of then mean nothing any more.
    stale: u64,
    /// It ended that in peace, and has told nothing new since.
    at_peace: bool,
    /// It gets no link before.
    rests: Duration,
    /// How often its link failed in a row.
    failures: u32,
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    image: ImageHandle,
    path: String,
    /// It came through a link that is gone.
    kept: bool,
}

#[derive(Debug, Default)]
enum Link {
    #[default]
    Closed,
    Opening {
        psm: u16,
        ticket: Ticket,
        /// Then it is given up.
        until: Duration,
    },
    Open {
        psm: u16,
        session: String,
        /// What the phone had told when it came up.
        since: u64,
        /// One that the phone ends before, and through which nothing came, has failed.
        proven: Duration,
        on_its_way: Option<(Ticket, ImageHandle)>,
        /// That of what is named which was fetched, or could not be.
        tried: Option<ImageHandle>,
        /// The phone offers nothing: then it is closed.
        close_at: Option<Duration>,
    },
    Ending {
        session: String,
        /// obexd was asked to close it.
        asked: bool,
        /// Then it is asked, or the link is given up.
        until: Duration,
    },
}

impl Phone {
    pub(super) fn offer(&mut self, art: Option<Art>) {
        self.connected = true;
        // Of two players the one that has told less may be the one that is used now.
        self.told = self.told.max(art.map_or(0, |art| art.told));
        self.art = art;
    }

    /// It is not connected any more. obexd notices by itself; 5.82 crashes when it takes leave of a phone
    /// that is not there.
    pub(super) fn leave(&mut self, address: Address, now: Duration, steps: &mut Vec<Step>) {
        self.hide(address, steps);
        let link = match std::mem::take(&mut self.link) {
            Link::Open { session, .. } => Link::Ending {
                session,
                asked: false,
                until: now + PARTING,
            },
            link => link,
        };
        *self = Self {
            link,
            ..Self::default()
        };
    }

    /// Says whether there is nothing more to do about it.
    pub(super) fn is_over(&self) -> bool {
        !self.connected && matches!(self.link, Link::Closed)
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self.link, Link::Opening { .. })
    }

    /// Says whether this is what obexd calls its link.
    pub(super) fn has(&self, name: &str) -> bool {
        match &self.link {
            Link::Open { session, .. } | Link::Ending { session, .. } => session == name,
            Link::Closed | Link::Opening { .. } => false,
        }
    }

    /// Returns when there will be something to do; `ready` says that it may have a link.
    pub(super) fn due(&self, ready: bool) -> Option<Duration> {
        match &self.link {
            Link::Opening { until, .. } | Link::Ending { until, .. } => Some(*until),
            Link::Open { close_at, .. } => *close_at,
            Link::Closed => (ready && self.wants_link().is_some()).then_some(self.rests),
        }
    }

    pub(super) fn waits_for_link(&self, ticket: Ticket) -> bool {
        matches!(self.link, Link::Opening { ticket: it, .. } if it == ticket)
    }

    pub(super) fn waits_for_picture(&self, ticket: Ticket) -> bool {
        match self.link {
            Link::Open {
                on_its_way: Some((it, _)),
                ..
            } => it == ticket,
            _ => false,
        }
    }

    pub(super) fn link_up(&mut self, now: Duration, session: String) {
        self.link = match self.link {
            Link::Opening { psm, .. } if self.connected => Link::Open {
                psm,
                session,
                since: self.told,
                proven: now + REST,
                on_its_way: None,
                tried: None,
                close_at: None,
            },
            _ => Link::Ending {
                session,
                asked: false,
                until: now + PARTING,
            },
        };
    }

    fn rest(&mut self, now: Duration) {
        let rest = REST * 2_u32.pow(self.failures.min(6));
        self.rests = now + rest.min(LONGEST_REST);
        self.failures = self.failures.saturating_add(1);
    }

    /// It has none, or none any more, and that may be because of this phone.
    pub(super) fn lose_link(&mut self, now: Duration) {
        if !matches!(self.link, Link::Closed) {
            self.outlive_link();
            self.link = Link::Closed;
            self.rest(now);
        }
    }

    /// obexd says that it is gone.
    pub(super) fn link_ended(&mut self, now: Duration) {
        match self.link {
            Link::Open {
                on_its_way: None,
                proven,
                ..
            } if now >= proven => {
                self.outlive_link();
                self.link = Link::Closed;
                self.at_peace = true;
            }
            Link::Ending { .. } => self.link = Link::Closed,
            _ => self.lose_link(now),
        }
    }

    /// Closes it.
    fn end_link(&mut self, now: Duration, steps: &mut Vec<Step>) {
        if let Link::Open { session, .. } = &mut self.link {
            let session = std::mem::take(session);
            steps.push(Step::Close {
                session: session.clone(),
            });
            self.outlive_link();
            self.link = Link::Ending {
                session,
                asked: true,
                until: now + PATIENCE,
            };
        }
    }

    /// Remembers that what it has named so far, it named while a link was up that is gone.
    fn outlive_link(&mut self) {
        if matches!(self.link, Link::Open { .. }) {
            self.stale = self.told;
            if let Some(shown) = &mut self.shown {
                shown.kept = true;
            }
        }
    }

    /// Lets go of what is not offered any more, and of what does not come.
    pub(super) fn let_go(
        &mut self,
        address: Address,
        wanted: bool,
        now: Duration,
        steps: &mut Vec<Step>,
    ) {
        let art = self.art.filter(|_| wanted);
        if !art.is_some_and(|art| self.is_shown_rightly(art)) {
            self.hide(address, steps);
        }
        match &mut self.link {
            Link::Open {
                psm,
                tried,
                close_at,
                ..
            } => {
                let image = art.and_then(|art| art.image);
                *tried = tried.filter(|tried| Some(*tried) == image);
                *close_at = match art {
                    Some(art) if art.psm == *psm => None,
                    // It may be leaving, and is then not to be taken leave of.
                    None if wanted => close_at.or(Some(now + PARTING)),
                    _ => Some(now),
                };
                if close_at.is_some_and(|at| at <= now) {
                    self.end_link(now, steps);
                }
            }
            Link::Opening { until, .. } if *until <= now => self.lose_link(now),
            Link::Ending {
                session,
                asked: asked @ false,
                until,
            } if *until <= now => {
                let session = session.clone();
                steps.push(Step::Close { session });
                (*asked, *until) = (true, now + PATIENCE);
            }
            Link::Ending { until, .. } if *until <= now => self.link = Link::Closed,
            _ => {}
        }
    }

    /// Says whether what is shown is still what the phone means.
    fn is_shown_rightly(&self, art: Art) -> bool {
        let Some(shown) = &self.shown else {
            return true;
        };
        let is_another = match self.link {
            Link::Open { since, .. } => shown.kept && art.told > since,
            _ => false,
        };
        art.image == Some(shown.image) && !is_another
    }

    /// Returns what there is a link needed for.
    fn wants_link(&self) -> Option<Art> {
        let is_news = |art: &Art| !self.at_peace || art.told > self.stale;
        self.art.filter(is_news)
    }

    /// Takes the next step towards the picture that is offered.
    pub(super) fn go_on(
        &mut self,
        phone: Address,
        now: Duration,
        last: &mut Ticket,
        steps: &mut Vec<Step>,
    ) {
        let wanted = self.wants_link();
        let mut next = || {
            last.0 += 1;
            *last
        };
        match (&mut self.link, wanted) {
            (Link::Closed, Some(Art { psm, .. })) if self.rests <= now => {
                let ticket = next();
                let until = now + PATIENCE;
                self.link = Link::Opening { psm, ticket, until };
                self.at_peace = false;
                steps.push(Step::Open { phone, psm, ticket });
            }
            (
                Link::Open {
                    session,
                    on_its_way: on_its_way @ None,
                    tried,
                    ..
                },
                Some(Art {
                    image: Some(image),
                    told,
                    ..
                }),
            ) if told > self.stale && *tried != Some(image) => {
                let (session, ticket) = (session.clone(), next());
                *on_its_way = Some((ticket, image));
                steps.push(Step::Fetch {
                    session,
                    image,
                    ticket,
                });
            }
            _ => {}
        }
    }

    /// Takes what was on its way.
    pub(super) fn take(
        &mut self,
        phone: Address,
        now: Duration,
        what: Fetched,
        steps: &mut Vec<Step>,
    ) {
        let Link::Open {
            on_its_way,
            tried,
            proven,
            ..
        } = &mut self.link
        else {
            return;
        };
        *proven = now;
        let came = on_its_way.take().map(|(_, image)| image);
        *tried = came;
        match what {
            Fetched::Picture(path) => {
                self.failures = 0;
                match came.filter(|image| self.art.and_then(|art| art.image) == Some(*image)) {
                    Some(image) => self.show(phone, image, path, steps),
                    // Something else plays by now.
                    None => steps.push(Step::Discard { path }),
                }
            }
            Fetched::Broken => {
                self.end_link(now, steps);
                self.rest(now);
            }
            // It is no more what was kept.
            Fetched::Nothing => self.hide(phone, steps),
        }
    }

    fn show(&mut self, phone: Address, image: ImageHandle, path: String, steps: &mut Vec<Step>) {
        let shown = Shown {
            image,
            path: path.clone(),
            kept: false,
        };
        steps.push(Step::Tell(Event::CoverSeen { phone, image, path }));
        if let Some(Shown { path, .. }) = self.shown.replace(shown) {
            steps.push(Step::Discard { path });
        }
    }

    fn hide(&mut self, phone: Address, steps: &mut Vec<Step>) {
        if let Some(Shown { path, .. }) = self.shown.take() {
            steps.push(Step::Tell(Event::CoverGone { phone }));
            steps.push(Step::Discard { path });
        }
    }
}
