"""A stand-in for the speaker: a Bumble A2DP sink that keeps what it hears.

It exists to test the phones without a guest; scenarios use the real speaker.

Invariant: it pairs with the address in `handset.pairing_with` only, and `heard` holds the frames
of the stream configured last.
"""

from __future__ import annotations

from bumble import a2dp, avc, avdtp, avrcp
from bumble.rtp import MediaPacket
from labkit.phone import loop
from labkit.phone.events import EventLog
from labkit.phone.handset import Bonds, Handset
from labkit.phone.source import chosen_sbc, sbc_capabilities
from labkit.radio import SPEAKER_ADDRESS, Radio
from labkit.sbc import Sbc

SINK_RECORD = 0x00010001
TARGET_RECORD = 0x00010002


class Speaker:
    """A speaker with `sinks` SBC endpoints, delay reporting and absolute volume."""

    def __init__(
        self,
        radio: Radio,
        sinks: int = 1,
        delay_ms: float = 123.4,
        bonds: Bonds | None = None,
    ) -> None:
        self.address = SPEAKER_ADDRESS
        self.log = EventLog()
        self.sbc: Sbc | None = None
        self.packets: list[MediaPacket] = []
        self._sinks = sinks
        self._bonds = bonds
        self._delay = round(delay_ms * 10)
        self._controller = radio.attach(self.address)
        loop.run(self._power_on(), 10)

    def close(self) -> None:
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
        for _ in range(self._sinks):
            sink = protocol.add_sink(sbc_capabilities(None))
            sink.capabilities = [
                *sink.capabilities,
                avdtp.ServiceCapabilities(avdtp.AVDTP_DELAY_REPORTING_SERVICE_CATEGORY),
            ]
            sink.on("configuration", lambda sink=sink: self._configured(sink))
            sink.on("rtp_packet", self.packets.append)
            for what in ("open", "start", "suspend", "close", "abort"):
                sink.on(what, lambda what=what: self.log.add("sink", did=what))

    def _configured(self, sink: avdtp.LocalSink) -> None:
        self.sbc = next(filter(None, map(chosen_sbc, sink.configuration)))
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
        sink.configuration = [transport, sbc_capabilities(sbc)]
        stream = await protocol.create_stream(sink, source)
        self.sbc = sbc
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
            loop.run(self.avrcp.send_key_event(key, pressed), 5)

    def metadata(self) -> dict[str, str]:
        """Asks the phone what it plays."""
        answer = loop.run(self.avrcp.get_element_attributes(0, []), 5)
        return {each.attribute_id.name: each.attribute_value for each in answer}

    def turn_volume(self, volume: int) -> None:
        """Changes the volume at the speaker and tells the phone."""
        self.avrcp.delegate.volume = volume
        background = loop.background_loop()
        background.call_soon_threadsafe(self.avrcp.notify_volume_changed, volume)

    @property
    def heard(self) -> list[bytes]:
        """The SBC frames received since the stream was configured."""
        size = self.sbc.frame_bytes
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
