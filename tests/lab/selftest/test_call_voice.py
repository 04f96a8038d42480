"""The voice between a phone and a stand-in hands-free unit: codecs, tones, loss, who has it."""

from contextlib import closing

import numpy as np
import pytest
from bumble.hfp import HfFeature
from hands_free import ALL_FEATURES, HandsFree, hears_tone, indicator, order
from labkit import analysis, clock, signals
from labkit.phone import Heard, Phone, PhoneError
from labkit.voice import CODECS

ANNA = "+4930123456"


@pytest.fixture
def phone(calling):
    return calling()


@pytest.mark.parametrize("codec", CODECS)
def test_voice_goes_both_ways(phone, unit, codec):
    phone.prefer_codecs(codec)
    phone.ring(ANNA)
    unit.ask("ATA")
    assert unit.wait_voice(True) == codec
    down, up = signals.tone(440, 2, -12), signals.tone(1000, 2, -18)
    with phone.listening() as heard:
        saying = phone.speak(down), unit.speak(up)
        for each in saying:
            each.wait()
        heard.wait_more(0.3)
        unit.heard.wait_more(0.3)
    hears_tone(heard.samples, heard.rate, 1000, -18)
    hears_tone(unit.heard.samples, unit.heard.rate, 440, -12)
    counts = phone.voice_counts
    nominal = CODECS[codec].bytes_per_second / 60
    assert abs(counts.received_per_second - nominal) < 0.05 * nominal
    assert counts.gaps == counts.bad == 0 and counts.dropped == 0
    assert counts.sizes == {60}


def test_silence_is_zeros_and_the_wire_can_be_looked_at(phone, unit):
    phone.transfer_to_speaker()
    unit.wait_voice(True)
    heard = phone.hear(1.0)
    assert not np.any(heard.samples)
    assert {packet[2:] for _, packet in heard.packets} == {heard.packets[0][1][2:]}
    assert heard.time_of(1600) - heard.time_of(0) == pytest.approx(0.1, abs=0.02)


def test_other_packet_sizes_carry_the_same_voice(phone, unit):
    phone.voice_packets(24)
    phone.ring(ANNA)
    unit.ask("ATA")
    unit.wait_voice(True)
    phone.speak(signals.tone(440, 1, -12)).wait()
    unit.heard.wait_more(0.2)
    assert unit.unit.voice.counts.sizes == {24}
    hears_tone(unit.heard.samples, 16000, 440, -12)


def test_loss_is_seen_by_the_sequence_numbers(phone, unit):
    phone.voice_quality(loss=0.1, seed=1)
    phone.ring(ANNA)
    unit.ask("ATA")
    unit.wait_voice(True)
    phone.speak(signals.tone(440, 2, -12)).wait()
    there, here = unit.unit.voice.counts, phone.voice_counts
    assert 10 < here.dropped < 60
    assert abs(there.gaps - here.dropped) <= 4  # Four lost in a row look like none.


def test_a_codec_that_fails_gives_way(phone, unit):
    phone.misbehave(broken_codecs={"msbc"})
    phone.ring(ANNA)
    unit.ask("ATA")
    assert unit.wait_voice(True) == "cvsd"
    assert order(unit, "+BCS: 2", "+BCS: 1") == ["+BCS: 2", "+BCS: 1"]


def test_a_unit_without_codecs_gets_cvsd(radio):
    features = ALL_FEATURES & ~HfFeature.CODEC_NEGOTIATION
    with closing(HandsFree(radio, features)) as unit, Phone(radio, calls="plain") as phone:
        unit.handset.pairing_with = phone.address
        phone.pair(unit.address)
        unit.connect()
        phone.ring(ANNA)
        unit.ask("ATA")
        assert unit.wait_voice(True) == "cvsd"
        assert not [line for line in unit.lines() if line.startswith("+BCS")]
        assert not phone.violations


def test_a_plain_phone_accepts_the_unit_s_own_voice_link(calling, unit):
    phone = calling("plain")
    unit.open_voice()
    assert unit.wait_voice(True) == "cvsd" == phone.voice_codec
    with phone.listening() as heard:
        unit.speak(signals.tone(1000, 1, -18)).wait()
        heard.wait_more(0.2)
    hears_tone(heard.samples, heard.rate, 1000, -18)
    assert not phone.violations


def test_a_newer_phone_accepts_it_and_notes_it(phone, unit):
    unit.open_voice()
    unit.wait_voice(True)
    assert "AT+BCC" in phone.violations[0].details["why"]


def test_the_unit_asks_for_the_voice(phone, unit):
    unit.ask("AT+BCC")
    assert unit.wait_voice(True) == "msbc"
    phone.transfer_to_phone()
    unit.wait_voice(False)


def test_voice_the_unit_asked_for_outlives_other_news(phone, unit):
    unit.ask("AT+BCC")
    unit.wait_voice(True)
    phone.set_indicators(battery=1)
    unit.wait_line(indicator(phone, "battchg", 1))
    phone.ring(ANNA)
    assert phone.voice_codec == "msbc"
    phone.hang_up()
    unit.wait_voice(False)


def test_a_far_party_that_talks_already_is_heard_from_the_first_packet_on(phone, unit):
    phone.keep_talking(signals.tone(440, 1, -12, 16000))
    for _ in range(2):
        began = clock.now()
        unit.unit.heard = Heard()
        phone.ring(ANNA)
        unit.ask("ATA")
        unit.wait_voice(True, since=began)
        unit.heard.wait_more(0.5)
        assert analysis.onset(unit.heard.samples, unit.heard.rate) < 0.02
        phone.hang_up()
        unit.wait_voice(False, since=began)


def test_an_in_band_ring_tone_is_heard(phone, unit):
    phone.ring(ANNA, in_band=True)
    unit.wait_voice(True)
    unit.wait_line("RING")
    unit.heard.wait_more(1.2)
    hears_tone(unit.heard.samples, 16000, 425, -18)
    phone.hang_up()
    phone.ring(ANNA)
    unit.wait_line("+BSIR: 0")


def test_an_android_phone_agrees_on_a_codec_once(calling, unit):
    phone = calling("android")
    for _ in range(2):
        phone.transfer_to_speaker()
        phone.transfer_to_phone()
    assert unit.lines().count("+BCS: 2") == 1


def test_a_unit_that_wants_another_codec_gets_it(phone, unit):
    unit.unit.codecs = (1,)
    phone.transfer_to_speaker()
    assert phone.voice_codec == "cvsd" and not phone.violations


def test_a_unit_that_agrees_to_nothing_is_told_of(phone, unit):
    unit.unit.obliging = False
    with pytest.raises(PhoneError, match="did not answer"):
        phone.transfer_to_speaker()
    assert "no answer" in phone.violations[0].details["why"]
