"""The virtual Pi as tests see it: commands, sound, journal, power and adapter.

Invariant: every method waits for what it causes, with a deadline; none sleeps
in the hope that something happens meanwhile.
"""

from __future__ import annotations

import base64
import itertools
import json
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labkit import clock, recording
from labkit.hci_pump import COMMAND, SNOOP_HEADER, opcode_of, read_trace
from labkit.link import GuestError
from labkit.machine import Machine
from labkit.radio import SPEAKER_ADDRESS, Radio
from labkit.signals import Signal, as_signal, decibel

CONFIG = "/etc/dotd/dotd.toml"
PRISTINE_CONFIG = "/var/lib/lab/dotd.toml"
SETTLE_TIMEOUT = 90
MICROPHONE_RATE = 48000
"""What lab-microphone plays."""
SOUND_SERVER = "PIPEWIRE_RUNTIME_DIR=/run/dotd"
MICROPHONE = """{{ factory.name=api.alsa.pcm.source node.name="{name}" node.description="{name}"
media.class=Audio/Source priority.session=2000 object.linger=true api.alsa.path="hw:Loopback,0,0"
audio.channels=2 audio.position=[FL,FR] }}
"""
RESTART_SOUND = "systemctl restart dotd-pipewire.service dotd-wireplumber.service"

CLEAN_STATE = f"""
systemctl stop dotd.service bluetooth.service 2>/dev/null
masks=$(find {{/etc,/run}}/systemd/system/{{dotd,bluetooth}}.service -lname /dev/null 2>/dev/null)
if [ -n "$masks" ]; then rm $masks; systemctl daemon-reload; fi
while mountpoint --quiet /var/lib/dotd; do umount /var/lib/dotd || break; done
rm -rf /var/lib/dotd/* /var/lib/dotd/.[!.]* /var/lib/bluetooth/*
if [ -e {PRISTINE_CONFIG} ]; then cp -p {PRISTINE_CONFIG} {CONFIG}; fi
rfkill unblock bluetooth
systemctl reset-failed
journalctl --sync
journalctl --lines=0 --show-cursor --quiet
"""
START = """
systemctl start bluetooth.service
if systemctl cat dotd.service >/dev/null 2>&1; then
    systemctl start dotd.service || { journalctl --no-pager --lines=40 --unit='dotd*'; exit 1; }
fi
"""


class CommandFailed(GuestError):
    """A command in the guest ended with another status than 0."""


@dataclass(frozen=True)
class Result:
    """How a command in the guest ended."""

    command: str
    rc: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The output read as JSON."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Background:
    """A command that runs in the guest while the test goes on."""

    command: str
    outcome: Future[Result]

    def result(self, timeout: float = 60) -> Result:
        """Waits for its end."""
        try:
            return self.outcome.result(clock.host(timeout))
        except FutureTimeout:
            raise GuestError(f"{self.command!r} took more than {timeout} s") from None


class Pi:
    """A running virtual Pi."""

    address = SPEAKER_ADDRESS
    """The Bluetooth address of its adapter."""

    def __init__(self, machine: Machine, radio: Radio):
        self.machine = machine
        self.radio = radio
        self.recordings: list[recording.Recording] = []
        self._numbers = itertools.count(1)
        self._background = ThreadPoolExecutor(thread_name_prefix="background")
        self._cursor = ""
        self._air_sizes: dict[Path, int] = {}
        self._microphones_moved = False

    def sh(
        self,
        command: str,
        check: bool = True,
        user: str | None = None,
        timeout: float = 60,
    ) -> Result:
        """Runs a bash command line, as root or as the named user."""
        answer = self.machine.request(
            "run",
            timeout=timeout + 10,
            cmd=command,
            user=user,
            limit=timeout,
            token=str(next(self._numbers)),
        )
        stdout, stderr = (self._output(answer, name) for name in ("stdout", "stderr"))
        if answer.get("timeout"):
            raise GuestError(f"{command!r} took more than {timeout} s\n{stdout}{stderr}")
        if check and answer["rc"] != 0:
            raise CommandFailed(f"{command!r} ended with {answer['rc']}\n{stdout}{stderr}")
        return Result(command, answer["rc"], stdout, stderr)

    def background(self, command: str, timeout: float = 600) -> Background:
        """Starts a bash command line, as root, and returns at once."""
        return Background(command, self._background.submit(self.sh, command, False, None, timeout))

    def dotctl(
        self, *arguments: str, check: bool = True, user: str | None = None, timeout: float = 60
    ) -> Result:
        """Runs dotctl in the guest."""
        return self.sh(shlex.join(("dotctl", *arguments)), check, user, timeout)

    def write(self, path: str, content: str | bytes, mode: int | None = None) -> None:
        """Writes a file in the guest."""
        data = content.encode() if isinstance(content, str) else content
        coded = base64.b64encode(data).decode()
        self.machine.request("write", timeout=30, path=path, data=coded, mode=mode)

    def config(self, text: str) -> None:
        """Replaces dotd's configuration file; reloading or restarting is the test's choice."""
        self.write(CONFIG, text)

    def put(self, file: Path) -> str:
        """Makes a host file readable in the guest; returns its path there."""
        name = f"{next(self._numbers)}-{file.name}"
        (self.machine.share / name).write_bytes(file.read_bytes())
        return f"/lab/{name}"

    def now(self) -> float:
        """The clock that recordings, phones and tests share: clock.now()."""
        return clock.now()

    @contextmanager
    def recording(self) -> Iterator[recording.Recording]:
        """Records what the speaker plays while the block runs; the recording is complete after
        it."""
        running = recording.Recording(f"recording-{len(self.recordings) + 1}")
        name = f"{running.name}-{next(self._numbers)}"
        before = self.machine.clock_offset()
        self.machine.request("record", timeout=15, name=name)
        try:
            yield running
        finally:
            self.machine.request("end_sound", timeout=30, name=name)
            ahead, _ = min(before, self.machine.clock_offset(), key=lambda each: each[1])
            running.segments = recording.read(self.machine.share / name, ahead)
            self.recordings.append(running)

    def record(self, seconds: float) -> tuple[np.ndarray, recording.SampleClock]:
        """Records for so long; returns the samples (frames x channels) and their clock."""
        with self.recording() as running:
            clock.sleep(seconds)
        return running.samples, running.clock

    @contextmanager
    def microphone(
        self,
        sound: Signal | np.ndarray | str | Path,
        rate: int | None = None,
        loop: bool = False,
        room: recording.Room | None = None,
    ) -> Iterator[recording.Spoken]:
        """Has the speaker's microphone hear a sound while the block runs, over and over with
        `loop`; a mono one in both channels. With a `room` it hears the speaker, too; that takes
        the recorder's place at the card."""
        signal = as_signal(sound, rate).at(MICROPHONE_RATE)
        name = f"microphone-{next(self._numbers)}"
        samples = (signal.pcm(2) / 32768).astype("<f4")
        (self.machine.share / f"{name}.f32").write_bytes(samples.tobytes())
        words = ["loop" if loop else "once"]
        if room:
            words += [f"{decibel(room.level):.6f}", str(room.ms)]
        before = self.machine.clock_offset()
        self.machine.request("speak", timeout=15, name=name, words=words)
        spoken = recording.Spoken(name, signal.seconds)
        try:
            yield spoken
        finally:
            self.machine.request("end_sound", timeout=30, name=name)
            ahead, _ = min(before, self.machine.clock_offset(), key=lambda each: each[1])
            (segment,) = recording.read(self.machine.share / name, ahead)
            spoken.clock = segment.clock

    def unplug_microphone(self) -> None:
        """Pulls out whatever the room can be heard with. The card's output stays, as if the
        microphone were a card of its own; clean() brings it back."""
        self._microphones_moved = True
        for number in self._microphones():
            self.sh(f"{SOUND_SERVER} pw-cli destroy {number}")
        self.wait_for(lambda: not self._microphones(), what="the end of the microphone")

    def plug_microphone(self, name: str = "Desk") -> None:
        """Plugs in a microphone of this name, which hears what microphone() plays. The one before
        must be unplugged, or in nobody's use."""
        self._microphones_moved = True
        properties = shlex.quote(MICROPHONE.format(name=name).replace("\n", " "))
        self.sh(f"{SOUND_SERVER} pw-cli create-node adapter {properties}")
        self.wait_for(
            lambda: name in self._microphones().values(), what=f"the microphone {name!r}"
        )

    def _microphones(self) -> dict[int, str]:
        """The microphones that are cards' inputs: the sound server's numbers, and their names."""
        objects = self.sh(f"{SOUND_SERVER} pw-dump").json()
        found = {}
        for each in objects:
            properties = (each.get("info") or {}).get("props") or {}
            if properties.get("media.class") == "Audio/Source" and "api.alsa.path" in properties:
                found[each["id"]] = properties["node.name"]
        return found

    def journal(self, unit: str | None = "dotd") -> str:
        """What the unit, or with None everything, has logged since the test began."""
        command = ["journalctl", "--no-pager", "-o", "short-precise"]
        if unit:
            command += ["-u", unit]
        if self._cursor:
            command.append(f"--after-cursor={self._cursor}")
        return self.sh(shlex.join(command)).stdout

    def plug(self, chip: str = "plain") -> str:
        """Plugs the Bluetooth adapter in; returns its name, such as hci0. A "broadcom" keeps the
        sound of calls until it is told to bring it, a "deaf-broadcom" for good."""
        return self.machine.plug(self.radio.attach(SPEAKER_ADDRESS), chip)

    def unplug(self) -> None:
        """Pulls the Bluetooth adapter out."""
        self.machine.unplug()

    def reboot(self, plugged: bool = True) -> None:
        """Restarts the Pi in order; returns when it is up again, with its adapter."""
        self.machine.reboot()
        self.start_up(plugged)

    def power_cut(self, plugged: bool = True) -> None:
        """Pulls the plug and powers it on again."""
        self.machine.cut_power()
        self.machine.boot()
        self.start_up(plugged)

    def start_up(self, plugged: bool = True) -> None:
        """Waits until systemd has started everything. The adapter goes in early, as the Pi's own
        would be there, unless it shall boot without one."""
        if plugged:
            self.plug()
        state = self.sh("systemctl is-system-running --wait", False, timeout=SETTLE_TIMEOUT)
        if state.stdout.strip() not in ("running", "degraded"):
            raise GuestError(f"the virtual Pi did not start up: it is {state.stdout.strip()!r}")

    def install(self, package: Path, apt: bool = False) -> None:
        """Installs a .deb: by dpkg, or by apt with dependencies from the image's own archive."""
        path = self.put(package)
        tool = "apt-get install -y -q" if apt else "dpkg --install"
        self.sh(f"DEBIAN_FRONTEND=noninteractive {tool} {path}", timeout=180)
        self.sh(
            f"if [ -e {CONFIG} ]; then mkdir -p {shlex.quote(str(Path(PRISTINE_CONFIG).parent))}; "
            f"cp -p {CONFIG} {PRISTINE_CONFIG}; fi"
        )

    def clean(self) -> None:
        """Gives the next test a speaker as new: nothing paired, configured or remembered."""
        self.recordings.clear()
        self._air_sizes = {trace: trace.stat().st_size for trace in self.machine.air_traces}
        if not self.machine.plugged:
            self.plug()
        state = self.sh(CLEAN_STATE, check=False)
        self._cursor = state.stdout.partition("-- cursor: ")[2].strip()
        if self._microphones_moved:
            self.sh(RESTART_SOUND)
            self._microphones_moved = False
        self.sh(START)

    def air_since_clean(self) -> list[tuple[Path, int]]:
        """The HCI traces, and where in each the part since the last clean() begins."""
        return [
            (trace, self._air_sizes.get(trace, len(SNOOP_HEADER)))
            for trace in self.machine.air_traces
        ]

    def hci_commands(self) -> list[tuple[int, bytes]]:
        """What the adapter was told since the last clean(): opcodes and parameters."""
        return [
            (opcode_of(packet), packet[4:])
            for trace, start in self.air_since_clean()
            for _, packet in read_trace(trace.read_bytes(), start)
            if packet[0] == COMMAND
        ]

    def wait_for(
        self, condition: Callable[[], Any], timeout: float = 15, what: str = "the condition"
    ) -> Any:
        """Asks until the condition gives something true, and returns that."""
        deadline = clock.now() + timeout
        while True:
            if result := condition():
                return result
            if clock.now() > deadline:
                raise GuestError(f"{what} did not come true within {timeout} s")
            clock.sleep(0.05)

    def wait_status(
        self, condition: Callable[[dict], Any], timeout: float = 15, what: str = "the status"
    ) -> Any:
        """Waits until `dotctl status --json` satisfies the condition."""

        def asked() -> Any:
            status = self.dotctl("status", "--json", check=False)
            return status.rc == 0 and condition(status.json())

        return self.wait_for(asked, timeout, what)

    def _output(self, answer: dict, name: str) -> str:
        if name in answer:
            return answer[name]
        return (self.machine.share / answer[f"{name}_file"]).read_text(errors="replace")
