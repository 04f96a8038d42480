//! A message bus of a test's own, in the place of the system bus.
//!
//! Invariant: the bus ends with the test, and no test sees another's. The room finds its bus by the
//! environment, which a process cannot change safely while it has threads: so each test runs in a
//! process of its own.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Set in the process that runs a test's body: the folder of its bus.
const FOLDER: &str = "DOTD_TEST_BUS_FOLDER";

/// How long a test may take altogether.
const TEST_DEADLINE: Duration = Duration::from_secs(60);

/// Runs the body of `test`, the name of the function that calls this, with a bus of its own.
pub(super) fn with_bus<F: Future<Output = ()>>(test: &str, body: impl FnOnce(String) -> F) {
    if let Ok(folder) = std::env::var(FOLDER) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let body = async { tokio::time::timeout(TEST_DEADLINE, body(folder)).await };
        runtime.block_on(body).expect("the test came to no end");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::start(folder.path());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{test}:\n{said}\n{complained}");
}

/// What bluetoothd's service file would start on this bus leaves this file in the folder.
pub(super) const STARTED: &str = "bluetoothd-was-started";

struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start(folder: &Path) -> Self {
        let config = folder.join("bus.conf");
        std::fs::write(&config, config_text(folder)).unwrap();
        std::fs::write(folder.join("org.bluez.service"), service_text(folder)).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon (Debian package dbus-daemon) is needed");
        let mut address = String::new();
        let mut printed = BufReader::new(daemon.stdout.take().unwrap());
        printed.read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(!address.is_empty(), "dbus-daemon did not start");
        Self { daemon, address }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

fn config_text(folder: &Path) -> String {
    format!(
        r#"<busconfig>
  <type>custom</type>
  <listen>unix:dir={folder}</listen>
  <servicedir>{folder}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#,
        folder = folder.display()
    )
}

/// Like on a real system, where a message to `org.bluez` starts bluetoothd.
fn service_text(folder: &Path) -> String {
    let file = folder.join(STARTED);
    format!(
        "[D-BUS Service]\nName=org.bluez\nExec=/usr/bin/touch {}\n",
        file.display()
    )
}
