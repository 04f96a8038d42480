"""dotd and its peers as speakers that play a phone's music, one after the other on one virtual Pi.

Each is set up as its own documentation advises for a speaker. What it is not told, such as how long to
keep a sound waiting, is its own choice.

Invariant: only the one that has risen runs; each finds bluetoothd started anew, the card free, and the
same phone, which is bonded and trusted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from labkit.call_taker import DOTD
from labkit.phone import Phone, PhoneError
from labkit.pi import Pi
from labkit.pipewire import INSTALL, PROCESSES, SINK, PipeWire

LOUDEST = 127
"""AVRCP's absolute volume."""
BLUEALSA_UNIT = """[Service]
ExecStart=
ExecStart=/usr/bin/bluealsa -S -p a2dp-sink
"""
APLAY_UNIT = """[Service]
ExecStart=
ExecStart=/usr/bin/bluealsa-aplay -S --pcm=plughw:Loopback
"""


class Speaker(ABC):
    """A speaker; its methods return when the thing has happened, or raise what Pi and Phone raise."""

    name: str
    processes: Mapping[str, str]
    """What its work is the work of: names, and the units whose main process each is."""

    def __init__(self, pi: Pi) -> None:
        self.pi = pi

    def install(self) -> None:
        """Brings what it needs onto the Pi, and leaves it at rest."""

    def rise(self, phone: Phone) -> None:
        """Starts, and has the phone connected and at full volume."""
        self._start()
        self._trust(phone)
        phone.connect(self.pi.address)
        self._full_volume(phone)

    def meet_anew(self, phone: Phone) -> None:
        """The phone leaves and comes back, so that nothing is remembered of what it played."""
        phone.disconnect()
        phone.connect(self.pi.address)

    def fall(self, phone: Phone) -> None:
        """The phone leaves, and everything of it ends."""
        try:
            phone.disconnect()
        finally:
            self._stop()
            self.pi.sh("systemctl restart bluetooth")
        self.pi.wait_for(
            lambda: "Powered: yes" in self.pi.sh("bluetoothctl show", check=False).stdout,
            what="the adapter's power",
        )

    @abstractmethod
    def _start(self) -> None:
        """Starts it; returns when a phone can connect."""

    @abstractmethod
    def _stop(self) -> None:
        """Ends all of its processes but bluetoothd."""

    def _trust(self, phone: Phone) -> None:
        device = f"/org/bluez/hci0/dev_{phone.address.replace(':', '_')}"
        self.pi.sh(f"busctl set-property org.bluez {device} org.bluez.Device1 Trusted b true")

    def _full_volume(self, phone: Phone) -> None:
        """Turns the phone's slider up, where the speaker has a volume that follows it."""
        try:
            phone.set_volume(LOUDEST)
        except PhoneError:
            pass  # it plays as loud as it does; nothing that is measured depends on it


class Dotd(Speaker):
    """The speaker this is all about. The first phone pairs with it."""

    name = "dotd"
    processes = DOTD
    _UNITS = "dotd dotd-wireplumber dotd-pipewire.socket dotd-pipewire dotd-obexd"

    def install(self) -> None:
        self._stop()

    def meet(self, phone: Phone) -> None:
        """Starts with nobody trusted, and trusts the phone."""
        self.pi.clean()
        self._wait_ready()
        self.pi.dotctl("pair")
        phone.pair(self.pi.address)
        self.pi.wait_status(lambda status: any(each["trusted"] for each in status["phones"]))

    def rise(self, phone: Phone) -> None:
        self._start()
        phone.connect(self.pi.address)
        self.pi.wait_status(lambda status: any(each["connected"] for each in status["phones"]))
        self.pi.dotctl("volume", "100", "--phone", phone.address)

    def meet_anew(self, phone: Phone) -> None:
        phone.disconnect()
        self.pi.wait_status(lambda status: not any(each["connected"] for each in status["phones"]))
        phone.connect(self.pi.address)
        self.pi.wait_status(lambda status: any(each["connected"] for each in status["phones"]))

    def _start(self) -> None:
        self.pi.sh("systemctl start dotd-pipewire.socket dotd-pipewire dotd-wireplumber dotd")
        self._wait_ready()

    def _stop(self) -> None:
        self.pi.sh(f"systemctl stop {self._UNITS}")

    def _wait_ready(self) -> None:
        self.pi.wait_status(
            lambda status: status["bluetooth"]["state"] == "on"
            and status["sound"]["state"] == "ready",
            30,
            "a speaker that is ready",
        )


class PromptDotd(Dotd):
    """The same with the setting for films."""

    name = "dotd, low delay"

    def _start(self) -> None:
        self.pi.config('[music]\ndelay = "low"\n')
        super()._start()

    def _stop(self) -> None:
        super()._stop()
        self.pi.config("")


class Plugin(Speaker):
    """PipeWire with its own BlueZ plugin."""

    name = "PipeWire"
    processes = PROCESSES

    def __init__(self, pi: Pi) -> None:
        super().__init__(pi)
        self._server = PipeWire(pi, (SINK,), ("Audio/Sink",))

    def install(self) -> None:
        self._server.install()

    def _start(self) -> None:
        self._server.start()

    def _stop(self) -> None:
        self._server.stop()


class BlueAlsa(Speaker):
    """BlueALSA and its player, by the units of its package, with the options its manual has for a
    speaker."""

    name = "BlueALSA"
    processes = {
        "bluealsa": "bluealsa",
        "bluealsa-aplay": "bluealsa-aplay",
        "bluetoothd": "bluetooth",
    }
    _UNITS = "bluealsa-aplay bluealsa"

    def install(self) -> None:
        for unit, text in (("bluealsa", BLUEALSA_UNIT), ("bluealsa-aplay", APLAY_UNIT)):
            self.pi.sh(f"mkdir -p /etc/systemd/system/{unit}.service.d")
            self.pi.write(f"/etc/systemd/system/{unit}.service.d/lab.conf", text)
        self.pi.sh(f"{INSTALL} bluez-alsa-utils", timeout=180)
        self.pi.sh(f"systemctl daemon-reload; systemctl disable --now {self._UNITS}")

    def _start(self) -> None:
        self.pi.sh(f"systemctl start {' '.join(reversed(self._UNITS.split()))}")
        uuids = "busctl get-property org.bluez /org/bluez/hci0 org.bluez.Adapter1 UUIDs"
        self.pi.wait_for(
            lambda: "0000110b-" in self.pi.sh(uuids, check=False).stdout, what="its sink in BlueZ"
        )

    def _stop(self) -> None:
        self.pi.sh(f"systemctl stop {self._UNITS}")


PEERS: dict[str, type[Speaker]] = {
    "dotd-low": PromptDotd,
    "pipewire": Plugin,
    "bluealsa": BlueAlsa,
}
