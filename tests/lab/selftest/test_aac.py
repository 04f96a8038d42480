"""AAC as phones send it, read back by FFmpeg; and phones that have it."""

import av
import numpy as np
import pytest
from labkit import analysis, signals
from labkit.aac import FRAME_SAMPLES, Aac, AacError
from labkit.phone import Phone, PhoneError, codings
from labkit.sbc import Sbc
from speaker import Speaker

TONES = (441.0, 997.0)
LOAS = 0x2B7


def decoded(elements: list[bytes]) -> np.ndarray:
    """What FFmpeg hears in elements, each behind a sync word and its length (LOAS)."""
    decoder = av.CodecContext.create("aac_latm", "r")
    sound = []
    for element in elements:
        header = (LOAS << 13 | len(element)).to_bytes(3, "big")
        sound += [frame.to_ndarray() for frame in decoder.decode(av.Packet(header + element))]
    return np.concatenate(sound, axis=1).T


@pytest.mark.parametrize("aac", [Aac(), Aac(48000, "mono", 96_000)], ids=str)
def test_what_goes_in_comes_out_a_frame_later(aac):
    sound = signals.two_tone(*TONES, 1.0, rate=aac.rate)
    elements = aac.encode(sound.pcm(aac.channel_count))
    assert len(elements) == -(-aac.rate // FRAME_SAMPLES) + 1
    heard = decoded(elements)
    assert heard.shape == (len(elements) * FRAME_SAMPLES, aac.channel_count)
    sent = sound.pcm(aac.channel_count) / 32768
    got = heard[FRAME_SAMPLES : FRAME_SAMPLES + len(sent)]
    noise = np.sqrt(np.mean((got - sent) ** 2)) / np.sqrt(np.mean(sent**2))
    assert noise < 0.05


def test_what_a2dp_does_not_have_is_refused():
    with pytest.raises(AacError, match="22050"):
        Aac(rate=22050)


@pytest.fixture
def paired(radio):
    """Makes a speaker, and a phone that has paired with it."""
    made = []

    def make(phone_has, speaker_has):
        speaker = Speaker(radio, codecs=speaker_has)
        phone = Phone(radio, codecs=phone_has)
        made.extend((phone, speaker))
        speaker.handset.pairing_with = phone.address
        phone.pair(speaker.address)
        return phone, speaker

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize(
    ("phone_has", "speaker_has", "coding"),
    [
        (("aac", "sbc"), ("aac", "sbc"), Aac()),
        (("aac", "sbc"), ("sbc",), Sbc()),
        (("sbc",), ("aac", "sbc"), Sbc()),
        (("sbc", "aac"), ("aac", "sbc"), Sbc()),
    ],
)
def test_the_phone_takes_what_it_likes_best_of_what_there_is(paired, phone_has, speaker_has, coding):
    phone, speaker = paired(phone_has, speaker_has)
    phone.connect()
    assert speaker.coding == coding


def test_an_element_that_is_too_long_for_a_packet_comes_in_parts():
    elements = [bytes([number]) * size for number, size in enumerate((1300, 600, 601))]
    units = codings.units(Aac(), elements, 1, 600)
    assert [[len(part) for part in unit] for unit in units] == [[600, 600, 100], [600], [600, 1]]
    assert [b"".join(unit) for unit in units] == elements


def test_packets_have_an_element_or_a_part_of_one(paired):
    phone, speaker = paired(("aac",), ("aac",))
    sound = signals.two_tone(*TONES, 1.0)
    played = phone.play(sound, bit_rate=128_000).wait()
    phone.wait_event("stream", matching=lambda event: event.details["state"] == "suspended")
    assert speaker.coding == Aac(bit_rate=128_000)
    packets = speaker.packets[: len(played.packets)]
    assert [each.sequence_number for each in packets] == list(range(len(packets)))
    elements, times, parts = [], [], []
    for packet in packets:
        parts.append(packet.payload)
        if packet.marker:
            elements.append(b"".join(parts))
            times.append(packet.timestamp)
            parts = []
    assert not parts
    assert times == [FRAME_SAMPLES * number for number in range(len(times))]
    part = analysis.steady(decoded(elements), 44100)
    for tones, frequency in zip(analysis.tones(part, 44100), TONES, strict=True):
        assert abs(tones[0].frequency - frequency) < 1 and abs(tones[0].level + 12) < 0.3


def test_a_codec_that_the_speaker_lacks_is_told(paired):
    phone, _ = paired(("sbc", "aac"), ("sbc",))
    with pytest.raises(PhoneError, match="no aac sink endpoint"):
        phone.play(signals.tone(seconds=0.3), codec="aac")
    with pytest.raises(PhoneError, match="no codec 'ldac', only sbc, aac"):
        phone.play(signals.tone(seconds=0.3), codec="ldac")
