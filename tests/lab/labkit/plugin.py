"""The pytest plugin: fixtures for the virtual Pi and the virtual phones.

`lab run` loads it. Scenario files need no imports from here; see README.md
for what each fixture offers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labkit import calm
from labkit.link import GuestError
from labkit.laboratory import Laboratory, Parts
from labkit.phone import Phone
from labkit.pi import Pi
from labkit.radio import Radio

SOUND_STATE = """
export PIPEWIRE_RUNTIME_DIR=/run/dotd
timeout 5 pw-top --batch-mode --iterations 3
for file in /proc/asound/card0/pcm*/sub0/{status,hw_params}; do echo "$file:"; cat "$file"; done
pw-dump
"""
LIMIT = 600
"""Seconds of the host for one test, several times what the longest takes: what hangs ends."""
PHONE_NAMES = ["Anna's iPhone", "Ben's Pixel", "Cleo's Galaxy", "Dan's phone"]
_outcomes = pytest.StashKey[dict[str, pytest.TestReport]]()
_sound = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --artifacts."""
    parser.addoption(
        "--artifacts",
        default="artifacts",
        help="folder for journals, HCI traces, recordings and figures (default: artifacts)",
    )
    parser.addoption("--soak", action="store_true", help="run the long scenarios, and those only")


def pytest_configure(config: pytest.Config) -> None:
    """Names the marks, and has failures told."""
    config.addinivalue_line("markers", "soak: takes long; runs with --soak only")
    config.pluginmanager.register(Told(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Chooses the long scenarios, or the others, which get their limit."""
    wanted = config.getoption("--soak")
    left_out = [item for item in items if (item.get_closest_marker("soak") is not None) != wanted]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    if not wanted:
        for item in items:
            item.add_marker(pytest.mark.timeout(LIMIT))


class Told:
    """Says at once why a test failed, for the run may be stopped before its summary."""

    def __init__(self, config: pytest.Config):
        self._plugins = config.pluginmanager

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and (terminal := self._plugins.get_plugin("terminalreporter")):
            terminal.write_line(f"\n{report.nodeid}, {report.when}:\n{report.longreprtext}")
            terminal.flush()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Lets fixtures know how the test went, and looks at the sound while phones are still there."""
    report = yield
    item.stash.setdefault(_outcomes, {})[report.when] = report
    pi = getattr(item, "funcargs", {}).get("pi")
    if report.when == "call" and report.failed and pi and pi.machine.alive:
        item.stash[_sound] = sound_state(pi)
    return report


def sound_state(pi: Pi) -> str:
    """What PipeWire and the sound card are doing."""
    try:
        return pi.sh(SOUND_STATE, check=False).stdout
    except GuestError as error:
        return f"it could not be had: {error}\n"


@pytest.fixture(scope="session")
def radio() -> Iterator[Radio]:
    """The air between the virtual Pi and the phones."""
    with Radio() as radio:
        yield radio


@pytest.fixture(scope="session")
def laboratory(request: pytest.FixtureRequest, radio: Radio) -> Iterator[Laboratory]:
    """The session's machines and artifacts."""
    artifacts = Path(request.config.getoption("--artifacts")).absolute()
    laboratory = Laboratory(Parts.from_environment(), artifacts, radio)
    yield laboratory
    laboratory.close()


@pytest.fixture
def pi(request: pytest.FixtureRequest, laboratory: Laboratory) -> Iterator[Pi]:
    """The shared virtual Pi, with dotd freshly started and knowing nobody."""
    pi = laboratory.shared_pi()
    started = time.monotonic()
    try:
        with laboratory.timed(f"clean state for {request.node.name}"):
            pi.clean()
    except GuestError:
        finish(request, laboratory, pi, started, failed=True)
        raise
    started = time.monotonic()
    yield pi
    finish(request, laboratory, pi, started)


@pytest.fixture
def fresh_pi(request: pytest.FixtureRequest, laboratory: Laboratory) -> Iterator[Pi]:
    """A virtual Pi of the test's own, as bare as its image: dotd is not installed."""
    with laboratory.fresh_pi() as pi:
        started = time.monotonic()
        yield pi
        finish(request, laboratory, pi, started)


@pytest.fixture
def package(laboratory: Laboratory) -> Path:
    """The .deb under test, on the host: pi.install() takes it."""
    if not laboratory.parts.package:
        pytest.fail("this scenario needs the package: run without --bare")
    return laboratory.parts.package


@pytest.fixture
def phones(radio: Radio) -> Iterator[Callable[..., list[Phone]]]:
    """Calls as phones(n, io=...) for n new phones; they are switched off after the test."""
    made: list[Phone] = []

    def make(count: int, **options) -> list[Phone]:
        new = []
        for _ in range(count):
            name = PHONE_NAMES[len(made) % len(PHONE_NAMES)]
            new.append(Phone(radio, **{"name": name, **options}))
            made.append(new[-1])
        return new

    yield make
    for phone in made:
        phone.close()
    calm.collect()


@pytest.fixture
def phone(phones: Callable[..., list[Phone]]) -> Phone:
    """One phone that pairs without asking, as an iPhone does."""
    return phones(1)[0]


def finish(
    request: pytest.FixtureRequest,
    laboratory: Laboratory,
    pi: Pi,
    started: float,
    failed: bool = False,
) -> None:
    """Notes the time and keeps what explains a failure, or what was asked to be kept."""
    name = request.node.name
    laboratory.timings.append({"what": name, "seconds": round(time.monotonic() - started, 3)})
    outcomes = request.node.stash.get(_outcomes, {})
    failed = failed or any(report.failed for report in outcomes.values())
    folder = laboratory.artifacts / re.sub(r"[^\w.-]+", "-", name)
    if failed and pi.machine.alive:
        laboratory.collect(pi, folder)
        (folder / "sound.txt").write_text(request.node.stash.get(_sound, ""))
    laboratory.keep_recordings(pi, folder)
    if trouble := pi.machine.trouble:
        pytest.fail(f"the virtual Pi itself had trouble: {'; '.join(trouble)}")
