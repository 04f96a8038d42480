"""What the speaker played and what its microphone heard, as samples with the time of each.

Reads what guest/lab-recorder.c and guest/lab-microphone.c wrote.

Invariant: nothing is resampled or mended. A recording during which the format
changed has several segments and must be read segment by segment.
"""

from __future__ import annotations

import csv
import wave
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labkit.link import GuestError


@dataclass(frozen=True)
class SampleClock:
    """Tells when a frame passed the virtual sound card, in the lab's time."""

    rate: int
    start: float
    """The time of frame 0."""
    error: float
    """How far the card's clock strayed from a straight line, in seconds."""

    def time_of(self, frame: float) -> float:
        """The time at which the frame was played, or heard."""
        return self.start + frame / self.rate

    def frame_at(self, time: float) -> float:
        """The frame played at this time."""
        return (time - self.start) * self.rate


@dataclass(frozen=True)
class Segment:
    """A stretch of one format."""

    samples: np.ndarray
    """float32, frames x channels."""
    clock: SampleClock
    format: str
    """What the player had chosen, in ALSA's words."""


@dataclass
class Recording:
    """All that was played while it ran; complete once the recording has ended."""

    name: str
    segments: list[Segment] | None = None

    @property
    def samples(self) -> np.ndarray:
        """float32, frames x channels, of a recording with one format."""
        return self._only_segment().samples

    @property
    def clock(self) -> SampleClock:
        """The clock of a recording with one format."""
        return self._only_segment().clock

    @property
    def rate(self) -> int:
        """The sample rate of a recording with one format."""
        return self.clock.rate

    def _only_segment(self) -> Segment:
        if self.segments is None:
            raise GuestError("the recording is still running; read it after its `with` block")
        if len(self.segments) != 1:
            formats = ", ".join(f"{s.format} at {s.clock.rate} Hz" for s in self.segments)
            raise GuestError(f"the player changed its format ({formats}): read .segments")
        return self.segments[0]

    def write_wav(self, path: Path) -> None:
        """Writes the longest segment as 16-bit PCM, for people to listen to."""
        segment = max(self.segments or [], key=lambda each: len(each.samples))
        with wave.open(str(path), "wb") as out:
            out.setnchannels(segment.samples.shape[1])
            out.setsampwidth(2)
            out.setframerate(segment.clock.rate)
            scaled = np.clip(segment.samples * 32767.0, -32768, 32767)
            out.writeframes(scaled.astype("<i2").tobytes())


@dataclass(frozen=True)
class Room:
    """What comes back to the microphone of what the speaker plays: how loud, in dB, and how many
    milliseconds later."""

    level: float = -6.0
    ms: int = 40


@dataclass
class Spoken:
    """A sound that the microphone hears; the times of its frames (48 kHz) are known once it has
    ended."""

    name: str
    seconds: float
    clock: SampleClock | None = None

    def time_of(self, frame: float) -> float:
        """The time at which the microphone heard the frame."""
        if self.clock is None:
            raise GuestError("the microphone still hears it; ask after its `with` block")
        return self.clock.time_of(frame)


def read(base: Path, guest_ahead: float) -> list[Segment]:
    """Reads BASE.f32 and BASE.csv; the guest's clock is so far ahead of ours."""
    starts, marks = [], []
    with open(base.with_suffix(".csv"), newline="") as file:
        for kind, *values in csv.reader(file):
            if kind == "segment":
                starts.append((int(values[0]), int(values[1]), int(values[2]), values[3]))
                marks.append([])
            else:
                marks[-1].append((int(values[0]), int(values[1]) / 1e9 - guest_ahead))
    sound = np.fromfile(base.with_suffix(".f32"), dtype="<f4")
    segments, offset = [], 0
    for i, (first, rate, channels, name) in enumerate(starts):
        if i + 1 < len(starts):
            frames = starts[i + 1][0] - first
        else:
            frames = (len(sound) - offset) // channels
        if frames and marks[i]:
            samples = sound[offset : offset + frames * channels].reshape(frames, channels)
            clock = fit_clock(rate, [(frame - first, time) for frame, time in marks[i]])
            segments.append(Segment(samples, clock, name))
        offset += frames * channels
    return joined(segments)


def joined(segments: list[Segment]) -> list[Segment]:
    """Makes one segment of neighbours with the same format. Between them the driver set the card
    up for the player, which had not played yet: the time until then is silence, by their clocks."""
    whole: list[Segment] = []
    for segment in segments:
        before = whole[-1] if whole else None
        if not before or (before.clock.rate, before.format) != (segment.clock.rate, segment.format):
            whole.append(segment)
            continue
        between = round(before.clock.frame_at(segment.clock.start)) - len(before.samples)
        gap = np.zeros((max(between, 0), before.samples.shape[1]), dtype=np.float32)
        samples = np.concatenate([before.samples, gap, segment.samples])
        # The later part is the one with sound in it: its clock holds.
        start = segment.clock.time_of(-(len(before.samples) + len(gap)))
        whole[-1] = Segment(samples, replace(segment.clock, start=start), segment.format)
    return whole


def fit_clock(rate: int, marks: list[tuple[int, float]]) -> SampleClock:
    """The straight line under all observations: one can learn late that a frame has been played,
    never early."""
    frames, times = np.array(marks, dtype=float).T
    starts = times - frames / rate
    # Each second's earliest start; they agree when the card keeps the clock's time.
    seconds = ((times - times[0]) // 1.0).astype(int)
    earliest = [starts[seconds == s].min() for s in np.unique(seconds) if (seconds == s).sum() > 20]
    start = float(starts.min())
    return SampleClock(rate, start, float(max(earliest) - start) if earliest else 0.0)
