"""What the air does to a phone's music, as the bench plays it to one speaker after the other.

Made up by rules, not recorded: there is no radio here. The same seed gives the same trace.

Invariant: a trace delays and loses packets, and never changes when they are due.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BEACONS = 0.1024
"""Seconds between the beacons of a Wi-Fi network."""
BEACON = 0.005
"""Seconds that one takes, with what Wi-Fi says besides while nobody uses it."""
TRANSFERS = (1.0, 4.0)
"""Seconds that a transfer by Wi-Fi takes, and the rest after it, from and to."""
SHARE = (0.3, 0.7)
"""What Wi-Fi takes of each interval during a transfer, from and to."""
SLOT = 3.75
"""Milliseconds that a packet of music takes by Bluetooth: five slots, and one for its answer."""
STALL = 0.1

Pauses = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Trace:
    """A kind of air; `quality` tells what `Phone.link_quality` takes, for so many seconds and a
    seed."""

    name: str
    what: str
    quality: Callable[[float, int], dict[str, Any]]


def stalls(seconds: float) -> Pauses:
    """Nothing gets through for 100 ms, once a second."""
    return tuple((float(each), each + STALL) for each in range(1, int(seconds) + 1))


def coexistence(seconds: float, seed: int) -> Pauses:
    """Wi-Fi on the same antenna, which the two have in turn: Wi-Fi for each beacon, and while there is
    a transfer for up to 70 % of the time between beacons."""
    dice = random.Random(seed)
    pauses = []
    busy, until = False, 0.0
    for number in range(1, int(seconds / BEACONS) + 1):
        moment = number * BEACONS
        if moment >= until:
            busy, until = not busy, moment + dice.uniform(*TRANSFERS)
        takes = BEACONS * dice.uniform(*SHARE) if busy else BEACON
        pauses.append((moment, moment + takes))
    return tuple(pauses)


TRACES = {
    each.name: each
    for each in (
        Trace("clean", "every packet when it is due", lambda _, seed: {}),
        Trace("loss-1", "1 % of the packets are lost", lambda _, seed: {"loss": 0.01, "seed": seed}),
        Trace("loss-5", "5 % of the packets are lost", lambda _, seed: {"loss": 0.05, "seed": seed}),
        Trace(
            "jitter",
            "each packet up to 40 ms late, none overtakes another",
            lambda _, seed: {"jitter_ms": 40, "seed": seed},
        ),
        Trace(
            "wifi",
            "Wi-Fi on the same antenna: takes 30 to 70 % of it for seconds, then next to nothing",
            lambda seconds, seed: {"pauses": coexistence(seconds, seed), "slot_ms": SLOT},
        ),
        Trace(
            "stall",
            "nothing for 100 ms once a second, then all that waits at once",
            lambda seconds, seed: {"pauses": stalls(seconds)},
        ),
    )
}
