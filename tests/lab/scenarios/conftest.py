"""What the scenarios share: the speaker as its owner sees it."""

from __future__ import annotations

import pytest
import telephony


class Speaker:
    """The virtual Pi through dotctl, for the questions that scenarios ask again and again."""

    def __init__(self, pi):
        self.pi = pi
        self.address = pi.address

    def dotctl(self, *arguments, **options):
        """Runs dotctl as root."""
        return self.pi.dotctl(*arguments, **options)

    def status(self) -> dict:
        """All that `dotctl status` shows."""
        return self.dotctl("status", "--json").json()

    def phones(self) -> list[dict]:
        """The phones of `dotctl phones`."""
        return self.dotctl("phones", "--json").json()

    def wait_ready(self, timeout: float = 20) -> None:
        """Waits until the radio is on and there is a sound output."""
        self.pi.wait_status(
            lambda status: status["bluetooth"]["state"] == "on" and status["sound"]["state"] == "ready",
            timeout,
            "a speaker that is ready",
        )

    def wait_phones(self, count: int, timeout: float = 15) -> list[dict]:
        """Waits until so many phones are trusted, and returns them."""

        def trusted():
            listed = [phone for phone in self.phones() if phone["trusted"]]
            return (listed,) if len(listed) == count else None

        return self.pi.wait_for(trusted, timeout, f"a list of {count} phones")[0]

    def wait_window(self, is_open: bool, timeout: float = 15) -> None:
        """Waits until the pairing window is open, or closed."""
        self.pi.wait_status(
            lambda status: status["pairing"]["open"] == is_open, timeout, f"pairing {is_open}"
        )

    def find(self, phone) -> dict | None:
        """What the speaker knows of a phone."""
        return next((each for each in self.phones() if each["address"] == phone.address), None)

    def is_playing(self, phone) -> bool:
        """Says whether the speaker plays what this phone sends."""
        known = self.find(phone)
        return bool(known and known["playing"])

    def wait_playing(self, phone, timeout: float = 15) -> None:
        """Waits until what the phone sends is played."""
        self.pi.wait_for(lambda: self.is_playing(phone), timeout, f"{phone.name} playing")

    def wait_silent(self, phone, timeout: float = 15) -> None:
        """Waits until nothing of the phone is played."""
        self.pi.wait_for(lambda: not self.is_playing(phone), timeout, f"{phone.name} silent")

    def wait_connected(self, phone, connected: bool, timeout: float = 15) -> None:
        """Waits until the phone has a link, or has none."""
        self.pi.wait_for(
            lambda: (known := self.find(phone)) and known["connected"] == connected,
            timeout,
            f"{phone.name} connected: {connected}",
        )

    def wait_player(self, phone, timeout: float = 15, **told) -> dict:
        """Waits until this is told of the phone's player, and returns all that is."""

        def asked():
            player = (self.find(phone) or {}).get("player")
            return player if player and told.items() <= player.items() else None

        return self.pi.wait_for(asked, timeout, f"{phone.name} with a player that is {told}")

    def configure(self, text: str) -> None:
        """Has the speaker go by this configuration from now on."""
        self.pi.config(text)
        self.pi.sh("systemctl reload dotd")

    def close_window(self) -> None:
        """Closes the window of the first start."""
        self.wait_ready()
        self.dotctl("pair", "stop")

    def invite(self, phone) -> None:
        """Opens the window, lets the phone pair and play at full volume."""
        self.dotctl("pair")
        phone.pair(self.address)
        self.pi.wait_for(
            lambda: any(known["address"] == phone.address for known in self.phones()),
            what=f"{phone.name} in the list",
        )
        self.dotctl("volume", "100", "--phone", phone.address)

    def welcome(self, phone) -> None:
        """Lets the phone pair and connect what phones connect."""
        self.invite(phone)
        phone.connect(self.address)
        self.wait_connected(phone, True)

    def part(self, phone) -> None:
        """The phone leaves, and the speaker has noticed. BlueZ reads the services of a phone a second
        after it has paired, and calls it for that if it has left before."""
        info = f"bluetoothctl info {phone.address}"
        self.pi.wait_for(lambda: "UUID:" in self.pi.sh(info).stdout, what=f"{phone.name}'s services")
        phone.disconnect()
        self.wait_connected(phone, False)


@pytest.fixture
def speaker(pi) -> Speaker:
    """A speaker that has just started, knows nobody and is ready."""
    speaker = Speaker(pi)
    speaker.wait_ready()
    return speaker


@pytest.fixture
def calling(speaker, phones):
    """Makes phones of a model that are paired and connected for calls. None of them may see the
    speaker break a rule of the profile, until the end of the scenario."""
    made = []

    def make(model: str = "iphone"):
        (phone,) = phones(1, calls=model)
        made.append(phone)
        telephony.connect(speaker, phone)
        return phone

    yield make
    for phone in made:
        broken = [str(event) for event in phone.violations]
        assert not broken, f"{phone.name} saw rules of the profile broken: {broken}"
