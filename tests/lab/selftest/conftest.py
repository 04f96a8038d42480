"""Shared by the lab's self-tests, which need no guest."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture
def radio():
    from labkit.radio import Radio

    with Radio() as radio:
        yield radio
