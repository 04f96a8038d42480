//! What bluer does not have: our A2DP sink endpoints and the transports that phones open on them.

pub(super) mod endpoint;
pub(super) mod transport;
