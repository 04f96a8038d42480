"""The calls of a phone, as the network and the hands-free profile see them.

Pure data: who rings and whom the user answers is told from outside, and what a hands-free unit is
shown of it (indicators, list) is computed from the calls alone.

Invariant: at most one call is ringing, waiting, dialling or alerting; indices are those of CLCC,
the lowest free one from 1, and stay while the call lives.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from labkit.phone.at import number_type, quoted


class State(enum.IntEnum):
    """A call's state, numbered as in CLCC."""

    ACTIVE = 0
    HELD = 1
    DIALING = 2
    ALERTING = 3
    INCOMING = 4
    WAITING = 5


_SETTING_UP = (State.DIALING, State.ALERTING, State.INCOMING, State.WAITING)


class Refused(Exception):
    """The phone cannot do that now; `code` is the CME error that says so."""

    def __init__(self, why: str, code: int = 3) -> None:
        super().__init__(why)
        self.code = code


@dataclass
class Call:
    """One call."""

    index: int
    number: str
    name: str | None
    incoming: bool
    state: State
    multiparty: bool = False

    def clcc(self) -> str:
        """The call as one result of AT+CLCC; a withheld number is left out."""
        flags = f"{self.index},{int(self.incoming)},{int(self.state)},0,{int(self.multiparty)}"
        number = f",{quoted(self.number)},{number_type(self.number)}" if self.number else ""
        return f"+CLCC: {flags}{number}"

    def clip(self) -> str:
        """The caller as +CLIP shows him: number, type and, if known, name (27.007, 7.6)."""
        name = f",,,{quoted(self.name)}" if self.name else ""
        return f"{quoted(self.number)},{number_type(self.number)}{name}"

    def ccwa(self) -> str:
        """The caller as +CCWA shows him: number, type, voice and, if known, name (27.007, 7.12)."""
        name = f",{quoted(self.name)}" if self.name else ""
        return f"{quoted(self.number)},{number_type(self.number)},1{name}"


class Calls:
    """All calls of one phone; `changed` hears of each change, state None is the end."""

    def __init__(self, changed: Callable[[Call, State | None], None] = lambda *_: None) -> None:
        self._all: list[Call] = []
        self._changed = changed

    @property
    def all(self) -> list[Call]:
        """The calls by index."""
        return sorted(self._all, key=lambda call: call.index)

    def in_state(self, *states: State) -> list[Call]:
        """The calls in one of these states, by index."""
        return [call for call in self.all if call.state in states]

    def first(self, *states: State) -> Call | None:
        """The first such call."""
        return next(iter(self.in_state(*states)), None)

    @property
    def indicators(self) -> dict[str, int]:
        """The three call indicators of HFP, in the order in which changes are told."""
        active, held = self.first(State.ACTIVE), self.first(State.HELD)
        setup = self.first(*_SETTING_UP)
        steps = {State.INCOMING: 1, State.WAITING: 1, State.DIALING: 2, State.ALERTING: 3}
        return {
            "call": int(bool(active or held)),
            "callsetup": steps[setup.state] if setup else 0,
            "callheld": (1 if active else 2) if held else 0,
        }

    def add(self, number: str, name: str | None, state: State) -> Call:
        """Begins a call."""
        if self.first(*_SETTING_UP):
            raise Refused("another call is being set up")
        taken = {call.index for call in self._all}
        index = next(index for index in range(1, len(taken) + 2) if index not in taken)
        incoming = state in (State.INCOMING, State.WAITING)
        call = Call(index, number, name, incoming, state)
        self._all.append(call)
        self._changed(call, state)
        return call

    def answer(self) -> Call:
        """Takes the call that rings."""
        call = self.first(State.INCOMING)
        if call is None:
            raise Refused("nothing rings")
        self._put(call, State.ACTIVE)
        return call

    def progress(self, state: State) -> Call:
        """The other party of an outgoing call is alerted, or takes it."""
        call = self.first(State.DIALING, State.ALERTING)
        if call is None:
            raise Refused("nobody was called")
        self._put(call, state)
        return call

    def hang_up(self) -> Call:
        """Ends what AT+CHUP ends: the call that rings or is dialled, else what is talked on."""
        call = self.first(State.INCOMING, State.DIALING, State.ALERTING)
        call = call or self.first(State.ACTIVE) or self.first(State.HELD, State.WAITING)
        if call is None:
            raise Refused("there is no call")
        self.end(call)
        return call

    def end(self, call: Call) -> None:
        """Ends a call; one that waited behind the last other call rings from now on."""
        self._all.remove(call)
        self._changed(call, None)
        self._tidy()
        if waiting := self.first(State.WAITING):
            if not self.in_state(State.ACTIVE, State.HELD):
                self._put(waiting, State.INCOMING)

    def hold(self, operation: str) -> None:
        """Does what AT+CHLD=operation asks for."""
        if operation[1:]:
            self._hold_one(operation[0], int(operation[1:]))
            return
        active, held = self.in_state(State.ACTIVE), self.in_state(State.HELD)
        other = self.in_state(State.WAITING) or held
        match operation:
            case "0":
                self._end_all(self.in_state(State.WAITING, State.INCOMING) or held)
            case "1":
                self._require(active or other, "there is no call")
                for call in other:
                    self._put(call, State.ACTIVE)
                for call in active:
                    self.end(call)
            case "2":
                self._require(active or other, "there is no call")
                for call in active:
                    self._put(call, State.HELD)
                for call in other:
                    self._put(call, State.ACTIVE)
            case "3":
                self._require(active and held, "it takes one active and one held call")
                for call in active + held:
                    call.multiparty = True
                    self._put(call, State.ACTIVE)
            case "4":
                self._require(active and held, "it takes one active and one held call")
                self._end_all(active + held)
            case _:
                raise Refused(f"CHLD knows no {operation!r}", 4)

    def _hold_one(self, operation: str, index: int) -> None:
        call = next((call for call in self.in_state(State.ACTIVE, State.HELD)
                     if call.index == index), None)
        if call is None:
            raise Refused(f"there is no call {index}", 21)
        if operation == "1":
            self.end(call)
            return
        for other in self.in_state(State.ACTIVE):
            if other is not call:
                self._put(other, State.HELD)
        call.multiparty = False
        self._put(call, State.ACTIVE)
        self._tidy()

    def _end_all(self, calls: list[Call]) -> None:
        self._require(calls, "there is no such call")
        for call in calls:
            self.end(call)

    def _put(self, call: Call, state: State) -> None:
        if call.state != state or call.multiparty:
            call.state = state
            self._changed(call, state)

    def _tidy(self) -> None:
        """A conference of one is none."""
        for state in (State.ACTIVE, State.HELD):
            together = [call for call in self.in_state(state) if call.multiparty]
            if len(together) == 1:
                together[0].multiparty = False

    @staticmethod
    def _require(there: object, why: str) -> None:
        if not there:
            raise Refused(why)
