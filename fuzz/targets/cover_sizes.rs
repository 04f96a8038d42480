//! What a phone sends as the cover of what it plays.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dotd::fuzzing::cover_sizes(bytes));
