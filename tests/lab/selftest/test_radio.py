"""The radio: addresses, range, and that it never outlives its owner."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from labkit.hci_pump import BroadcomChip, Chip, DeafBroadcomChip
from labkit.radio import SPEAKER_ADDRESS, Radio, RadioError

LAB = Path(__file__).resolve().parents[1]
READ_BD_ADDR, RESET = bytes.fromhex("01091000"), bytes.fromhex("01030c00")
BRING_VOICE, KEEP_VOICE = (bytes.fromhex(f"011cfc05{way:02x}02000101") for way in (1, 0))
DONE = bytes.fromhex("040e04011cfc00")
VOICE = bytes.fromhex("03010002abcd")
VERSION = "040e0c01011000 0c00000c {maker} 0000"


def address_told_by(controller) -> str:
    """Asks a controller over HCI which address it has."""
    controller.socket.settimeout(5)
    controller.socket.sendall(READ_BD_ADDR)
    answer = b""
    while len(answer) < 13:
        answer += controller.socket.recv(64)
    return ":".join(f"{byte:02X}" for byte in reversed(answer[7:13]))


def test_each_controller_has_the_address_it_was_given(radio):
    speaker = radio.attach(SPEAKER_ADDRESS)
    phone = radio.attach(radio.next_phone_address())
    assert address_told_by(speaker) == SPEAKER_ADDRESS
    assert address_told_by(phone) == phone.address != SPEAKER_ADDRESS


def test_an_address_is_free_again_only_after_its_controller_left(radio):
    first = radio.attach(SPEAKER_ADDRESS)
    with pytest.raises(RadioError, match="already on the air"):
        radio.attach(SPEAKER_ADDRESS)
    first.close()
    assert address_told_by(radio.attach(SPEAKER_ADDRESS)) == SPEAKER_ADDRESS


def test_rootcanal_dies_with_the_program_that_started_it():
    program = (
        "import sys, time; from labkit.radio import Radio; radio = Radio(); radio.start();"
        "print(radio._process.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(LAB)},
    )
    rootcanal = int(owner.stdout.readline())
    os.kill(rootcanal, 0)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    deadline = time.monotonic() + 5
    while alive(rootcanal):
        assert time.monotonic() < deadline, "rootcanal is still running"
        time.sleep(0.01)


@pytest.mark.parametrize("chip", [Chip(), BroadcomChip(), DeafBroadcomChip()])
def test_chip_says_whose_it_is_and_keeps_the_voice_until_it_obeys(chip):
    ours, theirs = (bytes.fromhex(VERSION.format(maker=maker)) for maker in ("e000", "0f00"))
    plain, obeys = type(chip) is Chip, type(chip) is BroadcomChip
    assert chip.to_guest(ours) == (ours if plain else theirs)
    assert chip.to_guest(DONE) == DONE
    assert chip.to_guest(VOICE) == (VOICE if plain else None)
    assert chip.from_guest(READ_BD_ADDR) is None
    assert chip.from_guest(BRING_VOICE) == (DONE if obeys else None)
    assert chip.to_guest(VOICE) == (VOICE if plain or obeys else None)
    assert chip.from_guest(KEEP_VOICE) == (DONE if obeys else None)
    assert chip.to_guest(VOICE) == (VOICE if plain else None)
    chip.from_guest(BRING_VOICE)
    assert chip.from_guest(RESET) is None
    assert chip.to_guest(VOICE) == (VOICE if plain else None)


def alive(pid: int) -> bool:
    """Says whether a process runs; a zombie that init has yet to collect does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_closed_radio_says_how_to_use_it():
    radio = Radio()
    with pytest.raises(RadioError, match="with Radio"):
        radio.devices()
