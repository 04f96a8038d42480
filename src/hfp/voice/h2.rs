//! Frames of mSBC and LC3-SWB in the bytes of a link (HFP 1.9, 5.7.2: synchronisation header H2).
//!
//! Invariant: a frame is given out once, in order, and in place of each that was lost or damaged
//! something is given out that says so; memory is one frame and the header after it, whatever comes.
//!
//! A frame is 60 bytes: `0x01`, a byte with a number from 0 to 3 (each of its bits twice, so that it
//! survives an error), and 58 bytes for the codec. Links cut this stream into packets of their own
//! size, and lose some of them, with or without a word. So the header tells where a frame begins,
//! and the number how many were lost.
//!
//! Two bytes also occur by chance, once in 270 payloads of LC3. A header is therefore believed at
//! once only where one was due, in a frame that came in one packet. Anywhere else the next header
//! has to follow it, 60 bytes later and with the next number. mSBC is easier: three more bytes are
//! known.

use super::packet::PacketStatus;

/// The length in bytes of a frame with its header.
pub(super) const FRAME: usize = 60;

/// The length of what the codec has of it. mSBC fills 57 bytes; the last one is zero.
pub(super) const PAYLOAD: usize = FRAME - HEADER;

const HEADER: usize = 2;
const WINDOW: usize = FRAME + HEADER;

const FIRST: u8 = 0x01;
/// The second byte of the header for each number.
const NUMBERED: [u8; 4] = [0x08, 0x38, 0xc8, 0xf8];

/// What each mSBC frame begins with: its sync word, and two reserved bytes (HFP 1.9, appendix A).
const MSBC_START: [u8; 3] = [0xad, 0, 0];

/// Puts the header of frame number `number` in front of a payload.
pub(super) fn write_header(frame: &mut [u8; FRAME], number: u8) {
    frame[0] = FIRST;
    frame[1] = NUMBERED[usize::from(number & 3)];
}

fn number_in(second: u8) -> Option<u8> {
    let position = NUMBERED.iter().position(|byte| *byte == second)?;
    u8::try_from(position).ok()
}

/// What is found in the bytes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A frame.
    Frame(&'a [u8; PAYLOAD]),
    /// A frame that lies in a packet the controller has doubts about.
    Damaged,
    /// The frame before, once more; nothing is to be played for it.
    Doubled,
    /// So many frames are missing here.
    Lost(u8),
}

/// What to do with the bytes at hand.
enum Verdict {
    Wait,
    Skip(usize),
    Deliver,
}

/// Puts frames together from packets.
pub(super) struct Deframer {
    /// Whether frames are of mSBC and thus begin with [`MSBC_START`].
    msbc: bool,
    bytes: [u8; WINDOW],
    filled: usize,
    /// A bit for each byte: whether it came in a packet that is doubted.
    doubts: u64,
    /// How many bytes of the packet at hand were taken.
    taken: usize,
    /// Bytes thrown away since the last frame, less what was reported as lost for them.
    stray: usize,
    /// The number that the next frame should have; none before the first.
    next: Option<u8>,
    /// Whether `next` was counted on without seeing the number of a frame.
    guessed: bool,
    /// The frame given out last.
    last: [u8; FRAME],
}

impl Deframer {
    /// Makes one for mSBC or for LC3-SWB.
    pub(super) fn new(msbc: bool) -> Self {
        Self {
            msbc,
            bytes: [0; WINDOW],
            filled: 0,
            doubts: 0,
            taken: 0,
            stray: 0,
            next: None,
            guessed: false,
            last: [0; FRAME],
        }
    }

    /// Takes a packet and gives out what it completes.
    pub(super) fn push(
        &mut self,
        packet: &[u8],
        status: PacketStatus,
        mut out: impl FnMut(Piece<'_>),
    ) {
        self.taken = 0;
        for byte in packet {
            self.bytes[self.filled] = *byte;
            self.doubts |= u64::from(status.is_bad()) << self.filled;
            self.filled += 1;
            self.taken += 1;
            loop {
                match self.judge() {
                    Verdict::Wait => break,
                    Verdict::Skip(count) => self.skip(count, &mut out),
                    Verdict::Deliver => self.deliver(&mut out),
                }
            }
        }
    }

    fn judge(&self) -> Verdict {
        if self.filled == 0 {
            return Verdict::Wait;
        }
        let beginning = || (1..self.filled).find(|at| self.may_begin_at(*at));
        if !self.may_begin_at(0) {
            return Verdict::Skip(beginning().unwrap_or(self.filled));
        }
        if self.filled < FRAME {
            return Verdict::Wait;
        }
        if self.is_certain() {
            return Verdict::Deliver;
        }
        if self.filled < WINDOW {
            return Verdict::Wait;
        }
        if self.is_followed() {
            Verdict::Deliver
        } else {
            Verdict::Skip(beginning().unwrap_or(self.filled))
        }
    }

    /// Says whether a frame can begin at `at`, as far as its first bytes are there.
    fn may_begin_at(&self, at: usize) -> bool {
        let length = (HEADER + MSBC_START.len()).min(self.filled - at);
        // Bytes in doubt make a header only where one is due.
        let doubted = (self.doubts >> at) & ((1 << length) - 1) != 0;
        if doubted && !(self.is_started() && (self.stray + at) % FRAME == 0) {
            return false;
        }
        let bytes = &self.bytes[at..self.filled];
        let header = bytes[0] == FIRST && bytes.get(1).is_none_or(|b| number_in(*b).is_some());
        let start = bytes.iter().skip(HEADER).zip(MSBC_START);
        header && (!self.msbc || start.into_iter().all(|(byte, known)| *byte == known))
    }

    fn is_started(&self) -> bool {
        self.next.is_some()
    }

    /// Says whether the header at hand is where one is due.
    fn is_due(&self) -> bool {
        self.is_started() && self.stray == 0
    }

    /// Says whether the frame at hand needs no header behind it to be believed.
    fn is_certain(&self) -> bool {
        let in_one_packet = self.taken >= self.filled;
        let leads_packet = self.taken == self.filled;
        if in_one_packet && (self.is_due() || leads_packet) {
            return true;
        }
        // Where packets are lost without a word, the frame after can begin within this one, or
        // give it its tail; the byte that mSBC leaves zero tells nearly always.
        let inside = 1..FRAME - HEADER;
        self.msbc
            && self.bytes[FRAME - 1] == 0
            && !inside.into_iter().any(|at| self.may_begin_at(at))
    }

    /// Says whether a header follows the frame at hand.
    fn is_followed(&self) -> bool {
        let (mine, after) = (number_in(self.bytes[1]), number_in(self.bytes[FRAME + 1]));
        let (Some(mine), Some(after)) = (mine, after) else {
            return false;
        };
        self.bytes[FRAME] == FIRST && (self.is_due() || after == (mine + 1) & 3)
    }

    fn skip(&mut self, count: usize, out: &mut impl FnMut(Piece<'_>)) {
        self.consume(count);
        self.stray += count;
        // Told as soon as its time has passed, not only when the next frame is found.
        while self.stray >= FRAME {
            self.stray -= FRAME;
            self.miss(Piece::Lost(1), out);
        }
    }

    /// Gives `piece` out in place of a frame whose number was not seen.
    fn miss(&mut self, piece: Piece<'_>, out: &mut impl FnMut(Piece<'_>)) {
        if let Some(next) = self.next {
            self.next = Some((next + 1) & 3);
            self.guessed = true;
            out(piece);
        }
    }

    fn deliver(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        let doubted = self.doubts & ((1 << FRAME) - 1) != 0;
        let number = number_in(self.bytes[1]).unwrap_or_default();
        self.stray = 0;
        if doubted {
            // Its number is in doubt as well.
            self.miss(Piece::Damaged, out);
        } else {
            self.deliver_good(number, out);
        }
        self.consume(FRAME);
    }

    fn deliver_good(&mut self, number: u8, out: &mut impl FnMut(Piece<'_>)) {
        let gap = number.wrapping_sub(self.next.unwrap_or(number)) & 3;
        let frame = &self.bytes[..FRAME];
        if gap == 3 && self.last == *frame {
            out(Piece::Doubled);
            return;
        }
        // One short of what was counted on is more likely than three lost on top of a guess.
        if gap > 0 && !(gap == 3 && self.guessed) {
            out(Piece::Lost(gap));
        }
        self.last.copy_from_slice(frame);
        self.next = Some((number + 1) & 3);
        self.guessed = false;
        if let Some(payload) = self.last[HEADER..].first_chunk() {
            out(Piece::Frame(payload));
        }
    }

    fn consume(&mut self, count: usize) {
        self.bytes.copy_within(count..self.filled, 0);
        self.filled -= count;
        self.doubts >>= count;
    }
}

#[cfg(test)]
#[path = "h2_tests.rs"]
mod tests;
