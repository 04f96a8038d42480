//! Where the daemon's words go: the journal under systemd, else standard error.
//!
//! Invariant: one line per thing that happened to a person at the level INFO; what only a programmer
//! wants is DEBUG and off unless `DOTD_LOG` asks for it (`debug`, or `dotd::audio=trace,info`).

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::policy::Story;

/// The variable that says how much is logged.
const VARIABLE: &str = "DOTD_LOG";

/// Starts to log. A filter that cannot be read is told of and the default is used.
pub(super) fn start() {
    let default = || Targets::new().with_default(LevelFilter::INFO);
    let (filter, problem) = match std::env::var(VARIABLE) {
        Ok(text) => match text.parse() {
            Ok(filter) => (filter, None),
            Err(error) => (
                default(),
                Some(format!("{VARIABLE}={text} is not a filter: {error}")),
            ),
        },
        Err(_) => (default(), None),
    };
    let registry = tracing_subscriber::registry();
    // systemd names the journal's stream; a service whose output goes elsewhere has no such name.
    match std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok()) {
        Some(journal) => registry.with(journal.with_filter(filter)).init(),
        None => {
            let to_terminal = fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false);
            registry.with(to_terminal.with_filter(filter)).init();
        }
    }
    if let Some(problem) = problem {
        tracing::warn!("{problem}; use debug, info or dotd::audio=trace,info");
    }
}

/// Tells a story in the log.
pub(super) fn tell(story: &Story) {
    match (story.is_warning(), story.phone()) {
        (true, Some(phone)) => tracing::warn!(%phone, "{story}"),
        (true, None) => tracing::warn!("{story}"),
        (false, Some(phone)) => tracing::info!(%phone, "{story}"),
        (false, None) => tracing::info!("{story}"),
    }
}
