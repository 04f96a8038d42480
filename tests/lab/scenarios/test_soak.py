"""Long runs, with `--soak` only: what shows after minutes, or after many times."""

import pytest

from labkit import analysis, signals
from labkit.glitches import glitches

pytestmark = pytest.mark.soak

TONES = (441.0, 997.0)
MINUTES = 5
TIMES = 30
PART = 20


def memory(speaker) -> int:
    """The proportional set size of dotd, in kB."""
    pid = speaker.pi.sh("systemctl show -P MainPID dotd").stdout.strip()
    return int(speaker.pi.sh(f"awk '/^Pss:/ {{print $2}}' /proc/{pid}/smaps_rollup").stdout)


def test_minutes_of_music_without_a_glitch(speaker, phone):
    speaker.invite(phone)
    with speaker.pi.recording() as heard:
        playback = phone.play(signals.two_tone(*TONES, 60.0 * MINUTES))
        speaker.wait_playing(phone)
        before = memory(speaker)
        playback.wait()
        after = memory(speaker)
        phone.stop()
    part = analysis.steady(heard.samples, heard.rate)
    assert len(part) > (60 * MINUTES - 2) * heard.rate
    step = PART * heard.rate
    broken = [
        (start / heard.rate, glitches(part[start : start + step], heard.rate, TONES))
        for start in range(0, len(part) - step, step)
    ]
    assert not [each for each in broken if each[1]]
    assert after - before < 512, f"it grew from {before} to {after} kB"


def test_many_connections_leave_nothing_behind(speaker, phone):
    speaker.invite(phone)
    sizes = []
    for _ in range(TIMES):
        phone.connect(speaker.address)
        phone.play(signals.two_tone(*TONES, 1.0)).wait()
        phone.stop()
        speaker.part(phone)
        sizes.append(memory(speaker))
    assert sizes[-1] - sizes[4] < 512, sizes
    pid = speaker.pi.sh("systemctl show -P MainPID dotd").stdout.strip()
    assert int(speaker.pi.sh(f"ls /proc/{pid}/fd | wc -l").stdout) < 60
    assert int(speaker.pi.sh(f"ls /proc/{pid}/task | wc -l").stdout) < 12
