"""What a phone saw: a log that tests read and wait on.

Invariant: events are appended by the phones' thread, in the order they happened, and stamped with
`clock.now()`, the clock the recordings are aligned to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from labkit import clock


@dataclass(frozen=True)
class Event:
    """One thing a phone saw or did."""

    time: float
    kind: str
    details: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        details = " ".join(f"{name}={value}" for name, value in self.details.items())
        return f"{self.time:.3f} {self.kind} {details}".rstrip()


class PhoneError(Exception):
    """Something a phone tried did not work; the message says what the phone saw.

    `code` is the HCI status, L2CAP result or AVDTP error behind it, where there is one.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class EventLog:
    """The events of one phone."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._once: dict[str, Callable[[], None]] = {}
        self._changed = threading.Condition()

    def add(self, kind: str, **details: Any) -> Event:
        """Appends an event that happened now."""
        event = Event(clock.now(), kind, details)
        with self._changed:
            self._events.append(event)
            action = self._once.pop(kind, None)
            self._changed.notify_all()
        if action is not None:
            action()
        return event

    def once(self, kind: str, action: Callable[[], None]) -> None:
        """Does this when there is such an event next, before the phone sees anything else."""
        with self._changed:
            self._once[kind] = action

    def all(self) -> list[Event]:
        """Returns the events so far."""
        with self._changed:
            return list(self._events)

    def wait(
        self,
        kind: str,
        timeout: float,
        since: float = 0.0,
        matching: Callable[[Event], bool] = lambda _: True,
    ) -> Event | None:
        """Returns the first such event after `since`, waiting for it if need be; None when the
        time is up."""
        deadline = clock.now() + timeout
        seen = 0
        with self._changed:
            while True:
                for event in self._events[seen:]:
                    if event.kind == kind and event.time >= since and matching(event):
                        return event
                seen = len(self._events)
                left = clock.host(deadline - clock.now())
                if left <= 0:
                    return None
                self._changed.wait(left)
