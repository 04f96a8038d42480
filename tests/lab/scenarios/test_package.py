"""The package on a bare Debian 13: installed, upgraded, removed, purged."""

import re
import subprocess

from labkit import signals

EARLIER = "0.0.9"
EARPHONES, LOUDSPEAKER = 0x240418, 0x240414
"""Classes of device: what the earlier version says it is, and what it is."""
SETTINGS = "usr/share/dotd/bluetooth/main.conf"
UNITS = ("dotd", "dotd-pipewire", "dotd-wireplumber")
OPTIONAL = ("dotd-obexd",)
"""One that runs if what it runs is installed."""
KEPT = ("/var/lib/dotd/state.toml", "/etc/dotd/dotd.toml")
OURS = (
    "/var/lib/dotd",
    "/etc/dotd",
    "/run/dotd",
    "/run/dotd-bluetooth",
    "/run/dotd-obexd",
    "/usr/share/dotd",
)
"""Folders of nobody else's."""


def test_apt_installs_all_it_needs_and_purge_leaves_nothing(fresh_pi, package, phone):
    pi = fresh_pi
    pi.sh("apt-get purge -y -q bluez pipewire wireplumber && apt-get autoremove -y -q")
    pi.install(package, apt=True)
    wait_ready(pi)
    assert phone.sees(pi.address), "nobody is trusted, so the window is open"
    phone.pair(pi.address)
    check_plays(pi, phone)
    pi.sh(f"systemctl is-active {' '.join(UNITS)}")
    for unit in (*UNITS, *OPTIONAL):
        exposure = pi.sh(f"systemd-analyze security --no-pager {unit} | tail -1").stdout
        level = re.search(r": (\d+\.\d) ", exposure)
        assert level and float(level[1]) <= 3.0, exposure
    check_purge_removes_everything(pi)


def test_upgrade_keeps_state_and_settings(fresh_pi, package, phone, tmp_path):
    pi = fresh_pi
    pi.install(earlier(package, tmp_path))
    wait_ready(pi)
    assert class_seen(pi, phone) == EARPHONES
    phone.pair(pi.address)
    check_plays(pi, phone)
    pi.sh("echo '# mine' >> /etc/dotd/dotd.toml")
    main_pid = "systemctl show -P MainPID dotd"
    before = pi.sh(main_pid).stdout
    pi.install(package, apt=True)
    assert pi.sh("dpkg-query --show --showformat '${Version}' dotd").stdout != EARLIER
    wait_ready(pi)
    assert pi.sh(main_pid).stdout != before, "the earlier version is still running"
    status = pi.dotctl("status", "--json").json()
    assert [known["address"] for known in status["phones"]] == [phone.address]
    assert pi.sh("tail -1 /etc/dotd/dotd.toml").stdout == "# mine\n"
    phone.disconnect()
    pi.dotctl("pair")
    assert class_seen(pi, phone) == LOUDSPEAKER, "bluetoothd runs with the earlier settings"
    check_plays(pi, phone)


def earlier(package, folder):
    """The package as an earlier version, with other settings for bluetoothd."""
    tree, made = folder / "tree", folder / f"dotd_{EARLIER}_amd64.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^Version: .*", f"Version: {EARLIER}", control.read_text()))
    settings, count = re.subn(r"(?m)^Class = .*", "Class = 0x000418", (tree / SETTINGS).read_text())
    assert count == 1
    (tree / SETTINGS).write_text(settings)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, made], check=True)
    return made


def class_seen(pi, phone):
    """What the phone takes the speaker for."""
    found = phone.sees(pi.address)
    assert found, "it is not seen"
    return found.class_of_device


def wait_ready(pi):
    """Waits for the radio and the sound."""
    pi.wait_status(
        lambda status: status["bluetooth"]["state"] == "on" and status["sound"]["state"] == "ready", 60
    )


def check_plays(pi, phone):
    """A trusted phone plays and is heard."""
    pi.wait_status(lambda status: [known["trusted"] for known in status["phones"]] == [True])
    with pi.recording() as heard:
        phone.play(signals.tone(seconds=2.0)).wait()
        phone.stop()
    assert abs(heard.samples).max() > 0.01


def check_purge_removes_everything(pi):
    listed = "dpkg --listfiles dotd | while read -r path; do [ -d $path ] || echo $path; done"
    files = pi.sh(listed).stdout.split()
    assert "/usr/bin/dotd" in files
    pi.sh("apt-get remove -y -q dotd")
    pi.sh(f"ls {' '.join(KEPT)} && getent passwd dotd dotd-obexd")
    pi.sh("apt-get purge -y -q dotd")
    left = pi.sh(f"ls -d {' '.join([*OURS, *files])}", check=False).stdout
    assert left == "", f"left: {left}"
    for database in ("passwd", "group"):
        for name in ("dotd", "dotd-obexd"):
            assert pi.sh(f"getent {database} {name}", check=False).rc == 2, f"{name} is left"
    assert pi.sh("systemctl list-unit-files 'dotd*' --no-legend", check=False).stdout == ""
    assert pi.sh("systemctl --failed --no-legend").stdout == ""
    assert pi.sh("systemctl is-active bluetooth").stdout == "active\n"
