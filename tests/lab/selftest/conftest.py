"""Shared by the lab's self-tests, which need no guest."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture
def radio():
    from labkit.radio import Radio

    with Radio() as radio:
        yield radio


@pytest.fixture
def unit(radio):
    """A hands-free unit that everybody may pair with who is said to."""
    from hands_free import HandsFree

    with closing(HandsFree(radio)) as unit:
        yield unit


@pytest.fixture
def calling(radio, unit):
    """Makes a phone of a model, paired and with its hands-free connection up."""
    from labkit.phone import Phone

    made = []

    def make(model: str = "iphone", connected: bool = True) -> Phone:
        phone = Phone(radio, calls=model)
        made.append(phone)
        unit.handset.pairing_with = phone.address
        phone.pair(unit.address)
        if connected:
            unit.connect()
            phone.wait_event("hfp", matching=lambda event: event.details["state"] == "ready")
        return phone

    yield make
    for phone in made:
        phone.close()
