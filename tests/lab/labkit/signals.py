"""Sounds to play: tones, clicks, a short piece of music, a voice, WAV files.

Invariant: the same call makes the same samples, on every machine and in every run.
"""

from __future__ import annotations

import os
import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

CLICK_HZ = 4000.0
CLICK_SECONDS = 0.005
_EDGE_SECONDS = 0.01
"""Tones fade in and out over this long, so that only real glitches look like glitches."""
SPEECH = "usr/share/sounds/alsa"
PHRASES = [f"{row}_{side}" for row in ("Front", "Rear") for side in ("Center", "Left", "Right")]
"""What Debian's alsa-utils has somebody say, about 1.4 s each."""


@dataclass(frozen=True)
class Signal:
    """Sound: float samples in -1..1, shaped [n, channels], and where its clicks begin."""

    samples: np.ndarray
    rate: int
    marks: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def at(self, rate: int) -> Signal:
        """This sound at another sampling rate."""
        if rate == self.rate:
            return self
        divisor = int(np.gcd(rate, self.rate))
        samples = resample_poly(self.samples, rate // divisor, self.rate // divisor, axis=0)
        marks = [round(mark * rate / self.rate) for mark in self.marks]
        return Signal(samples, rate, marks)

    def pcm(self, channels: int) -> np.ndarray:
        """16-bit samples with this many channels: a mono sound goes to both, two are mixed."""
        samples = self.samples
        if samples.shape[1] != channels:
            mono = samples.mean(axis=1, keepdims=True)
            samples = np.repeat(mono, channels, axis=1)
        return np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")


def loudness(volume: int) -> float:
    """By how many dB the speaker's volume (1 to 100) is below its loudest: src/policy/model.rs."""
    return 60 * float(np.log10((volume + 20) / 120))


def decibel(level: float) -> float:
    """Amplitude of a level in dBFS, where 0 dBFS is a sine that touches full scale."""
    return 10 ** (level / 20)


def tone(
    frequency: float = 441.0, seconds: float = 5.0, level: float = -12.0, rate: int = 44100
) -> Signal:
    """The same sine in both channels, `level` in dBFS."""
    return two_tone(frequency, frequency, seconds, level, rate)


def two_tone(
    left: float = 441.0,
    right: float = 1000.0,
    seconds: float = 5.0,
    level: float = -12.0,
    rate: int = 44100,
) -> Signal:
    """One sine per channel, `level` in dBFS each."""
    t = np.arange(round(seconds * rate)) / rate
    samples = np.stack([np.sin(2 * np.pi * f * t) for f in (left, right)], axis=1)
    return Signal(decibel(level) * samples * _fade(len(t), rate)[:, None], rate)


def clicks(
    every: float = 1.0,
    seconds: float = 5.0,
    level: float = -6.0,
    rate: int = 44100,
    bed: float | None = None,
    frequency: float = CLICK_HZ,
) -> Signal:
    """Short bursts that start at full level, the first after one interval; `marks` holds the
    sample each starts at. `bed` is the level of a 441 Hz tone underneath, in dBFS."""
    count = round(seconds * rate)
    mono = np.zeros(count)
    if bed is not None:
        hum = np.sin(2 * np.pi * 441 * np.arange(count) / rate)
        mono += decibel(bed) * hum * _fade(count, rate)
    length = round(CLICK_SECONDS * rate)
    burst = decibel(level) * np.cos(2 * np.pi * frequency * np.arange(length) / rate)
    step = round(every * rate)
    marks = list(range(step, count - length, step))
    for mark in marks:
        mono[mark : mark + length] += burst
    return Signal(np.stack([mono, mono], axis=1), rate, marks)


def silence(seconds: float = 1.0, rate: int = 44100) -> Signal:
    """Nothing at all."""
    return Signal(np.zeros((round(seconds * rate), 2)), rate)


def music(bars: int = 4, rate: int = 44100) -> Signal:
    """A short piece to listen to: four chords, an arpeggio, a bass and a bell melody."""
    beat = 60 / 96
    chords = [(57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62)]
    melody = [76, 72, 69, 72, 77, 72, 69, 65, 79, 76, 72, 67, 74, 71, 67, 74]
    samples = np.zeros((round((4 * bars + 3) * beat * rate), 2))
    for bar in range(bars):
        chord, start = chords[bar % 4], 4 * bar * beat
        bass = _note(chord[0] - 24, 4 * beat, rate, (1, 0.5, 0.2), 1.2)
        _add(samples, bass, start, 0.20, 0.5, rate)
        for step in range(8):
            pitch = chord[(0, 1, 2, 1)[step % 4]] + 12 * (step >= 4)
            note = _note(pitch, 2.2 * beat, rate, (1, 0.35, 0.15, 0.05), 3.0)
            side = 0.25 + 0.5 * (step % 2)
            _add(samples, note, start + step * beat / 2, 0.11, side, rate)
        for step in range(4):
            bell = _note(melody[(4 * bar + step) % 16], 3 * beat, rate, (1, 0, 0.3, 0, 0.1), 2.5)
            _add(samples, bell, start + step * beat, 0.13, 0.6 - 0.1 * step, rate)
    end = _note(57, 3 * beat, rate, (1, 0.5, 0.25), 1.5)
    _add(samples, end, 4 * bars * beat, 0.25, 0.5, rate)
    return Signal(samples * (decibel(-3) / np.max(np.abs(samples))), rate)


def speech(phrases: int = 3, level: float = -6.0) -> Signal:
    """Somebody who reads out where loudspeakers stand ("front center"), at 48 kHz; `level` is that
    of the loudest sample. The recordings are in the guest's tree, which `lab run` names."""
    folder = Path(os.environ.get("DOTD_LAB_SYSROOT", "/")) / SPEECH
    spoken = [read_wav(folder / f"{phrase}.wav") for phrase in PHRASES[:phrases]]
    samples = np.concatenate([each.samples for each in spoken])
    return Signal(samples * (decibel(level) / np.max(np.abs(samples))), spoken[0].rate)


def as_signal(source: Signal | np.ndarray | str | Path, rate: int | None = None) -> Signal:
    """Takes a sound in any form scenarios have it; a bare array needs its rate (default 44100)."""
    if isinstance(source, Signal):
        return source
    if isinstance(source, np.ndarray):
        samples = np.asarray(source, dtype=float)
        if source.dtype == np.int16:
            samples = samples / 32768
        return Signal(samples.reshape(len(samples), -1), rate or 44100)
    return read_wav(source)


def read_wav(path: str | Path) -> Signal:
    """Reads a WAV file of 16-bit samples."""
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path}: only 16-bit WAV is read here, convert it first")
        data = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return Signal(data.reshape(-1, file.getnchannels()) / 32768, file.getframerate())


def write_wav(path: str | Path, sound: Signal) -> None:
    """Writes a WAV file of 16-bit samples."""
    channels = sound.samples.shape[1]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes(sound.pcm(channels).tobytes())


def _fade(count: int, rate: int) -> np.ndarray:
    """1 everywhere, with raised-cosine edges."""
    edge = min(round(_EDGE_SECONDS * rate), count // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(edge) / max(edge, 1))
    return np.concatenate([ramp, np.ones(count - 2 * edge), ramp[::-1]])


def _note(
    pitch: int, seconds: float, rate: int, overtones: tuple[float, ...], decay: float
) -> np.ndarray:
    """A plucked note; pitch is a MIDI note number."""
    t = np.arange(round(seconds * rate)) / rate
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    wave_form = sum(
        weight * np.sin(2 * np.pi * frequency * (index + 1) * t)
        for index, weight in enumerate(overtones)
    )
    return wave_form * np.exp(-decay * t) * _fade(len(t), rate)


def _add(
    samples: np.ndarray, note: np.ndarray, start: float, level: float, pan: float, rate: int
) -> None:
    """Mixes a note in at a time, `pan` of it to the right."""
    first = round(start * rate)
    end = min(first + len(note), len(samples))
    gains = np.array([np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2)])
    samples[first:end] += level * note[: end - first, None] * gains
