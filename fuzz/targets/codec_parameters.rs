//! What a phone says it can do, and what it settles on.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dotd::fuzzing::codec_parameters(bytes));
