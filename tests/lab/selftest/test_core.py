"""Who gets which core."""

import os
import threading

import pytest

from labkit import core


@pytest.fixture
def moved_to(monkeypatch, tmp_path):
    """A machine of three cores that nobody has, and where this process was moved on it."""
    moves = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: moves.append(cores))
    return moves


def test_guests_have_different_cores_and_give_them_back(moved_to):
    with core.of_its_own() as first, core.of_its_own() as second:
        assert (first, second) == (2, 1)
    with core.of_its_own() as third:
        assert third == 2
    assert moved_to == [{0, 1}, {0, 2}, {0, 1}]


def test_who_finds_none_waits_for_one(moved_to, capsys):
    waiting, had = threading.Event(), threading.Event()

    def run():
        waiting.set()
        with core.of_its_own():
            had.set()

    with core.of_its_own(), core.of_its_own(), core.of_its_own():
        late = threading.Thread(target=run)
        late.start()
        waiting.wait()
        assert not had.wait(0.2)
    late.join(10)
    assert had.is_set()
    assert "waiting for another run" in capsys.readouterr().err
