//! The controllers of Broadcom, whose business Cypress took over: among them those on the board of
//! a Raspberry Pi. They send the sound of calls to pins of the chip unless they are told otherwise.
//!
//! Invariant: no controller of another maker gets a command of theirs, which would mean something
//! else to it.

use super::error::BluetoothError;
use super::hci::{Controller, HciError, opcode};

/// Bluetooth Assigned Numbers, 7.1.
const BROADCOM: u16 = 0x000f;
const CYPRESS: u16 = 0x0131;

/// `HCI_Read_Local_Version_Information` (Bluetooth Core 5.4, volume 4, part E, 7.4.1).
const READ_VERSION: u16 = opcode(0x04, 0x001);
/// `Write_SCO_PCM_Int_Param`, a command of Broadcom's own.
const WRITE_SCO_PCM: u16 = opcode(0x3f, 0x01c);

/// Where the sound of calls goes: `struct bcm_set_pcm_int_params` of Linux's
/// `drivers/bluetooth/btbcm.h`. All but the first concern the pins, which are not used then; they
/// are as Raspberry Pi OS has always set them, which is what is known to work.
const TO_HOST: [u8; 5] = [
    1, // routing: over HCI
    2, // rate of the interface: 512 kbit/s
    0, // frame sync: short
    1, // sync mode: master
    1, // clock mode: master
];

/// Makes the sound of calls come over HCI, if the adapter's controller is one that needs telling.
/// It forgets that when it is switched off.
///
/// # Errors
/// When it cannot be told, or it cannot be found out whether it needs to be.
pub(super) async fn route_voice(adapter: &str) -> Result<(), BluetoothError> {
    match try_to_route(adapter).await {
        Ok(false) => Ok(()),
        Ok(true) => {
            tracing::info!(adapter, "the controller brings the sound of calls here");
            Ok(())
        }
        Err(HciError::Gone) => {
            // Which is told by itself, and whoever comes up next is told anew.
            tracing::debug!(adapter, "the controller left before it could be told");
            Ok(())
        }
        Err(source) => Err(BluetoothError::VoiceRoute {
            adapter: adapter.to_owned(),
            source,
        }),
    }
}

/// Says whether it had to be told.
async fn try_to_route(adapter: &str) -> Result<bool, HciError> {
    // One way for both: what was found out holds for the controller at its end only.
    let controller = Controller::open(adapter)?;
    let version = controller.command(READ_VERSION, &[]).await?;
    if !matches!(maker(&version), Some(BROADCOM | CYPRESS)) {
        return Ok(false);
    }
    controller.command(WRITE_SCO_PCM, &TO_HOST).await?;
    Ok(true)
}

/// Reads who made the controller: versions of HCI, firmware and LMP, the company, LMP's subversion.
fn maker(version: &[u8]) -> Option<u16> {
    match version {
        [_, _, _, _, low, high, ..] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maker_is_in_the_version() {
        for (version, expected) in [
            // A Raspberry Pi 4, a Raspberry Pi 3, and one that ends too early.
            (
                &[0x09, 0x7e, 0x01, 0x09, 0x31, 0x01, 0x19, 0x61][..],
                Some(CYPRESS),
            ),
            (
                &[0x07, 0xb6, 0x00, 0x07, 0x0f, 0x00, 0x09, 0x22],
                Some(BROADCOM),
            ),
            (&[0x09, 0x7e, 0x01, 0x09, 0x31], None),
            (&[], None),
        ] {
            assert_eq!(maker(version), expected, "{version:02x?}");
        }
    }
}
