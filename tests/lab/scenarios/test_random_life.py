"""Three phones that do as they like, and a speaker that keeps things in order.

After each of many random operations, once all is quiet, what dotd says of the phones is what BlueZ,
PipeWire and the phones themselves say, and at most one of them is heard. The seed is printed:
DOTD_LAB_SEED=N lives the same life again, as far as the clocks let it.
"""

import os
import random
from contextlib import suppress
from dataclasses import dataclass

import pytest

from labkit import signals
from labkit.link import GuestError
from labkit.pi import SOUND_SERVER

OBJECTS = (
    "busctl --json=short call org.bluez / org.freedesktop.DBus.ObjectManager GetManagedObjects"
)
PROCESS = "systemctl show -P MainPID dotd"
PIECE = 20.0
QUIET = 60.0
"""Seconds within which everybody agrees again."""
LOST = 60.0
"""Seconds within which both sides have noticed that a link is gone."""
STATES = {"forward-seek": "forward", "reverse-seek": "rewind", "error": "stopped"}
"""What dotd calls those states of a player that BlueZ calls something else."""
BUTTONS = ("play", "pause", "stop", "next", "previous", "forward", "rewind")
DOCUMENTED = {0, 1, 2, 4, 5, 6, 7, 8, 9}
"""How dotctl may end; 3 is that dotd went away."""


@dataclass
class Seen:
    """A phone, as each of those who know of it sees it."""

    shown: dict
    """By dotctl."""
    device: dict
    transport: dict | None
    player: dict | None
    node: str | None
    """The state of its stream in PipeWire."""
    linked: bool
    """By the phone itself."""
    streams: bool

    def disagreements(self, ceiling: int) -> list[str]:
        """What does not fit together."""
        shown, device = self.shown, self.device
        active = self.transport is not None and self.transport["State"] == "active"
        sides = {
            "connected": (shown["connected"], device.get("Connected", False), self.linked),
            "bonded": (shown["bonded"], device.get("Bonded", False)),
            "streams": (self.streams, active, self.node == "running"),
            "has a player": (shown["player"] is not None, self.player is not None),
        }
        if self.player and shown["player"]:
            state = self.player.get("Status", "stopped")
            sides["player"] = (shown["player"]["state"], STATES.get(state, state))
        if self.transport is not None:
            sides["volume"] = (shown["volume"], percent(self.transport["Volume"]))
        wrong = [f"{what}: {said}" for what, said in sides.items() if len(set(said)) > 1]
        if shown["connected"] and not shown["trusted"]:
            wrong.append("connected, and not trusted")
        if shown["trusted"] == shown["blocked"]:
            wrong.append("trusted and blocked, or neither")
        if shown["blocked"] and (shown["called"] or shown["next_call"]):
            wrong.append("called, though it is blocked")
        if not 0 <= shown["volume"] <= ceiling:
            wrong.append(f"volume {shown['volume']} of {ceiling}")
        if shown["playing"] and not active:
            wrong.append("playing, and nothing comes of it")
        return wrong


def percent(avrcp: int) -> int:
    """The volume that a slider (0 to 127) stands for."""
    return (avrcp * 100 + 63) // 127


class Life:
    """The three, the speaker, and the dice."""

    def __init__(self, speaker, family, dice):
        self.speaker, self.family, self.dice = speaker, family, dice
        self.away = set()
        for phone in family:
            speaker.welcome(phone)

    def dotctl(self, *words):
        """Says something to the speaker, which may well refuse."""
        ended = self.speaker.dotctl(*words, check=False)
        assert ended.rc in DOCUMENTED, f"{words}: {ended}"

    # How it is

    def objects(self):
        """What BlueZ tells: the properties of each interface, by the address of the device."""
        found = {}
        (tree,) = self.speaker.pi.sh(OBJECTS).json()["data"]
        for path, interfaces in tree.items():
            device = next((part for part in path.split("/") if part.startswith("dev_")), "")
            known = found.setdefault(device[4:].replace("_", ":"), {})
            for interface, properties in interfaces.items():
                plain = {name: value["data"] for name, value in properties.items()}
                known[interface.rpartition(".")[2]] = plain
        return found

    def nodes(self):
        """The states of dotd's streams of music in PipeWire, by the address of the phone."""
        found = {}
        for each in self.speaker.pi.sh(f"{SOUND_SERVER} pw-dump").json():
            info = each.get("info") or {}
            properties = info.get("props") or {}
            if properties.get("application.name") == "dotd" and properties.get("media.role") == "Music":
                address = properties["node.name"].removeprefix("dotd.").replace("_", ":")
                found[address] = info["state"]
        return found

    def disagreements(self):
        """All that does not fit together just now."""
        status = self.speaker.status()
        objects, nodes = self.objects(), self.nodes()
        shown = {each["address"]: each for each in status["phones"]}
        wrong = []
        for phone in self.family:
            known = objects.get(phone.address, {})
            seen = Seen(
                shown[phone.address],
                known.get("Device1", {}),
                known.get("MediaTransport1"),
                known.get("MediaPlayer1"),
                nodes.get(phone.address),
                phone.connected_to is not None,
                streams(phone),
            )
            told = seen.disagreements(status["sound"]["max_volume"])
            wrong += [f"{phone.name}: {each}" for each in told]
        playing = [each["name"] for each in shown.values() if each["playing"]]
        streaming = [phone for phone in self.family if nodes.get(phone.address) == "running"]
        if len(playing) != min(len(streaming), 1):
            wrong.append(f"{playing} are heard, and {len(streaming)} phones play")
        if strangers := set(shown) - {phone.address for phone in self.family}:
            wrong.append(f"strangers: {strangers}")
        return wrong

    def settle(self):
        """Waits until all agree."""
        wrong = []

        def agreed():
            wrong[:] = self.disagreements()
            return not wrong

        try:
            self.speaker.pi.wait_for(agreed, QUIET)
        except GuestError:
            pytest.fail("\n".join(["they do not agree:", *wrong]))


def streams(phone):
    """Whether the phone has its stream running."""
    told = [
        event.details.get("state")
        for event in phone.events
        if event.kind == "stream" or (event.kind == "profile" and event.details["name"] == "a2dp")
    ]
    return told[-1:] == ["streaming"]


# What phones do: whatever comes of it, also nothing. Who is out of range can only come back.


def at_the_phone(action):
    """Makes an operation of something that the user of a phone does."""

    def operation(life, phone):
        drawn = life.dice.random()
        if phone in life.away:
            return comes_back(life, phone)
        with suppress(Exception):  # Its link may go meanwhile, or it may be refused.
            action(life, phone, drawn)

    operation.__name__ = action.__name__
    return operation


@at_the_phone
def connects(life, phone, _):
    phone.connect(life.speaker.address)


@at_the_phone
def disconnects(_life, phone, _):
    phone.disconnect()


@at_the_phone
def plays(_life, phone, _):
    phone.play(signals.tone(seconds=PIECE))


@at_the_phone
def goes_on(_life, phone, _):
    phone.resume()


@at_the_phone
def pauses(_life, phone, _):
    phone.suspend()


@at_the_phone
def stops(_life, phone, _):
    phone.stop()


@at_the_phone
def turns(_life, phone, drawn):
    phone.set_volume(int(drawn * 128))


@at_the_phone
def obeys(_life, phone, drawn):
    phone.obey(drawn < 0.7)


@at_the_phone
def walks_away(life, phone, _):
    life.away.add(phone)
    phone.out_of_range()
    life.speaker.wait_connected(phone, False, LOST)


def comes_back(life, phone):
    life.away.discard(phone)
    phone.in_range()


# What people do at the speaker


def is_called(life, phone):
    life.dotctl("connect", phone.address)


def is_sent_away(life, phone):
    life.dotctl("disconnect", phone.address)


def is_told(life, phone):
    life.dotctl(life.dice.choice(BUTTONS), phone.address)


def somebody_is_told(life, _):
    life.dotctl(life.dice.choice(BUTTONS))


def is_turned(life, phone):
    life.dotctl("volume", str(life.dice.randrange(101)), "--phone", phone.address)


def all_is_turned(life, _):
    life.dotctl("volume", life.dice.choice(["+10", "-10", "5/10"]))


def all_is_muted(life, _):
    life.dotctl(life.dice.choice(["mute", "unmute"]))


def is_blocked(life, phone):
    life.dotctl("block", phone.address)


def is_let_in(life, phone):
    life.dotctl("unblock", phone.address)


def rules_change(life, phone):
    rules = (
        'takeover = "last-play"',
        'takeover = "hold"\nhold-for = "2s"',
        'takeover = "refuse"',
        f'priority = ["{phone.address}"]',
    )
    life.speaker.configure(f"[playback]\n{life.dice.choice(rules)}\n")


OPERATIONS = {
    connects: 6,
    disconnects: 2,
    plays: 8,
    goes_on: 4,
    pauses: 3,
    stops: 3,
    turns: 4,
    obeys: 2,
    walks_away: 1,
    comes_back: 1,
    is_called: 3,
    is_sent_away: 2,
    is_told: 5,
    somebody_is_told: 2,
    is_turned: 4,
    all_is_turned: 2,
    all_is_muted: 2,
    is_blocked: 1,
    is_let_in: 3,
    rules_change: 3,
}
"""All of them, and how often each comes."""


@pytest.fixture
def dice():
    """Chance that can be had again."""
    seed = int(os.environ.get("DOTD_LAB_SEED", random.randrange(1 << 32)))
    print(f"DOTD_LAB_SEED={seed} lives this life again")
    return random.Random(seed)


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.soak)])
def test_all_is_in_order_whatever_three_phones_do(speaker, phones, dice, count):
    before = speaker.pi.sh(PROCESS).stdout
    life = Life(speaker, [*phones(2), *phones(1, absolute_volume=False)], dice)
    life.settle()
    for number in range(1, count + 1):
        (operation,) = dice.choices(list(OPERATIONS), list(OPERATIONS.values()))
        phone = dice.choice(life.family)
        print(f"{number}: {phone.name} {operation.__name__}")
        operation(life, phone)
        life.settle()
    assert speaker.pi.sh(PROCESS).stdout == before, "dotd was started anew"
