"""What happens when, in a household: the cases of tests/household/cases.toml, with phones, measured on
what the sound card played.

tests/household.rs plays the same cases through with the policy alone. Those about whom the speaker calls
(`called`) are left to it and to test_reconnect.py.
"""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from telephony import ANNA, PATIENCE, reconnect, saw, wait_calls
from turns import PIECE, TONES, check_alone, heard, tone, wait

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib  # Before Python 3.11 pytest brings it.

FILE = Path(__file__).resolve().parents[3] / "household" / "cases.toml"
FAMILY = ("anna", "ben", "cara", "dora")
SILENT_RING = "[calls]\nring-volume = 0\n"
"""What is measured is the music."""
SETTLED = 1.5
"""Seconds for which it stays as it has become; the last of them is listened to."""


def cases():
    """Those that are about sound and connections, each named by what it says."""
    for case in tomllib.loads(FILE.read_text(encoding="utf-8"))["case"]:
        if "called" not in case:
            rules = [f"{key} {value}" for key, value in case.get("with", {}).items()]
            yield pytest.param(case, id=", ".join([*rules, case["when"]]))


def settings(rules):
    """Writes the rules of a case as they stand in dotd.toml."""
    lines = ["[playback]"]
    lines += [f"{key} = {json.dumps(rules[key])}" for key in ("takeover", "priority") if key in rules]
    if name := rules.get("may-not-take-over"):
        lines += [f"[phone.{json.dumps(name)}]", "may-take-over = false"]
    return SILENT_RING + "\n".join(lines) + "\n"


class House:
    """The phones of a case, and what they do; each step returns when the speaker has dealt with it."""

    def __init__(self, speaker, phones, case):
        self.speaker = speaker
        self.steps = case["steps"]
        involved = {step.split()[0] for step in self.steps} | set(case["here"])
        self.phones = {
            name: phones(1, name=name.capitalize(), calls="iphone" if self.is_called(name) else None)[0]
            for name in FAMILY
            if name in involved
        }
        self.began_to_play, self.stubborn = set(), set()
        self.owner = None
        for name in sorted(self.phones, key=lambda name: name in case["here"]):
            speaker.invite(self.phones[name])
            if name in case["here"]:
                self.arrives(name)
            else:
                speaker.part(self.phones[name])
        self.began = speaker.pi.now()

    def is_called(self, name):
        """Whether this phone rings in the course of events."""
        return f"{name} rings" in self.steps

    def step(self, step):
        """Has happen what the file says."""
        who, verb = step.split(" ", 1)
        if who == "wait":
            return wait(self.speaker, float(verb))
        verbs = {
            "connects": self.connects,
            "plays": self.plays,
            "stops": self.stops,
            "pings": self.pings,
            "disobeys": self.disobeys,
            "rings": self.rings,
            "hangs up": self.hangs_up,
        }
        return verbs[verb](who)

    def arrives(self, name):
        """Connects what it has."""
        if self.is_called(name):
            reconnect(self.speaker, self.phones[name])
        else:
            self.phones[name].connect(self.speaker.address)

    def connects(self, name):
        """Tries to. A phone that is sent away fails in whichever step comes first."""
        with suppress(Exception):
            self.arrives(name)

    def plays(self, name):
        """Begins, or goes on; then it is heard and whoever was before has paused, or it has."""
        phone, began = self.phones[name], self.speaker.pi.now()
        if name in self.began_to_play:
            phone.resume()
        else:
            self.began_to_play.add(name)
            phone.play(tone(TONES[FAMILY.index(name)]))
        self.speaker.pi.wait_for(
            lambda: self.speaker.is_playing(phone) or self.was_paused(name, began),
            PATIENCE,
            f"{name} heard or paused",
        )
        loser = name
        if self.speaker.is_playing(phone):
            loser, self.owner = self.owner, name
        if loser not in (None, self.owner):
            saw(self.phones[loser], "key", began, key="pause")
            if loser not in self.stubborn:
                saw(self.phones[loser], "stream", began, state="suspended")

    def stops(self, name):
        """Its user presses pause."""
        self.phones[name].suspend()
        self.owner = None
        self.speaker.wait_silent(self.phones[name])

    def pings(self, name):
        """A message comes; its sound is none of the player's."""
        phone, began = self.phones[name], self.speaker.pi.now()
        phone.play(tone(TONES[FAMILY.index(name)], 1.2), announced=False).wait()
        saw(phone, "stream", began, state="suspended")

    def disobeys(self, name):
        """From now on it plays on when it is told to pause."""
        self.stubborn.add(name)
        self.phones[name].obey(False)

    def rings(self, name):
        """Somebody calls."""
        self.phones[name].ring(ANNA)
        wait_calls(self.speaker, "incoming")

    def hangs_up(self, name):
        """Whoever called gives up."""
        self.phones[name].hang_up()
        wait_calls(self.speaker)

    def was_paused(self, name, since):
        """Whether the speaker has pressed pause on this phone."""
        keys = [event for event in self.phones[name].events if event.kind == "key"]
        return any(event.details["key"] == "pause" and event.time >= since for event in keys)

    def seen(self, case):
        """What the case tells of, as it is now."""
        known = {each["address"]: each for each in self.speaker.phones()}
        told = {name: known[phone.address] for name, phone in self.phones.items()}
        now = {
            "heard": {name for name, each in told.items() if each["playing"]},
            "paused": {name for name in self.phones if self.was_paused(name, self.began)},
            "connected": {name for name, each in told.items() if each["connected"]},
        }
        return {what: names for what, names in now.items() if what in case}


def expected(case):
    """What it tells, likewise."""
    told = {what: set(case[what]) for what in ("paused", "connected") if what in case}
    if "heard" in case:
        told["heard"] = {case["heard"]} - {"nobody"}
    return told


@pytest.mark.parametrize("case", cases())
def test_what_happens_is_what_is_said(speaker, phones, case):
    speaker.configure(settings(case.get("with", {})))
    house = House(speaker, phones, case)
    with speaker.pi.recording() as recording:
        for step in case["steps"]:
            house.step(step)
        speaker.pi.wait_for(lambda: house.seen(case) == expected(case), PATIENCE, case["then"])
        wait(speaker, SETTLED)
        assert house.seen(case) == expected(case)
    if "heard" not in case:
        return  # There was no sound.
    pieces = heard(recording)
    check_alone(pieces)
    shares = pieces[-round(1 / PIECE) :].mean(axis=0)
    for name, share in zip(FAMILY, shares, strict=True):
        assert share > 0.9 if name == case["heard"] else share == 0, f"{name}: {share:.0%} of the time"
