//! The sound of a call: from a SCO socket to what can be played, and from what was captured to the
//! socket.
//!
//! Invariant: the thread ends with the handle, or by itself when the link ends, and closes the socket
//! either way. A link that ended by itself reports
//! [`HandsFreeFact::VoiceEnded`](crate::policy::calls::event::HandsFreeFact::VoiceEnded) exactly
//! once; one that was dropped reports nothing.
//!
//! ```text
//!            ┌─ Downlink ─▶ pcm::playout ─▶ audio thread         incoming
//! SCO socket ┤     └─ arrivals ─▶ Pacer: when to send
//!            └─ Uplink ◀─ Fade ◀─ ring ◀─ audio thread           outgoing, capture
//!                                  └─ Level: how fast to capture
//! ```

mod capture;
mod error;
mod fade;
mod flow;
mod incoming;
mod level;
mod meters;
mod outgoing;
mod pacer;
mod report;
mod socket;
mod thread;

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::io::Errno;
use tokio::sync::mpsc as queue;

use crate::hfp::Codec;
use crate::pcm::playout::{self, Outlet};
use crate::pcm::{Signal, Sink, Source};
use crate::policy::Event;
use crate::policy::calls::event::VoiceSpec;
use crate::policy::model::Address;

pub use error::VoiceError;
pub use meters::{VoiceMeters, VoiceReading};

use super::words::hfp_codec;
use capture::{Inlet, capture};
use report::Reporter;
use thread::{Controls, Exchange, Shared};

/// Enough for the codecs, also in a debug build, which 128 KiB are not.
const STACK: usize = 256 * 1024;

/// What the ring of the player holds, in milliseconds: more than any target and any turn of a
/// graph, so that it runs over only when nobody plays.
const RING_MS: u32 = 400;

/// The voice link of a call. Dropping it ends it.
pub struct Voice {
    codec: Codec,
    signal: Arc<Signal>,
    controls: Arc<Controls>,
    meters: Arc<VoiceMeters>,
    outlets: mpsc::Sender<Outlet>,
    inlets: mpsc::Sender<Inlet>,
    thread: Option<JoinHandle<()>>,
}

impl Voice {
    /// Starts to exchange packets of the `spec`'s codec, of at most `mtu` bytes each, with `phone`
    /// through `socket`, a SCO link that is up. The phone gets silence until there is a sink, and
    /// while muted; the microphone's steps are those of [`set_microphone`](Self::set_microphone).
    ///
    /// # Errors
    /// When the system gives no thread, descriptor or memory.
    pub fn start(
        phone: Address,
        socket: OwnedFd,
        mtu: u16,
        spec: &VoiceSpec,
        events: queue::Sender<Event>,
    ) -> Result<Self, VoiceError> {
        let codec = hfp_codec(spec.codec);
        let descriptor = |error: Errno| VoiceError::Descriptor(io::Error::from(error));
        let signal = Arc::new(Signal::new().map_err(descriptor)?);
        rustix::io::ioctl_fionbio(&socket, true).map_err(descriptor)?;
        let controls = Arc::new(Controls {
            muted: AtomicBool::new(spec.muted),
            microphone: AtomicU8::new(spec.microphone),
        });
        let meters = Arc::new(VoiceMeters::default());
        let (outlets, new_outlets) = mpsc::channel();
        let (inlets, new_inlets) = mpsc::channel();
        let shared = Shared {
            signal: Arc::clone(&signal),
            controls: Arc::clone(&controls),
            meters: Arc::clone(&meters),
            new_outlets,
            new_inlets,
        };
        let reporter = Reporter::new(phone, spec.id, events);
        let exchange = Exchange::new(socket, mtu, codec, shared, reporter)?;
        let thread = std::thread::Builder::new()
            .name("dotd-voice".to_owned())
            .stack_size(STACK)
            .spawn(move || exchange.run())
            .map_err(VoiceError::Thread)?;
        Ok(Self {
            codec,
            signal,
            controls,
            meters,
            outlets,
            inlets,
            thread: Some(thread),
        })
    }

    /// Makes a source to play the phone's sound from: mono, at the codec's rate. The one made
    /// before, if any, falls silent.
    pub fn source(&self) -> Box<dyn Source + Send> {
        let rate = self.codec.rate();
        let (outlet, player) = playout::outlet(rate, 1, (rate / 1000 * RING_MS) as usize);
        // When the thread has ended there is nothing to play, and the source is silent.
        self.outlets.send(outlet).ok();
        self.signal.wake();
        Box::new(player)
    }

    /// Returns what makes sinks for captured sound: mono, at the codec's rate. The phone hears what
    /// goes into the one made last.
    pub fn sinks(&self) -> Box<dyn Fn() -> Box<dyn Sink + Send> + Send> {
        let rate = self.codec.rate();
        let (inlets, signal) = (self.inlets.clone(), Arc::clone(&self.signal));
        Box::new(move || -> Box<dyn Sink + Send> {
            let (sink, inlet) = capture(rate);
            // When the thread has ended nobody hears it.
            inlets.send(inlet).ok();
            signal.wake();
            Box::new(sink)
        })
    }

    /// Sends the phone silence from here on, or not any more.
    pub fn mute(&self, on: bool) {
        self.controls.muted.store(on, Relaxed);
    }

    /// Sets how loud the phone gets the room, 0 to 15 (HFP 1.9, 4.28): the highest sends sound as it
    /// is, each step below is 2 dB less, and the lowest is silence.
    pub fn set_microphone(&self, steps: u8) {
        self.controls.microphone.store(steps, Relaxed);
    }

    /// Returns the dials of the link.
    pub fn meters(&self) -> Arc<VoiceMeters> {
        Arc::clone(&self.meters)
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                tracing::error!("the thread of a call panicked; please report this as a bug");
            }
        }
    }
}
