"""`lab run` from the caller's side: where from, what it returns, and what it leaves behind.

The runs are real but for the guest, in whose place machine.py stands, and for the setup.
"""

import json
import sys
import wave
from pathlib import Path

import pytest

from labkit import cli, setup

SCENARIOS = """
import numpy as np
from labkit.recording import Recording, SampleClock, Segment

machines = []


def test_well(pi):
    machines.append(pi.machine)
    assert pi.sh("true").rc == 0


def test_badly(pi):
    sound = Segment(np.full((480, 2), 0.5, "float32"), SampleClock(48000, 0.0, 0.0), "S16_LE")
    pi.recordings.append(Recording("recording-1", [sound]))
    assert pi.sh("true").rc == 1


def test_after_it(pi):
    assert pi.machine is machines[0] and not pi.recordings


def test_crash(pi):
    pi.machine.alive = False
    pi.sh("true")


def test_after_the_crash(pi):
    assert pi.machine is not machines[0]
    assert pi.sh("true").rc == 0
"""
STAND_IN = f"""
import sys

sys.path.insert(0, {str(Path(__file__).parent)!r})
from machine import radio, without_guest
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs the lab in a folder of somebody's own, on scenarios in another one."""
    there, scenarios = (tmp_path_factory.mktemp(name) for name in ("there", "scenarios"))
    (scenarios / "conftest.py").write_text(STAND_IN)
    (scenarios / "test_five.py").write_text(SCENARIOS)
    python = Path(sys.executable)
    made = setup.Made(there, there, tools=there, python=python, kernel=there, image=there)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.setup, "guestless", lambda: made)
        patch.setenv("DOTD_LAB_GUESTLESS", "1")
        patch.chdir(there)
        yield lambda *options: cli.main(["run", f"{scenarios}/test_five.py", "--bare", *options])


def test_a_failure_is_told_and_leaves_its_traces_and_spoils_nothing(run, tmp_path, capfd):
    assert run("--artifacts", str(tmp_path), "-q", "--no-header") == 1
    printed = capfd.readouterr().out
    assert "2 failed, 3 passed" in printed.splitlines()[-1], printed
    for test in ("test_badly", "test_crash"):
        assert f"::{test} - " in printed, printed
    left = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert left == {
        "timings.json",
        # It could not say anything any more.
        "boot-1/console.log",
        "boot-1/hci0-1.btsnoop",
        "boot-2/console.log",
        "boot-2/hci0-1.btsnoop",
        "boot-2/journal.txt",
        "test_badly/hci0-1.btsnoop",
        "test_badly/journal.txt",
        "test_badly/recording-1.wav",
        "test_badly/sound.txt",
    }
    assert (tmp_path / "test_badly/journal.txt").read_text() == "what this test did\n"
    assert (tmp_path / "test_badly/sound.txt").read_text() == "how the sound was\n"
    assert (tmp_path / "boot-2/journal.txt").read_text() == "what was since the boot\n"
    with wave.open(str(tmp_path / "test_badly/recording-1.wav")) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (48000, 480)
    timings = json.loads((tmp_path / "timings.json").read_text())
    whats = [each["what"] for each in timings if "seconds" in each]
    tests = ("test_well", "test_badly", "test_after_it", "test_crash", "test_after_the_crash")
    assert [what for what in whats if what in tests] == list(tests)
    assert whats.count("boot to running") == 2, "one boot serves all, until it crashes"


def test_pytest_s_own_options_choose_and_what_passes_is_0(run, capfd):
    assert run("-k", "well or after_it", "-q") == 0
    assert "2 passed, 3 deselected" in capfd.readouterr().out
    assert Path("artifacts/timings.json").is_file(), "without a wish, where the caller is"
