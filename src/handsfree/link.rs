//! One phone's service level connection: the machine, its socket and its clock.
//!
//! Invariant: a phone has one link; a newer one takes the place of the older without a word. Orders
//! never wait for a phone, and a phone that does not read what we write is hung up on.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio, read, write};
use rustix::net::{Shutdown, shutdown};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::words::{self, Ended};
use super::{Abilities, config};
use crate::hfp::{CommandId, Event as HfpEvent, Machine, Output};
use crate::policy::Event;
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::calls::facts::CallCommand;
use crate::policy::model::{Address, RequestId};

/// How long a phone may leave what we write unread.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// No line of a phone is longer than a packet of RFCOMM usually is; the machine puts pieces together.
const PIECE: usize = 1024;

/// The links to all phones.
#[derive(Debug)]
pub struct Links {
    events: mpsc::Sender<Event>,
    abilities: Abilities,
    links: HashMap<Address, Handle>,
}

/// The daemon's end of a link.
#[derive(Debug)]
struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Something to tell a phone.
#[derive(Debug)]
struct Order {
    request: Option<RequestId>,
    command: CallCommand,
}

impl Links {
    /// Makes the room; what phones say goes to `events`, and they are told what we can do.
    pub fn new(events: mpsc::Sender<Event>, abilities: Abilities) -> Self {
        Self {
            events,
            abilities,
            links: HashMap::new(),
        }
    }

    /// Tells phones that we can do other things: those that are linked from now on.
    pub fn claim(&mut self, abilities: Abilities) {
        self.abilities = abilities;
    }

    /// Takes a link that was made: a stream socket to the phone's audio gateway. Needs a tokio
    /// runtime.
    pub fn connected(&mut self, phone: Address, socket: OwnedFd) {
        let (orders, ordered) = mpsc::unbounded_channel();
        let link = Link {
            phone,
            machine: Machine::new(config(self.abilities)),
            events: self.events.clone(),
            started: Instant::now(),
            commands: HashMap::new(),
            last: 0,
        };
        // The older one goes first: it must not speak after this one has.
        self.links.remove(&phone);
        let task = tokio::spawn(link.run(socket, ordered));
        self.links.insert(phone, Handle { orders, task });
    }

    /// Tells a phone to do something. With a link that has ended meanwhile nothing is done: its end
    /// has been told.
    pub fn command(&self, phone: Address, request: Option<RequestId>, command: CallCommand) {
        let order = Order { request, command };
        let link = self.links.get(&phone);
        if link.is_none_or(|link| link.orders.send(order).is_err()) {
            tracing::debug!(%phone, "a command came after the link had ended");
        }
    }

    /// Closes a link, without a word.
    pub fn close(&mut self, phone: Address) {
        self.links.remove(&phone);
    }
}

/// The task of a link.
struct Link {
    phone: Address,
    machine: Machine,
    events: mpsc::Sender<Event>,
    started: Instant,
    /// Who waits for which command.
    commands: HashMap<CommandId, Option<RequestId>>,
    last: u64,
}

impl Link {
    async fn run(mut self, socket: OwnedFd, mut orders: mpsc::UnboundedReceiver<Order>) {
        let error = match self.live(socket, &mut orders).await {
            Ok(()) => None,
            Err(ended) => ended.told(),
        };
        self.machine.close();
        self.report().await;
        self.tell(HandsFreeFact::Ended { error }).await;
    }

    async fn live(
        &mut self,
        socket: OwnedFd,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Result<(), Ended> {
        ioctl_fionbio(&socket, true).map_err(io::Error::from)?;
        let socket = Wire::new(socket)?;
        self.machine.start(self.now());
        let mut piece = [0; PIECE];
        loop {
            self.flush(&socket).await?;
            let deadline = self.machine.deadline().map(|at| self.started + at);
            tokio::select! {
                length = receive(&socket, &mut piece) => match length? {
                    0 => return Ok(()),
                    length => self.machine.receive(self.now(), &piece[..length]),
                },
                Some(order) = orders.recv() => self.carry_out(order).await,
                () = until(deadline) => self.machine.tick(self.now()),
            }
        }
    }

    /// Sends and tells everything that the machine has to say.
    async fn flush(&mut self, socket: &Wire) -> Result<(), Ended> {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send(bytes) => {
                    let sent = tokio::time::timeout(WRITE_DEADLINE, send(socket, &bytes)).await;
                    sent.map_err(|_late| Ended::Deaf)??;
                }
                Output::Event(HfpEvent::Broken(fault)) => return Err(Ended::Broken(fault)),
                Output::Event(event) => self.report_event(event).await,
            }
        }
        Ok(())
    }

    /// Tells what the machine still has to say when there is nobody to send to.
    async fn report(&mut self) {
        while let Some(output) = self.machine.poll() {
            if let Output::Event(event) = output {
                self.report_event(event).await;
            }
        }
    }

    async fn report_event(&mut self, event: HfpEvent) {
        let facts = words::facts(event, |id| self.commands.remove(&id).flatten());
        for fact in facts {
            self.tell(fact).await;
        }
    }

    async fn carry_out(&mut self, Order { request, command }: Order) {
        self.last += 1;
        let id = CommandId(self.last);
        let taken = words::command(command).and_then(|command| {
            let taken = self.machine.command(self.now(), id, command);
            taken.map_err(words::refused)
        });
        match taken {
            Ok(()) => drop(self.commands.insert(id, request)),
            Err(rejection) => {
                let result = Err(rejection);
                self.tell(HandsFreeFact::CommandEnded { request, result })
                    .await;
            }
        }
    }

    async fn tell(&self, fact: HandsFreeFact) {
        let phone = self.phone;
        if self
            .events
            .send(Event::HandsFree { phone, fact })
            .await
            .is_err()
        {
            tracing::debug!(%phone, "a phone said something after the daemon stopped");
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The socket of a link. Dropping it hangs up: bluetoothd keeps a descriptor of its own, so closing
/// ours alone would leave the phone with a link that nobody listens to.
struct Wire(AsyncFd<OwnedFd>);

impl Wire {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        // SAFETY: an OwnedFd is the same open descriptor until it is dropped, which the AsyncFd does.
        let watched = unsafe { AsyncFd::register(socket) };
        Ok(Self(watched.map_err(io::Error::from)?))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Fails only when the phone has hung up already.
        shutdown(self.0.get_ref(), Shutdown::Both).ok();
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Reads what is there; nothing when the phone hung up.
async fn receive(Wire(socket): &Wire, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut ready = socket.readable().await?;
        match ready.try_io(|socket| Ok(read(socket.get_ref(), &mut *piece)?)) {
            // It hung up or walked away, which is no fault.
            Ok(Err(error)) if hung_up(&error) => return Ok(0),
            Ok(read) => return read,
            Err(_would_block) => {}
        }
    }
}

async fn send(Wire(socket): &Wire, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = socket.writable().await?;
        match ready.try_io(|socket| Ok(write(socket.get_ref(), bytes)?)) {
            Ok(written) => bytes = &bytes[written?..],
            Err(_would_block) => {}
        }
    }
    Ok(())
}

pub(super) fn hung_up(error: &io::Error) -> bool {
    let gone = [
        Errno::CONNRESET,
        Errno::CONNABORTED,
        Errno::NOTCONN,
        Errno::TIMEDOUT,
        Errno::HOSTDOWN,
        Errno::PIPE,
    ];
    let number = error.raw_os_error();
    gone.iter()
        .any(|errno| number == Some(errno.raw_os_error()))
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
