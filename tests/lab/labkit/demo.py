"""`lab demo`: a phone finds the speaker, pairs and plays, while one watches.

Leaves demo.wav, what the virtual sound card played, and demo.png, a picture of it.

Invariant: every line of the timeline is printed when the thing has happened, with its time since
the virtual Pi was switched on; nothing is shown that was not measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from labkit import analysis, pictures, signals
from labkit.laboratory import Laboratory, Parts
from labkit.phone import Phone
from labkit.pi import Pi
from labkit.radio import Radio


class Timeline:
    """What has happened so far, told as it happens."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def tell(self, what: str) -> float:
        """Prints a line; returns its moment on the shared clock."""
        now = time.monotonic()
        print(f"{now - self.start:7.2f} s  {what}", flush=True)
        return now


def main(arguments: list[str] | None = None) -> int:
    """Runs the demonstration; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lab demo")
    parser.add_argument("--to", type=Path, default=Path.cwd(), help="folder for demo.wav and .png")
    options = parser.parse_args(arguments)
    parts = Parts.from_environment()
    if parts.package is None:
        parser.error("there is no speaker without the package: leave --bare out")
    with tempfile.TemporaryDirectory(prefix="dotd-demo-") as artifacts, Radio() as radio:
        laboratory = Laboratory(parts, Path(artifacts), radio)
        try:
            return show(laboratory, options.to)
        finally:
            laboratory.close()


def show(laboratory: Laboratory, folder: Path) -> int:
    """The story itself."""
    timeline = Timeline()
    pi = laboratory.new_pi()
    try:
        timeline.tell("a bare Debian 13 has booted, with a Bluetooth adapter and a sound card")
        pi.install(laboratory.parts.package, apt=True)
        timeline.tell(f"apt has installed {laboratory.parts.package.name}")
        pi.wait_status(
            lambda status: status["pairing"]["open"] and status["sound"]["state"] == "ready",
            30,
            "the speaker ready for a phone",
        )
        timeline.tell("the speaker is ready; nobody is trusted yet, so its pairing window is open")
        with Phone(laboratory.radio, name="Anna's iPhone") as phone:
            heard = visit(pi, phone, timeline, folder)
        timeline.tell("the phone is switched off, the virtual Pi too")
        print("\nWhat the speaker's journal says (journalctl -u dotd):\n")
        print("\n".join(f"  {line}" for line in story(pi)))
        print(f"\nListen to {folder / 'demo.wav'}, look at {folder / 'demo.png'}.")
        return 0 if heard else 1
    finally:
        laboratory.retire(pi)


def visit(pi: Pi, phone: Phone, timeline: Timeline, folder: Path) -> bool:
    """The phone's part, from the first look to the last note."""
    found = phone.sees(pi.address, timeout=10)
    if not found:
        print("the phone does not see the speaker", file=sys.stderr)
        return False
    timeline.tell(
        f'{phone.name} sees "{found.name}" ({found.address}, class 0x{found.class_of_device:06x})'
    )
    phone.pair(pi.address)
    timeline.tell(f"{phone.name} has paired; nobody touched the speaker")
    phone.connect(pi.address)
    timeline.tell(f"{phone.name} is connected for music")
    pi.dotctl("volume", "100")
    piece = signals.music()
    with pi.recording() as heard:
        asked = timeline.tell(f"{phone.name} presses play")
        playback = phone.play(piece)
        playback.wait()
        phone.stop()
        timeline.tell("the piece is over")
    onset = analysis.onset(heard.samples, heard.rate)
    if onset is None:
        print("nothing was heard", file=sys.stderr)
        return False
    delay = heard.clock.time_of(onset * heard.rate) - asked
    lost = sum(packet.sent is None for packet in playback.packets)
    timeline.tell(
        f"heard {delay * 1000:.0f} ms after play; {len(playback.packets)} packets, {lost} lost"
    )
    keep(heard.samples, heard.rate, onset, folder)
    return True


def keep(samples: np.ndarray, rate: int, onset: float, folder: Path) -> None:
    """Writes the recording and its picture, from at most half a second before the first note."""
    begin = max(0.0, onset - 0.5)
    sound = signals.Signal(samples[round(begin * rate) :], rate)
    signals.write_wav(folder / "demo.wav", sound)
    first = [(onset - begin, "first note")]
    pictures.render(sound, folder / "demo.png", "What the speaker played", first)


def story(pi: Pi) -> list[str]:
    """The journal of the speaker, without the machine's name on every line."""
    lines = pi.sh("journalctl -u dotd -t dotd --no-pager -o short").stdout.splitlines()
    return [line.replace(" dot dotd", " dotd") for line in lines if not line.startswith("--")]


if __name__ == "__main__":
    sys.exit(main())
