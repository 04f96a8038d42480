//! Signals from systemd and the admin, as messages.
//!
//! Invariant: the handlers are registered once, before anything else runs; a second request to stop
//! ends the process at once, should the first one hang.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Read the configuration again (SIGHUP).
    Reload,
    /// End in good order (SIGTERM, SIGINT).
    Stop,
}

/// Starts to listen.
///
/// # Errors
/// The system refused to register a handler or to start the thread.
pub(super) fn listen() -> io::Result<mpsc::UnboundedReceiver<Signal>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".into())
        .stack_size(64 * 1024)
        .spawn(move || {
            let mut stopping = false;
            for signal in signals.forever() {
                let wanted = if signal == SIGHUP {
                    Signal::Reload
                } else {
                    Signal::Stop
                };
                let impatient = wanted == Signal::Stop && std::mem::replace(&mut stopping, true);
                if impatient || sender.send(wanted).is_err() {
                    std::process::exit(128 + signal);
                }
            }
        })?;
    Ok(receiver)
}
