//! dotd: turns a Linux box into a Bluetooth speaker.
//!
//! Dependency rule (held by `tests/architecture.rs`): [`policy`] is pure and imports nothing but
//! `std` data and serde; `config` and `store` may use `policy::model`, and `config` asks `pcm` about
//! ring tones; `bluetooth`, `a2dp`,
//! `handsfree`, `audio` and `api` may use `policy` and never each other, except that `a2dp`,
//! `handsfree` and `audio` meet in `pcm`, which lies below them; [`hfp`] is pure and knows nobody,
//! and `handsfree` is what makes it meet the world; `ctl` sees `api` and `config`; only `daemon`
//! sees all.

// The made-up phone of the integration tests serves the unit tests as well.
#[cfg(test)]
extern crate self as dotd;

pub mod a2dp;
pub mod api;
pub mod audio;
pub mod bluetooth;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod daemon;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod handsfree;
pub mod hfp;
pub mod pcm;
pub mod policy;
pub mod store;
