"""`lab setup`: everything a run needs, from nothing or from the cache.

Standard library only. All of it is in the cache under names made of its
content, so that a second setup takes no time and an edited list or source
remakes what depends on it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit import cache, host, image, kernel, tools, trees

REPOSITORY = trees.LAB.parent.parent
REQUIREMENTS = trees.LAB / "requirements.txt"


@dataclass(frozen=True)
class Made:
    """Where the parts are."""

    builder: Path
    guest: Path
    tools: Path
    python: Path
    kernel: Path | None = None
    image: Path | None = None

    def environment(self, package: Path | None) -> dict[str, str]:
        """What the programs in the lab's Python find the parts by (laboratory.Parts)."""
        variables = {
            **os.environ,
            "DOTD_LAB_TOOLS": str(self.tools),
            "DOTD_LAB_SYSROOT": str(self.guest),
            "PYTHONPATH": str(trees.LAB),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name, part in (
            ("DOTD_LAB_KERNEL", self.kernel),
            ("DOTD_LAB_IMAGE", self.image),
            ("DOTD_LAB_PACKAGE", package),
        ):
            variables.pop(name, None)
            if part:
                variables[name] = str(part)
        return variables


def everything() -> Made:
    """Sets up what is missing."""
    without_guest = guestless()
    return Made(
        builder=without_guest.builder,
        guest=without_guest.guest,
        kernel=kernel.obtain(without_guest.builder),
        image=image.obtain(without_guest.guest),
        tools=without_guest.tools,
        python=without_guest.python,
    )


def guestless() -> Made:
    """Sets up what phones among themselves take."""
    host.check_platform()
    host.install_missing()
    builder = trees.builder()
    return Made(builder, trees.guest(), tools.obtain(builder), venv())


def builder() -> Path:
    """Sets up the builder tree only."""
    host.check_platform()
    host.install_missing()
    return trees.builder()


def venv() -> Path:
    """The Python that runs radio, phones and tests."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = cache.key_of(version, os.path.realpath(sys.executable), REQUIREMENTS)
    return cache.obtain("venv", key, _make_venv) / "bin" / "python"


def _make_venv(folder: Path) -> None:
    # Scripts name the folder they were installed in, and this one is about to be renamed; the
    # lab only ever starts `python -m`, which does not mind.
    host.run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    host.run([*pip, "--requirement", str(REQUIREMENTS)])


def build(architecture: str, builder_tree: Path) -> Path:
    """Builds the .deb in the builder tree by packaging/build-deb; returns where it is."""
    script = REPOSITORY / "packaging" / "build-deb"
    if not script.exists():
        raise host.SetupError(f"{script} is not there, so there is no package to try: use --bare")
    dist = cache.folder() / "dist" / architecture
    # How cargo is to build may be said from outside, for one that only has to be quick.
    asked = {name: os.environ[name] for name in ("DOTD_CARGO_OPTIONS",) if name in os.environ}
    with cache.lock("package"), host.step(f"building the package for {architecture}"):
        cache.remove(dist)
        done = in_builder(
            ["packaging/build-deb", architecture], builder_tree, {**asked, "DOTD_DIST": "/dist"}, dist
        )
        trees.check(done, "packaging/build-deb")
        made = sorted(dist.glob(f"dotd_*_{architecture}.deb"))
        if len(made) != 1:
            raise host.SetupError(f"packaging/build-deb left {len(made)} packages, not one: {made}")
        # Under a name of its own, or the next build would take it away from under a run.
        kept = cache.folder() / f"package-{cache.key_of(made[0])}"
        kept.mkdir(exist_ok=True)
        package = made[0].rename(kept / made[0].name)
        forget_old_packages()
        return package


def forget_old_packages(keep: int = 10) -> None:
    """Removes all built packages but the last few."""
    built = sorted(cache.folder().glob("package-*/*.deb"), key=lambda each: each.stat().st_mtime)
    for package in built[:-keep]:
        cache.remove(package.parent)


def in_builder(
    command: list[str],
    builder_tree: Path,
    environment: dict[str, str] | None = None,
    dist: Path | None = None,
) -> subprocess.CompletedProcess:
    """Runs a command in the builder tree with the repository (read-only) as its folder. Crates
    and compiled code stay in the cache."""
    binds = {}
    for inside in "cargo", "target":
        binds[f"/{inside}"] = cache.folder() / inside
    binds["/dist"] = dist or cache.folder() / "dist"
    for path in binds.values():
        path.mkdir(parents=True, exist_ok=True)
    variables = {"CARGO_HOME": "/cargo", "CARGO_TARGET_DIR": "/target", **(environment or {})}
    with made_of_this_clone(binds["/target"]):
        return trees.run_in(
            builder_tree,
            command,
            binds,
            read_only={"/repo": REPOSITORY},
            environment=variables,
            folder="/repo",
            network=True,
        )


@contextmanager
def made_of_this_clone(target: Path) -> Iterator[None]:
    """Every clone of the repository is /repo in the builder tree, and cargo tells fresh from stale
    by the age of files: what it made of another clone's sources must not pass for this one's. The
    dependencies are the same and stay. While one clone compiles the others wait."""
    with open(target / "made-of", "a+") as note:

        def is_ours() -> bool:
            note.seek(0)
            return note.read() == str(REPOSITORY)

        fcntl.flock(note, fcntl.LOCK_SH)
        while not is_ours():
            try:
                fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with host.step("waiting for another clone that compiles"):
                    fcntl.flock(note, fcntl.LOCK_EX)
            if not is_ours():
                forget_other_clone(target)
                note.truncate(0)
                note.write(str(REPOSITORY))
                note.flush()
            fcntl.flock(note, fcntl.LOCK_SH)
        yield


def forget_other_clone(target: Path) -> None:
    """Has cargo compile dotd anew."""
    for profile in *target.glob("*"), *target.glob("*/*"):
        for made in profile.glob(".fingerprint/dotd-*"):
            cache.remove(made)

