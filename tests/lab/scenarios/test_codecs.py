"""Which codecs phones see, in what order, and which they take."""

from labkit import signals
from labkit.aac import Aac
from labkit.phone import PhoneError
from labkit.phone.codings import CODECS
from labkit.sbc import Sbc

BAD_ENDPOINT = 0x12
"""AVDTP's BAD_ACP_SEID."""
EACH = 3
"""Endpoints of each codec: as many as phones may be connected."""


def test_phones_see_the_better_codec_first_and_take_what_they_like(speaker, phones):
    (iphone,) = phones(1, codecs=("aac", "sbc"))
    speaker.welcome(iphone)
    assert iphone.sinks() == ["aac"] * EACH + ["sbc"] * EACH
    assert iphone.coding == Aac()
    (android,) = phones(1, codecs=("sbc", "aac"))
    speaker.welcome(android)
    assert android.coding == Sbc()
    (old,) = phones(1)
    speaker.welcome(old)
    assert old.coding == Sbc()
    assert speaker.find(iphone)["connected"], "each has an endpoint of its own"


def test_file_chooses_the_codecs_and_their_order(speaker, phones):
    (iphone,) = phones(1, codecs=("aac", "sbc"))
    speaker.welcome(iphone)
    for codecs, coding in (["sbc"], Sbc()), (["sbc", "aac"], Aac()):
        iphone.disconnect()
        speaker.wait_connected(iphone, False)
        speaker.configure(f"[music]\ncodecs = {codecs}\n".replace("'", '"'))
        iphone.connect()
        assert iphone.sinks() == [each for each in codecs for _ in range(EACH)]
        assert iphone.coding == coding


def test_speaker_that_calls_a_phone_finds_a_codec_that_both_have(speaker, phones):
    for codecs in ("aac", "sbc"), ("sbc",):
        (phone,) = phones(1, codecs=codecs)
        speaker.welcome(phone)
        speaker.part(phone)
        speaker.dotctl("connect", phone.address)
        speaker.wait_connected(phone, True)
        speaker.pi.wait_for(lambda phone=phone: phone.coding, what="a stream")
        assert type(phone.coding) is CODECS[codecs[0]]


def sinks(phone):
    """The codecs of the speaker's endpoints, or nothing while they change: one is gone when the phone,
    which has just seen it, asks what it can do."""
    try:
        return phone.sinks()
    except PhoneError as error:
        assert error.code == BAD_ENDPOINT, error
        return []


def test_music_goes_on_while_the_codecs_change_and_no_endpoint_is_lost(speaker, phones):
    (phone,) = phones(1, codecs=("sbc", "aac"))
    speaker.welcome(phone)
    phone.play(signals.tone(seconds=60.0))
    speaker.wait_playing(phone)
    speaker.configure('[music]\ncodecs = ["sbc"]\n')
    speaker.pi.wait_for(lambda: "aac" not in (sinks(phone) or ["aac"]), what="no AAC any more")
    assert speaker.find(phone)["playing"] and phone.coding == Sbc()
    phone.stop()
    speaker.pi.wait_for(lambda: sinks(phone) == ["sbc"] * EACH, what="all endpoints, and no more")
    phone.play(signals.tone(seconds=60.0))
    speaker.wait_playing(phone)
