//! How to reach a thread that waits for a socket.
//!
//! Invariant: a note wakes the thread once, at whatever moment it is written, and writing one never
//! blocks.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::{Nanos, SECOND};

/// A note for a thread.
#[derive(Debug)]
pub struct Signal {
    wake: OwnedFd,
    stopping: AtomicBool,
}

impl Signal {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no file descriptor left.
    pub fn new() -> Result<Self, Errno> {
        Ok(Self {
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            stopping: AtomicBool::new(false),
        })
    }

    /// Wakes the thread, to look for what is new.
    pub fn wake(&self) {
        // Fails only when the counter is full, and then the thread wakes anyway.
        rustix::io::write(&self.wake, &1_u64.to_ne_bytes()).ok();
    }

    /// Tells the thread to end.
    pub fn stop(&self) {
        self.stopping.store(true, SeqCst);
        self.wake();
    }

    /// The thread: asks whether to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// The thread: waits for a note and takes it, but no longer than this.
    pub fn wait(&self, longest: Nanos) {
        let mut note = [PollFd::new(&self.wake, PollFlags::IN)];
        // Whatever it ends by, whoever waits looks for itself.
        poll(&mut note, Some(&timespec(longest))).ok();
        self.clear();
    }

    /// The thread: waits for `socket` to have something to read, or to have ended, or for a note,
    /// which it takes, but no longer than this.
    ///
    /// # Errors
    /// When the kernel cannot wait, for want of memory.
    pub fn wait_beside(&self, socket: &OwnedFd, longest: Option<Nanos>) -> Result<(), Errno> {
        let mut ready = [
            PollFd::new(socket, PollFlags::IN),
            PollFd::new(&self.wake, PollFlags::IN),
        ];
        match poll(&mut ready, longest.map(timespec).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if !ready[1].revents().is_empty() {
            self.clear();
        }
        Ok(())
    }

    /// Takes the note, so that the next one wakes again.
    fn clear(&self) {
        let mut count = [0; 8];
        // An empty counter is what is wanted.
        rustix::io::read(&self.wake, &mut count).ok();
    }
}

fn timespec(time: Nanos) -> Timespec {
    let time = time.max(0);
    Timespec {
        tv_sec: time / SECOND,
        tv_nsec: time % SECOND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::{MILLISECOND, now};
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    /// Longer than any test waits.
    const LONG: Nanos = 30 * SECOND;

    #[test]
    fn a_note_wakes_once() {
        let signal = Signal::new().unwrap();
        let (_theirs, ours) = sockets();
        let begin = now();
        signal.wake();
        signal.wake();
        signal.wait_beside(&ours, Some(LONG)).unwrap();
        signal.wake();
        signal.wait(LONG);
        assert!(now() - begin < LONG, "a note was not seen");
        let begin = now();
        signal.wait_beside(&ours, Some(5 * MILLISECOND)).unwrap();
        assert!(now() - begin >= 5 * MILLISECOND, "a note was seen twice");
        assert!(!signal.is_stopping());
        signal.stop();
        signal.wait(LONG);
        assert!(signal.is_stopping());
    }

    #[test]
    fn a_socket_wakes_as_well() {
        let signal = Signal::new().unwrap();
        let (theirs, ours) = sockets();
        send(&theirs, &[1], SendFlags::NOSIGNAL).unwrap();
        signal.wait_beside(&ours, None).unwrap();
        drop(theirs);
        signal.wait_beside(&ours, None).unwrap();
    }

    fn sockets() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap()
    }
}
