//! The kernel's radio switch: reads whether it holds an adapter off, lifts what software set.
//!
//! Invariant: only ever lifts the block of the one adapter it is asked for, and never sets one.
//! It is read when asked and not watched: bluetoothd watches the switches and changes a property of
//! the adapter (`Powered` or `PowerState`) whenever one moves.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::BluetoothError;
use crate::policy::event::RadioBlock;

/// `RFKILL_TYPE_BLUETOOTH` of `linux/rfkill.h`.
const TYPE_BLUETOOTH: u8 = 2;
/// `RFKILL_OP_CHANGE` of `linux/rfkill.h`.
const OP_CHANGE: u8 = 2;

/// Where the kernel shows adapters and their switches.
#[derive(Clone, Debug)]
pub(super) struct Rfkill {
    /// One folder for each adapter, with its switches in it.
    adapters: PathBuf,
    /// The device that takes orders.
    device: PathBuf,
}

impl Default for Rfkill {
    fn default() -> Self {
        Self {
            adapters: "/sys/class/bluetooth".into(),
            device: "/dev/rfkill".into(),
        }
    }
}

impl Rfkill {
    /// Returns what holds the radio of `adapter` off. An adapter without a switch is free.
    pub(super) fn block(&self, adapter: &str) -> RadioBlock {
        let switches = self.switches(adapter);
        let any = |file| switches.iter().any(|(_, path)| is_set(&path.join(file)));
        if any("hard") {
            RadioBlock::Hard
        } else if any("soft") {
            RadioBlock::Soft
        } else {
            RadioBlock::Free
        }
    }

    /// Lifts a soft block of `adapter`, if there is one.
    ///
    /// # Errors
    /// A hard block needs a hand; a soft one needs write access to the device.
    pub(super) fn lift(&self, adapter: &str) -> Result<(), BluetoothError> {
        match self.block(adapter) {
            RadioBlock::Free => return Ok(()),
            RadioBlock::Soft => {}
            RadioBlock::Hard => {
                return Err(BluetoothError::HardBlocked {
                    adapter: adapter.to_owned(),
                });
            }
        }
        self.switches(adapter)
            .into_iter()
            .try_for_each(|(index, _)| self.unblock(index))
            .map_err(|source| BluetoothError::SoftBlocked {
                adapter: adapter.to_owned(),
                path: self.device.clone(),
                source,
            })
    }

    /// Returns index and folder of each switch of `adapter`.
    fn switches(&self, adapter: &str) -> Vec<(u32, PathBuf)> {
        let Ok(entries) = fs::read_dir(self.adapters.join(adapter)) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let index = entry.file_name().to_str()?.strip_prefix("rfkill")?.parse();
                Some((index.ok()?, entry.path()))
            })
            .collect()
    }

    fn unblock(&self, index: u32) -> io::Result<()> {
        let mut device = OpenOptions::new().write(true).open(&self.device)?;
        device.write_all(&unblock_event(index))
    }
}

/// Returns the `struct rfkill_event` that lifts the soft block of switch `index`.
fn unblock_event(index: u32) -> [u8; 8] {
    let [a, b, c, d] = index.to_ne_bytes();
    let (soft, hard) = (0, 0);
    [a, b, c, d, TYPE_BLUETOOTH, OP_CHANGE, soft, hard]
}

fn is_set(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder like the kernel's, with `hci0` whose switch is `rfkill3`.
    fn kernel(soft: &str, hard: &str) -> (tempfile::TempDir, Rfkill) {
        let folder = tempfile::tempdir().unwrap();
        let switch = folder.path().join("class/hci0/rfkill3");
        fs::create_dir_all(&switch).unwrap();
        fs::write(switch.join("soft"), soft).unwrap();
        fs::write(switch.join("hard"), hard).unwrap();
        fs::create_dir(folder.path().join("class/hci0/power")).unwrap();
        let rfkill = Rfkill {
            adapters: folder.path().join("class"),
            device: folder.path().join("device"),
        };
        (folder, rfkill)
    }

    #[test]
    fn the_block_is_what_the_kernel_shows() {
        for (soft, hard, expected) in [
            ("0\n", "0\n", RadioBlock::Free),
            ("1\n", "0\n", RadioBlock::Soft),
            ("0\n", "1\n", RadioBlock::Hard),
            ("1\n", "1\n", RadioBlock::Hard),
        ] {
            let (_folder, rfkill) = kernel(soft, hard);
            assert_eq!(rfkill.block("hci0"), expected);
            assert_eq!(rfkill.block("hci1"), RadioBlock::Free);
        }
    }

    #[test]
    fn a_soft_block_is_lifted_by_an_event_for_that_switch_alone() {
        let (_folder, rfkill) = kernel("1\n", "0\n");
        fs::write(&rfkill.device, "").unwrap();
        rfkill.lift("hci0").unwrap();
        let mut expected = 3_u32.to_ne_bytes().to_vec();
        expected.extend([2, 2, 0, 0]);
        assert_eq!(fs::read(&rfkill.device).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_lifted_says_what_to_do() {
        let (_folder, rfkill) = kernel("1\n", "0\n");
        let error = rfkill.lift("hci0").unwrap_err().to_string();
        assert!(error.ends_with("run: rfkill unblock bluetooth"), "{error}");
        let (_folder, rfkill) = kernel("1\n", "1\n");
        let error = rfkill.lift("hci0").unwrap_err().to_string();
        assert!(error.contains("switch holds the radio of hci0"), "{error}");
    }

    #[test]
    fn nothing_is_written_when_nothing_is_blocked() {
        let (_folder, rfkill) = kernel("0\n", "0\n");
        rfkill.lift("hci0").unwrap();
        assert!(!rfkill.device.exists());
    }
}
