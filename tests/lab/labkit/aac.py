"""AAC by FFmpeg, the way a phone encodes it, in LATM as A2DP wants it (A2DP 1.4, 4.5; RFC 3016).

Invariant: one `Aac` value describes a stream completely; each element has one frame and says what is
in it, as those of iPhones do.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

RATES = (44100, 48000)
CHANNELS = ("mono", "stereo")
FRAME_SAMPLES = 1024
_RATE_NUMBERS = {48000: 3, 44100: 4}

Layout = Literal["mono", "stereo"]


class AacError(Exception):
    """FFmpeg refused, or it is nothing that A2DP's AAC can do."""


@dataclass(frozen=True)
class Aac:
    """The parameters of an AAC stream; the defaults are an iPhone's."""

    rate: int = 44100
    channels: Layout = "stereo"
    bit_rate: int = 256_000

    def __post_init__(self) -> None:
        for value, allowed in (self.rate, RATES), (self.channels, CHANNELS):
            if value not in allowed:
                raise AacError(f"AAC has no {value!r} here: choose one of {allowed}")

    @property
    def channel_count(self) -> int:
        return CHANNELS.index(self.channels) + 1

    @property
    def frame_samples(self) -> int:
        """Samples per channel that one frame carries."""
        return FRAME_SAMPLES

    def encode(self, samples: np.ndarray) -> list[bytes]:
        """Encodes 16-bit samples, shaped [n, channels], to elements; the last one is filled with
        silence. What goes in comes out one frame later."""
        pcm = np.asarray(samples, dtype="float32").reshape(-1, self.channel_count) / 32768
        pcm = np.pad(pcm, ((0, -len(pcm) % FRAME_SAMPLES), (0, 0)))
        return [element(self, frame) for frame in self._frames(pcm)]

    def _frames(self, pcm: np.ndarray) -> list[bytes]:
        import av  # It takes a moment, and few tests need it.

        coder = av.CodecContext.create("aac", "w")
        coder.sample_rate, coder.bit_rate = self.rate, self.bit_rate
        coder.layout, coder.format = self.channels, "fltp"
        coder.time_base = Fraction(1, self.rate)
        # Its usual way with two tones that differ has them leap by a sample now and then.
        coder.options = {"aac_coder": "fast"}
        packets = []
        for start in range(0, len(pcm), FRAME_SAMPLES):
            planes = np.ascontiguousarray(pcm[start : start + FRAME_SAMPLES].T)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=self.channels)
            frame.sample_rate, frame.pts = self.rate, start
            packets += coder.encode(frame)
        packets += coder.encode(None)
        return [bytes(packet) for packet in packets]


def element(aac: Aac, frame: bytes) -> bytes:
    """Wraps a frame in an `AudioMuxElement` (ISO/IEC 14496-3, 1.7.3) that says what it is."""
    lengths = [255] * (len(frame) // 255) + [len(frame) % 255]
    fields = [
        (0, 1),  # It says what is in it:
        (0, 1),  # version 0,
        (1, 1),  # one framing,
        (0, 6),  # one frame,
        (0, 4 + 3),  # one program of one layer,
        (2, 5),  # low complexity,
        (_RATE_NUMBERS[aac.rate], 4),
        (aac.channel_count, 4),
        (0, 3),  # 1024 samples, and nothing more;
        (0, 3),  # frames of whatever length,
        (0xFF, 8),  # at a variable rate;
        (0, 1),  # no other data,
        (0, 1),  # no checksum.
        *((length, 8) for length in lengths),
    ]
    number, count = 0, 0
    for value, bits in fields:
        number, count = number << bits | value, count + bits
    number, count = number << 8 * len(frame) | int.from_bytes(frame, "big"), count + 8 * len(frame)
    padding = -count % 8
    return (number << padding).to_bytes((count + padding) // 8, "big")
