//! Commands for a controller itself, past bluetoothd (Bluetooth Core 5.4, volume 4, part E, 5.4).
//!
//! Invariant: one command, one answer, within [`DEADLINE`]; of whatever else the controller says
//! nothing is read. A controller that takes the place and the name of another gets no command that
//! was meant for that. What answers is untrusted: any bytes in any number are no answer or an error.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{self, RecvFlags, SendFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::socket::{self, AF_BLUETOOTH};

/// `BTPROTO_HCI` of `net/bluetooth/bluetooth.h`.
pub(super) const BTPROTO_HCI: u32 = 1;
/// `HCI_CHANNEL_RAW` of `net/bluetooth/hci_sock.h`.
const CHANNEL_RAW: u16 = 0;
/// `SOL_HCI` and its option of `net/bluetooth/hci_sock.h`.
const SOL_HCI: i32 = 0;
const HCI_FILTER: i32 = 2;

/// What a packet begins with (volume 4, part A, 2).
const COMMAND: u8 = 0x01;
pub(super) const EVENT: u8 = 0x04;
/// The events that answer a command (7.7.14 and 7.7.15).
const COMMAND_COMPLETE: u8 = 0x0e;
const COMMAND_STATUS: u8 = 0x0f;
/// The longest event, with what it begins with.
pub(super) const LONGEST_EVENT: usize = 3 + 255;

/// How long a controller may take; the kernel gives its own commands as much.
const DEADLINE: Duration = Duration::from_secs(2);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum HciError {
    /// The kernel said no.
    #[error(transparent)]
    Kernel(io::Error),
    /// Somebody switched it off or pulled it out.
    #[error("the controller is gone")]
    Gone,
    /// No answer came.
    #[error("the controller does not answer")]
    Silent,
    /// The controller said no, for a reason of volume 1, part F.
    #[error("the controller refuses with error 0x{0:02x}")]
    Refused(u8),
}

impl From<io::Error> for HciError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            // Not there, off, just pulled out, and pulled out before; old kernels say the last.
            // A name that is none, too.
            None if error.kind() == io::ErrorKind::NotFound => Self::Gone,
            Some(libc::ENODEV | libc::ENETDOWN | libc::EPIPE | libc::EBADFD) => Self::Gone,
            _ => Self::Kernel(error),
        }
    }
}

/// `struct sockaddr_hci` of `net/bluetooth/hci_sock.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct SockaddrHci {
    family: u16,
    /// The number in the adapter's name.
    device: u16,
    channel: u16,
}

/// `struct hci_ufilter` of `net/bluetooth/hci_sock.h`: what the socket is to hear.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Filter {
    /// A bit for each kind of packet.
    kinds: u32,
    /// A bit for each event.
    events: [u32; 2],
    /// The command that the events must be about; zero for any.
    opcode: u16,
    padding: u16,
}

/// Returns the opcode of a command (5.4.1).
pub(super) const fn opcode(group: u16, command: u16) -> u16 {
    (group << 10) | command
}

/// A way to the controller of an adapter, on which only answers to commands are heard. It leads to
/// the controller that was there when it was opened, and to no other.
#[derive(Debug)]
pub(super) struct Controller(AsyncFd<OwnedFd>);

impl Controller {
    /// Opens one. Needs a tokio runtime.
    ///
    /// # Errors
    /// When there is no such adapter, or the kernel does not let us.
    pub(super) fn open(adapter: &str) -> Result<Self, HciError> {
        let fd = listen(adapter, &[COMMAND_COMPLETE, COMMAND_STATUS])?;
        Ok(Self(socket::watched(fd, Interest::READABLE)?))
    }

    /// Has it carry out a command, and returns what comes after the status in its answer. A command
    /// of a maker's own needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// When the kernel does not let us, the radio is off or gone, or the controller refuses or does
    /// not answer.
    pub(super) async fn command(
        &self,
        opcode: u16,
        parameters: &[u8],
    ) -> Result<Vec<u8>, HciError> {
        let packet = packet(opcode, parameters);
        net::send(&self.0, &packet, SendFlags::empty()).map_err(io::Error::from)?;
        match tokio::time::timeout(DEADLINE, self.answered(opcode)).await {
            Ok(answer) => answer,
            Err(_late) => Err(HciError::Silent),
        }
    }

    async fn answered(&self, opcode: u16) -> Result<Vec<u8>, HciError> {
        let mut packet = [0; LONGEST_EVENT];
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|socket| {
                let (length, _) = net::recv(socket, &mut packet[..], RecvFlags::empty())?;
                Ok(length)
            });
            let length = match read {
                Ok(length) => length?,
                Err(_would_block) => continue,
            };
            if length == 0 {
                return Err(HciError::Gone);
            }
            if let Some(answer) = answer(opcode, &packet[..length]) {
                return answer.map(<[u8]>::to_vec).map_err(HciError::Refused);
            }
        }
    }
}

/// Opens a socket on which some of the first 32 events of an adapter's controller are heard.
///
/// # Errors
/// When there is no such adapter, or the kernel does not let us.
pub(super) fn listen(adapter: &str, events: &[u8]) -> io::Result<OwnedFd> {
    let address = SockaddrHci {
        family: AF_BLUETOOTH,
        device: number(adapter).ok_or(io::ErrorKind::NotFound)?,
        channel: CHANNEL_RAW,
    };
    let filter = Filter {
        kinds: 1 << EVENT,
        events: [events.iter().fold(0, |all, event| all | (1 << event)), 0],
        opcode: 0,
        padding: 0,
    };
    let fd = socket::open(SocketType::RAW, BTPROTO_HCI)?;
    socket::set(&fd, SOL_HCI, HCI_FILTER, &filter)?;
    socket::bind(&fd, &address)?;
    Ok(fd)
}

/// Reads the number in an adapter's name.
pub(super) fn number(adapter: &str) -> Option<u16> {
    adapter.strip_prefix("hci")?.parse().ok()
}

/// Writes a command (5.4.1).
fn packet(opcode: u16, parameters: &[u8]) -> Vec<u8> {
    debug_assert!(parameters.len() <= usize::from(u8::MAX));
    let [low, high] = opcode.to_le_bytes();
    let mut packet = vec![COMMAND, low, high, parameters.len() as u8];
    packet.extend_from_slice(parameters);
    packet
}

/// Reads the answer to a command: what comes after its status, or the status if that is an error.
/// Nothing if the packet is none, or answers another command, or says that the answer is to come.
fn answer(opcode: u16, packet: &[u8]) -> Option<Result<&[u8], u8>> {
    let [EVENT, event, length, parameters @ ..] = packet else {
        return None;
    };
    let parameters = parameters.get(..usize::from(*length))?;
    let (low, high, status, rest): (_, _, _, &[u8]) = match (*event, parameters) {
        (COMMAND_COMPLETE, [_, low, high, status, rest @ ..]) => (low, high, status, rest),
        (COMMAND_STATUS, [status @ 1..=u8::MAX, _, low, high]) => (low, high, status, &[]),
        _ => return None,
    };
    if u16::from_le_bytes([*low, *high]) != opcode {
        return None;
    }
    Some(if *status == 0 { Ok(rest) } else { Err(*status) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const READ_VERSION: u16 = opcode(0x04, 0x001);

    #[test]
    fn a_command_is_written_as_the_core_has_it() {
        for (group, command, parameters, written) in [
            // HCI_Read_Local_Version_Information, HCI_Reset, Write_SCO_PCM_Int_Param.
            (0x04, 0x001, &[][..], &[0x01, 0x01, 0x10, 0x00][..]),
            (0x03, 0x003, &[], &[0x01, 0x03, 0x0c, 0x00]),
            (0x3f, 0x01c, &[1, 2], &[0x01, 0x1c, 0xfc, 0x02, 1, 2]),
        ] {
            assert_eq!(packet(opcode(group, command), parameters), written);
        }
    }

    #[test]
    fn an_answer_is_told_from_what_is_none() {
        for (packet, expected) in [
            (&[4, 0x0e, 4, 1, 0x01, 0x10, 0][..], Some(Ok(&[][..]))),
            (&[4, 0x0e, 6, 1, 0x01, 0x10, 0, 8, 9], Some(Ok(&[8, 9]))),
            // The event ends where it says, and not with the packet.
            (&[4, 0x0e, 5, 1, 0x01, 0x10, 0, 8, 9], Some(Ok(&[8]))),
            (&[4, 0x0e, 4, 1, 0x01, 0x10, 0x0c], Some(Err(0x0c))),
            (&[4, 0x0f, 4, 0x01, 1, 0x01, 0x10], Some(Err(0x01))),
            // "Pending", and nothing but "here is room for a command".
            (&[4, 0x0f, 4, 0x00, 1, 0x01, 0x10], None),
            (&[4, 0x0e, 3, 1, 0x00, 0x00], None),
            // About another command, another event, another kind of packet, cut short.
            (&[4, 0x0e, 4, 1, 0x03, 0x0c, 0], None),
            (&[4, 0x0f, 4, 0x01, 1, 0x03, 0x0c], None),
            (&[4, 0x05, 4, 1, 0x01, 0x10, 0], None),
            (&[2, 0x0e, 4, 1, 0x01, 0x10, 0], None),
            (&[4, 0x0e, 5, 1, 0x01, 0x10, 0], None),
            (&[4, 0x0e], None),
            (&[], None),
        ] {
            assert_eq!(answer(READ_VERSION, packet), expected, "{packet:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(packet in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(Ok(rest)) = answer(READ_VERSION, &packet) {
                prop_assert!(rest.len() + 7 <= packet.len());
            }
        }
    }

    #[test]
    fn what_is_no_adapter_has_no_controller() {
        for adapter in ["", "hci", "hci-1", "hci70000", "eth0"] {
            let opened = Controller::open(adapter);
            assert!(matches!(opened, Err(HciError::Gone)), "{adapter}");
        }
        assert_eq!(number("hci12"), Some(12));
    }

    /// Our end of a way to a controller, and the controller's.
    fn way() -> (Controller, OwnedFd) {
        let (ours, theirs) = net::socketpair(
            net::AddressFamily::UNIX,
            SocketType::SEQPACKET,
            net::SocketFlags::NONBLOCK,
            None,
        )
        .unwrap();
        let ours = socket::watched(ours, Interest::READABLE).unwrap();
        (Controller(ours), theirs)
    }

    #[tokio::test]
    async fn an_answer_is_found_among_what_else_is_said() {
        let (controller, theirs) = way();
        for said in [
            &[4, 0x0e, 4, 1, 0x03, 0x0c, 0][..],
            &[4, 0x0f, 4, 0, 1, 0x01, 0x10],
            &[4, 0x0e, 6, 1, 0x01, 0x10, 0, 8, 9],
            &[4, 0x0e, 4, 1, 0x01, 0x10, 0x0c],
        ] {
            net::send(&theirs, said, SendFlags::empty()).unwrap();
        }
        let answer = controller.command(READ_VERSION, &[]).await;
        assert_eq!(answer.unwrap(), [8, 9]);
        let answer = controller.command(READ_VERSION, &[]).await;
        assert!(matches!(answer, Err(HciError::Refused(0x0c))), "{answer:?}");
        let mut told = [0; 8];
        let (length, _) = net::recv(&theirs, &mut told[..], RecvFlags::empty()).unwrap();
        assert_eq!(told[..length], packet(READ_VERSION, &[]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_controller_that_says_nothing_is_not_waited_for_for_long() {
        let (controller, theirs) = way();
        let answer = controller.command(READ_VERSION, &[]).await;
        assert!(matches!(answer, Err(HciError::Silent)), "{answer:?}");
        drop(theirs);
    }

    #[tokio::test]
    async fn a_controller_that_is_pulled_out_is_gone() {
        let (controller, theirs) = way();
        let (answer, ()) = tokio::join!(controller.command(READ_VERSION, &[]), async {
            net::recv(&theirs, &mut [0; 8][..], RecvFlags::empty()).unwrap();
            drop(theirs);
        });
        assert!(matches!(answer, Err(HciError::Gone)), "{answer:?}");
        let answer = controller.command(READ_VERSION, &[]).await;
        assert!(matches!(answer, Err(HciError::Gone)), "{answer:?}");
    }
}
