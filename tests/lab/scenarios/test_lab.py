"""The lab itself: what every other scenario takes for granted.

BlueZ's own command line stands in for dotd here, so that a fault of the lab
shows apart from a fault of the speaker.
"""

import numpy as np
import pytest

from labkit import analysis, signals
from labkit.glitches import glitches

PLAY_TONE = "speaker-test -D hw:Loopback,0 -c 2 -r {rate} -F {format} -t sine -f 441 -l 1"
TAKE = "timeout -s INT 4 arecord -q -D hw:Loopback,0,0 -t raw -f S16_LE -r 48000 -c 2 {} /lab/taken"


@pytest.fixture
def bare_bluez(pi):
    """The Pi without dotd: BlueZ powered and discoverable, agreeing to every pairing."""
    pi.sh("systemctl stop dotd.service", check=False)
    agent = "sleep infinity | bluetoothctl --agent=NoInputNoOutput"
    pi.sh(f"systemd-run -q --unit=lab-pairing --collect bash -c '{agent}'")
    pi.wait_for(lambda: "Powered: yes" in pi.sh("bluetoothctl show", check=False).stdout)
    pi.sh("bluetoothctl discoverable on && bluetoothctl pairable on")
    yield pi
    pi.sh("systemctl stop lab-pairing")


def test_commands_report_their_ends(pi):
    ended = pi.sh("echo out; echo err >&2; exit 3", check=False)
    assert (ended.rc, ended.stdout, ended.stderr) == (3, "out\n", "err\n")
    assert pi.sh("id -un", user="guest").stdout == "guest\n"
    assert len(pi.sh("head -c 300000 /dev/zero | tr '\\0' x").stdout) == 300000


def test_clocks_keep_together(pi):
    offsets = [pi.machine.clock_offset() for _ in range(5)]
    assert max(error for _, error in offsets) < 0.0005
    assert np.ptp([offset for offset, _ in offsets]) < 0.0005


def test_phone_finds_the_speaker_and_pairs(bare_bluez, phone):
    assert phone.sees(bare_bluez.address)
    phone.pair(bare_bluez.address)
    assert phone.is_bonded(bare_bluez.address)
    assert phone.address in bare_bluez.sh("bluetoothctl devices Bonded").stdout


def test_adapter_comes_back_with_its_address(pi):
    pi.unplug()
    pi.wait_for(lambda: not pi.sh("ls /sys/class/bluetooth").stdout.strip())
    pi.plug()
    pi.wait_for(lambda: pi.address in pi.sh("bluetoothctl list").stdout)


@pytest.mark.parametrize(("rate", "name"), [(44100, "S16_LE"), (48000, "S32_LE")])
def test_recording_is_what_was_played(pi, rate, name):
    with pi.recording() as heard:
        pi.sh(PLAY_TONE.format(rate=rate, format=name))
    segment = heard.segments[-1]
    assert (segment.clock.rate, segment.format) == (rate, name)
    assert segment.clock.error < 0.001
    loud = np.flatnonzero(np.abs(segment.samples[:, 0]) > 0.01)
    tone = segment.samples[loud[0] : loud[-1], 0]
    assert len(tone) > rate
    spectrum = np.abs(np.fft.rfft(tone[:rate] * np.hanning(rate)))
    assert abs(int(spectrum.argmax()) - 441) <= 1


@pytest.mark.parametrize("planar", [False, True], ids=["interleaved", "planar"])
def test_microphone_hears_what_it_is_given(pi, planar):
    taking = pi.background(TAKE.format("--separate-channels" if planar else ""))
    state = "cat /proc/asound/Loopback/pcm0c/sub0/status"
    pi.wait_for(lambda: "RUNNING" in pi.sh(state).stdout, what="the capture")
    began = pi.now()
    with pi.microphone(signals.two_tone(441, 997, 1.5)) as said:
        taking.result()
    assert 0 < said.time_of(0) - began < 2 and said.clock.error < 0.001
    part = analysis.steady(taken(pi, planar) / 32768, 48000)
    assert len(part) > 0.8 * 48000 and not glitches(part, 48000, [441, 997])
    for (tone,), frequency in zip(analysis.tones(part, 48000), (441, 997), strict=True):
        assert abs(tone.frequency - frequency) < 0.1 and abs(tone.level + 12) < 0.1


def taken(pi, planar):
    """What the capture wrote: one file, or one for each channel."""
    files = ["taken.0", "taken.1"] if planar else ["taken"]
    channels = [np.fromfile(pi.machine.share / file, "<i2") for file in files]
    length = min(map(len, channels))
    if planar:
        return np.stack([each[:length] for each in channels], axis=1)
    return channels[0][: length // 2 * 2].reshape(-1, 2)


def test_reboot_keeps_files_and_brings_the_adapter_back(pi):
    pi.write("/var/lib/lab/kept", "still here")
    before = pi.machine.boots[-1]
    pi.reboot()
    assert pi.machine.boots[-1] != before
    assert pi.sh("cat /var/lib/lab/kept").stdout == "still here"
    pi.wait_for(lambda: pi.address in pi.sh("bluetoothctl list").stdout)
