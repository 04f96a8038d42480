//! PipeWire: where sound goes.
//!
//! Invariant: this room decides nothing about phones. It plays the sources it is given, on the
//! output it is told, and reports whether there is a server and an output. PipeWire's objects are
//! bound to one thread, which owns them all; its real-time thread only ever runs
//! [`callback`](self::callback).
//!
//! A server that is not there yet, goes away or comes back is handled inside. Its streams are gone
//! with it: whoever hears [`Event::AudioFound`] plays again what should be heard.

mod callback;
mod error;
mod gain;
mod graph;
mod hatch;
mod session;
mod thread;
mod voice;

use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::pcm::Source;
use crate::policy::Event;
use crate::policy::model::{TransportId, Volume};

pub use error::AudioError;

use thread::Order;

/// Where to play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudioSettings {
    /// The PipeWire server, by socket name or path; the usual one if nothing is said.
    pub remote: Option<String>,
    /// The output, by node name or description; the default one if nothing is said, and while it
    /// is not there.
    pub output: Option<String>,
}

/// What a stream is for; session managers route and duck by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Music.
    Music,
}

/// What a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// What people see it called: the phone's name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Sampling rate in Hz.
    pub rate: u32,
    /// Number of channels: 1 or 2.
    pub channels: u8,
    /// How loud.
    pub volume: Volume,
}

/// The thread that talks to PipeWire. Dropping it ends all streams.
pub struct Audio {
    orders: pipewire::channel::Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Audio {
    /// Starts the thread, which finds the server whenever it comes.
    ///
    /// # Errors
    /// When there is no thread to be had, or libpipewire does not work at all.
    pub fn start(settings: AudioSettings, events: mpsc::Sender<Event>) -> Result<Self, AudioError> {
        let (orders, thread) = thread::start(settings, events)?;
        Ok(Self {
            orders,
            thread: Some(thread),
        })
    }

    /// Makes a silent stream for transport `id`, linked to its output, so that what it plays later
    /// is heard from the first sample on. Does nothing while there is no server: prepare again on
    /// [`Event::AudioFound`].
    pub fn prepare(&self, id: TransportId, spec: StreamSpec) {
        self.send(Order::Prepare { id, spec });
    }

    /// Plays `source`, in place of what transport `id` played before. Does nothing while there is
    /// no server: play again on [`Event::AudioFound`].
    pub fn play(&self, id: TransportId, spec: StreamSpec, source: Box<dyn Source + Send>) {
        self.send(Order::Play { id, spec, source });
    }

    /// Changes how loud a stream is, without a click.
    pub fn set_volume(&self, id: &TransportId, volume: Volume) {
        self.send(Order::SetVolume {
            id: id.clone(),
            volume,
        });
    }

    /// Silences a stream after a short fade. It stays ready.
    pub fn stop(&self, id: &TransportId) {
        self.send(Order::Stop { id: id.clone() });
    }

    /// Lets go of a stream; one that is heard fades.
    pub fn release(&self, id: &TransportId) {
        self.send(Order::Release { id: id.clone() });
    }

    /// Plays elsewhere from now on. Streams move along when only the output changes.
    pub fn reconfigure(&self, settings: AudioSettings) {
        self.send(Order::Reconfigure(settings));
    }

    fn send(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("the audio thread is gone; restart with `systemctl restart dotd`");
        }
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.send(Order::Quit);
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                tracing::error!("the audio thread panicked; please report this as a bug");
            }
        }
    }
}
