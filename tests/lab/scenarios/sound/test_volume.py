"""How loud it is, whoever turns it: measured on what the sound card played, and on the phone's slider.

An old phone (no absolute volume) has a slider of its own, of which the speaker knows nothing.
"""

import numpy as np
import pytest
from telephony import saw
from turns import LEVEL, PIECE, TONES, levels, tone, wait

from labkit import analysis, signals

TONE = TONES[0]
SILENCE = signals.decibel(-80)
SOON = 0.3
"""Seconds from the word to what comes of it, buffers and all."""
SETTLED = 0.5
"""Seconds before the next word in which it is as it was told to be."""
MUTED = 0.2
"""Seconds after `dotctl mute` has answered until nothing is heard: the fade, and what lies before the
card and its other side."""
COMES_LATE = 2.5
"""Seconds after its music at which the remote control of a phone comes that is late with it."""
OFF = 1.0
"""By how many dB a piece of a tone may be off."""


def loud(volume):
    """How loud the tone is at a volume."""
    return LEVEL + signals.loudness(volume)


def slider(volume):
    """Where the phone's slider (0 to 127) stands at a volume."""
    return (volume * 127 + 50) // 100


def play(speaker, phone, volume):
    """It plays at this volume, which its slider, if it has one, shows."""
    phone.play(tone(TONE))
    speaker.wait_playing(phone)
    turn(speaker, phone, volume, "speaker")


def turn(speaker, phone, volume, side):
    """Turns the volume on one side; returns when, once the other side knows."""
    began = speaker.pi.now()
    if side == "phone":
        phone.set_volume(slider(volume))
    else:
        speaker.dotctl("volume", str(volume))
    speaker.pi.wait_for(
        lambda: speaker.find(phone)["volume"] == volume and phone.volume in (slider(volume), None),
        what=f"volume {volume}",
    )
    return began


def level_at(recording, begin, end):
    """The level of the tone from one time to another."""
    first, last = (round(recording.clock.frame_at(time)) for time in (begin, end))
    return analysis.level(recording.samples[first:last], recording.rate, TONE)[0]


def check_turned(recording, *turned):
    """From each volume (when it was turned, to what) it went to the next one, and not beyond."""
    heard = levels(recording, (TONE,))[:, 0]
    times = recording.clock.time_of(np.arange(len(heard)) * round(PIECE * recording.rate))
    ends = [*(began for began, _ in turned[2:]), times[-1]]
    for (_, before), (began, after), end in zip(turned[:-1], turned[1:], ends, strict=True):
        way = heard[(times > began) & (times < end - PIECE)]
        there = np.median(way[-round(SETTLED / PIECE) :])
        assert abs(there - loud(after)) < 0.5, f"{after}: {there:.1f} dBFS"
        low, high = sorted((loud(before), loud(after)))
        assert low - OFF < way.min() and way.max() < high + OFF, (
            f"from {low:.1f} to {high:.1f} dBFS it was between {way.min():.1f} and {way.max():.1f}"
        )


# Turned


@pytest.mark.parametrize(
    ("side", "absolute"),
    [("speaker", True), ("speaker", False), ("phone", True)],
    ids=["at the speaker", "at the speaker, with an old phone", "on the phone"],
)
def test_volume_that_is_turned_goes_where_it_shall_and_no_further(speaker, phones, side, absolute):
    (phone,) = phones(1, absolute_volume=absolute)
    speaker.invite(phone)
    play(speaker, phone, 60)
    with speaker.pi.recording() as recording:
        turned = [(speaker.pi.now(), 60)]
        for volume in (30, 80, 50):
            wait(speaker, 1.0)
            turned.append((turn(speaker, phone, volume, side), volume))
        wait(speaker, 1.0)
    check_turned(recording, *turned)
    assert phone.volume == (slider(50) if absolute else None)


def test_step_by_step_it_goes_up_and_down(speaker, phone):
    speaker.invite(phone)
    play(speaker, phone, 50)
    with speaker.pi.recording() as recording:
        for step in (*["+5"] * 6, *["-3"] * 4):
            speaker.dotctl("volume", step)
        speaker.dotctl("volume", "7/10")
        wait(speaker, 1.0)
        ended = speaker.pi.now()
    assert speaker.find(phone)["volume"] == 70 and phone.volume == slider(70)
    assert abs(level_at(recording, ended - 0.5, ended) - loud(70)) < 0.5
    highest = max(levels(recording, (TONE,))[:, 0])
    assert highest < loud(80) + OFF, f"{highest:.1f} dBFS: louder than it was ever to be"


def test_two_who_turn_at_once_lose_no_step_and_agree_on_the_end(speaker, phone):
    speaker.invite(phone)
    play(speaker, phone, 50)
    steps = "set -e; for _ in $(seq 10); do dotctl volume {} >/dev/null; done"
    both = [speaker.pi.background(steps.format(step)) for step in ("+3", "-2")]
    assert [each.result().rc for each in both] == [0, 0]
    assert speaker.find(phone)["volume"] == 60
    ways = "set -e; for volume in $(seq {}); do dotctl volume $volume >/dev/null; done"
    both = [speaker.pi.background(ways.format(way)) for way in ("41 50", "71 80")]
    assert [each.result().rc for each in both] == [0, 0]
    last = speaker.find(phone)["volume"]
    assert last in (50, 80), "the end of one of the two"
    speaker.pi.wait_for(lambda: phone.volume == slider(last), what="the slider at its place")
    wait(speaker, SOON)
    samples, clock = speaker.pi.record(1.0)
    assert abs(analysis.level(samples[clock.rate // 2 :], clock.rate, TONE)[0] - loud(last)) < 0.5
    assert speaker.find(phone)["volume"] == last and phone.volume == slider(last)


# Bounds


def test_slider_cannot_go_above_the_ceiling(speaker, phone):
    speaker.configure("[volume]\nstart = 40\nmax = 50\n")
    speaker.invite(phone)
    play(speaker, phone, 50)
    with speaker.pi.recording() as recording:
        for volume in (127, 100):
            began = speaker.pi.now()
            phone.set_volume(volume)
            saw(phone, "volume", began, volume=slider(50), by="speaker")
        speaker.dotctl("volume", "100")
        wait(speaker, 1.0)
    assert speaker.find(phone)["volume"] == 50 and phone.volume == slider(50)
    heard = levels(recording, (TONE,))[:, 0]
    assert abs(np.median(heard) - loud(50)) < 0.5 and max(heard) < loud(50) + OFF


def test_new_phone_is_no_louder_than_it_starts(speaker, phone):
    speaker.dotctl("pair")
    phone.pair(speaker.address)
    speaker.wait_phones(1)
    with speaker.pi.recording() as recording:
        phone.play(tone(TONE))
        speaker.wait_playing(phone)
        wait(speaker, 1.5)
    check_no_louder(recording, 60)
    assert phone.volume == slider(60)


def test_phone_that_comes_back_with_its_slider_up_is_as_loud_as_before(speaker, phone):
    """Many a phone sends its own volume as soon as it is connected."""
    speaker.invite(phone)
    speaker.dotctl("volume", "30", "--phone", phone.address)
    speaker.part(phone)
    with speaker.pi.recording() as recording:
        phone.connect(speaker.address)
        phone.set_volume(127)
        phone.play(tone(TONE))
        speaker.wait_playing(phone)
        wait(speaker, 1.5)
    assert speaker.find(phone)["volume"] == 30
    assert phone.volume == slider(30), "it is shown where its slider belongs"
    check_no_louder(recording, 30)


def test_phone_whose_slider_comes_late_and_high_is_as_loud_as_before(speaker, phone):
    """Its volume is not known before its remote control comes, long after its music."""
    phone.late_remote(COMES_LATE)
    speaker.invite(phone)
    speaker.dotctl("volume", "30", "--phone", phone.address)
    with speaker.pi.recording() as recording:
        phone.play(tone(TONE))
        opened = saw(phone, "stream", state="open")
        came = saw(phone, "profile", name="avrcp", open=True)
        phone.set_volume(127)
        speaker.pi.wait_for(lambda: phone.volume == slider(30), what="the slider at its place")
        wait(speaker, 2.0)
    assert came.time - opened.time > COMES_LATE - 0.1, "it was not late"
    assert speaker.find(phone)["volume"] == 30
    check_no_louder(recording, 30)
    turn(speaker, phone, 50, "phone")


def check_no_louder(recording, volume):
    """From its first sample on it is not louder than this, and in the end just as loud."""
    assert np.max(np.abs(recording.samples)) < signals.decibel(loud(volume) + OFF)
    last = recording.samples[-recording.rate // 2 :]
    assert abs(analysis.level(last, recording.rate, TONE)[0] - loud(volume)) < 0.5


# Muted


def test_mute_silences_at_once_and_the_sound_comes_back_as_it_was(speaker, phone):
    speaker.invite(phone)
    play(speaker, phone, 80)
    with speaker.pi.recording() as recording:
        began = speaker.pi.now()
        wait(speaker, 1.0)
        speaker.dotctl("mute")
        muted = speaker.pi.now()
        assert speaker.status()["sound"]["muted"]
        wait(speaker, 1.0)
        unmuting = speaker.pi.now()
        speaker.dotctl("unmute")
        wait(speaker, 1.5)
        ended = speaker.pi.now()
    first, last = (round(recording.clock.frame_at(time)) for time in (muted + MUTED, unmuting))
    assert np.max(np.abs(recording.samples[first:last])) < SILENCE
    before = level_at(recording, began + 0.2, began + 1.0)
    after = level_at(recording, ended - 0.7, ended)
    assert abs(before - loud(80)) < 0.5 and abs(after - before) < 0.2, (before, after)
    heard = levels(recording, (TONE,))[:, 0]
    assert max(heard) < loud(80) + OFF, "it comes back with a bang"
    assert speaker.find(phone)["volume"] == 80 and phone.volume == slider(80)


@pytest.mark.parametrize("side", ["speaker", "phone"])
def test_whoever_turns_the_volume_hears_it_again(speaker, phone, side):
    speaker.invite(phone)
    play(speaker, phone, 60)
    speaker.dotctl("mute")
    turn(speaker, phone, 40, side)
    speaker.pi.wait_status(lambda status: not status["sound"]["muted"], what="the end of mute")
    wait(speaker, SOON)
    samples, clock = speaker.pi.record(1.0)
    assert abs(analysis.level(samples[clock.rate // 2 :], clock.rate, TONE)[0] - loud(40)) < 0.5


def test_phone_that_begins_while_all_is_muted_is_not_heard(speaker, phone):
    speaker.invite(phone)
    speaker.dotctl("mute")
    with speaker.pi.recording() as recording:
        phone.play(tone(TONE))
        speaker.wait_playing(phone)
        wait(speaker, 1.5)
    assert np.max(np.abs(recording.samples)) < SILENCE
    speaker.dotctl("unmute")
    wait(speaker, SOON)
    samples, clock = speaker.pi.record(1.0)
    assert abs(analysis.level(samples[clock.rate // 2 :], clock.rate, TONE)[0] - loud(100)) < 0.5
