"""A stand-in for the virtual Pi's machine, for runs of the lab without a guest.

Its agent says yes to every command; what it prints for those that the lab reads is told here. The
fixtures put it, and an air without anybody in it, in the place of the real ones.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from labkit import laboratory
from labkit.hci_pump import SNOOP_HEADER
from labkit.link import GuestError

ANSWERS = {
    "is-system-running": "running\n",
    "--show-cursor": "-- cursor: here\n",
    "--after-cursor=here": "what this test did\n",
    "journalctl --no-pager -o short-precise": "what was since the boot\n",
    "pw-top": "how the sound was\n",
}
"""What commands with this in them print."""


class Machine:
    """A machine that runs until its power is cut, or somebody says that it does not."""

    def __init__(self, _kernel, _image, _tools, folder):
        self.folder = self.share = folder
        self.console_log = folder / "console.log"
        self.console_log.write_text("what the console showed\n")
        self.air_traces = []
        self.trouble = []
        self.alive = self.plugged = False

    def boot(self):
        self.alive = True

    def cut_power(self):
        self.alive = self.plugged = False

    def plug(self, _controller, _chip):
        self.air_traces.append(self.folder / "hci0-1.btsnoop")
        self.air_traces[-1].write_bytes(SNOOP_HEADER)
        self.plugged = True
        return "hci0"

    def request(self, do, timeout, **arguments):
        if not self.alive:
            raise GuestError("the virtual Pi is not running")
        assert do == "run", "this machine runs commands and nothing else"
        printed = next((text for part, text in ANSWERS.items() if part in arguments["cmd"]), "")
        return {"rc": 0, "stdout": printed, "stderr": ""}


@pytest.fixture(scope="session")
def radio():
    return SimpleNamespace(attach=lambda address: address)


@pytest.fixture(scope="session", autouse=True)
def without_guest():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laboratory, "Machine", Machine)
        yield
