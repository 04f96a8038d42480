"""`lab shell`: a root prompt on the virtual Pi that is running, or on a new one.

Ctrl-] leaves; a Pi that was started for the shell is powered off then.
"""

from __future__ import annotations

import os
import re
import select
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labkit import calm, running
from labkit.laboratory import Laboratory, Parts
from labkit.radio import Radio

LEAVE = b"\x1d"  # Ctrl-]
TERMINAL = re.compile(r"^tty-index:\s*(\d+)$", re.MULTILINE)
"""What the kernel tells of a descriptor that is the outer end of a terminal."""


def terminal_of(folder: Path) -> str:
    """The host's terminal that is the virtual Pi's second console, once the Pi has opened it."""
    machine = Path("/proc", (folder / "pid").read_text().strip(), "fdinfo")
    deadline = time.monotonic() + 30
    while not (found := list(terminals(machine))):
        if time.monotonic() > deadline:
            sys.exit("lab: the virtual Pi opened no console; see its console.log in " + str(folder))
        time.sleep(0.1)
    return found[0]


def terminals(fdinfo: Path) -> Iterator[str]:
    """The terminals whose outer end a process has."""
    for each in fdinfo.iterdir():
        with suppress(OSError):  # It was closed meanwhile.
            if number := TERMINAL.search(each.read_text()):
                yield f"/dev/pts/{number[1]}"


def attach(terminal: str) -> None:
    """Connects this terminal with the guest's until Ctrl-] or the end of the guest."""
    print(f"lab: this is the virtual Pi's console, Ctrl-] leaves it ({terminal})")
    guest = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    try:
        with raw(guest), raw(sys.stdin.fileno()):
            os.write(guest, b"\r")
            copy(guest)
    finally:
        os.close(guest)


def copy(guest: int) -> None:
    """Carries bytes both ways."""
    keyboard = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([guest, keyboard], [], [])
        for source in ready:
            try:
                data = os.read(source, 4096)
            except OSError:
                return  # the guest is gone
            if not data or (source == keyboard and LEAVE in data):
                return
            os.write(guest if source == keyboard else sys.stdout.fileno(), data)


@contextmanager
def raw(terminal: int) -> Iterator[None]:
    """Makes a terminal pass every byte on untouched."""
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def main() -> None:
    """Attaches to the newest running virtual Pi, or boots one."""
    if machines := running.machines():
        return attach(terminal_of(machines[-1]))
    with Radio() as radio, tempfile.TemporaryDirectory(prefix="dotd-lab-artifacts-") as artifacts:
        # Nobody speaks here, and it may last for days.
        calm.end()
        laboratory = Laboratory(Parts.from_environment(), Path(artifacts), radio)
        try:
            print("lab: booting a virtual Pi ...")
            attach(terminal_of(laboratory.shared_pi().machine.folder))
        finally:
            laboratory.close()


if __name__ == "__main__":
    main()
