//! PipeWire: where sound goes, and where the room's comes from.
//!
//! Invariant: this room decides nothing about phones. It plays the sources it is given, on the
//! output it is told; it gives what the microphone hears to the sinks it is given, and never what
//! an output plays; it reports whether there is a server, an output and a microphone. PipeWire's
//! objects are bound to one thread, which owns them all; its real-time thread only ever runs
//! [`callback`](self::callback) and [`microphone`](self::microphone)'s, where [`echo`](self::echo) is
//! cancelled.
//!
//! A server that is not there yet, goes away or comes back is handled inside. Its streams are gone
//! with it: whoever hears [`Event::AudioFound`] plays again what should be heard. Who listens goes
//! on listening, and what was hushed stays hushed.

mod callback;
mod canceller;
mod clock;
mod describe;
mod echo;
mod error;
mod gain;
mod graph;
mod hatch;
mod links;
mod listening;
mod metadata;
mod microphone;
mod notice;
mod reference;
mod room;
mod session;
mod thread;
mod voice;

use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::pcm::shaping::Shape;
use crate::pcm::{Sink, Source};
use crate::policy::Event;
use crate::policy::model::{Address, TransportId, Volume};

pub use error::AudioError;

use thread::Order;

/// Where to play, and what to hear the room with, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSettings {
    /// The PipeWire server, by socket name or path; the usual one if nothing is said.
    pub remote: Option<String>,
    /// The output, by node name or description; the default one if nothing is said, and while it
    /// is not there.
    pub output: Option<String>,
    /// The microphone, by node name or description; the default one if nothing is said. While the
    /// one that is said is not there, there is none: another one may stand in another room.
    pub microphone: Option<String>,
    /// What the voice of a phone plays is taken out of what is heard for that phone.
    pub echo_cancelling: bool,
    /// What is done to all that plays.
    pub shape: Shape,
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self {
            remote: None,
            output: None,
            microphone: None,
            echo_cancelling: true,
            shape: Shape::default(),
        }
    }
}

/// Names a stream that plays, be it there or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamKey {
    /// The music of a transport.
    Music(TransportId),
    /// The other end of a phone's calls.
    Voice(Address),
    /// The ring tone for calls whose phone sends none.
    Ring,
}

/// What a stream is for; session managers route and duck by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Music.
    Music,
    /// People who talk to each other.
    Communication,
    /// Something that calls for attention.
    Notification,
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
    /// Whether it is to be heard as soon as can be. Every turn of the graph, and there are twice as many
    /// then, wakes a small computer up in several places.
    pub prompt: bool,
}

/// Makes the sinks of somebody who listens, one for each capture stream: microphones come and go.
/// Called on the audio thread, where the sinks are dropped as well: each before the next is made.
pub type Sinks = Box<dyn Fn() -> Box<dyn Sink + Send> + Send>;

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

    /// Makes a silent stream, linked to its output, so that what it plays later is heard from the
    /// first sample on. Does nothing while there is no server: prepare again on
    /// [`Event::AudioFound`].
    pub fn prepare(&self, key: StreamKey, spec: StreamSpec) {
        self.send(Order::Prepare { key, spec });
    }

    /// Plays `source`, in place of what the stream played before. Does nothing while there is no
    /// server: play again on [`Event::AudioFound`]. When PipeWire refuses, that is told by
    /// [`Event::StreamEnded`] for music, by
    /// [`VoiceUnheard`](crate::policy::calls::event::HandsFreeFact::VoiceUnheard) for a voice, and
    /// in the journal for the ring tone.
    pub fn play(&self, key: StreamKey, spec: StreamSpec, source: Box<dyn Source + Send>) {
        self.send(Order::Play { key, spec, source });
    }

    /// Changes how loud a stream is, without a click.
    pub fn set_volume(&self, key: StreamKey, volume: Volume) {
        self.send(Order::SetVolume { key, volume });
    }

    /// Has a stream not heard whatever its volume, or heard again, without a click. Stays in force
    /// for what it plays later, be the stream there or not, until [`release`](Self::release).
    pub fn hush(&self, key: StreamKey, on: bool) {
        self.send(Order::Hush { key, on });
    }

    /// Has no stream heard, whatever it is and whenever it begins, or all again, without a click.
    pub fn mute(&self, on: bool) {
        self.send(Order::Mute { on });
    }

    /// Silences a stream after a short fade. It stays ready.
    pub fn stop(&self, key: StreamKey) {
        self.send(Order::Stop { key });
    }

    /// Lets go of a stream; one that is heard fades.
    pub fn release(&self, key: StreamKey) {
        self.send(Order::Release { key });
    }

    /// Has a capture stream ready that rests, so that little of what is said is lost once somebody
    /// [listens](Self::listen) for this phone at the same rate. The microphone is not heard until then.
    pub fn prepare_to_listen(&self, phone: Address, name: String, rate: u32) {
        self.send(Order::PrepareToListen { phone, name, rate });
    }

    /// Gives what the microphone hears to a sink of `sinks`, as one channel at `rate` Hz, in place
    /// of what was done so for this phone before. The stream is seen as `name`. Microphones and
    /// servers may come and go meanwhile: each time sound begins anew, in a new sink. Where echo
    /// should be cancelled and cannot be, that is told by [`Event::EchoCancelling`].
    pub fn listen(&self, phone: Address, name: String, rate: u32, sinks: Sinks) {
        self.send(Order::Listen {
            phone,
            name,
            rate,
            sinks,
        });
    }

    /// Listens for this phone no more, and drops its sink; nor is anything ready for it any more.
    pub fn stop_listening(&self, phone: Address) {
        self.send(Order::StopListening { phone });
    }

    /// Plays elsewhere, otherwise and listens elsewhere from now on. Streams move along unless the
    /// server changes, and are silent for a moment if their sound does.
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
