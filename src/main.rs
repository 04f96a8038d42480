//! The daemon `dotd`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dotd::daemon::main()
}
