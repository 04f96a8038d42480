"""The comparison of several speakers as one picture: delay over time, and when there were faults.

Invariant: drawn without a display, and never needed to judge anything: a picture is for people.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from labkit.comparison import Comparison, Run

_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red")
_ROW_INCHES = 1.6


def draw(comparison: Comparison, path: str | Path) -> None:
    """Draws a line for each trace: on the left the delays of all runs, on the right their faults."""
    traces = [name for name in comparison.traces if name != "drift"] or comparison.traces
    figure, axes = plt.subplots(
        len(traces),
        2,
        figsize=(12, 1 + _ROW_INCHES * len(traces)),
        squeeze=False,
        sharex="col",
        width_ratios=(3, 2),
        layout="constrained",
    )
    try:
        for (left, right), trace in zip(axes, traces, strict=True):
            for number, speaker in enumerate(comparison.speakers):
                runs = comparison.of(speaker, trace)
                colour = _COLOURS[number % len(_COLOURS)]
                _draw_delays(left, runs, colour)
                _draw_faults(right, runs, number, colour)
            left.set_ylabel(trace)
            left.set_yscale("log")
            left.set_yticks((30, 50, 100, 200, 500), ("30", "50", "100", "200", "500 ms"))
            left.minorticks_off()
            right.set_yticks(range(len(comparison.speakers)), comparison.speakers)
            right.set_ylim(len(comparison.speakers) - 0.5, -0.5)
        axes[0][0].set_title("from the phone to the sound card")
        axes[0][1].set_title("faults that a listener hears")
        keys = [
            Line2D([], [], color=colour, marker=".", label=speaker)
            for speaker, colour in zip(comparison.speakers, _COLOURS, strict=False)
        ]
        axes[0][0].legend(handles=keys, loc="upper right", fontsize=8)
        for each in axes[-1]:
            each.set_xlabel("seconds")
        figure.savefig(path, dpi=80)
    finally:
        plt.close(figure)


def _draw_delays(axes: plt.Axes, runs: list[Run], colour: str) -> None:
    for run in runs:
        if run.latencies:
            moments, delays = np.array(run.latencies).T
            axes.plot(moments, delays, ".-", markersize=3, linewidth=0.7, color=colour)


def _draw_faults(axes: plt.Axes, runs: list[Run], row: int, colour: str) -> None:
    for place, run in enumerate(runs):
        height = row - 0.35 + 0.7 * (place + 0.5) / len(runs)
        moments = [moment for moment, _ in run.faults]
        axes.plot(moments, [height] * len(moments), "|", color=colour, markersize=6)
    length = max((run.seconds for run in runs), default=1.0)
    axes.set_xlim(0, max(length, axes.get_xlim()[1]))
