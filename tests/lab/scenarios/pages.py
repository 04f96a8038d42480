"""Whom the speaker called and when: the pages in the trace of what its adapter was told and said.

Invariant: times are the lab's, like those of `pi.now()` and of what phones saw.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from labkit import clock
from labkit.hci_pump import COMMAND, EVENT, SNOOP_EPOCH, SNOOP_RECORD, opcode_of

CREATE_CONNECTION = 0x0405
CONNECTION_COMPLETE, DISCONNECTION_COMPLETE = 0x03, 0x05


@dataclass
class Page:
    """A call of a phone over the air."""

    address: str
    began: float
    ended: float | None = None
    """When it was answered or had been in vain; None while it goes on."""
    link: int | None = None
    """The handle of the link that came of it."""
    lost: float | None = None
    """When that link was gone."""


def pages(pi, since: float = 0.0) -> list[Page]:
    """All that have begun since then, in that order, but not before the scenario."""
    found: list[Page] = []
    for at, packet in packets(pi):
        if packet[0] == COMMAND and opcode_of(packet) == CREATE_CONNECTION:
            found.append(Page(address_in(packet[4:10]), at))
        elif packet[0] == EVENT and packet[1] == CONNECTION_COMPLETE:
            status, link = struct.unpack_from("<BH", packet, 3)
            address = address_in(packet[6:12])
            if page := last(found, lambda it: it.address == address and not it.ended):
                page.ended, page.link = at, None if status else link
        elif packet[0] == EVENT and packet[1] == DISCONNECTION_COMPLETE:
            (link,) = struct.unpack_from("<H", packet, 4)
            if page := last(found, lambda it: it.link == link and not it.lost):
                page.lost = at
    return [page for page in found if page.began >= since]


def pages_to(pi, phone, since: float = 0.0) -> list[Page]:
    """Those to one phone."""
    return [page for page in pages(pi, since) if page.address == phone.address]


def last(found: list[Page], fits) -> Page | None:
    """The last of those that fit."""
    return next(filter(fits, reversed(found)), None)


def packets(pi) -> Iterator[tuple[float, bytes]]:
    """What crossed the adapter's HCI since the scenario began, and when."""
    # It is stamped with the time of day.
    day = time.time() - time.monotonic()
    for trace, at in pi.air_since_clean():
        data = trace.read_bytes()
        while at + SNOOP_RECORD.size <= len(data):
            _, length, _, _, stamp = SNOOP_RECORD.unpack_from(data, at)
            at += SNOOP_RECORD.size
            if at + length > len(data):
                break
            yield ((stamp - SNOOP_EPOCH) / 1e6 - day) / clock.SLOWNESS, data[at : at + length]
            at += length


def address_in(octets: bytes) -> str:
    """An address as it crosses HCI: the last octet first."""
    return ":".join(f"{each:02X}" for each in reversed(octets))
