//! The voice links: SCO and eSCO sockets, which a phone opens towards us.
//!
//! Invariant: nobody is let in here. A phone that asks waits, unanswered, until the policy says
//! which voice it is to be; a socket that is dropped instead refuses it. BlueZ knows nothing of
//! these sockets, so neither its agent nor its bonds guard them.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::net::{self, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::super::socket::{self, AF_BLUETOOTH, checked, set};
use crate::policy::calls::facts::VoiceCodec;
use crate::policy::model::Address;

/// `BTPROTO_SCO` of `net/bluetooth/bluetooth.h`.
const BTPROTO_SCO: u32 = 2;
/// `SOL_BLUETOOTH`, and its options, of `net/bluetooth/bluetooth.h`.
const SOL_BLUETOOTH: i32 = 274;
const BT_DEFER_SETUP: i32 = 7;
const BT_VOICE: i32 = 11;
const BT_PKT_STATUS: i32 = 16;
/// `SOL_SCO` and its option of `net/bluetooth/sco.h`.
const SOL_SCO: i32 = 17;
const SCO_OPTIONS: i32 = 1;

/// Phones that may wait at the door at once.
const BACKLOG: i32 = 8;

/// How long the controllers may take to make a link that was accepted.
const SETUP_DEADLINE: Duration = Duration::from_secs(5);

/// `struct sockaddr_sco` of `net/bluetooth/sco.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct SockaddrSco {
    family: u16,
    /// Little endian, as all addresses in the kernel.
    address: [u8; 6],
}

/// A voice link that is up: a non-blocking SEQPACKET socket; one read takes one packet.
#[derive(Debug)]
pub struct VoiceSocket {
    /// The socket.
    pub fd: OwnedFd,
    /// The longest packet to send, in bytes.
    pub mtu: u16,
}

/// Where phones ask for voice links.
#[derive(Debug)]
pub(in super::super) struct Listener(AsyncFd<OwnedFd>);

/// A phone that asks. Dropping it refuses.
#[derive(Debug)]
pub(in super::super) struct Knock {
    /// Who.
    pub(in super::super) phone: Address,
    /// At which of our adapters.
    pub(in super::super) adapter: Address,
    fd: OwnedFd,
}

impl Listener {
    /// Opens the door of all adapters.
    ///
    /// # Errors
    /// When the kernel has no Bluetooth, or no more sockets.
    pub(in super::super) fn open() -> io::Result<Self> {
        let fd = socket::open(SocketType::SEQPACKET, BTPROTO_SCO)?;
        socket::bind(&fd, &SockaddrSco::default())?;
        // Without it the kernel takes whoever calls, and asks nobody.
        set(&fd, SOL_BLUETOOTH, BT_DEFER_SETUP, &1_u32)?;
        net::listen(&fd, BACKLOG)?;
        Ok(Self(socket::watched(fd, Interest::READABLE)?))
    }

    /// Waits for the next phone that asks.
    ///
    /// # Errors
    /// When the door broke; it can be opened again.
    pub(in super::super) async fn next(&self) -> io::Result<Knock> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|listener| accept(listener.get_ref())) {
                Ok(knock) => return knock,
                Err(_would_block) => {}
            }
        }
    }
}

fn accept(listener: &OwnedFd) -> io::Result<Knock> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = net::accept_with(listener, flags)?;
    let phone = named(&fd, libc::getpeername)?;
    let adapter = named(&fd, libc::getsockname)?;
    Ok(Knock { phone, adapter, fd })
}

/// Asks who is at one end of a link.
fn named(
    fd: &OwnedFd,
    ask: unsafe extern "C" fn(
        libc::c_int,
        *mut libc::sockaddr,
        *mut libc::socklen_t,
    ) -> libc::c_int,
) -> io::Result<Address> {
    let mut end = SockaddrSco::default();
    let mut length = size_of::<SockaddrSco>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is what `end` has, and any bytes make
    // a SockaddrSco.
    let known = unsafe { ask(fd.as_raw_fd(), (&raw mut end).cast(), &raw mut length) };
    checked(known)?;
    let mut octets = end.address;
    octets.reverse();
    Ok(Address::new(octets))
}

impl Knock {
    /// Lets the phone in, for a voice of this kind, and waits until the link is up.
    ///
    /// # Errors
    /// When the controllers do not come to terms.
    pub(in super::super) async fn let_in(self, codec: VoiceCodec) -> io::Result<VoiceSocket> {
        settle(&self.fd, codec)?;
        // The first read is the yes. It reads nothing.
        net::recv(&self.fd, &mut [0_u8][..], net::RecvFlags::empty())?;
        established(self.fd).await
    }
}

/// Opens a link from the adapter with the address `from` to `phone`.
///
/// # Errors
/// When the phone or the controllers do not want to.
pub(in super::super) async fn open(
    from: Address,
    phone: Address,
    codec: VoiceCodec,
) -> io::Result<VoiceSocket> {
    let fd = socket::open(SocketType::SEQPACKET, BTPROTO_SCO)?;
    socket::bind(&fd, &SockaddrSco::of(from))?;
    settle(&fd, codec)?;
    let peer = SockaddrSco::of(phone);
    // SAFETY: the pointer is to a whole sockaddr_sco that outlives the call.
    let begun = unsafe {
        libc::connect(
            fd.as_raw_fd(),
            (&raw const peer).cast(),
            size_of::<SockaddrSco>() as libc::socklen_t,
        )
    };
    match checked(begun) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => {}
    }
    established(fd).await
}

impl SockaddrSco {
    fn of(address: Address) -> Self {
        let mut octets = address.octets();
        octets.reverse();
        Self {
            family: AF_BLUETOOTH,
            address: octets,
        }
    }
}

impl Default for SockaddrSco {
    /// Any adapter.
    fn default() -> Self {
        Self {
            family: AF_BLUETOOTH,
            address: [0; 6],
        }
    }
}

/// Says what is to go through a link that is not up yet.
fn settle(fd: &OwnedFd, codec: VoiceCodec) -> io::Result<()> {
    // The kernel's names for it: 16-bit samples that the controller encodes, or frames that it
    // leaves alone.
    let setting: u16 = match codec {
        VoiceCodec::Cvsd => 0x0060,
        VoiceCodec::Msbc | VoiceCodec::Lc3Swb => 0x0003,
    };
    set(fd, SOL_BLUETOOTH, BT_VOICE, &setting)?;
    // Packets then come with a word on how well they came; a controller that cannot say so leaves
    // it out.
    set(fd, SOL_BLUETOOTH, BT_PKT_STATUS, &1_u32)
}

/// Waits until a link is up.
async fn established(fd: OwnedFd) -> io::Result<VoiceSocket> {
    let link = socket::watched(fd, Interest::READABLE | Interest::WRITABLE)?;
    // Until it can be written to, the link is not up, and reading would be an error.
    drop(tokio::time::timeout(SETUP_DEADLINE, link.writable()).await??);
    let fd = link.into_inner();
    // One that failed can be written to as well; then this fails, with the reason.
    net::sockopt::socket_error(&fd)??;
    let mtu = mtu(&fd)?;
    Ok(VoiceSocket { fd, mtu })
}

/// Asks how long a packet may be.
fn mtu(fd: &OwnedFd) -> io::Result<u16> {
    let mut mtu = 0_u16;
    let mut length = size_of::<u16>() as libc::socklen_t;
    // SAFETY: `struct sco_options` is one u16, and the kernel writes at most `length` bytes.
    let told = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            SOL_SCO,
            SCO_OPTIONS,
            (&raw mut mtu).cast(),
            &raw mut length,
        )
    };
    checked(told)?;
    Ok(mtu)
}
