"""The two Debian 13 trees: the builder, which compiles, and the guest, which runs.

The package lists are the files builder/packages, guest/packages,
guest/speaker-packages and guest/peer-packages; whoever changes one gets a new
tree.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit import cache, host

SUITE = "trixie"
LAB = Path(__file__).parent.parent
MOUNT_POINTS = ("repo", "work", "dist", "cargo", "target", "lab")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# What a command mounts ends with it, also when it is killed: nothing of the host's stays mounted
# in a tree that somebody may remove.
PRIVATE_MOUNTS = ("unshare", "--mount", "--propagation", "private")


def packages(name: str) -> list[str]:
    """The package names in a list file."""
    lines = (LAB / name).read_text().splitlines()
    return [line for line in (each.partition("#")[0].strip() for each in lines) if line]


def builder() -> Path:
    """The tree that compiles: Debian 13 with the tools and libraries for amd64 and arm64."""
    wanted = packages("builder/packages")
    return cache.obtain(
        "builder",
        cache.key_of(SUITE, *wanted, *MOUNT_POINTS),
        lambda tree: _bootstrap(tree, wanted, ["--variant=buildd", "--architectures=amd64,arm64"]),
    )


def guest() -> Path:
    """The tree the virtual Pi's image is made of."""
    speaker, peers = packages("guest/speaker-packages"), packages("guest/peer-packages")
    wanted = packages("guest/packages") + speaker
    archive = LAB / "guest" / "make-archive"
    hook = f"{shlex.quote(str(archive))} \"$1\" {' '.join(speaker)} -- {' '.join(peers)}"
    return cache.obtain(
        "guest",
        cache.key_of(SUITE, *wanted, "--", *peers, *MOUNT_POINTS, archive),
        lambda tree: _bootstrap(tree, wanted, ["--variant=minbase", f"--customize-hook={hook}"]),
    )


def run_in(
    tree: Path,
    command: Sequence[str],
    binds: Mapping[str, Path],
    read_only: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: str = "/",
    network: bool = False,
    root: bool = False,
) -> subprocess.CompletedProcess:
    """Runs a command in a tree, with folders of the host mounted in it and, if asked for, what
    it takes to use the host's network.

    Nobody else sees the mounts. The command runs as the caller unless root is asked for, so that
    what it writes is the caller's.
    """
    script = ["set -e"]

    def mount(source: Path | str, inside: str, writable: bool) -> None:
        target = shlex.quote(str(tree / inside.lstrip("/")))
        script.append(f"mount --rbind {shlex.quote(str(source))} {target}")
        if not writable:
            script.append(f"mount -o remount,bind,ro {target}")

    for kernel_folder in "/proc", "/dev":
        mount(kernel_folder, kernel_folder, writable=True)
    for file in ("/etc/resolv.conf", "/etc/hosts", CERTIFICATES) if network else ():
        if os.path.exists(file):
            mount(os.path.realpath(file), file, writable=False)
    for inside, source in binds.items():
        mount(source, inside, writable=True)
    for inside, source in (read_only or {}).items():
        mount(source, inside, writable=False)
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        **{name: os.environ[name] for name in host.PROXY_VARIABLES if name in os.environ},
        **(environment or {}),
    }
    inside = f"cd {shlex.quote(folder)} && exec {shlex.join(command)}"
    user = [] if root else [f"--userspec={os.getuid()}:{os.getgid()}"]
    script.append(
        shlex.join(
            ["exec", "env", "-i", *(f"{name}={value}" for name, value in variables.items())]
            + ["chroot", *user, str(tree), "/bin/sh", "-c", inside]
        )
    )
    return subprocess.run(host.as_root([*PRIVATE_MOUNTS, "/bin/sh", "-c", "\n".join(script)]))


def check(done: subprocess.CompletedProcess, what: str) -> None:
    """Turns a failed command into an error that names it."""
    if done.returncode != 0:
        raise host.SetupError(f"{what} failed with status {done.returncode}; see its output above")


def _bootstrap(tree: Path, wanted: list[str], options: list[str]) -> None:
    folders = " ".join(f'"$1/{name}"' for name in MOUNT_POINTS)
    host.run(
        host.as_root(
            [
                *PRIVATE_MOUNTS,
                "mmdebstrap",
                "--mode=root",
                "--components=main",
                f"--include={','.join(wanted)}",
                f"--customize-hook=mkdir -p {folders} && touch \"$1/etc/resolv.conf\"",
                *options,
                SUITE,
                str(tree),
                *host.debian_mirror(),
            ]
        )
    )
