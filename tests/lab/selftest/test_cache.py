"""What the lab makes once: known by its content, and never half of it."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from labkit import cache

LAB = Path(__file__).resolve().parents[1]
DIES = """
import os, pathlib, sys
from labkit import cache

def make(folder):
    (folder / "half").write_text("")
    os.kill(os.getpid(), 9)

cache.obtain("kernel", "1", make)
"""


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    """A cache with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dotd-lab"


def tree(folder, **files):
    """Makes a folder with these files, and another one with a link to the first."""
    (folder / "inner").mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    (folder / "inner" / "link").symlink_to(f"../{min(files)}")
    return folder


def test_a_key_is_of_the_content_alone(tmp_path):
    one = tree(tmp_path / "one", a="1", b="2")
    key = cache.key_of(one)
    other = tree(tmp_path / "other", a="1", b="2")
    os.utime(other / "a", (0, 0))
    assert cache.key_of(other) == key, "neither the place nor the time is content"
    assert cache.key_of(one / "a") == cache.key_of("1") == cache.key_of(b"1")


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "a").write_text("2"),
        lambda tree: (tree / "a").rename(tree / "c"),
        lambda tree: (tree / "b").unlink(),
        lambda tree: (tree / "inner" / "new").write_text(""),
        lambda tree: (tree / "inner" / "link").unlink(),
        lambda tree: (
            (tree / "inner" / "link").unlink(),
            (tree / "inner" / "link").symlink_to("../b"),
        ),
    ],
    ids=["content", "name", "one-less", "one-more", "link-less", "link-elsewhere"],
)
def test_whatever_changes_makes_another_key(tmp_path, change):
    made = tree(tmp_path / "tree", a="1", b="1")
    before = cache.key_of("x", made)
    change(made)
    assert cache.key_of("x", made) != before


def test_parts_do_not_run_into_each_other():
    assert cache.key_of("ab", "c") != cache.key_of("a", "bc") != cache.key_of("abc")


def test_a_thing_is_made_once_for_each_key(empty):
    made = []

    def make(folder):
        made.append(folder)
        (folder / "whole").write_text(str(len(made)))

    first = cache.obtain("kernel", "1", make)
    assert first == cache.obtain("kernel", "1", make) == empty / "kernel-1"
    assert cache.obtain("kernel", "2", make) != first
    assert cache.obtain("image", "1", make) != first
    assert len(made) == 3 and (first / "whole").read_text() == "1"
    assert not list(empty.glob("*.partial"))


def test_what_could_not_be_made_is_not_there_and_is_made_anew(empty):
    def fail(folder):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.obtain("kernel", "1", fail)
    assert not (empty / "kernel-1").exists()
    seen = []
    made = cache.obtain("kernel", "1", lambda folder: seen.extend(folder.iterdir()))
    assert made == empty / "kernel-1" and made.is_dir()
    assert not seen, "what was half done is not gone on with"


def test_a_process_that_is_killed_leaves_no_lock_and_nothing_that_counts(empty):
    environment = {**os.environ, "PYTHONPATH": str(LAB)}
    killed = subprocess.run([sys.executable, "-c", DIES], env=environment, timeout=60)
    assert killed.returncode == -9
    assert (empty / "kernel-1.partial" / "half").exists() and not (empty / "kernel-1").exists()
    # Of another key, too: nobody will ever finish that one.
    cache.obtain("kernel", "2", lambda folder: None)
    assert sorted(each.name for each in empty.iterdir() if each.is_dir()) == ["kernel-2"]


def test_who_comes_second_waits_and_makes_nothing(monkeypatch):
    begun, waiting, go_on, found = threading.Event(), threading.Event(), threading.Event(), []

    @contextmanager
    def step(what):
        if what.startswith("waiting"):
            waiting.set()
        yield

    def make(folder):
        begun.set()
        assert go_on.wait(20)
        (folder / "whole").write_text("")

    def late():
        made = cache.obtain("kernel", "1", lambda _: pytest.fail("it was made twice"))
        found.append((made / "whole").exists())

    monkeypatch.setattr(cache.host, "step", step)
    first = threading.Thread(target=cache.obtain, args=("kernel", "1", make))
    second = threading.Thread(target=late)
    first.start()
    assert begun.wait(20)
    second.start()
    assert waiting.wait(20) and not found, "it does not take what is half done"
    go_on.set()
    first.join(20)
    second.join(20)
    assert found == [True]
