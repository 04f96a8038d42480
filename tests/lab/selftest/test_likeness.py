"""Speech is found again after its way, and what the way did to it is told."""

import numpy as np
import pytest
from labkit import signals
from labkit.likeness import likeness
from labkit.signals import Signal
from labkit.voice import CODECS

RATE = 48000


@pytest.fixture(scope="module")
def speech():
    return signals.speech()


def delayed(sound: Signal, seconds: float) -> np.ndarray:
    gap = np.zeros(round(seconds * sound.rate))
    return np.concatenate([gap, sound.samples[:, 0], np.zeros(sound.rate)])


def test_speech_is_speech_and_the_same_every_time(speech):
    assert 3 < speech.seconds < 6
    assert np.max(np.abs(speech.samples)) == pytest.approx(signals.decibel(-6))
    assert np.array_equal(speech.samples, signals.speech().samples)


@pytest.mark.parametrize("level", [0, -12])
def test_the_same_sound_later_and_softer_is_the_same(speech, level):
    alike = likeness(speech, delayed(speech, 0.7) * signals.decibel(level), RATE)
    assert alike.correlation > 0.999 and alike.intelligibility > 0.99
    assert alike.level == pytest.approx(level, abs=0.01)
    assert alike.begin == pytest.approx(0.7, abs=1e-4) and alike.wander == alike.jumps == 0


def test_what_was_cut_off_at_the_beginning_is_missing(speech):
    alike = likeness(speech, delayed(speech, 0)[round(0.6 * RATE) :], RATE)
    assert alike.begin == pytest.approx(-0.6, abs=1e-4)
    assert alike.correlation < 0.99


@pytest.mark.parametrize("codec", CODECS.values(), ids=lambda codec: codec.name)
def test_a_codec_changes_little(speech, codec):
    pcm = speech.at(codec.rate).pcm(1)[:, 0]
    encoder, decoder, size = codec.encoder(), codec.decoder(), codec.frame_samples
    whole = range(0, len(pcm) // size * size, size)
    heard = np.concatenate([decoder.decode(encoder.encode(pcm[at : at + size])) for at in whole])
    alike = likeness(speech, heard / 32768, codec.rate, codec.rate)
    assert alike.correlation > 0.95 and abs(alike.level) < 0.8 and alike.intelligibility > 0.9
    assert 0 <= alike.begin < 0.02


def test_a_clock_that_runs_away_costs_nothing(speech):
    """200 ppm, which is more than any two clocks differ by."""
    times = np.arange(len(speech.samples) + RATE) / (1 + 200e-6)
    heard = np.interp(times, np.arange(len(speech.samples)), speech.samples[:, 0], right=0.0)
    alike = likeness(speech, heard, RATE)
    assert alike.correlation > 0.98
    assert 0.0004 < alike.wander < 0.0015 and alike.jumps == 0


@pytest.mark.parametrize("ms", [10, -10])
@pytest.mark.parametrize("at", [0.9, 1.45, 2.25])
def test_a_delay_that_jumps_costs_what_is_missing_only(speech, at, ms):
    """As when a buffer that ran dry is filled again, or one that ran over is emptied."""
    sound, place = speech.samples[:, 0], round(at * RATE)
    if ms > 0:
        heard = np.insert(sound, place, np.zeros(ms * RATE // 1000))
    else:
        heard = np.delete(sound, slice(place, place - ms * RATE // 1000))
    alike = likeness(speech, heard, RATE)
    assert alike.correlation > 0.98
    assert alike.wander == pytest.approx(0.01, abs=1e-4) and alike.jumps == 1


@pytest.mark.parametrize("phrases", [2, 3])
@pytest.mark.parametrize("ms", [20, -20])
def test_a_stream_that_skips_or_repeats_twice_a_second_is_told(phrases, ms):
    """Piece by piece hardly anything is missing, which is why the jumps are counted."""
    said = signals.speech(phrases)
    sound, length = said.samples[:, 0], abs(ms) * RATE // 1000
    pieces = np.split(sound, range(RATE // 2, len(sound), RATE // 2))
    if ms > 0:
        pieces = [np.concatenate([piece, piece[-length:]]) for piece in pieces]
    else:
        pieces = [piece[length:] for piece in pieces]
    alike = likeness(said, np.concatenate(pieces), RATE)
    assert alike.jumps > 2 and alike.wander > 0.03, alike


def test_more_than_one_jump_in_a_word_is_heard(speech):
    """Each 20 ms of speech come twice, as when packets are repeated."""
    pieces = np.split(speech.samples[:, 0], range(960, len(speech.samples), 960))
    stuttered = np.concatenate([piece for piece in pieces[:-1:2] for _ in range(2)])
    assert likeness(speech, stuttered, RATE).correlation < 0.9


def test_noise_and_silence_are_no_speech(speech):
    noise = np.random.default_rng(1).normal(0, 0.1, len(speech.samples) + RATE)
    alike = likeness(speech, noise, RATE)
    assert abs(alike.correlation) < 0.2 and alike.intelligibility < 0.5
    assert likeness(speech, np.zeros(RATE), RATE).correlation == 0


def test_the_more_is_lost_the_less_is_understood(speech):
    heard = delayed(speech, 0.2)
    dice = np.random.default_rng(1)
    understood = []
    for loss in (0.0, 0.1, 0.4):
        frames = np.repeat(dice.random(len(heard) // 360 + 1) >= loss, 360)[: len(heard)]
        understood.append(likeness(speech, heard * frames, RATE).intelligibility)
    assert understood == sorted(understood, reverse=True)
    assert understood[0] > 0.99 and understood[2] < 0.9
