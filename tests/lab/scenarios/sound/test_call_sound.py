"""What two people hear of each other, measured at the speaker's sound card and at the phone.

The far party is the phone's `speak` and `listening`; the near one is what the card plays and what
its microphone hears.
"""

from dataclasses import asdict

import numpy as np
import pytest
from telephony import (
    ANNA,
    call,
    hang_up,
    microphone,
    reconnect,
    saw,
    talk,
    told,
    wait_calls,
    wait_microphone,
    wait_some_microphone,
    wait_told,
)

from labkit import analysis, signals
from labkit.likeness import Likeness, likeness
from labkit.pi import SOUND_SERVER
from labkit.recording import Room
from labkit.voice import CODECS

TONES = (441.0, 997.0)
LATE = 0.25
"""Seconds from mouth to ear at which people begin to interrupt each other."""
WANDER = 0.03
JUMPS = 2
"""By how many seconds, and how often, the delay may change. A stop of the host costs 10 to 20 ms, and
one jump away and one back; so does what a new call has to learn of its clocks."""
SOFTER = -14.0
"""What seven of the phone's 15 steps less do to the room, in dB: 2 each."""
CHOSEN = '[calls]\nmicrophone = "{name}"\n'
ECHO = "[calls]\necho-cancelling = false\n"
CANCELLER = "/usr/lib/*/spa-0.2/aec/libspa-aec-webrtc.so"
NO_PHONE_S_OWN = "AT+NREC=0"
"""Has a phone leave cancelling echo to the speaker (HFP 1.9, 4.24)."""


def voices_ready(speaker):
    """How many streams for voices are linked to what they will be heard on."""
    objects = speaker.pi.sh(f"{SOUND_SERVER} pw-dump").json()
    links = [each["info"]["output-node-id"] for each in objects if each["type"].endswith(":Link")]
    resting = [each["info"]["props"] for each in objects if each["id"] in links]
    return len([each for each in resting if each.get("media.role") == "Communication"])


def turn_up(speaker, phone):
    """Nobody makes anything softer."""
    speaker.dotctl("volume", "100")
    speaker.pi.wait_for(lambda: phone.gains["speaker"] == 15, what="the full volume")
    phone.microphone_volume(15)


def hear_down(speaker, phone, sound, meanwhile=None):
    """The far party says something, and somebody does something while it does; returns what was
    said, and the recording of what the card played."""
    with speaker.pi.recording() as heard:
        said = phone.speak(sound)
        if meanwhile:
            meanwhile()
            assert not said.finished, "it was said too early to show anything"
        said.wait()
        wait_until(speaker, said.time_of(0) + said.seconds + 0.5)
    return said, heard


def hear_up(speaker, phone, sound, room=None):
    """Somebody in the room says something; returns that, and what the far party hears."""
    with phone.listening() as heard, speaker.pi.microphone(sound, room=room) as said:
        heard.wait_more(sound.seconds + 0.7)
    return said, heard


def wait_until(speaker, time):
    speaker.pi.wait_for(lambda: speaker.pi.now() > time, timeout=30)


def check_alike(alike: Likeness, level=0.0):
    """It was heard as it was said, so much louder, and in one piece."""
    assert alike.correlation >= 0.9 and abs(alike.level - level) <= 1, alike
    assert alike.wander <= WANDER and alike.jumps <= JUMPS, alike


def check_down(speaker, phone, sound, meanwhile=None):
    """The far party is heard in the room as it spoke, and soon, whatever is done meanwhile."""
    said, heard = hear_down(speaker, phone, sound, meanwhile)
    alike = likeness(sound, heard.samples, heard.rate, said.rate)
    check_alike(alike)
    delay = heard.clock.time_of(alike.begin * heard.rate) - said.time_of(0)
    assert 0 < delay < LATE, f"{delay:.3f} s late: {alike}"


def check_up(speaker, phone, sound, room=None, level=0.0):
    """The room is heard by the far party as it is, so much louder, and soon; returns what it
    heard."""
    said, heard = hear_up(speaker, phone, sound, room)
    alike = likeness(sound, heard.samples, heard.rate, heard.rate)
    check_alike(alike, level)
    delay = heard.time_of(alike.begin * heard.rate) - said.time_of(0)
    assert 0 < delay < LATE, f"{delay:.3f} s late: {alike}"
    return heard


def check_pace(heard, codec):
    """As many bytes of voice come as the codec makes."""
    packets = heard.packets
    pace = sum(len(data) for _, data in packets[1:]) / (packets[-1][0] - packets[0][0])
    assert abs(pace / CODECS[codec].bytes_per_second - 1) < 0.01, f"{pace:.0f} bytes a second"


def check_room_is_heard(phone):
    """Something of the room is sent to the far party."""
    heard = phone.hear(1.5)
    assert analysis.loudness(heard.samples)[0] > -40


def check_zeros(phone):
    """Nothing at all is sent to the far party but the zeros of silence."""
    phone.hear(0.5)  # What was on its way.
    assert not np.any(phone.hear(1.0).samples)


# Both ways


@pytest.mark.parametrize(
    ("codec", "model"), [("cvsd", "iphone"), ("msbc", "iphone"), ("lc3", "android-swb")]
)
def test_two_people_hear_each_other(speaker, calling, codec, model):
    phone = calling(model)
    phone.prefer_codecs(codec)
    wait_some_microphone(speaker)
    assert talk(speaker, phone) == codec
    assert wait_told(speaker, phone, lambda shown: shown.voice).voice == codec
    turn_up(speaker, phone)
    sound = signals.speech()
    check_down(speaker, phone, sound)
    heard = check_up(speaker, phone, sound)
    assert phone.voice_counts.gaps == phone.voice_counts.bad == 0
    check_pace(heard, codec)
    hang_up(speaker, phone)


@pytest.mark.parametrize(
    ("model", "codec", "guessed"),
    [("iphone", "msbc", True), ("plain", "cvsd", True), ("android-swb", "lc3", False)],
)
def test_first_word_is_heard_though_it_comes_with_the_answer(
    speaker, calling, model, codec, guessed
):
    phone = calling(model)
    rate = CODECS[codec].rate
    if not guessed:
        # From then on it is known.
        assert talk(speaker, phone) == codec
        hang_up(speaker, phone)
    word = signals.speech(1)
    phone.keep_talking(word.at(rate))
    phone.ring(ANNA)
    speaker.pi.wait_for(lambda: voices_ready(speaker) == 1, what="the stream for the voice")
    began = speaker.pi.now()
    with speaker.pi.recording() as heard:
        call(speaker, "answer")
        assert saw(phone, "audio", began, state="open").details["codec"] == codec
        wait_until(speaker, speaker.pi.now() + word.seconds + 0.5)
    alike = likeness(word, heard.samples, heard.rate, rate)
    assert alike.correlation >= 0.95, alike


def test_both_are_heard_while_both_speak(speaker, calling, laboratory):
    phone = calling()
    wait_some_microphone(speaker)
    talk(speaker, phone)
    turn_up(speaker, phone)
    far, both = signals.speech(3), signals.speech(6)
    near = signals.Signal(both.samples[len(far.samples) :], both.rate)
    with (
        speaker.pi.recording() as down,
        phone.listening() as up,
        speaker.pi.microphone(near) as here,
    ):
        there = phone.speak(far)
        up.wait_more(max(far.seconds, near.seconds) + 1.5)
        there.wait()
    assert abs(there.time_of(0) - here.time_of(0)) < 1, "they spoke one after the other"
    room = likeness(far, down.samples, down.rate, there.rate)
    phones = likeness(near, up.samples, up.rate, up.rate)
    laboratory.note("both speak: far party in the room", **asdict(room))
    laboratory.note("both speak: room at the far party", **asdict(phones))
    check_alike(room)
    # The canceller holds the room down while the far party speaks, as each of its kind does: 0.74 to
    # 0.87 is left, and a stop of the host takes 0.08 of it.
    assert phones.intelligibility > 0.6, phones


def test_lost_packets_leave_speech_intelligible(speaker, calling, laboratory):
    """The phone's are lost on their way to the speaker, whose own keep their pace nevertheless."""
    phone = calling()
    wait_some_microphone(speaker)
    talk(speaker, phone)
    turn_up(speaker, phone)
    phone.voice_quality(loss=0.05, seed=3)
    sound = signals.speech(6)
    _, heard = hear_down(speaker, phone, sound)
    assert phone.voice_counts.dropped > 30, "the air lost nothing, so this shows nothing"
    alike = likeness(sound, heard.samples, heard.rate, 16000)
    laboratory.note("5 % of the packets lost: far party in the room", **asdict(alike))
    assert alike.intelligibility > 0.85, alike
    assert np.max(np.abs(heard.samples)) < signals.decibel(-3), "concealment is louder than speech"
    sound = signals.speech(3)
    _, heard = hear_up(speaker, phone, sound)
    alike = likeness(sound, heard.samples, heard.rate, heard.rate)
    laboratory.note("5 % of the packets lost: room at the far party", **asdict(alike))
    assert alike.intelligibility > 0.85, alike
    assert phone.voice_counts.gaps == phone.voice_counts.bad == 0
    check_pace(heard, "msbc")


def test_packets_of_another_size_carry_the_same_voice(speaker, calling):
    phone = calling()
    phone.voice_packets(24)
    talk(speaker, phone)
    turn_up(speaker, phone)
    check_down(speaker, phone, signals.speech(2))


def test_phone_whose_codec_fails_is_followed_to_the_one_that_always_works(speaker, calling):
    """The phone cannot open its link and proposes CVSD; test_call_routing.py has the speaker itself
    give a codec up."""
    phone = calling()
    phone.misbehave(broken_codecs={"msbc"})
    assert talk(speaker, phone) == "cvsd"
    turn_up(speaker, phone)
    check_down(speaker, phone, signals.speech(2))


def test_volumes_of_a_call_are_heard(speaker, calling):
    """That of the speaker in the room, that of its microphone at the far party."""
    phone = calling()
    wait_some_microphone(speaker)
    talk(speaker, phone)
    levels = []
    for volume, steps in (("100", 15), ("60", 9)):
        speaker.dotctl("volume", volume)
        speaker.pi.wait_for(lambda: phone.gains["speaker"] == steps, what=f"volume {volume}")
        _, heard = hear_down(speaker, phone, signals.tone(700, 1.5, -12))
        part = analysis.steady(heard.samples, heard.rate)
        levels.append(analysis.level(part, heard.rate, 700)[0])
    assert abs(levels[0] + 12) < 1
    assert abs(levels[1] - levels[0] - signals.loudness(60)) < 1, "as music"
    assert phone.gains["microphone"] == 15, "the speaker has said that it is heard as it is"
    phone.microphone_volume(8)
    check_up(speaker, phone, signals.speech(2), level=SOFTER)
    speaker.dotctl("mic", "volume", "100")
    speaker.pi.wait_for(lambda: phone.gains["microphone"] == 15, what="the louder microphone")
    check_up(speaker, phone, signals.speech(2))


def test_call_goes_on_through_a_pairing_window_and_a_reload(speaker, calling):
    phone = calling()
    talk(speaker, phone)
    turn_up(speaker, phone)
    sound = signals.speech(4)
    with speaker.pi.recording() as heard:
        said = phone.speak(sound)
        speaker.dotctl("pair")
        speaker.pi.config('[speaker]\nname = "Küche"\n')
        speaker.pi.sh("systemctl reload dotd")
        speaker.dotctl("pair", "stop")
        said.wait()
        wait_until(speaker, said.time_of(0) + said.seconds + 0.5)
    alike = likeness(sound, heard.samples, heard.rate, said.rate)
    # Four programs start meanwhile on the only core: a millisecond may be missing here and there.
    assert alike.intelligibility >= 0.9 and abs(alike.level) < 1, alike
    wait_calls(speaker, "active")


# The microphone


def test_without_a_microphone_the_caller_hears_zeros(speaker, calling):
    """Not the room by another microphone, and not the speaker's own sound."""
    speaker.pi.config(CHOSEN.format(name="not-there"))
    speaker.pi.sh("systemctl reload dotd")
    wait_microphone(speaker, None)
    phone = calling()
    talk(speaker, phone)
    turn_up(speaker, phone)
    music = signals.music(1)
    with speaker.pi.microphone(music, loop=True):
        said = phone.speak(music)
        check_zeros(phone)
        assert not said.finished, "the music was over too early to show anything"


def test_muted_microphone_sends_zeros_and_stays_muted(speaker, calling):
    phone = calling()
    wait_some_microphone(speaker)
    talk(speaker, phone)
    turn_up(speaker, phone)
    with speaker.pi.microphone(signals.speech(), loop=True):
        check_room_is_heard(phone)
        speaker.dotctl("mic", "off")
        assert microphone(speaker).muted
        check_zeros(phone)
        hang_up(speaker, phone)
        speaker.part(phone)
        speaker.pi.sh("systemctl restart dotd")
        speaker.wait_ready()
        reconnect(speaker, phone)
        wait_some_microphone(speaker)
        assert microphone(speaker).muted
        talk(speaker, phone)
        check_zeros(phone)
        speaker.dotctl("mic", "on")
        check_room_is_heard(phone)
    assert not microphone(speaker).muted


def test_microphone_is_pulled_out_in_a_call_and_put_back(speaker, calling):
    """Without one the far party does not hear itself by the speaker's own sound."""
    phone = calling()
    wait_some_microphone(speaker)
    talk(speaker, phone)
    turn_up(speaker, phone)
    sound = signals.speech()
    with speaker.pi.microphone(sound, loop=True):
        check_room_is_heard(phone)
    speaker.pi.unplug_microphone()
    wait_microphone(speaker, None)
    check_down(speaker, phone, sound, meanwhile=lambda: check_zeros(phone))
    speaker.pi.plug_microphone("Desk")
    wait_microphone(speaker, "Desk")
    with speaker.pi.microphone(sound, loop=True):
        check_room_is_heard(phone)
    assert told(speaker, phone).voice == "msbc"


def test_microphone_of_the_file_is_taken_when_it_comes(speaker, calling):
    speaker.pi.config(CHOSEN.format(name="Desk"))
    speaker.pi.sh("systemctl reload dotd")
    wait_microphone(speaker, None)
    phone = calling()
    talk(speaker, phone)
    turn_up(speaker, phone)
    check_zeros(phone)
    speaker.pi.plug_microphone("Desk")
    wait_microphone(speaker, "Desk")
    with speaker.pi.microphone(signals.speech(), loop=True):
        check_room_is_heard(phone)


# Echo


PIECE = 0.05
LEARNING = 0.5
"""The loudest moments, in seconds, that do not count where nobody speaks in the room, be the echo
cancelled or not: where its way leaps by a millisecond when the host stops, any canceller needs 0.2 s to
learn it anew."""


def usual(samples, rate):
    """How loud it is, in dB, but for the loudest moments."""
    pieces = np.array_split(samples, round(len(samples) / rate / PIECE))
    levels = np.array([max(analysis.loudness(piece)[0], -99.0) for piece in pieces])
    print("every 50 ms:", *levels.round().astype(int))
    counted = np.sort(levels)[: -round(LEARNING / PIECE)]
    return float(10 * np.log10(np.mean(10 ** (counted / 10))))


def answer_of(speaker, phone, room, far, near=None, known=True):
    """How loud, in dB, the far party hears itself when it speaks into a room; into one that is
    `known` it has spoken before. With `near` somebody says that there, over and over."""
    talks = near is not None
    sound = near if talks else signals.silence()
    with phone.listening() as heard, speaker.pi.microphone(sound, loop=talks, room=room):
        if known:
            phone.speak(far).wait()
        said = phone.speak(far).wait()
        heard.wait_more(0.5)
    begin = round((said.time_of(0) - heard.time_of(0)) * heard.rate)
    part = heard.samples[begin : begin + round(said.seconds * heard.rate)]
    return analysis.loudness(part)[0] if talks else usual(part, heard.rate)


def test_far_party_does_not_hear_itself(speaker, calling):
    """The room answers at -6 dB after 40 ms; 20 dB less than that may come back, most of the time."""
    phone = calling()
    saw(phone, "asked", line=NO_PHONE_S_OWN)
    wait_some_microphone(speaker)
    talk(speaker, phone)
    turn_up(speaker, phone)
    far, near, room = signals.speech(3), signals.speech(2), Room(level=-6.0, ms=40)
    left = answer_of(speaker, phone, room, far)
    check_up(speaker, phone, near, room)
    both = answer_of(speaker, phone, room, far, near)
    speaker.pi.config(ECHO)
    speaker.pi.sh("systemctl reload dotd")
    echo = answer_of(speaker, phone, room, far, known=False)
    print(f"echo {echo:.1f} dB, {left:.1f} dB of it are left; with a voice over it {both:.1f} dB")
    said = usual(far.samples, far.rate)
    assert abs(echo - room.level - said) < 3, "the room is another one"
    assert echo - left >= 20
    spoken = analysis.loudness(near.samples)[0]
    assert both > spoken - 10, "the room is not heard while the far party speaks"
    assert told(speaker, phone).voice == "msbc"


def test_canceller_that_is_missing_is_told_of_and_the_call_goes_on(speaker, calling):
    plugin = speaker.pi.sh(f"ls {CANCELLER}").stdout.strip()
    speaker.pi.sh(f"mv {plugin} {plugin}.away")
    try:
        speaker.pi.sh("systemctl restart dotd")
        speaker.wait_ready()
        phone = calling()
        wait_some_microphone(speaker)
        talk(speaker, phone)
        turn_up(speaker, phone)
        with speaker.pi.microphone(signals.speech(), loop=True):
            check_room_is_heard(phone)
        assert "apt install libspa-0.2-modules" in microphone(speaker).echo_problem
        hang_up(speaker, phone)
        talk(speaker, phone)
        assert microphone(speaker).echo_problem, "it is still missing"
        hang_up(speaker, phone)
        speaker.part(phone)
        began = speaker.pi.now()
        reconnect(speaker, phone)
        saw(phone, "asked", began, line="AT+COPS=3,0")
        asked = [event.details.get("line") for event in phone.events if event.time > began]
        assert NO_PHONE_S_OWN not in asked, "nobody cancels the echo"
    finally:
        speaker.pi.sh(f"mv {plugin}.away {plugin}")
    wait_some_microphone(speaker)
    talk(speaker, phone)
    speaker.pi.wait_for(lambda: not microphone(speaker).echo_problem, what="a canceller")


# Music and ringing


def play(speaker, phone):
    """A phone plays two tones; returns their levels as they are heard."""
    phone.play(signals.two_tone(*TONES, 60.0))
    speaker.wait_playing(phone)
    return music_levels(speaker)


def music_levels(speaker):
    """The levels of the two tones, of which one comes from each side."""
    samples, clock = speaker.pi.record(3.0)
    part = samples[-round(1.5 * clock.rate) :]
    return [analysis.level(part, clock.rate, tone)[side] for side, tone in enumerate(TONES)]


def check_same(before, after):
    assert np.allclose(before, after, atol=0.5), f"{before} dBFS before the call, {after} after it"


def test_music_of_another_phone_rests_during_a_call(speaker, calling):
    anna, ben = calling(), calling("android")
    before = play(speaker, anna)
    began = speaker.pi.now()
    talk(speaker, ben)
    saw(anna, "key", began, key="pause")
    saw(anna, "stream", began, state="suspended")
    turn_up(speaker, ben)
    check_down(speaker, ben, signals.speech(2))
    ended = speaker.pi.now()
    hang_up(speaker, ben)
    saw(anna, "key", ended, key="play")
    speaker.wait_playing(anna)
    check_same(before, music_levels(speaker))


def test_music_that_does_not_rest_is_not_heard_during_a_call(speaker, calling):
    anna, ben = calling(), calling("android")
    anna.obey(False)
    before = play(speaker, anna)
    talk(speaker, ben)
    samples, clock = speaker.pi.record(2.0)
    quiet = samples[-clock.rate :]
    assert np.max(np.abs(quiet)) < signals.decibel(-60), "music in a call"
    hang_up(speaker, ben)
    check_same(before, music_levels(speaker))


def test_music_that_begins_in_a_call_is_heard_after_it(speaker, calling):
    """It is not told to rest: it may be the ping of a message, and would be told to go on."""
    anna, ben = calling(), calling("android")
    talk(speaker, anna)
    turn_up(speaker, anna)
    began = speaker.pi.now()
    ben.play(signals.two_tone(*TONES, 60.0))
    speaker.wait_playing(ben)
    samples, _ = speaker.pi.record(1.5)
    assert np.max(np.abs(samples)) < signals.decibel(-60), "music in a call"
    check_down(speaker, anna, signals.speech(2))
    hang_up(speaker, anna)
    check_same([-12.0, -12.0], music_levels(speaker))
    keys = [event for event in ben.events if event.kind == "key" and event.time > began]
    assert not keys, f"nobody pressed a key: {keys}"


def test_phone_s_own_music_comes_back_after_its_call(speaker, calling):
    phone = calling()
    before = play(speaker, phone)
    began = speaker.pi.now()
    talk(speaker, phone)
    saw(phone, "stream", began, state="suspended")
    ended = speaker.pi.now()
    hang_up(speaker, phone)
    saw(phone, "stream", ended, state="streaming")
    speaker.wait_playing(phone)
    check_same(before, music_levels(speaker))


def test_speaker_rings_for_a_phone_that_sends_no_tone(speaker, calling):
    phone = calling()
    with speaker.pi.recording() as heard:
        phone.ring(ANNA)
        wait_calls(speaker, "incoming")
        rings = speaker.pi.now()
        wait_until(speaker, rings + 3.0)
        call(speaker, "reject")
        ended = speaker.pi.now()
        wait_until(speaker, ended + 1.5)
    frames = [round(heard.clock.frame_at(time)) for time in (rings, ended, ended + 0.5)]
    ringing, after = heard.samples[frames[0] : frames[1]], heard.samples[frames[2] :]
    assert np.max(np.abs(ringing)) > signals.decibel(-50), "it does not ring"
    assert np.max(np.abs(after)) < signals.decibel(-70), "it goes on ringing"


def test_speaker_leaves_ringing_to_a_phone_that_sends_a_tone(speaker, calling):
    phone = calling()
    with speaker.pi.recording() as heard:
        phone.ring(ANNA, in_band=True)
        wait_until(speaker, speaker.pi.now() + 4.0)
        phone.hang_up()
    step = heard.rate // 10
    pieces = [heard.samples[at : at + step, 0] for at in range(0, len(heard.samples) - step, step)]
    loud = [analysis.loudness(piece)[0] > -45 for piece in pieces]
    # Where the tone begins or ends within a piece, its frequency is anybody's guess.
    whole = [each for at, each in enumerate(pieces) if at and all(loud[at - 1 : at + 2])]
    assert len(whole) >= 8, "the phone's tone is not heard"
    for piece in whole:
        ((tone,),) = analysis.tones(piece, heard.rate)
        assert abs(tone.frequency - 425) < 15, f"another tone than the phone's: {tone}"
