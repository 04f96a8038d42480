"""The programs that run inside the guest, compiled in the builder tree."""

from __future__ import annotations

import shlex
from pathlib import Path

from labkit import cache, trees

LIBRARIES = {"lab-hci": [], "lab-recorder": ["-lasound"], "lab-microphone": ["-lasound"]}
HEADERS = ["lab-card.h"]


def obtain(builder: Path) -> Path:
    """The folder with the programs."""
    names = [*(f"{name}.c" for name in LIBRARIES), *HEADERS]
    sources = [trees.LAB / "guest" / name for name in names]
    key = cache.key_of(builder.name, *sources, Path(__file__))
    return cache.obtain("tools", key, lambda folder: _compile(builder, folder))


def _compile(builder: Path, folder: Path) -> None:
    lines = [
        shlex.join(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", f"/work/{name}"]
                   + [f"/lab/guest/{name}.c", *libraries])
        for name, libraries in LIBRARIES.items()
    ]
    done = trees.run_in(
        builder,
        ["/bin/sh", "-ec", "\n".join(lines)],
        binds={"/work": folder},
        read_only={"/lab": trees.LAB},
    )
    trees.check(done, "compiling the guest's tools")
