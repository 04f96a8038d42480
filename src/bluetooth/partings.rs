//! How links with phones end, which bluetoothd does not tell before its version 5.83.
//!
//! Invariant: listens only, which needs no capability: whatever the controller says about links is
//! heard, and nothing else. What it says is untrusted: bytes that are no event of that kind are
//! passed over. While nothing can be heard, nobody is missed, which the admin is told, and nothing else
//! changes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{self, RecvFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::hci::{self, BTPROTO_HCI, EVENT, HciError, LONGEST_EVENT};
use super::socket;
use crate::policy::event::{Event, Parting};
use crate::policy::model::Address;

/// The events about links (Bluetooth Core 5.4, volume 4, part E, 7.7.3 and 7.7.5).
const CONNECTION_COMPLETE: u8 = 0x03;
const DISCONNECTION_COMPLETE: u8 = 0x05;
/// A link that carries data, and not the sound of a call (7.7.3).
const ACL: u8 = 0x01;

/// How long after it failed an adapter is listened to again.
const AGAIN: Duration = Duration::from_secs(10);

/// `HCIGETCONNLIST` of `net/bluetooth/hci_sock.h`: `_IOR('H', 212, int)`.
const GET_CONNECTIONS: u32 = 0x8004_48d4;
/// How many links the kernel is asked for: more than any controller has.
const MOST_LINKS: usize = 32;

/// `struct hci_conn_info` of `net/bluetooth/hci_sock.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct ConnectionInfo {
    handle: u16,
    address: [u8; 6],
    kind: u8,
    outgoing: u8,
    state: u16,
    link_mode: u32,
}

/// `struct hci_conn_list_req` of `net/bluetooth/hci_sock.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct ConnectionList {
    device: u16,
    /// How many there is room for, and then how many there are.
    count: u16,
    connections: [ConnectionInfo; MOST_LINKS],
}

/// Reports how the links of an adapter end, until that is gone.
pub(super) async fn listen(adapter: String, events: mpsc::Sender<Event>) {
    let mut told = false;
    while let Err(error) = report(&adapter, &events, &mut told).await {
        let error = HciError::from(error);
        if matches!(error, HciError::Gone) {
            return;
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(
                "a phone that is lost is not called, because {adapter} cannot be listened to: {error}; \
                 trying again every {} s",
                AGAIN.as_secs()
            );
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn report(adapter: &str, events: &mpsc::Sender<Event>, told: &mut bool) -> io::Result<()> {
    let about = [CONNECTION_COMPLETE, DISCONNECTION_COMPLETE];
    let fd = hci::listen(adapter, &about)?;
    // After the first event could be heard: a link that comes in between is known twice, not never.
    let mut links = Links::default();
    links.there_are(&connections(adapter)?);
    let socket = socket::watched(fd, Interest::READABLE)?;
    *told = false;
    loop {
        let mut packet = [0; LONGEST_EVENT];
        let length = received(&socket, &mut packet).await?;
        if length == 0 {
            return Ok(());
        }
        if let Some((phone, why)) = links.hear(&packet[..length]) {
            if events.send(Event::PhoneLeft { phone, why }).await.is_err() {
                return Ok(());
            }
        }
    }
}

async fn received(socket: &AsyncFd<OwnedFd>, packet: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut ready = socket.readable().await?;
        let read = ready.try_io(|socket| {
            let (length, _) = net::recv(socket, &mut packet[..], RecvFlags::empty())?;
            Ok(length)
        });
        if let Ok(length) = read {
            return length;
        }
    }
}

/// Asks the kernel for the links of an adapter.
fn connections(adapter: &str) -> io::Result<Vec<ConnectionInfo>> {
    let fd = socket::open(SocketType::RAW, BTPROTO_HCI)?;
    let mut list = ConnectionList {
        device: hci::number(adapter).ok_or(io::ErrorKind::NotFound)?,
        count: MOST_LINKS as u16,
        ..ConnectionList::default()
    };
    socket::ask(&fd, GET_CONNECTIONS, &mut list)?;
    let count = usize::from(list.count).min(MOST_LINKS);
    Ok(list.connections[..count].to_vec())
}

/// Whose link is which.
#[derive(Debug, Default)]
struct Links(BTreeMap<u16, Address>);

impl Links {
    fn there_are(&mut self, connections: &[ConnectionInfo]) {
        for link in connections.iter().filter(|it| it.kind == ACL) {
            self.0.insert(link.handle, address(link.address));
        }
    }

    /// Takes an event in; returns whose link it ended, if it was one that says whether it was meant.
    fn hear(&mut self, packet: &[u8]) -> Option<(Address, Parting)> {
        let [EVENT, event, length, parameters @ ..] = packet else {
            return None;
        };
        match (*event, parameters.get(..usize::from(*length))?) {
            (CONNECTION_COMPLETE, [0, low, high, a, b, c, d, e, f, ACL, _]) => {
                let phone = address([*a, *b, *c, *d, *e, *f]);
                self.0.insert(handle(*low, *high), phone);
                None
            }
            (DISCONNECTION_COMPLETE, [0, low, high, reason]) => {
                let phone = self.0.remove(&handle(*low, *high))?;
                Some((phone, parting(*reason)?))
            }
            _ => None,
        }
    }
}

/// Reads an address as it crosses HCI: the last octet first.
fn address(mut octets: [u8; 6]) -> Address {
    octets.reverse();
    Address::new(octets)
}

/// Reads a connection handle: 12 bits (volume 4, part E, 5.3.1).
fn handle(low: u8, high: u8) -> u16 {
    u16::from_le_bytes([low, high]) & 0x0fff
}

/// Reads why a link ended (volume 1, part F, 2).
fn parting(reason: u8) -> Option<Parting> {
    match reason {
        // Connection timeout; LMP response timeout.
        0x08 | 0x22 => Some(Parting::Lost),
        // Remote user terminated, for low resources, or about to power off.
        0x13..=0x15 => Some(Parting::Theirs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PHONE: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x01]);
    const UP: [u8; 14] = [
        4, 3, 11, 0, 0x2a, 0x00, 0x01, 0x00, 0xDE, 0x10, 0x4C, 0xDA, 1, 0,
    ];

    #[test]
    fn a_link_that_ended_is_told_with_its_phone() {
        for (reason, expected) in [
            (0x08, Some(Parting::Lost)),
            (0x22, Some(Parting::Lost)),
            (0x13, Some(Parting::Theirs)),
            (0x15, Some(Parting::Theirs)),
            (0x16, None),
            (0x05, None),
        ] {
            let mut links = Links::default();
            assert_eq!(links.hear(&UP), None);
            let ended = [4, 5, 4, 0, 0x2a, 0x00, reason];
            let told = links.hear(&ended);
            assert_eq!(told, expected.map(|why| (PHONE, why)), "{reason:02x}");
            assert_eq!(links.hear(&ended), None, "once");
        }
    }

    #[test]
    fn what_is_no_end_of_a_link_is_passed_over() {
        let mut links = Links::default();
        links.hear(&UP);
        for packet in [
            // Not ended after all, another one's, another event, cut short, another kind of packet.
            &[4, 5, 4, 0x0c, 0x2a, 0x00, 0x08][..],
            &[4, 5, 4, 0, 0x2b, 0x00, 0x08],
            &[4, 0x0e, 4, 0, 0x2a, 0x00, 0x08],
            &[4, 5, 4, 0, 0x2a, 0x00],
            &[2, 5, 4, 0, 0x2a, 0x00, 0x08],
            &[],
        ] {
            assert_eq!(links.hear(packet), None, "{packet:02x?}");
        }
        let ended = [4, 5, 4, 0, 0x2a, 0x00, 0x08];
        assert_eq!(links.hear(&ended), Some((PHONE, Parting::Lost)));
    }

    #[test]
    fn links_from_before_are_known() {
        let mut links = Links::default();
        let link = |handle, kind| ConnectionInfo {
            handle,
            address: [0x01, 0x00, 0xDE, 0x10, 0x4C, 0xDA],
            kind,
            ..ConnectionInfo::default()
        };
        links.there_are(&[link(1, ACL), link(2, 0)]);
        let lost = Some((PHONE, Parting::Lost));
        assert_eq!(links.hear(&[4, 5, 4, 0, 2, 0, 0x08]), None, "a voice");
        assert_eq!(links.hear(&[4, 5, 4, 0, 1, 0, 0x08]), lost);
    }

    #[test]
    fn the_kernel_s_structures_are_as_long_as_here() {
        assert_eq!(size_of::<ConnectionInfo>(), 16);
        assert_eq!(size_of::<ConnectionList>(), 4 + MOST_LINKS * 16);
    }

    proptest! {
        #[test]
        fn any_bytes_are_heard_without_harm(
            packets in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..20), 0..50),
        ) {
            let mut links = Links::default();
            for packet in packets {
                links.hear(&packet);
            }
            prop_assert!(links.0.len() <= 4096);
        }
    }
}
