//! Writes LATM for the tests of what reads it.

/// Bits, the first ones first.
#[derive(Clone, Default)]
pub(in super::super) struct Writer(Vec<bool>);

/// What an element says of itself.
#[derive(Clone, Copy)]
pub(in super::super) struct Header {
    pub(in super::super) version_1: bool,
    /// The number of the sampling rate.
    pub(in super::super) rate: u32,
    pub(in super::super) channels: u32,
    /// Frames in an element.
    pub(in super::super) frames: u32,
    pub(in super::super) other_data: bool,
    pub(in super::super) checksum: bool,
}

impl Header {
    /// What phones send: one frame of 44.1 kHz stereo.
    pub(in super::super) const USUAL: Self = Self {
        version_1: false,
        rate: 4,
        channels: 2,
        frames: 1,
        other_data: false,
        checksum: false,
    };
}

impl Writer {
    pub(in super::super) fn put(&mut self, number: u32, count: usize) -> &mut Self {
        self.0.extend(
            (0..count)
                .rev()
                .map(|bit| bit < 32 && (number >> bit) & 1 == 1),
        );
        self
    }

    /// A number of one byte (`LatmGetValue`).
    fn value(&mut self, number: u32) -> &mut Self {
        self.put(0, 2).put(number, 8)
    }

    /// An `AudioSpecificConfig`.
    pub(in super::super) fn config(&mut self, kind: u32, rate: u32, channels: u32) -> &mut Self {
        self.put(kind, 5).put(rate, 4).put(channels, 4).put(0, 3)
    }

    /// The beginning of an element, up to its frames.
    pub(in super::super) fn header(&mut self, header: Header) -> &mut Self {
        self.put(0, 1).put(header.version_1.into(), 1);
        if header.version_1 {
            self.put(0, 1).value(200);
        }
        self.put(1, 1).put(header.frames - 1, 6).put(0, 4 + 3);
        if header.version_1 {
            // Three bits more than the configuration needs.
            self.value(19)
                .config(2, header.rate, header.channels)
                .put(5, 3);
        } else {
            self.config(2, header.rate, header.channels);
        }
        self.put(0, 3).put(0xff, 8).put(header.other_data.into(), 1);
        if header.other_data && header.version_1 {
            self.value(12);
        } else if header.other_data {
            self.put(1, 1).put(0, 8).put(0, 1).put(12, 8);
        }
        self.put(header.checksum.into(), 1);
        if header.checksum {
            self.put(0xa5, 8);
        }
        self
    }

    pub(in super::super) fn frame(&mut self, frame: &[u8]) -> &mut Self {
        for _ in 0..frame.len() / 255 {
            self.put(255, 8);
        }
        self.put((frame.len() % 255) as u32, 8);
        for byte in frame {
            self.put((*byte).into(), 8);
        }
        self
    }

    pub(in super::super) fn bits(&self) -> usize {
        self.0.len()
    }

    pub(in super::super) fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            let bits = bits.iter().enumerate();
            bits.fold(0, |byte, (at, bit)| byte | (u8::from(*bit) << (7 - at)))
        };
        self.0.chunks(8).map(byte).collect()
    }
}

/// Takes the frames of a file of `tests/fixtures/aac` apart.
pub(in super::super) fn frames(mut file: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = file.split_first_chunk::<2>() {
        let (frame, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        frames.push(frame);
        file = rest;
    }
    frames
}
