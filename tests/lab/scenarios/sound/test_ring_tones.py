"""What the speaker rings with, as it is heard in the room."""

import numpy as np
import pytest
from telephony import ANNA, call, reconnect, saw, wait_calls

from labkit import analysis, signals

FILE = "/etc/dotd/ring.wav"
TONE = '[calls]\nring-tone = "{tone}"\nring-volume = 100\n'
FIRST = 0.04
"""Seconds of a ring in which no melody has come to its second note."""
AGAIN = 3.0
"""Seconds after which a marimba rings again."""
PROMISED = 5.0
"""Seconds after which it rings in any case, where a phone promises a tone of its own."""


def configure(speaker, tone):
    """Chooses a ring tone."""
    speaker.pi.config(TONE.format(tone=tone))
    speaker.pi.sh("systemctl reload dotd")


def wait_until(speaker, time):
    """Waits for a moment of the lab's clock."""
    speaker.pi.wait_for(lambda: speaker.pi.now() > time)


def ring(speaker, phone):
    """Somebody calls and is refused after a while; returns what was heard from the first sound on."""
    with speaker.pi.recording() as heard:
        phone.ring(ANNA)
        wait_calls(speaker, "incoming")
        wait_until(speaker, speaker.pi.now() + 2.5)
        call(speaker, "reject")
        wait_calls(speaker)
    begin = analysis.onset(heard.samples, heard.rate)
    assert begin is not None, "it does not ring"
    return heard.samples[round(begin * heard.rate) :], heard.rate


def first_note(samples, rate):
    """The strongest frequency in the beginning."""
    tones = analysis.tones(samples[: round(FIRST * rate)], rate)
    return tones[0][0].frequency


def put_ring_tone(speaker, folder, sound):
    """Writes a sound to where dotd can read it."""
    path = folder / "ring.wav"
    signals.write_wav(path, sound)
    speaker.pi.write(FILE, path.read_bytes(), 0o644)


@pytest.mark.parametrize(
    ("melody", "frequency"), [("bell", 1046.5), ("chime", 783.99), ("marimba", 523.25)]
)
def test_built_in_ring_tone_is_heard(speaker, calling, melody, frequency):
    phone = calling()
    configure(speaker, melody)
    samples, rate = ring(speaker, phone)
    assert abs(first_note(samples, rate) - frequency) < 15
    assert signals.decibel(-10) < np.max(np.abs(samples)) < signals.decibel(-5)


def test_file_is_heard_again_and_again_and_missed_by_nobody(speaker, calling, tmp_path):
    phone = calling()
    try:
        put_ring_tone(speaker, tmp_path, signals.tone(1500.0, 0.5, -12.0, 48000))
        configure(speaker, FILE)
        samples, rate = ring(speaker, phone)
        assert abs(first_note(samples, rate) - 1500) < 15
        assert abs(analysis.level(samples[: round(0.4 * rate)], rate, 1500)[0] + 12) < 1
        pause = samples[round(0.6 * rate) : round(1.4 * rate)]
        assert np.max(np.abs(pause)) < signals.decibel(-60)
        again = samples[round(1.55 * rate) : round(1.9 * rate)]
        assert abs(analysis.level(again, rate, 1500)[0] + 12) < 1
        # Without the file, and after a restart without it, the default rings.
        speaker.part(phone)
        speaker.pi.sh(f"rm {FILE}; systemctl restart dotd")
        speaker.wait_ready()
        reconnect(speaker, phone)
        samples, rate = ring(speaker, phone)
        assert not np.isclose(first_note(samples, rate), 1500, atol=100)
        checked = speaker.dotctl("config", "check", check=False)
        assert checked.rc == 78 and FILE in checked.stdout + checked.stderr, checked
    finally:
        speaker.pi.sh(f"rm -f {FILE}")


def test_tone_that_a_phone_promises_and_does_not_bring_is_the_speaker_s(speaker, calling):
    phone = calling()
    configure(speaker, "marimba")
    phone.misbehave(no_audio=True)
    with speaker.pi.recording() as heard:
        began = speaker.pi.now()
        phone.ring(ANNA, in_band=True)
        wait_calls(speaker, "incoming")
        wait_until(speaker, began + PROMISED)
        phone.hang_up()
        wait_calls(speaker)
        ended = speaker.pi.now()
        wait_until(speaker, ended + 0.5 + AGAIN)
    saw(phone, "audio", began, state="withheld")
    begin = analysis.onset(heard.samples, heard.rate)
    assert begin is not None, "nobody rings"
    first = round(begin * heard.rate)
    assert heard.clock.time_of(first) < began + PROMISED, "it rings late"
    assert abs(first_note(heard.samples[first:], heard.rate) - 523.25) < 15
    after = heard.samples[round(heard.clock.frame_at(ended + 0.5)) :]
    assert np.max(np.abs(after)) < signals.decibel(-60), "it goes on ringing"


def test_file_that_is_no_sound_is_told_with_its_line(speaker):
    try:
        for content in (None, b"not a sound"):
            if content:
                speaker.pi.write(FILE, content, 0o644)
            speaker.pi.config(TONE.format(tone=FILE))
            checked = speaker.dotctl("config", "check", check=False)
            told = checked.stdout + checked.stderr
            assert checked.rc == 78 and "dotd.toml:2:13: calls.ring-tone" in told, checked
            assert '"marimba"' in told, "what is allowed"
            speaker.pi.sh("kill -HUP $(systemctl show -P MainPID dotd)")
            speaker.pi.wait_status(lambda status: "ring-tone" in (status["config_problems"] or ""))
    finally:
        speaker.pi.sh(f"rm -f {FILE}")
