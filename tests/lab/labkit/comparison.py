"""Several speakers on the same traces, as a table.

Invariant: a cell tells what was measured and nothing else: where nothing was, it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from labkit.figures import Reading

MISSING = "none"


@dataclass
class Run:
    """One piece played by one speaker on one trace: times in ms but for the moments, which are seconds
    from the beginning of what is judged."""

    speaker: str
    trace: str
    number: int
    seconds: float
    """How much of it is judged."""
    cpu: Reading
    """Seconds each process takes for a minute."""
    memory: Reading
    """MB of each."""
    told: float | None
    """What the phone was told of the delay last."""
    phone_late: float
    """By how much the phone itself, and the trace, were late with the latest hundredth of packets."""
    audible: float = 0.0
    """From the first packet to the first sample."""
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """When a click was due, and how long after it was played."""
    faults: list[tuple[float, str]] = field(default_factory=list)
    silent: int = 0
    """Seconds in most of which nothing was heard."""
    bends: list[float] = field(default_factory=list)
    """By how many ppm the pitch was off, for each second without a fault."""

    @property
    def delays(self) -> list[float]:
        """How late each click was."""
        return [late for _, late in self.latencies]

    @property
    def faults_a_minute(self) -> float:
        """What a listener hears."""
        return len(self.faults) * 60 / self.seconds

    @property
    def drift(self) -> float | None:
        """By how many ms an hour the delay grows, by a straight line from when it has settled on."""
        settled = [each for each in self.latencies if each[0] > min(60.0, self.seconds / 2)]
        if len(settled) < 3:
            return None
        moments, late = np.array(settled).T
        return float(np.polyfit(moments, late, 1)[0]) * 3600

    @property
    def text(self) -> str:
        """A line for who waits."""
        late = f"{median(self.delays):.1f} ms" if self.delays else MISSING
        faults = f"{len(self.faults)} faults in {self.seconds:.0f} s"
        return f"{self.number} {self.speaker}, {self.trace}: {late}, {faults}"


Cell = Callable[[list[Run]], str]


@dataclass
class Comparison:
    """All runs, and what went wrong."""

    speakers: list[str]
    runs: list[Run] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def of(self, speaker: str, trace: str) -> list[Run]:
        """A speaker's runs on a trace."""
        return [each for each in self.runs if (each.speaker, each.trace) == (speaker, trace)]

    @property
    def traces(self) -> list[str]:
        """The traces, in the order in which they were first played."""
        return list(dict.fromkeys(each.trace for each in self.runs))

    def table(self) -> str:
        """In Markdown: a line for each quantity, a column for each speaker."""
        rows = [("", self.speakers), *((label, cells) for label, cells in self._rows())]
        lines = [f"| {label} | {' | '.join(cells)} |" for label, cells in rows]
        lines.insert(1, "|---" * (1 + len(self.speakers)) + "|")
        return "\n".join(lines)

    def _rows(self) -> Iterable[tuple[str, list[str]]]:
        judged = [name for name in self.traces if name != "drift"]
        for name in judged:
            yield self._row(f"latency, {name}: median (p95, p99)", name, latency)
        for name in judged:
            yield self._row(f"faults a minute, {name}", name, faults)
        for name in judged:
            yield self._row(f"pitch, the worst second, {name}", name, bend)
        first = judged[:1]
        for label, cell in (
            ("first packet to first sample", lambda runs: spread(runs, _audible, "ms")),
            ("told to the phone, less what the clicks say", told),
            ("CPU for a minute, all processes", lambda runs: spread(runs, _cpu, "s")),
            ("memory (PSS), all processes", lambda runs: spread(runs, _memory, "MB")),
        ):
            for name in first:
                yield self._row(f"{label}, {name}", name, cell)
        if "drift" in self.traces:
            yield self._row("drift, the phone's clock 100 ppm fast", "drift", drift)
            yield self._row("faults a minute meanwhile", "drift", faults)
        failed = [sum(each.startswith(f"{name}:") for each in self.failures) for name in self.speakers]
        yield "turns that failed", [str(each) for each in failed]

    def _row(self, label: str, trace: str, cell: Cell) -> tuple[str, list[str]]:
        runs = [self.of(name, trace) for name in self.speakers]
        return label, [cell(each) if each else MISSING for each in runs]


def _audible(run: Run) -> float:
    return run.audible


def _cpu(run: Run) -> float:
    return sum(run.cpu.values())


def _memory(run: Run) -> float:
    return sum(run.memory.values())


def spread(runs: list[Run], quantity: Callable[[Run], float], unit: str) -> str:
    """The median of the runs, and their extremes."""
    values = [quantity(each) for each in runs]
    middle = f"{median(values):.3g} {unit}"
    return f"{middle} ({min(values):.3g} - {max(values):.3g})" if len(values) > 1 else middle


def latency(runs: list[Run]) -> str:
    """The median of the runs' medians, and what of all clicks together was rarely exceeded."""
    delays = [late for each in runs for late in each.delays]
    if not delays:
        return MISSING
    middle = median(median(each.delays) for each in runs if each.delays)
    p95, p99 = np.percentile(delays, [95, 99])
    return f"{middle:.1f} ms ({p95:.0f}, {p99:.0f})"


def faults(runs: list[Run]) -> str:
    """The median of the runs, and the worst."""
    each = [run.faults_a_minute for run in runs]
    middle, worst = median(each), max(each)
    if silent := sum(run.silent for run in runs):
        return f"{middle:.3g}, and silent for {silent} of {sum(run.seconds for run in runs):.0f} s"
    return f"{middle:.3g}" if worst == middle else f"{middle:.3g} (up to {worst:.3g})"


def bend(runs: list[Run]) -> str:
    """The median of each run's worst second."""
    worst = [max(map(abs, each.bends)) for each in runs if each.bends]
    return f"{median(worst):.0f} ppm" if worst else MISSING


def told(runs: list[Run]) -> str:
    """How far what the phone was told is from what is so; the median of the runs."""
    errors = [
        each.told - median(each.delays)
        for each in runs
        if each.told is not None and each.delays
    ]
    return f"{median(errors):+.1f} ms" if errors else "nothing told"


def drift(runs: list[Run]) -> str:
    """How the delay grows."""
    slopes = [each.drift for each in runs if each.drift is not None]
    return f"{median(slopes):+.1f} ms/h" if slopes else MISSING
