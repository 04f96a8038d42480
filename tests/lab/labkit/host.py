"""The machine the lab runs on: its packages, its rights, its Debian mirror.

Standard library only: this runs before anything else is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# What must be there, and the package that has it.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "unshare": "util-linux",
    "gpgv": "gpgv",
}
FILES = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/usr/lib/x86_64-linux-gnu/libsbc.so.1": "libsbc1",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
SUDO_REMINDER = 60.0
"""Seconds between two reminders to sudo, which forgets a password after 15 minutes or fewer."""
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

_sudo_is_used = threading.Event()


class SetupError(Exception):
    """The lab cannot be set up here; the message says what to do."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """Tells what is going on and how long it took; plain lines, for terminals and logs alike."""
    print(f"lab: {what} ...", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f"lab: {what}: done in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def as_root(command: Sequence[str]) -> list[str]:
    """The command line that runs a command as root."""
    if os.geteuid() == 0:
        return list(command)
    if not shutil.which("sudo"):
        raise SetupError("the lab's setup needs root: run it as root, or install sudo")
    _sudo_is_used.set()
    # Not everybody may keep variables, so it is not asked for without need.
    kept = [name for name in PROXY_VARIABLES if name in os.environ]
    return ["sudo", *(["--preserve-env=" + ",".join(kept)] if kept else []), *command]


@contextmanager
def making() -> Iterator[None]:
    """For the time in which parts of the lab are made: sudo asks for the password once, however long
    they take, and every user inside a tree can read what is made, whatever the caller's umask is."""
    over = threading.Event()
    reminder = threading.Thread(target=_remind_sudo, args=(over,), daemon=True)
    umask = os.umask(0o022)
    reminder.start()
    try:
        yield
    finally:
        over.set()
        os.umask(umask)
        reminder.join()


def _remind_sudo(over: threading.Event) -> None:
    while not over.wait(SUDO_REMINDER):
        if _sudo_is_used.is_set():
            # It asks nothing: whoever has not given the password yet is asked in the open.
            subprocess.run(
                ["sudo", "-n", "-v"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


def run(command: Sequence[str], **options) -> subprocess.CompletedProcess:
    """Runs a command to its end. Its output is shown only when it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode != 0:
        raise SetupError(f"this failed with status {done.returncode}:\n"
                         f"  {' '.join(command)[:400]}\n{done.stdout[-6000:]}")
    return done


def check_platform() -> None:
    """Refuses machines the lab cannot work on, before anything is downloaded."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise SetupError(
            "the lab needs x86-64 Linux: User Mode Linux and the radio exist for nothing else"
        )


def install_missing() -> None:
    """Installs the Debian packages that the lab uses on the host."""
    missing = [package for tool, package in TOOLS.items() if not find_tool(tool)]
    missing += [package for file, package in FILES.items() if not os.path.exists(file)]
    if not _has_venv():
        missing.append("python3-venv")
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise SetupError(f"please install {' '.join(missing)}: this is not a Debian or Ubuntu")
    with step(f"installing {' '.join(missing)}"):
        run(as_root(["apt-get", "update", "-q"]))
        environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
        install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
        run(as_root([*environment, *install]))


def find_tool(name: str) -> str | None:
    """Finds a program, also among those for administrators."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def debian_mirror() -> list[str]:
    """The mirror the host's own apt reaches, if it is a Debian's; none lets mmdebstrap choose."""
    targets = run(
        ["apt-get", "indextargets", "--format", "$(SITE)|$(LABEL)", "Created-By: Packages"]
    ).stdout
    for line in targets.splitlines():
        site, _, label = line.partition("|")
        if label == "Debian":
            return [site]
    return []


def _has_venv() -> bool:
    try:
        import ensurepip  # noqa: F401  (what python3-venv brings on Debian)
        import venv  # noqa: F401
    except ImportError:
        return False
    return True
