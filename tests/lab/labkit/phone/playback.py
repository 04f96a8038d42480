"""Sending music in time: RTP packets on a monotonic schedule, and what the air does to them.

A packet is sent at the moment its first sample is due, as a phone with no buffer of its own
would. Everything is encoded beforehand, so that sending costs almost nothing.

Invariants: lateness is measured against the schedule and never made up by skipping packets;
`time_of(sample)` is the schedule, not what the machine managed; sequence numbers count dropped
packets too, as the air would lose them.
"""

from __future__ import annotations

import asyncio
import math
import random
import struct
import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit import clock
from labkit.aac import Aac
from labkit.phone.codings import Coding
from labkit.phone.events import EventLog, PhoneError

_PAYLOAD_TYPE = 96
_SSRC = 1
LINGER = 2.0
"""Seconds of silence a player sends after a piece before it suspends the stream."""


@dataclass(frozen=True)
class LinkQuality:
    """What the air does to media packets; the same seed gives the same fate.

    `pauses` are when nothing gets through, as (begin, end) in seconds from the start of the piece, in
    order; `slot_ms` is how long the air takes for a packet, so that what has waited comes in a row.
    `clock_ppm` is by how much the phone's clock is too fast.
    """

    loss: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0
    pauses: tuple[tuple[float, float], ...] = ()
    slot_ms: float = 0.0
    clock_ppm: float = 0.0

    def opened(self, moment: float) -> float:
        """The first moment from this one on at which the air is free."""
        place = bisect_right(self.pauses, (moment, math.inf)) - 1
        return max(moment, self.pauses[place][1]) if place >= 0 else moment


@dataclass(frozen=True)
class Packet:
    """One media packet's fate. `sent` is None when the air lost it."""

    sequence: int
    sample: int
    due: float
    sent: float | None


class Playback:
    """A running, suspended or finished transmission of one piece of sound.

    Made by `Player.play` of what is due together (codings.units); `silence` follows it. An `endless`
    one is sent over and over. `transmit` belongs to the phones' thread, the rest to the test's.
    """

    def __init__(
        self,
        coding: Coding,
        units: list[list[bytes]],
        silence: list[bytes],
        unit_samples: int,
        quality: Callable[[], LinkQuality],
        log: EventLog,
        endless: bool = False,
    ) -> None:
        self.coding = coding
        self.packets: list[Packet] = []
        self.failure: str | None = None
        self._units = units
        self._marks = isinstance(coding, Aac)
        self._silence = silence
        self._unit_samples = unit_samples
        self._endless = endless
        self._quality = quality
        self._log = log
        self._next = 0
        self._sequence = 0
        self._segments: list[tuple[int, float, float]] = []
        self._ended = threading.Event()

    @property
    def seconds(self) -> float:
        """How long the whole piece plays, or how soon an endless one is sent again from its
        beginning."""
        return len(self._units) * self._unit_samples / self.coding.rate

    @property
    def finished(self) -> bool:
        """Every packet has been sent, or nothing more will be."""
        return self._ended.is_set()

    @property
    def _count(self) -> int:
        return sum(map(len, self._units))

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
        for first, start, rate in reversed(self._segments):
            if sample >= first:
                return start + (sample - first) / rate
        raise PhoneError(f"sample {sample} was not sent: the stream never started")

    def wait(self, timeout: float | None = None) -> Playback:
        """Returns when the last packet has gone out; silence follows it, then the suspend."""
        limit = self.seconds + 10 if timeout is None else timeout
        if not self._ended.wait(clock.host(limit)):
            raise PhoneError(
                f"only {len(self.packets)} of {self._count} packets were due in "
                f"{limit:g} s (suspended and not resumed?)"
            )
        if self.failure:
            raise PhoneError(
                f"playing ended after {len(self.packets)} of {self._count} packets: "
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
        rate = self.coding.rate * (1 + self._quality().clock_ppm / 1e6)
        self._segments.append((first * self._unit_samples, start, rate))
        last = len(self._units) + int(LINGER * self.coding.rate / self._unit_samples)
        released = start
        while self._endless or self._next < last:
            index = self._next
            sounds = self._endless or index < len(self._units)
            if index == len(self._units) and not self._endless:
                self.end()
            due = start + (index - first) * self._unit_samples / rate
            quality = self._quality()
            _, delay = fate(quality, self._sequence)
            free = max(released + quality.slot_ms / 1000, due + delay)
            released = start + quality.opened(free - start)
            await _sleep_until(released)
            unit = self._units[index % len(self._units)] if sounds else self._silence
            for part, payload in enumerate(unit):
                marked = self._marks and part == len(unit) - 1
                if not self._send(send, payload, marked, due if sounds else None):
                    return False
            self._next += 1
        return True

    def _send(
        self, send: Callable[[bytes], bool], payload: bytes, marked: bool, due: float | None
    ) -> bool:
        """Sends one packet, if the air does not lose it."""
        lost, _ = fate(self._quality(), self._sequence)
        sample = self._next * self._unit_samples
        if not lost and not send(rtp_packet(self._sequence, sample, payload, marked)):
            return False
        if due is not None:
            sent = None if lost else clock.now()
            self.packets.append(Packet(self._sequence, sample, due, sent))
        self._sequence += 1
        return True


def fate(quality: LinkQuality, index: int) -> tuple[bool, float]:
    """Decides what happens to a packet: whether it is lost, and by how many seconds it is late."""
    dice = random.Random(quality.seed * 1_000_003 + index)
    lost = dice.random() < quality.loss
    return lost, dice.random() * quality.jitter_ms / 1000


def rtp_packet(sequence: int, sample: int, payload: bytes, marked: bool = False) -> bytes:
    """Wraps a media payload in RTP; the timestamp counts samples."""
    kind = _PAYLOAD_TYPE | marked << 7
    header = struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, sample & 0xFFFFFFFF, _SSRC)
    return header + payload


async def _sleep_until(moment: float) -> None:
    while (left := moment - clock.now()) > 0:
        await asyncio.sleep(clock.host(left))
