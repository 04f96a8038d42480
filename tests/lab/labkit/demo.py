"""`lab demo`: a phone finds the speaker, pairs, plays and is called, while one watches.

Leaves demo.wav, what the virtual sound card played, and demo.png, a picture of it.

Invariant: every line of the timeline is printed when the thing has happened, with its time since
the virtual Pi was switched on; nothing is shown that was not measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from labkit import analysis, clock, pictures, signals
from labkit.laboratory import Laboratory, Parts
from labkit.likeness import likeness
from labkit.phone import Phone, Utterance
from labkit.pi import Pi
from labkit.radio import Radio
from labkit.recording import Recording

CALLER = "+4930123456"
MUSIC_BEFORE = 6.0
"""Seconds of music before the phone rings: about half of the piece."""
PHRASES = 3
UNLIKE = 0.5
"""Two sounds of this correlation are not the same."""


class Timeline:
    """What has happened so far, told as it happens."""

    def __init__(self) -> None:
        self.start = clock.now()

    def tell(self, what: str) -> float:
        """Prints a line; returns its moment on the shared clock."""
        now = clock.now()
        print(f"{now - self.start:7.2f} s  {what}", flush=True)
        return now


def main(arguments: list[str] | None = None) -> int:
    """Runs the demonstration; returns the exit status."""
    # Bumble marks what only such phones do.
    warnings.filterwarnings("ignore", "Only for testing", FutureWarning)
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
        with Phone(laboratory.radio, name="Anna's iPhone", calls="iphone") as phone:
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
    timeline.tell(f"{phone.name} is connected for music and calls")
    pi.dotctl("volume", "100")
    piece = signals.music()
    with pi.recording() as heard:
        asked = timeline.tell(f"{phone.name} presses play")
        playback = phone.play(piece)
        pi.wait_for(lambda: pi.now() > asked + MUSIC_BEFORE)
        voice = take_call(pi, phone, timeline)
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
        f"the music: heard {delay * 1000:.0f} ms after play; {len(playback.packets)} packets, "
        f"{lost} lost"
    )
    marks = [(heard.clock.time_of(onset * heard.rate), "first note"), *voice.marks]
    keep(heard, onset, marks, folder)
    return tell_voice(heard, voice, timeline)


@dataclass
class Voice:
    """A call: what the caller said, and what happened when."""

    sound: signals.Signal
    said: Utterance
    marks: list[tuple[float, str]]


def take_call(pi: Pi, phone: Phone, timeline: Timeline) -> Voice:
    """Somebody calls in the middle of the music, is answered at the speaker, and speaks."""
    began = pi.now()
    phone.ring(CALLER, "Grandma")
    marks = [(timeline.tell("Grandma calls"), "ring")]
    wait_stream(phone, "suspended", began)
    timeline.tell("the music rests")
    (call,) = pi.wait_for(lambda: pi.dotctl("calls", "--json").json(), what="the call")
    timeline.tell(f'dotctl calls: {call["state"]}, {call["number"]}, on {call["phone"]["name"]}')
    pi.dotctl("call", "answer")
    opened = phone.wait_event("audio", 10, began, lambda event: event.details["state"] == "open")
    codec = opened.details["codec"]
    marks.append((timeline.tell(f"dotctl call answer: their voice comes as {codec}"), "answer"))
    sound = signals.speech(PHRASES)
    said = phone.speak(sound).wait()
    pi.wait_for(lambda: pi.now() > said.time_of(0) + said.seconds + 0.5)
    timeline.tell(f"Grandma has spoken for {said.seconds:.1f} s")
    ending = pi.now()
    pi.dotctl("call", "hangup")
    marks.append((timeline.tell("dotctl call hangup"), "hang up"))
    wait_stream(phone, "streaming", ending)
    marks.append((timeline.tell("the music goes on"), "music"))
    return Voice(sound, said, marks)


def wait_stream(phone: Phone, state: str, since: float) -> None:
    """Waits until the phone's music is in this state."""
    phone.wait_event("stream", 15, since, lambda event: event.details["state"] == state)


def tell_voice(heard: Recording, voice: Voice, timeline: Timeline) -> bool:
    """Says how the caller's voice was heard; False when it was not."""
    first = max(0, round(heard.clock.frame_at(voice.said.time_of(0) - 0.2)))
    last = round(heard.clock.frame_at(voice.said.time_of(0) + voice.said.seconds + 1.0))
    part = heard.samples[first:last]
    alike = likeness(voice.sound, part, heard.rate, voice.said.rate)
    delay = heard.clock.time_of(first + alike.begin * heard.rate) - voice.said.time_of(0)
    timeline.tell(
        f"the voice: heard {delay * 1000:.0f} ms after it was said; "
        f"likeness {alike.correlation:.2f}, intelligibility {alike.intelligibility:.2f} of 1"
    )
    if alike.correlation < UNLIKE:
        print("what the caller said was not heard", file=sys.stderr)
        return False
    return True


def keep(heard: Recording, onset: float, marks: list[tuple[float, str]], folder: Path) -> None:
    """Writes the recording and its picture, from at most half a second before the first note; the
    marks are moments, and what happened then."""
    begin = max(0.0, onset - 0.5)
    sound = signals.Signal(heard.samples[round(begin * heard.rate) :], heard.rate)
    signals.write_wav(folder / "demo.wav", sound)
    start = heard.clock.time_of(begin * heard.rate)
    events = [(moment - start, what) for moment, what in marks]
    pictures.render(sound, folder / "demo.png", "What the speaker played", events)


def story(pi: Pi) -> list[str]:
    """The journal of the speaker, without the machine's name on every line."""
    lines = pi.sh("journalctl -u dotd -t dotd --no-pager -o short").stdout.splitlines()
    return [line.replace(" dot dotd", " dotd") for line in lines if not line.startswith("--")]


if __name__ == "__main__":
    sys.exit(main())
