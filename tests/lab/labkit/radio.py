"""The air: one rootcanal process, to which the speaker and every phone connect their controller.

Purpose: start it, give each controller the address its owner asked for, and move controllers out
of and back into range.

Invariants: an address belongs to one controller at a time; a rootcanal never outlives the process
that started it (the kernel kills it when its parent's thread ends); all traffic on the test port
goes through one connection, under one lock, because its answers carry no identification.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from labkit import calm

SPEAKER_ADDRESS = "DA:4C:10:DE:00:01"
"""The address of the virtual Pi's first adapter, the same in every run."""

_PHONE_ADDRESS = "F4:D4:88:00:00:{:02X}"
_BR_EDR_PHY = "0"
_READY = "initialize: Finished"
_MARK = "are-you-there"
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class RadioError(Exception):
    """The virtual air could not do what was asked."""


@dataclass
class Controller:
    """One virtual Bluetooth controller: its HCI (H4) byte stream and its place in the air."""

    radio: Radio
    device: int
    address: str
    socket: socket.socket

    def leave_range(self) -> None:
        """Stops hearing and being heard; open links then die of Connection Timeout (0x08)."""
        self.radio.command("del_device_from_phy", str(self.device), _BR_EDR_PHY)

    def enter_range(self) -> None:
        """Hears and is heard again."""
        self.radio.command("add_device_to_phy", str(self.device), _BR_EDR_PHY)

    def close(self) -> None:
        """Unplugs the controller; returns when the radio has forgotten it, so that its address is
        free for the next one."""
        self.hang_up()
        self.radio.release(self)

    def hang_up(self) -> None:
        """Ends the HCI stream, also for whoever reads it through a duplicate of the socket."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # The other end was quicker.
        self.socket.close()


class Radio:
    """A running rootcanal. Use it as a context manager."""

    def __init__(self, sysroot: Path | None = None, timeout: float = 10.0) -> None:
        self._sysroot = sysroot
        self._timeout = timeout
        self._lock = threading.RLock()
        self._owners: dict[str, Controller] = {}
        self._phones = 0
        self.hci_port, self.test_port, self._link_port, self._link_ble_port = _free_ports(4)
        self._log = tempfile.TemporaryFile(prefix="rootcanal-", suffix=".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._test: socket.socket | None = None

    def __enter__(self) -> Radio:
        calm.begin()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        calm.end()

    def start(self) -> None:
        """Starts rootcanal and returns when it takes controllers."""
        self._process = subprocess.Popen(
            [
                *_rootcanal_command(self._sysroot),
                f"-hci_port={self.hci_port}",
                f"-test_port={self.test_port}",
                f"-link_port={self._link_port}",
                f"-link_ble_port={self._link_ble_port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
            # A ctrl-C in the terminal is for the test runner; it closes the radio in order.
            start_new_session=True,
        )
        prefer(self._process.pid)
        try:
            # Connected any earlier, the test port tells about rootcanal's own start-up commands
            # too, as many of them as happen to come after.
            self._wait(lambda: _READY in self._last_words(), "rootcanal did not start up")
            self._test = self._connect(self.test_port)
            answer = self.command(_MARK)
            while _MARK not in answer:
                answer = self._read_answer()
            for beacon in ("1", "0"):
                self.command("del", beacon)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends rootcanal; every link and controller is gone afterwards."""
        with self._lock:
            for controller in self._owners.values():
                controller.hang_up()
            self._owners.clear()
            if self._test is not None:
                self._test.close()
                self._test = None
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def attach(self, address: str) -> Controller:
        """Plugs in a controller with this address and returns its HCI stream.

        Nothing has been sent on the stream yet, so the owner's first HCI Reset finds the right
        address.
        """
        address = address.upper()
        with self._lock:
            if address in self._owners:
                raise RadioError(
                    f"{address} is already on the air: close that controller first, or choose "
                    "another address"
                )
            before = set(self.devices())
            stream = self._connect(self.hci_port)
            device = self._wait(
                lambda: next(iter(set(self.devices()) - before), None),
                "the new controller did not appear",
            )
            self.command("set_device_address", str(device), address)
            controller = Controller(self, device, address, stream)
            self._owners[address] = controller
            return controller

    def next_phone_address(self) -> str:
        """Returns an address that no phone of this radio had before: a second phone must never
        inherit the first one's bond."""
        with self._lock:
            self._phones += 1
            return _PHONE_ADDRESS.format(self._phones)

    def release(self, controller: Controller) -> None:
        """Waits until rootcanal has dropped a closed controller and frees its address."""
        with self._lock:
            if self._owners.get(controller.address) is not controller:
                return
            if self._test is not None:
                self._wait(
                    lambda: controller.device not in self.devices(),
                    f"the controller {controller.address} did not leave",
                )
            del self._owners[controller.address]

    def devices(self) -> dict[int, str]:
        """Lists what is on the air: rootcanal's device numbers and addresses."""
        found = re.findall(r"(\d+):hci_device@([0-9a-f:]{17})", self.command("list"))
        return {int(number): address.upper() for number, address in found}

    def command(self, name: str, *arguments: str) -> str:
        """Runs one test-port command and returns its answer."""
        with self._lock:
            if self._test is None:
                raise RadioError("the radio is off: use `with Radio() as radio:`")
            parts = [name.encode(), *(argument.encode() for argument in arguments)]
            message = bytes([len(parts[0])]) + parts[0] + bytes([len(arguments)])
            message += b"".join(bytes([len(part)]) + part for part in parts[1:])
            self._test.sendall(message)
            return self._read_answer()

    def _read_answer(self) -> str:
        (size,) = struct.unpack("<I", self._read_exactly(4))
        return self._read_exactly(size).decode()

    def _read_exactly(self, size: int) -> bytes:
        assert self._test is not None
        data = b""
        while len(data) < size:
            try:
                piece = self._test.recv(size - len(data))
            except TimeoutError:
                raise self._failure("rootcanal did not answer on its test port") from None
            if not piece:
                raise self._failure("rootcanal closed its test port")
            data += piece
            acknowledge_at_once(self._test)
        return data

    def _connect(self, port: int) -> socket.socket:
        def attempt() -> socket.socket | None:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=self._timeout)
            except ConnectionRefusedError:
                return None

        connection = self._wait(attempt, f"rootcanal does not listen on port {port}")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        acknowledge_at_once(connection)
        return connection

    def _wait(self, condition, complaint: str):
        """Polls until the condition gives something; rootcanal has no notifications to wait for."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise self._failure(f"rootcanal ended with status {self._process.returncode}")
            if (result := condition()) not in (None, False):
                return result
            time.sleep(0.005)
        raise self._failure(f"{complaint} within {self._timeout:g} s")

    def _failure(self, what: str) -> RadioError:
        last = self._last_words().splitlines()[-15:]
        return RadioError(f"{what}; its last words:\n" + "\n".join(last))

    def _last_words(self) -> str:
        # Not by seeking: the file offset is shared with rootcanal, which is writing.
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - 65536)
        return os.pread(self._log.fileno(), size - start, start).decode(errors="replace")


def acknowledge_at_once(connection: socket.socket) -> None:
    """Call this after every read from rootcanal.

    It writes a packet in two pieces and waits (Nagle) for the first to be acknowledged, which
    Linux puts off for 40 ms: every HCI event would be that late. The kernel forgets the wish, so
    it has to be told again each time.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def prefer(task: int) -> None:
    """Lets a process or thread run before all ordinary ones, where we may: the air keeps time for
    everybody. (A better nice value does not do: Linux groups processes by session first.)"""
    try:
        os.sched_setscheduler(task, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass  # An ordinary user's lab works too, it is only less exact on a busy machine.


def _free_ports(count: int) -> list[int]:
    """Chooses ports nobody listens on: all held at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _rootcanal_command(sysroot: Path | None) -> list[str]:
    """Finds how to run rootcanal here.

    The wheel's binary wants a newer C library than Debian 12 or Ubuntu 22.04 have; the lab's own
    Debian 13 tree has it, and its loader can run the program without a chroot.
    """
    from rootcanal.binaries import get_package_binary_resource_path

    binary = Path(get_package_binary_resource_path("rootcanal"))
    if os.access(binary, os.X_OK) and _runs([str(binary)]):
        return [str(binary)]
    sysroot = sysroot or _default_sysroot()
    loader = sysroot / "lib64/ld-linux-x86-64.so.2"
    libraries = [sysroot / "usr/lib/x86_64-linux-gnu", binary.parent]
    path = ":".join(str(folder) for folder in libraries)
    command = [str(loader), "--library-path", path, str(binary)]
    if not loader.exists() or not _runs(command):
        raise RadioError(
            f"rootcanal runs neither here nor with the Debian 13 libraries in {sysroot}: run "
            "`tests/lab/lab setup`, or name a Debian 13 tree in DOTD_LAB_SYSROOT"
        )
    return command


def _default_sysroot() -> Path:
    if named := os.environ.get("DOTD_LAB_SYSROOT"):
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "dotd-lab" / "guest"


def _runs(command: list[str]) -> bool:
    try:
        done = subprocess.run([*command, "-version"], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
