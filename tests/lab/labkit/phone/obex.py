"""OBEX as far as a phone speaks it that serves objects: packets, headers, and one client's session.

No Bluetooth here: L2CAP brings whole packets in and takes whole answers out (GOEP 2.0). Single
response mode is never agreed to, as it wants L2CAP's retransmissions, which the lab's phones lack
(browsing.py): that each piece is asked for is all the flow control there is.

Invariant: every packet has one answer, also one that makes no sense, and such a one changes
nothing; an object is given within a session only, and whole.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Protocol

LEAST = 255
"""Bytes that whoever speaks OBEX can take in one packet."""

_CONNECT_FIELDS = ">BBH"
_VERSION = 0x15
"""OBEX 1.5, with GOEP 2.0."""


class Op(IntEnum):
    """What a client asks. The uppermost bit says that the question is complete."""

    CONNECT = 0x80
    DISCONNECT = 0x81
    GET = 0x03
    GET_FINAL = 0x83
    ABORT = 0xFF


class Code(IntEnum):
    """What is answered."""

    CONTINUE = 0x90
    SUCCESS = 0xA0
    BAD_REQUEST = 0xC0
    NOT_FOUND = 0xC4
    NOT_ACCEPTABLE = 0xC6
    NOT_IMPLEMENTED = 0xD1
    SERVICE_UNAVAILABLE = 0xD3


class Header(IntEnum):
    """The headers that mean something here, BIP's handle among them."""

    IMAGE_HANDLE = 0x30
    TYPE = 0x42
    TARGET = 0x46
    BODY = 0x48
    END_OF_BODY = 0x49
    WHO = 0x4A
    LENGTH = 0xC3
    CONNECTION = 0xCB


Headers = dict[int, bytes]
"""Headers as they are on the air, without their lengths."""

_WHOLE = {0x80: 2, 0xC0: 5}
"""Bytes of a header by its uppermost bits, where it does not say them itself."""


class Malformed(Exception):
    """The lengths of a packet do not add up."""


class Objects(Protocol):
    """What there is to get."""

    target: bytes

    def open(self) -> int | None:
        """A client connects: the number of its session, or None if it may not have one now."""

    def close(self) -> None:
        """The session that was opened has ended."""

    def find(self, asked: Headers) -> bytes | Code:
        """What is asked for, or why it is not given."""


class Session:
    """What one client does over one channel."""

    def __init__(self, objects: Objects, takes: int) -> None:
        """`takes` is how many bytes this side takes in one packet."""
        self._objects = objects
        self._takes = takes
        self._connection: bytes | None = None
        self._size = LEAST
        self._asked: Headers = {}
        self._rest: bytes | None = None

    def answer(self, packet: bytes, mtu: int) -> bytes:
        """The answer to a packet, in so many bytes at most where the client can take more."""
        op = packet[0] if packet else None
        try:
            if op == Op.CONNECT:
                return self._connect(*parse(packet, struct.calcsize(_CONNECT_FIELDS)), mtu)
            _, headers = parse(packet)
        except Malformed:
            return self._refuse(Code.BAD_REQUEST) if op == Op.CONNECT else encode(Code.BAD_REQUEST)
        if op in (Op.GET, Op.GET_FINAL):
            return self._get(headers, complete=op == Op.GET_FINAL)
        if op == Op.ABORT:
            self._forget()
            return encode(Code.SUCCESS)
        if op == Op.DISCONNECT:
            return self._disconnect(headers)
        return encode(Code.NOT_IMPLEMENTED)

    def close(self) -> None:
        """Ends the session, if there is one: its client disconnected, or its channel closed."""
        self._forget()
        if self._connection is not None:
            self._connection = None
            self._objects.close()

    def _connect(self, fields: bytes, headers: Headers, mtu: int) -> bytes:
        _, _, most = struct.unpack(_CONNECT_FIELDS, fields)
        if min(most, mtu) < LEAST:
            return self._refuse(Code.BAD_REQUEST)
        if headers.get(Header.TARGET) != self._objects.target:
            return self._refuse(Code.NOT_ACCEPTABLE)
        number = self._objects.open() if self._connection is None else None
        if number is None:
            return self._refuse(Code.SERVICE_UNAVAILABLE)
        self._size = min(most, mtu)
        self._connection = struct.pack(">I", number)
        told = {Header.CONNECTION: self._connection, Header.WHO: self._objects.target}
        return encode(Code.SUCCESS, told, self._fields())

    def _refuse(self, code: Code) -> bytes:
        """The answer to who may not connect, which has the fields of such answers too."""
        return encode(code, fixed=self._fields())

    def _fields(self) -> bytes:
        return struct.pack(_CONNECT_FIELDS, _VERSION, 0, self._takes)

    def _disconnect(self, headers: Headers) -> bytes:
        if not self._belongs(headers):
            return encode(Code.SERVICE_UNAVAILABLE)
        self.close()
        return encode(Code.SUCCESS)

    def _get(self, headers: Headers, complete: bool) -> bytes:
        # Who asks for something anew wants no more of what was before.
        anew = self._rest is not None and Header.TYPE in headers
        begins = anew or (self._rest is None and not self._asked)
        # What continues a question or an answer need not say whose it is.
        if not self._belongs(headers, optional=not begins):
            return encode(Code.SERVICE_UNAVAILABLE)
        if self._rest is not None and not anew:
            return self._piece(self._rest, {})
        self._rest = None
        self._asked |= headers
        if not complete:
            return encode(Code.CONTINUE)
        found = self._objects.find(self._asked)
        self._forget()
        if isinstance(found, Code):
            return encode(found)
        return self._piece(found, {Header.LENGTH: struct.pack(">I", len(found))})

    def _belongs(self, headers: Headers, optional: bool = False) -> bool:
        """Whether a packet is this session's."""
        said = headers.get(Header.CONNECTION, self._connection if optional else None)
        return self._connection is not None and said == self._connection

    def _piece(self, rest: bytes, told: Headers) -> bytes:
        """As much of what is left as fits beside what is told."""
        room = self._size - len(encode(Code.CONTINUE, {**told, Header.BODY: b""}))
        piece, rest = rest[:room], rest[room:]
        self._rest = rest or None
        if rest:
            return encode(Code.CONTINUE, {**told, Header.BODY: piece})
        return encode(Code.SUCCESS, {**told, Header.END_OF_BODY: piece})

    def _forget(self) -> None:
        """Nothing is asked for, and nothing being given."""
        self._asked, self._rest = {}, None


def encode(code: int, headers: Headers | None = None, fixed: bytes = b"") -> bytes:
    """A packet: a question or an answer, what each of its kind has in front, and headers."""
    data = fixed + b"".join(_header(*each) for each in (headers or {}).items())
    return struct.pack(">BH", code, 3 + len(data)) + data


def parse(packet: bytes, fixed: int = 0) -> tuple[bytes, Headers]:
    """Takes a packet apart: so many bytes that each of its kind has in front, and the headers."""
    if len(packet) < 3 + fixed or struct.unpack_from(">H", packet, 1)[0] != len(packet):
        raise Malformed(f"{len(packet)} bytes: {packet[:16].hex()}")
    headers: Headers = {}
    left = packet[3 + fixed :]
    while left:
        kind = left[0]
        whole, start = _WHOLE.get(kind & 0xC0), 1
        if whole is None:
            whole, start = int.from_bytes(left[1:3], "big"), 3
        if not start <= whole <= len(left):
            raise Malformed(f"header {kind:#04x} of {whole} bytes where {len(left)} are left")
        headers[kind] = left[start:whole]
        left = left[whole:]
    return packet[3 : 3 + fixed], headers


def text(value: bytes) -> str:
    """Reads a header that is text."""
    return value.decode("utf-16-be", "replace").rstrip("\0")


def spelled(said: str) -> bytes:
    """Writes a header that is text."""
    return f"{said}\0".encode("utf-16-be")


def _header(kind: int, value: bytes) -> bytes:
    if kind & 0xC0 in _WHOLE:
        return bytes([kind]) + value
    return struct.pack(">BH", kind, 3 + len(value)) + value
