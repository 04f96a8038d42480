//! What can go wrong between us and obexd.
//!
//! Invariant: every text ends in what the admin can do.

use std::io;
use std::path::PathBuf;

use super::super::error::BluetoothError;
use super::files::{LARGEST, WIDEST};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub(super) enum CoverError {
    /// Nobody can be asked for any.
    #[error("{source}; look at: systemctl status dbus")]
    Bus {
        /// What the bus said.
        source: zbus::Error,
    },
    /// The bus ended the connection.
    #[error("the system bus says nothing more; look at: systemctl status dbus")]
    Deaf,
    /// The radio is not what it was.
    #[error(transparent)]
    Radio(#[from] BluetoothError),
    /// The phone is not connected.
    #[error("the phone has left; connect it again")]
    Left,
    /// obexd took too long.
    #[error("obexd did not {what} in time; look at: journalctl -u dotd-obexd")]
    Silent {
        /// What it was asked to do.
        what: &'static str,
    },
    /// obexd said no, or left.
    #[error("obexd would not {what}: {source}; look at: journalctl -u dotd-obexd")]
    Refused {
        /// What it was asked to do.
        what: &'static str,
        /// What it answered.
        source: zbus::Error,
    },
    /// obexd answered something else than its interface promises.
    #[error("obexd answered nonsense when asked to {what}; check that BlueZ is 5.80 or newer")]
    Nonsense {
        /// What it was asked to do.
        what: &'static str,
    },
    /// The phone was too slow.
    #[error("the phone did not send its picture in time; bring it nearer")]
    Late,
    /// The phone does not have it after all.
    #[error("the phone did not send its picture; look at: journalctl -u dotd-obexd")]
    NotSent,
    /// It would fill the memory, and there is no end to it yet.
    #[error("the phone sends more than {LARGEST} bytes; choose another app on the phone")]
    Endless,
    /// It is there, and of no use.
    #[error("the phone's picture has more than {LARGEST} bytes; choose another app on the phone")]
    TooLarge,
    /// Whoever shows it would need too much memory.
    #[error(
        "the phone's picture has {width} x {height} points, more than {WIDEST} x {WIDEST}; choose \
         another app on the phone"
    )]
    TooWide {
        /// How many there are beside each other.
        width: u16,
        /// How many there are below each other.
        height: u16,
    },
    /// It may be anything.
    #[error("what the phone sent is no JPEG; choose another app on the phone")]
    NoPicture,
    /// There is no room for it.
    #[error("cannot keep a picture in {path}: it is full; look at what fills it: df {path}")]
    Full {
        /// Where it was to be.
        path: PathBuf,
    },
    /// There is no place for it.
    #[error(
        "cannot keep a picture in {path}: {source}; run: systemd-tmpfiles --create dotd.conf && \
         systemctl restart dotd-obexd dotd"
    )]
    Folder {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CoverError {
    /// Says whether nobody knows any more what the link is good for. One through which something is still
    /// on its way is good for nothing: obexd 5.82 takes the rest for the answer to what it asks next
    /// (g_obex_cancel_req where the phone need not be asked for each packet).
    pub(super) fn breaks_the_link(&self) -> bool {
        match self {
            Self::Bus { .. } | Self::Deaf | Self::Radio(_) | Self::Left => true,
            Self::Silent { .. } | Self::Refused { .. } | Self::Nonsense { .. } => true,
            Self::Late | Self::Endless => true,
            Self::NotSent | Self::TooLarge | Self::TooWide { .. } => false,
            Self::NoPicture | Self::Full { .. } | Self::Folder { .. } => false,
        }
    }
}
