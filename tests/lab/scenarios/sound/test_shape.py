"""What the owner of a box has done to its sound, measured on what the sound card played."""

import numpy as np
import pytest

from labkit import analysis, clock, signals
from labkit.glitches import glitches

LEVEL = -12.0
LEFT, RIGHT = 50.0, 997.0
SECONDS = 3.0
HALF = 20 * np.log10(0.5)
SHAPES = {
    "mono": ("mono = true", *[[(LEFT, LEVEL + HALF), (RIGHT, LEVEL + HALF)]] * 2),
    "balance": ("balance = -50", [(LEFT, LEVEL)], [(RIGHT, LEVEL + HALF)]),
    # 50 Hz is on the slope of the lowest band, 997 Hz in the middle of the third.
    "equaliser": ("equaliser = [-10, 0, 6, 0, 0]", [(LEFT, LEVEL - 9)], [(RIGHT, LEVEL + 6)]),
    "ceiling": ("ceiling = -20", [(LEFT, -20)], [(RIGHT, -20)]),
}


def shape(speaker, text):
    speaker.pi.config(f"[audio]\n{text}\n")
    speaker.pi.sh("systemctl reload dotd")


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_what_the_sound_card_plays(speaker, phone, name):
    text, *sides = SHAPES[name]
    shape(speaker, text)
    speaker.invite(phone)
    with speaker.pi.recording() as heard:
        phone.play(signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL)).wait()
        phone.stop()
    part = analysis.steady(heard.samples, heard.rate, 0.3)
    assert len(part) > 1.8 * heard.rate, "too little was heard"
    for number, expected in enumerate(sides):
        channel = part[:, number]
        found = analysis.tones(channel, heard.rate, len(expected), floor=-60)[0]
        for frequency, level in expected:
            nearest = min(found, key=lambda tone: abs(tone.frequency - frequency))
            assert nearest.frequency == pytest.approx(frequency, rel=0.01), found
            assert nearest.level == pytest.approx(level, abs=1.0), found
        if len(expected) == 1:
            assert not glitches(channel, heard.rate, expected[0][0])
    if name.startswith("ceiling"):
        assert np.abs(part).max() <= signals.decibel(-20) + 2 / 32768


def test_another_shape_is_heard_while_it_plays_and_without_a_click(speaker, phone):
    speaker.invite(phone)
    with speaker.pi.recording() as heard:
        playback = phone.play(signals.tone(RIGHT, 9.0, LEVEL))
        for text in ("ceiling = -20", "mono = true"):
            clock.sleep(2)
            shape(speaker, text)
        playback.wait()
        phone.stop()
    whole = heard.samples[:, 0]
    steepest = 2 * np.pi * RIGHT / heard.rate * signals.decibel(LEVEL)
    assert np.abs(np.diff(whole)).max() < 1.1 * steepest, "somebody heard a click"
    loud = 20 * np.log10(np.maximum(analysis.envelope(whole, heard.rate, RIGHT), 1e-6))
    assert stretches(loud, (LEVEL, -20.0), heard.rate // 2) == [LEVEL, -20.0, LEVEL]


def stretches(loud, levels, shortest):
    """At which of these levels it stayed for so many samples, in order."""
    found = []
    for level in levels:
        near = np.concatenate([[0], np.abs(loud - level) < 0.5, [0]]).astype(int)
        begins, ends = np.flatnonzero(np.diff(near) == 1), np.flatnonzero(np.diff(near) == -1)
        found += [
            (begin, level)
            for begin, end in zip(begins, ends, strict=True)
            if end - begin >= shortest
        ]
    return [level for _, level in sorted(found)]
