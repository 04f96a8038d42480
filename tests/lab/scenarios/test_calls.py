"""Calls, steered from the speaker or from the phone: what one side does, the other one sees."""

import pytest
from telephony import (
    ANNA,
    BEN,
    PATIENCE,
    call,
    calls,
    hang_up,
    reconnect,
    saw,
    states,
    talk,
    told,
    voice_problem,
    wait_caller,
    wait_calls,
    wait_gone,
    wait_some_microphone,
    wait_told,
)

from labkit import signals
from labkit.phone import PhoneError
from labkit.pi import SOUND_SERVER

HANDS_FREE_1_9 = 0x0109
RECORDED = 0x13F
"""No echo, three-way calls, callers' numbers, the assistant, our volume, wide band and super wide band
speech, and nothing else (HFP 1.9, 6.3)."""
COMMANDED = 0x1FF
"""The first five of these, the list of calls, the end of one of several, codecs, our battery (4.34)."""
THREADS_OF_A_CALL = ("dotd-voice", "data-loop")
"""What codes a call's sound, and what hands it to PipeWire: PipeWire's own, within dotd."""
REAL_TIME = {"FF", "RR"}
"""How ps calls the classes that go before all others."""
ATTACKS = ["attack_open_hands_free", "attack_open_voice"]
CALLERS = [
    ("+4930123456", None),
    ("0891234", "Ben"),
    ("", None),
    ("+861391234567", "李 Süß 🎉"),
    ("+49301234567890123456789012345678", None),
]
WRITTEN = {
    "030 1234-56": "030123456",
    "+49 (30) 12.34/56": "+4930123456",
    "*100#": "*100#",
    "00441632960961": "00441632960961",
}


# The connection


@pytest.mark.parametrize("model", ["iphone", "android", "plain"])
def test_phone_connects_and_the_speaker_claims_what_it_can(calling, model):
    phone = calling(model)
    record = phone.hands_free_record()
    assert record.version == HANDS_FREE_1_9
    assert record.features == RECORDED, hex(record.features)
    claimed = saw(phone, "hfp", state="ready").details["features"]
    assert claimed == COMMANDED, hex(claimed)
    asked = [event.details["line"] for event in phone.events if event.kind == "asked"]
    for line in asked:
        if line.startswith("AT+BAC="):
            assert set(line.removeprefix("AT+BAC=").split(",")) == {"1", "2", "3"}


def test_speaker_connects_a_phone_for_calls_too(speaker, calling):
    phone = calling()
    speaker.part(phone)
    began = speaker.pi.now()
    speaker.dotctl("connect", phone.name)
    assert saw(phone, "hfp", began, state="open").details["by"] == "speaker"
    saw(phone, "hfp", began, state="ready")
    wait_told(speaker, phone)


def check_turned_away(speaker, stranger):
    """Neither the channel nor a voice link is to be had."""
    for attack in ATTACKS:
        with pytest.raises(PhoneError):
            getattr(stranger, attack)(speaker.address)
    assert not [event for event in stranger.events if event.details.get("state") == "open"]
    known = speaker.find(stranger)
    assert known is None or not known["trusted"]


def test_stranger_gets_neither_a_channel_nor_a_voice(speaker, calling, phones):
    # While a trusted phone is away the radio answers pages at all, and refuses those of others.
    speaker.part(calling())
    (stranger,) = phones(1, calls="android")
    check_turned_away(speaker, stranger)
    assert not [event for event in stranger.events if event.kind == "hfp"]


def test_no_bonding_link_gets_neither_even_in_the_window(speaker, phones):
    (stranger,) = phones(1, calls="iphone")
    stranger.pair(speaker.address, bonding=False)
    check_turned_away(speaker, stranger)
    # The record is for all to see.
    saw(stranger, "hfp", state="offered")


def test_phone_that_brings_its_music_alone_is_fetched_for_calls(speaker, phones):
    (phone,) = phones(1, calls="iphone")
    speaker.invite(phone)
    began = speaker.pi.now()
    phone.play(signals.tone(seconds=20.0))
    assert saw(phone, "hfp", began, state="open").details["by"] == "speaker"
    wait_told(speaker, phone)


NOISE = [
    b"\xff\x00\x0d" * 700,
    b"x" * 5000,
    b"\r\n+CIEV: 99,99\r\n\r\n+CIEV:\r\n\r\n+CIEV: 1,-7\r\n",
    b"\r\n+CLCC: 1,0,0\r\n\r\nOK\r\n\r\nERROR\r\n\r\n+BCS: 77\r\n",
    b'\r\n+CLIP: "' + b"9" * 2000 + b"\r\n",
    b"\r\n+NONSENSE: 1\r\n\r\nRI",
]


def test_noise_on_the_line_ends_no_call(speaker, calling):
    """Too long, not text, unknown, out of order, unfinished."""
    phone = calling()
    talk(speaker, phone)
    before = speaker.pi.sh("systemctl show -P MainPID dotd").stdout
    for noise in NOISE:
        phone.send_raw(noise)
    phone.send_raw(b"\r\n")
    call(speaker, "dtmf", "5")
    saw(phone, "asked", what="dtmf", value="5")
    wait_calls(speaker, "active")
    hang_up(speaker, phone)
    assert speaker.pi.sh("systemctl show -P MainPID dotd").stdout == before


def test_voice_needs_the_hands_free_profile(speaker, calling):
    phone = calling()
    phone.hands_free(False)
    wait_gone(speaker, phone)
    with pytest.raises(PhoneError):
        phone.attack_open_voice(speaker.address)
    assert phone.voice_codec is None


# One call


def test_call_is_shown_answered_and_ended_at_the_speaker(speaker, calling):
    phone = calling()
    phone.ring(ANNA, "Anna Süß")
    ringing = wait_caller(speaker, ANNA, "Anna Süß")
    assert ringing.phone == phone.address and ringing.incoming and ringing.answered is None
    rung = speaker.pi.now()
    call(speaker, "answer")
    saw(phone, "asked", rung, what="answer")
    saw(phone, "audio", rung, state="open", codec="msbc", by="phone")
    (talking,) = wait_calls(speaker, "active")
    assert talking.since == ringing.since <= talking.answered
    assert states(phone) == ["active"]
    wait_told(speaker, phone, lambda shown: shown.voice == "msbc", what="the voice")
    call(speaker, "hangup")
    saw(phone, "asked", rung, what="hang-up")
    saw(phone, "audio", rung, state="closed")
    wait_calls(speaker)
    assert states(phone) == []
    assert told(speaker, phone).voice is None


def listeners(speaker):
    """The streams that are there to capture sound, whatever it is of, and whether they do so."""
    objects = speaker.pi.sh(f"{SOUND_SERVER} pw-dump").json()
    nodes = [each["info"] for each in objects if "props" in (each.get("info") or {})]
    return [
        (info["props"]["object.serial"], info["props"]["node.name"], info["state"] == "running")
        for info in nodes
        if info["props"].get("media.class", "").startswith("Stream/Input/")
    ]


def linked(speaker, serial):
    """Whether the stream with this number has been given something to capture."""
    objects = speaker.pi.sh(f"{SOUND_SERVER} pw-dump").json()
    links = [each["info"]["input-node-id"] for each in objects if each["type"].endswith(":Link")]
    nodes = [each for each in objects if each["id"] in links]
    return any(each["info"]["props"]["object.serial"] == serial for each in nodes)


def classes(speaker, thread):
    """How the threads of dotd that have this in their name are scheduled."""
    pid = speaker.pi.sh("systemctl show -P MainPID dotd").stdout.strip()
    lines = speaker.pi.sh(f"ps -L -o cls=,comm= -p {pid}").stdout.splitlines()
    named = [line.split(maxsplit=1) for line in lines]
    return [scheduled for scheduled, name in named if thread in name]


def test_microphone_is_listened_to_in_a_call_only_and_in_real_time(speaker, calling):
    phone = calling()
    wait_some_microphone(speaker)
    assert not listeners(speaker), "there is no call"
    ours = f"dotd.microphone.{phone.address.replace(':', '_')}"
    phone.ring(ANNA)
    ((serial, name, _),) = speaker.pi.wait_for(lambda: listeners(speaker), what="who will listen")
    assert name == ours
    speaker.pi.wait_for(lambda: linked(speaker, serial), what="its link to the microphone")
    rung = speaker.pi.now()
    while speaker.pi.now() < rung + 1:
        assert listeners(speaker) == [(serial, ours, False)], "the room is heard before the call is"
    call(speaker, "answer")
    same = [(serial, ours, True)]
    speaker.pi.wait_for(lambda: listeners(speaker) == same, what="the only listener")
    for thread in THREADS_OF_A_CALL:
        scheduled = classes(speaker, thread)
        assert scheduled and set(scheduled) <= REAL_TIME, (thread, scheduled)
    hang_up(speaker, phone)
    speaker.pi.wait_for(lambda: not listeners(speaker), what="the end of listening")
    wait_some_microphone(speaker)


def test_call_that_rings_is_refused_or_given_up(speaker, calling):
    phone = calling()
    phone.ring(ANNA)
    wait_calls(speaker, "incoming")
    call(speaker, "reject")
    saw(phone, "asked", what="hang-up")
    wait_calls(speaker)
    assert states(phone) == []
    phone.ring(BEN)
    wait_calls(speaker, "incoming")
    phone.hang_up()
    wait_calls(speaker)


def test_call_answered_at_the_phone_is_shown_and_left_alone(speaker, calling):
    phone = calling()
    phone.ring(ANNA)
    wait_calls(speaker, "incoming")
    phone.answer_on_phone("phone")
    wait_calls(speaker, "active")
    assert told(speaker, phone).voice is None
    phone.hang_up()
    wait_calls(speaker)
    assert not [event for event in phone.events if event.kind == "audio"]
    assert not [event for event in phone.events if event.details.get("what") == "audio"]
    phone.ring(ANNA)
    wait_calls(speaker, "incoming")
    phone.answer_on_phone("speaker")
    wait_told(speaker, phone, lambda shown: shown.voice == "msbc", what="the voice")
    phone.hang_up()
    wait_calls(speaker)


def test_voice_that_does_not_come_is_told_of_until_one_does(speaker, calling):
    phone = calling()
    phone.misbehave(no_audio=True)
    began = speaker.pi.now()
    phone.ring(ANNA)
    wait_calls(speaker, "incoming")
    call(speaker, "answer")
    saw(phone, "audio", began, state="withheld")
    problem = speaker.pi.wait_for(lambda: voice_problem(speaker), PATIENCE, "what is wrong")
    assert "choose the speaker on the phone" in problem, "what to do"
    wait_calls(speaker, "active")
    assert states(phone) == ["active"], "it goes on at the phone"
    call(speaker, "hangup")
    wait_calls(speaker)
    assert voice_problem(speaker) == problem, "no voice has come yet"
    phone.misbehave()
    talk(speaker, phone)
    speaker.pi.wait_for(lambda: not voice_problem(speaker), PATIENCE, "the end of the complaint")


def test_callers_are_shown_as_the_phone_tells_them(speaker, calling):
    phone = calling()
    for number, name in CALLERS:
        phone.ring(number, name)
        wait_caller(speaker, number, name)
        phone.hang_up()
        wait_calls(speaker)


# Calling somebody


def test_numbers_are_dialled_as_people_write_them(speaker, calling):
    phone = calling("android")
    for written, number in WRITTEN.items():
        call(speaker, "dial", written)
        saw(phone, "asked", what="dial", value=number)
        (alerting,) = wait_calls(speaker, "alerting")
        assert not alerting.incoming and alerting.number == number
        hang_up(speaker, phone)


def test_party_that_was_called_takes_the_call(speaker, calling):
    phone = calling()
    call(speaker, "dial", ANNA)
    saw(phone, "audio", state="open", codec="msbc")
    (alerting,) = wait_calls(speaker, "alerting")
    assert alerting.answered is None
    phone.accept()
    (talking,) = wait_calls(speaker, "active")
    assert talking.answered is not None and not talking.incoming
    phone.hang_up()
    wait_calls(speaker)


def test_last_number_and_the_phone_s_memory_are_dialled(speaker, calling):
    phone = calling()
    refused = call(speaker, "redial", check=False)
    assert refused.rc == 6 and "refused" in refused.stderr, refused
    phone.remember({2: BEN})
    for words, number in ((["dial", ANNA], ANNA), (["redial"], ANNA), (["memory", "2"], BEN)):
        began = speaker.pi.now()
        call(speaker, *words)
        saw(phone, "call", began, state="alerting", number=number)
        (alerting,) = wait_calls(speaker, "alerting")
        assert alerting.number == number
        hang_up(speaker, phone)
    saw(phone, "asked", what="redial")
    saw(phone, "asked", what="dial", value=">2")
    assert call(speaker, "memory", "9", check=False).rc == 6


# During a call


def test_keys_are_pressed_one_by_one(speaker, calling):
    phone = calling()
    talk(speaker, phone)
    call(speaker, "dtmf", "12#a")
    pressed = [e.details["value"] for e in phone.events if e.details.get("what") == "dtmf"]
    assert pressed == ["1", "2", "#", "A"]
    assert call(speaker, "dtmf", "12x", check=False).rc == 2


def test_call_is_set_aside_and_taken_up_again(speaker, calling):
    phone = calling()
    talk(speaker, phone)
    for state in ("held", "active"):
        began = speaker.pi.now()
        call(speaker, "hold")
        saw(phone, "asked", began, what="hold", value="2")
        wait_calls(speaker, state)
        assert states(phone) == [state]


def test_second_call_is_answered_swapped_and_joined(speaker, calling):
    phone = calling()
    talk(speaker, phone, ANNA)
    phone.waiting_call(BEN, "Ben")
    _, waiting = wait_calls(speaker, "active", "waiting")
    assert (waiting.number, waiting.name) == (BEN, "Ben")
    call(speaker, "answer")
    saw(phone, "asked", what="hold", value="2")
    wait_calls(speaker, "held", "active")
    call(speaker, "swap")
    wait_calls(speaker, "active", "held")
    assert states(phone) == ["active", "held"]
    call(speaker, "merge")
    saw(phone, "asked", what="hold", value="3")
    assert all(each.multiparty for each in wait_calls(speaker, "active", "active"))
    for _ in range(2):
        phone.hang_up()
    wait_calls(speaker)


def test_second_call_is_taken_in_place_of_the_first_or_refused(speaker, calling):
    phone = calling()
    talk(speaker, phone, ANNA)
    phone.waiting_call(BEN)
    wait_calls(speaker, "active", "waiting")
    call(speaker, "answer", "--end-others")
    saw(phone, "asked", what="hold", value="1")
    (left,) = wait_calls(speaker, "active")
    assert left.number == BEN
    phone.waiting_call(ANNA)
    speaker.pi.wait_for(lambda: len(calls(speaker)) == 2, what="the waiting call")
    call(speaker, "reject")
    saw(phone, "asked", what="hold", value="0")
    (left,) = wait_calls(speaker, "active")
    assert left.number == BEN and phone.voice_codec == "msbc"


def test_one_of_several_calls_is_ended(speaker, calling):
    phone = calling("android")
    talk(speaker, phone, ANNA)
    phone.waiting_call(BEN)
    wait_calls(speaker, "active", "waiting")
    call(speaker, "answer")
    held, _ = wait_calls(speaker, "held", "active")
    call(speaker, "hangup", held.number_in_list)
    saw(phone, "asked", what="hold", value="11")
    (left,) = wait_calls(speaker, "active")
    assert left.number == BEN and states(phone) == ["active"]


@pytest.mark.parametrize("model", ["iphone", "plain"])
def test_voice_moves_to_the_phone_and_back(speaker, calling, model):
    phone = calling(model)
    codec = talk(speaker, phone)
    for side in ("speaker", "phone"):
        began = speaker.pi.now()
        if side == "speaker":
            call(speaker, "transfer")
        else:
            phone.transfer_to_phone()
        assert saw(phone, "audio", began, state="closed").details["by"] == side
        wait_told(speaker, phone, lambda shown: shown.voice is None, what="no voice")
        wait_calls(speaker, "active")
        call(speaker, "transfer")
        if model == "plain":
            # It negotiates no codec, so the speaker opens the link itself.
            assert saw(phone, "audio", began, state="open").details["by"] == "speaker"
        else:
            saw(phone, "asked", began, what="audio")
        wait_told(speaker, phone, lambda shown: shown.voice == codec, what="the voice")
    assert states(phone) == ["active"]


def test_assistant_is_started_and_stopped_at_either_side(speaker, calling):
    phone = calling()
    speaker.dotctl("assistant", "start")
    saw(phone, "asked", what="assistant", value="1")
    saw(phone, "audio", state="open")
    wait_told(speaker, phone, lambda shown: shown.assistant and shown.voice, what="the assistant")
    began = speaker.pi.now()
    speaker.dotctl("assistant", "stop")
    saw(phone, "asked", began, what="assistant", value="0")
    saw(phone, "audio", began, state="closed")
    for on in (True, False):
        phone.set_assistant(on)
        wait_told(speaker, phone, lambda shown: shown.assistant == on, what="the assistant")
    assert not phone.assistant and calls(speaker) == []


# What is shown of the phone, and refusals


def test_call_volume_and_what_the_phone_tells_are_shown(speaker, calling):
    phone = calling()
    wait_told(speaker, phone, lambda shown: shown.operator == "Lab Mobile", what="the operator")
    phone.set_indicators(battery=2, signal=1, roaming=True)
    wait_told(
        speaker,
        phone,
        lambda shown: (shown.battery, shown.signal, shown.roaming) == (2, 1, True),
        what="battery, signal and roaming",
    )
    speaker.pi.wait_for(lambda: phone.speaker_battery == 100, what="our own battery")
    talk(speaker, phone)
    phone.speaker_volume(3)
    wait_told(speaker, phone, lambda shown: shown.volume == 20, what="the phone's volume")
    speaker.dotctl("volume", "100")
    speaker.pi.wait_for(lambda: phone.gains["speaker"] == 15, what="our volume")
    assert told(speaker, phone).volume == 100
    hang_up(speaker, phone)
    phone.set_indicators(service=False)
    wait_told(speaker, phone, lambda shown: shown.service is False, what="no network")
    refused = call(speaker, "dial", ANNA, check=False)
    assert refused.rc == 6 and "network" in refused.stderr, refused


def test_refusals_say_why(speaker, calling):
    phone = calling()
    for words, code in (
        (["answer"], 9),
        (["hangup"], 9),
        (["merge"], 9),
        (["dtmf", "1"], 9),
        (["dial", "Anna"], 2),
        (["dial", ANNA, "--phone", "nobody"], 4),
    ):
        refused = call(speaker, *words, check=False)
        assert refused.rc == code and refused.stderr, (words, refused)
    speaker.part(phone)
    for options in ([], ["--phone", phone.name]):
        refused = call(speaker, "dial", ANNA, *options, check=False)
        assert refused.rc == 7 and "dotctl connect" in refused.stderr, refused
    reconnect(speaker, phone)
    call(speaker, "dial", ANNA)
    wait_calls(speaker, "alerting")


def test_two_phones_need_a_choice_and_their_calls_know_of_each_other(speaker, calling):
    anna, ben = calling(), calling("android")
    refused = call(speaker, "dial", BEN, check=False)
    assert refused.rc == 5 and anna.name in refused.stderr and ben.name in refused.stderr, refused
    call(speaker, "dial", BEN, "--phone", anna.name)
    saw(anna, "asked", what="dial", value=BEN)
    wait_calls(speaker, "alerting")
    anna.accept()
    wait_calls(speaker, "active")
    ben.ring(ANNA)

    def shown():
        return {each.phone: each.state for each in calls(speaker)}

    def both(first, second):
        expected = {anna.address: first, ben.address: second}
        speaker.pi.wait_for(lambda: shown() == expected, what=f"calls {first} and {second}")

    both("active", "waiting")
    began = speaker.pi.now()
    call(speaker, "answer")
    saw(anna, "asked", began, what="hold", value="2")
    saw(ben, "asked", began, what="answer")
    saw(ben, "audio", began, state="open")
    both("held", "active")
    call(speaker, "hangup", "--phone", ben.name)
    speaker.pi.wait_for(lambda: shown() == {anna.address: "held"}, what="the first call alone")
    call(speaker, "hold")
    wait_calls(speaker, "active")
    call(speaker, "hangup")
    wait_calls(speaker)
    assert states(anna) == states(ben) == []
