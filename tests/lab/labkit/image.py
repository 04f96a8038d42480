"""The virtual Pi's disk: the guest tree plus what makes it the lab's.

Every boot writes to a layer of its own over this image (machine.py), so the
image never changes.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from labkit import cache, host, trees

SIZE = "3G"
OVERLAY = trees.LAB / "guest" / "root"
CUSTOMIZE = trees.LAB / "guest" / "customize"


def obtain(guest: Path) -> Path:
    """The disk image."""
    key = cache.key_of(guest.name, SIZE, OVERLAY, CUSTOMIZE)
    return cache.obtain("image", key, lambda folder: _make(guest, folder)) / "guest.img"


def _make(guest: Path, folder: Path) -> None:
    tree, image = folder / "tree", folder / "guest.img"
    host.run(host.as_root(["cp", "-a", str(guest), str(tree)]))
    # Neither the owner nor the umask of whoever cloned the repository is the guest's.
    plain = "--no-preserve=mode,ownership"
    host.run(host.as_root(["cp", "-r", plain, f"{OVERLAY}/.", str(tree)]))
    done = trees.run_in(
        tree, ["/bin/sh", "/lab/guest/customize"], {}, {"/lab": trees.LAB}, root=True
    )
    trees.check(done, "preparing the guest's image")
    mke2fs = host.find_tool("mke2fs")
    script = f"""
        truncate -s {SIZE} {shlex.quote(str(image))}
        {mke2fs} -q -F -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 \\
            -d {shlex.quote(str(tree))} {shlex.quote(str(image))}
        rm -rf --one-file-system {shlex.quote(str(tree))}
        chown {os.getuid()}:{os.getgid()} {shlex.quote(str(image))}
    """
    host.run(host.as_root(["/bin/sh", "-ec", script]))

