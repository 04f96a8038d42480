"""`lab bench`: dotd with a list of very many phones, beside one with a few.

Invariant: a figure counts only if dotd has read all of the list. What dotd remembered before is back
when this is over.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from labkit import clock, starting
from labkit.attempts import Attempts
from labkit.figures import Figure, memory, processor_time
from labkit.link import GuestError
from labkit.pi import Pi

FEW, MANY = 3, 10_000
LONG_AGO = 1_700_000_000
"""Seconds since 1970."""
STATE, KEPT = "/var/lib/dotd", "/run/lab-dotd-state"
LISTED = "/run/lab-phones"
PATIENCE = 180.0
REST = 0.02
"""Seconds of CPU time in a second, less than which is rest."""
PROCESS = {"dotd": "dotd"}


def state_of(count: int) -> str:
    """A state.toml (src/store/schema.rs) that trusts so many phones, of which nobody chose anything."""
    phones = (
        f'[[phones]]\naddress = "02:00:00:{number >> 16:02X}:{number >> 8 & 255:02X}:{number & 255:02X}"\n'
        f'name = "Phone {number} of many"\nfirst-seen = {LONG_AGO}\nlast-seen = {LONG_AGO + number}\n'
        for number in range(count)
    )
    return "version = 1\n\n" + "\n".join(phones)


@dataclass
class Start:
    """What one start with such a list gave: milliseconds, seconds of CPU time, MB."""

    ready: float
    offered: float
    spent: float
    megabytes: float
    listing: float


class Crowd:
    """A speaker that is started again and again with lists of phones that are not there."""

    suffix = ", long lists"

    def __init__(self, pi: Pi) -> None:
        self.pi = pi
        self._files = {count: self._put(count) for count in (FEW, MANY)}

    @contextmanager
    def kept_state(self) -> Iterator[None]:
        """Has dotd remember after the block what it remembered before it."""
        self.pi.sh(f"systemctl stop dotd; rm -rf {KEPT}; cp -a {STATE} {KEPT}")
        try:
            yield
        finally:
            self.pi.sh(
                f"systemctl stop dotd; rm -rf {STATE}/*; cp -a {KEPT}/. {STATE}/; systemctl start dotd"
            )

    def start(self, count: int) -> Start:
        """Starts dotd with so many phones, and looks at it once it is at rest."""
        file = f"install -o dotd -g dotd -m 600 {self._files[count]} {STATE}/state.toml"
        self.pi.sh(f"systemctl stop dotd; rm -rf {STATE}/*; {file}")
        offered = starting.told_by_bluez(self.pi, starting.SINK, PATIENCE)
        ready = starting.ready_after(self.pi)
        self.pi.wait_for(self._is_at_rest, PATIENCE, "dotd at rest")
        spent, megabytes = self._spent(), memory(self.pi, PROCESS)["dotd"]
        return Start(ready, offered, spent, megabytes, self._listing(count))

    def recover(self, _: None) -> None:
        """Has dotd stopped, as each start expects it."""
        self.pi.sh("systemctl stop dotd; systemctl reset-failed dotd", check=False)

    def _put(self, count: int) -> str:
        """Brings a list to the guest; returns its path there."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"state-{count}.toml"
            file.write_text(state_of(count))
            return self.pi.put(file)

    def _spent(self) -> float:
        return processor_time(self.pi, PROCESS)["dotd"]

    def _is_at_rest(self) -> bool:
        before = self._spent()
        clock.sleep(1.0)
        return self._spent() - before < REST

    def _listing(self, count: int) -> float:
        """How many milliseconds `dotctl phones` takes."""
        told = self.pi.sh(
            f"TIMEFORMAT=%3R; time dotctl phones > {LISTED} && wc -l < {LISTED}", timeout=PATIENCE
        )
        if int(told.stdout) != count:
            raise GuestError(f"the list has {told.stdout.strip()} phones, not {count}")
        return float(told.stderr.split()[-1]) * 1000


def measure(pi: Pi, repeat: int) -> Iterator[Figure]:
    """All figures; the speaker knows nobody then."""
    pi.clean()
    crowd = Crowd(pi)
    attempts = Attempts(crowd, None, "starts with lists of phones that are not there")
    with crowd.kept_state():
        for count in (FEW, MANY):
            once = partial(crowd.start, count)
            yield from figures(attempts.series(f"start with {count} phones", repeat, once), count)
    yield attempts.figure()


def figures(starts: list[Start], count: int) -> list[Figure]:
    """The figures of the starts with one list."""
    phones = f"{count:,} phones in the list"
    start = "ExecMainStartTimestamp"
    return [
        Figure(
            f"service start to READY, {phones}",
            "ms",
            [each.ready for each in starts],
            f"{start} to ActiveEnterTimestamp: dotctl is answered; no phone has a bond",
        ),
        Figure(
            f"service start to an audio sink in the air, {phones}",
            "ms",
            [each.offered for each in starts],
            f"{start} to BlueZ's signal that the adapter's services have one",
        ),
        Figure(
            f"CPU of dotd's start, {phones}",
            "s",
            [each.spent for each in starts],
            f"schedstat of all threads, until less than {REST:g} s in a second",
        ),
        Figure(
            f"memory of dotd, idle, {phones}",
            "MB",
            [each.megabytes for each in starts],
            "PSS of smaps_rollup, before anybody has asked for the list",
        ),
        Figure(
            f"dotctl phones, {phones}",
            "ms",
            [each.listing for each in starts],
            "wall time of the command in the guest, into a file",
        ),
    ]
