"""The voice of a virtual phone's calls: which codec, when the link is up, what is said and heard.

Runs on the phones' thread.

Invariants: there is one voice link at most; its codec is the one both sides agreed on last, and
CVSD where there is nothing to agree on; whoever waits for an answer of the speaker stops waiting
when the connection is gone.
"""

from __future__ import annotations

import asyncio

import numpy as np
from bumble import core, hci
from bumble.device import Connection, Device, ScoLink
from bumble.hfp import AgFeature, HfFeature

from labkit import clock
from labkit.phone.events import EventLog, PhoneError
from labkit.phone.gateway import Gateway
from labkit.phone.handset import Handset
from labkit.phone.models import Faults, Model
from labkit.phone.sco import VoiceLink, accept_voice, request_voice
from labkit.phone.speech import Heard, Utterance, VoiceCounts, VoiceQuality
from labkit.signals import Signal
from labkit.voice import AIR_FRAME, CODECS, CVSD, VoiceCodec

_ANSWER_SECONDS = 5.0
"""How long the speaker may take to agree to a codec."""

_LINK_SECONDS = 8.0
"""How long it may take to accept the link."""


class Audio:
    """The phone's side of the voice."""

    def __init__(self, handset: Handset, log: EventLog, model: Model) -> None:
        self.preferred = model.codecs
        self.packet_bytes = AIR_FRAME
        self.quality = VoiceQuality()
        self.faults = Faults()
        self.gateway: Gateway | None = None
        self.link: VoiceLink | None = None
        self.counts: VoiceCounts | None = None
        self.listeners: list[Heard] = []
        self.greeting: Signal | None = None
        """What the far party says as soon as there is a voice link."""
        self._handset = handset
        self._log = log
        self._agreed: VoiceCodec | None = None
        self._next: VoiceCodec = CVSD
        self._opener = "speaker"
        self._closer = "speaker"
        self._proposal: asyncio.Future[int | None] | None = None
        self._opening: asyncio.Future[None] | None = None
        self._accepting: asyncio.Future[None] | None = None
        self._busy = asyncio.Lock()
        handset.device.on(Device.EVENT_SCO_REQUEST, self._requested)
        handset.device.on(Device.EVENT_SCO_CONNECTION, self._opened)
        handset.device.on(Device.EVENT_SCO_CONNECTION_FAILURE, self._failed)

    @property
    def negotiates(self) -> bool:
        """Both sides can agree on a codec."""
        return self.gateway is not None and self.gateway.both(
            AgFeature.CODEC_NEGOTIATION, HfFeature.CODEC_NEGOTIATION
        )

    async def open(self) -> None:
        """Brings the voice to the speaker, with the best codec that works; fine if it is there."""
        async with self._busy:
            tried: set[str] = set()
            while self.link is None:
                if self.gateway is None or not self.gateway.ready:
                    raise PhoneError("the hands-free connection is not up")
                codec = self._best(self.gateway, tried)
                tried.add(codec.name)
                if not await self._agree(self.gateway, codec):
                    continue
                if self.faults.no_audio:
                    self._log.add("audio", state="withheld", codec=codec.name)
                    return
                try:
                    await self._connect(codec)
                except (core.BaseError, PhoneError) as failure:
                    self._agreed = None
                    self._log.add("audio", state="failed", codec=codec.name, why=str(failure))

    async def close(self, by: str) -> None:
        """Takes the voice away from the speaker; fine if it is not there."""
        async with self._busy:
            link = self.link
            if link is None:
                return
            self._closer = by
            try:
                await asyncio.wait_for(link.close(), clock.host(_LINK_SECONDS))
            except (core.BaseError, TimeoutError):
                if self.link is link:
                    raise PhoneError("the voice link does not end") from None
            finally:
                self._closer = "speaker"

    async def intrude(self) -> None:
        """Opens a voice link as the link is, welcome or not; CVSD needs no consent."""
        async with self._busy:
            await self._connect(CVSD)

    def connected(self, gateway: Gateway) -> None:
        """A hands-free connection begins."""
        self.gateway = gateway

    def disconnected(self) -> None:
        """The hands-free connection is gone, and what was agreed on with it."""
        self.gateway = self._agreed = None
        gone = PhoneError("the hands-free connection went down")
        for waiting in (self._proposal, self._opening):
            if waiting is not None and not waiting.done():
                waiting.set_exception(gone)

    def confirmed(self, number: int) -> None:
        """The speaker agrees to a codec."""
        if self._proposal is None or self._proposal.done():
            if self.gateway is not None:
                self.gateway.violation(f"AT+BCS={number}", "no codec was proposed")
        else:
            self._proposal.set_result(number)

    def listed(self) -> None:
        """The speaker says anew which codecs it has, perhaps instead of agreeing."""
        if self._proposal is not None and not self._proposal.done():
            self._proposal.set_result(None)

    def speak(self, sound: Signal) -> Utterance | None:
        """Says something, unless there is no voice link."""
        if self.link is None:
            return None
        rate = self.link.codec.rate
        utterance = Utterance(sound.at(rate).pcm(1)[:, 0], rate)
        self.link.speak(utterance)
        return utterance

    def hush(self, why: str) -> None:
        """Ends what is being said."""
        if self.link is not None:
            self.link.hush(why)

    # Agreeing

    def _best(self, gateway: Gateway, tried: set[str]) -> VoiceCodec:
        wanted = [CODECS[name] for name in self.preferred] if self.negotiates else [CVSD]
        offered = [codec for codec in wanted if codec.number in gateway.codecs]
        left = [codec for codec in offered if codec.name not in tried]
        if not left:
            raise PhoneError(
                f"no voice link: preferred {self.preferred}, the speaker has {gateway.codecs}, "
                f"tried {sorted(tried)}"
            )
        return left[0]

    async def _agree(self, gateway: Gateway, codec: VoiceCodec) -> bool:
        """Makes sure of the speaker's consent to a codec; False when it wants another."""
        if not self.negotiates or (self._agreed == codec and not gateway.model.renegotiates):
            return True
        self._proposal = asyncio.get_running_loop().create_future()
        gateway.tell(f"+BCS: {codec.number}")
        try:
            number = await asyncio.wait_for(self._proposal, clock.host(_ANSWER_SECONDS))
        except TimeoutError:
            gateway.violation("", f"no answer to +BCS: {codec.number} in {_ANSWER_SECONDS:g} s")
            raise PhoneError("the speaker did not answer the codec's proposal") from None
        finally:
            self._proposal = None
        if number is not None and number != codec.number:
            gateway.violation(f"AT+BCS={number}", f"{codec.number} was proposed")
        agreed = number == codec.number
        self._log.add("codec", codec=codec.name, agreed=agreed)
        self._agreed = codec if agreed else None
        return agreed

    # Links

    async def _connect(self, codec: VoiceCodec) -> None:
        link = self._handset.link
        if link is None:
            raise PhoneError("there is no link")
        if codec.name in self.faults.broken_codecs:
            raise PhoneError("a fault says so")
        self._opening = asyncio.get_running_loop().create_future()
        self._next, self._opener = codec, "phone"
        try:
            await request_voice(link, codec)
            await asyncio.wait_for(self._opening, clock.host(_LINK_SECONDS))
        except TimeoutError:
            raise PhoneError(f"no answer in {_LINK_SECONDS:g} s") from None
        finally:
            self._opening = None
            self._opener = "speaker"

    def _requested(self, link: Connection, _: int) -> None:
        """The speaker itself opens the voice link."""
        if link is not self._handset.link:
            return
        self._next = self._agreed or CVSD
        if self.gateway is None or not self.gateway.ready:
            self._log.add("violation", line="", why="a voice link without a hands-free connection")
        elif self.negotiates:
            self.gateway.violation("", "a voice link of its own: AT+BCC was agreed on for that")

        async def accept() -> None:
            try:
                await accept_voice(link, self._next)
            except core.BaseError as failure:
                self._log.add("audio", state="failed", codec=self._next.name, why=str(failure))

        self._accepting = asyncio.ensure_future(accept())

    def _opened(self, sco: ScoLink) -> None:
        if sco.acl_connection is not self._handset.link:
            return
        link = VoiceLink(sco, self._next, self.packet_bytes, lambda: self.quality, self._heard)
        self.link, self.counts = link, link.counts
        self._log.add("audio", state="open", codec=link.codec.name, by=self._opener)
        if self.greeting is not None:
            self.speak(self.greeting)

        def ended(reason: int) -> None:
            if self.link is link:
                sco.acl_connection.remove_listener(Connection.EVENT_DISCONNECTION, ended)
                self._ended(link, reason)

        sco.once(sco.EVENT_DISCONNECTION, ended)
        # The controller need not tell of the voice when all of the link is gone.
        sco.acl_connection.on(Connection.EVENT_DISCONNECTION, ended)
        if self._opening is not None and not self._opening.done():
            self._opening.set_result(None)

    def _failed(self, status: int) -> None:
        if self._opening is not None and not self._opening.done():
            name = hci.HCI_Constant.error_name(status)
            self._opening.set_exception(PhoneError(name, status))

    def _ended(self, link: VoiceLink, reason: int) -> None:
        self.link = None
        link.end("the voice link went down")
        self._log.add(
            "audio",
            state="closed",
            by=self._closer,
            reason=hci.HCI_Constant.error_name(reason),
            sent=link.counts.sent,
            received=link.counts.received,
        )

    def _heard(self, time: float, packet: bytes, rate: int, samples: np.ndarray) -> None:
        for listener in self.listeners:
            listener.add(time, packet, rate, samples)
