//! The thread that owns all of PipeWire's objects.
//!
//! Invariant: one loop: let PipeWire run until there is something to do, work off what it told,
//! work off the orders, tell the daemon. It never blocks on the queue of events, whose reader may
//! be waiting for this thread to end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use pipewire::channel::{self, Receiver, Sender};
use pipewire::context::ContextRc;
use pipewire::keys;
use pipewire::main_loop::MainLoopRc;
use pipewire::properties::properties;
use tokio::sync::mpsc as queue;

use crate::pcm::Source;
use crate::policy::Event;
use crate::policy::model::{Address, Volume};

use super::room::Room;
use super::{AudioError, AudioSettings, Sinks, StreamKey, StreamSpec};

/// libpipewire parses its configuration on this stack.
const STACK: usize = 512 * 1024;

/// What the thread can be told.
pub(super) enum Order {
    Prepare {
        key: StreamKey,
        spec: StreamSpec,
    },
    Play {
        key: StreamKey,
        spec: StreamSpec,
        source: Box<dyn Source + Send>,
    },
    SetVolume {
        key: StreamKey,
        volume: Volume,
    },
    Hush {
        key: StreamKey,
        on: bool,
    },
    Mute {
        on: bool,
    },
    Stop {
        key: StreamKey,
    },
    Release {
        key: StreamKey,
    },
    PrepareToListen {
        phone: Address,
        name: String,
        rate: u32,
    },
    Listen {
        phone: Address,
        name: String,
        rate: u32,
        sinks: Sinks,
    },
    StopListening {
        phone: Address,
    },
    Reconfigure(AudioSettings),
    Quit,
}

/// Starts the thread, and returns once libpipewire is known to work.
pub(super) fn start(
    settings: AudioSettings,
    events: queue::Sender<Event>,
) -> Result<(Sender<Order>, JoinHandle<()>), AudioError> {
    let (sender, orders) = channel::channel();
    let (ready, started) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("dotd-audio".to_owned())
        .stack_size(STACK)
        .spawn(move || match library() {
            Ok((main_loop, context)) => {
                ready.send(Ok(())).ok();
                run(Room::new(context, settings, events), &main_loop, orders);
            }
            Err(error) => {
                ready.send(Err(error)).ok();
            }
        })
        .map_err(AudioError::Thread)?;
    match started.recv() {
        Ok(Err(error)) => Err(AudioError::Library(error)),
        _ => Ok((sender, thread)),
    }
}

fn library() -> Result<(MainLoopRc, ContextRc), pipewire::Error> {
    pipewire::init();
    let main_loop = MainLoopRc::new(None)?;
    let properties = properties! { *keys::APP_NAME => "dotd" };
    let context = ContextRc::new(&main_loop, Some(properties))?;
    Ok((main_loop, context))
}

fn run(mut room: Room, main_loop: &MainLoopRc, orders: Receiver<Order>) {
    let arrived = Rc::new(RefCell::new(VecDeque::new()));
    let arriving = Rc::clone(&arrived);
    let _attached = orders.attach(main_loop.loop_(), move |order| {
        arriving.borrow_mut().push_back(order);
    });
    loop {
        let timeout = room.settle(Instant::now());
        main_loop.loop_().iterate(timeout);
        room.work_off_notices(Instant::now());
        // Taken out first: carrying an order out may let PipeWire call back.
        let orders: Vec<Order> = arrived.borrow_mut().drain(..).collect();
        for order in orders {
            match order {
                Order::Quit => return room.fade_out(main_loop),
                order => room.carry_out(order, Instant::now()),
            }
        }
    }
}
