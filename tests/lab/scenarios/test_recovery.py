"""What goes away and comes back: state, power, adapter, bluetoothd, PipeWire, dotd itself."""

import pytest

from labkit import analysis, signals
from labkit.phone import PhoneError

TONES = (441.0, 997.0)
GRAPH = "PIPEWIRE_RUNTIME_DIR=/run/dotd"


def check_plays(speaker, phone):
    """The phone plays and both tones come out."""
    with speaker.pi.recording() as heard:
        phone.play(signals.two_tone(*TONES, 3.0)).wait()
        phone.stop()
    part = analysis.steady(heard.samples, heard.rate)
    assert len(part) > heard.rate, "too little was heard"
    for tones, frequency in zip(analysis.tones(part, heard.rate), TONES, strict=True):
        assert abs(tones[0].frequency - frequency) < 0.005 * frequency
        assert abs(tones[0].level + 12.0) < 0.5


def test_reboot_keeps_trust_and_the_phone_plays_without_pairing(speaker, phone):
    speaker.invite(phone)
    phone.connect(speaker.address)
    before = speaker.phones()[0]
    phone.disconnect()
    speaker.pi.reboot()
    speaker.wait_ready(timeout=60)
    assert not speaker.status()["pairing"]["open"], "somebody is trusted: no window"
    check_plays(speaker, phone)
    (known,) = speaker.phones()
    assert (known["address"], known["name"]) == (before["address"], before["name"])
    assert known["first_seen"] == before["first_seen"]
    assert known["last_seen"] >= before["last_seen"]


def test_power_cut_loses_nothing_that_was_told(speaker, phone):
    speaker.invite(phone)
    speaker.part(phone)
    speaker.pi.power_cut()
    speaker.wait_ready(timeout=60)
    assert [known["address"] for known in speaker.phones()] == [phone.address]


def test_full_disk_is_told_and_made_good(speaker, phone):
    restart = "systemctl stop dotd; {} /var/lib/dotd; systemctl start dotd"
    try:
        speaker.pi.sh(restart.format("mount -t tmpfs -o size=64k tmpfs"))
        speaker.wait_ready()
        speaker.pi.sh("head -c 1M /dev/zero > /var/lib/dotd/ballast", check=False)
        speaker.invite(phone)
        speaker.pi.wait_status(lambda status: "df -h" in (status["memory_problem"] or ""))
        check_plays(speaker, phone)
        speaker.pi.sh("rm /var/lib/dotd/ballast")
        speaker.pi.wait_status(lambda status: status["memory_problem"] is None, timeout=40)
        speaker.pi.sh("systemctl kill -s KILL dotd; systemctl restart dotd")
        speaker.wait_ready()
        assert [known["address"] for known in speaker.phones()] == [phone.address]
    finally:
        speaker.pi.sh(restart.format("umount"))


@pytest.mark.parametrize(
    "content",
    ["version = 1\nphones = [[[", "\x00\x01\x02", "version = 99\nfuture = true\n"],
    ids=["broken", "binary", "newer"],
)
def test_state_that_cannot_be_read_is_moved_aside(speaker, phone, content):
    speaker.pi.sh("systemctl stop dotd")
    speaker.pi.write("/var/lib/dotd/state.toml", content)
    speaker.pi.sh("systemctl start dotd")
    speaker.wait_ready()
    kept = speaker.pi.sh("cd /var/lib/dotd; for f in state.toml.*; do cat $f; done").stdout
    assert kept == content, "what could not be read is lost"
    assert "/var/lib/dotd/state.toml." in speaker.status()["memory_lost"]
    speaker.invite(phone)
    check_plays(speaker, phone)


def test_bond_without_trust_is_let_in_only_through_the_window(speaker, phone):
    """The state was lost, BlueZ's bonds were not."""
    speaker.invite(phone)
    speaker.part(phone)
    speaker.pi.sh("systemctl stop dotd; rm /var/lib/dotd/state.toml; systemctl start dotd")
    speaker.wait_ready()
    speaker.dotctl("pair", "stop")
    assert speaker.phones() == []
    knocked = speaker.pi.now()
    with pytest.raises(Exception):  # noqa: B017 - refused in whichever step comes first
        phone.connect(speaker.address)
    # A stranger that was refused keeps no link.
    phone.wait_event("disconnected", since=knocked)
    assert [known for known in speaker.phones() if known["trusted"]] == []
    speaker.dotctl("pair")
    phone.connect(speaker.address)
    speaker.wait_phones(1)


def test_trust_without_bond_is_kept_and_lets_nobody_in_outside_the_window(speaker, phone):
    """An admin removed the bond while dotd did not run."""
    speaker.invite(phone)
    speaker.part(phone)
    remove = f"bluetoothctl remove {phone.address}"
    speaker.pi.sh(f"systemctl stop dotd && {remove} && systemctl start dotd")
    speaker.wait_ready()
    known = speaker.find(phone)
    assert known and known["trusted"] and not known["bonded"]
    assert not speaker.status()["pairing"]["open"], "somebody is trusted: no window"
    with pytest.raises(PhoneError):
        phone.connect(speaker.address)
    phone.disconnect()
    phone.forget(speaker.address)
    with pytest.raises(PhoneError):
        phone.pair(speaker.address)
    assert not speaker.find(phone)["bonded"]
    speaker.dotctl("pair")
    phone.pair(speaker.address)
    speaker.wait_window(is_open=False)
    (known,) = speaker.wait_phones(1)
    assert (known["address"], known["bonded"], known["volume"]) == (phone.address, True, 100)
    check_plays(speaker, phone)


def test_bluetoothd_comes_later(speaker, phone):
    speaker.pi.sh("systemctl stop dotd; systemctl mask --now bluetooth; systemctl start dotd")
    assert speaker.status()["bluetooth"]["state"] == "no-bluetooth"
    speaker.pi.sh("systemctl unmask bluetooth; systemctl start bluetooth")
    speaker.wait_ready()
    speaker.invite(phone)
    check_plays(speaker, phone)


def test_bluetoothd_killed_while_it_plays(speaker, phone):
    speaker.invite(phone)
    phone.play(signals.two_tone(*TONES, 60.0))
    speaker.wait_playing(phone)
    speaker.pi.sh("systemctl kill -s KILL bluetooth; systemctl restart bluetooth")
    speaker.wait_ready()
    phone.disconnect()
    check_plays(speaker, phone)


def test_phone_that_left_too_early_plays_when_it_is_back(speaker, phone):
    """Before BlueZ had read its services; from then on it would not ask about the phone at all."""
    speaker.invite(phone)
    speaker.part(phone)
    speaker.pi.sh("systemctl restart bluetooth")
    speaker.wait_ready()
    check_plays(speaker, phone)


def test_adapter_unplugged_and_back(speaker, phone):
    speaker.invite(phone)
    phone.connect(speaker.address)
    speaker.pi.unplug()
    speaker.pi.wait_status(lambda status: status["bluetooth"]["state"] == "missing")
    speaker.pi.plug()
    speaker.wait_ready()
    check_plays(speaker, phone)


def test_soft_block_is_lifted(speaker, phone):
    speaker.pi.sh("systemctl stop dotd; rfkill block bluetooth; systemctl start dotd")
    speaker.wait_ready()
    assert phone.sees(speaker.address)


def test_pipewire_killed_while_it_plays(speaker, phone):
    speaker.invite(phone)
    phone.play(signals.two_tone(*TONES, 60.0))
    speaker.wait_playing(phone)
    speaker.pi.sh("systemctl kill -s KILL dotd-pipewire")
    speaker.pi.wait_status(lambda status: status["sound"]["state"] == "ready", 30, "sound again")
    speaker.wait_playing(phone)
    samples, clock = speaker.pi.record(4.0)
    part = samples[-clock.rate :]
    for tones, frequency in zip(analysis.tones(part, clock.rate), TONES, strict=True):
        assert tones and abs(tones[0].frequency - frequency) < 0.005 * frequency


def test_sound_is_found_again_while_others_look_at_the_graph(speaker):
    """PipeWire keeps a change of the defaults from all who listen while somebody else begins to."""
    look = f"while :; do {GRAPH} timeout 5 pw-dump >/dev/null 2>&1 || :; done"
    speaker.wait_ready()
    speaker.pi.sh(f"systemd-run --unit=looking sh -c '{look}'")
    try:
        for _ in range(8):
            speaker.pi.sh("systemctl kill -s KILL dotd-pipewire")
            speaker.pi.wait_status(lambda status: status["sound"]["state"] != "ready")
            speaker.wait_ready(timeout=30)
    finally:
        speaker.pi.sh("systemctl stop looking")


def test_window_ends_even_if_dotd_is_killed(speaker, phone):
    speaker.dotctl("pair", "--for", "20s")
    assert phone.sees(speaker.address)
    speaker.pi.sh("systemctl mask --runtime dotd; systemctl kill -s KILL dotd")
    speaker.pi.wait_for(
        lambda: all(
            f"{what}: no" in speaker.pi.sh("bluetoothctl show").stdout
            for what in ("Discoverable", "Pairable")
        ),
        timeout=30,
        what="the end of the window",
    )
    with pytest.raises(PhoneError):
        phone.pair(speaker.address)
    # The kernel has left the controller answering inquiries; dotd sees to that when it is back.
    speaker.pi.config("[pairing]\nopen-on-first-start = false\n")
    speaker.pi.sh("systemctl unmask --runtime dotd; systemctl start dotd")
    speaker.wait_ready()
    assert not phone.sees(speaker.address)


def test_dotd_that_hangs_is_started_anew(speaker, phone):
    speaker.invite(phone)
    speaker.pi.sh("systemctl kill -s STOP dotd")
    speaker.pi.wait_for(
        lambda: speaker.pi.sh("systemctl show -P NRestarts dotd").stdout.strip() == "1",
        timeout=60,
        what="a restart by the watchdog",
    )
    speaker.wait_ready(timeout=30)
    phone.disconnect()
    check_plays(speaker, phone)


def test_adapter_comes_later(speaker, phone):
    speaker.close_window()
    speaker.pi.reboot(plugged=False)
    speaker.pi.wait_status(
        lambda status: status["bluetooth"]["state"] == "missing", 60, "a speaker without an adapter"
    )
    speaker.pi.plug()
    speaker.wait_ready()
    assert phone.sees(speaker.address), "nobody is trusted, so this is still a first start"
    speaker.invite(phone)
    check_plays(speaker, phone)


def test_dotd_killed_while_it_plays(speaker, phone):
    speaker.invite(phone)
    phone.play(signals.two_tone(*TONES, 60.0))
    speaker.wait_playing(phone)
    speaker.pi.sh("systemctl kill -s KILL dotd")
    speaker.wait_ready(timeout=30)
    phone.disconnect()
    check_plays(speaker, phone)
