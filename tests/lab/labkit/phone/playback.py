"""Sending music in time: RTP packets on a monotonic schedule, and what the air does to them.

A packet is sent at the moment its first sample is due, as a phone with no buffer of its own
would. Everything is encoded beforehand, so that sending costs almost nothing.

Invariants: lateness is measured against the schedule and never made up by skipping packets;
`time_of(sample)` is the schedule, not what the machine managed; sequence numbers count dropped
packets too, as the air would lose them.
"""

from __future__ import annotations

import asyncio
import random
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit import clock
from labkit.phone.events import EventLog, PhoneError
from labkit.sbc import Sbc

_PAYLOAD_TYPE = 96
_SSRC = 1
LINGER = 2.0
"""Seconds of silence a player sends after a piece before it suspends the stream."""

_MOST_FRAMES = 15
"""The media payload header has four bits for the number of frames."""


@dataclass(frozen=True)
class LinkQuality:
    """What the air does to media packets; the same seed gives the same fate."""

    loss: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Packet:
    """One media packet's fate. `sent` is None when the air lost it."""

    sequence: int
    sample: int
    due: float
    sent: float | None


class Playback:
    """A running, suspended or finished transmission of one piece of sound.

    Made by `Phone.play`; `silent_frame` fills its last packet and follows it. An `endless` one is
    sent over and over without its last frame, the silent one. `transmit` belongs to the phones'
    thread, the rest to the test's.
    """

    def __init__(
        self,
        sbc: Sbc,
        frames: list[bytes],
        silent_frame: bytes,
        frames_per_packet: int,
        quality: Callable[[], LinkQuality],
        log: EventLog,
        endless: bool = False,
    ) -> None:
        self.sbc = sbc
        self.packets: list[Packet] = []
        self.failure: str | None = None
        if endless:
            frames = frames[:-1] * frames_per_packet  # Whole packets, so there is no padding.
        padding = [silent_frame] * (-len(frames) % frames_per_packet)
        self._payloads = packetize(frames + padding, frames_per_packet)
        (self._silence,) = packetize([silent_frame] * frames_per_packet, frames_per_packet)
        self._packet_samples = frames_per_packet * sbc.frame_samples
        self._endless = endless
        self._quality = quality
        self._log = log
        self._next = 0
        self._segments: list[tuple[int, float]] = []
        self._ended = threading.Event()

    @property
    def seconds(self) -> float:
        """How long the whole piece plays, or how soon an endless one is sent again from its
        beginning."""
        return len(self._payloads) * self._packet_samples / self.sbc.rate

    @property
    def finished(self) -> bool:
        """Every packet has been sent, or nothing more will be."""
        return self._ended.is_set()

    @property
    def sent(self) -> int:
        """Packets that went out."""
        return sum(packet.sent is not None for packet in self.packets)

    @property
    def dropped(self) -> int:
        """Packets the simulated air lost."""
        return sum(packet.sent is None for packet in self.packets)

    @property
    def lateness(self) -> np.ndarray:
        """Seconds by which each packet that went out missed its due time, jitter included."""
        return np.array([p.sent - p.due for p in self.packets if p.sent is not None])

    @property
    def started(self) -> float:
        """The monotonic time at which the first sample was due."""
        return self.time_of(0)

    def time_of(self, sample: int) -> float:
        """The monotonic time at which this sample of the piece was due."""
        for first, start in reversed(self._segments):
            if sample >= first:
                return start + (sample - first) / self.sbc.rate
        raise PhoneError(f"sample {sample} was not sent: the stream never started")

    def wait(self, timeout: float | None = None) -> Playback:
        """Returns when the last packet has gone out; silence follows it, then the suspend."""
        limit = self.seconds + 10 if timeout is None else timeout
        if not self._ended.wait(clock.host(limit)):
            raise PhoneError(
                f"only {len(self.packets)} of {len(self._payloads)} packets were due in "
                f"{limit:g} s (suspended and not resumed?)"
            )
        if self.failure:
            raise PhoneError(
                f"playing ended after {len(self.packets)} of {len(self._payloads)} packets: "
                f"{self.failure}"
            )
        return self

    def end(self, failure: str | None = None) -> None:
        """Marks the piece as over, early with a failure."""
        if not self._ended.is_set():
            self.failure = failure
            self._ended.set()
            self._log.add("playback-ended", packets=len(self.packets), failure=failure)

    async def transmit(self, send: Callable[[bytes], bool]) -> bool:
        """Sends what is left, on schedule, and then silence for a while, as players do; cancel it
        to suspend. Returns False when the media channel is gone."""
        first, start = self._next, clock.now()
        self._segments.append((first * self._packet_samples, start))
        last = len(self._payloads) + int(LINGER * self.sbc.rate / self._packet_samples)
        released = start
        while self._endless or self._next < last:
            index = self._next
            sounds = self._endless or index < len(self._payloads)
            if index == len(self._payloads) and not self._endless:
                self.end()
            due = start + (index - first) * self._packet_samples / self.sbc.rate
            lost, delay = fate(self._quality(), index)
            released = max(released, due + delay)
            await _sleep_until(released)
            payload = self._payloads[index % len(self._payloads)] if sounds else self._silence
            sent = None
            if not lost:
                if not send(rtp_packet(index, self._packet_samples, payload)):
                    return False
                sent = clock.now()
            if sounds:
                self.packets.append(Packet(index, index * self._packet_samples, due, sent))
            self._next += 1
        return True


def fate(quality: LinkQuality, index: int) -> tuple[bool, float]:
    """Decides what happens to a packet: whether it is lost, and by how many seconds it is late."""
    dice = random.Random(quality.seed * 1_000_003 + index)
    lost = dice.random() < quality.loss
    return lost, dice.random() * quality.jitter_ms / 1000


def packetize(frames: list[bytes], frames_per_packet: int) -> list[bytes]:
    """Groups frames into media payloads with A2DP's one-byte SBC header."""
    return [
        bytes([len(group)]) + b"".join(group)
        for group in (
            frames[start : start + frames_per_packet]
            for start in range(0, len(frames), frames_per_packet)
        )
    ]


def most_frames(sbc: Sbc, payload_size: int) -> int:
    """How many frames fit one packet: phones fill it."""
    return max(1, min(_MOST_FRAMES, (payload_size - 1) // sbc.frame_bytes))


def rtp_packet(index: int, packet_samples: int, payload: bytes) -> bytes:
    """Wraps a media payload in RTP; the timestamp counts samples."""
    timestamp = index * packet_samples & 0xFFFFFFFF
    return struct.pack(">BBHII", 0x80, _PAYLOAD_TYPE, index & 0xFFFF, timestamp, _SSRC) + payload


async def _sleep_until(moment: float) -> None:
    while (left := moment - clock.now()) > 0:
        await asyncio.sleep(clock.host(left))
