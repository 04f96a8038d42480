"""dotctl, the configuration and the bus, as an admin meets them."""

import json

import pytest

from labkit import signals

NAMED = '[speaker]\nname = "{name}"\n'


def test_broken_file_is_refused_and_the_old_one_stays(speaker, phone):
    speaker.pi.config(NAMED.format(name="Before"))
    speaker.pi.sh("systemctl reload dotd")
    speaker.pi.config('[speaker]\nnmae = "After"\n[volume]\nstart = 140\nmax = "loud"\n')
    checked = speaker.dotctl("config", "check", check=False)
    assert checked.rc == 78
    told = checked.stdout + checked.stderr
    for place in ("dotd.toml:2:", "dotd.toml:4:", "dotd.toml:5:"):
        assert place in told, told
    speaker.pi.sh("kill -HUP $(systemctl show -P MainPID dotd)")
    speaker.pi.wait_status(lambda status: status["config_problems"], what="the complaint")
    assert speaker.status()["name"] == "Before"
    speaker.dotctl("pair")
    found = phone.sees(speaker.address)
    assert found and found.name == "Before"
    speaker.pi.config(NAMED.format(name="After"))
    speaker.pi.sh("systemctl reload dotd")
    speaker.pi.wait_status(
        lambda status: status["config_problems"] is None, what="the end of the complaint"
    )
    assert speaker.status()["name"] == "After"


def test_broken_file_at_start_ends_with_78(speaker):
    speaker.pi.sh("systemctl stop dotd")
    speaker.pi.config("[pairing]\nwindow = 5\n")
    ended = speaker.pi.sh("dotd --check-config", check=False)
    assert ended.rc == 78 and "dotd.toml:2:10" in ended.stdout + ended.stderr, ended
    ended = speaker.pi.sh("systemctl start dotd", check=False)
    assert ended.rc != 0
    state = speaker.pi.sh("systemctl show -P ExecMainStatus dotd").stdout.strip()
    assert state == "78"
    restarts = speaker.pi.sh("systemctl show -P NRestarts dotd").stdout.strip()
    assert restarts == "0", "a broken file does not mend itself"


def test_missing_file_means_the_defaults(speaker):
    before = speaker.status()
    speaker.pi.sh("rm /etc/dotd/dotd.toml; systemctl restart dotd")
    speaker.wait_ready()
    after = speaker.status()
    assert (after["name"], after["sound"]["max_volume"]) == (before["name"], before["sound"]["max_volume"])


def test_name_given_by_dotctl_is_in_the_air_and_survives(speaker, phone):
    speaker.dotctl("name", "Kitchen Dot")
    found = phone.sees(speaker.address)
    assert found and found.name == "Kitchen Dot"
    speaker.pi.sh("systemctl restart dotd")
    speaker.wait_ready()
    assert speaker.status()["name"] == "Kitchen Dot"
    refused = speaker.dotctl("name", "x" * 249, check=False)
    assert refused.rc != 0 and "248" in refused.stderr


def test_phones_are_named_by_any_unambiguous_part(speaker, phones):
    anna, ben = phones(2)
    speaker.invite(anna)
    speaker.invite(ben)
    assert speaker.dotctl("volume", "30", "--phone", "anna").rc == 0
    assert speaker.dotctl("volume", "40", "--phone", ben.address[-2:]).rc == 0
    volumes = {phone["name"]: phone["volume"] for phone in speaker.phones()}
    assert volumes == {anna.name: 30, ben.name: 40}
    assert speaker.dotctl("connect", "nobody", check=False).rc == 4
    assert speaker.dotctl("connect", "n", check=False).rc == 5
    speaker.part(ben)
    assert speaker.dotctl("disconnect", "ben", check=False).rc == 7


def test_speaker_is_told_apart_when_it_does_not_run(speaker):
    speaker.pi.sh("systemctl stop dotd")
    ended = speaker.dotctl("status", check=False)
    assert ended.rc == 3 and "systemctl" in ended.stderr


def test_monitor_tells_what_happens(speaker, phone):
    watching = speaker.pi.background("timeout 60 dotctl monitor --json")
    speaker.invite(phone)
    phone.play(signals.tone(seconds=1.0)).wait()
    speaker.pi.sh("systemctl stop dotd")
    ended = watching.result(timeout=70)
    assert ended.rc == 3, ended
    kinds = [json.loads(line)["kind"] for line in ended.stdout.splitlines()]
    order = [kinds.index(kind) for kind in ("phone-paired", "phone-connected", "playing")]
    assert order == sorted(order), kinds


@pytest.mark.parametrize(
    "command",
    ["status", "pair", "phones", "name Mine", "volume 5", "calls", "call dial 112", "mic on"],
)
def test_other_users_are_refused(speaker, command):
    ended = speaker.dotctl(*command.split(), user="guest", check=False)
    assert ended.rc == 6 and "dotd" in ended.stderr, ended


def test_bus_refuses_other_users_too(speaker):
    speaker.close_window()
    call = "busctl call org.dotd /org/dotd org.dotd.Speaker1 StartPairing u 60"
    ended = speaker.pi.sh(call, user="guest", check=False)
    assert ended.rc != 0 and "denied" in ended.stderr.lower(), ended
    assert not speaker.status()["pairing"]["open"]


def test_group_dotd_may_steer(speaker):
    speaker.pi.sh("id -nG member | grep -qw dotd || useradd -G dotd member")
    assert speaker.dotctl("status", "--json", user="member").json()["name"]
    assert speaker.dotctl("pair", "stop", user="member").rc == 0
