"""Pictures of sound: the waveform and the spectrogram of a recording, as one PNG.

Invariant: drawn without a display, and never needed to judge a test: a picture is for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from labkit.signals import Signal

_FLOOR_DB = -100.0
_LABEL_POINTS = 8
_ABOVE = 3
_ROW = 1.5
"""How high a label is and how far above the axes, in points, and how many labels high a row is."""
_MOST_POINTS = 4000
"""Columns of the waveform: each draws the extremes of its samples, so no peak is lost."""


def render(
    sound: Signal,
    path: str | Path,
    title: str,
    events: Sequence[tuple[float, str]] = (),
    highest: float = 8000.0,
) -> None:
    """Draws a sound; `events` are (seconds, what happened) and are marked in both parts."""
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(12, 7), sharex=True, height_ratios=(1, 2), layout="constrained"
    )
    try:
        _draw_waveform(upper, sound)
        _draw_spectrogram(lower, sound, min(highest, sound.rate / 2))
        for moment, _ in events:
            for axes in (upper, lower):
                axes.axvline(moment, color="tab:red", linewidth=0.8)
        figure.suptitle(title)
        label(upper, events)
        figure.savefig(path, dpi=100)
    finally:
        plt.close(figure)


def label(axes: plt.Axes, events: Sequence[tuple[float, str]]) -> list[plt.Annotation]:
    """Writes above the axes what happened when, higher where it would be over what stands there."""
    # Only when all has its place is known how much of it a word takes.
    axes.figure.draw_without_rendering()
    labels, ends = [], []
    for moment, what in sorted(events):
        written = axes.annotate(
            what,
            (moment, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, _ABOVE),
            textcoords="offset points",
            fontsize=_LABEL_POINTS,
        )
        extent = written.get_window_extent()
        row = next((at for at, end in enumerate(ends) if end < extent.x0), len(ends))
        ends[row : row + 1] = [extent.x1]
        written.xyann = (0, _ABOVE + row * _ROW * _LABEL_POINTS)
        labels.append(written)
    return labels


def _draw_waveform(axes: plt.Axes, sound: Signal) -> None:
    step = max(1, len(sound.samples) // _MOST_POINTS)
    whole = sound.samples[: len(sound.samples) // step * step]
    columns = whole.reshape(-1, step, whole.shape[1])
    times = np.arange(len(columns)) * step / sound.rate
    for channel, name in zip(range(whole.shape[1]), ("left", "right"), strict=False):
        low, high = columns[:, :, channel].min(axis=1), columns[:, :, channel].max(axis=1)
        axes.fill_between(times, low, high, linewidth=0.2, alpha=0.6, label=name)
    axes.set_ylim(-1, 1)
    axes.set_ylabel("amplitude")
    axes.legend(loc="upper right", fontsize=8)


def _draw_spectrogram(axes: plt.Axes, sound: Signal, highest: float) -> None:
    mono = sound.samples.mean(axis=1)
    # Digital silence has no logarithm; far below the floor it does no harm.
    mono = mono + np.random.default_rng(0).normal(0, 1e-7, len(mono))
    axes.specgram(
        mono, NFFT=2048, noverlap=1536, Fs=sound.rate, vmin=_FLOOR_DB, mode="psd", cmap="magma"
    )
    axes.set_ylim(0, highest)
    axes.set_ylabel("Hz")
    axes.set_xlabel("seconds")
