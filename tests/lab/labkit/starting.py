"""How long dotd takes to start, by systemd's clocks and by what BlueZ says of the adapter.

Invariant: what it begins with is the start of dotd's own process, in every figure alike, and never the
command that asks for it.
"""

from __future__ import annotations

import json
import shlex

from labkit.pi import Pi

DISCOVERABLE = '"Discoverable".*true'
"""BlueZ's signal that phones can find the speaker, as grep knows it."""
SINK = '"UUIDs".*"0000110b-'
"""That there is something to play to: the service of an audio sink."""
SIGNALS = "/run/lab-bus.json"


def told_by_bluez(pi: Pi, signal: str, patience: float = 15) -> float:
    """Starts dotd, which is stopped; returns after how many milliseconds BlueZ first sent this signal
    of the adapter."""
    pi.sh(f"systemctl stop lab-bus 2>/dev/null; rm -f {SIGNALS}")
    pi.sh(
        "systemd-run -q --collect --unit=lab-bus bash -c 'busctl monitor --json=short "
        f"--match=type=signal,path=/org/bluez/hci0 > {SIGNALS}'"
    )
    pi.wait_for(lambda: pi.sh("busctl list | grep -c busctl", check=False).stdout.strip() != "0")
    pi.sh("systemctl start dotd", timeout=patience + 60)
    first = f"grep -m1 {shlex.quote(signal)} {SIGNALS}"
    pi.wait_for(lambda: pi.sh(first, check=False).rc == 0, patience, f"BlueZ's {signal}")
    line = pi.sh(f"{first}; systemctl stop lab-bus")
    seen = json.loads(line.stdout.splitlines()[0])["timestamp-realtime"]
    start = pi.sh("date +%s%6N -d \"$(systemctl show --timestamp=us -P ExecMainStartTimestamp dotd)\"")
    return (seen - int(start.stdout)) / 1000


def ready_after(pi: Pi) -> float:
    """After how many milliseconds dotd, which has not been reloaded since, told systemd READY."""
    start, ready = (_monotonic(pi, which) for which in ("ExecMainStart", "ActiveEnter"))
    return (ready - start) * 1000


def began(pi: Pi) -> float:
    """When dotd's process started, on the lab's clock."""
    offset, _ = pi.machine.clock_offset()
    return _monotonic(pi, "ExecMainStart") - offset


def _monotonic(pi: Pi, which: str) -> float:
    """When that happened to dotd, in seconds of the guest's CLOCK_MONOTONIC."""
    return int(pi.sh(f"systemctl show -P {which}TimestampMonotonic dotd").stdout) / 1e6
