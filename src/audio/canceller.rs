//! WebRTC's echo canceller, as PipeWire brings it along for its own echo-cancel module.
//!
//! Invariant: nothing of the plugin is seen outside, and nothing is loaded before the first canceller
//! is wanted; what one needs goes with it, but for the code, which glibc keeps mapped. Running one
//! neither blocks nor logs; what it does beyond that is the plugin's, which PipeWire runs on its
//! real-time threads as well.

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::ptr::{self, NonNull};

use pipewire::spa::param::audio::{AudioFormat, AudioInfoRaw, MAX_CHANNELS};
use pipewire::spa::sys as spa;
use pipewire::sys::{pw_load_spa_handle, pw_unload_spa_handle};
use thiserror::Error;

/// Where the plugin is, below PipeWire's folder of plugins.
const LIBRARY: &CStr = c"aec/libspa-aec-webrtc";
/// What it makes, and what that can do (spa/utils/names.h, spa/interfaces/audio/aec.h).
const FACTORY: &CStr = c"audio.aec";
const INTERFACE: &CStr = c"Spa:Pointer:Interface:Audio:AEC";
/// The version of that interface, from PipeWire 0.3.58 on.
const VERSION: u32 = 1;
/// By how many channels the plugin's description of sound may be longer than ours: from PipeWire 1.6
/// on it has room for twice as many, and copies all of them.
const MORE_CHANNELS: usize = MAX_CHANNELS;

/// Echo and nothing else. WebRTC always takes away what is below 100 Hz where it cancels echo, but
/// its older versions have to be told. Everything else costs 6 ms each, and what is steady in a room
/// is for the phone's network to take away.
const ARGUMENTS: [(&CStr, &CStr); 5] = [
    (c"webrtc.high_pass_filter", c"true"),
    (c"webrtc.noise_suppression", c"false"),
    (c"webrtc.transient_suppression", c"false"),
    (c"webrtc.voice_detection", c"false"),
    (c"webrtc.gain_control", c"false"),
];

/// Why there is no canceller.
#[derive(Debug, Error)]
pub(super) enum CancellerError {
    /// No plugin.
    #[error(
        "PipeWire's plugin aec/libspa-aec-webrtc does not load ({0}); \
         install it with `apt install libspa-0.2-modules`"
    )]
    Missing(#[source] io::Error),
    /// A plugin, but not the one that is meant.
    #[error(
        "PipeWire's plugin aec/libspa-aec-webrtc is not the one that dotd knows; \
         install that with `apt install --reinstall libspa-0.2-modules`"
    )]
    Unknown,
    /// The canceller cannot do with sound of this rate.
    #[error("WebRTC takes no sound of {rate} Hz ({error}); please report this as a bug")]
    Refused { rate: u32, error: io::Error },
}

/// A description of sound, as long as any plugin may read it.
#[repr(C)]
struct Format {
    info: spa::spa_audio_info_raw,
    _more: [u32; MORE_CHANNELS],
}

/// The functions of the interface, `struct spa_audio_aec_methods`, as far as they are called here.
#[repr(C)]
struct Methods {
    _version: u32,
    _add_listener: Option<unsafe extern "C" fn()>,
    init: Option<Init>,
    run: Option<Run>,
}

type Init = unsafe extern "C" fn(
    *mut c_void,
    *const spa::spa_dict,
    *const spa::spa_audio_info_raw,
) -> c_int;

/// Takes blocks of what was captured, what was played and what remains, each as a list of channels.
type Run = unsafe extern "C" fn(
    *mut c_void,
    *mut *const f32,
    *mut *const f32,
    *mut *mut f32,
    u32,
) -> c_int;

/// A canceller for one stream of one channel.
pub(super) struct Canceller {
    _handle: Handle,
    run: Run,
    /// What the plugin knows it by; the handle's.
    object: *mut c_void,
    block: usize,
}

// SAFETY: the plugin is bound to no thread, and whoever has a Canceller has all of it.
unsafe impl Send for Canceller {}

/// What keeps the plugin loaded.
struct Handle(NonNull<spa::spa_handle>);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it came from pw_load_spa_handle, and is unloaded once.
        let result = unsafe { pw_unload_spa_handle(self.0.as_ptr()) };
        debug_assert_eq!(result, 0);
    }
}

impl Canceller {
    /// Loads one for sound of `rate` Hz. libpipewire has to be initialized. Not for real-time
    /// threads.
    ///
    /// # Errors
    /// When there is no such plugin, or it does not take sound of this rate.
    pub(super) fn new(rate: u32) -> Result<Self, CancellerError> {
        let nothing = ptr::null();
        // SAFETY: both are strings; neither settings nor support are needed.
        let handle = unsafe {
            pw_load_spa_handle(LIBRARY.as_ptr(), FACTORY.as_ptr(), ptr::null(), 0, nothing)
        };
        let missing = || CancellerError::Missing(io::Error::last_os_error());
        let handle = Handle(NonNull::new(handle).ok_or_else(missing)?);
        let callbacks = handle.interface().ok_or(CancellerError::Unknown)?.cb;
        // SAFETY: the interface has all of these functions, whatever follows them.
        let methods = unsafe { callbacks.funcs.cast::<Methods>().as_ref() };
        let (init, run) = methods
            .and_then(|it| it.init.zip(it.run))
            .ok_or(CancellerError::Unknown)?;
        let object = callbacks.data;
        start(init, object, rate)?;
        Ok(Self {
            _handle: handle,
            run,
            object,
            block: block(rate),
        })
    }

    /// Takes out of `near`, which was captured, what comes from `far`, which was played, and leaves
    /// the rest in `rest`; each is a block of 10 ms. `far` is of no more use then.
    pub(super) fn run(&mut self, near: &[f32], far: &mut [f32], rest: &mut [f32]) {
        debug_assert!([near.len(), far.len(), rest.len()] == [self.block; 3]);
        // Echo is better than silence, or the block before once more: where WebRTC fails the plugin
        // leaves this as it is, and calls it done.
        rest.copy_from_slice(near);
        let mut captured = near.as_ptr();
        let mut played = far.as_mut_ptr().cast_const();
        let mut remains = rest.as_mut_ptr();
        // SAFETY: each is a list of one channel, of as many samples as we say. The plugin writes to
        // the last two.
        unsafe {
            (self.run)(
                self.object,
                &raw mut captured,
                &raw mut played,
                &raw mut remains,
                self.block as u32,
            )
        };
    }
}

impl Handle {
    /// Asks for the interface, if it has that in our version.
    fn interface(&self) -> Option<spa::spa_interface> {
        let handle = self.0.as_ptr();
        let mut interface = ptr::null_mut();
        // SAFETY: the handle lives, and knows how to tell its interfaces.
        let result = unsafe {
            let get = (*handle).get_interface?;
            get(handle, INTERFACE.as_ptr(), &raw mut interface)
        };
        if result < 0 {
            return None;
        }
        // SAFETY: every interface begins with one of these.
        let interface = unsafe { interface.cast::<spa::spa_interface>().as_ref() };
        interface.copied().filter(|it| it.version == VERSION)
    }
}

/// Returns the samples of 10 ms.
pub(super) fn block(rate: u32) -> usize {
    rate as usize / 100
}

fn start(init: Init, object: *mut c_void, rate: u32) -> Result<(), CancellerError> {
    let items = ARGUMENTS.map(|(key, value)| spa::spa_dict_item {
        key: key.as_ptr(),
        value: value.as_ptr(),
    });
    let arguments = spa::spa_dict {
        flags: 0,
        n_items: items.len() as u32,
        items: items.as_ptr(),
    };
    let mut info = AudioInfoRaw::new();
    info.set_format(AudioFormat::F32P);
    info.set_rate(rate);
    info.set_channels(1);
    let mut position = [0; MAX_CHANNELS];
    position[0] = spa::SPA_AUDIO_CHANNEL_MONO;
    info.set_position(position);
    let format = Format {
        info: info.as_raw(),
        _more: [0; MORE_CHANNELS],
    };
    // SAFETY: the object is the interface's own; what it is told lives until it returns.
    let result = unsafe { init(object, &raw const arguments, (&raw const format).cast()) };
    if result < 0 {
        let error = io::Error::from_raw_os_error(-result);
        return Err(CancellerError::Refused { rate, error });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of CVSD, mSBC and LC3-SWB.
    const RATES: [u32; 3] = [8_000, 16_000, 32_000];

    /// Something like speech: noise in syllables, of which no two are alike.
    fn chatter(seed: u32, rate: u32, seconds: u32) -> Vec<f32> {
        let mut state = seed;
        let mut smooth = 0.0;
        (0..seconds * rate)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 8) as f32 / 8_388_608.0 - 1.0;
                smooth += 0.3 * (noise - smooth);
                let syllable = (n as f32 * 5.3 / rate as f32).sin().max(0.0);
                0.5 * syllable * smooth
            })
            .collect()
    }

    fn power(samples: &[f32]) -> f32 {
        10.0 * (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).log10()
    }

    fn cancel(rate: u32, near: &[f32], far: &[f32]) -> Vec<f32> {
        pipewire::init();
        let mut canceller = Canceller::new(rate).unwrap();
        let mut rest = vec![f32::NAN; near.len()];
        for ((near, far), rest) in near
            .chunks_exact(block(rate))
            .zip(far.chunks_exact(block(rate)))
            .zip(rest.chunks_exact_mut(block(rate)))
        {
            canceller.run(near, &mut far.to_vec(), rest);
        }
        rest
    }

    #[test]
    fn what_is_played_is_taken_out_and_what_is_said_is_not() {
        for rate in RATES {
            let far = chatter(1, rate, 10);
            // 60 ms: the way through two sound cards and a room.
            let mut echo = vec![0.0; 6 * block(rate)];
            echo.extend(far[..far.len() - echo.len()].iter().map(|x| x / 2.0));
            let learned = 5 * rate as usize..;
            let rest = cancel(rate, &echo, &far);
            let left = power(&rest[learned.clone()]) - power(&echo[learned.clone()]);
            println!("{rate} Hz: {left} dB");
            // -69 dB at 16 kHz with WebRTC 1.3; 0.3, of Debian 12, leaves more.
            assert!(left < -6.0, "{left} dB of the echo are left at {rate} Hz");
            let said = chatter(2, rate, 10);
            let heard = cancel(rate, &said, &vec![0.0; far.len()]);
            let kept = power(&heard[learned.clone()]) - power(&said[learned]);
            assert!(
                kept.abs() < 3.0,
                "what was said came out {kept} dB louder at {rate} Hz"
            );
        }
    }

    #[test]
    fn every_rate_of_a_call_is_taken_and_the_plugin_can_be_loaded_again() {
        pipewire::init();
        for rate in RATES.into_iter().chain(RATES) {
            let canceller = Canceller::new(rate).unwrap();
            assert_eq!(canceller.block, rate as usize / 100);
        }
    }
}
