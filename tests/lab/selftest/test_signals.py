"""Sounds are what they say they are, and survive a WAV file."""

import numpy as np
import pytest
from labkit import signals


def test_a_tone_has_the_level_it_was_asked_for():
    sound = signals.tone(1000, 1, level=-20, rate=48000)
    assert np.max(np.abs(sound.samples)) == pytest.approx(0.1, rel=1e-3)
    assert sound.seconds == 1


def test_clicks_start_at_their_marks():
    sound = signals.clicks(every=0.5, seconds=2, rate=48000)
    assert sound.marks == [24000, 48000, 72000]
    for mark in sound.marks:
        assert np.all(sound.samples[mark - 10 : mark] == 0)
        assert sound.samples[mark, 0] == pytest.approx(signals.decibel(-6))


def test_music_is_the_same_every_time_and_not_clipped():
    first, second = signals.music(), signals.music()
    assert np.array_equal(first.samples, second.samples)
    assert 8 < first.seconds < 20
    assert np.max(np.abs(first.samples)) == pytest.approx(signals.decibel(-3))
    assert not np.allclose(first.samples[:, 0], first.samples[:, 1])


def test_a_wav_file_gives_back_what_went_in(tmp_path):
    sound = signals.two_tone(seconds=0.5, rate=32000)
    signals.write_wav(tmp_path / "a.wav", sound)
    read = signals.as_signal(tmp_path / "a.wav")
    assert read.rate == 32000
    assert np.max(np.abs(read.samples - sound.samples)) < 1 / 32768


def test_another_rate_keeps_time_and_marks():
    sound = signals.clicks(seconds=3).at(48000)
    assert (sound.rate, sound.marks, sound.seconds) == (48000, [48000, 96000], 3)


def test_arrays_are_taken_as_they_come():
    assert signals.as_signal(np.zeros(10), 16000).samples.shape == (10, 1)
    assert signals.as_signal(np.full((4, 2), 16384, np.int16)).samples[0, 0] == 0.5


def test_channels_are_mixed_down_and_doubled():
    left_only = signals.Signal(np.array([[0.5, 0.0]]), 44100)
    assert left_only.pcm(1).tolist() == [[8192]]
    assert signals.Signal(np.array([[0.5]]), 44100).pcm(2).tolist() == [[16384, 16384]]
    assert signals.Signal(np.array([[1.0]]), 44100).pcm(1).tolist() == [[32767]]
