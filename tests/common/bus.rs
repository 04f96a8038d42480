//! A private dbus-daemon that plays the system bus.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What Debian's own system.conf says, as far as it matters: names and calls are refused unless a
/// service allows them.
const SYSTEM_POLICY: &str = r#"
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
"#;

const EVERYTHING_IS_ALLOWED: &str = r#"
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
"#;

/// A bus that ends with this value.
pub(crate) struct Bus {
    daemon: Child,
    pub(crate) address: String,
    _folder: TempDir,
}

impl Bus {
    /// Starts a bus on which everybody may do everything.
    pub(crate) fn open() -> Self {
        Self::with_policy(EVERYTHING_IS_ALLOWED)
    }

    /// Starts a bus that is as strict as Debian's, with `policy` on top.
    pub(crate) fn strict(policy: &str) -> Self {
        Self::with_policy(&format!("{SYSTEM_POLICY}{policy}"))
    }

    fn with_policy(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bus.conf");
        let log = folder.path().join("bus.log");
        let config = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n\
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig>\n  \
             <listen>unix:dir={}</listen>\n  <auth>EXTERNAL</auth>\n{policy}</busconfig>\n",
            folder.path().display()
        );
        fs::write(&file, config).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg("--config-file")
            .arg(&file)
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("dbus-daemon must be installed (Debian package dbus-daemon)");
        let mut address = String::new();
        let stdout = daemon.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut address).unwrap();
        if address.is_empty() {
            panic!(
                "dbus-daemon did not start: {}",
                fs::read_to_string(log).unwrap()
            );
        }
        Self {
            daemon,
            address: address.trim().to_owned(),
            _folder: folder,
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}
