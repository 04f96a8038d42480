//! The Bluetooth room by hand: prints its events as JSON lines and takes orders (`RadioAction`) the
//! same way, to see what BlueZ really does.
//!
//!     cargo run --example radio_console
//!     {"radio":"use-adapter","id":"hci0","endpoints":3,"hands_free":true}
//!     {"radio":"open-window","length":{"secs":60,"nanos":0}}
//!
//! Three lines are its own: `yes` and `no` set how BlueZ's questions are answered from then on (no
//! at first), `quit` ends it in order, as the end of the input does. Sockets of phones that want to
//! play are taken and their packets counted.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dotd::bluetooth::{Bluetooth, CoverFolders, MediaSocket};
use dotd::policy::action::RadioAction;
use dotd::policy::event::{Event, TransportState};
use dotd::policy::model::TransportId;
use tokio::sync::mpsc;

type AnyError = Box<dyn std::error::Error>;

/// A socket with the number of packets and bytes that came out of it.
struct Stream {
    socket: MediaSocket,
    packets: u64,
    bytes: usize,
}

struct Console {
    bluetooth: Bluetooth,
    streams: BTreeMap<TransportId, Stream>,
    allow: bool,
    started: Instant,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let (events, mut happened) = mpsc::channel(64);
    let (gateways, _) = mpsc::unbounded_channel();
    let mut console = Console {
        bluetooth: Bluetooth::start(events, gateways, 0, CoverFolders::default()).await?,
        streams: BTreeMap::new(),
        allow: false,
        started: Instant::now(),
    };
    let mut typed = typed_lines();
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        tokio::select! {
            line = typed.recv() => match line {
                Some(line) if line.trim() != "quit" => console.typed(&line),
                _ => break,
            },
            Some(event) = happened.recv() => console.happened(event).await?,
            _ = tick.tick() => console.drain(),
        }
    }
    console.bluetooth.stop().await;
    Ok(())
}

impl Console {
    fn typed(&mut self, line: &str) {
        match (line.trim(), serde_json::from_str::<RadioAction>(line)) {
            ("yes", _) => self.allow = true,
            ("no", _) => self.allow = false,
            (_, Ok(order)) => self.bluetooth.order(order),
            (_, Err(error)) => tracing::error!(%error, "not an order; write RadioAction as JSON"),
        }
    }

    async fn happened(&mut self, event: Event) -> Result<(), AnyError> {
        self.print(&serde_json::to_value(&event)?);
        match event {
            Event::AgentAsked { id, .. } => {
                let allow = self.allow;
                self.bluetooth.order(RadioAction::AnswerAgent { id, allow });
            }
            Event::TransportChanged {
                transport,
                state: TransportState::Pending,
            } => match self.bluetooth.acquire(transport.clone()).await {
                Ok(socket) => {
                    self.print(&serde_json::json!({"acquired": transport, "mtu": socket.read_mtu}));
                    let stream = Stream {
                        socket,
                        packets: 0,
                        bytes: 0,
                    };
                    self.streams.insert(transport, stream);
                }
                Err(error) => tracing::error!(%error, "no socket"),
            },
            Event::TransportChanged {
                transport,
                state: TransportState::Idle,
            }
            | Event::TransportClosed { transport } => self.drop_stream(&transport),
            _ => {}
        }
        Ok(())
    }

    fn drop_stream(&mut self, transport: &TransportId) {
        if let Some(stream) = self.streams.remove(transport) {
            let (packets, bytes) = (stream.packets, stream.bytes);
            self.print(
                &serde_json::json!({"dropped": transport, "packets": packets, "bytes": bytes}),
            );
        }
    }

    fn drain(&mut self) {
        for stream in self.streams.values_mut() {
            let mut packet = [0; 4096];
            while let Ok(length @ 1..) = rustix::io::read(stream.socket.fd.as_fd(), &mut packet) {
                stream.packets += 1;
                stream.bytes += length;
            }
        }
    }

    fn print(&self, value: &serde_json::Value) {
        let at = self.started.elapsed().as_secs_f64();
        println!("{}", serde_json::json!({"at": at, "what": value}));
    }
}

/// Reads standard input on a thread of its own, because it blocks.
fn typed_lines() -> mpsc::UnboundedReceiver<String> {
    let (lines, typed) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    typed
}
