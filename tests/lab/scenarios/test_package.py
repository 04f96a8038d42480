"""The package on a bare Debian 13: installed, upgraded, removed, purged."""

from labkit import signals


def test_apt_installs_all_it_needs_and_the_speaker_runs(fresh_pi, package, phone):
    pi = fresh_pi
    pi.sh("apt-get purge -y -q bluez pipewire wireplumber && apt-get autoremove -y -q")
    pi.install(package, apt=True)
    pi.wait_status(
        lambda status: status["bluetooth"]["state"] == "on" and status["sound"]["state"] == "ready", 60
    )
    assert phone.sees(pi.address), "nobody is trusted, so the window is open"
    phone.pair(pi.address)
    pi.wait_status(lambda status: [known["trusted"] for known in status["phones"]] == [True])
    with pi.recording() as heard:
        phone.play(signals.tone(seconds=2.0)).wait()
    assert abs(heard.samples).max() > 0.01

    pi.sh("systemctl is-active dotd dotd-pipewire dotd-wireplumber")
    exposure = pi.sh("systemd-analyze security --no-pager dotd | tail -1").stdout
    assert float(exposure.split(":")[1].split()[0]) <= 3.0, exposure
    check_upgrade_keeps_state(pi, package, phone)
    check_purge_removes_everything(pi)


def check_upgrade_keeps_state(pi, package, phone):
    pi.sh("echo '# mine' >> /etc/dotd/dotd.toml")
    pi.install(package, apt=False)
    pi.wait_status(lambda status: status["bluetooth"]["state"] == "on", 60)
    status = pi.dotctl("status", "--json").json()
    assert [known["address"] for known in status["phones"]] == [phone.address]
    assert pi.sh("tail -1 /etc/dotd/dotd.toml").stdout == "# mine\n"


def check_purge_removes_everything(pi):
    pi.sh("apt-get remove -y -q dotd")
    assert pi.sh("ls /var/lib/dotd/state.toml /etc/dotd/dotd.toml").rc == 0
    pi.sh("apt-get purge -y -q dotd")
    for path in ("/var/lib/dotd", "/etc/dotd", "/run/dotd", "/usr/bin/dotd"):
        assert pi.sh(f"test -e {path}", check=False).rc == 1, f"{path} is left"
    assert pi.sh("systemctl list-unit-files 'dotd*' --no-legend", check=False).stdout == ""
    assert pi.sh("systemctl --failed --no-legend").stdout == ""
    assert pi.sh("systemctl is-active bluetooth").stdout == "active\n"
