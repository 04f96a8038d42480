"""One session of the lab: the air, the virtual Pi, and where their traces go.

Invariant: tests get a Pi that is alive. One that died is replaced by a fresh
one, so that a crash costs the test that caused it and no other.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labkit.hci_pump import SNOOP_HEADER
from labkit.link import GuestError
from labkit.machine import Machine
from labkit.pi import Pi
from labkit.radio import Radio
from labkit.running import MEMORY_FOLDER, PREFIX

ROOM = 4 << 30
"""What a Pi may leave behind: its disk's layer, recordings, traces. Usually a tenth of it."""


def quick_folder() -> Path | None:
    """Where a Pi's files go: into memory if there is room. The guest stands still, real-time
    threads and all, while the host's disk keeps one of its writes waiting."""
    try:
        return MEMORY_FOLDER if shutil.disk_usage(MEMORY_FOLDER).free > ROOM else None
    except OSError:
        return None


@dataclass
class Parts:
    """What `lab setup` and `lab build` made, handed to the session by its environment."""

    tools: Path
    kernel: Path | None
    image: Path | None
    package: Path | None

    @classmethod
    def from_environment(cls) -> Parts:
        """Reads what `lab run` exported."""
        names = "TOOLS", "KERNEL", "IMAGE", "PACKAGE"
        found = [os.environ.get(f"DOTD_LAB_{name}") for name in names]
        tools, *others = (Path(part) if part else None for part in found)
        if not tools:
            raise GuestError("the lab's tools are not known: start the tests by `tests/lab/lab run`")
        return cls(tools, *others)


@dataclass
class Laboratory:
    """Boots virtual Pis and collects what they leave behind."""

    parts: Parts
    artifacts: Path
    radio: Radio
    timings: list[dict] = field(default_factory=list)
    _shared: Pi | None = None
    _boots: int = 0

    def shared_pi(self) -> Pi:
        """The Pi all tests share, with dotd installed if there is a package."""
        if self._shared and not self._shared.machine.alive:
            self.retire(self._shared)
            self._shared = None
        if not self._shared:
            self._shared = self.new_pi()
            if self.parts.package:
                with self.timed("install"):
                    self._shared.install(self.parts.package)
        return self._shared

    def new_pi(self) -> Pi:
        """A Pi fresh from the image, without dotd."""
        kernel, image = self.parts.kernel, self.parts.image
        if not kernel or not image:
            raise GuestError("this run has no virtual Pi: leave DOTD_LAB_GUESTLESS out")
        self._boots += 1
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=quick_folder()))
        machine = Machine(kernel, image, self.parts.tools, folder)
        pi = Pi(machine, self.radio)
        try:
            with self.timed("boot to agent"):
                machine.boot()
            with self.timed("boot to running"):
                pi.start_up()
        except BaseException:
            self.retire(pi)
            raise
        return pi

    @contextmanager
    def fresh_pi(self) -> Iterator[Pi]:
        """A Pi of one's own, without dotd; the shared one gives up the air meanwhile."""
        if self._shared:
            self.retire(self._shared)
            self._shared = None
        pi = self.new_pi()
        try:
            yield pi
        finally:
            self.retire(pi)

    def retire(self, pi: Pi) -> None:
        """Ends a Pi and keeps its journal, HCI trace and console log."""
        keep = self.artifacts / f"boot-{self._boots}"
        keep.mkdir(parents=True, exist_ok=True)
        if pi.machine.alive:
            self.collect_journal(pi, keep, whole_boot=True)
        pi.machine.cut_power()
        for file in pi.machine.console_log, *pi.machine.air_traces:
            shutil.copy(file, keep)
        shutil.rmtree(pi.machine.folder)

    def collect(self, pi: Pi, folder: Path) -> None:
        """Keeps what explains a test's failure: its part of the journal and of the air."""
        self.collect_journal(pi, folder)
        for trace, start in pi.air_since_clean():
            target = folder / trace.name
            target.write_bytes(SNOOP_HEADER + trace.read_bytes()[start:])

    def collect_journal(self, pi: Pi, folder: Path, whole_boot: bool = False) -> None:
        """Copies the journal out of a living Pi."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if whole_boot:
                journal = pi.sh("journalctl --no-pager -o short-precise").stdout
            else:
                journal = pi.journal(unit=None)
        except GuestError as error:
            journal = f"the journal could not be had: {error}\n"
        (folder / "journal.txt").write_text(journal)

    def keep_recordings(self, pi: Pi, folder: Path) -> None:
        """Writes down what the test recorded."""
        for each in pi.recordings:
            if each.segments:
                folder.mkdir(parents=True, exist_ok=True)
                each.write_wav(folder / f"{each.name}.wav")

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Notes how long a step took, for timings.json."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.timings.append({"what": what, "seconds": round(time.monotonic() - start, 3)})

    def note(self, what: str, **figures: float) -> None:
        """Keeps what a test measured, in timings.json too."""
        self.timings.append({"what": what, **{name: round(it, 3) for name, it in figures.items()}})

    def close(self) -> None:
        """Ends what still runs and writes the timings."""
        if self._shared:
            self.retire(self._shared)
        self.artifacts.mkdir(parents=True, exist_ok=True)
        (self.artifacts / "timings.json").write_text(json.dumps(self.timings, indent=1) + "\n")
