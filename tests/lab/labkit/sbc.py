"""SBC by libsbc, the way a phone encodes it: every parameter A2DP knows.

Invariant: one `Sbc` value describes a stream completely; frames made with it decode with it, and
`frame_bytes` is the exact size of each.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np

RATES = (16000, 32000, 44100, 48000)
CHANNEL_MODES = ("mono", "dual", "stereo", "joint")
BLOCKS = (4, 8, 12, 16)
SUBBANDS = (4, 8)
ALLOCATIONS = ("loudness", "snr")

Channels = Literal["mono", "dual", "stereo", "joint"]
Allocation = Literal["loudness", "snr"]


class SbcError(Exception):
    """libsbc is missing or refused."""


@dataclass(frozen=True)
class Sbc:
    """The parameters of an SBC stream; the defaults are A2DP's recommended high quality."""

    rate: int = 44100
    channels: Channels = "joint"
    blocks: int = 16
    subbands: int = 8
    allocation: Allocation = "loudness"
    bitpool: int = 53

    def __post_init__(self) -> None:
        for value, allowed in (
            (self.rate, RATES),
            (self.channels, CHANNEL_MODES),
            (self.blocks, BLOCKS),
            (self.subbands, SUBBANDS),
            (self.allocation, ALLOCATIONS),
        ):
            if value not in allowed:
                raise SbcError(f"SBC knows no {value!r}: choose one of {allowed}")
        if not 2 <= self.bitpool <= self.largest_bitpool:
            raise SbcError(
                f"bitpool {self.bitpool} is outside 2..{self.largest_bitpool} of {self.channels}"
            )

    @property
    def largest_bitpool(self) -> int:
        """The most bits a block can share out in this channel mode."""
        shared = self.channels in ("stereo", "joint")
        return min(250, (32 if shared else 16) * self.subbands)

    @property
    def channel_count(self) -> int:
        return 1 if self.channels == "mono" else 2

    @property
    def frame_samples(self) -> int:
        """Samples per channel that one frame carries."""
        return self.blocks * self.subbands

    @property
    def frame_bytes(self) -> int:
        """Size of every frame (A2DP 12.9)."""
        header = 4 + 4 * self.subbands * self.channel_count // 8
        if self.channels in ("mono", "dual"):
            bits = self.blocks * self.channel_count * self.bitpool
        else:
            bits = (self.subbands if self.channels == "joint" else 0) + self.blocks * self.bitpool
        return header + (bits + 7) // 8

    def encode(self, samples: np.ndarray) -> list[bytes]:
        """Encodes 16-bit samples, shaped [n, channels]; the last frame is filled with silence."""
        pcm = np.ascontiguousarray(samples, dtype="<i2").reshape(-1, self.channel_count)
        missing = -len(pcm) % self.frame_samples
        data = np.pad(pcm, ((0, missing), (0, 0))).tobytes()
        size = 2 * self.channel_count * self.frame_samples
        out = ctypes.create_string_buffer(1024)
        written = ctypes.c_ssize_t()
        frames = []
        with self._codec() as codec:
            for start in range(0, len(data), size):
                used = library().sbc_encode(
                    codec, data[start : start + size], size, out, len(out), ctypes.byref(written)
                )
                if used != size or written.value != self.frame_bytes:
                    raise SbcError(f"libsbc encoded {used} of {size} bytes: {self}")
                frames.append(out.raw[: written.value])
        return frames

    def decode(self, frames: Iterable[bytes]) -> np.ndarray:
        """Decodes frames to 16-bit samples, shaped [n, channels]."""
        out = ctypes.create_string_buffer(8192)
        written = ctypes.c_size_t()
        decoded = []
        with self._codec() as codec:
            for frame in frames:
                used = library().sbc_decode(
                    codec, frame, len(frame), out, len(out), ctypes.byref(written)
                )
                if used != len(frame):
                    raise SbcError(f"libsbc decoded {used} of {len(frame)} bytes: {self}")
                decoded.append(out.raw[: written.value])
        return np.frombuffer(b"".join(decoded), dtype="<i2").reshape(-1, self.channel_count)

    @contextmanager
    def _codec(self) -> Iterator[object]:
        state = State()
        if library().sbc_init(ctypes.byref(state), 0) != 0:
            raise SbcError("libsbc has no memory")
        try:
            state.frequency = RATES.index(self.rate)
            state.mode = CHANNEL_MODES.index(self.channels)
            state.blocks = BLOCKS.index(self.blocks)
            state.subbands = SUBBANDS.index(self.subbands)
            state.allocation = ALLOCATIONS.index(self.allocation)
            state.bitpool = self.bitpool
            yield ctypes.byref(state)
        finally:
            library().sbc_finish(ctypes.byref(state))


class State(ctypes.Structure):
    """libsbc's `sbc_t`. Its orderings of rates, modes, blocks and allocations are ours above."""

    _fields_ = [
        ("flags", ctypes.c_ulong),
        ("frequency", ctypes.c_uint8),
        ("blocks", ctypes.c_uint8),
        ("subbands", ctypes.c_uint8),
        ("mode", ctypes.c_uint8),
        ("allocation", ctypes.c_uint8),
        ("bitpool", ctypes.c_uint8),
        ("endian", ctypes.c_uint8),
        ("priv", ctypes.c_void_p),
        ("priv_alloc_base", ctypes.c_void_p),
    ]


_loaded: ctypes.CDLL | None = None


def library() -> ctypes.CDLL:
    """libsbc, loaded at first use."""
    global _loaded
    if _loaded is None:
        try:
            _loaded = ctypes.CDLL("libsbc.so.1")
        except OSError as missing:
            raise SbcError(f"{missing}: install Debian's package libsbc1") from missing
        _loaded.sbc_encode.restype = ctypes.c_ssize_t
        _loaded.sbc_decode.restype = ctypes.c_ssize_t
        arguments = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        arguments += [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
        _loaded.sbc_encode.argtypes = arguments
        _loaded.sbc_decode.argtypes = arguments
        for init in (_loaded.sbc_init, _loaded.sbc_init_msbc):
            init.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        _loaded.sbc_finish.argtypes = [ctypes.c_void_p]
    return _loaded
