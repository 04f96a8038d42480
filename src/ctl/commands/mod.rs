//! One file per command, or per handful that differ in one word.

pub(super) mod assistant;
pub(super) mod call;
pub(super) mod calls;
pub(super) mod config;
pub(super) mod mic;
pub(super) mod monitor;
pub(super) mod mute;
pub(super) mod name;
pub(super) mod now;
pub(super) mod pair;
pub(super) mod phone;
pub(super) mod phones;
pub(super) mod player;
pub(super) mod status;
pub(super) mod volume;
