//! Packets: how long they usually are, and what the kernel says of one.
//!
//! Invariant: what cannot be set up is refused when a link is made, never in the middle of a call.

use thiserror::Error;

use super::Codec;

impl Codec {
    /// Returns the size in bytes of the packets that links carry if nothing else is known: 60 are
    /// one frame with its header, 48 are 3 ms of samples.
    pub const fn usual_packet(self) -> usize {
        match self {
            Self::Cvsd => 48,
            Self::Msbc | Self::Lc3Swb => super::h2::FRAME,
        }
    }
}

/// Why a codec could not be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// No memory for the library behind it.
    #[error("no memory for a codec; see `systemctl status dotd` for the unit's MemoryMax=")]
    Memory,
}

/// What the controller says of a packet: `BT_SCM_PKT_STATUS`, two bits of its header on the way
/// from controller to host (Bluetooth Core 5.4, volume 4, part E, 5.4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PacketStatus {
    /// Received as sent, as far as the controller can tell. Also when it does not tell.
    #[default]
    Correct,
    /// It may hold errors.
    Doubtful,
    /// Nothing was received; the bytes stand in for it.
    NoData,
    /// A part of it was not received.
    Partial,
}

impl PacketStatus {
    /// Reads the byte of the control message that comes with a packet.
    pub const fn from_byte(byte: u8) -> Self {
        match byte & 3 {
            1 => Self::Doubtful,
            2 => Self::NoData,
            3 => Self::Partial,
            _ => Self::Correct,
        }
    }

    pub(super) fn is_bad(self) -> bool {
        self != Self::Correct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_two_bits() {
        let statuses = [0, 1, 2, 3, 4].map(PacketStatus::from_byte);
        assert_eq!(
            statuses,
            [
                PacketStatus::Correct,
                PacketStatus::Doubtful,
                PacketStatus::NoData,
                PacketStatus::Partial,
                PacketStatus::Correct,
            ]
        );
    }
}
