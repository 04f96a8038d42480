"""How much of what was said was heard: speech before and after its way through a call.

The way delays speech, and not always by the same: clocks are matched, jitter is buffered. So what
was said is looked for piece by piece, each near where the piece before was found, and compared
where it was found. Where the delay changed within a piece, both sides of that are compared each
with its own.

Invariants: a delay that wanders by less than `_REACH` from piece to piece costs no correlation, be
it by and by or at once, so `wander` and `jumps` tell of it; speech that is missing counts as heard
wrongly; pauses count for the intelligibility alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pystoi import stoi
from scipy.signal import correlate

from labkit.signals import Signal, decibel

_RATE = 48000
"""Everything is compared at this rate: fine enough for the time of a sample not to matter."""
_PIECE = round(0.4 * _RATE)
_REACH = round(0.03 * _RATE)
_PAUSE = -30.0
"""A piece so many dB below the loudest is a pause."""
_FOUND = 0.3
"""What correlates less is not the piece that is looked for."""
_JUMP = round(0.002 * _RATE)
"""A delay that changes by more from piece to piece jumped; matching clocks takes less."""


@dataclass(frozen=True)
class Likeness:
    """How alike two sounds are."""

    correlation: float
    """1 for the same sound, whatever its level; 0 for nothing in common."""
    level: float
    """By how many dB what was heard is louder than what was said."""
    intelligibility: float
    """Short-time objective intelligibility (STOI): above 0.8 people understand every word."""
    begin: float
    """The second of what was heard in which what was said begins."""
    wander: float
    """By how many seconds the delay changed, from its shortest to its longest."""
    jumps: int
    """How often the delay changed at once: sound was left out, put in or repeated there."""


def likeness(said: Signal, heard: np.ndarray, rate: int, band: int = _RATE) -> Likeness:
    """Compares what was heard (samples at a rate, [n] or [n, channels]) with what was said.

    `band` is the lowest sampling rate on the way: what no sound of that rate can hold does not
    count.
    """
    original = said.at(band).at(_RATE).samples.mean(axis=1)
    arrived = Signal(np.asarray(heard, dtype=float).reshape(len(heard), -1), rate)
    lags, pairs = _pieces(original, arrived.at(_RATE).samples.mean(axis=1))
    loudest = max(np.mean(piece**2) for piece, _ in pairs)
    spoken = [pair for pair in pairs if _is_speech(pair[0], loudest)]
    before, after = (np.concatenate(each) for each in zip(*spoken, strict=True))
    energy, arrived_energy = np.sum(before**2), np.sum(after**2)
    with np.errstate(divide="ignore"):
        level = 10 * np.log10(arrived_energy / energy)
    whole = [np.concatenate(each) for each in zip(*pairs, strict=True)]
    return Likeness(
        correlation=float(before @ after / np.sqrt(energy * arrived_energy + 1e-30)),
        level=float(level),
        intelligibility=float(stoi(*whole, _RATE)),
        begin=lags[0] / _RATE,
        wander=float(np.ptp(lags[1:])) / _RATE,
        jumps=int(np.sum(np.abs(np.diff(lags[1:])) > _JUMP)),
    )


def _pieces(
    said: np.ndarray, heard: np.ndarray
) -> tuple[list[int], list[tuple[np.ndarray, np.ndarray]]]:
    """By how many samples later it was heard, as a whole and then each piece of speech; and each
    piece, pauses too, as it was said and as it was heard."""
    margin = 2 * len(said) + _REACH
    padded = np.pad(heard, margin)
    lag = int(np.argmax(correlate(heard, said, "full", "fft"))) - (len(said) - 1)
    loudest = max(np.mean(said[at : at + _PIECE] ** 2) for at in _starts(said))
    lags, course = [lag], []
    for start in _starts(said):
        piece = said[start : start + _PIECE]
        if _is_speech(piece, loudest):
            first = margin + start + lag - _REACH
            lag += _shift(padded[first : first + _PIECE + 2 * _REACH], piece)
            lags.append(lag)
        course.append(lag)
    said = said[: len(course) * _PIECE]
    aligned = padded[_places(said, padded, [margin + lag for lag in course])]
    return lags, list(zip(said.reshape(-1, _PIECE), aligned.reshape(-1, _PIECE), strict=True))


def _places(said: np.ndarray, heard: np.ndarray, course: list[int]) -> np.ndarray:
    """Where each sample was heard, where each piece was found by so many samples later."""
    delays = np.repeat(course, _PIECE)
    changed = 0
    for number in range(1, len(course)):
        before, after = course[number - 1 : number + 1]
        if before != after:
            begin = max(changed, (number - 1) * _PIECE)
            part = np.arange(begin, (number + 1) * _PIECE)
            # As much as can be is heard as it was said, before the change and after it.
            fits = [np.cumsum(said[part] * heard[part + lag]) for lag in (before, after)]
            split = int(np.argmax(fits[0] - fits[1])) + 1
            changed = begin + split
            delays[begin:changed], delays[changed : part[-1] + 1] = before, after
    return np.arange(len(said)) + delays


def _starts(said: np.ndarray) -> range:
    if len(said) < _PIECE:
        raise ValueError(f"{len(said)} samples are too few to compare: say something longer")
    return range(0, len(said) - _PIECE + 1, _PIECE)


def _is_speech(piece: np.ndarray, loudest: float) -> bool:
    return bool(np.mean(piece**2) > loudest * decibel(_PAUSE) ** 2)


def _shift(window: np.ndarray, piece: np.ndarray) -> int:
    """By how much the piece lies off the window's middle; 0 where it is not in there at all."""
    match = correlate(window, piece, "valid", "fft")
    sums = np.concatenate([[0.0], np.cumsum(window**2)])
    energy = np.maximum(sums[len(piece) :] - sums[: -len(piece)], 1e-9)
    correlation = match / np.sqrt(energy * np.sum(piece**2))
    best = int(np.argmax(correlation))
    return best - _REACH if correlation[best] > _FOUND else 0
