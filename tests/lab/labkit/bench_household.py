"""`lab bench`: several phones at one speaker, in numbers: who takes over, who comes back, how fast a
volume moves.

Invariant: each value is of an attempt of its own, which begins with all phones connected and nobody
playing; what is heard is read from what the sound card played, and nothing is waited for in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np

from labkit import analysis, bench_crowd, clock, starting
from labkit.attempts import Attempts
from labkit.bench_calls import first_audible, wait_until
from labkit.figures import Figure
from labkit.house import COMES, FAMILY, LEVEL, TONES, House, play_once_connected
from labkit.link import GuestError
from labkit.phone import Phone
from labkit.pi import Pi
from labkit.radio import Radio
from labkit.recording import Recording
from labkit.signals import decibel

HEARD = LEVEL - 20.0
"""Above this somebody hears it."""
VOLUMES = (100, 60)
"""Between which it is turned; at each of them the tone is heard."""

BEFORE, AFTER = 0.7, 1.5
"""Seconds of a recording before something is pressed, and at least after it."""
EDGE = 0.3
"""Seconds at either end of that in which it is as it was, or as it shall be."""
SETTLES = 2.0
"""Seconds after which the speaker believes a phone's slider again, which it has set itself."""
LOST = 60.0
"""Seconds within which both sides have noticed that a link is gone."""


def measure(pi: Pi, radio: Radio, repeat: int) -> Iterator[Figure]:
    """All figures of a household."""
    with ExitStack() as home:
        phones = [home.enter_context(Phone(radio, name=name)) for name in FAMILY]
        house = House(pi, phones)
        attempts = Attempts(house, phones[0], "whatever is tried with three phones, and their pairing")
        with attempts.one("pairing three phones"):
            house.move_in()
        if house.is_full:
            yield from takeovers(house, attempts, repeat)
            yield from volumes(house, attempts, repeat)
            yield from losses(house, attempts, repeat)
            yield from starts(house, attempts, repeat)
        yield attempts.figure()
    yield from bench_crowd.measure(pi, repeat)


# Taking over


@dataclass
class Turn:
    """How many milliseconds after play one was audible, and the other silent."""

    audible: float
    silent: float


def takeovers(house: House, attempts: Attempts, repeat: int) -> Iterator[Figure]:
    """A phone presses play while another one plays."""
    turns = attempts.series("takeover", repeat, partial(take_over, house))
    command = "from play on a paused phone with an open stream"
    yield Figure(
        "play while another phone plays, to audible",
        "ms",
        [each.audible for each in turns],
        f"{command} to the first of its tone above {HEARD:g} dBFS, within 3 ms",
    )
    yield Figure(
        "play while another phone plays, to that one silent",
        "ms",
        [each.silent for each in turns],
        f"{command} to the last of the other's tone above {HEARD:g} dBFS, within 3 ms",
    )


def take_over(house: House) -> Turn:
    """Ben goes on with what he has paused, while Anna's phone plays."""
    anna, ben, *_ = house.phones
    house.plays(ben)
    ben.suspend()
    house.wait(ben, playing=False)
    house.plays(anna)
    with house.pi.recording() as heard:
        clock.sleep(BEFORE)
        pressed = clock.now()
        ben.resume()
        wait_until(pressed + AFTER)
    house.rest()
    return turn(heard, pressed)


def turn(heard: Recording, pressed: float) -> Turn:
    """Reads from a recording when the first tone ended and the second began."""
    spans = [analysis.span(heard.samples, heard.rate, each, HEARD) for each in TONES]
    if spans[0] is None or spans[1] is None:
        raise GuestError("one of the two phones was not heard at all")
    silent = heard.clock.time_of(spans[0][1] * heard.rate)
    audible = heard.clock.time_of(spans[1][0] * heard.rate)
    if not pressed < silent < heard.clock.time_of(len(heard.samples)) - EDGE:
        raise GuestError("the phone that played was not heard to end")
    if audible < pressed:
        raise GuestError("the other phone was heard before it played")
    return Turn((audible - pressed) * 1000, (silent - pressed) * 1000)


# The volume


def volumes(house: House, attempts: Attempts, repeat: int) -> Iterator[Figure]:
    """Somebody turns the volume, at the speaker and on the phone."""
    phone = house.phones[0]

    def on_the_speaker(volume: int) -> None:
        house.pi.dotctl("volume", str(volume))

    def on_the_phone(volume: int) -> None:
        phone.set_volume(slider(volume))

    for what, press, how in (
        ("dotctl volume", on_the_speaker, "the start of the command"),
        ("the phone's slider", on_the_phone, "the phone's SetAbsoluteVolume"),
    ):
        ways = cycle((VOLUMES, VOLUMES[::-1]))
        once = partial(turn_volume, house, ways, press)
        yield Figure(
            f"{what} to the sound at its new volume",
            "ms",
            attempts.series(f"turn of {what}", repeat, once),
            f"{how} to half way between the amplitudes of {VOLUMES[0]} and {VOLUMES[1]}",
        )


def slider(volume: int) -> int:
    """Where the phone's slider (0 to 127) stands at a volume."""
    return (volume * 127 + 50) // 100


def turn_volume(
    house: House, ways: Iterator[tuple[int, int]], press: Callable[[int], None]
) -> float:
    """Turns it from one volume to another while the phone plays; returns after how many milliseconds
    that was heard."""
    phone = house.phones[0]
    before, after = next(ways)
    house.pi.dotctl("volume", str(before), "--phone", phone.address)
    house.plays(phone)
    clock.sleep(SETTLES)
    with house.pi.recording() as heard:
        clock.sleep(BEFORE)
        pressed = clock.now()
        press(after)
        wait_until(pressed + AFTER)
    house.rest()
    return moved(heard, pressed)


def moved(heard: Recording, pressed: float) -> float:
    """Reads from a recording how many milliseconds after the press the first tone was half way from
    its old level to its new one."""
    levels = analysis.envelope(heard.samples, heard.rate, TONES[0])
    at, edge = round(heard.clock.frame_at(pressed)), round(EDGE * heard.rate)
    old, new = np.median(levels[max(0, at - edge) : at]), np.median(levels[-edge:])
    if min(old, new) < decibel(HEARD):
        raise GuestError("the tone was not heard before and after the volume was turned")
    if max(old, new) < 2 * min(old, new):
        raise GuestError("the volume has not changed")
    past = np.flatnonzero((levels[at:] - (old + new) / 2) * (new - old) > 0)
    return (heard.clock.time_of(at + past[0]) - pressed) * 1000


# Coming back


@dataclass
class Back:
    """How many milliseconds after it was in range a phone was connected, and audible; and whether the
    speaker had called it."""

    connected: float
    audible: float
    called: bool


def losses(house: House, attempts: Attempts, repeat: int) -> Iterator[Figure]:
    """A phone goes out of range until that is noticed, and comes back."""
    backs = attempts.series("link lost", repeat, partial(lose, house))
    called = sum(each.called for each in backs)
    yield Figure(
        "back in range, to connected",
        "ms",
        [each.connected for each in backs],
        f"as soon as BlueZ has noticed the loss; to the phone's link, {called} of {len(backs)} times "
        "by a call of the speaker",
    )
    yield Figure(
        "back in range, to audible",
        "ms",
        [each.audible for each in backs],
        "the phone plays as soon as it has an open stream; to the first sample above -50 dBFS",
    )


def lose(house: House) -> Back:
    """Anna leaves the house and comes back."""
    phone = house.phones[0]
    # From the beginning: to start a recording takes a while, in which the speaker may call already.
    with house.pi.recording() as heard:
        left = clock.now()
        phone.out_of_range()
        phone.wait_event("disconnected", LOST, left)
        house.wait(phone, LOST, connected=False)
        back = clock.now()
        phone.in_range()
        came = play_once_connected(phone, back)
    house.rest()
    audible = first_audible(heard, back, phone.name)
    called = bool(came.details["incoming"])
    return Back((came.time - back) * 1000, (audible - back) * 1000, called)


# Starting


def starts(house: House, attempts: Attempts, repeat: int) -> Iterator[Figure]:
    """bluetoothd and dotd start, with three phones in range that were connected before."""
    all_come = attempts.series("start with nobody playing", repeat, partial(come_back, house))
    how = "ExecMainStartTimestamp to the link as the phone dates it, bluetoothd started with it"
    for which, place in (("the first of three phones", 0), ("all three phones", -1)):
        values = [times[place] for times in all_come]
        yield Figure(f"service start to {which} connected", "ms", values, how)
    heard = attempts.series("start with music", repeat, partial(play_at_start, house))
    how = (
        "ExecMainStartTimestamp to the first sample above -50 dBFS; the preferred phone plays as soon "
        "as it has an open stream"
    )
    yield Figure("service start to the first phone audible", "ms", heard, how)


def come_back(house: House) -> list[float]:
    """The speaker calls all of them; returns after how many milliseconds each has a link, in order."""
    gone = house.start_anew()
    came = [phone.wait_event("connected", COMES, gone).time for phone in house.phones]
    began = starting.began(house.pi)
    house.rest()
    return sorted((each - began) * 1000 for each in came)


def play_at_start(house: House) -> float:
    """The first phone that is called plays; returns after how many milliseconds it is heard."""
    phone = house.phones[0]
    with house.pi.recording() as heard:
        gone = house.start_anew()
        play_once_connected(phone, gone)
    began = starting.began(house.pi)
    house.rest()
    return (first_audible(heard, began, phone.name) - began) * 1000
