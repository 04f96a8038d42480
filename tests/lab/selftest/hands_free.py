"""A stand-in for the speaker in calls: a hands-free unit that says exactly what a test lets it.

It exists to test the phones' gateway without a guest; scenarios use the real speaker. Bumble's own
hands-free side is not used: it hides the lines, and the lines are what is tested.

Invariant: every line of the gateway is an event "line" of `log`, in order; commands go out one at
a time unless a test sends bytes of its own.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from bumble import hfp, rfcomm
from bumble.device import Connection, Device, ScoLink
from bumble.hfp import AudioCodec, HfFeature
from labkit import analysis, clock
from labkit.phone import Phone, loop
from labkit.phone.events import EventLog
from labkit.phone.handset import Handset
from labkit.phone.sco import VoiceLink, accept_voice, request_voice
from labkit.phone.speech import Heard, Utterance
from labkit.radio import SPEAKER_ADDRESS, Radio
from labkit.signals import Signal
from labkit.voice import CVSD, VoiceCodec, codec_numbered

RECORD = 0x00010001
CHANNEL = 7
ALL_FEATURES = (
    HfFeature.THREE_WAY_CALLING
    | HfFeature.CLI_PRESENTATION_CAPABILITY
    | HfFeature.VOICE_RECOGNITION_ACTIVATION
    | HfFeature.REMOTE_VOLUME_CONTROL
    | HfFeature.ENHANCED_CALL_STATUS
    | HfFeature.ENHANCED_CALL_CONTROL
    | HfFeature.CODEC_NEGOTIATION
    | HfFeature.HF_INDICATORS
)
_UNSOLICITED = ("+CIEV", "RING", "+CLIP", "+CCWA", "+BCS", "+VGS", "+VGM", "+BSIR", "+BVRA")
_ANSWER_SECONDS = 5.0


class Refused(Exception):
    """The gateway answered with an error; the message is its line."""


class Unit:
    """The unit itself, on the phones' thread."""

    def __init__(self, handset: Handset, features: HfFeature, codecs: tuple[int, ...]) -> None:
        self.log = handset.log
        self.codecs = codecs
        self.obliging = True
        self.heard = Heard()
        self.voice: VoiceLink | None = None
        self._features = features
        self._codec: VoiceCodec = CVSD
        self._dlc: rfcomm.DLC | None = None
        self._rest = b""
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._adopted = asyncio.Event()
        self._handset = handset
        device = handset.device
        rfcomm.Server(device).listen(self._adopt, CHANNEL)
        configuration = hfp.HfConfiguration(
            supported_hf_features=[each for each in HfFeature if each in features],
            supported_hf_indicators=[hfp.HfIndicator.BATTERY_LEVEL],
            supported_audio_codecs=[AudioCodec(each) for each in codecs],
        )
        device.sdp_service_records[RECORD] = hfp.make_hf_sdp_records(
            RECORD, CHANNEL, configuration
        )
        device.on(Device.EVENT_SCO_REQUEST, self._voice_requested)
        device.on(Device.EVENT_SCO_CONNECTION, self._voice_opened)

    async def connect(self, link: Connection) -> None:
        """Opens the gateway's channel, found by SDP."""
        found = await hfp.find_ag_sdp_record(link)
        assert found, "the phone's SDP records offer no gateway"
        self.log.add("gateway", version=int(found[1]), features=int(found[2]))
        multiplexer = await rfcomm.Client(link).start()
        self._adopt(await multiplexer.open_dlc(found[0]))

    async def disconnect(self) -> None:
        """Closes the channel."""
        await self._dlc.disconnect()

    async def set_up(self) -> None:
        """Makes the service level connection, waiting for the channel if need be."""
        await self._adopted.wait()
        theirs = int((await self.ask(f"AT+BRSF={int(self._features)}"))[0].split(":")[1])
        if theirs & hfp.AgFeature.CODEC_NEGOTIATION:
            await self.ask(f"AT+BAC={','.join(map(str, self.codecs))}")
        await self.ask("AT+CIND=?")
        await self.ask("AT+CIND?")
        await self.ask("AT+CMER=3,0,0,1")
        if theirs & hfp.AgFeature.THREE_WAY_CALLING:
            await self.ask("AT+CHLD=?")
        if theirs & hfp.AgFeature.HF_INDICATORS:
            for line in ("AT+BIND=2", "AT+BIND=?", "AT+BIND?"):
                await self.ask(line)
        await self.ask("AT+CLIP=1")
        if theirs & hfp.AgFeature.THREE_WAY_CALLING:
            await self.ask("AT+CCWA=1")

    async def ask(self, line: str) -> list[str]:
        """Sends a command and returns the results before its OK."""
        async with self._lock:
            self.send(line.encode() + b"\r")
            results: list[str] = []
            while True:
                answer = await asyncio.wait_for(self._answers.get(), clock.host(_ANSWER_SECONDS))
                if answer == "OK":
                    return results
                if "ERROR" in answer:
                    raise Refused(answer)
                results.append(answer)

    async def open_voice(self, codec: VoiceCodec) -> None:
        """Opens the voice link itself, as units of old do."""
        self._codec = codec
        await request_voice(self._handset.link, codec)

    def send(self, data: bytes) -> None:
        """Sends any bytes."""
        self._dlc.write(data)

    def _adopt(self, dlc: rfcomm.DLC) -> None:
        self._dlc = dlc
        self._rest = b""
        dlc.sink = self._received
        self._adopted.set()

    def _received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in filter(None, (line.decode(errors="replace") for line in lines)):
            self.log.add("line", text=line)
            if not line.startswith(_UNSOLICITED):
                self._answers.put_nowait(line)
            elif line.startswith("+BCS") and self.obliging:
                self._agree(int(line.split(":")[1]))

    def _agree(self, number: int) -> None:
        if number in self.codecs:
            self._codec = codec_numbered(number)
            self._in_background(self.ask(f"AT+BCS={number}"))
        else:
            self._in_background(self.ask(f"AT+BAC={','.join(map(str, self.codecs))}"))

    def _voice_requested(self, link: Connection, _: int) -> None:
        self._in_background(accept_voice(link, self._codec))

    def _voice_opened(self, sco: ScoLink) -> None:
        link = VoiceLink(sco, self._codec, heard=self.heard.add)
        self.voice = link
        self.log.add("voice", open=True, codec=link.codec.name)

        def ended(_: int) -> None:
            if self.voice is link:
                link.end("the voice link went down")
                self.voice = None
                self.log.add("voice", open=False)

        for each in sco, sco.acl_connection:
            each.on(each.EVENT_DISCONNECTION, ended)

    def _in_background(self, operation: Any) -> None:
        task = asyncio.ensure_future(operation)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class HandsFree:
    """The unit as tests use it: blocking."""

    def __init__(
        self,
        radio: Radio,
        features: HfFeature = ALL_FEATURES,
        codecs: tuple[int, ...] = (1, 2, 3),
    ) -> None:
        self.address = SPEAKER_ADDRESS
        self.log = EventLog()
        self._controller = radio.attach(self.address)
        loop.run(self._power_on(features, codecs), 10)

    async def _power_on(self, features: HfFeature, codecs: tuple[int, ...]) -> None:
        self.handset = Handset("Dot-1A2B", "display", lambda _: True, self.log)
        self.unit = Unit(self.handset, features, codecs)
        await self.handset.power_on(self._controller)

    def close(self) -> None:
        loop.run(self.handset.power_off(), 5)
        self._controller.close()

    def connect(self) -> None:
        """Opens the channel over the link there is and sets the connection up."""

        async def connect() -> None:
            await self.unit.connect(self.handset.link)
            await self.unit.set_up()

        loop.run(connect(), 15)

    def set_up(self) -> None:
        """Sets the connection up over the channel the phone opens."""
        loop.run(self.unit.set_up(), 15)

    def disconnect(self) -> None:
        """Closes the channel."""
        loop.run(self.unit.disconnect(), 5)

    def ask(self, line: str) -> list[str]:
        """Sends a command and returns the results before its OK."""
        return loop.run(self.unit.ask(line), 10)

    def send(self, data: bytes) -> None:
        """Sends any bytes."""
        loop.background_loop().call_soon_threadsafe(self.unit.send, data)

    def open_voice(self, codec: VoiceCodec = CVSD) -> None:
        """Opens the voice link itself; wait_voice tells when it is there."""
        loop.run(self.unit.open_voice(codec), 10)

    def lines(self, since: float = 0.0) -> list[str]:
        """The gateway's lines so far."""
        return [e.details["text"] for e in self.log.all() if e.kind == "line" and e.time >= since]

    def wait_line(self, text: str, timeout: float = 10, since: float = 0.0) -> float:
        """Waits until the gateway has said this; returns when."""
        event = self.log.wait("line", timeout, since, lambda event: event.details["text"] == text)
        assert event, f"no {text!r} among {self.lines(since)}"
        return event.time

    def wait_voice(self, is_open: bool, timeout: float = 10, since: float = 0.0) -> str | None:
        """Waits for the voice link, or for its end; returns the codec."""
        event = self.log.wait(
            "voice", timeout, since, lambda event: event.details["open"] == is_open
        )
        assert event, f"no voice link was {'opened' if is_open else 'closed'}"
        return event.details.get("codec")

    @property
    def heard(self) -> Heard:
        """All that the phone has said."""
        return self.unit.heard

    def speak(self, sound: Signal) -> Utterance:
        """Says something into the microphone."""
        rate = self.unit.voice.codec.rate
        utterance = Utterance(sound.at(rate).pcm(1)[:, 0], rate)
        loop.background_loop().call_soon_threadsafe(self.unit.voice.speak, utterance)
        return utterance


def states(phone: Phone) -> list[str]:
    """What the phone's calls are in."""
    return [call.state.name.lower() for call in phone.call_state()]


def indicator(phone: Phone, name: str, value: int) -> str:
    """How this phone tells an indicator's value."""
    return f"+CIEV: {list(phone._telephone.model.indicators).index(name) + 1},{value}"


def order(unit: HandsFree, *lines: str) -> list[str]:
    """Those of the gateway's lines that are among these, in the order they came."""
    return [line for line in unit.lines() if line in lines]


def hears_tone(samples: np.ndarray, rate: int, frequency: float, level: float) -> None:
    """Sees that a tone, and nothing louder, is in there."""
    (found,) = analysis.tones(analysis.steady(samples, rate), rate)
    assert found, "no tone"
    assert abs(found[0].frequency - frequency) < 2, found
    assert abs(found[0].level - level) < 1, found
