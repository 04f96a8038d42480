"""The ears of the lab: levels, glitches, clicks and onsets in sounds with known faults."""

import numpy as np
import pytest
from labkit import analysis, signals
from labkit.glitches import glitches
from labkit.sbc import Sbc

RATE = 44100
LEFT, RIGHT = 441.0, 1000.0


def through_sbc(sound: signals.Signal, sbc: Sbc | None = None) -> np.ndarray:
    sbc = sbc or Sbc(rate=sound.rate)
    return sbc.decode(sbc.encode(sound.pcm(sbc.channel_count))) / 32768


def recorded(seconds: float = 4.0) -> np.ndarray:
    """What a perfect speaker would give: two tones that went through SBC."""
    return analysis.steady(through_sbc(signals.two_tone(LEFT, RIGHT, seconds)), RATE)


def bent(samples: np.ndarray, ratio: float) -> np.ndarray:
    """Plays a little faster and slower in turns of two seconds, as a rate servo does."""
    n = np.arange(len(samples))
    swing = ratio / np.pi * RATE * np.sin(np.pi * n / RATE)
    return np.stack([np.interp(n + swing, n, each) for each in samples.T], axis=1)


@pytest.mark.parametrize("level", [-1.0, -12.0, -40.0])
@pytest.mark.parametrize("rate", [16000, 32000, 44100, 48000])
def test_both_tones_are_found_with_their_levels(rate, level):
    sound = signals.two_tone(LEFT, RIGHT, 2, level, rate)
    noise = np.random.default_rng(1).normal(0, signals.decibel(level - 40), sound.samples.shape)
    left, right = analysis.tones(sound.samples + noise, rate)
    assert left[0].frequency == pytest.approx(LEFT, abs=0.5)
    assert right[0].frequency == pytest.approx(RIGHT, abs=0.5)
    assert left[0].level == pytest.approx(level, abs=0.05)
    assert right[0].level == pytest.approx(level, abs=0.05)


def test_a_mix_is_taken_apart():
    mixed = sum(
        signals.tone(f, 3, level).samples for f, level in ((440, -10), (880, -16), (1320, -13))
    )
    found = analysis.tones(mixed, RATE, count=4)[0]
    assert [round(tone.frequency) for tone in found] == [440, 1320, 880]
    assert [tone.level for tone in found] == pytest.approx([-10, -13, -16], abs=0.05)


def test_a_bent_pitch_does_not_change_the_level():
    assert analysis.level(bent(recorded(), 0.005), RATE, LEFT)[0] == pytest.approx(-12, abs=0.05)


def test_loudness_of_silence_and_of_a_full_scale_sine():
    assert analysis.loudness(np.zeros((100, 2))) == [-np.inf, -np.inf]
    assert analysis.loudness(np.sin(2 * np.pi * np.arange(44100) / 100)) == pytest.approx([0])


@pytest.mark.parametrize("ratio", [0, 0.001, 0.005])
def test_a_whole_tone_has_no_glitch(ratio):
    assert glitches(bent(recorded(), ratio), RATE) == []


@pytest.mark.parametrize("bitpool", [20, 35, 53])
def test_codec_noise_is_no_glitch(bitpool):
    sound = through_sbc(signals.two_tone(LEFT, RIGHT, 3), Sbc(bitpool=bitpool))
    assert glitches(analysis.steady(sound, RATE), RATE) == []


@pytest.mark.parametrize("at", [0.7, 1.2345, 2.5])
@pytest.mark.parametrize("count", [1, 5, 17])
def test_dropped_and_repeated_samples_are_jumps(at, count):
    whole, place = recorded(), round(at * RATE)
    dropped = np.delete(whole, slice(place, place + count), axis=0)
    repeated = np.insert(whole, place, whole[place - count : place], axis=0)
    for faulty, sign in ((dropped, 1), (repeated, -1)):
        found = glitches(faulty, RATE, [LEFT, RIGHT])
        assert [(each.kind, each.channel) for each in sorted(found, key=lambda g: g.channel)] == [
            ("jump", 0),
            ("jump", 1),
        ]
        for each in found:
            assert each.time == pytest.approx(at, abs=0.001)
            assert each.samples == pytest.approx(sign * count, abs=0.3)


@pytest.mark.parametrize("milliseconds", [1, 3, 20, 200])
def test_zeroed_samples_are_gaps_of_that_length(milliseconds):
    faulty, place = recorded().copy(), 2 * RATE
    faulty[place : place + round(milliseconds * RATE / 1000)] = 0
    found = glitches(faulty, RATE, [LEFT, RIGHT])
    assert [each.kind for each in found] == ["gap", "gap"]
    for each in found:
        assert each.time == pytest.approx(2, abs=0.001)
        assert each.seconds == pytest.approx(milliseconds / 1000, abs=0.0005)


@pytest.mark.parametrize("height", [0.05, 0.5])
def test_a_click_leaves_the_tone_as_it_was(height):
    faulty = recorded().copy()
    faulty[round(1.5 * RATE), 1] += height
    (click,) = glitches(faulty, RATE, [LEFT, RIGHT])
    assert (click.kind, click.channel) == ("click", 1)
    assert click.time == pytest.approx(1.5, abs=0.001)


def test_many_seeded_glitches_are_all_found():
    dice = np.random.default_rng(42)
    faulty = recorded(20)
    places = np.sort(dice.choice(np.arange(1, 36), 20, replace=False)) * RATE // 2
    for place in places[::-1]:
        faulty = np.delete(faulty, slice(place, place + int(dice.integers(2, 30))), axis=0)
    found = [each for each in glitches(faulty, RATE, [LEFT, RIGHT]) if each.channel == 0]
    assert len(found) == len(places)


def test_a_tone_too_short_to_judge_is_refused():
    with pytest.raises(ValueError, match="record a longer tone"):
        glitches(recorded()[:500], RATE)


@pytest.mark.parametrize("bed", [None, -30.0])
@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_clicks_are_timed_to_a_tenth_of_a_millisecond(rate, bed):
    sound = signals.clicks(0.5, 4, rate=rate, bed=bed)
    codec_delay = 73 / rate
    times = np.array(analysis.click_times(through_sbc(sound), rate)) - codec_delay
    assert times == pytest.approx(np.array(sound.marks) / rate, abs=1e-4)


def test_silence_has_no_clicks_no_onset_and_no_tones():
    nothing = signals.silence(1).samples
    assert analysis.click_times(nothing, RATE) == []
    assert analysis.onset(nothing, RATE) is None
    assert analysis.tones(nothing, RATE) == [[], []]


def test_the_onset_is_the_first_audible_sample():
    sound = np.concatenate([np.zeros(1234), signals.clicks(0.1, 0.3).samples[4410:, 0]])
    assert analysis.onset(sound, RATE) == pytest.approx(1234 / RATE, abs=2 / RATE)
