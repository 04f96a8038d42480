"""What the bench writes down, and what it costs a guest's processes to do something.

Invariant: a figure nobody could measure stays in the table, with nothing in it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from labkit import clock
from labkit.link import GuestError
from labkit.pi import Pi

Reading = dict[str, float]
"""A number for each process, by the name people know it by."""

_EARLY = 0.01
"""By so many seconds the clocks of two recordings may differ."""


@dataclass
class Figure:
    """One measured quantity."""

    name: str
    unit: str
    values: list[float]
    how: str

    @property
    def median(self) -> float | None:
        """The middle value; None where there is none."""
        return statistics.median(self.values) if self.values else None

    @property
    def text(self) -> str:
        """The median with its unit."""
        return "none" if self.median is None else f"{self.median:.4g} {self.unit}".strip()

    def row(self) -> str:
        """A line of the Markdown table."""
        spread = f"{min(self.values):.4g} - {max(self.values):.4g}" if len(self.values) > 1 else ""
        return f"| {self.name} | {self.text} | {spread} | {len(self.values)} |"


def of_each(what: str, unit: str, readings: list[Reading], how: str) -> list[Figure]:
    """A figure for each process; its name goes where `what` has braces."""
    names = readings[0] if readings else {}
    return [
        Figure(what.format(name), unit, [each[name] for each in readings], how) for name in names
    ]


def delays(found: Iterable[float], due: Iterable[float], most: float) -> list[float]:
    """By how many milliseconds each of what was due was found later, if within `most` seconds."""
    times = list(found)
    late = (
        min((time - each for time in times if -_EARLY < time - each < most), default=None)
        for each in due
    )
    return [delay * 1000 for delay in late if delay is not None]


def costs(
    pi: Pi, processes: Mapping[str, str], minutes: float, parts: int
) -> tuple[list[Reading], list[Reading]]:
    """CPU seconds a minute and memory in MB of each process, for each part of the time; the
    processes are the main ones of these units."""
    part = 60 * minutes / parts
    spent, sizes = [], []
    before, began = processor_time(pi, processes), pi.now()
    for _ in range(parts):
        clock.sleep(max(0.0, began + part - pi.now()))
        after, ended = processor_time(pi, processes), pi.now()
        spent.append({name: (after[name] - before[name]) * 60 / (ended - began) for name in after})
        before, began = after, ended
        sizes.append(memory(pi, processes))
    return spent, sizes


def processor_time(pi: Pi, processes: Mapping[str, str]) -> Reading:
    """Seconds each process has run, all threads together."""
    sums = _of_processes(
        pi, processes, "cat /proc/$pid/task/*/schedstat | awk '{s += $1} END {print s + 0}'"
    )
    return {name: value / 1e9 for name, value in sums.items()}


def memory(pi: Pi, processes: Mapping[str, str]) -> Reading:
    """Proportional set size of each process, in MB."""
    sizes = _of_processes(pi, processes, "awk '/^Pss:/ {print $2}' /proc/$pid/smaps_rollup")
    return {name: kilobytes / 1024 for name, kilobytes in sizes.items()}


def wake_ups(pi: Pi, processes: Mapping[str, str]) -> Reading:
    """How often all threads of each process have begun to wait so far, and with that been woken."""
    return _of_processes(
        pi, processes, "awk '/^voluntary/ {s += $2} END {print s + 0}' /proc/$pid/task/*/status"
    )


def _of_processes(pi: Pi, processes: Mapping[str, str], command: str) -> Reading:
    """Runs a command that prints one number for the main process, $pid, of each unit. All are asked at
    once, because what is measured goes on meanwhile."""
    asked = f"""for unit in {" ".join(processes.values())}; do
        pid=$(systemctl show -P MainPID $unit)
        if [ $pid = 0 ]; then echo; else {command}; fi
    done"""
    values = pi.sh(asked).stdout.split("\n")
    for unit, value in zip(processes.values(), values, strict=False):
        if not value:
            raise GuestError(f"{unit} does not run")
    return dict(zip(processes, map(float, values[: len(processes)]), strict=True))
