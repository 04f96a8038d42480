"""Three phones and their speaker, as the bench has them together.

Each phone has a tone of its own, so that on what the sound card played it is known who is heard.

Invariant: a method returns when the thing has happened, or raises what Pi and Phone raise; whatever was
tried begins and ends with all phones connected and nobody playing.
"""

from __future__ import annotations

from labkit import clock, signals
from labkit.phone import Event, Phone
from labkit.pi import Pi
from labkit.signals import Signal

FAMILY = ("Anna's iPhone", "Ben's Pixel", "Cara's tablet")
TONES = (441.0, 1553.0)
"""What the first two play, in Hz."""
LEVEL = -12.0
"""How loud that is sent, in dBFS."""
COMES = 150.0
"""Seconds within which a phone is called again for sure."""
OPENS = 15.0
"""Seconds from its link to a stream."""


def tone(frequency: float, seconds: float) -> Signal:
    """What a phone plays."""
    return signals.tone(frequency, seconds, LEVEL)


class House:
    """The speaker, and phones that have paired with it."""

    suffix = ", household"

    def __init__(self, pi: Pi, phones: list[Phone]) -> None:
        self.pi = pi
        self.phones = phones

    def move_in(self) -> None:
        """All pair and connect; when they are missing, the first is called first."""
        self.pi.clean()
        self._wait_ready()
        for phone in self.phones:
            self.pi.dotctl("pair")
            phone.pair(self.pi.address)
            self.wait(phone, trusted=True)
            self.pi.dotctl("volume", "100", "--phone", phone.address)
            phone.connect(self.pi.address)
        self.pi.dotctl("prefer", self.phones[0].address)
        self.rest()

    @property
    def is_full(self) -> bool:
        """Whether all phones are connected."""
        return all(phone.connected_to is not None for phone in self.phones)

    def rest(self) -> None:
        """Nobody plays any more, and all are here with their music: who is not is called."""
        for phone in self.phones:
            phone.stop()
        self.pi.wait_status(
            lambda status: not any(each["playing"] for each in status["phones"]), what="silence"
        )
        for phone in self.phones:
            self.wait(phone, COMES, connected=True)
        # Who plays before that connects its music itself, and gets in the way of the speaker.
        self.pi.wait_for(lambda: all(map(has_stream, self.phones)), COMES, "a stream of each phone")
        # They are read, and fill the memory of a machine that measures.
        self.pi.recordings.clear()

    def wait(self, phone: Phone, timeout: float = 15.0, **shown: bool) -> None:
        """Waits until the status shows this of a phone."""
        self.pi.wait_status(
            lambda status: any(
                each["address"] == phone.address and shown.items() <= each.items()
                for each in status["phones"]
            ),
            timeout,
            f"{phone.name} with {shown}",
        )

    def plays(self, phone: Phone) -> None:
        """A phone begins with its tone, and is heard."""
        phone.play(tone(TONES[self.phones.index(phone)], 30.0))
        self.wait(phone, playing=True)

    def start_anew(self) -> float:
        """Stops dotd and bluetoothd, and starts them when all phones have lost their links; returns
        when that was."""
        self.pi.sh("systemctl stop dotd bluetooth")
        self.pi.wait_for(
            lambda: all(phone.connected_to is None for phone in self.phones), 30, "the end of all links"
        )
        gone = clock.now()
        self.pi.sh("systemctl start bluetooth dotd")
        return gone

    def recover(self, _: Phone) -> None:
        """Begins anew after something went wrong; the speaker calls everybody."""
        for phone in self.phones:
            phone.in_range()
        self.start_anew()
        self._wait_ready()
        self.rest()

    def _wait_ready(self) -> None:
        self.pi.wait_status(
            lambda status: status["bluetooth"]["state"] == "on"
            and status["sound"]["state"] == "ready",
            30,
            "a speaker that is ready",
        )


def has_stream(phone: Phone) -> bool:
    """Whether a phone has a stream that is open and rests."""
    told = [
        event.details.get("state")
        for event in phone.events
        if event.kind == "stream" or event.details.get("name") == "a2dp"
    ]
    return bool(told) and told[-1] in ("open", "suspended")


def play_once_connected(phone: Phone, since: float) -> Event:
    """A phone plays as soon as it has a link and a stream, whoever made them; returns the event of
    its link."""
    came = phone.wait_event("connected", COMES, since)
    phone.wait_event("stream", OPENS, came.time, lambda event: event.details["state"] == "open")
    phone.play(tone(TONES[0], 1.5)).wait()
    phone.stop()
    return came
