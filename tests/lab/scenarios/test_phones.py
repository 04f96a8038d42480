"""What people say of phones: who is locked out, forgotten, called something else, called first; and who
may be connected beside whom.
"""

import json

import pytest
from telephony import reconnect, saw, wait_gone, wait_told
from turns import wait

from labkit import signals
from labkit.phone import PhoneError

KEPT = ("name", "own_name", "trusted", "blocked", "preference", "volume", "first_seen")
"""What is shown of a phone and has to outlive a reboot."""
OWN = "Zoë's Händi 📱"
LONGEST = "ü" * 124
"""248 bytes of UTF-8, as many as Bluetooth carries."""
FETCHED = 3.0
"""Seconds that a phone with calls has for its music, before it is fetched."""
REFUSE = '[playback]\ntakeover = "refuse"\n'


def refused(speaker, *command):
    """How a command ended that did not work: the exit code, and the complaint."""
    ended = speaker.dotctl(*command, check=False)
    return ended.rc, ended.stderr


# Locked out


def check_kept_out(speaker, phone):
    """It calls, and keeps no link."""
    knocked = speaker.pi.now()
    with pytest.raises(Exception):  # noqa: B017 - sent away in whichever step comes first
        phone.connect(speaker.address)
    phone.wait_event("disconnected", since=knocked)
    speaker.wait_connected(phone, False)


def test_blocked_phone_is_sent_away_and_stays_out(speaker, phone):
    speaker.welcome(phone)
    phone.play(signals.tone(seconds=60.0))
    speaker.wait_playing(phone)
    before = speaker.find(phone)
    blocked = speaker.pi.now()
    speaker.dotctl("block", phone.name)
    assert not speaker.is_playing(phone)
    phone.wait_event("disconnected", since=blocked)
    speaker.wait_connected(phone, False)
    shown = speaker.find(phone)
    assert shown["blocked"] and shown["bonded"] and not shown["trusted"]
    check_kept_out(speaker, phone)
    speaker.dotctl("pair")
    check_kept_out(speaker, phone)
    speaker.dotctl("pair", "stop")
    shown = speaker.find(phone)
    assert not shown["called"] and shown["next_call"] is None
    let_in = speaker.pi.now()
    speaker.dotctl("unblock", phone.name)
    came = phone.wait_event("connected", since=let_in, timeout=60)
    assert came.details["incoming"], "it should be here, so it is called"
    speaker.wait_connected(phone, True)
    shown = speaker.find(phone)
    assert [shown[key] for key in KEPT] == [before[key] for key in KEPT]


def test_blocked_phone_that_forgot_us_pairs_when_it_is_let_in(speaker, phone):
    speaker.welcome(phone)
    speaker.dotctl("block", phone.name)
    speaker.wait_connected(phone, False)
    phone.wait_event("disconnected")
    phone.forget(speaker.address)
    speaker.dotctl("pair")
    with pytest.raises(PhoneError):
        phone.pair(speaker.address)
    assert not phone.is_bonded(speaker.address)
    speaker.wait_window(is_open=True)
    speaker.wait_connected(phone, False)
    speaker.dotctl("unblock", phone.name)
    phone.pair(speaker.address)
    phone.connect(speaker.address)
    speaker.wait_window(is_open=False)
    (known,) = speaker.wait_phones(1)
    assert (known["address"], known["volume"]) == (phone.address, 100)


def test_commands_about_a_blocked_phone_are_refused(speaker, phone):
    speaker.invite(phone)
    speaker.part(phone)
    for _ in range(2):
        assert speaker.dotctl("block", phone.name).rc == 0
    for command in (["connect"], ["play"], ["volume", "5", "--phone"]):
        code, complaint = refused(speaker, *command, phone.name)
        assert code == 6 and "dotctl unblock" in complaint, command
    assert "blocked" in speaker.dotctl("phones").stdout
    for _ in range(2):
        assert speaker.dotctl("unblock", phone.name).rc == 0
    for command in ("block", "unblock"):
        assert refused(speaker, command, "nobody")[0] == 4


# Forgotten


def test_all_phones_are_forgotten_at_once(speaker, phones):
    anna, ben = phones(2)
    speaker.welcome(ben)
    speaker.dotctl("block", ben.name)
    speaker.wait_connected(ben, False)
    speaker.welcome(anna)
    began = speaker.pi.now()
    told = speaker.dotctl("forget", "--all", "--json").json()["forgotten"]
    assert {each["address"] for each in told} == {anna.address, ben.address}
    anna.wait_event("disconnected", since=began)
    speaker.pi.wait_for(lambda: speaker.phones() == [], what="an empty list")
    for phone in (anna, ben):
        with pytest.raises(PhoneError):
            phone.connect(speaker.address)
    speaker.pi.wait_for(lambda: speaker.phones() == [], what="an empty list")
    assert speaker.dotctl("forget", "--all").rc == 0, "there is nobody, and that is fine"


# Names


def test_phone_is_called_here_what_people_call_it(speaker, phones):
    (phone,) = phones(1, name=OWN)
    speaker.invite(phone)
    assert speaker.find(phone)["name"] == OWN
    assert speaker.dotctl("prefer", "zoë").rc == 0
    for name in ("Küche für Ünü 🎵", LONGEST):
        speaker.dotctl("phone", "rename", phone.address, name)
        shown = speaker.find(phone)
        assert (shown["name"], shown["own_name"]) == (name, OWN)
        assert speaker.dotctl("volume", "30", "--phone", name.upper()).rc == 0
    assert refused(speaker, "volume", "30", "--phone", "Zoë")[0] == 4, "it has another name here"
    for back in ([], [""]):
        speaker.dotctl("phone", "rename", phone.address, "Zoe")
        speaker.dotctl("phone", "rename", "zoe", *back)
        assert speaker.find(phone)["name"] == OWN


@pytest.mark.parametrize(
    ("name", "why"),
    [(LONGEST + "x", "248"), ("  ", "empty"), ("two\nlines", "control")],
    ids=["too long", "blank", "with a line break"],
)
def test_name_that_is_none_is_refused(speaker, phone, name, why):
    speaker.invite(phone)
    code, complaint = refused(speaker, "phone", "rename", phone.address, name)
    assert code == 2 and why in complaint
    assert speaker.find(phone)["name"] == phone.name


# Remembered


def test_preference_is_shown(speaker, phone):
    speaker.invite(phone)
    assert speaker.find(phone)["preference"] == "usual"
    speaker.dotctl("prefer", phone.name)
    assert speaker.find(phone)["preference"] == "first"
    for preference in ("last", "never", "first", "usual"):
        speaker.dotctl("prefer", phone.name, f"--{preference}")
        assert speaker.find(phone)["preference"] == preference
    assert refused(speaker, "prefer", phone.name, "--first", "--last")[0] == 2


def test_what_was_said_survives_a_reboot(speaker, phones):
    anna, ben = phones(2)
    for phone in (anna, ben):
        speaker.invite(phone)
        speaker.part(phone)
    speaker.dotctl("phone", "rename", "anna", "Küche")
    speaker.dotctl("prefer", "Küche", "--last")
    speaker.dotctl("volume", "35", "--phone", "Küche")
    speaker.dotctl("block", "ben")
    speaker.dotctl("mute")
    before = [speaker.find(phone) for phone in (anna, ben)]
    speaker.pi.reboot()
    speaker.wait_ready(timeout=60)
    after = [speaker.find(phone) for phone in (anna, ben)]
    for was, now in zip(before, after, strict=True):
        assert [now[key] for key in KEPT] == [was[key] for key in KEPT]
    assert [now["name"] for now in after] == ["Küche", ben.name]
    assert (after[0]["preference"], after[1]["blocked"]) == ("last", True)
    assert speaker.status()["sound"]["muted"]
    check_kept_out(speaker, ben)
    speaker.dotctl("unmute")
    assert not speaker.status()["sound"]["muted"]


# Connected


def test_phone_that_brings_its_calls_alone_is_fetched_for_music_once(speaker, phones):
    (phone,) = phones(1, calls="iphone")
    speaker.invite(phone)
    began = speaker.pi.now()
    phone.hands_free()
    wait_told(speaker, phone)
    saw(phone, "stream", began, state="configured", by="speaker")
    saw(phone, "stream", began, state="open")
    phone.play(signals.tone(seconds=60.0))
    speaker.wait_playing(phone)
    phone.hands_free(False)
    wait_gone(speaker, phone)
    phone.hands_free()
    wait_told(speaker, phone)
    profiles = [event.details for event in phone.events if event.kind == "profile"]
    assert [each["open"] for each in profiles if each["name"] == "a2dp"] == [True]
    assert speaker.is_playing(phone)


def test_phone_that_brings_all_by_itself_is_fetched_for_nothing(speaker, phones):
    (phone,) = phones(1, calls="iphone")
    speaker.invite(phone)
    reconnect(speaker, phone)
    wait(speaker, FETCHED + 1.0)
    streams = [event.details for event in phone.events if event.kind == "stream"]
    made = [each.get("by") for each in streams if each["state"] == "configured"]
    assert made == [None], "the phone has configured its stream, and nobody else has"


def test_refuse_has_one_phone_connected_at_a_time(speaker, phones):
    anna, ben = phones(2)
    watching = speaker.pi.background("timeout 120 dotctl monitor --json")
    speaker.configure(REFUSE)
    speaker.invite(ben)
    speaker.part(ben)
    speaker.welcome(anna)
    began = speaker.pi.now()
    ben.connect(speaker.address)
    anna.wait_event("disconnected", since=began)
    speaker.wait_connected(anna, False)
    ben.play(signals.tone(seconds=60.0))
    speaker.wait_playing(ben)
    check_kept_out(speaker, anna)
    code, complaint = refused(speaker, "connect", "anna")
    assert code == 8 and ben.name in complaint
    assert speaker.is_playing(ben), "nobody disturbs him"
    ben.stop()
    speaker.wait_silent(ben)
    speaker.dotctl("connect", "anna")
    speaker.wait_connected(anna, True)
    speaker.wait_connected(ben, False)
    speaker.pi.sh("systemctl stop dotd")
    told = [json.loads(line) for line in watching.result(timeout=130).stdout.splitlines()]
    sent = [each for each in told if each["kind"] in ("made-room", "not-now")]
    assert [(each["kind"], each["details"]["name"]) for each in sent] == [
        ("made-room", anna.name),
        ("not-now", anna.name),
        ("made-room", ben.name),
    ]
