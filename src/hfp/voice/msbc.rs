//! mSBC with libsbc: SBC in one fixed form, mono, 16 kHz, 15 blocks, 8 subbands, bit pool 26
//! (HFP 1.9, appendix A).
//!
//! Invariant: libsbc never sees a frame without its sync word, nor less room than a frame needs.

use std::mem::MaybeUninit;

use libsbc_sys as sys;

use super::frames::Refused;
use super::h2::PAYLOAD;
use super::packet::CodecError;
use super::samples::{to_float, to_integer};

/// Samples in a frame.
pub(super) const SAMPLES: usize = 120;

/// Bytes in a frame.
const BYTES: usize = 57;

const SYNC: u8 = 0xad;

/// A state of libsbc for mSBC, which can code or decode.
// Boxed, because libsbc's state must stay where it is.
struct State(Box<sys::sbc_t>);

// SAFETY: libsbc keeps no state outside of sbc_t and what it points to, which is ours alone.
unsafe impl Send for State {}

impl State {
    fn new() -> Result<Self, CodecError> {
        let mut sbc = Box::new(MaybeUninit::<sys::sbc_t>::zeroed());
        // SAFETY: sbc_init_msbc fills the structure in, whatever it held before.
        if unsafe { sys::sbc_init_msbc(sbc.as_mut_ptr(), 0) } != 0 {
            return Err(CodecError::Memory);
        }
        // SAFETY: all-zero bytes are a valid sbc_t, and sbc_init_msbc filled it in.
        let mut sbc = unsafe { Box::from_raw(Box::into_raw(sbc).cast::<sys::sbc_t>()) };
        let endian = if cfg!(target_endian = "big") {
            sys::SBC_BE
        } else {
            sys::SBC_LE
        };
        sbc.endian = endian as u8;
        Ok(Self(sbc))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: the state was initialised in `new` and is not used again.
        unsafe { sys::sbc_finish(&mut *self.0) }
    }
}

/// Decodes the frames of one link, one after the other.
pub(super) struct Decoder {
    state: State,
}

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self {
            state: State::new()?,
        })
    }

    /// Decodes a frame.
    ///
    /// # Errors
    /// When it is none, or its checksum is wrong, which covers its scale factors only.
    pub(super) fn decode(
        &mut self,
        payload: &[u8; PAYLOAD],
        out: &mut [f32; SAMPLES],
    ) -> Result<(), Refused> {
        if payload[0] != SYNC {
            return Err(Refused);
        }
        let mut decoded = [0_i16; SAMPLES];
        let mut written = 0_usize;
        // SAFETY: both buffers are valid for the lengths given, `written` lives through the call,
        // and the state was initialised in `new` and never moved.
        let taken = unsafe {
            sys::sbc_decode(
                &mut *self.state.0,
                payload.as_ptr().cast(),
                BYTES,
                decoded.as_mut_ptr().cast(),
                size_of_val(&decoded),
                &mut written,
            )
        };
        if taken != BYTES as isize || written != size_of_val(&decoded) {
            return Err(Refused);
        }
        for (sample, decoded) in out.iter_mut().zip(decoded) {
            *sample = to_float(decoded);
        }
        Ok(())
    }
}

/// Codes the frames of one link, one after the other.
pub(super) struct Encoder {
    state: State,
}

impl Encoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self {
            state: State::new()?,
        })
    }

    /// Codes a frame; the byte after it is zero.
    pub(super) fn encode(&mut self, sound: &[f32; SAMPLES], out: &mut [u8; PAYLOAD]) {
        let samples = sound.map(to_integer);
        let mut written = 0_isize;
        *out = [0; PAYLOAD];
        // SAFETY: as in `decode`.
        let taken = unsafe {
            sys::sbc_encode(
                &mut *self.state.0,
                samples.as_ptr().cast(),
                size_of_val(&samples),
                out.as_mut_ptr().cast(),
                BYTES,
                &mut written,
            )
        };
        debug_assert_eq!(taken, size_of_val(&samples) as isize);
        debug_assert_eq!(written, BYTES as isize);
    }
}
