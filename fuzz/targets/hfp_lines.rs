//! What a phone says to its hands-free unit, with commands and time in between.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dotd::fuzzing::hfp_lines(bytes));
