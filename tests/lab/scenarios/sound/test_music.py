"""What comes out of the speaker, measured on what its sound card played."""

import itertools

import numpy as np
import pytest

from labkit import analysis, signals
from labkit.figures import delays
from labkit.glitches import glitches

LEVEL = -12.0
LEFT, RIGHT = 441.0, 997.0
SECONDS = 3.0
JITTER_MS = 15.0
"""A stream begins with a buffer of 35 ms, before anything is known of its jitter. A turn of the graph
takes 11 ms of it and threads that wake up late 3 ms; the rest is for the lab, which is late too."""

RATES = [16000, 32000, 44100, 48000]
MODES = ["mono", "dual", "stereo", "joint"]
AAC_RATES = [44100, 48000]
AAC_CHANNELS = ["stereo", "mono"]
PARAMETERS = {
    "coarse": {"blocks": 4, "subbands": 4, "bitpool": 31, "allocation": "snr"},
    "middle": {"blocks": 8, "subbands": 8, "bitpool": 35, "allocation": "snr"},
    "4 subbands": {"blocks": 12, "subbands": 4, "bitpool": 29, "channels": "dual"},
    "xq": {"blocks": 16, "subbands": 8, "bitpool": 38, "channels": "dual"},
    "two frames a packet": {"blocks": 16, "subbands": 8, "bitpool": 53, "frames_per_packet": 2},
    "largest": {"blocks": 16, "subbands": 8, "bitpool": 76, "channels": "joint"},
}
CLICK_EVERY, CLICKS, SETTLING = 0.5, 12, 3
"""Seconds from click to click, how many there are, and how many come while the buffer settles."""
TOLD_MS = 15.0
"""By so much the delay that a phone is told may differ from the one that is heard. A change of up to
10 ms is not told; what is told begins when a packet is at dotd, after some milliseconds of air; and the
recording is good to 1 ms. What a packet lasts is in neither, because the lab's phones send one when its
first sample is due. All of this goes by the lab's clock, however slow that is."""


def play(pi, phone, sound, **parameters):
    """Plays a sound to its end and returns the recording of it."""
    with pi.recording() as heard:
        phone.play(sound, **parameters).wait()
        phone.stop()
    return heard


def check_tones(heard, left=LEFT, right=RIGHT, level=LEVEL, what=""):
    """Both tones are there, each on its side, at their level, and whole."""
    part = analysis.steady(heard.samples, heard.rate, 0.3)
    assert len(part) > 1.8 * heard.rate, f"{what}: too little was heard"
    found = [tones[0] for tones in analysis.tones(part, heard.rate)]
    for side, tone, frequency in zip(("left", "right"), found, (left, right), strict=True):
        assert abs(tone.frequency - frequency) < 0.005 * frequency, f"{what}, {side}: {tone}"
        assert abs(tone.level - level) < 0.5, f"{what}, {side}: {tone}"
    check_whole(part, heard.rate, left, right, what)


def check_whole(part, rate, left=LEFT, right=RIGHT, what=""):
    """Nothing breaks the tones."""
    broken = glitches(part, rate, [left, right])
    assert not broken, f"{what}: {broken}"


@pytest.fixture(params=["sbc", "aac"])
def coder(request, phones):
    """A phone that has no other codec."""
    return phones(1, codecs=[request.param])[0]


def test_two_tones_in_aac(speaker, phones):
    (phone,) = phones(1, codecs=("aac", "sbc"))
    speaker.welcome(phone)
    for rate, channels in itertools.product(AAC_RATES, AAC_CHANNELS):
        sound = signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL, rate)
        if channels == "mono":
            sound = signals.tone(LEFT, SECONDS, LEVEL, rate)
        what = f"{rate} Hz {channels}"
        heard = play(speaker.pi, phone, sound, channels=channels)
        check_tones(heard, LEFT, LEFT if channels == "mono" else RIGHT, what=what)
        told = [line for line in speaker.pi.journal().splitlines() if "is playing, AAC" in line]
        assert told[-1].endswith(f"AAC {rate / 1000:g} kHz {channels}"), told


@pytest.mark.parametrize("rate", RATES)
def test_two_tones_in_every_mode_at(speaker, phone, rate):
    speaker.invite(phone)
    for channels in MODES:
        sound = signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL, rate)
        if channels == "mono":
            sound = signals.tone(LEFT, SECONDS, LEVEL, rate)
        heard = play(speaker.pi, phone, sound, rate=rate, channels=channels)
        check_tones(heard, LEFT, LEFT if channels == "mono" else RIGHT, what=channels)


def test_two_tones_with_other_parameters(speaker, phone):
    speaker.invite(phone)
    sound = signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL)
    for what, parameters in PARAMETERS.items():
        check_tones(play(speaker.pi, phone, sound, **parameters), what=what)


@pytest.mark.parametrize("volume", [50, 10, 1])
def test_each_volume_is_heard(speaker, phone, volume):
    speaker.invite(phone)
    speaker.dotctl("volume", str(volume))
    heard = play(speaker.pi, phone, signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL))
    check_tones(heard, level=LEVEL + signals.loudness(volume))


@pytest.mark.parametrize("count", [2, 3])
def test_phones_are_connected_at_once_and_each_can_play(speaker, phones, count):
    family = phones(count)
    for phone in family:
        speaker.invite(phone)
    for phone in family:
        phone.connect(speaker.address)
    speaker.pi.wait_for(
        lambda: sum(known["connected"] for known in speaker.phones()) == count,
        what=f"{count} phones connected",
    )
    for number, phone in enumerate(family):
        left, right = LEFT * (1 + number / 4), RIGHT * (1 + number / 4)
        heard = play(speaker.pi, phone, signals.two_tone(left, right, SECONDS, LEVEL))
        check_tones(heard, left, right)
    assert all(phone.connected_to for phone in family)


def test_lost_packets_cost_short_concealed_gaps(speaker, coder):
    speaker.invite(coder)
    coder.link_quality(loss=0.01, seed=7)
    sound = signals.two_tone(LEFT, RIGHT, 15.0, LEVEL)
    with speaker.pi.recording() as heard:
        playback = coder.play(sound)
        playback.wait()
        coder.stop()
    lost = sum(packet.sent is None for packet in playback.packets)
    assert lost >= 5, "the air lost nothing, so this shows nothing"
    part = analysis.steady(heard.samples, heard.rate)
    peak = np.max(np.abs(part))
    assert peak < signals.decibel(LEVEL + 1), "concealment is louder than the music"
    steps = np.max(np.abs(np.diff(part, axis=0)), axis=0)
    slopes = 2 * np.pi * np.array([LEFT, RIGHT]) / heard.rate * signals.decibel(LEVEL)
    assert np.all(steps < 2.0 * slopes), "concealment clicks"
    silent = sum(glitch.seconds for glitch in glitches(part, heard.rate) if glitch.kind == "gap")
    assert silent < 0.02 * lost, f"{silent:.3f} s of silence for {lost} packets"
    for tones, frequency in zip(analysis.tones(part, heard.rate), (LEFT, RIGHT), strict=True):
        assert abs(tones[0].level - LEVEL) < 0.5
        assert abs(tones[0].frequency - frequency) < 0.005 * frequency


def test_jitter_is_not_heard(speaker, coder):
    speaker.invite(coder)
    coder.link_quality(jitter_ms=JITTER_MS, seed=11)
    with speaker.pi.recording() as heard:
        playback = coder.play(signals.two_tone(LEFT, RIGHT, 10.0, LEVEL))
        playback.wait()
        coder.stop()
    assert playback.dropped == 0
    spread = 1000 * np.ptp(playback.lateness)
    assert spread > 0.75 * JITTER_MS, "the air delayed nothing, so this shows nothing"
    what = f"packets up to {spread:.0f} ms late"
    check_tones(heard, what=what)
    part = analysis.steady(heard.samples, heard.rate)
    assert len(part) > 9.0 * heard.rate, f"{what}: only {len(part) / heard.rate:.1f} s were heard"


def test_suspend_is_silent_and_resume_goes_on(speaker, phone):
    speaker.invite(phone)
    with speaker.pi.recording() as heard:
        playback = phone.play(signals.two_tone(LEFT, RIGHT, 6.0, LEVEL))
        speaker.wait_playing(phone)
        phone.suspend()
        suspended = speaker.pi.now()
        speaker.wait_silent(phone)
        speaker.pi.wait_for(lambda: speaker.pi.now() > suspended + 1.5)
        phone.resume()
        resumed = speaker.pi.now()
        playback.wait()
        phone.stop()
    # The buffer plays out after the last packet; then there is silence until packets come again.
    from_frame = int(heard.clock.frame_at(suspended + 0.5))
    to_frame = int(heard.clock.frame_at(resumed))
    assert to_frame - from_frame > 0.5 * heard.rate
    assert np.max(np.abs(heard.samples[from_frame:to_frame])) < signals.decibel(-80)
    after = heard.samples[int(heard.clock.frame_at(resumed + 1.0)) :]
    part = analysis.steady(after, heard.rate)
    for tones, frequency in zip(analysis.tones(part, heard.rate), (LEFT, RIGHT), strict=True):
        assert abs(tones[0].frequency - frequency) < 0.005 * frequency
        assert abs(tones[0].level - LEVEL) < 0.5
    check_whole(part, heard.rate)


@pytest.mark.parametrize("side", ["phone", "speaker"])
def test_disconnecting_ends_the_music_and_it_can_begin_again(speaker, phone, side):
    speaker.invite(phone)
    with speaker.pi.recording() as heard:
        began = speaker.pi.now()
        phone.play(signals.two_tone(LEFT, RIGHT, 60.0, LEVEL))
        speaker.wait_playing(phone)
        speaker.pi.wait_for(lambda: speaker.pi.now() > began + 2.0)
        if side == "phone":
            phone.disconnect()
        else:
            speaker.dotctl("disconnect", phone.name)
            phone.wait_event("disconnected")
        speaker.wait_connected(phone, False)
        ended = speaker.pi.now()
        speaker.pi.wait_for(lambda: speaker.pi.now() > ended + 1.0)
    assert np.max(np.abs(heard.samples)) > signals.decibel(LEVEL - 3), "it was not heard before"
    rest = heard.samples[int(heard.clock.frame_at(ended + 0.5)) :]
    assert len(rest) and np.max(np.abs(rest)) < signals.decibel(-80)
    check_tones(play(speaker.pi, phone, signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL)))


def test_speaker_calls_a_phone_and_the_phone_plays(speaker, phone):
    speaker.invite(phone)
    speaker.part(phone)
    speaker.dotctl("connect", phone.name)
    speaker.wait_connected(phone, True)
    check_tones(play(speaker.pi, phone, signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL)))


def test_phone_walks_out_of_range_and_comes_back(speaker, phone):
    speaker.invite(phone)
    phone.play(signals.two_tone(LEFT, RIGHT, 60.0, LEVEL))
    speaker.wait_playing(phone)
    phone.out_of_range()
    speaker.wait_connected(phone, False, timeout=40)
    phone.in_range()
    check_tones(play(speaker.pi, phone, signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL)))


def test_stream_is_named_after_the_phone_and_goes_where_the_file_says(speaker, phone):
    sink = "factory.name=support.null-audio-sink node.name=den node.description=Den"
    graph = "export PIPEWIRE_RUNTIME_DIR=/run/dotd;"
    properties = f"{{ {sink} media.class=Audio/Sink object.linger=true audio.position=[FL,FR] }}"
    speaker.pi.sh(f"{graph} pw-cli create-node adapter '{properties}'")
    speaker.invite(phone)
    phone.play(signals.two_tone(LEFT, RIGHT, 60.0, LEVEL))
    speaker.wait_playing(phone)

    def plays_to():
        objects = {each["id"]: each for each in speaker.pi.sh(f"{graph} pw-dump").json()}
        properties = {
            number: each["info"]["props"]
            for number, each in objects.items()
            if each["type"] == "PipeWire:Interface:Node"
        }
        (stream,) = [
            number for number, each in properties.items() if each.get("application.name") == "dotd"
        ]
        assert properties[stream]["node.description"] == phone.name
        assert properties[stream]["media.role"] == "Music"
        links = [e["info"] for e in objects.values() if e["type"] == "PipeWire:Interface:Link"]
        ends = [link["input-node-id"] for link in links if link["output-node-id"] == stream]
        return {properties[end]["node.name"] for end in ends}

    assert len(plays_to()) == 1 and "den" not in plays_to(), "the default is the sound card"
    speaker.pi.config('[audio]\noutput = "Den"\n')
    speaker.pi.sh("systemctl reload dotd")
    speaker.pi.wait_for(lambda: plays_to() == {"den"}, what="music in the den")
    assert speaker.status()["sound"]["output"] == "Den"


def test_phone_is_told_the_delay_that_is_heard(speaker, coder):
    speaker.invite(coder)
    sound = signals.clicks(CLICK_EVERY, CLICK_EVERY * (CLICKS + 1), bed=-30.0)
    with speaker.pi.recording() as recorded:
        playback = coder.play(sound).wait()
        coder.stop()
    clicks = analysis.click_times(recorded.samples, recorded.rate)
    found = [recorded.clock.time_of(at * recorded.rate) for at in clicks]
    reports = [event for event in coder.events if event.kind == "delay-report"]
    apart = []
    for due in [playback.time_of(mark) for mark in sound.marks][SETTLING:]:
        # The last one that the phone was told by then.
        told = [report.details["ms"] for report in reports if report.time < due]
        assert told, "the phone was told nothing"
        apart += [told[-1] - heard for heard in delays(found, [due], CLICK_EVERY)]
    assert len(apart) >= CLICKS - SETTLING - 1, "too few clicks were heard"
    assert abs(np.median(apart)) <= TOLD_MS, f"told more than heard by, in ms: {np.round(apart, 1)}"


def test_music_waits_as_long_as_the_file_says(speaker, phone):
    speaker.invite(phone)
    sound = signals.clicks(CLICK_EVERY, CLICK_EVERY * (CLICKS + 1), bed=-30.0)
    heard = {}
    for delay in ("100", "250", '"low"'):
        speaker.pi.config(f"[music]\ndelay = {delay}\n")
        speaker.pi.sh("systemctl reload dotd")
        with speaker.pi.recording() as recorded:
            playback = phone.play(sound).wait()
            phone.stop()
        clicks = analysis.click_times(recorded.samples, recorded.rate)
        found = [recorded.clock.time_of(at * recorded.rate) for at in clicks]
        due = [playback.time_of(mark) for mark in sound.marks][SETTLING:]
        heard[delay] = np.median(delays(found, due, CLICK_EVERY))
    assert heard["250"] - heard["100"] == pytest.approx(150, abs=10), heard
    assert heard['"low"'] < heard["100"] - 50, heard


def test_name_in_the_file_is_in_the_air_after_a_reload_and_nobody_hears_it(speaker, phones):
    anna, ben = phones(2)
    speaker.invite(anna)
    with speaker.pi.recording() as heard:
        playback = anna.play(signals.two_tone(LEFT, RIGHT, 12.0))
        speaker.wait_playing(anna)
        speaker.pi.config('[speaker]\nname = "Küche"\n')
        speaker.pi.sh("systemctl reload dotd")
        speaker.dotctl("pair")
        found = ben.sees(speaker.address)
        playback.wait()
        anna.stop()
    assert found and found.name == "Küche"
    part = analysis.steady(heard.samples, heard.rate)
    assert len(part) > 8 * heard.rate
    assert not glitches(part, heard.rate, [LEFT, RIGHT]), "somebody heard the reload"


def test_no_phone_is_louder_than_the_file_allows(speaker, phone):
    speaker.pi.config("[volume]\nstart = 40\nmax = 50\n")
    speaker.pi.sh("systemctl reload dotd")
    speaker.dotctl("pair")
    phone.pair(speaker.address)
    speaker.wait_phones(1)
    sound = signals.two_tone(LEFT, RIGHT, SECONDS, LEVEL)
    check_tones(play(speaker.pi, phone, sound), level=LEVEL + signals.loudness(40))
    speaker.dotctl("volume", "100", "--phone", phone.address)
    check_tones(play(speaker.pi, phone, sound), level=LEVEL + signals.loudness(50))
