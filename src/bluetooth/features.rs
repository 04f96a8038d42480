//! What the kernel has read of a controller's features, which bluetoothd does not tell.
//!
//! Invariant: the controller is not spoken to: the kernel asked it when it was plugged in, and
//! answers also while the radio is off. What cannot be known is not held against a controller.

use std::io;

use rustix::net::SocketType;

use super::hci::{BTPROTO_HCI, number};
use super::socket;

/// `HCIGETDEVINFO` of `net/bluetooth/hci_sock.h`: `_IOR('H', 211, int)`.
const GET_DEVICE_INFO: u32 = 0x8004_48d3;

/// Page 0 of a controller's LMP features (Bluetooth Core 5.4, volume 2, part C, 3.3).
type Features = [u8; 8];

/// `struct hci_dev_info` of `net/bluetooth/hci_sock.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct DeviceInfo {
    /// The number in the adapter's name, which is the question.
    device: u16,
    name: [u8; 8],
    address: [u8; 6],
    flags: u32,
    kind: u8,
    features: Features,
    /// Packet types, link policy, link mode.
    modes: [u32; 3],
    /// Lengths and numbers of packets, of data and of sound.
    buffers: [u16; 4],
    statistics: [u32; 10],
}

/// Says whether calls on the adapter can be coded better than with CVSD; yes if nobody knows.
pub(super) fn wide_band(adapter: &str) -> bool {
    match read(adapter) {
        Ok(features) => carry_wide_band(features),
        Err(error) => {
            tracing::debug!(adapter, %error, "the controller's features are not known");
            true
        }
    }
}

fn read(adapter: &str) -> io::Result<Features> {
    let device = number(adapter).ok_or(io::ErrorKind::NotFound)?;
    let fd = socket::open(SocketType::RAW, BTPROTO_HCI)?;
    let mut info = DeviceInfo {
        device,
        ..DeviceInfo::default()
    };
    socket::ask(&fd, GET_DEVICE_INFO, &mut info)?;
    Ok(info.features)
}

/// Says whether mSBC and LC3-SWB get through: their packets pass as they are (transparent
/// synchronous data), on a link that only eSCO has (EV3 packets). Without either Linux opens no such
/// link (`sco_connect` of `net/bluetooth/sco.c`).
fn carry_wide_band(features: Features) -> bool {
    let transparent = features[2] & (1 << 3) != 0;
    let esco = features[3] & (1 << 7) != 0;
    // One that was never set up has none at all.
    features == Features::default() || (transparent && esco)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_band_needs_transparent_data_on_esco() {
        const ALL: Features = [0xff, 0xfe, 0x8f, 0xfe, 0xdb, 0xff, 0x1b, 0x87];
        let without = |byte: usize, bit: u8| {
            let mut features = ALL;
            features[byte] &= !(1 << bit);
            features
        };
        for (features, expected) in [
            (ALL, true),
            (without(2, 3), false),
            (without(3, 7), false),
            // CVSD and EDR for eSCO are other bits.
            (without(2, 0), true),
            (without(3, 6), true),
            // A controller of Bluetooth 1.1.
            ([0xff, 0xff, 0x05, 0, 0, 0, 0, 0], false),
            ([0; 8], true),
        ] {
            assert_eq!(carry_wide_band(features), expected, "{features:02x?}");
        }
    }

    #[test]
    fn the_kernel_s_structure_is_as_long_as_here() {
        assert_eq!(size_of::<DeviceInfo>(), 92);
        assert_eq!(std::mem::offset_of!(DeviceInfo, features), 21);
    }

    #[test]
    fn what_is_no_adapter_is_not_held_back() {
        for adapter in ["", "hci", "hci70000", "eth0"] {
            assert!(read(adapter).is_err(), "{adapter}");
            assert!(wide_band(adapter), "{adapter}");
        }
    }
}
