//! The daemon: the one room that sees all others, and only puts them together.
//!
//! ```text
//! bluetooth ─┐                                                   ┌─▶ bluetooth
//! a2dp ──────┤                                                   ├─▶ a2dp, audio
//! handsfree ─┤                                                   ├─▶ handsfree
//! audio ─────┼─▶ events ─▶ run (policy) ─▶ actions ─▶ executor ──┼─▶ timers
//! api ───────┤                  │                                ├─▶ api (replies, stories)
//! timers ────┘                  ├─▶ store                        └─▶ journal
//! signals ─▶ configuration      └─▶ snapshot ─▶ api, systemd
//! ```
//!
//! Invariant: whatever ends the daemon ends it with a sentence and an exit code: 0 when it was told
//! to stop, 78 for a broken configuration (EX_CONFIG), 1 for anything else.

mod calls;
mod error;
mod executor;
mod held;
mod logging;
mod notify;
mod recorder;
mod reloads;
mod run;
mod signals;
mod timers;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{self, DaemonArgs};
use crate::config;
use error::DaemonError;

/// Runs `dotd` with the arguments of the process.
#[expect(
    clippy::print_stderr,
    reason = "the log is not there yet, or is not what was asked for"
)]
pub fn main() -> ExitCode {
    let arguments = DaemonArgs::parse();
    let load = if arguments.check_config {
        config::load
    } else {
        config::load_alone
    };
    let settings = match load(&arguments.config) {
        Ok(settings) => settings,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(cli::EXIT_CONFIG);
        }
    };
    if arguments.check_config {
        return ExitCode::SUCCESS;
    }
    logging::start();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DaemonError::Runtime)
        .and_then(|runtime| runtime.block_on(run::run(arguments, settings)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
