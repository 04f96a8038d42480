"""Three phones that do as they like, and a speaker that keeps things in order.

After each of many random operations, once all is quiet, what dotd says of the phones is what people
said, and what BlueZ, PipeWire and the phones themselves say; and on what the sound card plays, each
phone's own tone tells that the one that is said to play is heard, and no other. No two are heard
together at any time, and none falls silent without a reason: what phones play has no end. The seed is
printed: DOTD_LAB_SEED=N lives the same life again, as far as the clocks let it.
"""

import os
import random
import shlex
from contextlib import contextmanager, suppress
from functools import partial

import numpy as np
import pytest
from agreement import LISTENED, disagreements, had_to_stop, misheard, streams
from telephony import ANNA, wait_calls
from turns import LEVEL, TONES, wait

from labkit import signals
from labkit.link import GuestError
from labkit.pi import CommandFailed

PROCESS = "systemctl show -P MainPID dotd"
CURSOR = "journalctl -q -n 0 --show-cursor"
RATE, FRAME, FRAMES = 44100, 128, 345
"""What a phone plays over and over: so many samples a second and in a frame, so many frames."""
QUIET = 20.0
"""Seconds within which everybody agrees again: twice what may follow a call, which is the quiet after it
(1.5 s), a ping (6 s) and the 3 s for which the speaker is kept."""
RESTART = 30.0
LOST = 60.0
"""Seconds within which both sides have noticed that a link is gone."""
TALK = 5.0
"""Seconds within which a call that was answered has its voice."""
BUTTONS = ("play", "pause", "stop", "next", "previous", "forward", "rewind")
PREFERENCES = ("first", "usual", "last", "never")
NAMES = ("Küche", "Bad", "")
"""What people call a phone; nothing is what it calls itself."""
DOCUMENTED = {0, 1, 2, 4, 5, 6, 7, 8, 9}
"""How dotctl may end; 3 is that dotd went away."""


def loop(phone_number):
    """A second of a phone's tone, whole waves in whole frames: it goes on at its end as it began."""
    count = FRAMES * FRAME
    waves = round(TONES[phone_number] * count / RATE)
    return signals.decibel(LEVEL) * np.sin(2 * np.pi * waves * np.arange(count) / count)


class Life:
    """The three, the speaker, and the dice. The first of the three has calls."""

    def __init__(self, speaker, family, dice):
        self.speaker, self.family, self.dice = speaker, family, dice
        self.away = set()
        self.said = {}
        self.status = {}
        self.process = self.running()
        for phone in family:
            speaker.welcome(phone)
            self.is_new(phone)

    def dotctl(self, *words):
        """Says something to the speaker, which may well refuse; returns whether it was done."""
        ended = self.speaker.dotctl(*words, check=False)
        assert ended.rc in DOCUMENTED, f"{words}: {ended}"
        return ended.rc == 0

    def is_new(self, phone):
        """Nobody has said anything of a phone yet."""
        self.said[phone] = {"name": phone.name, "preference": "usual"}

    def running(self):
        """The process that dotd is."""
        return self.speaker.pi.sh(PROCESS).stdout

    def check_lives(self):
        """It is the one that was started last."""
        assert self.running() == self.process, "dotd was started anew"

    def restart(self, command, told):
        """Has a service go and come back, as in an update or after a crash, until dotd has told that it is
        there again. What dotd shows may be of before, and what it shows meanwhile may have passed."""
        pi = self.speaker.pi
        self.check_lives()
        cursor = pi.sh(CURSOR).stdout.partition("-- cursor: ")[2].strip()
        pi.sh(command)
        lines = shlex.join(["journalctl", "-q", "-u", "dotd", "-g", told, f"--after-cursor={cursor}"])
        pi.wait_for(lambda: pi.sh(lines, check=False).stdout, RESTART, told)
        self.speaker.wait_ready(RESTART)

    def play(self, phone):
        """The phone plays its tone, without end."""
        phone.play(loop(self.family.index(phone)), endless=True)

    def live(self, happens=lambda: None):
        """Something happens, and all agree on what has come of it. All is listened to, from before it
        happens, but for a moment each time that what is heard is late."""
        began = self.speaker.pi.now()
        if self.listen(began, happens):
            self.wait_right(lambda: self.listen(began))
        # Kept are those that somebody has to listen to.
        self.speaker.pi.recordings.clear()

    def listen(self, began, happens=lambda: None):
        """Records until all agree on what happens; returns what of it is not heard."""
        with self.speaker.pi.recording() as recording:
            happens()
            with self.nobody_stops(began):
                self.wait_right(self.look)
                wait(self.speaker, LISTENED)
        return misheard(recording, self.family, self.status)

    def look(self):
        """Returns what they do not agree on."""
        try:
            wrong, self.status = disagreements(self.speaker, self.family, self.said)
        except CommandFailed as failure:
            wrong = [str(failure)]
        return wrong

    def wait_right(self, look):
        """Waits until nothing is wrong."""
        wrong = []

        def right():
            wrong[:] = look()
            return not wrong

        try:
            self.speaker.pi.wait_for(right, QUIET, "agreement")
        except GuestError as error:
            pytest.fail("\n".join([f"they do not agree: {error}", *wrong]))

    @contextmanager
    def nobody_stops(self, began):
        """Whoever plays now plays on, but for a reason that came after it began."""
        playing = [phone for phone in self.family if streams(phone)]
        yield
        for phone in playing:
            assert streams(phone) or had_to_stop(phone, began), f"{phone.name} fell silent"


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
def plays(life, phone, _):
    life.play(phone)


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
    life.speaker.pi.wait_for(lambda: phone.connected_to is None, LOST, f"{phone.name} without a link")


def comes_back(life, phone):
    life.away.discard(phone)
    phone.in_range()


def rings(life, _):
    """Somebody calls, is answered or rejected at the speaker, and hangs up."""
    phone, wish = life.family[0], life.dice.choice(("answer", "reject"))
    if phone in life.away:
        return comes_back(life, phone)
    began = life.speaker.pi.now()
    with suppress(Exception):  # It may have lost its way to the speaker.
        phone.ring(ANNA)
    if life.dotctl("call", wish) and wish == "answer":
        with suppress(Exception):
            is_open = {"state": "open"}.items()
            phone.wait_event("audio", TALK, began, lambda it: is_open <= it.details.items())
    with suppress(Exception):  # One that was rejected is over.
        phone.hang_up()
    wait_calls(life.speaker)


def is_forgotten(life, phone):
    """On both sides, and pairs anew."""
    if phone in life.away:
        return comes_back(life, phone)
    speaker = life.speaker
    life.dotctl("forget", phone.address)
    speaker.pi.wait_for(lambda: phone.connected_to is None, what=f"{phone.name} without a link")
    phone.forget(speaker.address)
    speaker.dotctl("pair")
    # While the speaker calls it hears no call.
    speaker.pi.wait_for(
        lambda: not any(each["called"] for each in speaker.phones()), what="the end of all calls"
    )
    speaker.invite(phone)
    life.is_new(phone)


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


def is_preferred(life, phone):
    preference = life.dice.choice(PREFERENCES)
    if life.dotctl("prefer", phone.address, f"--{preference}"):
        life.said[phone]["preference"] = preference


def is_renamed(life, phone):
    name = life.dice.choice(NAMES)
    if life.dotctl("phone", "rename", phone.address, name):
        life.said[phone]["name"] = name or phone.name


def dotd_restarts(life, _):
    life.check_lives()
    life.speaker.pi.sh("systemctl restart dotd")
    life.process = life.running()
    life.speaker.wait_ready(RESTART)


def bluetoothd_restarts(life, _):
    life.restart("systemctl restart bluetooth", "is ready on")


def pipewire_restarts(life, _):
    with life.nobody_stops(life.speaker.pi.now()):
        life.restart("systemctl kill -s KILL dotd-pipewire", "sound goes to")


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
    rings: 3,
    is_forgotten: 1,
    is_called: 3,
    is_sent_away: 2,
    is_told: 5,
    somebody_is_told: 2,
    is_turned: 4,
    all_is_turned: 2,
    all_is_muted: 2,
    is_blocked: 1,
    is_let_in: 3,
    is_preferred: 2,
    is_renamed: 1,
    rules_change: 3,
    dotd_restarts: 1.8,
    bluetoothd_restarts: 1.8,
    pipewire_restarts: 1.8,
}
"""All of them, and how often each comes; each of the services restarts at one of 40."""


@pytest.fixture
def dice():
    """Chance that can be had again."""
    seed = int(os.environ.get("DOTD_LAB_SEED", random.randrange(1 << 32)))
    print(f"DOTD_LAB_SEED={seed} lives this life again")
    return random.Random(seed)


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.soak)])
def test_all_is_in_order_whatever_three_phones_do(speaker, phones, dice, count):
    family = [*phones(1, calls="iphone"), *phones(1), *phones(1, absolute_volume=False)]
    life = Life(speaker, family, dice)
    for phone in family:
        life.live(partial(life.play, phone))
    for number in range(1, count + 1):
        (operation,) = dice.choices(list(OPERATIONS), list(OPERATIONS.values()))
        phone = dice.choice(life.family)
        print(f"{number}: {phone.name} {operation.__name__}")
        happens = partial(operation, life, phone)
        if operation is pipewire_restarts:
            # A card that is listened to is in use, and would not be found again.
            happens()
            life.live()
        else:
            life.live(happens)
    life.check_lives()
