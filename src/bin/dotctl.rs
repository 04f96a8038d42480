//! dotctl: looks at the speaker and tells it what to do.

use std::process::ExitCode;

fn main() -> ExitCode {
    dotd::ctl::main()
}
