"""A virtual phone as scenarios use it: plain blocking calls with deadlines.

Invariant: every public method returns when the thing has happened, or raises PhoneError saying
what the phone tried, what came back, and the last things it saw.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from bumble import core

from labkit.phone import loop
from labkit.phone.events import Event, EventLog, PhoneError
from labkit.phone.handset import Confirm, Found, Handset, Io
from labkit.radio import Radio

Result = TypeVar("Result")

_EVENTS_IN_ERRORS = 12


class Phone:
    """A virtual phone on a radio. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        radio: Radio,
        name: str = "Anna's iPhone",
        io: Io = "none",
        address: str | None = None,
        confirm: Confirm = lambda _: True,
    ) -> None:
        self.name = name
        self.address = address or radio.next_phone_address()
        self._log = EventLog()
        self._controller = radio.attach(self.address)
        self._in_range = True
        self._handset: Handset = self._do("switch on", self._power_on(name, io, confirm), 10)

    async def _power_on(self, name: str, io: Io, confirm: Confirm) -> Handset:
        handset = Handset(name, io, confirm, self._log)
        await handset.power_on(self._controller)
        return handset

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Phone({self.name!r}, {self.address})"

    def close(self) -> None:
        """Switches the phone off and frees its address."""
        try:
            self._do("switch off", self._handset.power_off(), 5)
        finally:
            self._controller.close()

    # What it sees

    @property
    def events(self) -> list[Event]:
        """Everything the phone saw so far."""
        return self._log.all()

    def wait_event(
        self,
        kind: str,
        timeout: float = 10.0,
        since: float = 0.0,
        matching: Callable[[Event], bool] = lambda _: True,
    ) -> Event:
        """Returns the first such event after `since` (monotonic seconds), waiting if need be."""
        event = self._log.wait(kind, timeout, since, matching)
        if event is None:
            raise self._error(f"saw no {kind!r} within {timeout:g} s")
        return event

    @property
    def connected_to(self) -> str | None:
        """The address of the device at the other end of the link, if there is a link."""
        link = self._handset.link
        return link.peer_address.to_string(with_type_qualifier=False) if link else None

    def discover(self, timeout: float = 6.0) -> list[Found]:
        """Inquires for `timeout` seconds and returns what answered, with names."""
        return self._do("discover", self._handset.discover(timeout, None), timeout + 20)

    def sees(self, address: str, timeout: float = 6.0) -> Found | None:
        """Inquires until that device answers; None when it did not within `timeout`."""
        found = self._do("discover", self._handset.discover(timeout, address), timeout + 20)
        return next((each for each in found if each.address == address), None)

    # Bonds and links

    def pair(self, address: str, timeout: float = 20.0, bonding: bool = True) -> None:
        """Pairs and encrypts, leaving the link up.

        With `bonding=False` it is the stranger who asks for an encrypted link without a bond.
        """
        what = f"pair with {address}" if bonding else f"authenticate to {address} without bonding"
        self._do(what, self._handset.pair(address, bonding, timeout), timeout)

    def reach(self, address: str, timeout: float = 15.0) -> None:
        """Pages the bonded speaker and encrypts with the stored key; opens no profile."""
        self._do(f"reach {address}", self._handset.reach(address, timeout), timeout)

    def is_bonded(self, address: str) -> bool:
        """Says whether this phone keeps a bond with that device."""
        return self._handset.is_bonded(address)

    def forget(self, address: str) -> None:
        """Deletes the bond on the phone's side ("Forget this device")."""
        self._do(f"forget {address}", self._handset.forget(address), 5)

    def disconnect(self, timeout: float = 10.0) -> None:
        """Ends the link to the speaker; no harm when there is none."""
        self._do("disconnect", self._handset.hang_up(), timeout)

    def out_of_range(self) -> None:
        """Walks away: both sides lose the link some seconds later (event "disconnected")."""
        if self._in_range:
            self._controller.leave_range()
            self._in_range = False

    def in_range(self) -> None:
        """Comes back."""
        if not self._in_range:
            self._controller.enter_range()
            self._in_range = True

    # Errors

    def _do(self, what: str, operation: Coroutine[Any, Any, Result], timeout: float) -> Result:
        try:
            return loop.run(operation, timeout)
        except PhoneError as failure:
            raise self._error(f"could not {what}: {failure}", failure.code) from failure
        except TimeoutError:
            raise self._error(f"could not {what} within {timeout:g} s") from None
        except core.BaseError as failure:
            raise self._error(f"could not {what}: {failure}", failure.error_code) from failure
        except core.BaseBumbleError as failure:
            raise self._error(f"could not {what}: {failure!r}") from failure

    def _error(self, what: str, code: int | None = None) -> PhoneError:
        seen = "".join(f"\n  {event}" for event in self._log.all()[-_EVENTS_IN_ERRORS:])
        return PhoneError(f"{self.name} {what}; it saw:{seen or ' nothing'}", code)
