"""Who is heard when: phones that each play a tone of their own, told apart on what the sound card
played.

Invariant: a phone counts as heard in a piece of a recording if its tone is there at 20 dB less than it
is played, or more; in a piece that short the other tones leave less of themselves at its frequency.
"""

from __future__ import annotations

import math

import numpy as np

from labkit import analysis, signals
from labkit.recording import Recording

TONES = (441.0, 997.0, 1553.0, 2111.0)
"""What each phone plays, in Hz."""
RING = 3511.0
"""What the speaker rings with, where that has to be told from them."""
LEVEL = -12.0
PIECE = 0.025
"""Seconds of which is told who is heard in them."""
FADE = 2
"""Pieces in which two may be heard: the fade of one into the other."""
LOUD = LEVEL - 20.0
"""Above this, in dBFS, somebody hears a tone."""


def tone(frequency: float, seconds: float = 60.0) -> signals.Signal:
    """What a phone plays."""
    return signals.tone(frequency, seconds, LEVEL)


def wait(speaker, seconds: float) -> None:
    """Lets time go by, where it is the length of something that counts."""
    until = speaker.pi.now() + seconds
    speaker.pi.wait_for(lambda: speaker.pi.now() > until, timeout=seconds + 10)


def levels(recording: Recording, tones: tuple[float, ...]) -> np.ndarray:
    """How loud each tone is, in dBFS, piece by piece: [pieces, tones]."""
    step = round(PIECE * recording.rate)
    samples = recording.samples[:, 0]
    pieces = [samples[at : at + step] for at in range(0, len(samples) - step, step)]
    return np.array(
        [[analysis.level(piece, recording.rate, each)[0] for each in tones] for piece in pieces]
    )


def heard(recording: Recording, tones: tuple[float, ...] = TONES) -> np.ndarray:
    """Whether each of them is heard, piece by piece: [pieces, tones]."""
    return levels(recording, tones) > LOUD


def shares(recording: Recording, pieces: np.ndarray, begin: float, end: float) -> np.ndarray:
    """For which part of this time, from 0 to 1, each of the tones was heard that `pieces` are about."""
    step = PIECE * recording.rate
    first, last = (recording.clock.frame_at(time) / step for time in (begin, end))
    part = pieces[max(0, math.ceil(first)) : max(0, math.floor(last))]
    assert len(part), "nothing was recorded then"
    return part.mean(axis=0)


def check_alone(pieces: np.ndarray) -> None:
    """Never are two heard for longer than a fade takes."""
    together = np.convolve(pieces.sum(axis=1) > 1, np.ones(FADE + 1), "valid")
    assert not np.any(together > FADE), "two phones are heard together"


def check_turns(recording: Recording, *turns: int) -> list[float]:
    """They are heard one after another in this order (numbers of TONES), never two at once for longer
    than a fade, each for a second at least, and none ends or begins with a click. Returns how long it
    was silent after each but the last."""
    tones = TONES[: max(turns) + 1]
    pieces = heard(recording, tones)
    check_alone(pieces)
    alone = [(at, int(np.argmax(each))) for at, each in enumerate(pieces) if each.sum() == 1]
    runs = [[alone[0]]]
    for each in alone[1:]:
        if each[1] != runs[-1][-1][1]:
            runs.append([])
        runs[-1].append(each)
    assert [run[0][1] for run in runs] == list(turns), [(run[0], run[-1]) for run in runs]
    assert min(len(run) for run in runs) * PIECE >= 1
    check_smooth(recording, tones)
    return [
        (after[0][0] - before[-1][0] - 1) * PIECE
        for before, after in zip(runs, runs[1:], strict=False)
    ]


def check_smooth(recording: Recording, tones: tuple[float, ...]) -> None:
    """No two samples in a row are further apart than a tone as it is played has them, and a fade."""
    steepest = 2 * np.pi * max(tones) / recording.rate * signals.decibel(LEVEL)
    steps = np.max(np.abs(np.diff(recording.samples, axis=0)))
    assert steps < 2 * steepest, f"a click: a step of {steps:.3f}"
