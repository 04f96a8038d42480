"""The `lab` command. Standard library only: it must start on a bare machine."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from labkit import core, host, running, setup

DESCRIPTION = "A virtual Raspberry Pi and virtual phones to try dotd on."


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lab", description=DESCRIPTION, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    commands.add_parser("setup", help="make what the lab needs (once; later runs use the cache)")

    run = commands.add_parser(
        "run",
        help="run pytest scenario files against a fresh virtual Pi",
        description="Further options go to pytest: -k, -x, --durations and so on.",
        allow_abbrev=False,
    )
    add_package_options(run)

    for name, what in (
        ("shell", "get a root prompt on the running virtual Pi, or on a new one"),
        ("demo", "watch a phone pair, play and be called, and hear the speaker"),
        ("bench", "measure the speaker"),
    ):
        add_package_options(commands.add_parser(name, help=what))

    build = commands.add_parser("build", help="build the Debian package in the builder tree")
    build.add_argument("architecture", nargs="?", default="amd64", choices=["amd64", "arm64"])
    build.add_argument("--to", type=Path, default=setup.REPOSITORY / "dist", metavar="DIR")

    builder = commands.add_parser("builder", help="run a command in the builder tree")
    builder.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")

    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in ("run", "demo", "bench"):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    try:
        return dispatch(options, rest)
    except host.SetupError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except PermissionError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            return 130  # sudo is not ours to kill; it heard of the ctrl-C itself
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(
            f"lab: {what}; if an earlier run as root made it, remove it with sudo", file=sys.stderr
        )
        return 1


def add_package_options(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of what is installed on the virtual Pi."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--deb", type=Path, metavar="FILE", help="install this package")
    choice.add_argument("--bare", action="store_true", help="install nothing")


def dispatch(options: argparse.Namespace, rest: list[str]) -> int:
    """Does what the command line asks for."""
    if options.command == "builder":
        with host.making():
            builder = setup.builder()
        return setup.in_builder(options.words or ["/bin/bash"], builder).returncode
    if options.command == "build":
        with host.making():
            package = setup.build(options.architecture, setup.builder())
        options.to.mkdir(parents=True, exist_ok=True)
        print(shutil.copy(package, options.to))
        return 0
    # Who only looks into a Pi that runs needs no package for it, and no core.
    looks_in = options.command == "shell" and bool(running.machines())
    # No guest is started; nor do the lab's own tests.
    guestless = options.command == "run" and bool(os.environ.get("DOTD_LAB_GUESTLESS"))
    with host.making():
        made = setup.guestless() if guestless else setup.everything()
        if options.command == "setup":
            return 0
        package = None if looks_in else choose_package(options, made)
    environment = made.environment(package)
    if options.command != "run":
        # What people watch and what is measured goes on in real time.
        environment["DOTD_LAB_SLOWNESS"] = "1"
    if options.command == "run":
        module = ["pytest", "-p", "labkit.plugin", "-p", "no:cacheprovider", f"--rootdir={os.getcwd()}"]
    else:
        module = [f"labkit.{options.command}"]
    command = [str(made.python), "-m", *module, *rest]
    try:
        if looks_in or guestless:
            return subprocess.run(command, env=environment).returncode
        with core.of_its_own() as number:
            environment["DOTD_LAB_CORE"] = str(number)
            return subprocess.run(command, env=environment).returncode
    except KeyboardInterrupt:
        return 130


def choose_package(options: argparse.Namespace, made: setup.Made) -> Path | None:
    """The package to install: the given one, none, or one freshly built."""
    if options.bare:
        return None
    if options.deb:
        return options.deb.absolute()
    return setup.build("amd64", made.builder)
