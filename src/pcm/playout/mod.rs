//! Sound that comes in packets, and is played evenly: the way from the thread that receives it to
//! the audio thread.
//!
//! Invariant: what is decided here is decided without a clock or a thread, in [`Controller`] and
//! [`Servo`]; the [`Player`] is real-time safe; and how music and calls differ is in [`Aims`] alone.
//!
//! ```text
//! packets ─▶ ring ─────────────────────────────────────────▶ Player ─▶ audio thread
//!    └─────▶ Controller ── Link: begin, pace ──▶ ◀── where it is ──┘
//! ```

mod aims;
mod buffer;
mod lateness;
mod link;
mod player;
mod servo;

use std::sync::Arc;

pub use aims::{Aims, Delay};
pub use buffer::{Controller, Orders, Playout};
pub use link::Link;
pub use player::Player;
pub use servo::Servo;

use super::{Writer, ring};

/// The receiver's end of the way to a player.
pub struct Outlet {
    /// Where sound goes in.
    pub ring: Writer,
    /// What both ends tell each other.
    pub link: Arc<Link>,
}

/// Makes a player of interleaved sound, and the way to it, which holds `frames` frames.
pub fn outlet(rate: u32, channels: usize, frames: usize) -> (Outlet, Player) {
    let (writer, reader) = ring(channels, frames);
    let link = Arc::new(Link::new());
    let outlet = Outlet {
        ring: writer,
        link: Arc::clone(&link),
    };
    (outlet, Player::new(reader, link, rate, channels))
}
