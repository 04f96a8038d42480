//! A stream: the thread that reads a media transport's socket, and the handle on it.
//!
//! Invariant: the thread ends with the handle, or by itself when the phone closes the socket, and
//! closes the socket either way. A stream that ended by itself reports
//! [`Event::StreamEnded`] exactly once; one that was dropped reports nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc as queue;

use crate::pcm::playout::{self, Delay, Outlet};
use crate::pcm::{Meters, Nanos, Signal, Source};
use crate::policy::Event;
use crate::policy::model::{StreamFormat, TransportId};

use super::A2dpError;
use super::intake::Intake;
use super::receiver::Receiver;
use super::report::Reporter;

/// Enough for decoding, to AAC's tables of 16 kB on the stack many times over; the default of 2 MB is
/// more than that.
const STACK: usize = 512 * 1024;

/// What the ring holds, in milliseconds: more than any target, so that it runs over only when
/// nobody plays.
const RING_MS: u32 = 400;

/// How music comes, and how it is to be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Music {
    /// What comes out of the socket.
    pub format: StreamFormat,
    /// How long it waits before it is heard.
    pub delay: Delay,
    /// How long it had to wait before it last paused; nothing if it was not played yet, or too long ago
    /// to tell how the air is now.
    pub learned: Nanos,
}

impl From<StreamFormat> for Music {
    /// Played as is usual.
    fn from(format: StreamFormat) -> Self {
        Self {
            format,
            delay: Delay::default(),
            learned: 0,
        }
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
    /// Starts to read packets of `music`, at most `read_mtu` bytes each, from `socket`.
    ///
    /// # Errors
    /// When the system gives no thread, descriptor or memory.
    pub fn start(
        id: TransportId,
        socket: OwnedFd,
        read_mtu: u16,
        music: impl Into<Music>,
        events: queue::Sender<Event>,
    ) -> Result<Self, A2dpError> {
        let music = music.into();
        let receiver = Receiver::new(music.format).ok_or(A2dpError::Decoder)?;
        let signal = Signal::new().map_err(|error| A2dpError::Descriptor(error.into()))?;
        rustix::io::ioctl_fionbio(&socket, true)
            .map_err(|error| A2dpError::Descriptor(io::Error::from(error)))?;
        let signal = Arc::new(signal);
        let meters = Arc::new(Meters::default());
        let (outlets, new_outlets) = mpsc::channel();
        let intake = Intake::new(
            socket,
            Arc::clone(&signal),
            new_outlets,
            receiver,
            Reporter::new(id, events),
            Arc::clone(&meters),
            music,
        );
        let thread = thread::Builder::new()
            .name("dotd-a2dp".to_owned())
            .stack_size(STACK)
            .spawn(move || intake.run(usize::from(read_mtu)))
            .map_err(A2dpError::Thread)?;
        Ok(Self {
            format: music.format,
            meters,
            signal,
            outlets,
            thread: Some(thread),
        })
    }

    /// Makes a source to play the stream from. The one made before, if any, falls silent.
    pub fn source(&self) -> Box<dyn Source + Send> {
        let (rate, channels) = (self.format.rate(), usize::from(self.format.channels()));
        let (outlet, player) = playout::outlet(rate, channels, (rate / 1000 * RING_MS) as usize);
        // When the thread has ended there is nothing to play, and the source is silent.
        self.outlets.send(outlet).ok();
        self.signal.wake();
        Box::new(player.bending_silence())
    }

    /// Returns the dials of the stream.
    pub fn meters(&self) -> Arc<Meters> {
        Arc::clone(&self.meters)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                tracing::error!("the stream's thread panicked; please report this as a bug");
            }
        }
    }
}
