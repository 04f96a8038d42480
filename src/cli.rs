//! The command line of the daemon, `dotd`.
//!
//! Invariant: the manual page dotd(8) is made of this definition, so the two cannot differ.

use std::path::PathBuf;

use clap::Parser;

use crate::config;

/// Where the daemon keeps its state when nobody says otherwise.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/dotd";

/// The exit code for a configuration that is not valid (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// Turns this machine into a Bluetooth speaker
///
/// dotd lets phones pair while its pairing window is open, connects those that are trusted and
/// plays their music through PipeWire. It runs as a service; dotctl(1) talks to it.
#[derive(Debug, Parser)]
#[command(name = "dotd", version)]
pub struct DaemonArgs {
    /// Configuration file; when it does not exist, the defaults hold
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,

    /// Check the configuration file, tell everything that is wrong with it, and exit
    #[arg(long)]
    pub check_config: bool,

    /// Directory to keep trusted phones and choices made at run time in
    #[arg(
        long,
        value_name = "DIR",
        env = "STATE_DIRECTORY",
        default_value = DEFAULT_STATE_DIR
    )]
    pub state_dir: PathBuf,

    /// Write down every event, one a line, to be replayed in a test
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub record: Option<PathBuf>,
}
