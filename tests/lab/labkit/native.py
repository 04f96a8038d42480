"""PipeWire's own hands-free unit, the "native" backend of its BlueZ plugin, as a peer for dotd.

Invariant: what it is asked for goes through org.pipewire.Telephony, the only way to ask it.
"""

from __future__ import annotations

import shlex
from typing import Any

from labkit.call_taker import FULL_VOLUME, CallTaker
from labkit.phone import Phone
from labkit.pi import Pi, Result
from labkit.pipewire import BUS, HANDS_FREE, PROCESSES, SINK, PipeWire

SERVICE = "org.pipewire.Telephony"
TELEPHONY = "/org/pipewire/Telephony"
CALL = "org.pipewire.Telephony.Call1"
AGENT = "sleep infinity | bluetoothctl --agent=NoInputNoOutput"


class Native(CallTaker):
    """PipeWire and WirePlumber, on a Pi without dotd."""

    suffix = ", PipeWire's native backend"
    processes = PROCESSES
    _ringing = ""
    """The object of the call that rings."""

    def __init__(self, pi: Pi) -> None:
        super().__init__(pi)
        self._server = PipeWire(pi, (SINK, HANDS_FREE), ("Audio/Sink", "Audio/Source"))

    def meet(self, phone: Phone) -> None:
        self._server.install()
        self._server.start()
        self.pi.sh(f"systemd-run -q --collect --unit=native-agent bash -c {shlex.quote(AGENT)}")
        self.pi.wait_for(
            lambda: "Powered: yes" in self.pi.sh("bluetoothctl show", check=False).stdout,
            what="the adapter's power",
        )
        self.pi.sh("bluetoothctl discoverable on && bluetoothctl pairable on")
        phone.pair(self.pi.address)
        device = f"/org/bluez/hci0/dev_{phone.address.replace(':', '_')}"
        self.pi.sh(f"busctl set-property org.bluez {device} org.bluez.Device1 Trusted b true")
        self.connect(phone)

    def connect(self, phone: Phone) -> None:
        phone.connect(self.pi.address)
        self.pi.wait_for(lambda: self._objects(TELEPHONY), what=f"the phone in {SERVICE}")
        phone.speaker_volume(FULL_VOLUME)
        phone.microphone_volume(FULL_VOLUME)

    def wait_ringing(self) -> None:
        self._ringing = self.pi.wait_for(self._incoming, 10, "a call that rings")

    def answer(self) -> None:
        self._call(self._ringing, CALL, "Answer", check=True)

    def wait_quiet(self) -> None:
        self.pi.wait_for(lambda: self._calls() == {}, 10, "the end of the call")

    def restart(self) -> None:
        self._server.restart()

    # Calls

    def _incoming(self) -> str | None:
        """Which call rings."""
        calls = self._calls() or {}
        return next((path for path, state in calls.items() if state == "incoming"), None)

    def _calls(self) -> dict[str, str] | None:
        """The calls of all phones and their states; None while nobody can tell."""
        gateways = self._objects(TELEPHONY)
        if gateways is None:
            return None
        calls: dict[str, str] = {}
        for gateway in gateways:
            calls |= states(self._objects(gateway) or {})
        return calls

    def _objects(self, path: str) -> dict[str, Any] | None:
        told = self._call(path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return told.json()["data"][0] if told.rc == 0 else None

    def _call(self, path: str, interface: str, method: str, check: bool = False) -> Result:
        """Calls a method of WirePlumber's."""
        command = ["busctl", f"--address={BUS}", "--json=short", "call", SERVICE]
        return self.pi.sh(shlex.join([*command, path, interface, method]), check=check)


def states(objects: dict[str, Any]) -> dict[str, str]:
    """The calls among what a phone's object manages, and their states."""
    return {
        path: interfaces[CALL]["State"]["data"]
        for path, interfaces in objects.items()
        if CALL in interfaces
    }
