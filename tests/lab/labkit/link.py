"""The host's end of the link to the agent in the guest.

The guest has no network. Its interface vec0 is one end of a socket pair; raw
Ethernet frames of an experimental EtherType carry JSON messages between this
class and guest/lab-agent.py.

Invariant: frames are numbered and a missing one breaks the link with an error
that says so; every request ends in its answer, a timeout or a GuestError.
"""

from __future__ import annotations

import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError as FutureTimeout

from labkit import clock

ETHERTYPE_AGENT = 0x88B5
HEADER = struct.Struct("!6s6sHHHI")  # to, from, type, more, length, sequence
PAYLOAD_MAX = 1400
BROADCAST = b"\xff" * 6
HOST_ADDRESS = b"\2lab\0\0"
SOCKET_BUFFER = 4 << 20


class GuestError(Exception):
    """The virtual Pi did not do what it was asked for."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """The host's and the guest's end of one virtual cable."""
    host, guest = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in host, guest:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    return host, guest


class AgentLink:
    """Requests to the guest's agent, and the events it reports by itself."""

    def __init__(self, end: socket.socket, on_event: Callable[[dict], None]):
        self._socket = end
        self._on_event = on_event
        self._pending: dict[int, Future] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._sent = 0
        self._broken: str | None = None
        self._reader = threading.Thread(target=self._read, name="agent-link", daemon=True)
        self._reader.start()

    def request(self, do: str, timeout: float, **arguments) -> dict:
        """Sends one request and waits for its answer."""
        number = next(self._numbers)
        future: Future = Future()
        with self._lock:
            if self._broken:
                raise GuestError(self._broken)
            self._pending[number] = future
            self._send({"id": number, "do": do, **arguments})
        try:
            answer = future.result(clock.host(timeout))
        except FutureTimeout:
            # It answers in time whatever comes of a request, so it hangs, and will with the next.
            silence = f"the guest did not answer {do!r} within {timeout} s"
            self._on_event({"event": "silent", "reason": silence})
            raise GuestError(silence) from None
        finally:
            self._pending.pop(number, None)
        if "error" in answer:
            raise GuestError(f"{do}: {answer['error']}")
        return answer

    def clock_offset(self, good: float = 0.0002, patience: float = 3) -> tuple[float, float]:
        """How far the guest's CLOCK_MONOTONIC is ahead of the lab's, and the largest error of
        that, in seconds: half of the fastest round trip. On a busy machine it asks on until one
        was fast enough or its patience ends."""
        best = None
        deadline = clock.now() + patience
        for ping in itertools.count(1):
            before = clock.now_ns()
            there = self.request("clock", timeout=10)["clock"]
            trip = clock.now_ns() - before
            if best is None or trip < best[1]:
                best = there - before - trip // 2, trip
            if (ping >= 10 and best[1] / 2e9 < good) or clock.now() > deadline:
                return best[0] / 1e9, best[1] / 2e9

    def close(self) -> None:
        """Ends the link; whoever still waits gets a GuestError."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the guest closed it first
        self._reader.join()
        self._socket.close()

    def _send(self, message: dict) -> None:
        data = json.dumps(message).encode()
        while True:
            chunk, data = data[:PAYLOAD_MAX], data[PAYLOAD_MAX:]
            header = HEADER.pack(
                BROADCAST, HOST_ADDRESS, ETHERTYPE_AGENT, bool(data), len(chunk), self._sent
            )
            self._socket.send(header + chunk)
            self._sent += 1
            if not data:
                return

    def _read(self) -> None:
        data, expected = b"", 0
        while True:
            try:
                frame = self._socket.recv(65536)
            except OSError:
                frame = b""
            if not frame:
                return self._break("the guest is gone; its console log tells why")
            if len(frame) < HEADER.size:
                continue
            _, _, kind, more, length, sequence = HEADER.unpack_from(frame)
            if kind != ETHERTYPE_AGENT:
                continue
            if sequence != expected:
                return self._break(f"frame {sequence} came, {expected} was due: the link lost frames")
            expected = sequence + 1
            data += frame[HEADER.size : HEADER.size + length]
            if not more:
                self._deliver(json.loads(data))
                data = b""

    def _deliver(self, message: dict) -> None:
        if "event" in message:
            self._on_event(message)
        elif future := self._pending.get(message["id"]):
            future.set_result(message)

    def _break(self, reason: str) -> None:
        with self._lock:
            self._broken = reason
            self._fail_pending(reason)
        self._on_event({"event": "gone", "reason": reason})

    def _fail_pending(self, reason: str) -> None:
        for future in list(self._pending.values()):
            if not future.done():
                future.set_exception(GuestError(reason))
