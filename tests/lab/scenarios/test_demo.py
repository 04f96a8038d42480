"""What somebody sees and gets who types ./demo.sh."""

from types import SimpleNamespace

import numpy as np

from labkit import demo, signals

STORY = [
    "apt has installed",
    "its pairing window is open",
    'iPhone sees "Dot-',
    "has paired",
    "presses play",
    "Grandma calls",
    "the music rests",
    f"incoming, {demo.CALLER}",
    "dotctl call answer",
    "Grandma has spoken",
    "dotctl call hangup",
    "the music goes on",
    "the piece is over",
    "the music: heard",
    "the voice: heard",
    "What the speaker's journal says",
    "Listen to",
]


def test_demo_tells_its_story_and_leaves_what_was_heard(pi, laboratory, package, tmp_path, capsys):
    """On the Pi that runs, so the one thing that is not shown is that another one boots."""
    on_this_one = SimpleNamespace(
        parts=laboratory.parts, radio=laboratory.radio, new_pi=lambda: pi, retire=lambda _: None
    )
    assert demo.show(on_this_one, tmp_path) == 0
    told = capsys.readouterr().out
    place = 0
    for what in STORY:
        assert what in told[place:], f"{what!r} is not told, or not then:\n{told}"
        place = told.index(what, place)
    sound = signals.read_wav(tmp_path / "demo.wav")
    assert sound.seconds > signals.music().seconds, "the music waits for the call"
    assert np.max(np.abs(sound.samples)) > signals.decibel(-12)
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
