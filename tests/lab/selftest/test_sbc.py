"""SBC there and back, for every mode a phone may choose."""

import itertools

import numpy as np
import pytest
from labkit.sbc import ALLOCATIONS, BLOCKS, CHANNEL_MODES, RATES, SUBBANDS, Sbc, SbcError

MODES = [
    Sbc(rate, channels, blocks, subbands, allocation, 31)
    for rate, channels, blocks, subbands, allocation in itertools.product(
        RATES, CHANNEL_MODES, BLOCKS, SUBBANDS, ALLOCATIONS
    )
]


def music(sbc: Sbc, seconds: float = 0.25) -> np.ndarray:
    """Two different tones, one per channel, at half of full scale."""
    t = np.arange(int(seconds * sbc.rate)) / sbc.rate
    tones = [16384 * np.sin(2 * np.pi * f * t) for f in (441, 1000)][: sbc.channel_count]
    return np.stack(tones, axis=1).round().astype("<i2")


def worst_error(sbc: Sbc, sent: np.ndarray, got: np.ndarray) -> float:
    """Signal to noise in dB of the worse channel, after the codec's own delay."""
    delay = 9 * sbc.subbands + 1
    end = min(len(sent), len(got) - delay)
    first = sent[1000 : end - 200].astype(float)
    second = got[1000 + delay : end - 200 + delay].astype(float)
    return float(np.min(10 * np.log10(np.var(first, axis=0) / np.var(second - first, axis=0))))


@pytest.mark.parametrize("sbc", MODES, ids=str)
def test_what_goes_in_comes_out(sbc):
    sent = music(sbc)
    frames = sbc.encode(sent)
    assert {len(frame) for frame in frames} == {sbc.frame_bytes}
    assert len(frames) == -(-len(sent) // sbc.frame_samples)
    assert worst_error(sbc, sent, sbc.decode(frames)) > 18


@pytest.mark.parametrize(
    ("sbc", "size"),
    [
        (Sbc(), 119),
        (Sbc(channels="dual", bitpool=38), 164),
        (Sbc(rate=48000, bitpool=51), 115),
        (Sbc(rate=16000, channels="mono", bitpool=15), 38),
    ],
)
def test_frame_sizes_are_those_of_the_a2dp_tables(sbc, size):
    assert sbc.frame_bytes == size


def test_more_bits_sound_better():
    sent = music(Sbc())
    errors = [
        worst_error(sbc, sent, sbc.decode(sbc.encode(sent)))
        for sbc in (Sbc(bitpool=10), Sbc(bitpool=25), Sbc(bitpool=53))
    ]
    assert errors == sorted(errors) and errors[-1] > 50


@pytest.mark.parametrize("bitpool", [1, 257])
def test_an_impossible_bitpool_is_refused(bitpool):
    with pytest.raises(SbcError, match="outside"):
        Sbc(bitpool=bitpool)
