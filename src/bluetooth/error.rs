//! What can go wrong between us and BlueZ.
//!
//! Invariant: every text ends in what the admin can do. Foreign error types stay behind `source()`.

use std::path::PathBuf;

use super::hci::HciError;

/// Why something could not be done with the radio.
#[derive(Debug, thiserror::Error)]
pub enum BluetoothError {
    /// No connection to the system bus.
    #[error("cannot reach the system bus: {source}; look at: systemctl status dbus")]
    Bus {
        /// What the bus library said.
        source: BusError,
    },
    /// bluetoothd is not on the bus.
    #[error("bluetoothd is not running; start it: systemctl start bluetooth")]
    NotRunning,
    /// Nobody ordered an adapter to be used, or it went away.
    #[error("no adapter is in use; plug one in, or name an existing one in the configuration")]
    NoAdapter,
    /// bluetoothd took too long.
    #[error("bluetoothd did not {what} in time; look at: journalctl -u bluetooth")]
    Late {
        /// What it was asked to do.
        what: &'static str,
    },
    /// bluetoothd said no.
    #[error("bluetoothd would not {what}: {source}; look at: journalctl -u bluetooth")]
    Refused {
        /// What it was asked to do.
        what: &'static str,
        /// What it answered.
        source: BusError,
    },
    /// bluetoothd answered something else than its interface promises.
    #[error("bluetoothd answered nonsense when asked to {what}; check that BlueZ is 5.66 or newer")]
    Nonsense {
        /// What it was asked to do.
        what: &'static str,
    },
    /// A voice link did not come up.
    #[error("the voice link did not come up: {source}; bring the phone nearer and call again")]
    Voice {
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Nobody knows where the controller sends the sound of calls.
    #[error(
        "cannot make sure that {adapter} brings the sound of calls here: {source}; if calls stay \
         silent, see CALLS in dotd(8)"
    )]
    VoiceRoute {
        /// The adapter.
        adapter: String,
        /// Why its controller could not be told.
        source: HciError,
    },
    /// A phone asked for a voice link and did not wait.
    #[error("the phone did not wait for its voice link; call again")]
    VoiceGone,
    /// A switch on the machine holds the radio off.
    #[error("a switch holds the radio of {adapter} off; turn the switch of the machine")]
    HardBlocked {
        /// The adapter.
        adapter: String,
    },
    /// Software holds the radio off and we may not lift that.
    #[error(
        "rfkill holds the radio of {adapter} off and {path} cannot be written: {source}; \
         run: rfkill unblock bluetooth"
    )]
    SoftBlocked {
        /// The adapter.
        adapter: String,
        /// The device through which blocks are lifted.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// An error of one of the two bus libraries, told and kept as a source.
pub type BusError = Box<dyn std::error::Error + Send + Sync>;

impl BluetoothError {
    /// Wraps a failure to talk to the bus itself.
    pub(super) fn bus(source: impl Into<BusError>) -> Self {
        Self::Bus {
            source: source.into(),
        }
    }

    /// Says whether a phone took its wish for a voice link back, which is no failure.
    pub fn is_withdrawal(&self) -> bool {
        match self {
            Self::VoiceGone => true,
            Self::Voice { source } => {
                let number = source.raw_os_error();
                [
                    libc::ECONNRESET,
                    libc::ECONNABORTED,
                    libc::ENOTCONN,
                    libc::EINVAL,
                ]
                .iter()
                .any(|gone| number == Some(*gone))
            }
            _ => false,
        }
    }

    /// Says whether a socket was asked for too late: its phone has stopped, and BlueZ tells that.
    pub fn has_stopped(&self) -> bool {
        self.says("org.bluez.Error.NotAvailable")
    }

    /// Says whether bluetoothd answered with the D-Bus error `name`.
    pub(super) fn says(&self, name: &str) -> bool {
        let Self::Refused { source, .. } = self else {
            return false;
        };
        match source.downcast_ref() {
            Some(zbus::Error::MethodError(error, ..)) => error.as_str() == name,
            _ => false,
        }
    }

    /// Wraps the answer "no" to `what`; returns the function that does it, for `map_err`.
    pub(super) fn refused<E: Into<BusError>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Refused {
            what,
            source: source.into(),
        }
    }
}
