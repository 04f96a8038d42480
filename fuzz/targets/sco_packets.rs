//! Packets of call audio, each after two bytes with its status and length; the first byte of all
//! tells the codec.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dotd::fuzzing::sco_packets(bytes));
