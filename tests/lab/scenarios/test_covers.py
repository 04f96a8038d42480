"""Covers: the picture of what a phone plays, as a file that dotctl and players' programs name.

Each cover is a picture of its own, so whose a file is, its bytes tell. A phone tells of a track's
cover when a speaker that has a session for covers asks what plays, so the lists are loaded when it
has one (labkit/phone/covers.py).
"""

import base64
import shlex

import pytest
from telephony import saw
from test_mpris import Mpris

from labkit.phone import Track
from labkit.phone.covers import draw

FOLDER = "/run/dotd/covers"
ONE, TWO, THREE = (draw(seed) for seed in (1, 2, 3))
LIST = [
    Track("One", "Anna", length_ms=200_000, cover=ONE),
    Track("Two", "Anna", length_ms=200_000, cover=TWO),
    Track("Bare", "Ben", length_ms=200_000),
]


@pytest.fixture
def phone(phones):
    """A phone with covers."""
    return phones(1, covers=True)[0]


def connect(speaker, phone, tracks=LIST):
    """The phone is connected, asked for its covers, and then has its list."""
    began = speaker.pi.now()
    speaker.welcome(phone)
    saw(phone, "profile", began, name="covers", open=True)
    phone.load(tracks)
    speaker.wait_player(phone, title=tracks[0].title)


def told(speaker, phone):
    """What is told of the phone's player; None if it has none."""
    known = speaker.dotctl("now", "--json").json()
    return next((each["player"] for each in known if each["address"] == phone.address), None)


def content(speaker, path):
    """The bytes of a file; None if there is none."""
    read = speaker.pi.sh(f"base64 -w0 {shlex.quote(path)}", check=False)
    return base64.b64decode(read.stdout) if read.rc == 0 else None


def files(speaker):
    """The files in the folder of covers, whole paths."""
    found = speaker.pi.sh(f"find {FOLDER} -type f", check=False)
    return set(found.stdout.split())


def wait_cover(speaker, phone, title, cover):
    """Waits until the track is told with this cover, and returns the cover's file."""

    def shown():
        player = told(speaker, phone) or {}
        path = player.get("cover")
        right = player.get("title") == title and path and content(speaker, path) == cover
        return path if right else None

    return speaker.pi.wait_for(shown, what=f"the cover of {title}")


def wait_bare(speaker, phone, title):
    """Waits until the track is told, without a cover."""
    speaker.wait_player(phone, title=title, cover=None)


def wait_files(speaker, paths):
    """Waits until these are all the covers' files that there are."""
    speaker.pi.wait_for(lambda: files(speaker) == set(paths), what=f"{paths} alone in {FOLDER}")


def test_cover_of_each_track_is_a_file(speaker, phone):
    connect(speaker, phone)
    first = wait_cover(speaker, phone, "One", ONE)
    assert first.startswith(f"{FOLDER}/")
    wait_files(speaker, [first])
    phone.skip()
    second = wait_cover(speaker, phone, "Two", TWO)
    assert second != first, "programs keep a picture by its name"
    wait_files(speaker, [second])
    phone.skip()
    wait_bare(speaker, phone, "Bare")
    wait_files(speaker, [])
    phone.skip(back=True)
    wait_files(speaker, [wait_cover(speaker, phone, "Two", TWO)])


def test_programs_find_the_cover_of_a_player(speaker, phone):
    connect(speaker, phone)
    player = Mpris(speaker.pi, phone.name)
    player.wait_there()
    for title, cover in (("One", ONE), ("Two", TWO)):
        path = wait_cover(speaker, phone, title, cover)
        speaker.pi.wait_for(
            lambda path=path: player.metadata().get("mpris:artUrl") == f"file://{path}",
            what=f"the cover of {title} in the metadata",
        )
        assert player.metadata()["xesam:title"] == title
        phone.skip()
    wait_bare(speaker, phone, "Bare")
    speaker.pi.wait_for(
        lambda: player.metadata()["xesam:title"] == "Bare"
        and "mpris:artUrl" not in player.metadata(),
        what="metadata without a cover",
    )


def test_no_cover_is_shown_with_another_track(speaker, phone):
    connect(speaker, phone)
    wait_cover(speaker, phone, "One", ONE)
    covers = {track.title: track.cover for track in LIST}
    for back in (False, True, False, True):
        phone.skip(back)
        player = told(speaker, phone)
        shown = player["cover"] and content(speaker, player["cover"])
        # It may be gone again by now, and then not be there yet, but another's it never is.
        assert shown in (None, covers[player["title"]])
    wait_cover(speaker, phone, "One", ONE)


def test_cover_goes_with_its_phone(speaker, phone):
    connect(speaker, phone)
    wait_cover(speaker, phone, "One", ONE)
    began = speaker.pi.now()
    speaker.part(phone)
    wait_files(speaker, [])
    phone.connect()
    saw(phone, "profile", began, name="covers", open=True)
    phone.skip()
    wait_files(speaker, [wait_cover(speaker, phone, "Two", TWO)])


def test_obexd_that_died_is_back_and_what_was_called_so_is_not_shown(speaker, phone):
    connect(speaker, phone)
    first = wait_cover(speaker, phone, "One", ONE)
    began = speaker.pi.now()
    speaker.pi.sh("systemctl kill --signal KILL dotd-obexd")
    saw(phone, "profile", began, name="covers", open=False)
    opened = saw(phone, "profile", began, name="covers", open=True)
    assert told(speaker, phone)["cover"] == first, "it came, and still plays"
    phone.skip()
    wait_files(speaker, [wait_cover(speaker, phone, "Two", TWO)])
    asked = [it for it in phone.events if it.kind == "cover-asked" and it.time > opened.time]
    assert len(asked) == 1, "what One was called is what Two is called now"


def test_each_phone_has_a_cover_of_its_own(speaker, phones):
    anna, ben = phones(2, covers=True)
    connect(speaker, anna)
    connect(speaker, ben, [Track("Three", cover=THREE)])
    hers = wait_cover(speaker, anna, "One", ONE)
    his = wait_cover(speaker, ben, "Three", THREE)
    wait_files(speaker, [hers, his])
    speaker.part(anna)
    wait_files(speaker, [his])
    assert content(speaker, his) == THREE


def test_cover_is_seen_by_nobody_who_may_not_use_the_speaker(speaker, phone):
    connect(speaker, phone)
    path = wait_cover(speaker, phone, "One", ONE)
    read = f"runuser -u nobody -- cat {shlex.quote(path)}"
    assert speaker.pi.sh(read, check=False).rc != 0
    assert speaker.pi.sh(f"runuser -u nobody -- ls {FOLDER}", check=False).rc != 0


def test_plugins_that_are_left_out_are_those_of_this_bluez(speaker):
    version = speaker.pi.sh("/usr/libexec/bluetooth/bluetoothd --version").stdout.strip()
    assert version == "5.82", "look at --noplugin in systemd/bluetooth.service.d/10-dotd.conf"


def test_phone_without_covers_is_asked_for_none(speaker, phones):
    (phone,) = phones(1)
    phone.load([Track("Plain", "Anna")])
    speaker.welcome(phone)
    wait_bare(speaker, phone, "Plain")
    assert files(speaker) == set()
