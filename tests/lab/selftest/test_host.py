"""The lab as an ordinary user's: sudo, the umask, and whose cache it is."""

import os
import stat
import subprocess
import threading
import time

import pytest

from labkit import cache, cli, host, running

MINE, ROOT, OTHERS = 1000, 0, 1001


@pytest.fixture
def sudo(monkeypatch, tmp_path):
    """An ordinary user with a sudo that only writes down what it is asked; returns where."""
    asked = tmp_path / "asked"
    program = tmp_path / "bin" / "sudo"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {asked}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: MINE)
    for name in host.PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return asked


def test_only_variables_that_are_there_are_kept(sudo, monkeypatch):
    assert host.as_root(["id"]) == ["sudo", "id"]
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert host.as_root(["id"]) == ["sudo", "--preserve-env=https_proxy", "id"]


def test_sudo_is_reminded_while_something_is_made(sudo, monkeypatch):
    monkeypatch.setattr(host, "SUDO_REMINDER", 0.01)
    threads = threading.active_count()
    with host.making():
        subprocess.run(host.as_root(["true"]), check=True)
        deadline = time.monotonic() + 10
        while "-n -v" not in sudo.read_text().splitlines():
            assert time.monotonic() < deadline, sudo.read_text()
            time.sleep(0.01)
    assert "true" in sudo.read_text().splitlines()
    assert threading.active_count() == threads, "somebody still reminds it"


def test_what_is_made_can_be_read_by_everybody(tmp_path):
    before = os.umask(0o077)
    try:
        with host.making():
            (tmp_path / "made").write_text("")
        (tmp_path / "after").write_text("")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("made", "after")]
    assert modes == [0o644, 0o600]


@pytest.mark.parametrize(
    ("owner", "user", "by_sudo", "words"),
    [
        (MINE, MINE, False, None),
        (ROOT, ROOT, True, None),
        (OTHERS, ROOT, False, None),
        (ROOT, MINE, False, "XDG_CACHE_HOME"),
        (OTHERS, MINE, False, "XDG_CACHE_HOME"),
        (MINE, ROOT, True, "without sudo"),
    ],
)
def test_a_cache_has_one_user(owner, user, by_sudo, words):
    trouble = cache.trouble_with(owner, user, by_sudo)
    assert words in trouble if words else trouble is None


def test_a_cache_that_another_user_made_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "dotd-lab"
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(host.SetupError, match="another user"):
        cache.folder()


def test_ctrl_c_while_sudo_works_ends_without_a_trace(monkeypatch, capsys):
    def interrupted():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            # What subprocess.run does, of a process that is root's.
            raise PermissionError(1, "Operation not permitted") from None

    monkeypatch.setattr(cli.setup, "everything", interrupted)
    assert cli.main(["setup"]) == 130
    assert capsys.readouterr().err == ""


def test_a_file_of_roots_is_named(monkeypatch, capsys):
    def refused():
        raise PermissionError(13, "Permission denied", "/repo/dist/dotd.deb")

    monkeypatch.setattr(cli.setup, "everything", refused)
    assert cli.main(["setup"]) == 1
    assert "/repo/dist/dotd.deb" in capsys.readouterr().err


def test_machines_that_run_are_found_and_others_are_not(monkeypatch, tmp_path):
    monkeypatch.setattr(running.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(running, "MEMORY_FOLDER", tmp_path / "none")
    gone = subprocess.Popen(["true"])
    gone.wait()
    for age, (name, pid) in enumerate(
        {"old": os.getpid(), "gone": gone.pid, "new": os.getpid(), "broken": "?"}.items()
    ):
        folder = tmp_path / f"dotd-lab-{name}"
        folder.mkdir()
        (folder / "pid").write_text(str(pid))
        os.utime(folder, (age, age))
    (tmp_path / "dotd-lab-booting").mkdir()
    assert [folder.name for folder in running.machines()] == ["dotd-lab-old", "dotd-lab-new"]


def test_who_looks_into_a_machine_builds_nothing(monkeypatch, tmp_path):
    started = []

    class Made:
        python = "python"

        def environment(self, package):
            return {"package": package}

    def start(command, env):
        started.append((command, env))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(cli.setup, "everything", Made)
    monkeypatch.setattr(cli.setup, "build", lambda *_: pytest.fail("a package was built"))
    monkeypatch.setattr(cli.core, "of_its_own", lambda: pytest.fail("a core was taken"))
    monkeypatch.setattr(cli.subprocess, "run", start)
    monkeypatch.setattr(cli.running, "machines", lambda: [tmp_path])
    assert cli.main(["shell"]) == 0
    ((command, environment),) = started
    assert command == ["python", "-m", "labkit.shell"] and environment["package"] is None
