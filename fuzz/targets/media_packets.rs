//! Media packets of one stream, each after two bytes with its length.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dotd::fuzzing::media_packets(bytes));
