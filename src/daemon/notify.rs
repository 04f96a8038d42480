//! What systemd is told: ready, reloading, alive, one line of status.
//!
//! Invariant: the sign of life comes from the event loop itself, so a loop that hangs is restarted.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::policy::Snapshot;
use crate::policy::snapshot::{AdapterStatus, AudioStatus};

/// The line to systemd; does nothing when dotd was not started by it.
#[derive(Default)]
pub(super) struct Notify {
    status: String,
}

impl Notify {
    /// Returns how often a sign of life is due: half of what the unit allows.
    pub(super) fn watchdog_interval() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|allowed| allowed / 2)
    }

    pub(super) fn ready(&self) {
        Self::send(&[NotifyState::Ready]);
    }

    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => Self::send(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!("systemd cannot be told of the reload: {error}"),
        }
    }

    pub(super) fn stopping(&self) {
        Self::send(&[NotifyState::Stopping]);
    }

    pub(super) fn alive(&self) {
        Self::send(&[NotifyState::Watchdog]);
    }

    /// Shows the speaker's state in `systemctl status dotd`.
    pub(super) fn status(&mut self, snapshot: &Snapshot) {
        let status = status_line(snapshot);
        if status != self.status {
            Self::send(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    fn send(states: &[NotifyState]) {
        if let Err(error) = sd_notify::notify(states) {
            tracing::warn!("systemd cannot be told of the daemon's state: {error}");
        }
    }
}

fn status_line(snapshot: &Snapshot) -> String {
    let radio = match &snapshot.adapter {
        AdapterStatus::NoBluetooth => "bluetoothd is not running".to_owned(),
        AdapterStatus::Missing => "no Bluetooth adapter".to_owned(),
        AdapterStatus::Off { id, .. } => format!("{id} is off"),
        AdapterStatus::On { id, .. } => format!("\"{}\" on {id}", snapshot.name),
    };
    let connected = snapshot
        .phones
        .iter()
        .filter(|phone| phone.connected)
        .count();
    let playing: Vec<&str> = snapshot
        .phones
        .iter()
        .filter(|phone| phone.stream.is_some())
        .map(|phone| phone.name.as_str())
        .collect();
    let mut line = radio;
    if snapshot.pairing_until.is_some() {
        line.push_str(", pairing is open");
    }
    match snapshot.audio {
        AudioStatus::NoServer => line.push_str(", PipeWire is not running"),
        AudioStatus::NoOutput => line.push_str(", no sound output"),
        AudioStatus::Ready { .. } => {}
    }
    if playing.is_empty() {
        line.push_str(&format!(", {connected} connected"));
    } else {
        line.push_str(&format!(", {} playing", playing.join(" and ")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_is_wrong() {
        assert_eq!(
            status_line(&Snapshot::default()),
            "bluetoothd is not running, PipeWire is not running, 0 connected"
        );
    }
}
