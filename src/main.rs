//! dotd.
fn main() {}
