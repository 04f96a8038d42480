//! The pictures of what phones play, which obexd fetches for us: bluetoothd only tells where they are.
//!
//! Invariant: obexd not being there means that there are no pictures, and nothing else; so does a bus that
//! fails, until it works again. `plan` says what is done and when; here it is done, each thing by a task of
//! its own, so that nothing is waited for. What obexd and phones send is untrusted: see `files`.

mod error;
mod files;
mod jpeg;
mod obex;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use self::files::CoverFolders;
pub(super) use self::plan::{Art, Gallery, Wishes};

use self::error::CoverError;
use self::obex::{Line, News, Obexd};
use self::plan::{Fetched, Plan, Step, Ticket};
use super::device;
use super::error::BluetoothError;
use super::session::{ANSWER_DEADLINE, Session};
use crate::policy::event::Event;
use crate::policy::model::Address;
use crate::policy::player::ImageHandle;

/// How long to wait before the bus is joined again that failed.
const REJOIN: Duration = Duration::from_secs(30);

/// Reports pictures while they are wanted.
pub(super) async fn run(
    session: Session,
    events: mpsc::Sender<Event>,
    folders: CoverFolders,
    mut gallery: watch::Receiver<Gallery>,
    mut wishes: watch::Receiver<Wishes>,
) {
    folders.empty();
    if wishes.wait_for(|wishes| wishes.covers).await.is_err() {
        return;
    }
    let (outcomes, inbox) = mpsc::unbounded_channel();
    let started = Instant::now();
    let covers = Covers {
        session,
        events,
        folders: Arc::new(folders),
        plan: Plan::default(),
        line: None,
        join_at: Some(started),
        outcomes,
        started,
        told: Told::default(),
    };
    wishes.mark_changed();
    gallery.mark_changed();
    covers.serve(gallery, wishes, inbox).await;
}

/// What came of something that was begun.
enum Outcome {
    Opened {
        ticket: Ticket,
        session: Result<String, CoverError>,
    },
    Fetched {
        ticket: Ticket,
        picture: Result<String, CoverError>,
    },
}

/// The task that has pictures fetched.
struct Covers {
    session: Session,
    events: mpsc::Sender<Event>,
    folders: Arc<CoverFolders>,
    plan: Plan,
    line: Option<Line>,
    /// Then the bus is joined.
    join_at: Option<Instant>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    started: Instant,
    told: Told,
}

/// What is wrong, and was told of.
#[derive(Default)]
struct Told {
    no_room: bool,
    no_bus: bool,
}

impl Covers {
    /// Serves until the daemon ends.
    async fn serve(
        mut self,
        mut gallery: watch::Receiver<Gallery>,
        mut wishes: watch::Receiver<Wishes>,
        mut inbox: mpsc::UnboundedReceiver<Outcome>,
    ) {
        let mut steps = Vec::new();
        loop {
            for step in std::mem::take(&mut steps) {
                self.carry_out(step).await;
            }
            let due = self.plan.next_due().map(|due| self.started + due);
            steps = tokio::select! {
                changed = gallery.changed() => match changed {
                    Ok(()) => self.plan.offered(self.now(), &gallery.borrow_and_update()),
                    Err(_ended) => return,
                },
                changed = wishes.changed() => match changed {
                    Ok(()) => self.plan.wish(self.now(), *wishes.borrow_and_update()),
                    Err(_ended) => return,
                },
                Some(outcome) = inbox.recv() => self.ended(outcome),
                news = news_of(&mut self.line) => match news {
                    Ok(news) => self.heed(news).await,
                    Err(error) => self.lose_line(&error),
                },
                () = until(self.join_at) => self.join().await,
                () = until(due) => self.plan.due(self.now()),
            };
        }
    }

    async fn join(&mut self) -> Vec<Step> {
        let joined = tokio::time::timeout(ANSWER_DEADLINE, Line::join()).await;
        match joined.unwrap_or(Err(CoverError::Deaf)) {
            Ok(line) => {
                if std::mem::take(&mut self.told.no_bus) {
                    tracing::info!("pictures of what phones play can be fetched again");
                }
                let is_there = line.obexd().is_some();
                (self.line, self.join_at) = (Some(line), None);
                self.plan.attended(self.now(), is_there)
            }
            Err(error) => self.lose_line(&error),
        }
    }

    async fn heed(&mut self, news: News) -> Vec<Step> {
        let owner = match news {
            News::Closed(session) => return self.plan.closed(self.now(), &session),
            News::Owner(owner) => owner,
        };
        let mut steps = self.plan.attended(self.now(), false);
        let Some(line) = &mut self.line else {
            return steps;
        };
        match line.attend(owner).await {
            Ok(()) if line.obexd().is_some() => {
                steps.extend(self.plan.attended(self.now(), true));
            }
            Ok(()) => {}
            Err(error) => steps.extend(self.lose_line(&error)),
        }
        steps
    }

    /// The bus failed.
    fn lose_line(&mut self, error: &CoverError) -> Vec<Step> {
        if std::mem::replace(&mut self.told.no_bus, true) {
            tracing::debug!(%error, "still no pictures");
        } else {
            tracing::warn!("there are no new pictures of what phones play for now: {error}");
        }
        (self.line, self.join_at) = (None, Some(Instant::now() + REJOIN));
        self.plan.attended(self.now(), false)
    }

    fn obexd(&self) -> Option<Obexd> {
        self.line.as_ref()?.obexd().cloned()
    }

    async fn carry_out(&mut self, step: Step) {
        match step {
            Step::Open { phone, psm, ticket } => self.open(phone, psm, ticket),
            Step::Close { session } => self.close(session),
            Step::Fetch {
                session,
                image,
                ticket,
            } => self.fetch(session, image, ticket),
            Step::Discard { path } => files::discard(path.as_ref()),
            Step::Tell(event) => {
                if self.events.send(event).await.is_err() {
                    tracing::debug!("a picture came after the daemon stopped");
                }
            }
        }
    }

    fn open(&self, phone: Address, psm: u16, ticket: Ticket) {
        let (session, obexd) = (self.session.clone(), self.obexd());
        self.begin(async move {
            let session = match obexd {
                Some(obexd) => open(&session, &obexd, phone, psm).await,
                None => Err(CoverError::NotSent),
            };
            Outcome::Opened { ticket, session }
        });
    }

    fn close(&self, session: String) {
        let Some(obexd) = self.obexd() else {
            return;
        };
        tokio::spawn(async move {
            if let Err(error) = obexd.close(&session).await {
                tracing::debug!(%error, "a link for pictures was gone already");
            }
        });
    }

    fn fetch(&self, session: String, image: ImageHandle, ticket: Ticket) {
        let (folders, obexd) = (Arc::clone(&self.folders), self.obexd());
        self.begin(async move {
            let picture = match obexd {
                Some(obexd) => fetch(&folders, &obexd, &session, image, ticket).await,
                None => Err(CoverError::NotSent),
            };
            Outcome::Fetched { ticket, picture }
        });
    }

    fn begin(&self, order: impl Future<Output = Outcome> + Send + 'static) {
        let outcomes = self.outcomes.clone();
        tokio::spawn(async move {
            // Fails only when the daemon is ending.
            outcomes.send(order.await).ok();
        });
    }

    fn ended(&mut self, outcome: Outcome) -> Vec<Step> {
        let now = self.now();
        match outcome {
            Outcome::Opened { ticket, session } => {
                let session = session.map_err(|error| self.tell(&error)).ok();
                self.plan.opened(now, ticket, session)
            }
            Outcome::Fetched { ticket, picture } => {
                let what = match picture {
                    Ok(path) => {
                        self.told.no_room = false;
                        Fetched::Picture(path)
                    }
                    Err(error) => {
                        self.tell(&error);
                        match error.breaks_the_link() {
                            true => Fetched::Broken,
                            false => Fetched::Nothing,
                        }
                    }
                };
                self.plan.fetched(now, ticket, what)
            }
        }
    }

    /// What phones do not give is their own affair; only a folder that takes none is the admin's.
    fn tell(&mut self, error: &CoverError) {
        let is_new = !self.told.no_room;
        match error {
            CoverError::Full { .. } | CoverError::Folder { .. } if is_new => {
                self.told.no_room = true;
                tracing::warn!("{error}");
            }
            _ => tracing::debug!(%error, "no picture"),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

async fn open(
    session: &Session,
    obexd: &Obexd,
    phone: Address,
    psm: u16,
) -> Result<String, CoverError> {
    let adapter = session.adapter()?;
    let address = adapter.address().await;
    let address = address.map_err(BluetoothError::refused("tell the adapter's address"))?;
    // obexd would call one that has left.
    if !device::is_connected(&adapter, phone).await? {
        return Err(CoverError::Left);
    }
    obexd.open(Address::new(address.0), phone, psm).await
}

async fn fetch(
    folders: &CoverFolders,
    obexd: &Obexd,
    session: &str,
    image: ImageHandle,
    ticket: Ticket,
) -> Result<String, CoverError> {
    let draft = folders.make(&ticket.to_string())?;
    obexd.fetch(session, image, draft.path()).await?;
    let path = folders.show(&draft)?;
    // Ours to name, so it is text.
    Ok(path.to_string_lossy().into_owned())
}

/// Waits for news, forever while there is nobody to bring any.
async fn news_of(line: &mut Option<Line>) -> Result<News, CoverError> {
    match line {
        Some(line) => line.news().await,
        None => std::future::pending().await,
    }
}

/// Waits for a point in time, forever if there is none.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Some((width, height)) = jpeg::size(bytes) {
        assert!(width > 0 && height > 0);
    }
}
