//! One file per command, or per handful that differ in one word.

pub(super) mod config;
pub(super) mod monitor;
pub(super) mod name;
pub(super) mod pair;
pub(super) mod phone;
pub(super) mod phones;
pub(super) mod status;
pub(super) mod volume;
