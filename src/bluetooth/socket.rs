//! What sockets of the kernel's Bluetooth have in common.
//!
//! Invariant: none blocks, and none is handed on to another program.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{self, AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// `AF_BLUETOOTH` of `sys/socket.h`.
pub(super) const AF_BLUETOOTH: u16 = 31;

/// Opens one for a `BTPROTO_` of `net/bluetooth/bluetooth.h`.
///
/// # Errors
/// When the kernel has no Bluetooth, or no more sockets.
pub(super) fn open(kind: SocketType, protocol: u32) -> io::Result<OwnedFd> {
    let family = AddressFamily::from_raw(AF_BLUETOOTH);
    let protocol = RawProtocol::new(protocol).map(Protocol::from_raw);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(net::socket_with(family, kind, flags, protocol)?)
}

/// Binds it to an address, which is one of the kernel's structures.
///
/// # Errors
/// When the adapter is not there, or taken.
pub(super) fn bind<A: Copy>(fd: &OwnedFd, address: &A) -> io::Result<()> {
    // SAFETY: the pointer is to `address`, whole, which outlives the call.
    let bound = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            std::ptr::from_ref(address).cast(),
            size_of::<A>() as libc::socklen_t,
        )
    };
    checked(bound)
}

/// Sets an option.
///
/// # Errors
/// When the kernel does not know it, or not for this socket.
pub(super) fn set<T: Copy>(fd: &OwnedFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: the pointer is to `value`, whole, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    checked(done)
}

/// Asks the kernel something, in one of its structures, which also takes the answer.
///
/// # Errors
/// When the kernel does not know, or does not tell us.
pub(super) fn ask<T: Copy>(fd: &OwnedFd, request: u32, value: &mut T) -> io::Result<()> {
    // SAFETY: the pointer is to `value`, whole and ours alone for the length of the call.
    let done = unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            request as libc::Ioctl,
            std::ptr::from_mut(value),
        )
    };
    checked(done)
}

/// Has the runtime watch it. Needs a tokio runtime.
///
/// # Errors
/// When the system has no more room for watched descriptors.
pub(super) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is the same open descriptor until it is dropped, which the AsyncFd does.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Turns what a call of the C library returns into a result.
pub(super) fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}
