"""The voice of a call there and back: codecs, packet sizes, loss."""

import numpy as np
import pytest
from labkit import analysis, signals
from labkit.phone.speech import VoiceQuality
from labkit.voice import AIR_FRAME, CODECS, LC3, MSBC, VoiceCodec, find_frame

CODEC = pytest.mark.parametrize("codec", CODECS.values(), ids=lambda codec: codec.name)


def spoken(codec: VoiceCodec, seconds: float = 1.0) -> np.ndarray:
    count = round(seconds * codec.rate) // codec.frame_samples * codec.frame_samples
    return signals.tone(440, seconds + 0.1, -12, codec.rate).pcm(1)[:count, 0]


def encoded(codec: VoiceCodec, samples: np.ndarray) -> list[bytes]:
    encoder, size = codec.encoder(), codec.frame_samples
    return [encoder.encode(samples[at : at + size]) for at in range(0, len(samples), size)]


@CODEC
@pytest.mark.parametrize("size", [24, 48, 60, 72, 120, 255])
def test_what_is_said_is_heard_whatever_the_packets(codec, size):
    said = spoken(codec)
    stream = b"".join(encoded(codec, said))
    decoder = codec.decoder()
    pieces = [decoder.decode(stream[at : at + size]) for at in range(0, len(stream), size)]
    heard = np.concatenate(pieces) / 32768
    assert len(heard) == len(said) and decoder.gaps == decoder.bad == 0
    ((tone,),) = analysis.tones(analysis.steady(heard, codec.rate, 0.1), codec.rate)
    # LC3's long-term postfilter raises a steady tone.
    assert abs(tone.frequency - 440) < 1
    assert abs(tone.level + 12) < (0.8 if codec is LC3 else 0.1)


@CODEC
def test_frames_have_the_size_and_rate_of_the_profile(codec):
    assert {len(frame) for frame in encoded(codec, spoken(codec))} == {AIR_FRAME}
    assert codec.bytes_per_second == {"cvsd": 16000}.get(codec.name, 8000)


def test_msbc_frames_look_as_the_profile_says():
    frames = encoded(MSBC, spoken(MSBC))
    assert [frame[:3].hex() for frame in frames[:5]] == [
        "0108ad", "0138ad", "01c8ad", "01f8ad", "0108ad",
    ]
    assert {frame[-1] for frame in frames} == {0}


@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("codec", [MSBC, LC3], ids=lambda codec: codec.name)
def test_lost_frames_are_counted_and_keep_their_time(codec, lost):
    frames = encoded(codec, spoken(codec))
    decoder = codec.decoder()
    heard = [decoder.decode(frame) for frame in frames[:20] + frames[20 + lost :]]
    assert decoder.gaps == lost and decoder.bad == 0
    assert sum(map(len, heard)) == len(frames) * codec.frame_samples


def test_rubbish_between_frames_is_passed_over():
    frames = encoded(MSBC, spoken(MSBC))[:10]
    decoder = MSBC.decoder()
    stream = b"\x01\x08\xff" + frames[0] + b"rubbish\x01" + b"".join(frames[1:])
    assert len(decoder.decode(stream)) == 10 * MSBC.frame_samples
    assert decoder.bad == 2 and decoder.gaps == 0


def test_a_header_may_be_torn_anywhere():
    frame = encoded(MSBC, spoken(MSBC))[0]
    for kept in range(1, 4):
        assert find_frame(b"xyz" + frame[:kept]) == 3
    assert find_frame(b"xyz") == 3


def test_any_bytes_decode_to_something():
    noise = np.random.default_rng(1).integers(0, 256, 60_000, dtype=np.uint8).tobytes()
    for codec in CODECS.values():
        decoder = codec.decoder()
        for at in range(0, len(noise), 60):
            assert decoder.decode(noise[at : at + 60]).dtype == np.int16


def test_the_same_seed_gives_the_same_fate():
    packet = bytes(60)
    fates = [
        [VoiceQuality(0.1, 0.1, seed).fate(index, packet) for index in range(1000)]
        for seed in (1, 1, 2)
    ]
    assert fates[0] == fates[1] != fates[2]
    assert 60 < fates[0].count(None) < 140
    assert VoiceQuality().fate(1, packet) == packet
