"""The virtual Pi as a machine: power, console, adapter, and its agent.

A User Mode Linux process on a copy-on-write layer over the guest image. The
Pi class (pi.py) is what tests use; this is what it stands on.

Invariant: everything a machine started ends with it, also when the host
process dies; its folder holds all it leaves behind (disk layer, console log,
the folder shared with the guest).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

from labkit import clock
from labkit.link import AgentLink, GuestError, socket_pair
from labkit.radio import prefer

GUEST_FILES = Path(__file__).parent.parent / "guest"
BOOT_TIMEOUT = 40
"""Seconds of the host, ten times what a boot takes."""
BOOTS = 3
"""How often a boot is begun that stands still: User Mode Linux loses its timer's alarm in one of a few
hundred, most of them on a busy host, and never goes on (kernel/keep-alarms.patch mends one way)."""
MEMORY = "1G"
_PR_SET_PDEATHSIG = 1
CORE = "DOTD_LAB_CORE"
"""Names the core that the guest has for itself; cli.py keeps everything else off it."""

_libc = ctypes.CDLL(None, use_errno=True)


class Machine:
    """One virtual Pi; boot() it, ask its agent, and close() it."""

    def __init__(self, kernel: Path, image: Path, tools: Path, folder: Path):
        self.folder = folder
        self.share = folder / "share"
        self.console_log = folder / "console.log"
        self.air_traces: list[Path] = []
        """What went over the air, one btsnoop file for each time the adapter was plugged in."""
        self.boots: list[str] = []
        self._trouble: list[str] = []
        self._kernel = kernel
        self._image = image
        self._process: subprocess.Popen | None = None
        self._agent: AgentLink | None = None
        self._hello = threading.Event()
        self._radio_link = None
        self._generation = 0
        self._pump: subprocess.Popen | None = None
        self._controller = None
        self.share.mkdir(parents=True, exist_ok=True)
        shutil.copy(GUEST_FILES / "lab-agent.py", self.share)
        for tool in tools.iterdir():
            shutil.copy(tool, self.share)

    def boot(self) -> None:
        """Powers on; returns when the agent answers, which is early in the boot."""
        self._power_on()
        for _ in range(1, BOOTS):
            if self._hello.wait(BOOT_TIMEOUT) or self._process.poll() is not None:
                break
            warnings.warn("the virtual Pi stood still as it booted, and was begun again", stacklevel=2)
            self.cut_power()
            self._power_on()
        self._await_hello()

    def _power_on(self) -> None:
        agent_end, agent_guest = socket_pair()
        radio_end, radio_guest = socket_pair()
        self._hello.clear()
        self._trouble.clear()
        # glibc would register a restartable sequence, which UML's stub processes unmap: SIGSEGV.
        environment = dict(os.environ, GLIBC_TUNABLES="glibc.pthread.rseq=0")
        with open(self.console_log, "ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._kernel),
                    f"mem={MEMORY}",
                    f"slow={clock.SLOWNESS}",
                    f"uml_dir={self.folder}",
                    "umid=machine",
                    f"ubd0={self.folder / 'disk.cow'},{self._image}",
                    "root=/dev/ubda",
                    # What the guest wrote is in the host's page cache, safe from anything that
                    # happens to the guest; syncing it to a disk would only take time.
                    "rootflags=barrier=0",
                    "rw",
                    "quiet",
                    # A restart of its own is an exec of itself, and a signal of the old kernel's
                    # devices that comes late kills the new one: so it ends, and is booted again.
                    "noreboot",
                    "con=null",
                    "con0=null,fd:1",
                    "con1=pts",
                    f"hostfs={self.share}",
                    f"vec0:transport=fd,fd={agent_guest.fileno()}",
                    f"vec1:transport=fd,fd={radio_guest.fileno()}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=[agent_guest.fileno(), radio_guest.fileno()],
                start_new_session=True,
                preexec_fn=_become_machine,
            )
        (self.folder / "pid").write_text(str(self._process.pid))
        agent_guest.close()
        radio_guest.close()
        self._radio_link = radio_end
        self._agent = AgentLink(agent_end, self._on_event)

    def reboot(self) -> None:
        """Restarts the guest by its own `systemctl reboot`; returns when the agent answers. The
        adapter comes back unplugged."""
        before = len(self._said())
        self.request("reboot", timeout=20)
        try:
            self._process.wait(BOOT_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise GuestError(
                f"the virtual Pi did not shut down within {BOOT_TIMEOUT} s; the end of "
                f"{self.console_log}:\n{self._last_words()}"
            ) from None
        # What comes after these words, be it a signal that kills it, has nothing to lose any more.
        if "reboot: Restarting system" not in (said := self._said()[before:]):
            raise GuestError(
                f"the virtual Pi ended with status {self._process.returncode} instead of shutting "
                f"down; the end of {self.console_log}:\n{said}"
            )
        self.cut_power()
        self.boot()

    def cut_power(self) -> None:
        """Stops the machine at once, as pulling the plug does; its disk stays for a next boot."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process:
            self._process.wait()
        self.release_controller()
        if self._agent:
            self._agent.close()
            self._agent = None
        if self._radio_link:
            self._radio_link.close()
            self._radio_link = None

    @property
    def alive(self) -> bool:
        """Whether the machine runs and its agent can be reached."""
        return (
            self._process is not None
            and self._process.poll() is None
            and self._agent is not None
            and not self.trouble
        )

    @property
    def trouble(self) -> list[str]:
        """What went wrong with the machine itself, as opposed to what runs on it."""
        if self._pump and self._pump.poll() is not None:
            return [*self._trouble, f"the adapter's link ended: {self._pump_complaint()}"]
        return list(self._trouble)

    def request(self, do: str, timeout: float, **arguments) -> dict:
        """Asks the agent; see guest/lab-agent.py for what it can do."""
        if not self._agent:
            raise GuestError("the virtual Pi is not running")
        return self._agent.request(do, timeout, **arguments)

    def clock_offset(self) -> tuple[float, float]:
        """See AgentLink.clock_offset."""
        return self._agent.clock_offset()

    def plug(self, controller, chip: str = "plain") -> str:
        """Plugs in an adapter made of this controller; returns its name, such as hci0. The chips
        are those of hci_pump.py."""
        if self._controller:
            raise GuestError("an adapter is plugged already")
        self._generation += 1
        self._controller = controller
        self.air_traces.append(self.folder / f"hci0-{self._generation}.btsnoop")
        link, radio = self._radio_link.fileno(), controller.socket.fileno()
        program = Path(__file__).with_name("hci_pump.py")
        arguments = link, radio, self._generation, self.air_traces[-1], chip
        with open(self.folder / "hci_pump.log", "w") as log:
            self._pump = subprocess.Popen(
                [sys.executable, "-IS", program, *map(str, arguments)],
                pass_fds=[link, radio],
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        prefer(self._pump.pid)
        return self.request("plug", timeout=15, generation=self._generation)["adapter"]

    def unplug(self) -> None:
        """Pulls the adapter out: the guest's hci0 is gone, and so is the controller in the air."""
        self.request("unplug", timeout=15)
        self.release_controller()

    def release_controller(self) -> None:
        """Takes the controller off the air, if there is one."""
        if self._pump:
            self._pump.kill()
            self._pump.wait()
            self._pump = None
        if self._controller:
            self._controller.close()
            self._controller = None

    @property
    def plugged(self) -> bool:
        """Whether an adapter is in."""
        return self._controller is not None

    def _on_event(self, message: dict) -> None:
        if message["event"] == "hello":
            self.boots.append(message["boot"])
            self._hello.set()
        else:
            self._trouble.append(f"{message['event']}: {message.get('reason', '')}")
            self._hello.set()

    def _await_hello(self) -> None:
        deadline = time.monotonic() + BOOT_TIMEOUT
        if not self._hello.wait(deadline - time.monotonic()) or not self.alive:
            raise GuestError(
                f"the virtual Pi did not boot within {BOOT_TIMEOUT} s; the end of "
                f"{self.console_log}:\n{self._last_words()}"
            )

    def _pump_complaint(self) -> str:
        return (self.folder / "hci_pump.log").read_text().strip()

    def _said(self) -> str:
        return self.console_log.read_text(errors="replace")

    def _last_words(self) -> str:
        return self._said()[-2000:]


def _become_machine() -> None:
    """User Mode Linux hands each system call of the guest's programs from one of its processes to
    another and back. On one core that is a switch; across two it wakes a core up, for which a
    virtual host may have to wait ten times as long as the call takes."""
    _die_with_parent()
    if core := os.environ.get(CORE):
        os.sched_setaffinity(0, {int(core)})


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
