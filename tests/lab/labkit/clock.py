"""The lab's time, which runs slower than the host's.

A machine that shares its cores with others is stopped for 10 ms now and then, which in music is a
gap, whoever plays it. So everything here lives in slow motion: the guest's clock, the phones' and
the tests' alike. A stop of 10 ms is one of 5 ms to them, and they have twice the computing power.

Invariant: whoever says or waits for a time in the lab does it by this clock. Only what has no part
in the play (the setup, a subprocess's end) goes by the host's.
"""

from __future__ import annotations

import os
import time

SLOWNESS = int(os.environ.get("DOTD_LAB_SLOWNESS", "2"))
"""How many seconds of the host one second lasts; 1 is real time, for figures."""


def now() -> float:
    """Seconds on the lab's monotonic clock; the guest's CLOCK_MONOTONIC is the same."""
    return time.monotonic() / SLOWNESS


def now_ns() -> int:
    """The same in nanoseconds."""
    return time.monotonic_ns() // SLOWNESS


def host(seconds: float) -> float:
    """So long does it take by the host's clock."""
    return seconds * SLOWNESS


def sleep(seconds: float) -> None:
    """Waits so long."""
    time.sleep(host(seconds))
