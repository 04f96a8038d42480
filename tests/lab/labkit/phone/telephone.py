"""The telephone half of a virtual phone: calls, the network, the hands-free gateway, the voice.

Runs on the phones' thread. It ties together the calls (call.py), the service level connection
(service_level.py, gateway.py) and the voice (audio.py); it is what the commands act on.

Invariants: after everything that happens, from
either side, `_settle` tells the speaker what changed; voice goes to the speaker only while there
is a call, an assistant or somebody who asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bumble import core
from bumble.device import Connection
from bumble.hfp import AgFeature

from labkit import clock, signals
from labkit.phone.audio import Audio
from labkit.phone.call import Call, Calls, Refused, State
from labkit.phone.commands import Commands
from labkit.phone.events import EventLog, PhoneError
from labkit.phone.gateway import Gateway
from labkit.phone.handset import Handset
from labkit.phone.models import Model
from labkit.phone.service_level import HandsFreeRecord, ServiceLevel

RING_SECONDS = 3.0
RING_TONE = signals.tone(425.0, 1.0, -18.0, 8000)
ALERT_SECONDS = 0.3
"""How long the network takes to find the party that is called."""

_BACKGROUND_SECONDS = 15.0


class Telephone:
    """The phone's calls and its hands-free gateway."""

    def __init__(self, handset: Handset, log: EventLog, model: Model) -> None:
        self._handset = handset
        self._log = log
        self.model = model
        self.calls = Calls(self._call_changed)
        self.indicators = {"service": 1, "signal": 5, "roam": 0, "battchg": 5}
        self.operator: str | None = "Lab Mobile"
        self.own_number: str | None = None
        self.memory: dict[int, str] = {}
        self.last_dialled: str | None = None
        self.gains = {"speaker": 9, "microphone": 9}
        self.speaker_battery: int | None = None
        self.assistant = False
        self.audio = Audio(handset, log, model)
        self.on_use: Callable[[bool], None] = lambda _: None
        """Told when the first call, or the assistant, begins and when the last one ends."""
        self._in_band = self._in_use = False
        self._told = {**self.indicators, **self.calls.indicators}
        self._rang = asyncio.Event()
        self._ringing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = ServiceLevel(handset, log, model, lambda: self.audio.faults)
        self._connection.on_open = self._connected
        self._connection.on_closed = self._disconnected

    @property
    def gateway(self) -> Gateway | None:
        """The service level connection, complete or not; None when there is none."""
        return self._connection.gateway

    @property
    def ready(self) -> bool:
        """The service level connection is complete."""
        return self.gateway is not None and self.gateway.ready

    async def connect(self, link: Connection) -> None:
        """Makes the service level connection, or waits for the one the speaker is making."""
        await self._connection.connect(link)

    async def find(self, link: Connection) -> HandsFreeRecord:
        """Asks for the speaker's record of its hands-free unit."""
        return await self._connection.find(link)

    async def intrude(self, link: Connection) -> None:
        """Opens the channel of the hands-free profile, welcome or not."""
        await self._connection.intrude(link)

    async def disconnect(self) -> None:
        """Ends the service level connection, and the voice with it."""
        await self.audio.close("phone")
        await self._connection.disconnect()

    def close(self) -> None:
        """Ends what the telephone does by itself."""
        for call in self.calls.all:
            self.calls.end(call)
        self._stop_ringing()

    # What the speaker asks for

    def answered(self) -> None:
        """The speaker takes the call that rings."""
        self.calls.answer()
        self._settle()
        self._in_background(self.audio.open())

    def hung_up(self) -> None:
        """The speaker ends or refuses a call."""
        self.calls.hang_up()
        self._settle()

    def dialled(self, number: str) -> None:
        """The speaker calls a number."""
        self.calls.add(number, None, State.DIALING)
        self.last_dialled = number
        self._settle()
        self._in_background(self._go_on_dialling(to_speaker=True))

    def held(self, operation: str) -> None:
        """The speaker juggles several calls."""
        before = self.calls.indicators
        self.calls.hold(operation)
        swapped = before["callheld"] == 1 == self.calls.indicators["callheld"]
        self._settle(repeat="callheld" if swapped else None)

    def assist(self, on: bool) -> None:
        """The speaker starts or ends the phone's assistant."""
        self.assistant = on
        self._settle()
        if on:
            self._in_background(self.audio.open())

    def audio_wanted(self) -> None:
        """The speaker wants the voice."""
        self._in_background(self.audio.open())

    def codec_confirmed(self, number: int) -> None:
        """The speaker agrees to the codec that was proposed."""
        self.audio.confirmed(number)

    def codecs_listed(self) -> None:
        """The speaker says anew which codecs it has."""
        self.audio.listed()

    # What happens at the phone

    async def ring(self, number: str, name: str | None, in_band: bool) -> None:
        """A call comes in; a second one waits."""
        if in_band and AgFeature.IN_BAND_RING_TONE_CAPABILITY not in self.model.features:
            raise PhoneError("this phone has no in-band ring tone")
        self._in_band = in_band
        self._do(lambda: self.calls.add(number, name, State.INCOMING))
        self._rang.clear()
        self._settle()
        if self.ready:
            await self._rang.wait()

    async def waiting_call(self, number: str, name: str | None) -> None:
        """A second call comes in during the first."""
        if not self.calls.in_state(State.ACTIVE, State.HELD):
            raise PhoneError("a call waits only while there is another: use ring()")
        call = self._do(lambda: self.calls.add(number, name, State.WAITING))
        if self.ready:
            self.gateway.tell_waiting(call)
        self._settle()

    async def answer(self, to_speaker: bool) -> None:
        """The user answers at the phone."""
        self._do(self.calls.answer)
        self._settle()
        if to_speaker:
            await self.audio.open()
        else:
            await self.audio.close("phone")

    async def hang_up(self, index: int | None) -> None:
        """A call ends, by the user or by the other party: nobody but they can tell which."""
        call = next((call for call in self.calls.all if call.index == index), None)
        if index is not None and call is None:
            raise PhoneError(f"there is no call {index}")
        self._do(lambda: self.calls.end(call) if call else self.calls.hang_up())
        self._settle()
        if not self.calls.all and not self.assistant:
            await self.audio.close("phone")

    async def dial(self, number: str, to_speaker: bool) -> None:
        """The user calls a number at the phone."""
        self._do(lambda: self.calls.add(number, None, State.DIALING))
        self.last_dialled = number
        self._settle()
        await self._go_on_dialling(to_speaker)

    async def accept(self) -> None:
        """The party that was called takes the call."""
        self._do(lambda: self.calls.progress(State.ACTIVE))
        self._settle()

    async def hold(self, operation: str) -> None:
        """The user juggles several calls at the phone."""
        try:
            self.held(operation)
        except Refused as why:
            raise PhoneError(str(why)) from None

    async def set_indicators(self, values: dict[str, int]) -> None:
        """The network or the battery changes."""
        self.indicators.update(values)
        self._settle()

    async def set_assistant(self, on: bool) -> None:
        """The user starts or ends the assistant at the phone."""
        self.assistant = on
        self._require_gateway().tell(f"+BVRA: {int(on)}")
        self._settle()
        if on:
            await self.audio.open()

    async def set_gain(self, which: str, gain: int) -> None:
        """The user turns the phone's volume keys, or mutes."""
        self.gains[which] = gain
        self._require_gateway().tell(f"{'+VGS' if which == 'speaker' else '+VGM'}: {gain}")

    async def send_raw(self, data: bytes) -> None:
        """Sends any bytes over the service level connection."""
        self._require_gateway().send_raw(data)

    # Within

    def _connected(self, gateway: Gateway) -> None:
        gateway.commands = Commands(gateway, self)
        self.audio.connected(gateway)

    def _disconnected(self) -> None:
        self.audio.disconnected()
        self.assistant = False
        self._in_background(self.audio.close("phone"))

    async def _go_on_dialling(self, to_speaker: bool) -> None:
        if to_speaker and self.ready:
            await self.audio.open()
        await asyncio.sleep(clock.host(ALERT_SECONDS))
        if self.calls.first(State.DIALING):
            self.calls.progress(State.ALERTING)
            self._settle()

    def _settle(self, repeat: str | None = None) -> None:
        """Tells what changed, and starts and ends what belongs to it."""
        now = {**self.calls.indicators, **self.indicators}
        for name, value in now.items():
            if self.gateway is not None and (value != self._told.get(name) or name == repeat):
                self.gateway.tell_indicator(name, value)
        self._told = now
        if self.calls.first(State.INCOMING) is None:
            self._stop_ringing()
        elif self._ringing is None:
            self._ringing = asyncio.ensure_future(self._ring())
        in_use = bool(self.calls.all or self.assistant)
        if in_use == self._in_use:
            return
        self._in_use = in_use
        if not in_use:
            self._in_background(self.audio.close("phone"))
        self.on_use(in_use)

    async def _ring(self) -> None:
        while call := self.calls.first(State.INCOMING):
            if self.ready:
                self.gateway.tell_in_band(self._in_band)
                if self._in_band:
                    await self._play_ring_tone()
                self.gateway.tell_ring(call)
            self._rang.set()
            await asyncio.sleep(clock.host(RING_SECONDS))

    async def _play_ring_tone(self) -> None:
        try:
            await self.audio.open()
            self.audio.speak(RING_TONE)
        except PhoneError as failure:
            self._log.add("phone-failed", why=str(failure))

    def _stop_ringing(self) -> None:
        ringing, self._ringing = self._ringing, None
        if ringing is not None:
            ringing.cancel()
            self._rang.set()
            if self._in_band:
                self.audio.hush("the phone stopped ringing")

    def _call_changed(self, call: Call, state: State | None) -> None:
        self._log.add(
            "call",
            index=call.index,
            state=state.name.lower() if state is not None else "ended",
            number=call.number,
            incoming=call.incoming,
        )

    def _require_gateway(self) -> Gateway:
        if self.gateway is None or not self.gateway.ready:
            raise PhoneError("the hands-free connection is not up: call hands_free() first")
        return self.gateway

    @staticmethod
    def _do(action: Any) -> Any:
        try:
            return action()
        except Refused as why:
            raise PhoneError(str(why)) from None

    def _in_background(self, operation: Coroutine[Any, Any, None]) -> None:
        """Runs what nobody waits for; a failure is an event."""

        async def limited() -> None:
            try:
                await asyncio.wait_for(operation, clock.host(_BACKGROUND_SECONDS))
            except (PhoneError, TimeoutError, core.BaseBumbleError) as failure:
                self._log.add("phone-failed", why=repr(failure))

        task = asyncio.ensure_future(limited())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
