//! A private bus with the real D-Bus service on it, behind which a test plays the policy.
//!
//! Invariant: nothing waits without a deadline, and nothing waits for time to pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod bus;
pub(crate) mod client;
pub(crate) mod dotctl;
pub(crate) mod speaker;

use std::time::Duration;

/// Longer than anything takes on a busy machine; reaching it is a failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
