"""What is said and heard in a call, and what the air does to it.

Made and filled on the phones' thread; the test's to read at any time.

Invariants: the fate of a packet depends on its number and the seed alone; the samples of `Heard`
are all that came, in order.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field

import numpy as np

from labkit import clock
from labkit.phone.events import PhoneError


@dataclass(frozen=True)
class VoiceQuality:
    """What the air does to the voice on its way to the speaker: it loses packets, or delivers
    them with wrong bits. The same seed gives the same fate."""

    loss: float = 0.0
    garbled: float = 0.0
    seed: int = 0

    def fate(self, index: int, packet: bytes) -> bytes | None:
        """What becomes of a packet; None when it is lost."""
        if not self.loss and not self.garbled:
            return packet
        dice = random.Random(self.seed * 1_000_003 + index)
        if dice.random() < self.loss:
            return None
        if dice.random() < self.garbled:
            return bytes(byte ^ dice.randrange(256) for byte in packet)
        return packet


@dataclass
class VoiceCounts:
    """What went over one voice link. `gaps` and `bad` are the decoder's, see labkit.voice."""

    codec: str
    sent: int = 0
    dropped: int = 0
    marked: int = 0
    gaps: int = 0
    bad: int = 0
    latest: float = 0.0
    sizes: set[int] = field(default_factory=set)
    arrivals: list[float] = field(default_factory=list)

    @property
    def received(self) -> int:
        """Packets that came from the speaker."""
        return len(self.arrivals)

    @property
    def received_per_second(self) -> float:
        """Their rate between the first and the last."""
        if self.received < 2:
            return 0.0
        return (self.received - 1) / (self.arrivals[-1] - self.arrivals[0])


class Utterance:
    """A piece of sound on its way to the speaker, said by the far party."""

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        self.rate = rate
        self.failure: str | None = None
        self._left = samples
        self._count = len(samples)
        self._began: float | None = None
        self._ended = threading.Event()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self._count / self.rate

    @property
    def finished(self) -> bool:
        """All of it went out, or no more of it will."""
        return self._ended.is_set()

    def time_of(self, sample: int) -> float:
        """When this sample was due on the lab's clock."""
        if self._began is None:
            raise PhoneError("nothing of it was said yet")
        return self._began + sample / self.rate

    def wait(self, timeout: float | None = None) -> Utterance:
        """Returns when the last packet of it has gone out."""
        limit = self.seconds + 10 if timeout is None else timeout
        if not self._ended.wait(clock.host(limit)):
            raise PhoneError(f"{self._unsaid} were not said in {limit:g} s")
        if self.failure:
            raise PhoneError(f"{self._unsaid} were not said: {self.failure}")
        return self

    @property
    def _unsaid(self) -> str:
        return f"{len(self._left)} of {self._count} samples"

    def take(self, count: int, due: float) -> np.ndarray:
        """Takes the next samples off it, for the packet that is due then."""
        if self._began is None:
            self._began = due
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    @property
    def exhausted(self) -> bool:
        """Every sample was taken."""
        return not len(self._left)

    def end(self, failure: str | None = None) -> None:
        """Marks it as over."""
        if not self._ended.is_set():
            self.failure = failure
            self._ended.set()


class Heard:
    """What came up from the speaker while somebody listened, also over several voice links.

    `packets` are the bytes as they came, with their times: what was on the wire. `seconds` is how
    much it is.
    """

    def __init__(self) -> None:
        self.packets: list[tuple[float, bytes]] = []
        self.seconds = 0.0
        self._pieces: list[tuple[float, int, np.ndarray]] = []
        self._more = threading.Condition()

    def add(self, time: float, packet: bytes, rate: int, samples: np.ndarray) -> None:
        """Appends one packet and the samples it completed."""
        with self._more:
            self.packets.append((time, packet))
            if len(samples):
                self._pieces.append((time, rate, samples))
                self.seconds += len(samples) / rate
                self._more.notify_all()

    def wait_more(self, seconds: float, timeout: float | None = None) -> Heard:
        """Returns when so much more was heard, counted in samples."""
        wanted = self.seconds + seconds
        limit = seconds + 10 if timeout is None else timeout
        with self._more:
            if not self._more.wait_for(lambda: self.seconds >= wanted, clock.host(limit)):
                heard = self.seconds - wanted + seconds
                raise PhoneError(f"heard {heard:.3f} s of voice, not {seconds:g} s, in {limit:g} s")
        return self

    @property
    def rate(self) -> int:
        """The sampling rate, of which there must be one; 0 when nothing was heard."""
        rates = {rate for _, rate, _ in self._pieces}
        if len(rates) > 1:
            raise PhoneError(f"heard sound of several sampling rates: {sorted(rates)}")
        return rates.pop() if rates else 0

    @property
    def samples(self) -> np.ndarray:
        """All of it, as floats in -1..1; it must have one sampling rate."""
        if not self.rate:
            raise PhoneError("nothing was heard")
        return np.concatenate([samples for _, _, samples in self._pieces]) / 32768.0

    def time_of(self, sample: int) -> float:
        """When the packet came that brought this sample, less the samples that came with it."""
        for time, rate, samples in self._pieces:
            if sample < len(samples):
                return time - (len(samples) - sample) / rate
            sample -= len(samples)
        raise PhoneError("so much was not heard")
