"""What is tried with somebody who takes calls, and what of it goes wrong.

Invariant: what goes wrong costs its own values and no more: it is counted, whoever takes the calls
is started anew, and the next one is tried. After GIVE_UP of them in a row nothing more is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labkit import calm
from labkit.call_taker import CallTaker
from labkit.figures import Figure
from labkit.link import GuestError
from labkit.phone import Phone, PhoneError

GIVE_UP = 3


class Attempts:
    """What is tried with a call taker, and what of it does not come about."""

    def __init__(self, taker: CallTaker, phone: Phone) -> None:
        self._taker = taker
        self._phone = phone
        self._tried = self._in_a_row = 0
        self._failures: list[str] = []

    def up_to(self, count: int) -> Iterator[int]:
        """Numbers for so many attempts, or fewer when it is of no use."""
        for number in range(1, count + 1):
            if self._in_a_row < GIVE_UP:
                yield number

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
        how = "; ".join(self._failures) or "calls, and the first connection"
        return Figure(name, f"of {self._tried}", [float(len(self._failures))], how)

    def _failed(self, what: str, failure: Exception) -> None:
        self._in_a_row += 1
        reason = f"{what}: {_reason(failure)}"
        self._failures.append(reason)
        print(f"failed{self._taker.suffix}: {reason}", flush=True)
        try:
            self._taker.recover(self._phone)
        except (GuestError, PhoneError) as again:
            # Whatever is tried next fails, too, and is counted then.
            print(f"beginning anew failed: {_reason(again)}", flush=True)


def _reason(failure: Exception) -> str:
    """What a failure says, as one line and without the phone's last events."""
    return " ".join(str(failure).partition("; it saw:")[0].split())[:300]
