"""Several phones, one speaker: who is heard, measured on what its sound card played."""

import numpy as np
from telephony import saw

from labkit import analysis, signals

ANNA, BEN = 441.0, 997.0
"""What each phone plays, in Hz."""
LEVEL = -12.0
PIECE = 0.05
"""Seconds in which two phones may be heard together: the fade of one into the other."""
LOUD = LEVEL - 20.0
"""Above this, in dBFS, somebody hears a tone; what one tone leaves of itself at the other's frequency
in a piece that short is less."""


def tone(frequency, seconds=30.0):
    return signals.two_tone(frequency, frequency, seconds, LEVEL)


def both_play(speaker, phones):
    """Anna's phone plays, and then Ben's; returns what each is playing."""
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
    pieces = range(0, len(recording.samples) - step, step)
    levels = [
        [analysis.level(recording.samples[at : at + step], recording.rate, each)[0] for each in (ANNA, BEN)]
        for at in pieces
    ]
    return np.array(levels) > LOUD


def check_turns(recording, *turns):
    """They are heard one after another in this order (columns of heard()), never two at once for
    longer than a fade, and each for a second at least."""
    pieces = heard(recording)
    together = np.all(pieces, axis=1)
    assert not np.any(together[:-1] & together[1:]), "two phones are heard together"
    alone = [int(np.argmax(piece)) for piece in pieces if piece.sum() == 1]
    runs = [alone[0]]
    lengths = [0]
    for each in alone:
        if each != runs[-1]:
            runs.append(each)
            lengths.append(0)
        lengths[-1] += 1
    assert runs == list(turns), (runs, lengths)
    assert min(lengths) * PIECE >= 1, lengths


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
        wait(speaker, 2.5)
        began = speaker.pi.now()
        anna.resume()
        saw(ben, "key", began, key="pause")
        wait(speaker, 2.5)
    check_turns(recording, 0, 1, 0)


def test_phone_that_plays_on_is_not_heard_until_the_speaker_is_free(speaker, phones):
    anna, ben = both_play(speaker, phones)
    anna.obey(False)
    with speaker.pi.recording() as recording:
        wait(speaker, 2.0)
        ben.play(tone(BEN))
        speaker.wait_playing(ben)
        wait(speaker, 2.5)
        ben.stop()
        wait(speaker, 6.0)
    check_turns(recording, 0, 1, 0)
