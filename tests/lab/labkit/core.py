"""A core of the processor for each guest.

Invariant: no two guests of this user's lab share a core. User Mode Linux is slow across cores
(machine.py says why), and on a core that another guest keeps busy its music has gaps.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from labkit import cache, host


@contextmanager
def of_its_own() -> Iterator[int]:
    """Takes the last core that is free and moves this process, and what it will start, off it; the
    guest alone goes there. Waits when other runs have them all."""
    cores = os.sched_getaffinity(0)
    with ExitStack() as files:
        core = next(filter(lambda core: _taken(core, files), sorted(cores, reverse=True)), None)
        if core is None:
            core = max(cores)
            with host.step("waiting for another run to give up its core"):
                fcntl.flock(files.enter_context(_file(core)), fcntl.LOCK_EX)
        if len(cores) > 1:
            os.sched_setaffinity(0, cores - {core})
        yield core


def _taken(core: int, files: ExitStack) -> bool:
    file = files.enter_context(_file(core))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file(core: int):
    return open(cache.folder() / f"core-{core}.lock", "w")
