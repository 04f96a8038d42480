"""The hands-free gateway's side of one service level connection: lines in, lines out.

It is strict: whatever the profile does not allow a hands-free unit becomes an event "violation",
and is then answered as a phone would. What the commands do is commands.py's business.

Invariants: commands are answered one at a time, in order, each with OK or an error, unless a fault
says otherwise; what a command changes is told after its OK; an indicator is told only to a unit
that asked to be told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from bumble.hfp import AgFeature, HfFeature

from labkit import clock
from labkit.phone.at import Command, LineReader, Malformed, parse, quoted
from labkit.phone.call import Call, Refused
from labkit.phone.events import EventLog
from labkit.phone.models import Faults, Model

CALL_INDICATORS = ("call", "callsetup", "callheld")
NOT_SUPPORTED = 4

_NEEDS: dict[str, tuple[AgFeature, HfFeature | None]] = {
    "+BAC=": (AgFeature.CODEC_NEGOTIATION, HfFeature.CODEC_NEGOTIATION),
    "+BCC": (AgFeature.CODEC_NEGOTIATION, HfFeature.CODEC_NEGOTIATION),
    "+BCS=": (AgFeature.CODEC_NEGOTIATION, HfFeature.CODEC_NEGOTIATION),
    "+BIND=": (AgFeature.HF_INDICATORS, HfFeature.HF_INDICATORS),
    "+BIND=?": (AgFeature.HF_INDICATORS, HfFeature.HF_INDICATORS),
    "+BIND?": (AgFeature.HF_INDICATORS, HfFeature.HF_INDICATORS),
    "+BIEV=": (AgFeature.HF_INDICATORS, HfFeature.HF_INDICATORS),
    "+BVRA=": (AgFeature.VOICE_RECOGNITION_FUNCTION, HfFeature.VOICE_RECOGNITION_ACTIVATION),
    "+CCWA=": (AgFeature.THREE_WAY_CALLING, HfFeature.THREE_WAY_CALLING),
    "+CHLD=": (AgFeature.THREE_WAY_CALLING, HfFeature.THREE_WAY_CALLING),
    "+CHLD=?": (AgFeature.THREE_WAY_CALLING, HfFeature.THREE_WAY_CALLING),
    "+CLCC": (AgFeature.ENHANCED_CALL_STATUS, None),
    "+CMEE=": (AgFeature.EXTENDED_ERROR_RESULT_CODES, None),
    "+NREC=": (AgFeature.EC_NR, None),
}
"""Commands that only phones with a feature know, and units with a feature may send."""


class Obeys(Protocol):
    """What answers the commands."""

    def obey(self, command: Command) -> list[str]:
        """Does it and returns the results that precede OK; raises Refused or Malformed."""


class Gateway:
    """One service level connection, from the phone's side."""

    def __init__(
        self,
        model: Model,
        log: EventLog,
        write: Callable[[bytes], None],
        faults: Callable[[], Faults] = Faults,
    ) -> None:
        self.model = model
        self.commands: Obeys
        self.on_ready: Callable[[], None] = lambda: None
        self.hf_features = 0
        self.codecs: list[int] = [1]
        self.hf_indicators: list[int] = []
        self.clip = self.ccwa = self.cmee = self.cmer = False
        self.deaf_to: set[str] = set()
        self.in_band = bool(model.features & AgFeature.IN_BAND_RING_TONE_CAPABILITY)
        self._log = log
        self._write = write
        self._faults = faults
        self._reader = LineReader()
        self._lines: asyncio.Queue[str | Malformed] = asyncio.Queue()
        self._setup: tuple[str, ...] = ("+BRSF=",)
        self._steps = 0
        self._answering = False
        self._held_back: list[str] = []
        self._working = asyncio.ensure_future(self._work())
        self._working.add_done_callback(self._stopped)

    @property
    def ready(self) -> bool:
        """The service level connection is complete."""
        return self._steps == len(self._setup)

    def learn(self, hf_features: int) -> None:
        """Takes the unit's features, which say what else belongs to the connection's setup; later
        they are what they were."""
        if not self.ready:
            self.hf_features = hf_features
            self._setup = self.model.setup(hf_features)

    def both(self, ours: AgFeature, theirs: HfFeature) -> bool:
        """Says whether both sides have a feature."""
        return bool(self.model.features & ours and self.hf_features & theirs)

    def feed(self, data: bytes) -> None:
        """Takes what came over RFCOMM."""
        for line in self._reader.feed(data):
            if self._answering or not self._lines.empty():
                self.violation(str(line), "sent before the last command was answered")
            self._lines.put_nowait(line)

    def close(self) -> None:
        """Ends it, when the channel is gone."""
        self._working.cancel()
        self._write = lambda _: None

    def violation(self, line: str, why: str) -> None:
        """Notes what no hands-free unit may do."""
        self._log.add("violation", line=line, why=why)

    # What the phone tells by itself

    def tell(self, *results: str) -> None:
        """Sends unsolicited results, after the command that is being answered."""
        if self._answering and not self._faults().ciev_first:
            self._held_back += results
        else:
            self._send(*results)

    def tell_indicator(self, name: str, value: int) -> None:
        """Sends an indicator's new value to a unit that wants it."""
        if not self.cmer or name in self.deaf_to or name not in self.model.indicators:
            return
        self.tell(f"+CIEV: {list(self.model.indicators).index(name) + 1},{value}")

    def tell_ring(self, call: Call) -> None:
        """Rings once."""
        if self.ready:
            self.tell("RING")
            if self.clip and not self._faults().no_caller:
                self.tell(f"+CLIP: {call.clip()}")

    def tell_waiting(self, call: Call) -> None:
        """Shows a call that waits."""
        if self.ready and self.ccwa:
            self.tell(f"+CCWA: {call.ccwa()}")

    def tell_in_band(self, on: bool) -> None:
        """Says whether the phone's own ring tone will come over the voice link."""
        if self.in_band != on:
            self.in_band = on
            self.tell(f"+BSIR: {int(on)}")

    def send_raw(self, data: bytes) -> None:
        """Sends any bytes at all."""
        self._log.add("told", line=repr(data))
        self._write(data)

    # Answering

    def _stopped(self, working: asyncio.Task[None]) -> None:
        if not working.cancelled() and (failure := working.exception()):
            self._log.add("phone-failed", why=repr(failure))

    async def _work(self) -> None:
        while True:
            line = await self._lines.get()
            self._answering = True
            was_ready = self.ready
            try:
                await self._answer(line)
            finally:
                self._answering = False
            held_back, self._held_back = self._held_back, []
            self._send(*held_back)
            if self.ready and not was_ready:
                self._log.add("hfp", state="ready", features=self.hf_features)
                self.on_ready()

    async def _answer(self, line: str | Malformed) -> None:
        faults = self._faults()
        if faults.slow:
            await asyncio.sleep(clock.host(faults.slow))
        results, key, code = self._obey(line, faults)
        if faults.hits(faults.silent, key):
            return
        if code is not None:
            final = f"+CME ERROR: {code}" if self.cmee else "ERROR"
            results = []
        else:
            final = "OK"
        if faults.garbage:
            self.send_raw(faults.garbage)
        self._send(*([final, *results] if faults.ok_first else [*results, final]))

    def _obey(self, line: str | Malformed, faults: Faults) -> tuple[list[str], str, int | None]:
        """Returns the results, the command's key and, for a refusal, its code."""
        key = ""
        try:
            if isinstance(line, Malformed):
                raise line
            command = parse(line)
            key = command.key
            self._log.add("asked", what=_WHAT.get(key, "command"), value=command.value, line=line)
            if faults.hits(faults.refused, key):
                raise Refused("a fault says so")
            self._check(command)
            results = self.commands.obey(command)
        except Malformed as why:
            self.violation(str(line) if isinstance(line, str) else "", str(why))
            return [], key, NOT_SUPPORTED
        except Refused as why:
            self._log.add("refused", line=line, why=str(why), code=why.code)
            return [], key, why.code
        if not self.ready and key == self._setup[self._steps]:
            self._steps += 1
        return results, key, None

    def _check(self, command: Command) -> None:
        """Sees that this command may come now, and from this unit, to this phone."""
        key = command.key
        if not self.ready and key != (due := self._setup[self._steps]):
            self.violation(command.line, f"during the setup, when AT{due} was due")
        if self.ready and key == "+BRSF=":
            self.violation(command.line, "the service level connection is there already")
        ours, theirs = _NEEDS.get(key, (AgFeature(0), None))
        if ours not in self.model.features:
            self.violation(command.line, f"this phone has told that it lacks {ours.name}")
            raise Refused(f"no {ours.name}", NOT_SUPPORTED)
        if theirs and not theirs & self.hf_features:
            self.violation(command.line, f"the unit itself has told that it lacks {theirs.name}")

    def _send(self, *results: str) -> None:
        for result in results:
            if self._faults().tight:
                result = result.replace(": ", ":", 1)
            self._log.add("told", line=result)
            data = f"\r\n{result}\r\n".encode()
            size = self._faults().piecemeal or len(data)
            for start in range(0, len(data), size):
                self._write(data[start : start + size])


_WHAT = {
    "A": "answer",
    "+CHUP": "hang-up",
    "D": "dial",
    "+BLDN": "redial",
    "+VTS=": "dtmf",
    "+CHLD=": "hold",
    "+BVRA=": "assistant",
    "+VGS=": "speaker-volume",
    "+VGM=": "microphone-volume",
    "+NREC=": "noise-reduction",
    "+BIEV=": "indicator",
    "+IPHONEACCEV=": "indicator",
    "+BCC": "audio",
    "+BCS=": "codec",
    "+CLCC": "calls",
}
"""What the "asked" events call the commands that scenarios are about."""


def indicator_list(model: Model) -> str:
    """The answer to AT+CIND=?."""
    each = [f"({quoted(name)},{values})" for name, values in model.indicators.items()]
    return f"+CIND: {','.join(each)}"
