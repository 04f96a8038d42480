"""What happens when, in a household: the cases of tests/household/cases.toml, with phones, measured on
what the sound card played.

tests/household/main.rs plays the same cases through with the policy alone. Those that take long
(`only-policy`) are left to it and to test_reconnect.py.
"""

import json
import math
import shlex
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from telephony import ANNA, PATIENCE, reconnect, saw, wait_calls
from turns import RING, TONES, check_alone, heard, shares, tone, wait

from labkit import signals

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib  # Before Python 3.11 pytest brings it.

FILE = Path(__file__).resolve().parents[3] / "household" / "cases.toml"
FAMILY = ("anna", "ben", "cara", "dora")
THE_RING = "the ring"
RING_TONE = "/etc/dotd/ring.wav"
LONGEST_RING = 10.0
"""Seconds of a ring tone: nobody lets it ring for longer."""
RINGS = f'[calls]\nring-tone = "{RING_TONE}"\nring-volume = 100\n'
PING = 5.0
"""Seconds of a message's sound, which is long for one, so that somebody can listen; less than the 6 s
after which it would be none."""
LOOK = 1.5
"""Seconds for which it stays as it is looked at."""
LISTENED = 1.0
"""The last of them, which are listened to: until then there may be an end of what was before."""
STORIES = "/run/lab-stories"
SENT_AWAY = ("no-room", "not-now", "made-room")
"""What is told of phones that were sent away."""


def cases():
    """Those that do not take long, each named by what it says."""
    for case in tomllib.loads(FILE.read_text(encoding="utf-8"))["case"]:
        if not case.get("only-policy"):
            rules = [f"{key} {value}" for key, value in case.get("with", {}).items()]
            yield pytest.param(case, id=", ".join([*rules, case["when"]]))


def settings(rules):
    """Writes the rules of a case as they stand in dotd.toml."""
    lines = ["[playback]"]
    lines += [f"{key} = {json.dumps(rules[key])}" for key in ("takeover", "priority") if key in rules]
    if name := rules.get("may-not-take-over"):
        lines += [f"[phone.{json.dumps(name)}]", "may-take-over = false"]
    return RINGS + "\n".join(lines) + "\n"


@pytest.fixture
def ring_tone(speaker, tmp_path):
    """What the speaker rings with has a tone that no phone plays."""
    file = tmp_path / "ring.wav"
    signals.write_wav(file, tone(RING, LONGEST_RING))
    speaker.pi.sh(f"install -m 644 {speaker.pi.put(file)} {RING_TONE}")
    yield
    speaker.pi.sh(f"rm -f {RING_TONE}")


@contextmanager
def stories(pi):
    """Notes what is told of phones that were sent away; gives the sentences so far, oldest first."""
    command = f"exec dotctl monitor --json >{STORIES}"
    unit = ["systemd-run", "-q", "--collect", "--unit=lab-stories"]
    pi.sh(f": >{STORIES}; " + shlex.join([*unit, "sh", "-c", command]))

    def told():
        whole, _, _ = pi.sh(f"cat {STORIES}").stdout.rpartition("\n")
        each = [json.loads(line) for line in whole.splitlines()]
        return [story["text"] for story in each if story["kind"] in SENT_AWAY]

    try:
        yield told
    finally:
        pi.sh("systemctl stop lab-stories", check=False)


class House:
    """The phones of a case, and what they do; each step returns when the speaker has dealt with it."""

    def __init__(self, speaker, phones, case, told):
        self.speaker, self.told = speaker, told
        self.done = [step for step in case["steps"] if isinstance(step, str)]
        involved = {step.split()[0] for step in self.done} | set(case["here"])
        self.phones = {
            name: phones(1, name=name.capitalize(), calls="iphone" if self.rings_once(name) else None)[0]
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
        self.looked = self.done_at = speaker.pi.now()
        self.told_before = len(self.told())
        self.listened = []

    def rings_once(self, name):
        """Whether this phone rings in the course of events."""
        return f"{name} rings" in self.done

    def step(self, step):
        """Has happen what the file says, or looks at what has become of it."""
        if isinstance(step, dict):
            return self.look(step)
        who, verb = step.split(" ", 1)
        done_at = wait(self.speaker, float(verb)) if who == "wait" else self.act(who, verb)
        self.done_at = done_at or self.speaker.pi.now()

    def act(self, who, verb):
        """Has somebody do it; returns when that was, if that can be told better than by the clock."""
        verbs = {
            "connects": self.connects,
            "leaves": self.leaves,
            "is sent off": self.is_sent_off,
            "is asked for": self.is_asked_for,
            "plays": self.plays,
            "stops": self.stops,
            "pings": self.pings,
            "has pinged": self.has_pinged,
            "disobeys": self.disobeys,
            "rings": self.rings,
            "hangs up": self.hangs_up,
        }
        return verbs[verb](who)

    # Who is there

    def arrives(self, name):
        """Connects what it has."""
        if self.rings_once(name):
            reconnect(self.speaker, self.phones[name])
        else:
            self.phones[name].connect(self.speaker.address)

    def connects(self, name):
        """Tries to. A phone that is sent away fails in whichever step comes first."""
        with suppress(Exception):
            self.arrives(name)

    def leaves(self, name):
        """Its user disconnects."""
        self.speaker.part(self.phones[name])

    def is_sent_off(self, name):
        """Somebody disconnects it at the speaker."""
        phone, began = self.phones[name], self.speaker.pi.now()
        self.speaker.dotctl("disconnect", phone.address)
        saw(phone, "disconnected", began)
        self.speaker.wait_connected(phone, False)

    def is_asked_for(self, name):
        """Somebody connects it at the speaker."""
        self.speaker.dotctl("connect", self.phones[name].address)

    # Who plays

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
        phone, began = self.phones[name], self.speaker.pi.now()
        phone.suspend()
        self.owner = None
        self.speaker.wait_silent(phone)
        return saw(phone, "stream", began, state="suspended").time

    def pings(self, name):
        """A message comes; its sound is none of the player's."""
        phone = self.phones[name]
        phone.play(tone(TONES[FAMILY.index(name)], PING), announced=False)
        self.speaker.wait_playing(phone)

    def has_pinged(self, name):
        """The message has been heard, and the phone closes its stream."""
        self.phones[name].stop()

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

    # What is seen

    def was_paused(self, name, since, until=math.inf):
        """Whether the speaker has pressed pause on this phone."""
        keys = [event for event in self.phones[name].events if event.kind == "key"]
        return any(event.details["key"] == "pause" and since <= event.time <= until for event in keys)

    def was_called(self, name):
        """Whether the speaker has begun a link with this phone since the last look."""
        links = [event for event in self.phones[name].events if event.kind == "connected"]
        return any(event.details["incoming"] and event.time >= self.looked for event in links)

    def look(self, expected):
        """It becomes as it should be and stays so. Whether the one who is heard stays it is listened to
        later: asked again, the speaker would tell of what may by then have come next."""
        pi = self.speaker.pi
        others = {what: value for what, value in expected.items() if what != "heard"}
        who = expected.get("heard")
        # The silence after somebody has stopped may be short, and began with that.
        asked = others if who == "nobody" else expected
        pi.wait_for(lambda: self.seen(asked) == plain(asked), PATIENCE, f"{expected}")
        ended = (self.done_at if who == "nobody" else pi.now()) + LOOK
        wait(self.speaker, ended - pi.now())
        assert self.seen(others, ended) == plain(others)
        if who is not None:
            self.listened.append((ended - LISTENED, ended, who))
        self.looked = ended
        self.told_before = len(self.told())

    def seen(self, asked, until=math.inf):
        """What somebody sees who looks for the same; of what passes, until then."""
        known = {each["address"]: each for each in self.speaker.phones()}
        shown = {name: known[phone.address] for name, phone in self.phones.items()}
        ways = {
            "heard": lambda: {name for name, each in shown.items() if each["playing"]},
            "connected": lambda: {name for name, each in shown.items() if each["connected"]},
            "paused": lambda: {name for name in shown if self.was_paused(name, self.looked, until)},
            "called": lambda: {
                name for name, each in shown.items() if each["called"] or self.was_called(name)
            },
            "told": lambda: self.told()[self.told_before :],
        }
        return {what: ways[what]() for what in asked}

    def check_heard(self, recording):
        """Whoever should be heard when somebody looked was, and nobody else."""
        if not self.listened:
            return  # There was no sound.
        names = (*FAMILY, THE_RING)
        pieces = heard(recording, (*TONES, RING))
        check_alone(pieces[:, : len(TONES)])
        for begin, end, who in self.listened:
            for name, share in zip(names, shares(recording, pieces, begin, end), strict=True):
                right = share > 0.9 if name == who else share == 0
                assert right, f"{name}: {share:.0%} of the time in which {who} should be heard"


def plain(look):
    """What dotctl and the phones show when it is so. The ring only shows on the sound card."""
    shown = {what: value if what == "told" else set(value) for what, value in look.items()}
    if "heard" in look:
        shown["heard"] = {look["heard"]} - {"nobody", THE_RING}
    return shown


@pytest.mark.usefixtures("ring_tone")
@pytest.mark.parametrize("case", cases())
def test_what_happens_is_what_is_said(speaker, phones, case):
    speaker.configure(settings(case.get("with", {})))
    with stories(speaker.pi) as told:
        house = House(speaker, phones, case, told)
        with speaker.pi.recording() as recording:
            for step in case["steps"]:
                house.step(step)
    house.check_heard(recording)
