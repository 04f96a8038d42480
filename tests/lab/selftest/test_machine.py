"""The virtual Pi's power, with a program in the kernel's place that boots or stands still."""

import sys

import pytest
from labkit import machine
from labkit.link import GuestError
from labkit.machine import Machine

KERNEL = """#!{python}
import json, os, re, sys, time
from pathlib import Path

sys.path.insert(0, {lab!r})
from labkit.link import BROADCAST, ETHERTYPE_AGENT, HEADER, HOST_ADDRESS

folder = Path(__file__).parent
with open(folder / "boots", "a") as boots:
    boots.write("x")
if len((folder / "boots").read_text()) > {still}:
    (link,) = [int(found[1]) for word in sys.argv if (found := re.match("vec0:.*fd=([0-9]+)$", word))]
    hello = json.dumps({{"event": "hello", "boot": "one"}}).encode()
    header = HEADER.pack(BROADCAST, HOST_ADDRESS, ETHERTYPE_AGENT, False, len(hello), 0)
    os.write(link, header + hello)
time.sleep(60)
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes a machine of whose boots so many stand still."""
    monkeypatch.setattr(machine, "BOOT_TIMEOUT", 2)
    (tmp_path / "tools").mkdir()
    made = []

    def make(still):
        kernel = tmp_path / "kernel"
        lab = str(machine.GUEST_FILES.parent)
        kernel.write_text(KERNEL.format(python=sys.executable, lab=lab, still=still))
        kernel.chmod(0o755)
        folder = tmp_path / "machine"
        folder.mkdir()
        made.append(Machine(kernel, tmp_path / "image", tmp_path / "tools", folder))
        return made[-1]

    yield make
    for each in made:
        each.cut_power()


def boots(machine):
    return len((machine.folder.parent / "boots").read_text())


def test_a_boot_that_stands_still_is_begun_again_and_that_is_told(make):
    pi = make(still=machine.BOOTS - 1)
    with pytest.warns(UserWarning, match="stood still"):
        pi.boot()
    assert (boots(pi), pi.boots, pi.alive, pi.trouble) == (machine.BOOTS, ["one"], True, [])


def test_one_that_always_stands_still_is_an_error(make):
    pi = make(still=machine.BOOTS)
    with pytest.warns(UserWarning), pytest.raises(GuestError, match="did not boot within"):
        pi.boot()
    assert boots(pi) == machine.BOOTS


def test_one_that_does_not_answer_is_in_trouble(make):
    pi = make(still=0)
    pi.boot()
    assert pi.alive
    with pytest.raises(GuestError, match="did not answer 'run'"):
        pi.request("run", timeout=0.1)
    assert not pi.alive and "did not answer" in pi.trouble[0]
