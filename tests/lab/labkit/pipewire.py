"""PipeWire and WirePlumber with their own BlueZ plugin, as peers for dotd.

They run as Debian ships them but for what SETTINGS says; one that crashes is started again, as its own
units do.

Invariant: it gets no less than dotd does: real time, full volume, the card to itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection

from labkit.pi import Pi

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
PROCESSES = {
    "PipeWire": "native-pipewire",
    "WirePlumber": "native-wireplumber",
    "bluetoothd": "bluetooth",
}
"""Names, and the units whose main process each is."""
SETTINGS_FILE = "/etc/wireplumber/wireplumber.conf.d/native.conf"
SETTINGS = """
wireplumber.profiles = {{
  # Nobody sits at this machine.
  main = {{ monitor.bluez.seat-monitoring = disabled }}
}}
monitor.bluez.properties = {{
  bluez5.roles = [ {roles} ]
  bluez5.hfphsp-backend = "native"
}}
wireplumber.settings = {{
  device.routes.default-sink-volume = 1.0
  device.routes.default-source-volume = 1.0
  node.stream.restore-props = false
}}
"""
SINK, HANDS_FREE = "a2dp_sink", "hfp_hf"
RECORDS = {SINK: "0000110b-", HANDS_FREE: "0000111e-"}
"""What each role puts into the adapter's list of services, as it begins there."""
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"


class PipeWire:
    """Both programs on a Pi on which dotd does not run, with these roles."""

    def __init__(self, pi: Pi, roles: Collection[str], ends: Collection[str]) -> None:
        self._pi = pi
        self._roles = roles
        self._ends = set(ends)
        """The kinds of ends of sound cards it needs."""

    def install(self) -> None:
        """Brings the plugin and the settings."""
        self._pi.sh(f"{INSTALL} {PACKAGE}", timeout=180)

    def start(self) -> None:
        """Starts both, and returns when a phone can connect."""
        self._pi.write(SETTINGS_FILE, SETTINGS.format(roles=" ".join(self._roles)))
        self._pi.sh(f"install -d -m 700 {FOLDER}")
        environment = [f"--setenv={name}={value}" for name, value in ENVIRONMENT.items()]
        lives = ["-p", "Restart=always", "-p", "RestartSec=200ms", "-p", "StartLimitIntervalSec=0"]
        for unit, program in PROGRAMS.items():
            run = ["systemd-run", "-q", f"--unit={unit}", *lives, *environment, *program.split()]
            self._pi.sh(shlex.join(run))
            if unit == "native-bus":
                self._pi.wait_for(
                    lambda: self._pi.sh(f"test -S {FOLDER}/bus", check=False).rc == 0,
                    what="the session bus",
                )
        self._wait_ready()

    def restart(self) -> None:
        """Starts both anew."""
        self._pi.sh("systemctl restart native-pipewire native-wireplumber")
        self._wait_ready()

    def stop(self) -> None:
        """Ends both, and leaves no settings behind."""
        units = " ".join(reversed(PROGRAMS))
        # What Restart= has given up stays, as failed, until somebody says so.
        self._pi.sh(f"systemctl stop {units}; systemctl reset-failed {units} 2>/dev/null; true")
        self._pi.sh(f"rm -rf {FOLDER} {SETTINGS_FILE}")

    def _wait_ready(self) -> None:
        self._pi.wait_for(self._ready, 30, "PipeWire with a card, and its profiles in BlueZ")

    def _ready(self) -> bool:
        uuids = "busctl get-property org.bluez /org/bluez/hci0 org.bluez.Adapter1 UUIDs"
        offered = self._pi.sh(uuids, check=False).stdout
        dump = self._pi.sh(f"XDG_RUNTIME_DIR={FOLDER} pw-dump", check=False)
        if dump.rc != 0 or not all(RECORDS[role] in offered for role in self._roles):
            return False
        return self._ends <= card_ends(dump.json())


def card_ends(dump: list[dict]) -> set[str]:
    """What kinds of ends of sound cards there are, in what pw-dump says."""
    properties = ((each.get("info") or {}).get("props") or {} for each in dump)
    return {each.get("media.class", "") for each in properties if "api.alsa.path" in each}
