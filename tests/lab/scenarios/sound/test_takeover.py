"""Several phones, one speaker: who is heard, measured on what its sound card played."""

import numpy as np
from telephony import saw

from labkit import analysis, signals

ANNA, BEN = 441.0, 997.0
"""What each phone plays, in Hz."""
LEVEL = -12.0
PIECE = 0.025
"""Seconds of which is told who is heard in them."""
FADE = 2
"""Pieces in which two may be heard: the fade of one into the other."""
LOUD = LEVEL - 20.0
"""Above this, in dBFS, somebody hears a tone; what one tone leaves of itself at the other's frequency
in a piece that short is less."""
STEEPEST = 2 * np.pi * BEN / 48000 * signals.decibel(LEVEL)
"""By how much the louder of two samples in a row differs from the other, in such a tone."""
KEPT = 3.0
"""Seconds for which the speaker is kept for a phone that has stopped."""


def tone(frequency, seconds=60.0):
    return signals.two_tone(frequency, frequency, seconds, LEVEL)


def both_play(speaker, phones):
    """Two phones are connected, and Anna's plays."""
    anna, ben = phones(2)
    for phone in (anna, ben):
        speaker.invite(phone)
    for phone in (anna, ben):
        phone.connect(speaker.address)
    anna.play(tone(ANNA))
    speaker.wait_playing(anna)
    return anna, ben


def heard(recording):
    """Whether each of the two is heard, piece by piece."""
    step = round(PIECE * recording.rate)
    samples = recording.samples
    pieces = [samples[at : at + step] for at in range(0, len(samples) - step, step)]
    levels = [
        [analysis.level(piece, recording.rate, each)[0] for each in (ANNA, BEN)] for piece in pieces
    ]
    return np.array(levels) > LOUD


def check_turns(recording, *turns):
    """They are heard one after another in this order (columns of heard()), never two at once for
    longer than a fade, each for a second at least, and none ends or begins with a click. Returns
    how long it was silent after each but the last."""
    pieces = heard(recording)
    together = np.convolve(np.all(pieces, axis=1), np.ones(FADE + 1), "valid")
    assert not np.any(together > FADE), "two phones are heard together"
    alone = [(at, int(np.argmax(each))) for at, each in enumerate(pieces) if each.sum() == 1]
    runs = [[alone[0]]]
    for each in alone[1:]:
        if each[1] != runs[-1][-1][1]:
            runs.append([])
        runs[-1].append(each)
    assert [run[0][1] for run in runs] == list(turns), [(run[0], run[-1]) for run in runs]
    assert min(len(run) for run in runs) * PIECE >= 1
    steps = np.max(np.abs(np.diff(recording.samples, axis=0)))
    assert steps < 2 * STEEPEST, f"a click: a step of {steps:.3f}"
    return [
        (after[0][0] - before[-1][0] - 1) * PIECE
        for before, after in zip(runs, runs[1:], strict=False)
    ]


def wait(speaker, seconds):
    until = speaker.pi.now() + seconds
    speaker.pi.wait_for(lambda: speaker.pi.now() > until, timeout=seconds + 10)


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
    pieces = heard(recording)
    assert np.mean(pieces[:, 1]) > 0.9 and not np.any(pieces[:, 0])
