//! One stream in PipeWire that captures: what a microphone hears, for one phone.
//!
//! Invariant: it is linked to its microphone and to nothing else, so that nobody hears in a call
//! what is played; while that microphone is away it hears nothing, and before it is woken it does not
//! listen. Made and dropped on the audio thread; what runs on the real-time thread allocates, locks,
//! logs and asks the system nothing.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use pipewire::Error;
use pipewire::core::CoreRc;
use pipewire::spa::pod::Pod;
use pipewire::spa::sys as spa;
use pipewire::spa::utils::Direction;
use pipewire::stream::{Stream, StreamFlags, StreamListener, StreamRc, StreamState};

use crate::pcm::Sink;
use crate::policy::model::Address;

use super::clock::{self, RateMatch};
use super::describe;
use super::graph::Endpoint;
use super::hatch::{Hatch, Inlet, hatch};
use super::notice::{Inbox, Notice};

/// A stream that captures from its waking until it is dropped.
pub(super) struct Capture {
    // The listeners go first: they hold what the stream calls.
    _turns: StreamListener<Ear>,
    _changes: StreamListener<()>,
    stream: StreamRc,
    serial: u64,
    hatch: Hatch<Box<dyn Sink + Send>>,
    awake: bool,
}

impl Capture {
    /// Makes one for a phone, with a number of its own, that will give what `microphone` hears as
    /// one channel at `rate` Hz. It rests. People see it as `name`.
    pub(super) fn new(
        core: CoreRc,
        (phone, serial): (Address, u64),
        (name, rate): (&str, u32),
        microphone: &Endpoint,
        inbox: &Rc<RefCell<Inbox>>,
    ) -> Result<Self, Error> {
        let properties = describe::capture(phone, name, &microphone.name);
        let stream = StreamRc::new(core, "dotd", properties)?;
        let rate_match = Arc::new(RateMatch::default());
        let (hatch, inlet) = hatch();
        let ear = Ear {
            sink: None,
            inlet,
            rate_match: Arc::clone(&rate_match),
            rate,
        };
        let turns = stream
            .add_local_listener_with_user_data(ear)
            .process(|stream, ear| ear.process(stream))
            .register()?;
        let inbox = Rc::clone(inbox);
        let changes = stream
            .add_local_listener_with_user_data(())
            .state_changed(move |_, (), _, new| {
                if let StreamState::Error(error) = new {
                    let notice = Notice::CaptureFailed {
                        phone,
                        serial,
                        error,
                    };
                    inbox.borrow_mut().push(notice);
                }
            })
            .io_changed(move |_, (), area_id, area, _| {
                if area_id == spa::SPA_IO_RateMatch {
                    rate_match.lend(area.cast());
                }
            })
            .register()?;
        let format = describe::format(rate, 1)?;
        let mut params = [Pod::from_bytes(&format).ok_or(Error::CreationFailed)?];
        stream.connect(
            Direction::Input,
            None,
            StreamFlags::AUTOCONNECT
                | StreamFlags::MAP_BUFFERS
                | StreamFlags::RT_PROCESS
                | StreamFlags::INACTIVE,
            &mut params,
        )?;
        Ok(Self {
            _turns: turns,
            _changes: changes,
            stream,
            serial,
            hatch,
            awake: false,
        })
    }

    /// Says whether it listens.
    pub(super) fn is_awake(&self) -> bool {
        self.awake
    }

    /// Listens from now on, for `sink`.
    pub(super) fn wake(&mut self, sink: Box<dyn Sink + Send>) -> Result<(), Error> {
        self.awake = true;
        self.hatch.hand(sink).map_err(|_| Error::CreationFailed)?;
        self.stream.set_active(true)
    }

    /// The number it was made with.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }
}

/// The stream, as the real-time thread knows it.
struct Ear {
    sink: Option<Box<dyn Sink + Send>>,
    inlet: Inlet<Box<dyn Sink + Send>>,
    rate_match: Arc<RateMatch>,
    rate: u32,
}

impl Ear {
    /// Empties all buffers that are full: one, unless the graph was held up.
    fn process(&mut self, stream: &Stream) {
        self.inlet.take(&mut self.sink);
        let cycle = clock::cycle(stream, self.rate);
        while let Some(mut buffer) = stream.dequeue_buffer() {
            let Some(data) = buffer.datas_mut().first_mut() else {
                continue;
            };
            let chunk = data.chunk();
            let (offset, size) = (chunk.offset() as usize, chunk.size() as usize);
            let Some(bytes) = data.data() else {
                continue;
            };
            let start = offset.min(bytes.len());
            let end = start + size.min(bytes.len() - start);
            // SAFETY: any bytes are valid samples, and the slice is cut where they are aligned;
            // PipeWire aligns its buffers far better than that.
            let (_, samples, _) = unsafe { bytes[start..end].align_to::<f32>() };
            if let Some(sink) = self.sink.as_mut().filter(|_| !samples.is_empty()) {
                let pace = sink.push(samples, cycle);
                // A sink that wants more gets more for what the microphone gives.
                self.rate_match.set(pace.ratio());
            }
        }
    }
}
