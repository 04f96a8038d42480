//! A phone's end of a media transport: sound in, RTP packets with SBC frames out.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by unit tests, integration tests and an example, which use parts of it"
)]

use std::mem::MaybeUninit;
use std::time::Duration;

use dotd::policy::model::{ChannelMode, StreamFormat};
use libsbc_sys as sys;

/// Encodes and packs, frame by frame.
pub struct Phone {
    sbc: Box<MaybeUninit<sys::sbc_t>>,
    pub rate: u32,
    pub mode: ChannelMode,
    pub frames_per_packet: u8,
    sequence: u16,
    sent: u64,
}

/// How a stream is coded.
#[derive(Clone, Copy, Debug)]
pub struct Coding {
    pub rate: u32,
    pub mode: ChannelMode,
    pub blocks: u8,
    pub subbands: u8,
    pub by_snr: bool,
    pub bitpool: u8,
}

impl Coding {
    /// What most phones choose.
    pub fn usual(rate: u32, mode: ChannelMode) -> Self {
        let bitpool = match mode {
            ChannelMode::Mono | ChannelMode::DualChannel => 31,
            ChannelMode::Stereo | ChannelMode::JointStereo => 53,
        };
        Self {
            rate,
            mode,
            blocks: 16,
            subbands: 8,
            by_snr: false,
            bitpool,
        }
    }

    pub fn format(&self) -> StreamFormat {
        StreamFormat::Sbc {
            rate: self.rate,
            mode: self.mode,
            max_bitpool: self.bitpool,
        }
    }
}

impl Phone {
    pub fn new(coding: Coding, frames_per_packet: u8) -> Self {
        let mut sbc = Box::new(MaybeUninit::<sys::sbc_t>::zeroed());
        // SAFETY: sbc_init fills the structure in, and it stays in its box.
        unsafe {
            assert_eq!(sys::sbc_init(sbc.as_mut_ptr(), 0), 0);
            let sbc = &mut *sbc.as_mut_ptr();
            sbc.frequency = match coding.rate {
                16_000 => sys::SBC_FREQ_16000,
                32_000 => sys::SBC_FREQ_32000,
                44_100 => sys::SBC_FREQ_44100,
                _ => sys::SBC_FREQ_48000,
            } as u8;
            sbc.mode = match coding.mode {
                ChannelMode::Mono => sys::SBC_MODE_MONO,
                ChannelMode::DualChannel => sys::SBC_MODE_DUAL_CHANNEL,
                ChannelMode::Stereo => sys::SBC_MODE_STEREO,
                ChannelMode::JointStereo => sys::SBC_MODE_JOINT_STEREO,
            } as u8;
            sbc.blocks = coding.blocks / 4 - 1;
            sbc.subbands = u8::from(coding.subbands == 8);
            sbc.allocation = u8::from(coding.by_snr);
            sbc.bitpool = coding.bitpool;
            sbc.endian = sys::SBC_LE as u8;
        }
        Self {
            sbc,
            rate: coding.rate,
            mode: coding.mode,
            frames_per_packet,
            sequence: 0xfff0,
            sent: 0,
        }
    }

    fn codesize(&mut self) -> usize {
        // SAFETY: initialised in `new`.
        unsafe { sys::sbc_get_codesize(self.sbc.as_mut_ptr()) }
    }

    /// Frames of sound in one packet.
    pub fn packet_frames(&mut self) -> usize {
        let channels = usize::from(self.mode.channels());
        self.codesize() / 2 / channels * usize::from(self.frames_per_packet)
    }

    /// How long one packet plays.
    pub fn packet_duration(&mut self) -> Duration {
        Duration::from_secs_f64(self.packet_frames() as f64 / f64::from(self.rate))
    }

    /// Makes the next packet from a signal that gives left and right of frame `n`.
    pub fn packet(&mut self, signal: &mut dyn FnMut(u64) -> [f32; 2]) -> Vec<u8> {
        let channels = usize::from(self.mode.channels());
        let mut packet = vec![0x80, 0x60];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((self.sent as u32).to_be_bytes());
        packet.extend([0, 0, 0, 1, self.frames_per_packet]);
        self.sequence = self.sequence.wrapping_add(1);
        let frames = self.codesize() / 2 / channels;
        for _ in 0..self.frames_per_packet {
            let mut samples = Vec::with_capacity(frames * channels);
            for _ in 0..frames {
                let frame = signal(self.sent);
                samples.extend(frame[..channels].iter().map(|s| (s * 32_767.0) as i16));
                self.sent += 1;
            }
            let (mut out, mut written) = ([0_u8; 1024], 0_isize);
            // SAFETY: the slices are valid for the lengths given.
            let taken = unsafe {
                sys::sbc_encode(
                    self.sbc.as_mut_ptr(),
                    samples.as_ptr().cast(),
                    samples.len() * 2,
                    out.as_mut_ptr().cast(),
                    out.len(),
                    &mut written,
                )
            };
            assert_eq!(
                taken as usize,
                samples.len() * 2,
                "libsbc refused to encode"
            );
            packet.extend(&out[..written as usize]);
        }
        packet
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, not used again.
        unsafe { sys::sbc_finish(self.sbc.as_mut_ptr()) }
    }
}

// SAFETY: libsbc keeps no state outside of the structure, which is ours alone.
unsafe impl Send for Phone {}
