"""A stand-in for the speaker: a Bumble A2DP sink that keeps what it hears.

It exists to test the phones without a guest; scenarios use the real speaker.

Invariant: it pairs with the address in `handset.pairing_with` only, and `heard` holds the frames
of the stream configured last.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import struct
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from bumble import a2dp, avc, avctp, avdtp, avrcp, l2cap
from bumble.rtp import MediaPacket
from labkit.phone import codings, loop
from labkit.phone.codings import CODECS, Coding
from labkit.phone.events import EventLog
from labkit.phone.handset import Bonds, Handset
from labkit.radio import SPEAKER_ADDRESS, Radio
from labkit.sbc import Sbc

Result = TypeVar("Result")

SINK_RECORD = 0x00010001
TARGET_RECORD = 0x00010002


class Speaker:
    """A speaker with `sinks` endpoints of each codec, delay reporting and absolute volume."""

    def __init__(
        self,
        radio: Radio,
        sinks: int = 1,
        delay_ms: float = 123.4,
        bonds: Bonds | None = None,
        codecs: Sequence[str] = ("sbc",),
    ) -> None:
        self.address = SPEAKER_ADDRESS
        self.log = EventLog()
        self.coding: Coding | None = None
        self.packets: list[MediaPacket] = []
        self._sinks = [CODECS[each] for each in codecs for _ in range(sinks)]
        self._bonds = bonds
        self._delay = round(delay_ms * 10)
        self._watching: list[concurrent.futures.Future[None]] = []
        self._controller = radio.attach(self.address)
        loop.run(self._power_on(), 10)

    def close(self) -> None:
        for each in self._watching:
            each.cancel()
        loop.run(self.handset.power_off(), 5)
        self._controller.close()

    async def _power_on(self) -> None:
        self.handset = Handset("Dot-1A2B", "display", lambda _: True, self.log)
        device = self.handset.device
        if self._bonds is not None:
            self.handset.bonds = device.keystore = self._bonds
        device.sdp_service_records = {
            SINK_RECORD: a2dp.make_audio_sink_service_sdp_records(SINK_RECORD, (1, 3)),
            TARGET_RECORD: avrcp.TargetServiceSdpRecord(TARGET_RECORD).to_service_attributes(),
        }
        self.listener = avdtp.Listener.for_device(device, (1, 3))
        self.listener.on("connection", self._signalling)
        self.avrcp = avrcp.Protocol(_Volume(self))
        self.avrcp.listen(device)
        await self.handset.power_on(self._controller)
        await device.set_discoverable(True)

    def _signalling(self, protocol: avdtp.Protocol) -> None:
        self.protocol = protocol
        for codec in self._sinks:
            sink = protocol.add_sink(codings.capabilities(codec, None))
            sink.capabilities = [
                *sink.capabilities,
                avdtp.ServiceCapabilities(avdtp.AVDTP_DELAY_REPORTING_SERVICE_CATEGORY),
            ]
            sink.on("configuration", lambda sink=sink: self._configured(sink))
            sink.on("rtp_packet", self.packets.append)
            for what in ("open", "start", "suspend", "close", "abort"):
                sink.on(what, lambda what=what: self.log.add("sink", did=what))

    def _configured(self, sink: avdtp.LocalSink) -> None:
        self.coding = next(filter(None, map(codings.chosen, sink.configuration)))
        self.packets.clear()
        report = avdtp.DelayReport_Command(sink.stream.remote_endpoint.seid, self._delay)

        async def tell() -> None:
            await self.protocol.send_command(report)

        self.telling = loop.background_loop().create_task(tell())

    def call(self, phone: str, sbc: Sbc) -> None:
        """Calls a bonded phone back and opens the music channel with these parameters."""
        assert self.log.wait("disconnected", 5), "the phone has not hung up"
        loop.run(self._call(phone, sbc), 20)

    async def _call(self, phone: str, sbc: Sbc) -> None:
        link = await self.handset.reach(phone, 10)
        protocol = await avdtp.Protocol.connect(link, (1, 3))
        self.listener.set_server(link, protocol)
        self._signalling(protocol)
        (source,) = await protocol.discover_remote_endpoints()
        sink = protocol.local_endpoints[0]
        transport = avdtp.ServiceCapabilities(avdtp.AVDTP_MEDIA_TRANSPORT_SERVICE_CATEGORY)
        sink.configuration = [transport, codings.capabilities(Sbc, sbc)]
        stream = await protocol.create_stream(sink, source)
        self.coding = sbc
        await stream.open()
        stream.rtp_channel.sink = sink.on_avdtp_packet
        stream.rtp_channel.on("close", stream.on_l2cap_channel_close)
        await self.avrcp.connect(link)

    def hang_up_music(self) -> None:
        """Closes the music channel and leaves the link up."""
        loop.run(self.protocol.local_endpoints[0].stream.close(), 5)

    def press(self, key: avc.PassThroughFrame.OperationId) -> None:
        """Sends a key to the phone, pressed and released."""
        for pressed in (True, False):
            self.ask(self.avrcp.send_key_event(key, pressed))

    def hold(self, key: avc.PassThroughFrame.OperationId, pressed: bool = True) -> None:
        """Sends a key to the phone, pressed only, or let go."""
        self.ask(self.avrcp.send_key_event(key, pressed))

    def ask(self, question: Coroutine[Any, Any, Result]) -> Result:
        """Waits for the phone's answer to one of Bumble's questions."""
        return loop.run(question, 5)

    def metadata(self, *wanted: avrcp.MediaAttributeId) -> dict[str, str]:
        """Asks the phone what it plays: all of it, or what is wanted."""
        answer = self.ask(self.avrcp.get_element_attributes(0, wanted))
        return {each.attribute_id.name: each.attribute_value for each in answer}

    def play_status(self) -> avrcp.SongAndPlayStatus:
        """Asks the phone how long its track is, how far it is in it, and whether it plays."""
        return self.ask(self.avrcp.get_play_status())

    def command(self, command: avrcp.Command) -> avrcp.Protocol.ResponseContext:
        """Sends the phone an order and returns the answer, whatever it says."""
        kind = avc.CommandFrame.CommandType.CONTROL
        return self.ask(self.avrcp.send_avrcp_command(kind, command))

    def watch(self, *events: avrcp.EventId) -> None:
        """Asks to be told of these, and again after each time; "told" events of `log` say it.

        Returns when the phone has said how things are now.
        """
        for each in events:
            watching = asyncio.run_coroutine_threadsafe(self._watch(each), loop.background_loop())
            self._watching.append(watching)
            self.told(each)

    async def _watch(self, event: avrcp.EventId) -> None:
        async for what in self.avrcp.monitor_events(event):
            self.log.add("told", event=event, what=what)

    def told(
        self,
        event: avrcp.EventId,
        matching: Callable[[Any], bool] = lambda _: True,
        since: float = 0.0,
    ) -> Any:
        """Waits until the phone has told this, and returns it."""
        found = self.log.wait(
            "told",
            5,
            since,
            lambda each: each.details["event"] == event and matching(each.details["what"]),
        )
        seen = [str(each) for each in self.log.all() if each.kind == "told"]
        assert found is not None, f"not told of {event.name}, but: {seen}"
        return found.details["what"]

    def browse(self, pdu_id: int, parameters: bytes) -> tuple[int, bytes]:
        """Opens the browsing channel for one question; returns the answer's id and parameters."""
        return self.ask(self._browse(pdu_id, parameters))

    async def _browse(self, pdu_id: int, parameters: bytes) -> tuple[int, bytes]:
        spec = l2cap.ClassicChannelSpec(avctp.AVCTP_BROWSING_PSM)
        channel = await self.handset.link.create_l2cap_channel(spec)
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        protocol = avctp.Protocol(channel)
        protocol.register_response_handler(
            avrcp.AVRCP_PID, lambda label, pdu: answered.set_result(pdu)
        )
        question = struct.pack(">BH", pdu_id, len(parameters)) + parameters
        protocol.send_command(0, avrcp.AVRCP_PID, question)
        answer = await answered
        await channel.disconnect()
        answer_id, length = struct.unpack_from(">BH", answer)
        assert len(answer) == 3 + length
        return answer_id, answer[3:]

    def turn_volume(self, volume: int) -> None:
        """Changes the volume at the speaker and tells the phone."""
        self.avrcp.delegate.volume = volume
        background = loop.background_loop()
        background.call_soon_threadsafe(self.avrcp.notify_volume_changed, volume)

    @property
    def heard(self) -> list[bytes]:
        """The SBC frames received since the stream was configured."""
        size = self.coding.frame_bytes
        frames = []
        for packet in self.packets:
            assert len(packet.payload) == 1 + packet.payload[0] * size
            frames += [packet.payload[at : at + size] for at in range(1, len(packet.payload), size)]
        return frames


class _Volume(avrcp.Delegate):
    """The speaker's side of absolute volume."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__(supported_events=[avrcp.EventId.VOLUME_CHANGED])
        self._speaker = speaker

    async def set_absolute_volume(self, volume: int) -> None:
        self.volume = volume
        self._speaker.log.add("volume", volume=volume)
