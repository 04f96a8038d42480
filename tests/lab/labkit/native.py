"""PipeWire's own hands-free unit, the "native" backend of its BlueZ plugin, as a peer for dotd.

It runs as Debian ships it but for what SETTINGS say; one that crashes is started again, as its own
units do.

Invariant: it gets no less than dotd does: real time, full volume, the card to itself. What it is
asked for goes through org.pipewire.Telephony, the only way to ask it.
"""

from __future__ import annotations

import shlex
from typing import Any

from labkit.call_taker import FULL_VOLUME, CallTaker
from labkit.phone import Phone
from labkit.pi import Result

PACKAGE = "libspa-0.2-bluetooth"
FOLDER = "/run/native"
BUS = f"unix:path={FOLDER}/bus"
"""Without a session bus WirePlumber 0.5.8 crashes as soon as a phone connects for calls."""
ENVIRONMENT = {
    "XDG_RUNTIME_DIR": FOLDER,
    "XDG_STATE_HOME": f"{FOLDER}/state",
    "DBUS_SESSION_BUS_ADDRESS": BUS,
}
PROGRAMS = {
    "native-bus": f"/usr/bin/dbus-daemon --session --nofork --nopidfile --address={BUS}",
    "native-pipewire": "/usr/bin/pipewire",
    "native-wireplumber": "/usr/bin/wireplumber",
}
SETTINGS = """
wireplumber.profiles = {
  # Nobody sits at this machine.
  main = { monitor.bluez.seat-monitoring = disabled }
}
monitor.bluez.properties = {
  bluez5.roles = [ a2dp_sink hfp_hf ]
  bluez5.hfphsp-backend = "native"
}
wireplumber.settings = {
  device.routes.default-sink-volume = 1.0
  device.routes.default-source-volume = 1.0
  node.stream.restore-props = false
}
"""
RECORDS = ("0000110b-", "0000111e-")
"""Audio sink and hands-free unit, as they begin in the adapter's list."""
SERVICE = "org.pipewire.Telephony"
TELEPHONY = "/org/pipewire/Telephony"
CALL = "org.pipewire.Telephony.Call1"
AGENT = "sleep infinity | bluetoothctl --agent=NoInputNoOutput"


class Native(CallTaker):
    """PipeWire and WirePlumber, on a Pi without dotd."""

    suffix = ", PipeWire's native backend"
    processes = {
        "PipeWire": "native-pipewire",
        "WirePlumber": "native-wireplumber",
        "bluetoothd": "bluetooth",
    }
    _ringing = ""
    """The object of the call that rings."""

    def meet(self, phone: Phone) -> None:
        self._install()
        self._start()
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
        self.pi.sh("systemctl restart native-pipewire native-wireplumber")
        self._wait_ready()

    # Setting up

    def _install(self) -> None:
        install = "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"
        self.pi.sh(f"{install} {PACKAGE}", timeout=180)
        self.pi.write("/etc/wireplumber/wireplumber.conf.d/native.conf", SETTINGS)

    def _start(self) -> None:
        self.pi.sh(f"install -d -m 700 {FOLDER}")
        environment = [f"--setenv={name}={value}" for name, value in ENVIRONMENT.items()]
        lives = ["-p", "Restart=always", "-p", "RestartSec=200ms", "-p", "StartLimitIntervalSec=0"]
        for unit, program in PROGRAMS.items():
            run = ["systemd-run", "-q", f"--unit={unit}", *lives, *environment, *program.split()]
            self.pi.sh(shlex.join(run))
            if unit == "native-bus":
                self.pi.wait_for(
                    lambda: self.pi.sh(f"test -S {FOLDER}/bus", check=False).rc == 0,
                    what="the session bus",
                )
        self._wait_ready()

    def _wait_ready(self) -> None:
        self.pi.wait_for(self._ready, 30, "PipeWire with a card, and its profiles in BlueZ")

    def _ready(self) -> bool:
        uuids = "busctl get-property org.bluez /org/bluez/hci0 org.bluez.Adapter1 UUIDs"
        offered = self.pi.sh(uuids, check=False).stdout
        dump = self.pi.sh(f"XDG_RUNTIME_DIR={FOLDER} pw-dump", check=False)
        if dump.rc != 0 or not all(record in offered for record in RECORDS):
            return False
        return {"Audio/Sink", "Audio/Source"} <= card_ends(dump.json())

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


def card_ends(dump: list[dict]) -> set[str]:
    """What kinds of ends of sound cards there are, in what pw-dump says."""
    properties = ((each.get("info") or {}).get("props") or {} for each in dump)
    return {each.get("media.class", "") for each in properties if "api.alsa.path" in each}
