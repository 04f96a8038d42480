"""The remote control: what the speaker's buttons do to a phone, and what the phone tells of its player.

A button is what the phone saw of it, and whom it was meant for is told by who saw it.
"""

import json

import pytest
from telephony import saw
from turns import wait

from labkit import signals
from labkit.phone import Track

APP = "Grammofon für Anna"
LIST = [
    Track("One", "Anna", "Numbers", "Folk", length_ms=200_000),
    Track("Two", "Anna", "Numbers", "Folk", length_ms=100_000),
    Track("Drei für Ünü", "Ben", length_ms=50_000),
]
BUTTONS = {
    "play": "play",
    "pause": "pause",
    "stop": "stop",
    "next": "forward",
    "previous": "backward",
    "forward": "fast_forward",
    "rewind": "rewind",
}
"""The commands, and what AVRCP calls their keys."""
CLOSE_MS = 2000
"""By so much a position that is asked for may be older than the one that it is compared with."""


def connect(speaker, *family):
    """Phones with a list of tracks are connected, and their players known."""
    for phone in family:
        phone.app = APP
        phone.load(LIST)
        speaker.welcome(phone)
    for phone in family:
        speaker.wait_player(phone, title="One")


def play(speaker, phone):
    """It plays, and its player says so."""
    phone.play(signals.tone(seconds=60.0))
    speaker.wait_playing(phone)
    speaker.wait_player(phone, state="playing")


def keys(phone, since):
    """What was pressed on the phone since then."""
    pressed = [event for event in phone.events if event.kind == "key" and event.time >= since]
    return [event.details["key"] for event in pressed]


def refused(speaker, *command):
    """How a command ended that did not work: the exit code, and the complaint."""
    ended = speaker.dotctl(*command, check=False)
    return ended.rc, ended.stderr


# Buttons


@pytest.mark.parametrize("named", [False, True], ids=["the only phone", "by its name"])
def test_each_button_is_seen_by_the_phone(speaker, phone, named):
    connect(speaker, phone)
    for button, key in BUTTONS.items():
        began = speaker.pi.now()
        told = speaker.dotctl(button, *([phone.name] if named else []), "--json").json()
        assert (told["phone"] or {}).get("address") == (phone.address if named else None)
        saw(phone, "key", began, key=key)


def test_buttons_do_what_they_say(speaker, phone):
    connect(speaker, phone)
    play(speaker, phone)
    speaker.dotctl("pause")
    speaker.wait_player(phone, state="paused")
    speaker.wait_silent(phone)
    speaker.dotctl("play")
    speaker.wait_player(phone, state="playing")
    speaker.wait_playing(phone)
    for button, title in (("next", "Two"), ("next", "Drei für Ünü"), ("previous", "Two")):
        phone.jump(0)  # Later in a track "previous" is its beginning.
        speaker.dotctl(button)
        speaker.wait_player(phone, title=title)
        assert phone.track.title == title
    speaker.dotctl("stop")
    speaker.wait_silent(phone)


@pytest.mark.parametrize("button", ["forward", "rewind"])
def test_winding_goes_on_until_play_is_pressed(speaker, phone, button):
    connect(speaker, phone)
    play(speaker, phone)
    phone.jump(100_000)
    began, before = speaker.pi.now(), phone.position_ms
    speaker.dotctl(button)
    speaker.wait_player(phone, state=button)
    speaker.dotctl("play")
    saw(phone, "key", began, key=BUTTONS[button], pressed=False)
    moved, took = phone.position_ms - before, 1000 * (speaker.pi.now() - began)
    speaker.wait_player(phone, state="playing")
    assert moved > took + 500 if button == "forward" else moved < 0, f"{moved} ms in {took:.0f} ms"


def test_buttons_without_a_name_are_those_of_who_plays_or_did_last(speaker, phones):
    anna, ben = phones(2)
    connect(speaker, anna, ben)
    began = speaker.pi.now()
    code, complaint = refused(speaker, "next")
    assert code == 5 and anna.name in complaint and ben.name in complaint
    speaker.dotctl("next", "ben")
    saw(ben, "key", began, key="forward")
    play(speaker, anna)
    for button in ("next", "stop", "previous"):
        pressed = speaker.pi.now()
        speaker.dotctl(button)
        saw(anna, "key", pressed, key=BUTTONS[button])
    assert keys(ben, began) == ["forward"], "he did not play"
    speaker.part(anna)
    pressed = speaker.pi.now()
    speaker.dotctl("play")
    saw(ben, "key", pressed, key="play")


def test_buttons_of_nobody_are_told_apart(speaker, phones):
    anna, ben = phones(2)
    for phone in (anna, ben):
        speaker.invite(phone)
        speaker.part(phone)
    assert refused(speaker, "play")[0] == 7, "nobody is connected"
    assert refused(speaker, "play", "anna")[0] == 7, "nor is she"
    assert refused(speaker, "play", "nobody")[0] == 4
    assert refused(speaker, "play", "n")[0] == 5, "both names have one"
    for wrong in (["shuffle", "maybe"], ["repeat", "sometimes"], ["shuffle"]):
        assert refused(speaker, *wrong)[0] == 2


def test_other_users_press_no_buttons(speaker, phone):
    connect(speaker, phone)
    began = speaker.pi.now()
    for command in ("now", "play", "shuffle on", "mute", "forget --all"):
        ended = speaker.dotctl(*command.split(), user="guest", check=False)
        assert ended.rc == 6, f"{command}: {ended}"
    assert not keys(phone, began) and speaker.find(phone)["trusted"]


# Switches


def test_shuffle_and_repeat_are_set_on_the_phone_and_shown(speaker, phone):
    connect(speaker, phone)
    speaker.wait_player(phone, shuffle=False, repeat="off")
    for switch, to, value in (
        ("shuffle", "on", True),
        ("repeat", "track", "single"),
        ("repeat", "all", "all"),
        ("shuffle", "off", False),
        ("repeat", "off", "off"),
    ):
        began = speaker.pi.now()
        speaker.dotctl(switch, to, phone.name)
        saw(phone, "setting", began, name=switch, value=value, by="speaker")
        speaker.wait_player(phone, **{switch: value if switch == "shuffle" else to})
    phone.set_shuffle(True)
    phone.set_repeat("single")
    speaker.wait_player(phone, shuffle=True, repeat="track")
    phone.obey(False)
    speaker.dotctl("shuffle", "off")
    saw(phone, "setting-refused")
    assert speaker.wait_player(phone)["shuffle"], "it is as the phone has it"


# What plays


def wait_position(speaker, phone, most_ms):
    """Waits until the position that is shown is the phone's, but for so many milliseconds."""
    speaker.pi.wait_for(
        lambda: abs(speaker.wait_player(phone)["position_ms"] - phone.position_ms) < most_ms,
        what=f"{phone.name}'s position",
    )


def test_what_plays_is_shown(speaker, phone):
    connect(speaker, phone)
    play(speaker, phone)
    speaker.wait_player(
        phone,
        app=APP,
        title="One",
        artist="Anna",
        album="Numbers",
        genre="Folk",
        number=1,
        of=3,
        length_ms=200_000,
    )
    wait_position(speaker, phone, CLOSE_MS)
    for position in (150_000, 20_000):
        phone.jump(position)
        wait_position(speaker, phone, CLOSE_MS)
    phone.skip()
    phone.skip()
    shown = speaker.wait_player(phone, title="Drei für Ünü", artist="Ben", number=3)
    assert (shown["album"], shown["genre"], shown["length_ms"]) == (None, None, 50_000)
    (told,) = speaker.dotctl("now", "--json").json()
    assert told["address"] == phone.address and told["player"]["title"] == "Drei für Ünü"
    assert "Drei für Ünü by Ben" in speaker.dotctl("now").stdout
    speaker.part(phone)
    assert speaker.dotctl("now", "--json").json() == []


def test_position_stands_while_the_phone_pauses(speaker, phone):
    connect(speaker, phone)
    play(speaker, phone)
    phone.suspend()
    speaker.wait_player(phone, state="paused")
    wait_position(speaker, phone, 200)
    path = "/org/dotd/phones/" + phone.address.replace(":", "_")
    asked = f"busctl --json=short get-property org.dotd {path} org.dotd.Phone1 Position"
    before = speaker.pi.sh(asked).json()["data"]
    wait(speaker, 1.0)
    assert speaker.pi.sh(asked).json()["data"] == before


def test_monitor_tells_each_track_once_when_it_plays(speaker, phone):
    watching = speaker.pi.background("timeout 120 dotctl monitor --json")
    connect(speaker, phone)
    play(speaker, phone)
    phone.skip()
    speaker.wait_player(phone, title="Two")
    phone.suspend()
    speaker.wait_player(phone, state="paused")
    phone.skip()
    speaker.wait_player(phone, title="Drei für Ünü")
    speaker.pi.sh("systemctl stop dotd")
    told = [json.loads(line) for line in watching.result(timeout=130).stdout.splitlines()]
    tracks = [each["details"]["track"]["title"] for each in told if each["kind"] == "track"]
    assert tracks == ["One", "Two"]
