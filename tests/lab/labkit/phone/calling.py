"""The telephone as scenarios use it: the calling half of `Phone`'s blocking methods.

Invariant: as in phone.py; every method needs a phone made with `calls=`, and says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from labkit.phone.call import Call
from labkit.phone.events import Event, PhoneError
from labkit.phone.models import Faults
from labkit.phone.speech import Heard, Utterance, VoiceCounts, VoiceQuality
from labkit.phone.telephone import Telephone
from labkit.signals import Signal, as_signal
from labkit.voice import CODECS, CodecName

Result = TypeVar("Result")
Place = Literal["phone", "speaker"]


class Calling:
    """What a phone with `calls=` can do besides."""

    name: str
    events: list[Event]
    _telephone: Telephone | None

    def _do(self, what: str, operation: Coroutine[Any, Any, Result], timeout: float) -> Result:
        raise NotImplementedError

    def _error(self, what: str, code: int | None = None) -> PhoneError:
        raise NotImplementedError

    # The hands-free connection

    def hands_free(self, connect: bool = True, timeout: float = 15.0) -> None:
        """Connects the speaker's hands-free profile, paging the bonded speaker if need be, or
        lets go of it.

        Returns when the service level connection is complete, whoever has opened it.
        """
        phone = self._calling()
        if connect:
            self._do("connect hands-free", self._connect_hands_free(), timeout)
        else:
            self._do("disconnect hands-free", phone.disconnect(), timeout)

    async def _connect_hands_free(self) -> None:
        raise NotImplementedError

    @property
    def is_hands_free(self) -> bool:
        """The service level connection is complete."""
        return self._calling().ready

    @property
    def violations(self) -> list[Event]:
        """All that the speaker did and the profile does not allow; a good speaker has none."""
        return [event for event in self.events if event.kind == "violation"]

    def misbehave(self, **faults: Any) -> None:
        """Makes the gateway misbehave (see `Faults`); without arguments, behave."""
        for name in ("silent", "refused", "broken_codecs"):
            if name in faults:
                faults[name] = frozenset(faults[name])
        self._calling().audio.faults = Faults(**faults)

    def send_raw(self, data: bytes, timeout: float = 5.0) -> None:
        """Sends any bytes over the hands-free connection."""
        self._do("send bytes", self._calling().send_raw(data), timeout)

    # Calls

    def call_state(self) -> list[Call]:
        """The calls as the phone knows them, by index."""
        return [dataclasses.replace(call) for call in self._calling().calls.all]

    def ring(
        self, number: str, name: str | None = None, in_band: bool = False, timeout: float = 10.0
    ) -> None:
        """Somebody calls ("" withholds the number); returns when the speaker was rung once, or at
        once if it is not connected. With `in_band` the phone's own ring tone is heard."""
        phone = self._calling()
        self._do(f"ring for {number!r}", phone.ring(number, name, in_band), timeout)

    def waiting_call(self, number: str, name: str | None = None, timeout: float = 5.0) -> None:
        """Somebody calls during a call."""
        self._do(f"let {number!r} wait", self._calling().waiting_call(number, name), timeout)

    def answer_on_phone(self, audio: Place = "phone", timeout: float = 10.0) -> None:
        """The user answers at the phone and talks there, or through the speaker."""
        self._do("answer", self._calling().answer(audio == "speaker"), timeout)

    def hang_up(self, index: int | None = None, timeout: float = 10.0) -> None:
        """A call ends, by its index or as AT+CHUP chooses; after the last the voice link, too."""
        self._do("hang up", self._calling().hang_up(index), timeout)

    def dial(self, number: str, audio: Place = "speaker", timeout: float = 10.0) -> None:
        """The user calls a number at the phone; returns when it rings there. See `accept`."""
        self._do(f"call {number}", self._calling().dial(number, audio == "speaker"), timeout)

    def accept(self, timeout: float = 5.0) -> None:
        """The party that was called, by the user or the speaker, takes the call."""
        self._do("be taken", self._calling().accept(), timeout)

    def hold(self, operation: str, timeout: float = 5.0) -> None:
        """The user juggles calls at the phone; operations as in AT+CHLD."""
        self._do(f"hold {operation}", self._calling().hold(operation), timeout)

    def set_indicators(
        self,
        battery: int | None = None,
        signal: int | None = None,
        roaming: bool | None = None,
        service: bool | None = None,
        operator: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        """The phone's battery and signal (0-5), network and roaming change; and the operator's
        name, which the speaker has to ask for."""
        phone = self._calling()
        values = {"battchg": battery, "signal": signal, "roam": roaming, "service": service}
        given = {name: int(value) for name, value in values.items() if value is not None}
        if operator is not None:
            phone.operator = operator
        self._do("set indicators", phone.set_indicators(given), timeout)

    def remember(self, memory: dict[int, str] | None = None, own_number: str | None = None) -> None:
        """Sets the numbers that ATD>n dials, and the phone's own."""
        phone = self._calling()
        phone.memory = dict(memory or phone.memory)
        phone.own_number = own_number or phone.own_number

    # Voice

    def transfer_to_phone(self, timeout: float = 10.0) -> None:
        """The user takes the call to the phone's own earpiece."""
        self._do("take the voice", self._calling().audio.close("phone"), timeout)

    def transfer_to_speaker(self, timeout: float = 15.0) -> None:
        """The user gives the call to the speaker."""
        self._do("give the voice", self._calling().audio.open(), timeout)

    def speak(self, sound: Signal | np.ndarray | str | Path, rate: int | None = None) -> Utterance:
        """The far party says this: its samples go down to the speaker. Returns at once."""
        audio = self._calling().audio
        link = audio.link
        if link is None:
            raise self._error("cannot speak: there is no voice link")
        signal = as_signal(sound, rate).at(link.codec.rate)

        async def begin() -> Utterance | None:
            return audio.speak(signal)

        utterance = self._do("speak", begin(), 5.0)
        if utterance is None:
            raise self._error("cannot speak: the voice link has just gone")
        return utterance

    def keep_talking(self, sound: Signal | None) -> None:
        """From the next voice link on the far party says this with the first packet of each; with
        None it is silent again. A sound of the codec's own rate is said without delay."""
        self._calling().audio.greeting = sound

    @contextmanager
    def listening(self) -> Iterator[Heard]:
        """Hears what comes up from the speaker's microphone meanwhile."""
        audio, heard = self._calling().audio, Heard()
        audio.listeners.append(heard)
        try:
            yield heard
        finally:
            audio.listeners.remove(heard)

    def hear(self, seconds: float, timeout: float | None = None) -> Heard:
        """Listens for so long, counted in samples that came: `.samples`, `.rate`."""
        with self.listening() as heard:
            try:
                return heard.wait_more(seconds, timeout)
            except PhoneError as failure:
                raise self._error(str(failure)) from None

    @property
    def voice_counts(self) -> VoiceCounts:
        """What went over the voice link, or over the last one when there is none."""
        counts = self._calling().audio.counts
        if counts is None:
            raise self._error("had no voice link yet")
        return counts

    @property
    def voice_codec(self) -> CodecName | None:
        """The codec of the voice link; None when there is none."""
        link = self._calling().audio.link
        return link.codec.name if link else None

    def prefer_codecs(self, *names: CodecName) -> None:
        """Sets the codecs the phone proposes, best first, from the next voice link on."""
        if unknown := [name for name in names if name not in CODECS]:
            raise self._error(f"has no codec {unknown[0]!r}, only {', '.join(CODECS)}")
        self._calling().audio.preferred = names

    def voice_packets(self, size: int) -> None:
        """Sets the bytes of each packet the phone sends, from the next voice link on."""
        self._calling().audio.packet_bytes = size

    def voice_quality(self, loss: float = 0.0, garbled: float = 0.0, seed: int = 0) -> None:
        """Makes the air lose and garble the voice's packets; without arguments, perfect."""
        self._calling().audio.quality = VoiceQuality(loss, garbled, seed)

    def speaker_volume(self, gain: int, timeout: float = 5.0) -> None:
        """Sets the speaker's call volume (0-15) from the phone."""
        self._do("set the volume", self._calling().set_gain("speaker", gain), timeout)

    def microphone_volume(self, gain: int, timeout: float = 5.0) -> None:
        """Sets the speaker's microphone gain (0-15) from the phone."""
        self._do("set the gain", self._calling().set_gain("microphone", gain), timeout)

    @property
    def gains(self) -> dict[str, int]:
        """The call volume and microphone gain as the phone knows them: speaker, microphone."""
        return dict(self._calling().gains)

    @property
    def speaker_battery(self) -> int | None:
        """The speaker's battery in percent as it told; None before it told."""
        return self._calling().speaker_battery

    @property
    def assistant(self) -> bool:
        """The phone's assistant listens."""
        return self._calling().assistant

    def set_assistant(self, on: bool, timeout: float = 15.0) -> None:
        """The user starts or ends the assistant at the phone."""
        self._do("start the assistant", self._calling().set_assistant(on), timeout)

    def _calling(self) -> Telephone:
        if self._telephone is None:
            raise self._error("makes no calls: it needs Phone(..., calls=\"iphone\")")
        return self._telephone
