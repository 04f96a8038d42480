//! Packets in and out of a SCO socket.
//!
//! Invariant: one read is one packet, with the controller's word on it where the kernel passes that
//! on. Nothing here waits: the socket does not block.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::hfp::voice::PacketStatus;

/// `SOL_BLUETOOTH` of `net/bluetooth/bluetooth.h`.
const SOL_BLUETOOTH: libc::c_int = 274;
/// `BT_SCM_PKT_STATUS` of `net/bluetooth/bluetooth.h`: one byte.
const BT_SCM_PKT_STATUS: libc::c_int = 3;

/// Room for control messages, aligned as they have to be.
type Control = [u64; 16];

/// Reads a packet to the beginning of `packet`; returns its length and what is known of it. A length
/// of nothing is the end of the link.
pub(super) fn receive(socket: &OwnedFd, packet: &mut [u8]) -> Result<(usize, PacketStatus), Errno> {
    let mut control: Control = [0; 16];
    let mut part = libc::iovec {
        iov_base: packet.as_mut_ptr().cast(),
        iov_len: packet.len(),
    };
    let mut message = message_of(&mut part, &mut control);
    // SAFETY: `message` points to `part`, which points to `packet`, and to `control`; all of them
    // are as long as it says and outlive the call, and any bytes are good in them.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    };
    // SAFETY: the kernel filled `control` in as far as `message` now says.
    let status = unsafe { status_in(&message) };
    Ok((length.min(packet.len()), status))
}

/// Sends a packet.
pub(super) fn send(socket: &OwnedFd, packet: &[u8]) -> Result<(), Errno> {
    rustix::net::send(socket, packet, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn message_of(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: msghdr is plain data, and zero stands for "none" in all its fields.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = ptr::from_mut(part);
    message.msg_iovlen = 1;
    message.msg_controllen = size_of_val(control) as _;
    message.msg_control = ptr::from_mut(control).cast();
    message
}

/// Looks for the controller's word among the control messages; a packet without one is good.
///
/// # Safety
/// The control messages of `message` have to be there, aligned and as long as it says.
unsafe fn status_in(message: &libc::msghdr) -> PacketStatus {
    // SAFETY: the caller's promise. The kernel writes whole messages, each with its length in its
    // header, and `needed` is how long one with a byte of data is; so that byte can be read.
    unsafe {
        let needed = libc::CMSG_LEN(1) as libc::size_t;
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(found) = header.as_ref() {
            let ours = found.cmsg_level == SOL_BLUETOOTH && found.cmsg_type == BT_SCM_PKT_STATUS;
            if ours && found.cmsg_len >= needed {
                return PacketStatus::from_byte(*libc::CMSG_DATA(header));
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    PacketStatus::Correct
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    /// Puts messages of one byte together, as the kernel would.
    fn status_of(messages: &[(libc::c_int, libc::c_int, u8)]) -> PacketStatus {
        let mut control: Control = [0; 16];
        let mut part = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        let mut message = message_of(&mut part, &mut control);
        // SAFETY: there is room for five messages of one byte, and `message` says so until they are
        // written; then it is cut to those that were.
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(&raw const message);
            for (level, kind, byte) in messages {
                (*header).cmsg_len = libc::CMSG_LEN(1) as _;
                (*header).cmsg_level = *level;
                (*header).cmsg_type = *kind;
                *libc::CMSG_DATA(header) = *byte;
                header = header.byte_add(libc::CMSG_SPACE(1) as usize);
            }
            message.msg_controllen = (messages.len() * libc::CMSG_SPACE(1) as usize) as _;
            status_in(&message)
        }
    }

    #[test]
    fn a_status_is_found_among_other_messages() {
        let doubtful = (SOL_BLUETOOTH, BT_SCM_PKT_STATUS, 1);
        let others = [
            (libc::SOL_SOCKET, BT_SCM_PKT_STATUS, 2),
            (SOL_BLUETOOTH, 4, 3),
        ];
        assert_eq!(status_of(&[]), PacketStatus::Correct);
        assert_eq!(status_of(&others), PacketStatus::Correct);
        assert_eq!(status_of(&[doubtful]), PacketStatus::Doubtful);
        let all = [others[0], others[1], doubtful];
        assert_eq!(status_of(&all), PacketStatus::Doubtful);
    }

    #[test]
    fn one_read_is_one_packet() {
        let (theirs, ours) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .unwrap();
        let mut packet = [0; 8];
        assert_eq!(receive(&ours, &mut packet), Err(Errno::AGAIN));
        send(&theirs, &[1, 2, 3]).unwrap();
        send(&theirs, &[4; 20]).unwrap();
        let correct = PacketStatus::Correct;
        assert_eq!(receive(&ours, &mut packet), Ok((3, correct)));
        assert_eq!(packet[..3], [1, 2, 3]);
        assert_eq!(receive(&ours, &mut packet), Ok((8, correct)));
        drop(theirs);
        assert_eq!(receive(&ours, &mut packet), Ok((0, correct)));
        assert!(send(&ours, &[5]).is_err());
    }
}
