"""Calls as scenarios meet them: what dotctl shows of them, and what the phone saw.

Invariants: how dotctl writes calls as JSON is known here and nowhere else; whoever waits here waits
for something that the speaker showed or the phone saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labkit.phone import Event, Phone

ANNA, BEN = "+4930123456", "0891234"
CODECS = {"CVSD": "cvsd", "mSBC": "msbc", "LC3-SWB": "lc3"}
"""What dotctl calls the phones' codecs."""
PATIENCE = 30.0
"""Seconds until whoever waits gives up: far more than anything takes, also where all is slow."""


@dataclass(frozen=True)
class Shown:
    """A call as `dotctl calls` shows it; `phone` is the address of its phone."""

    number_in_list: str
    phone: str
    number: str
    name: str
    incoming: bool
    state: str
    multiparty: bool
    since: int
    answered: int | None

    @classmethod
    def read(cls, each: dict) -> Shown:
        """Reads one of the list."""
        return cls(
            number_in_list=str(each["id"]),
            phone=each["phone"]["address"],
            number=each["number"] or "",
            name=each["name"] or "",
            incoming={"incoming": True, "outgoing": False}[each["direction"]],
            state=each["state"],
            multiparty=each["multiparty"],
            since=each["since"],
            answered=each["answered"],
        )


@dataclass(frozen=True)
class Told:
    """A phone as a telephone, as `dotctl status` shows it."""

    voice: str | None
    volume: int
    battery: int | None
    signal: int | None
    operator: str | None
    service: bool | None
    roaming: bool | None
    assistant: bool

    @classmethod
    def read(cls, each: dict) -> Told:
        """Reads what is shown of one phone."""
        return cls(
            voice=CODECS[each["voice"]] if each["voice"] else None,
            **{name: each[name] for name in cls.__dataclass_fields__ if name != "voice"},
        )


@dataclass(frozen=True)
class Microphone:
    """What the room is heard with, as `dotctl status` shows it."""

    name: str | None
    muted: bool
    echo_problem: str | None


# What dotctl shows


def calls(speaker) -> list[Shown]:
    """All calls of all phones."""
    return [Shown.read(each) for each in speaker.dotctl("calls", "--json").json()]


def wait_calls(speaker, *states: str, timeout: float = PATIENCE) -> list[Shown]:
    """Waits until the calls are in these states, in the order in which they came, and returns
    them; without any, until there is no call."""

    def asked():
        shown = calls(speaker)
        return (shown,) if tuple(each.state for each in shown) == states else None

    return speaker.pi.wait_for(asked, timeout, f"calls that are {states or 'over'}")[0]


def wait_caller(speaker, number: str, name: str | None) -> Shown:
    """Waits until it rings, with this number and name, and returns the call."""

    def asked():
        shown = [each for each in calls(speaker) if each.state == "incoming"]
        return [each for each in shown if (each.number, each.name) == (number, name or "")]

    return speaker.pi.wait_for(asked, PATIENCE, f"a call of {number!r}, {name!r}")[0]


def told(speaker, phone: Phone) -> Told | None:
    """What the speaker knows of the phone; None while it is not connected for calls."""
    for each in speaker.status()["phones"]:
        if each["address"] == phone.address and each["hands_free"]:
            return Told.read(each["hands_free"])
    return None


def wait_told(
    speaker,
    phone: Phone,
    condition: Callable[[Told], bool] = lambda _: True,
    timeout: float = PATIENCE,
    what: str = "the hands-free connection",
) -> Told:
    """Waits until the phone is connected for calls and what is shown of it fits."""

    def asked():
        shown = told(speaker, phone)
        return shown if shown and condition(shown) else None

    return speaker.pi.wait_for(asked, timeout, what)


def wait_gone(speaker, phone: Phone, timeout: float = PATIENCE) -> None:
    """Waits until the phone is not connected for calls any more."""
    speaker.pi.wait_for(lambda: told(speaker, phone) is None, timeout, "the end of hands-free")


def voice_problem(speaker) -> str | None:
    """Why the last call could not be heard, and what to do."""
    return speaker.status()["voice_problem"]


def microphone(speaker) -> Microphone:
    """What the room is heard with."""
    shown = speaker.status()["microphone"]
    return Microphone(shown["name"], shown["muted"], shown["echo_problem"])


def wait_microphone(speaker, name: str | None) -> None:
    """Waits until the room is heard with this."""
    speaker.pi.wait_for(lambda: microphone(speaker).name == name, PATIENCE, f"microphone {name!r}")


def wait_some_microphone(speaker) -> None:
    """Waits until the room is heard with whatever there is."""
    speaker.pi.wait_for(lambda: microphone(speaker).name, PATIENCE, "a microphone")


# What the phone saw


def saw(phone: Phone, kind: str, since: float = 0.0, timeout: float = PATIENCE, **details) -> Event:
    """Waits for an event with these details."""
    return phone.wait_event(
        kind,
        timeout,
        since,
        lambda event: details.items() <= event.details.items(),
    )


def states(phone: Phone) -> list[str]:
    """What the phone's own calls are in."""
    return [call.state.name.lower() for call in phone.call_state()]


def wait_states(speaker, phone: Phone, *wanted: str) -> None:
    """Waits until the phone's own calls are in these states."""
    speaker.pi.wait_for(lambda: states(phone) == list(wanted), PATIENCE, f"{phone.name}: {wanted}")


# What people do


def call(speaker, *words: str, **options):
    """Runs `dotctl call`."""
    return speaker.dotctl("call", *words, **options)


def connect(speaker, phone: Phone) -> None:
    """Lets a phone pair, and waits until both sides are ready for calls."""
    speaker.invite(phone)
    reconnect(speaker, phone)


def reconnect(speaker, phone: Phone) -> None:
    """A phone that has paired connects, and both sides are ready for calls."""
    phone.connect(speaker.address)
    wait_told(speaker, phone)


def talk(speaker, phone: Phone, number: str = ANNA) -> str:
    """Somebody calls and is answered from the speaker; returns the codec of their voice."""
    began = speaker.pi.now()
    phone.ring(number)
    wait_calls(speaker, "incoming")
    call(speaker, "answer")
    opened = saw(phone, "audio", began, state="open")
    wait_calls(speaker, "active")
    return opened.details["codec"]


def hang_up(speaker, phone: Phone) -> None:
    """The only call is ended at the speaker."""
    began = speaker.pi.now()
    call(speaker, "hangup")
    saw(phone, "audio", began, state="closed")
    wait_calls(speaker)
