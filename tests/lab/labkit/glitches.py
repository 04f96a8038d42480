"""Finding what a listener would hear as a fault in a pure tone.

The tone is fitted by least squares in short overlapping windows. Where it is whole, every window
fits, its phase continues, and its amplitude stays. A glitch breaks one of the three, and what the
tone does before and after says which kind it was.

Invariants: a slow bend of pitch or level is not a glitch; samples missing or repeated by a whole
number of periods cannot be seen in one tone, so scenarios use different tones left and right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.analysis import channels, tones

_PERIODS = 3
_SHORTEST_WINDOW = 0.002
_HOPS = 4
"""Windows overlap so that each sample is in this many."""
_SIDE = 8
"""Windows on each side from which a phase line is drawn."""
_MERGE_SECONDS = 0.03
_OUTLIER = 20
"""How many times the usual prediction error a sample must miss by to be a click."""


@dataclass(frozen=True)
class Glitch:
    """One fault: when it began, how long it lasted and what it did to the tone.

    kind: "gap" (silence inside the tone), "jump" (samples missing or repeated), "click" (wrong
    samples, the tone goes on as if nothing had been). `samples` is by how much the tone is ahead
    afterwards: positive when samples are missing, negative when some were repeated or inserted,
    each modulo the tone's period.
    """

    time: float
    kind: str
    seconds: float
    samples: float
    channel: int


@dataclass(frozen=True)
class _Track:
    """The tone followed through one channel."""

    starts: np.ndarray
    size: int
    amplitude: np.ndarray
    phase: np.ndarray
    misfit: np.ndarray


def glitches(
    samples: np.ndarray,
    rate: int,
    frequency: float | list[float] | None = None,
    misfit: float = 0.05,
    step: float = 0.03,
) -> list[Glitch]:
    """The faults of a recording of tones, in order of time; give it the steady part only.

    `frequency` is the tone's, or one per channel; without it, the strongest tone of each channel.
    `misfit` is the share of a window that may be something else than the tone (codec noise);
    `step` is the smallest jump of phase, in radians, that counts.
    """
    data = channels(samples)
    if frequency is None:
        frequency = [found[0].frequency for found in tones(samples, rate)]
    frequencies = np.broadcast_to(np.asarray(frequency, dtype=float), len(data))
    found = [
        glitch
        for number, (channel, each) in enumerate(zip(data, frequencies, strict=True))
        for glitch in _channel_glitches(channel, rate, float(each), misfit, step, number)
    ]
    return sorted(found, key=lambda glitch: glitch.time)


def _channel_glitches(
    channel: np.ndarray, rate: int, frequency: float, misfit: float, step: float, number: int
) -> list[Glitch]:
    track = _follow(channel, rate, frequency)
    # A bent or badly named pitch leaves every window a little wrong: meet its middle.
    turn = np.median(np.diff(track.phase)) / (track.starts[1] - track.starts[0])
    frequency += float(turn) * rate / (2 * np.pi)
    track = _follow(channel, rate, frequency)
    usual = float(np.median(track.amplitude))
    surprise = _surprise(channel, rate, frequency)
    odd = np.flatnonzero(surprise > max(_OUTLIER * np.median(surprise), 0.02 * usual))
    wrong = track.misfit > misfit * usual
    wrong |= np.abs(track.amplitude - usual) > 4 * misfit * usual
    wrong |= np.abs(_phase_steps(track)) > step
    wrong |= np.searchsorted(odd, track.starts) < np.searchsorted(odd, track.starts + track.size)
    suspects = np.flatnonzero(wrong)
    if not len(suspects):
        return []
    merge = max(1, round(_MERGE_SECONDS * rate / (track.starts[1] - track.starts[0])))
    found = []
    for group in np.split(suspects, np.flatnonzero(np.diff(suspects) > merge) + 1):
        begin, end = int(track.starts[group[0]]), int(track.starts[group[-1]] + track.size)
        jumped = _jump(track, int(group[0]), int(group[-1]))
        moved = jumped * rate / (2 * np.pi * frequency)
        quiet_at, quiet = _longest_quiet(channel[begin:end], 0.02 * usual)
        worst = begin + int(np.argmax(surprise[begin:end]))
        # A tone passes zero too: silence is a gap when it lasts longer than such a passage does.
        if quiet > max(0.0005 * rate, 0.08 * rate / frequency):
            place = (begin + quiet_at) / rate
            found.append(Glitch(place, "gap", quiet / rate, moved, number))
        elif abs(jumped) > step:
            found.append(Glitch(worst / rate, "jump", 0.0, moved, number))
        else:
            found.append(Glitch(worst / rate, "click", 0.0, moved, number))
    return found


def _follow(channel: np.ndarray, rate: int, frequency: float) -> _Track:
    size = round(max(_PERIODS / frequency, _SHORTEST_WINDOW) * rate)
    hop = max(1, size // _HOPS)
    starts = np.arange(0, len(channel) - size + 1, hop)
    if len(starts) < 4 * _SIDE:
        raise ValueError(
            f"{len(channel)} samples are too few to find glitches in: record a longer tone"
        )
    turns = 2 * np.pi * frequency * np.arange(size) / rate
    basis = np.stack([np.cos(turns), -np.sin(turns), np.ones(size)], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(channel, size)[starts]
    solution = windows @ np.linalg.pinv(basis).T
    misfit = np.sqrt(2 * np.mean((windows - solution @ basis.T) ** 2, axis=1))
    turned = solution[:, 0] + 1j * solution[:, 1]
    turned = turned * np.exp(-2j * np.pi * frequency * starts / rate)
    return _Track(starts, size, np.abs(turned), np.unwrap(np.angle(turned)), misfit)


def _phase_steps(track: _Track) -> np.ndarray:
    """How far the phase after each window is from where the phase before it was heading."""
    steps = np.zeros(len(track.starts))
    courses = np.lib.stride_tricks.sliding_window_view(track.phase, _SIDE)
    # The windows that overlap this one are neither before nor after it.
    distance = _SIDE + 2 * _HOPS
    found = _step(courses[:-distance], courses[distance:], 2 * _HOPS)
    steps[_SIDE + _HOPS : _SIDE + _HOPS + len(found)] = found
    return steps


def _step(before: np.ndarray, after: np.ndarray, distance: int) -> np.ndarray:
    """The phase by which `after` lies off the course of `before`, halfway between them; both hold
    courses of `_SIDE` windows in their last dimension, `distance` windows apart."""
    deviations = np.arange(_SIDE) - (_SIDE - 1) / 2
    half = (_SIDE + distance) / 2
    slopes = deviations / (deviations @ deviations)
    expected = before.mean(axis=-1) + half * (before @ slopes)
    actual = after.mean(axis=-1) - half * (after @ slopes)
    return (actual - expected + np.pi) % (2 * np.pi) - np.pi


def _jump(track: _Track, first: int, last: int) -> float:
    """The step of phase across these windows; 0 too near an end to tell."""
    before = track.phase[max(0, first - _SIDE - 1) : max(0, first - 1)]
    after = track.phase[last + 2 : last + 2 + _SIDE]
    if len(before) < _SIDE or len(after) < _SIDE:
        return 0.0
    return float(_step(before, after, last - first + 3))


def _longest_quiet(piece: np.ndarray, limit: float) -> tuple[int, int]:
    """Start and length of the longest run of samples that are nearly zero."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.abs(piece) < limit, [0]])))
    if not len(edges):
        return 0, 0
    lengths = edges[1::2] - edges[::2]
    longest = int(np.argmax(lengths))
    return int(edges[2 * longest]), int(lengths[longest])


def _surprise(channel: np.ndarray, rate: int, frequency: float) -> np.ndarray:
    """By how much each sample differs from what the two before it foretell, were it a sine."""
    turn = 2 * np.cos(2 * np.pi * frequency / rate)
    surprise = np.zeros(len(channel))
    surprise[2:] = np.abs(channel[2:] - turn * channel[1:-1] + channel[:-2])
    return surprise
