"""Phones against each other: discovery, pairing, bonds, range. One of the two plays the speaker."""

import pytest
from labkit import clock
from labkit.phone import Phone, PhoneError, loop

SUPERVISION_TIMEOUT = 0x08
PAGE_TIMEOUT = 0x04
AUTHENTICATION_FAILURE = 0x05


@pytest.fixture
def speaker(radio):
    """A device with a display that pairs with anybody while `pairing_with` is set."""
    with Phone(radio, name="Dot-1A2B", io="display") as speaker:
        yield speaker


@pytest.fixture(params=["none", "display"])
def phone(radio, request):
    with Phone(radio, name="Anna's phone", io=request.param) as phone:
        yield phone


def be_discoverable(device: Phone, on: bool = True) -> None:
    loop.run(device._handset.device.set_discoverable(on), 5)


def agree_to_pair(speaker: Phone, phone: Phone) -> None:
    speaker._handset.pairing_with = phone.address


def test_a_phone_finds_what_is_discoverable_and_nothing_else(radio, speaker):
    with Phone(radio) as phone:
        assert phone.sees(speaker.address, timeout=5) is None
        be_discoverable(speaker)
        found = phone.sees(speaker.address)
        assert (found.address, found.name) == (speaker.address, "Dot-1A2B")
        assert found.class_of_device == 0x5A020C
        assert [each.address for each in phone.discover(5)] == [speaker.address]


def test_pairing_makes_a_bond_that_later_links_use(speaker, phone):
    agree_to_pair(speaker, phone)
    phone.pair(speaker.address)
    assert phone.is_bonded(speaker.address) and speaker.is_bonded(phone.address)
    speaker._handset.pairing_with = None  # From here on only the bond can authenticate.
    phone.disconnect()
    speaker.wait_event("disconnected")
    phone.reach(speaker.address)
    assert phone.events[-1].kind == "encrypted"


def test_both_displays_show_the_same_number(radio, speaker):
    shown = []
    with Phone(radio, io="display", confirm=lambda digits: not shown.append(digits)) as phone:
        agree_to_pair(speaker, phone)
        phone.pair(speaker.address)
        assert shown == [speaker.wait_event("numbers-compared").details["number"]]


def test_a_user_who_sees_other_digits_does_not_pair(radio, speaker):
    with Phone(radio, io="display", confirm=lambda digits: False) as phone:
        agree_to_pair(speaker, phone)
        with pytest.raises(PhoneError, match="could not pair") as refused:
            phone.pair(speaker.address)
        assert refused.value.code == AUTHENTICATION_FAILURE
        assert not phone.is_bonded(speaker.address) and phone.connected_to is None


def test_a_refused_phone_says_so_and_is_not_bonded(speaker, phone):
    with pytest.raises(PhoneError, match="AUTHENTICATION_FAILURE") as refused:
        phone.pair(speaker.address)
    assert refused.value.code == AUTHENTICATION_FAILURE
    assert speaker.wait_event("pairing-refused").details["address"] == phone.address
    assert not phone.is_bonded(speaker.address)


def test_no_bonding_encrypts_but_keeps_no_key(speaker, phone):
    agree_to_pair(speaker, phone)
    phone.pair(speaker.address, bonding=False)
    assert phone.wait_event("encrypted").details["on"]
    assert not phone.is_bonded(speaker.address)


def test_a_forgotten_bond_must_be_made_again(speaker, phone):
    agree_to_pair(speaker, phone)
    phone.pair(speaker.address)
    phone.disconnect()
    phone.forget(speaker.address)
    speaker._handset.pairing_with = None
    with pytest.raises(PhoneError):
        phone.pair(speaker.address)
    agree_to_pair(speaker, phone)
    phone.pair(speaker.address)
    assert phone.is_bonded(speaker.address)


def test_out_of_range_is_a_supervision_timeout_and_a_page_timeout(radio, speaker):
    with Phone(radio) as phone:
        agree_to_pair(speaker, phone)
        phone.pair(speaker.address)
        left = clock.now()
        phone.out_of_range()
        for device in (phone, speaker):
            ended = device.wait_event("disconnected", since=left)
            assert ended.details["reason"] == SUPERVISION_TIMEOUT
        with pytest.raises(PhoneError) as unheard:
            phone.reach(speaker.address)
        assert unheard.value.code == PAGE_TIMEOUT
        phone.in_range()
        phone.reach(speaker.address)
        assert phone.connected_to == speaker.address


def test_a_link_that_goes_down_meanwhile_is_said_to_have(radio, speaker):
    with Phone(radio, io="display", confirm=lambda _: not speaker.disconnect()) as phone:
        agree_to_pair(speaker, phone)
        with pytest.raises(PhoneError, match="link went down|AUTHENTICATION_FAILURE"):
            phone.pair(speaker.address)
        assert not phone.is_bonded(speaker.address)
