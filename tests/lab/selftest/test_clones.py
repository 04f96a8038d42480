"""Several clones of the repository compile in one cache, one at a time."""

import threading

import pytest

from labkit import host, setup


@pytest.fixture
def target(tmp_path):
    """What cargo made of somebody's clone, and of what it depends on."""
    for made in "debug/.fingerprint/dotd-1", "arm/release/.fingerprint/dotd-2":
        (tmp_path / made).mkdir(parents=True)
    (tmp_path / "debug/.fingerprint/zbus-3").mkdir()
    return tmp_path


def made(target):
    return sorted(path.name for path in target.rglob("*-?"))


def test_what_was_made_of_another_clone_is_made_anew_and_dependencies_stay(target):
    with setup.made_of_this_clone(target):
        assert made(target) == ["zbus-3"]
        (target / "debug/.fingerprint/dotd-4").mkdir()
    with setup.made_of_this_clone(target), setup.made_of_this_clone(target):
        assert made(target) == ["dotd-4", "zbus-3"], "it is this clone's own"


def test_a_clone_waits_while_another_compiles(target, tmp_path, monkeypatch):
    waits, lets_go, compiled = threading.Event(), threading.Event(), []
    step = host.step

    def told(what):
        waits.set()
        return step(what)

    def another():
        monkeypatch.setattr(setup, "REPOSITORY", tmp_path / "another")
        with setup.made_of_this_clone(target):
            compiled.append(lets_go.is_set())

    monkeypatch.setattr(setup.host, "step", told)
    with setup.made_of_this_clone(target):
        (target / "debug/.fingerprint/dotd-5").mkdir()
        thread = threading.Thread(target=another)
        thread.start()
        assert waits.wait(10)
        assert made(target) == ["dotd-5", "zbus-3"], "it is being compiled"
        lets_go.set()
    thread.join(10)
    assert compiled == [True] and made(target) == ["zbus-3"]
