"""The lab's cache: whatever takes long to make, made once per content.

Invariant: a folder that exists under its final name is complete. Things are
made in a `.partial` folder and renamed; an interrupted setup leaves nothing
that a later one would take for whole. Each kind of thing is made by one
process at a time; what is complete is had without waiting.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit import host


def folder() -> Path:
    """Where the cache is."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "dotd-lab"
    path.mkdir(parents=True, exist_ok=True)
    if trouble := trouble_with(path.stat().st_uid, os.geteuid(), "SUDO_UID" in os.environ):
        raise host.SetupError(f"{path} {trouble}")
    return path


def trouble_with(owner: int, user: int, by_sudo: bool) -> str | None:
    """What is wrong when a user has a cache of this owner's: what one makes, the other could not
    remake or remove."""
    if owner == user:
        return None
    if user != 0:
        return (
            "belongs to another user: set XDG_CACHE_HOME to a folder of yours, or, if it was made by "
            "mistake, remove it with sudo rm -rf"
        )
    if by_sudo:
        return "is an ordinary user's: run the lab without sudo, it asks for root's rights by itself"
    return None  # root in a container, with a cache from outside


@contextmanager
def lock(kind: str) -> Iterator[None]:
    """Keeps other processes from making the same kind of thing meanwhile."""
    with open(folder() / f"{kind}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with host.step(f"waiting for another process that makes the {kind}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def key_of(*parts: str | bytes | Path) -> str:
    """A name for this content; of a path, what is in the file or in the folder's files."""
    digest = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            digest.update(hashlib.sha256(piece).digest())
    return digest.hexdigest()[:12]


def obtain(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """Returns the folder KIND-KEY; makes it first when it is not there."""
    final = folder() / f"{kind}-{key}"
    if final.exists():
        return final
    with lock(kind):
        if final.exists():
            return final
        for interrupted in folder().glob(f"{kind}-*.partial"):
            remove(interrupted)
        partial = folder() / f"{kind}-{key}.partial"
        partial.mkdir()
        with host.step(f"making the lab's {kind}"):
            make(partial)
        partial.rename(final)
    return final


def remove(path: Path) -> None:
    """Removes a folder, also one whose files are root's."""
    if not path.exists():
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        host.run(host.as_root(["rm", "-rf", "--one-file-system", str(path)]))


def _pieces(part: str | bytes | Path) -> Iterator[bytes]:
    if isinstance(part, str):
        yield part.encode()
    elif isinstance(part, bytes):
        yield part
    elif part.is_dir():
        for path in sorted(part.rglob("*")):
            yield str(path.relative_to(part)).encode()
            if path.is_symlink():
                yield os.readlink(path).encode()
            elif path.is_file():
                yield path.read_bytes()
    else:
        yield part.read_bytes()
