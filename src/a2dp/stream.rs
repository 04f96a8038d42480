//! A stream: the thread that reads a media transport's socket, and the handle on it.
//!
//! Invariant: the thread ends with the handle, or by itself when the phone closes the socket, and
//! closes the socket either way. A stream that ended by itself reports
//! [`Event::StreamEnded`] exactly once; one that was dropped reports nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::mpsc as queue;

use crate::pcm::{self, Meters, Nanos, SECOND, Source, Writer};
use crate::policy::Event;
use crate::policy::model::{StreamFormat, TransportId};

use super::A2dpError;
use super::intake::Intake;
use super::link::Link;
use super::playout::Player;
use super::receiver::Receiver;
use super::report::Reporter;

/// Enough for decoding; the default of 2 MB is not.
const STACK: usize = 128 * 1024;

/// What the ring holds, in milliseconds: more than any target, so that it runs over only when
/// nobody plays.
const RING_MS: u32 = 400;

/// The player's end of a new ring, as the thread needs to know it.
pub(super) struct Outlet {
    pub(super) ring: Writer,
    pub(super) link: Arc<Link>,
}

/// How to reach the thread.
pub(super) struct Signal {
    wake: OwnedFd,
    stopping: AtomicBool,
}

impl Signal {
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.wake
    }

    /// Waits for a note, but no longer than this.
    pub(super) fn wait(&self, longest: Nanos) {
        let mut note = [PollFd::new(&self.wake, PollFlags::IN)];
        let longest = Timespec {
            tv_sec: longest / SECOND,
            tv_nsec: longest % SECOND,
        };
        // Whatever it ends by, whoever waits looks for itself.
        poll(&mut note, Some(&longest)).ok();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Takes the wake-up note, so that the next one wakes again.
    pub(super) fn clear(&self) {
        let mut count = [0; 8];
        // An empty counter is what is wanted.
        rustix::io::read(&self.wake, &mut count).ok();
    }

    fn wake(&self) {
        // Fails only when the counter is full, and then the thread wakes anyway.
        rustix::io::write(&self.wake, &1_u64.to_ne_bytes()).ok();
    }
}

/// A stream of music from a phone. Dropping it ends it.
pub struct Stream {
    format: StreamFormat,
    meters: Arc<Meters>,
    signal: Arc<Signal>,
    outlets: mpsc::Sender<Outlet>,
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    /// Starts to read packets of `format`, at most `read_mtu` bytes each, from `socket`.
    ///
    /// # Errors
    /// When the system gives no thread, descriptor or memory.
    pub fn start(
        id: TransportId,
        socket: OwnedFd,
        read_mtu: u16,
        format: StreamFormat,
        events: queue::Sender<Event>,
    ) -> Result<Self, A2dpError> {
        let receiver = Receiver::new(format.rate(), format.channels()).ok_or(A2dpError::Decoder)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| A2dpError::Descriptor(error.into()))?;
        rustix::io::ioctl_fionbio(&socket, true)
            .map_err(|error| A2dpError::Descriptor(io::Error::from(error)))?;
        let signal = Arc::new(Signal {
            wake,
            stopping: AtomicBool::new(false),
        });
        let meters = Arc::new(Meters::default());
        let (outlets, new_outlets) = mpsc::channel();
        let intake = Intake::new(
            socket,
            Arc::clone(&signal),
            new_outlets,
            receiver,
            Reporter::new(id, events),
            Arc::clone(&meters),
            format,
        );
        let thread = thread::Builder::new()
            .name("dotd-a2dp".to_owned())
            .stack_size(STACK)
            .spawn(move || intake.run(usize::from(read_mtu)))
            .map_err(A2dpError::Thread)?;
        Ok(Self {
            format,
            meters,
            signal,
            outlets,
            thread: Some(thread),
        })
    }

    /// Makes a source to play the stream from. The one made before, if any, falls silent.
    pub fn source(&self) -> Box<dyn Source + Send> {
        let (rate, channels) = (self.format.rate(), usize::from(self.format.channels()));
        let (writer, reader) = pcm::ring(channels, (rate / 1000 * RING_MS) as usize);
        let link = Arc::new(Link::new());
        let outlet = Outlet {
            ring: writer,
            link: Arc::clone(&link),
        };
        // When the thread has ended there is nothing to play, and the source is silent.
        self.outlets.send(outlet).ok();
        self.signal.wake();
        Box::new(Player::new(reader, link, rate, channels))
    }

    /// Returns the dials of the stream.
    pub fn meters(&self) -> Arc<Meters> {
        Arc::clone(&self.meters)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.signal.stopping.store(true, SeqCst);
        self.signal.wake();
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                tracing::error!("the stream's thread panicked; please report this as a bug");
            }
        }
    }
}
