"""What is tried with a speaker, and what of it goes wrong.

Invariant: what goes wrong costs its own values and no more: it is counted, the speaker is started
anew, and the next one is tried. After GIVE_UP of them in a row nothing more of the kind is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from labkit import calm
from labkit.figures import Figure
from labkit.link import GuestError
from labkit.phone import Phone, PhoneError
from labkit.pi import Pi

Result = TypeVar("Result")

GIVE_UP = 3


class Taker(Protocol):
    """Whoever it is tried with: a call taker, or a speaker with its phones."""

    suffix: str
    pi: Pi

    def recover(self, phone: Any) -> None:
        """Begins anew after something went wrong."""


class Attempts:
    """What is tried, and what of it does not come about."""

    def __init__(
        self, taker: Taker, phone: Phone | None, what: str = "calls, and the first connection"
    ) -> None:
        self._taker = taker
        self._phone = phone
        self._what = what
        self._tried = self._in_a_row = 0
        self._failures: list[str] = []

    def up_to(self, count: int) -> Iterator[int]:
        """Numbers for so many attempts, or fewer when it is of no use."""
        for number in range(1, count + 1):
            if self._in_a_row < GIVE_UP:
                yield number

    def series(self, what: str, count: int, once: Callable[[], Result]) -> list[Result]:
        """Does something so many times, or less often when it is of no use, and returns what came
        of it; what failed before, of another kind, says nothing of this."""
        self._in_a_row = 0
        results = []
        for number in self.up_to(count):
            with self.one(f"{what} {number}"):
                results.append(once())
        return results

    @contextmanager
    def one(self, what: str) -> Iterator[None]:
        """Ends what goes wrong in the block: it is told and counted, and all begins anew."""
        self._tried += 1
        calm.collect()
        try:
            yield
        except (GuestError, PhoneError) as failure:
            if not self._taker.pi.machine.alive:
                raise
            self._failed(what, failure)
        else:
            self._in_a_row = 0

    def figure(self) -> Figure:
        """How many there were, and why."""
        name = f"attempts that failed{self._taker.suffix}"
        how = "; ".join(self._failures) or self._what
        return Figure(name, f"of {self._tried}", [float(len(self._failures))], how)

    def _failed(self, what: str, failure: Exception) -> None:
        self._in_a_row += 1
        told = f"{what}: {reason(failure)}"
        self._failures.append(told)
        print(f"failed{self._taker.suffix}: {told}", flush=True)
        try:
            self._taker.recover(self._phone)
        except (GuestError, PhoneError) as again:
            # Whatever is tried next fails, too, and is counted then.
            print(f"beginning anew failed: {reason(again)}", flush=True)


def reason(failure: Exception) -> str:
    """What a failure says, as one line and without the phone's last events."""
    return " ".join(str(failure).partition("; it saw:")[0].split())[:300]
