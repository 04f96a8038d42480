"""The virtual Pi's kernel: Debian 13's own source, built as User Mode Linux.

Keyed by the source package's version, the configuration and the patches in
kernel/. Takes minutes; the result is one static program.
"""

from __future__ import annotations

from pathlib import Path

from labkit import cache, trees

SOURCE = "linux-source-6.12"
FOLDER = trees.LAB / "kernel"


def obtain(builder: Path) -> Path:
    """The kernel program."""
    key = cache.key_of(_source_version(builder), FOLDER)
    return cache.obtain("kernel", key, lambda folder: _build(builder, folder)) / "linux"


def _source_version(builder: Path) -> str:
    status = (builder / "var/lib/dpkg/status").read_text()
    paragraph = status.partition(f"Package: {SOURCE}\n")[2].partition("\n\n")[0]
    return next(line for line in paragraph.splitlines() if line.startswith("Version: "))


def _build(builder: Path, folder: Path) -> None:
    done = trees.run_in(
        builder,
        ["/bin/sh", "/lab/kernel/build"],
        binds={"/work": folder},
        read_only={"/lab": trees.LAB},
    )
    trees.check(done, "building the kernel")
    cache.remove(folder / "source")
