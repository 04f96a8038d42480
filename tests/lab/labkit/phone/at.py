"""AT commands as a gateway reads them: strictly, telling what is wrong with each.

Invariant: any bytes at all become lines, commands or complaints, in bounded memory; nothing here
does I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

LONGEST_LINE = 512
"""More than any hands-free unit has reason to send."""

_EXTENDED = re.compile(r"AT(\+[A-Z0-9!%./:_-]+)(=\?|\?|=(.*))?")
_DIAL = re.compile(r"ATD(.*)")
_FIELD = re.compile(r'\s*(?:"([^"]*)"|([^",]*))\s*(?:,|$)')

Kind = Literal["run", "read", "test", "set"]
"""AT+X, AT+X?, AT+X=? and AT+X=value."""

_KINDS: dict[str, Kind] = {"": "run", "?": "read", "=?": "test"}


class Malformed(Exception):
    """A command no hands-free unit may send; the message says why."""


@dataclass(frozen=True)
class Command:
    """One command line."""

    line: str
    name: str
    kind: Kind
    value: str = ""

    @property
    def key(self) -> str:
        """The name with its form: "+CIND=?", "+CIND?", "+CMER=", "A"."""
        return self.name + {"run": "", "read": "?", "test": "=?", "set": "="}[self.kind]

    @property
    def fields(self) -> list[str]:
        """The values between commas, without their quotes."""
        found, at = [], 0
        while True:
            match = _FIELD.match(self.value, at)
            if match is None:
                raise Malformed(f"the values of {self.line!r} make no sense")
            found.append(match[1] if match[1] is not None else match[2].strip())
            at = match.end()
            if at >= len(self.value) and not match[0].endswith(","):
                return found

    @property
    def numbers(self) -> list[int]:
        """The values, which must be whole numbers."""
        if not all(field.isascii() and field.isdigit() for field in self.fields):
            raise Malformed(f"{self.line!r}: only numbers belong here")
        return [int(field) for field in self.fields]

    def number(self, low: int, high: int) -> int:
        """The only value, which must be a whole number in this range."""
        numbers = self.numbers
        if len(numbers) != 1 or not low <= numbers[0] <= high:
            raise Malformed(f"{self.line!r}: one number from {low} to {high} belongs here")
        return numbers[0]


def parse(line: str) -> Command:
    """Reads one command line, without its end."""
    if not line.isascii() or not line.isprintable():
        raise Malformed(f"{line!r} is not plain ASCII")
    if match := _DIAL.fullmatch(line):
        if not match[1].endswith(";"):
            raise Malformed(f"{line!r} would be a data call: a voice call ends with a semicolon")
        return Command(line, "D", "run", match[1][:-1])
    if line == "ATA":
        return Command(line, "A", "run")
    if match := _EXTENDED.fullmatch(line):
        kind = _KINDS.get(match[2] or "", "set")
        return Command(line, match[1], kind, match[3] or "")
    raise Malformed(f"{line!r} is no AT command")


class LineReader:
    """Cuts the byte stream of a hands-free unit into command lines."""

    def __init__(self) -> None:
        self._rest = b""
        self._overlong = False

    def feed(self, data: bytes) -> list[str | Malformed]:
        """Takes what arrived and returns the lines complete now, or what is wrong with them."""
        *ended, rest = (self._rest + data).split(b"\r")
        lines: list[str | Malformed] = []
        for raw in ended:
            lines.append(self._line(raw))
            self._overlong = False
        if len(rest) > LONGEST_LINE:
            self._overlong, rest = True, b""
        self._rest = rest
        return lines

    def _line(self, raw: bytes) -> str | Malformed:
        if self._overlong or len(raw) > LONGEST_LINE:
            return Malformed(f"a line is longer than {LONGEST_LINE} bytes")
        if raw.startswith(b"\n"):
            return Malformed(f"{raw!r}: commands end with CR alone, not with CR LF")
        return raw.decode("ascii", errors="replace")


def quoted(text: str) -> str:
    """A text as results carry it; what would end it early is left out."""
    return '"' + re.sub(r'["\r\n]', "", text) + '"'


def number_type(number: str) -> int:
    """The type of a phone number: international, national, or unknown for none at all."""
    if not number:
        return 128
    return 145 if number.startswith("+") else 129
