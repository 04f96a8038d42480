"""Players of phones as players of this machine (MPRIS): what busctl and playerctl see of them on the
system bus, and do to them.
"""

import json
import re
import shlex
from contextlib import contextmanager

from telephony import saw
from test_remote import CLOSE_MS, connect, keys, play

APP = "org.mpris.MediaPlayer2"
PLAYER = "org.mpris.MediaPlayer2.Player"
PATH = "/org/mpris/MediaPlayer2"
SIGNALS = "/run/lab-signals"


class Mpris:
    """The player of a phone, as programs see it on the system bus."""

    def __init__(self, pi, name):
        self.pi = pi
        self.name = "org.mpris.MediaPlayer2.dotd." + re.sub("[^A-Za-z0-9]", "_", name)

    def busctl(self, *words, **options):
        """Runs busctl, as root unless told otherwise."""
        return self.pi.sh(shlex.join(["busctl", "--json=short", *words]), **options)

    @property
    def is_there(self):
        """Whether there is such a player."""
        words = "call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus NameHasOwner s"
        return self.busctl(*words.split(), self.name).json()["data"] == [True]

    def wait_there(self, there=True):
        """Waits until there is, or is none."""
        self.pi.wait_for(lambda: self.is_there == there, what=f"{self.name} there: {there}")

    def get(self, name, interface=PLAYER):
        """A property."""
        return self.busctl("get-property", self.name, PATH, interface, name).json()["data"]

    def wait(self, name, value):
        """Waits until a property has this value."""
        self.pi.wait_for(lambda: self.get(name) == value, what=f"{name} {value}")

    def metadata(self):
        """What plays."""
        return {name: each["data"] for name, each in self.get("Metadata").items()}

    def call(self, method, **options):
        """Presses a button."""
        return self.busctl("call", self.name, PATH, PLAYER, method, **options)

    def set(self, name, kind, value):
        """Moves a switch or a slider."""
        self.busctl("set-property", self.name, PATH, PLAYER, name, kind, value)


def test_each_phone_is_a_player_on_the_system_bus(speaker, phones):
    anna, ben = phones(2)
    connect(speaker, anna, ben)
    player, other = (Mpris(speaker.pi, phone.name) for phone in (anna, ben))
    player.wait_there()
    other.wait_there()
    play(speaker, anna)
    player.wait("PlaybackStatus", "Playing")
    assert other.get("PlaybackStatus") == "Stopped"
    assert player.get("Identity", APP) == anna.name
    track = player.metadata()
    assert (track["xesam:title"], track["xesam:artist"]) == ("One", ["Anna"])
    assert track["mpris:length"] == 200_000_000
    assert abs(player.get("Position") / 1000 - anna.position_ms) < CLOSE_MS
    speaker.part(anna)
    player.wait_there(False)
    assert other.is_there


def test_player_on_the_bus_steers_its_phone(speaker, phones):
    anna, ben = phones(2)
    connect(speaker, anna, ben)
    player = Mpris(speaker.pi, anna.name)
    player.wait_there()
    play(speaker, anna)
    began = speaker.pi.now()
    player.call("Next")
    saw(anna, "key", began, key="forward")
    speaker.pi.wait_for(lambda: player.metadata()["xesam:title"] == "Two", what="the next track")
    player.call("PlayPause")
    player.wait("PlaybackStatus", "Paused")
    player.call("PlayPause")
    player.wait("PlaybackStatus", "Playing")
    player.set("Volume", "d", "0.5")
    saw(anna, "volume", began, volume=64, by="speaker")
    assert player.get("Volume") == 0.5 and speaker.find(anna)["volume"] == 50
    player.set("Shuffle", "b", "true")
    saw(anna, "setting", began, name="shuffle", value=True, by="speaker")
    player.set("LoopStatus", "s", "Playlist")
    saw(anna, "setting", began, name="repeat", value="all", by="speaker")
    player.wait("LoopStatus", "Playlist")
    assert not keys(ben, began) and not ben.shuffle


def test_playerctl_knows_the_phones(speaker, phone):
    connect(speaker, phone)
    player = Mpris(speaker.pi, phone.name)
    player.wait_there()
    play(speaker, phone)
    player.wait("PlaybackStatus", "Playing")
    # It looks at the session's bus as well, and gives up where there is none.
    bus = "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket"
    name = player.name.removeprefix("org.mpris.MediaPlayer2.")

    def playerctl(*words):
        return speaker.pi.sh(shlex.join(["env", bus, "playerctl", "-p", name, *words])).stdout.strip()

    about = playerctl("metadata", "--format", "{{title}} - {{artist}} - {{status}}")
    assert about == "One - Anna - Playing"
    began = speaker.pi.now()
    playerctl("next")
    saw(phone, "key", began, key="forward")
    speaker.pi.wait_for(lambda: playerctl("metadata", "title") == "Two", what="the next track")


@contextmanager
def listening(pi):
    """Notes what players signal meanwhile; gives what changed so far, oldest first."""
    match = f"type='signal',path='{PATH}',member='PropertiesChanged'"
    command = f"exec busctl --json=short monitor --match={shlex.quote(match)} >{SIGNALS}"
    unit = ["systemd-run", "-q", "--collect", "--unit=lab-signals", "--service-type=notify"]

    def changes():
        whole, _, _ = pi.sh(f"cat {SIGNALS}").stdout.rpartition("\n")
        bodies = [json.loads(line)["payload"]["data"] for line in whole.splitlines()]
        return [
            (name, value["data"])
            for _, changed, _ in bodies
            for name, value in changed.items()
        ]

    pi.sh(shlex.join([*unit, "sh", "-c", command]))
    try:
        yield changes
    finally:
        pi.sh("systemctl stop lab-signals", check=False)


def test_changes_of_a_player_are_signalled(speaker, phone):
    connect(speaker, phone)
    Mpris(speaker.pi, phone.name).wait_there()
    with listening(speaker.pi) as changes:
        play(speaker, phone)
        speaker.dotctl("pause")
        speaker.dotctl("volume", "40")
        wanted = [("PlaybackStatus", "Playing"), ("PlaybackStatus", "Paused"), ("Volume", 0.4)]
        speaker.pi.wait_for(lambda: set(wanted) <= hashable(changes()), what="the signals")


def hashable(changes):
    """Those of the changes that are plain values."""
    return {(name, value) for name, value in changes if not isinstance(value, dict | list)}


def test_player_on_the_bus_takes_orders_from_root_and_group_dotd_only(speaker, phone):
    connect(speaker, phone)
    player = Mpris(speaker.pi, phone.name)
    player.wait_there()
    began = speaker.pi.now()
    status = ("get-property", player.name, PATH, PLAYER, "PlaybackStatus")
    for ended in (
        player.busctl(*status, user="guest", check=False),
        player.call("Next", user="guest", check=False),
    ):
        assert ended.rc != 0 and "denied" in ended.stderr.lower(), ended
    speaker.pi.sh("id -nG member | grep -qw dotd || useradd -G dotd member")
    player.call("Play", user="member")
    saw(phone, "key", began, key="play")
    assert keys(phone, began) == ["play"]


def test_player_is_called_what_its_phone_is_called_here(speaker, phone):
    connect(speaker, phone)
    Mpris(speaker.pi, phone.name).wait_there()
    speaker.dotctl("phone", "rename", phone.address, "Özgür")
    renamed = Mpris(speaker.pi, "Özgür")
    renamed.wait_there()
    assert renamed.get("Identity", APP) == "Özgür"
    assert not Mpris(speaker.pi, phone.name).is_there


def test_no_player_is_on_the_bus_if_none_is_wanted(speaker, phone):
    connect(speaker, phone)
    player = Mpris(speaker.pi, phone.name)
    player.wait_there()
    speaker.configure('[players]\nmpris = "off"\n')
    player.wait_there(False)
    began = speaker.pi.now()
    speaker.dotctl("next")
    saw(phone, "key", began, key="forward")
    speaker.configure('[players]\nmpris = "system"\n')
    player.wait_there()
