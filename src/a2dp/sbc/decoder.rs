//! Decoding with libsbc: the only place that talks to it.
//!
//! Invariant: libsbc never sees a frame whose length and format [`FrameHeader`] did not confirm,
//! and never gets less room than the largest frame needs.

use std::mem::MaybeUninit;

use libsbc_sys as sys;
use thiserror::Error;

use super::header::{FrameHeader, HeaderError};

/// The most samples, both channels together, that a frame decodes to.
pub const MAX_SAMPLES: usize = 16 * 8 * 2;

/// Why a frame could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It is not a frame.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It is a frame of another rate or number of channels than was agreed on.
    #[error("a frame of {rate} Hz with {channels} channels is not what was agreed on")]
    Format {
        /// Its rate in Hz.
        rate: u32,
        /// Its number of channels.
        channels: u8,
    },
    /// Its checksum is wrong, or libsbc does not like it.
    #[error("libsbc refused the frame ({0})")]
    Refused(isize),
}

/// A frame, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// How many bytes it took.
    pub bytes: usize,
    /// How many samples, both channels together, it gave.
    pub samples: usize,
}

/// Decodes the frames of one stream, one after the other.
pub struct Decoder {
    // Boxed, because libsbc's state must stay where it is.
    sbc: Box<sys::sbc_t>,
    rate: u32,
    channels: u8,
    subbands: Option<u8>,
}

// SAFETY: libsbc keeps no state outside of sbc_t and what it points to, which is ours alone.
unsafe impl Send for Decoder {}

impl Decoder {
    /// Makes a decoder for frames of `rate` and `channels`; nothing when memory is short.
    pub fn new(rate: u32, channels: u8) -> Option<Self> {
        let mut sbc = Box::new(MaybeUninit::<sys::sbc_t>::zeroed());
        // SAFETY: sbc_init fills the structure in, whatever it held before.
        if unsafe { sys::sbc_init(sbc.as_mut_ptr(), 0) } != 0 {
            return None;
        }
        // SAFETY: all-zero bytes are a valid sbc_t, and sbc_init filled it in.
        let mut sbc = unsafe { Box::from_raw(Box::into_raw(sbc).cast::<sys::sbc_t>()) };
        sbc.endian = Self::native_endian();
        Some(Self {
            sbc,
            rate,
            channels,
            subbands: None,
        })
    }

    fn native_endian() -> u8 {
        let endian = if cfg!(target_endian = "big") {
            sys::SBC_BE
        } else {
            sys::SBC_LE
        };
        endian as u8
    }

    /// Decodes the frame that `bytes` begin with.
    ///
    /// # Errors
    /// When there is none, it is of another format, or it is damaged.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        out: &mut [i16; MAX_SAMPLES],
    ) -> Result<Decoded, DecodeError> {
        let header = FrameHeader::parse(bytes)?;
        let channels = header.mode.channels();
        if header.rate != self.rate || channels != self.channels {
            return Err(DecodeError::Format {
                rate: header.rate,
                channels,
            });
        }
        self.follow_subbands(header.subbands);
        let mut written = 0_usize;
        // SAFETY: both slices are valid for the lengths given, `written` lives through the call,
        // and `sbc` was initialised in `new` and never moved.
        let taken = unsafe {
            sys::sbc_decode(
                &mut *self.sbc,
                bytes.as_ptr().cast(),
                header.length(),
                out.as_mut_ptr().cast(),
                size_of_val(out),
                &mut written,
            )
        };
        let samples = written / size_of::<i16>();
        let expected = header.samples() * usize::from(channels);
        if taken != header.length() as isize || samples != expected {
            return Err(DecodeError::Refused(taken));
        }
        Ok(Decoded {
            bytes: header.length(),
            samples,
        })
    }

    /// libsbc lays its filter out for the number of subbands of the first frame it sees, so it
    /// begins anew when that changes.
    fn follow_subbands(&mut self, subbands: u8) {
        if self.subbands.is_some_and(|before| before != subbands) {
            // SAFETY: `sbc` was initialised in `new`.
            unsafe { sys::sbc_reinit(&mut *self.sbc, 0) };
            self.sbc.endian = Self::native_endian();
        }
        self.subbands = Some(subbands);
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: `sbc` was initialised in `new` and is not used again.
        unsafe { sys::sbc_finish(&mut *self.sbc) }
    }
}
