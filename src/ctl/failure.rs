//! Why a command failed, and the exit code that says so.
//!
//! Invariant: [`EXIT_CODES`] is the whole truth; the manual page prints it.

use std::io;

use zbus::fdo;

use crate::api;
use crate::cli::EXIT_CONFIG;

/// Every exit code, for the manual page.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "It is done."),
    (
        1,
        "It failed for a reason that has no code of its own; with pair --wait: nobody paired.",
    ),
    (2, "The command line is wrong, or a value is out of range."),
    (3, "dotd is not running, or went away."),
    (4, "No phone fits the name, or there is no such call."),
    (5, "Several phones fit the name, or can be meant."),
    (
        6,
        "Not allowed: by the speaker or by the phone, or you are not in group dotd.",
    ),
    (7, "The phone is not connected, or not for calls."),
    (8, "Something else is under way; try again later."),
    (
        9,
        "Something that is needed is not there: the adapter, bluetoothd, PipeWire, a call.",
    ),
    (
        EXIT_CONFIG,
        "The configuration file has problems (config check).",
    ),
];

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody owns the name on the bus.
    #[error(
        "dotd is not running; `systemctl status dotd` says why, `sudo systemctl start dotd` starts \
         it"
    )]
    NotRunning,
    /// The daemon stopped while we were at it.
    #[error("dotd went away; see `systemctl status dotd`")]
    WentAway,
    /// There is no bus to look on.
    #[error("the system bus cannot be reached: {0}; see `systemctl status dbus`")]
    NoBus(zbus::Error),
    /// The bus policy keeps this user out.
    #[error(
        "you may not use dotd; run `sudo usermod -aG dotd $USER` and log in again, or use sudo"
    )]
    Denied,
    /// The daemon said no.
    #[error(transparent)]
    Service(api::Error),
    /// The daemon speaks another dialect.
    #[error("dotd does not tell {0}; is it of another version? `systemctl restart dotd`")]
    Missing(&'static str),
    /// `pair --wait` saw the window close.
    #[error("nobody paired; try again with `dotctl pair --wait`")]
    NobodyPaired,
    /// The configuration file has problems, which were shown.
    #[error("{0}")]
    Config(String),
    /// Standard output failed.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Returns the exit code that says so.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotRunning | Self::WentAway | Self::NoBus(_) => 3,
            Self::Denied => 6,
            Self::Config(_) => EXIT_CONFIG,
            Self::Missing(_) | Self::NobodyPaired | Self::Output(_) => 1,
            Self::Service(error) => match error {
                api::Error::ZBus(_) => 1,
                api::Error::InvalidArgument(_) => 2,
                api::Error::NotFound(_) => 4,
                api::Error::Ambiguous(_) => 5,
                api::Error::Refused(_) => 6,
                api::Error::NotConnected(_) => 7,
                api::Error::Busy(_) => 8,
                api::Error::NotAvailable(_) => 9,
            },
        }
    }

    /// Returns the sentence for people: of our own errors without the D-Bus name before it.
    pub fn sentence(&self) -> String {
        match self {
            Self::Service(
                api::Error::NotFound(text)
                | api::Error::Ambiguous(text)
                | api::Error::NotConnected(text)
                | api::Error::Refused(text)
                | api::Error::Busy(text)
                | api::Error::InvalidArgument(text)
                | api::Error::NotAvailable(text),
            ) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl From<api::Error> for Failure {
    fn from(error: api::Error) -> Self {
        match error {
            api::Error::ZBus(error) => error.into(),
            ours => Self::Service(ours),
        }
    }
}

impl From<fdo::Error> for Failure {
    fn from(error: fdo::Error) -> Self {
        match error {
            fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => Self::NotRunning,
            fdo::Error::AccessDenied(_) => Self::Denied,
            fdo::Error::NoReply(_) => Self::WentAway,
            fdo::Error::UnknownObject(text) => Self::Service(api::Error::NotFound(text)),
            other => Self::Service(api::Error::ZBus(other.into())),
        }
    }
}

impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::FDO(error) => (*error).into(),
            zbus::Error::MethodError(..) => match fdo::Error::from(error) {
                fdo::Error::ZBus(error) => Self::Service(api::Error::ZBus(error)),
                known => known.into(),
            },
            other => Self::Service(api::Error::ZBus(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Rejection, RejectionKind};

    #[test]
    fn every_rejection_has_a_code_of_its_own_that_is_documented() {
        let kinds = [
            RejectionKind::NotFound,
            RejectionKind::Ambiguous,
            RejectionKind::NotConnected,
            RejectionKind::Refused,
            RejectionKind::Busy,
            RejectionKind::InvalidArgument,
            RejectionKind::NotAvailable,
        ];
        let mut codes: Vec<_> = kinds
            .map(|kind| Failure::from(api::Error::from(Rejection::new(kind, ""))).exit_code())
            .into();
        codes.sort_unstable();
        assert_eq!(codes, [2, 4, 5, 6, 7, 8, 9]);
        for code in codes {
            assert!(EXIT_CODES.iter().any(|(documented, _)| *documented == code));
        }
    }

    #[test]
    fn the_codes_are_in_order() {
        assert!(EXIT_CODES.is_sorted_by(|a, b| a.0 < b.0));
    }
}
