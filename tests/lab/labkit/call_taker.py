"""Whoever takes calls on a virtual Pi, as the bench needs him; and dotd as one.

Invariant: a method returns when the thing has happened, or raises what Pi and Phone raise.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping

from labkit.phone import Phone
from labkit.pi import Pi

FULL_VOLUME = 15
"""Of a phone's buttons, for the speaker and the microphone."""
DOTD = {
    "dotd": "dotd",
    "PipeWire": "dotd-pipewire",
    "WirePlumber": "dotd-wireplumber",
    "bluetoothd": "bluetooth",
}
SILENT_RING = "[calls]\nring-volume = 0\n"
"""Nothing but the caller is to be heard."""


class CallTaker(ABC):
    """A hands-free unit."""

    suffix = ""
    """What the names of its figures end in."""
    processes: Mapping[str, str]
    """What its work is the work of: names, and the units whose main process each is."""

    def __init__(self, pi: Pi) -> None:
        self.pi = pi
        self._deaths_before: list[str] = []
        self._known = self._exits()

    @abstractmethod
    def meet(self, phone: Phone) -> None:
        """Is made ready, and a new phone pairs and connects for calls."""

    @abstractmethod
    def connect(self, phone: Phone) -> None:
        """A phone it knows connects for calls."""

    @abstractmethod
    def wait_ringing(self) -> None:
        """Waits until it knows of the call that comes in."""

    @abstractmethod
    def answer(self) -> None:
        """Is told by its user to take that call."""

    @abstractmethod
    def wait_quiet(self) -> None:
        """Waits until it knows of no call any more."""

    @abstractmethod
    def restart(self) -> None:
        """Is started anew, and is ready for phones."""

    def recover(self, phone: Phone) -> None:
        """Begins anew after something went wrong, with the same phone."""
        self._deaths_before, self._known = self.deaths, self._exits()
        phone.disconnect()
        while phone.call_state():
            phone.hang_up()
        self.restart()
        # Who is started anew takes others with it, which is no fault of theirs.
        self._known = self._exits()
        self.connect(phone)

    @property
    def deaths(self) -> list[str]:
        """What the journal says of each of its processes that died of itself."""
        return self._deaths_before + self._exits()[len(self._known) :]

    def _exits(self) -> list[str]:
        units = shlex.join(word for unit in self.processes.values() for word in ("-u", unit))
        query = f"journalctl -q --no-pager -b -o cat -g 'Main process exited' {units}"
        return self.pi.sh(query, check=False).stdout.splitlines()


class Dotd(CallTaker):
    """The speaker."""

    processes = DOTD

    def meet(self, phone: Phone) -> None:
        self.pi.clean()
        self.pi.config(SILENT_RING)
        self.pi.sh("systemctl reload dotd")
        self._wait_ready()
        self.pi.dotctl("pair")
        phone.pair(self.pi.address)
        self.pi.wait_status(lambda status: any(each["trusted"] for each in status["phones"]))
        self.connect(phone)

    def connect(self, phone: Phone) -> None:
        phone.connect(self.pi.address)
        self.pi.wait_status(lambda status: _hands_free(status, phone), 15, "hands-free")
        phone.speaker_volume(FULL_VOLUME)
        phone.microphone_volume(FULL_VOLUME)
        self.pi.wait_status(
            lambda status: (_hands_free(status, phone) or {}).get("volume") == 100
            and status["microphone"]["name"],
            15,
            "the full volume, and a microphone",
        )

    def wait_ringing(self) -> None:
        self.pi.wait_for(lambda: self._states() == ["incoming"], 10, "a call that rings")

    def answer(self) -> None:
        self.pi.dotctl("call", "answer")

    def wait_quiet(self) -> None:
        self.pi.wait_for(lambda: self._states() == [], 10, "the end of the call")

    def restart(self) -> None:
        self.pi.sh("systemctl restart dotd-pipewire dotd-wireplumber dotd")
        self._wait_ready()

    def _wait_ready(self) -> None:
        self.pi.wait_status(
            lambda status: status["bluetooth"]["state"] == "on"
            and status["sound"]["state"] == "ready",
            30,
            "a speaker that is ready",
        )

    def _states(self) -> list[str] | None:
        shown = self.pi.dotctl("calls", "--json", check=False)
        return [each["state"] for each in shown.json()] if shown.rc == 0 else None


def _hands_free(status: dict, phone: Phone) -> dict | None:
    """What the status shows of the phone as a telephone; None while it is not connected as one."""
    for each in status["phones"]:
        if each["address"] == phone.address:
            return each["hands_free"]
    return None
