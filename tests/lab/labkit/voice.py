"""The voice of a call as it crosses the air: CVSD (the controller's business, PCM to us), mSBC
and LC3-SWB.

The frames of the last two are found in the stream by their H2 header, whatever the packets' sizes.

Invariant: a decoder gives as many samples as its codec's clock went on by: what is known to be
missing comes out as silence and is counted, never skipped.
"""

from __future__ import annotations

import ctypes
import importlib
import weakref
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, Protocol

import numpy as np

from labkit.sbc import SbcError, State, library

CodecName = Literal["cvsd", "msbc", "lc3"]

AIR_FRAME = 60
"""Bytes of one frame with its header; also what most adapters carry per packet."""

_H2 = bytes([0x08, 0x38, 0xC8, 0xF8])
"""The second byte of the H2 header: the sequence number 0 to 3, with its own error correction."""

_MSBC_SYNC = b"\xad"
_MSBC_BYTES = 57
_MSBC_SAMPLES = 120
_LC3_BYTES = 58
_LC3_SAMPLES = 240
_LC3_FRAME_US = 7500
_SAMPLE = np.dtype("<i2")


class Encoder(Protocol):
    """Turns samples into the byte stream of one direction of a call."""

    def encode(self, samples: np.ndarray) -> bytes:
        """Encodes one frame of 16-bit samples."""


class Decoder(Protocol):
    """Turns the byte stream of one direction of a call into samples."""

    gaps: int
    """Frames that the sequence numbers say were sent and never came."""
    bad: int
    """Times something else was found where a frame was due, or a frame did not decode."""

    def decode(self, data: bytes) -> np.ndarray:
        """Takes what arrived and returns the 16-bit samples that are complete now."""


@dataclass(frozen=True)
class VoiceCodec:
    """A codec of HFP; `voice_setting` is what the controller must be told before it opens eSCO."""

    name: CodecName
    number: int
    rate: int
    frame_samples: int
    frame_bytes: int
    voice_setting: int

    @property
    def bytes_per_second(self) -> float:
        """What one direction of a call sends over HCI."""
        return self.rate * self.frame_bytes / self.frame_samples

    def encoder(self) -> Encoder:
        """A fresh encoder."""
        return {"cvsd": _Pcm, "msbc": _MsbcEncoder, "lc3": _Lc3Encoder}[self.name]()

    def decoder(self) -> Decoder:
        """A fresh decoder."""
        return {"cvsd": _Pcm, "msbc": _MsbcDecoder, "lc3": _Lc3Decoder}[self.name]()


CVSD = VoiceCodec("cvsd", 1, 8000, 30, 60, 0x0060)
MSBC = VoiceCodec("msbc", 2, 16000, _MSBC_SAMPLES, AIR_FRAME, 0x0003)
LC3 = VoiceCodec("lc3", 3, 32000, _LC3_SAMPLES, AIR_FRAME, 0x0003)
CODECS: dict[str, VoiceCodec] = {codec.name: codec for codec in (CVSD, MSBC, LC3)}


def codec_numbered(number: int) -> VoiceCodec | None:
    """The codec with this HFP number, if these phones have it."""
    return next((codec for codec in CODECS.values() if codec.number == number), None)


class _Pcm:
    """CVSD: the host's side of it is 16-bit PCM at 8 kHz."""

    def __init__(self) -> None:
        self.gaps = self.bad = 0
        self._rest = b""

    def encode(self, samples: np.ndarray) -> bytes:
        return samples.astype(_SAMPLE).tobytes()

    def decode(self, data: bytes) -> np.ndarray:
        data = self._rest + data
        whole = len(data) // 2 * 2
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], _SAMPLE)


class _H2Encoder:
    """Puts the H2 header before each frame."""

    def __init__(self) -> None:
        super().__init__()
        self._sequence = 0

    def encode(self, samples: np.ndarray) -> bytes:
        payload = self._payload(samples.astype(_SAMPLE).tobytes())
        header = bytes([0x01, _H2[self._sequence]])
        self._sequence = (self._sequence + 1) % 4
        return (header + payload).ljust(AIR_FRAME, b"\0")

    def _payload(self, data: bytes) -> bytes:
        raise NotImplementedError


class _H2Decoder:
    """Finds frames by their H2 header and what is missing by its sequence numbers."""

    frame_samples: int
    sync: bytes

    def __init__(self) -> None:
        super().__init__()
        self.gaps = self.bad = 0
        self._stream = b""
        self._expected: int | None = None

    def decode(self, data: bytes) -> np.ndarray:
        self._stream += data
        pieces = [np.zeros(0, _SAMPLE)]
        while (frame := self._next_frame()) is not None:
            pieces += self._missing_before(frame)
            samples = self._samples(frame[2:])
            if samples is None:
                self.bad += 1
                samples = np.zeros(self.frame_samples, _SAMPLE)
            pieces.append(samples)
        return np.concatenate(pieces)

    def _next_frame(self) -> bytes | None:
        """Takes the next complete frame off the stream, and whatever is no frame before it."""
        start = find_frame(self._stream, self.sync)
        if start > 0:
            self.bad += 1
        self._stream = self._stream[start:]
        if len(self._stream) < AIR_FRAME:
            return None
        frame, self._stream = self._stream[:AIR_FRAME], self._stream[AIR_FRAME:]
        return frame

    def _missing_before(self, frame: bytes) -> list[np.ndarray]:
        sequence = _H2.index(frame[1])
        expected, self._expected = self._expected, (sequence + 1) % 4
        missing = 0 if expected is None else (sequence - expected) % 4
        self.gaps += missing
        return [np.zeros(self.frame_samples, _SAMPLE)] * missing

    def _samples(self, payload: bytes) -> np.ndarray | None:
        """Decodes what follows a header; None when it is broken."""
        raise NotImplementedError


class _Msbc:
    """libsbc in mSBC mode."""

    def __init__(self) -> None:
        self._state = State()
        if library().sbc_init_msbc(ctypes.byref(self._state), 0) != 0:
            raise SbcError("libsbc has no memory")
        self._pointer = ctypes.byref(self._state)
        self._out = ctypes.create_string_buffer(2 * _MSBC_SAMPLES)
        weakref.finalize(self, library().sbc_finish, self._pointer)


class _MsbcEncoder(_H2Encoder, _Msbc):
    def _payload(self, data: bytes) -> bytes:
        written = ctypes.c_ssize_t()
        used = library().sbc_encode(
            self._pointer, data, len(data), self._out, len(self._out), ctypes.byref(written)
        )
        if used != 2 * _MSBC_SAMPLES or written.value != _MSBC_BYTES:
            raise SbcError(f"libsbc encoded {used} of {len(data)} bytes to {written.value}")
        return self._out.raw[:_MSBC_BYTES]


class _MsbcDecoder(_H2Decoder, _Msbc):
    frame_samples, sync = _MSBC_SAMPLES, _MSBC_SYNC

    def _samples(self, payload: bytes) -> np.ndarray | None:
        written = ctypes.c_size_t()
        used = library().sbc_decode(
            self._pointer, payload[:_MSBC_BYTES], _MSBC_BYTES, self._out, len(self._out),
            ctypes.byref(written),
        )
        if used != _MSBC_BYTES or written.value != 2 * _MSBC_SAMPLES:
            return None
        return np.frombuffer(self._out.raw, _SAMPLE)


class _Lc3Encoder(_H2Encoder):
    def __init__(self) -> None:
        super().__init__()
        self._lc3 = lc3().Encoder(_LC3_FRAME_US, LC3.rate, 1)

    def _payload(self, data: bytes) -> bytes:
        return self._lc3.encode(data, _LC3_BYTES, 16)


class _Lc3Decoder(_H2Decoder):
    frame_samples, sync = _LC3_SAMPLES, b""

    def __init__(self) -> None:
        super().__init__()
        self._lc3 = lc3().Decoder(_LC3_FRAME_US, LC3.rate, 1)

    def _samples(self, payload: bytes) -> np.ndarray | None:
        return np.frombuffer(bytes(self._lc3.decode(payload, 16)), _SAMPLE)


def lc3() -> ModuleType:
    """liblc3's own binding, loaded at first use."""
    try:
        return importlib.import_module("lc3")
    except ImportError as missing:
        raise SbcError(f"{missing}: the Python package lc3py brings it") from missing


def find_frame(stream: bytes, sync: bytes = _MSBC_SYNC) -> int:
    """Where the first frame, or what can still become one, begins; the length when nowhere.

    A codec without a byte to be known by is known by the header of the frame after it.
    """
    start = -1
    while (start := stream.find(b"\x01", start + 1)) >= 0:
        second, third = stream[start + 1 : start + 2], stream[start + 2 : start + 3]
        if (second and second not in _H2) or (third and not third.startswith(sync)):
            continue
        following = stream[start + AIR_FRAME : start + AIR_FRAME + 1]
        if sync or not following or following == b"\x01":
            return start
    return len(stream)
