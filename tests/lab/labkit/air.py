"""Packets of voice as they cross the speaker's HCI, counted in the trace that hci_pump.py writes.

Invariant: each packet is counted once, by the count that first sees all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from labkit.hci_pump import SNOOP_HEADER, SNOOP_RECORD, TO_HOST, VOICE, read_trace


class Voice(NamedTuple):
    """Packets to the speaker, and from it."""

    to_speaker: int
    from_speaker: int


class Air:
    """The trace of an adapter, read while it grows."""

    def __init__(self, trace: Path) -> None:
        self._file = open(trace, "rb")
        self._file.seek(len(SNOOP_HEADER))
        self._rest = b""

    def __enter__(self) -> Air:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def count(self) -> Voice:
        """Returns how many there were since the last count."""
        data = self._rest + self._file.read()
        at, to_speaker, from_speaker = 0, 0, 0
        for flags, packet in read_trace(data, at):
            if packet[0] == VOICE:
                to_speaker += bool(flags & TO_HOST)
                from_speaker += not flags & TO_HOST
            at += SNOOP_RECORD.size + len(packet)
        self._rest = data[at:]
        return Voice(to_speaker, from_speaker)
