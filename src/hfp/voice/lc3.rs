//! LC3-SWB with liblc3: LC3 at 32 kHz in frames of 7.5 ms and 58 bytes (HFP 1.9, 5.7 and appendix
//! on LC3-SWB; Low Complexity Communication Codec 1.0).
//!
//! Invariant: liblc3 gets memory of the size that it asked for, buffers of a whole frame, and only
//! samples that are numbers within range.
//!
//! The six functions needed are declared here rather than taken from a crate: the one binding there
//! is compiles a copy of liblc3 of its own, which no security update of the system reaches, and
//! makes its declarations anew with bindgen at each build. They are the same in all releases of
//! liblc3 from 1.0.1 on (`lc3.h`).

use std::ffi::{c_int, c_uint, c_void};
use std::ptr::NonNull;

use super::frames::Refused;
use super::h2::PAYLOAD;
use super::packet::CodecError;
use super::samples::limit;

/// Samples in a frame.
pub(super) const SAMPLES: usize = 240;

const FRAME_US: c_int = 7_500;
const RATE: c_int = 32_000;
/// `LC3_PCM_FORMAT_FLOAT`: `float`, -1 to 1.
const FLOAT: c_int = 3;

#[link(name = "lc3")]
unsafe extern "C" {
    fn lc3_encoder_size(dt_us: c_int, sr_hz: c_int) -> c_uint;
    fn lc3_setup_encoder(
        dt_us: c_int,
        sr_hz: c_int,
        sr_pcm_hz: c_int,
        mem: *mut c_void,
    ) -> *mut c_void;
    fn lc3_encode(
        encoder: *mut c_void,
        fmt: c_int,
        pcm: *const c_void,
        stride: c_int,
        nbytes: c_int,
        out: *mut c_void,
    ) -> c_int;
    fn lc3_decoder_size(dt_us: c_int, sr_hz: c_int) -> c_uint;
    fn lc3_setup_decoder(
        dt_us: c_int,
        sr_hz: c_int,
        sr_pcm_hz: c_int,
        mem: *mut c_void,
    ) -> *mut c_void;
    fn lc3_decode(
        decoder: *mut c_void,
        input: *const c_void,
        nbytes: c_int,
        fmt: c_int,
        pcm: *mut c_void,
        stride: c_int,
    ) -> c_int;
}

/// A codec that liblc3 set up in memory of ours.
struct State {
    handle: NonNull<c_void>,
    /// What `handle` points into; `u64` for its alignment.
    _memory: Box<[u64]>,
}

// SAFETY: liblc3 keeps all of a codec's state in the memory given to it, which is ours alone.
unsafe impl Send for State {}

impl State {
    /// Sets a codec up with `setup` in `size` bytes.
    fn new(
        size: c_uint,
        setup: unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void) -> *mut c_void,
    ) -> Result<Self, CodecError> {
        let bytes = usize::try_from(size).map_err(|_| CodecError::Memory)?;
        let mut memory = vec![0_u64; bytes.div_ceil(size_of::<u64>())].into_boxed_slice();
        // SAFETY: the memory is at least as large as liblc3 asked for, aligned more strictly than
        // a pointer, and stays where it is for as long as the handle lives. Zero as the rate of
        // the samples means that of the codec.
        let handle = unsafe { setup(FRAME_US, RATE, 0, memory.as_mut_ptr().cast()) };
        Ok(Self {
            handle: NonNull::new(handle).ok_or(CodecError::Memory)?,
            _memory: memory,
        })
    }
}

/// Decodes the frames of one link, one after the other.
pub(super) struct Decoder {
    state: State,
}

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        // SAFETY: it only calculates.
        let size = unsafe { lc3_decoder_size(FRAME_US, RATE) };
        Ok(Self {
            state: State::new(size, lc3_setup_decoder)?,
        })
    }

    /// Decodes a frame.
    ///
    /// # Errors
    /// When liblc3 finds that it is none; LC3 has no checksum, so most damage is not found.
    pub(super) fn decode(
        &mut self,
        payload: &[u8; PAYLOAD],
        out: &mut [f32; SAMPLES],
    ) -> Result<(), Refused> {
        // SAFETY: the handle was set up for this frame length and rate, `payload` has PAYLOAD bytes,
        // and `out` has room for a frame.
        let result = unsafe {
            lc3_decode(
                self.state.handle.as_ptr(),
                payload.as_ptr().cast(),
                PAYLOAD as c_int,
                FLOAT,
                out.as_mut_ptr().cast(),
                1,
            )
        };
        // One says that liblc3 made something up. Ours is closer to what was said: its own turns
        // the signs of the spectrum at random, which tones do not survive.
        if result == 0 && out.iter().all(|sample| sample.is_finite()) {
            Ok(())
        } else {
            Err(Refused)
        }
    }
}

/// Codes the frames of one link, one after the other.
pub(super) struct Encoder {
    state: State,
}

impl Encoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        // SAFETY: it only calculates.
        let size = unsafe { lc3_encoder_size(FRAME_US, RATE) };
        Ok(Self {
            state: State::new(size, lc3_setup_encoder)?,
        })
    }

    /// Codes a frame.
    pub(super) fn encode(&mut self, sound: &[f32; SAMPLES], out: &mut [u8; PAYLOAD]) {
        let samples = sound.map(limit);
        // SAFETY: the handle was set up for this frame length and rate; `samples` holds a frame
        // and `out` has room for PAYLOAD bytes.
        let result = unsafe {
            lc3_encode(
                self.state.handle.as_ptr(),
                FLOAT,
                samples.as_ptr().cast(),
                1,
                PAYLOAD as c_int,
                out.as_mut_ptr().cast(),
            )
        };
        debug_assert_eq!(result, 0);
    }
}
