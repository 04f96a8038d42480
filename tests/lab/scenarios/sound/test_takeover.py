"""Several phones, one speaker: who is heard, measured on what its sound card played."""

import numpy as np
from telephony import saw
from turns import TONES, check_turns, heard, tone, wait

ANNA, BEN = TONES[:2]
"""What each phone plays, in Hz."""
KEPT = 3.0
"""Seconds for which the speaker is kept for a phone that has stopped."""


def connected(speaker, phones, count):
    """So many phones are connected."""
    family = phones(count)
    for phone in family:
        speaker.invite(phone)
    for phone in family:
        phone.connect(speaker.address)
    return family


def both_play(speaker, phones):
    """Two phones are connected, and Anna's plays."""
    anna, ben = connected(speaker, phones, 2)
    anna.play(tone(ANNA))
    speaker.wait_playing(anna)
    return anna, ben


def test_whoever_presses_play_has_the_speaker(speaker, phones):
    anna, ben = both_play(speaker, phones)
    with speaker.pi.recording() as recording:
        wait(speaker, 2.0)
        began = speaker.pi.now()
        ben.play(tone(BEN))
        saw(anna, "key", began, key="pause")
        saw(anna, "stream", began, state="suspended")
        wait(speaker, 2.0)
        began = speaker.pi.now()
        anna.resume()
        saw(ben, "key", began, key="pause")
        wait(speaker, 2.0)
    check_turns(recording, 0, 1, 0)


def test_each_of_three_is_heard_in_turn_and_the_others_rest(speaker, phones):
    family = connected(speaker, phones, 3)
    with speaker.pi.recording() as recording:
        for number, phone in enumerate(family):
            began = speaker.pi.now()
            phone.play(tone(TONES[number]))
            speaker.wait_playing(phone)
            if number:
                saw(family[number - 1], "key", began, key="pause")
                saw(family[number - 1], "stream", began, state="suspended")
            wait(speaker, 2.0)
    check_turns(recording, 0, 1, 2)


def test_phone_that_plays_on_is_not_heard_until_the_speaker_is_free(speaker, phones):
    anna, ben = both_play(speaker, phones)
    anna.obey(False)
    with speaker.pi.recording() as recording:
        wait(speaker, 2.0)
        began = speaker.pi.now()
        ben.play(tone(BEN))
        saw(anna, "key", began, key="pause")
        wait(speaker, 2.0)
        ben.stop()
        wait(speaker, KEPT + 2.0)
    _, silent = check_turns(recording, 0, 1, 0)
    assert KEPT - 0.5 < silent < KEPT + 1.0, silent


def test_phone_that_keeps_its_stream_open_takes_the_speaker_back(speaker, phones):
    anna, ben = both_play(speaker, phones)
    anna.linger()
    with speaker.pi.recording() as recording:
        wait(speaker, 2.0)
        began = speaker.pi.now()
        ben.play(tone(BEN))
        saw(anna, "key", began, key="pause")
        wait(speaker, 2.0)
        began = speaker.pi.now()
        anna.resume()
        saw(ben, "key", began, key="pause")
        wait(speaker, 2.0)
    assert not [e for e in anna.events if e.time > began and e.kind == "stream"], "it was open"
    check_turns(recording, 0, 1, 0)


def test_ping_of_another_phone_stops_no_music(speaker, phones):
    anna, ben = both_play(speaker, phones)
    with speaker.pi.recording() as recording:
        wait(speaker, 2.0)
        began = speaker.pi.now()
        ben.play(tone(BEN, 1.2), announced=False).wait()
        wait(speaker, 5.0)
    assert not [e for e in anna.events if e.time > began and e.kind == "key"]
    check_turns(recording, 0, 1, 0)


def test_restart_of_the_sound_server_lets_nobody_else_be_heard(speaker, phones):
    anna, ben = both_play(speaker, phones)
    anna.obey(False)
    ben.play(tone(BEN))
    speaker.wait_playing(ben)
    speaker.pi.sh("systemctl restart dotd-pipewire dotd-wireplumber")
    speaker.pi.wait_status(lambda status: status["sound"]["state"] == "ready", what="an output")
    wait(speaker, 1.0)
    with speaker.pi.recording() as recording:
        wait(speaker, 3.0)
    pieces = heard(recording, (ANNA, BEN))
    assert np.mean(pieces[:, 1]) > 0.9 and not np.any(pieces[:, 0])
