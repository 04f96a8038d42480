"""The music half of a virtual phone: an A2DP source over AVDTP, whichever side connects it.

Runs on the phones' thread. One source endpoint for each codec, with all its parameters and delay
reporting; one stream.

Invariants: `stream` is the only stream and belongs to the only signalling channel; a stream is
configured with exactly what is in `coding`, also when the speaker chose it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from bumble import a2dp, avdtp, core, l2cap
from bumble.avdtp import State
from bumble.core import UUID
from bumble.device import Connection
from bumble.sdp import SDP_SERVICE_CLASS_ID_LIST_ATTRIBUTE_ID, Client

from labkit import clock
from labkit.phone import codings
from labkit.phone.codings import CODECS, Coding
from labkit.phone.events import EventLog, PhoneError
from labkit.phone.handset import Handset

AVDTP_VERSION = (1, 3)
SOURCE_RECORD = 0x00010001
_SINK_UUID = core.BT_AUDIO_SINK_SERVICE
_MEDIA_TRANSPORT = avdtp.ServiceCapabilities(avdtp.AVDTP_MEDIA_TRANSPORT_SERVICE_CATEGORY)
_DELAY_REPORTING = avdtp.ServiceCapabilities(avdtp.AVDTP_DELAY_REPORTING_SERVICE_CATEGORY)
_RTP_HEADER = 12
_RELEASE_SECONDS = 2.0
_OPENING_SECONDS = 5.0
_DEFAULT_MTU = 672
"""L2CAP's MTU when the other side mentions none; Bumble then reports the smallest legal one."""


class A2dpSource:
    """The phone's A2DP source profile."""

    def __init__(self, handset: Handset, log: EventLog, codecs: Sequence[str] = ("sbc",)) -> None:
        self._handset = handset
        self._log = log
        self._codecs = [CODECS[each] for each in codecs]
        self.protocol: avdtp.Protocol | None = None
        self.stream: avdtp.Stream | None = None
        self.coding: Coding | None = None
        self._suspending = False
        self._unanswered: list[asyncio.Future] = []
        self.on_opened: Callable[[], None] = lambda: None
        self.on_suspended: Callable[[], None] = lambda: None
        self.on_closed: Callable[[str], None] = lambda why: None
        device = handset.device
        device.sdp_service_records[SOURCE_RECORD] = a2dp.make_audio_source_service_sdp_records(
            SOURCE_RECORD, AVDTP_VERSION
        )
        self._listener = avdtp.Listener.for_device(device, AVDTP_VERSION)
        self._listener.on(avdtp.Listener.EVENT_CONNECTION, self._adopt)

    @property
    def state(self) -> State:
        """The stream's AVDTP state."""
        return self.stream.state if self.stream is not None else State.IDLE

    async def connect(self, link: Connection) -> None:
        """Finds the speaker's A2DP sink by SDP and opens the signalling channel, unless the
        speaker has opened one already."""
        if self.protocol is not None:
            return
        if not await offers(link, _SINK_UUID):
            raise PhoneError("the speaker's SDP records offer no audio sink")
        if self.protocol is None:  # The speaker may have been quicker while we asked.
            protocol = await avdtp.Protocol.connect(link, AVDTP_VERSION)
            self._listener.set_server(link, protocol)
            self._adopt(protocol)

    async def open_best(self) -> None:
        """Makes the stream open with the first of the phone's codecs that the speaker has."""
        await self._let_the_speaker_open()
        if self.state in (State.OPEN, State.STREAMING):
            return
        endpoints = await self._require_protocol().discover_remote_endpoints()
        has = [
            codec
            for codec in self._codecs
            if any(codings.offered(each, codec) for each in endpoints)
        ]
        await self.open(next(iter(has), self._codecs[-1])())

    async def open(self, wanted: Coding) -> None:
        """Makes the stream open with this coding, closing one that has another."""
        await self._let_the_speaker_open()
        if self.coding == wanted and self.state in (State.OPEN, State.STREAMING):
            return
        protocol = self._require_protocol()
        if self.state != State.IDLE:
            used = self._require_stream().remote_endpoint.seid
            await self.close()
            await self._await_free(protocol, used)
        sink = await self._find_sink(protocol, wanted)
        if self.state != State.IDLE:  # The speaker was quicker while we asked.
            return await self.open(wanted)
        source = protocol.local_endpoints[self._codecs.index(type(wanted))]
        source.configuration = [_MEDIA_TRANSPORT, codings.capabilities(type(wanted), wanted)]
        if any(
            each.service_category == avdtp.AVDTP_DELAY_REPORTING_SERVICE_CATEGORY
            for each in sink.capabilities
        ):
            source.configuration.append(_DELAY_REPORTING)
        protocol.streams.pop(source.seid, None)
        self.stream = await protocol.create_stream(source, sink)
        self.coding = wanted
        self._log.add("stream", state="configured", coding=wanted, seid=sink.seid)
        await self.stream.open()
        self._stream_opened()

    async def sinks(self) -> list[str]:
        """Asks the speaker for its endpoints; returns the codecs of those that are sinks, in order."""
        endpoints = await self._require_protocol().discover_remote_endpoints()
        return [
            name
            for each in sorted(endpoints, key=lambda endpoint: endpoint.seid)
            for name, codec in CODECS.items()
            if codings.offered(each, codec)
        ]

    async def start(self) -> None:
        """Starts the open stream."""
        if self.state != State.STREAMING:
            await self._require_stream().start()

    async def suspend(self) -> None:
        """Suspends the stream; no harm when it is not streaming."""
        if self.state != State.STREAMING:
            return
        stream = self._require_stream()
        self._suspending = True
        try:
            await stream.stop()
        finally:
            self._suspending = False
        if self.stream is not stream:  # The speaker closed it in the same moment.
            stream.change_state(State.IDLE)
        self._log.add("stream", state="suspended", by="phone")

    async def stutter(self, starts: bool) -> None:
        """Suspends, and starts again in the same breath if it does; waits for no answer."""
        stream, protocol = self._require_stream(), self._require_protocol()
        seids = [stream.remote_endpoint.seid]
        commands = [protocol.suspend(seids)]
        if starts:
            commands.append(protocol.start(seids))
        self._unanswered = [asyncio.ensure_future(each) for each in commands]
        await asyncio.sleep(0)  # They are sent.
        if not starts:
            stream.change_state(State.OPEN)

    async def close(self) -> None:
        """Closes the stream and its media channel; the signalling channel stays."""
        stream, self.stream, self.coding = self.stream, None, None
        if stream is None:
            return
        if stream.state in (State.OPEN, State.STREAMING):
            await stream.close()
        else:
            await stream.remote_endpoint.abort()
        self._log.add("stream", state="closed", by="phone")

    def send(self, packet: bytes) -> bool:
        """Sends one RTP packet; False when there is no media channel (any more)."""
        stream = self.stream
        if stream is None or stream.rtp_channel is None or stream.state != State.STREAMING:
            return False
        stream.rtp_channel.write(packet)
        return True

    @property
    def payload_size(self) -> int:
        """Bytes after the RTP header that one media packet may have."""
        channel = self._require_stream().rtp_channel
        if channel is None:
            raise PhoneError("the stream has no media channel")
        mtu = channel.peer_mtu
        return (mtu if mtu > l2cap.L2CAP_MIN_BR_EDR_MTU else _DEFAULT_MTU) - _RTP_HEADER

    async def _let_the_speaker_open(self) -> None:
        """A stream that the speaker has configured is the speaker's to open."""
        deadline = clock.now() + _OPENING_SECONDS
        while self.state == State.CONFIGURED and clock.now() < deadline:
            await asyncio.sleep(0.01)

    async def _await_free(self, protocol: avdtp.Protocol, seid: int) -> None:
        """BlueZ answers a close before it has let go of the endpoint; nothing tells when it has."""
        deadline = clock.now() + _RELEASE_SECONDS
        while clock.now() < deadline:
            endpoints = await protocol.discover_remote_endpoints()
            if not any(each.seid == seid and each.in_use for each in endpoints):
                return
        self._log.add("endpoint-not-released", seid=seid)

    async def _find_sink(
        self, protocol: avdtp.Protocol, wanted: Coding
    ) -> avdtp.DiscoveredStreamEndPoint:
        endpoints = await protocol.discover_remote_endpoints()
        codec = type(wanted)
        name = codings.name(codec)
        sinks = [each for each in endpoints if codings.offered(each, codec) is not None]
        self._log.add("endpoints", codec=name, sinks={each.seid: bool(each.in_use) for each in sinks})
        if not sinks:
            raise PhoneError(f"the speaker has no {name} sink endpoint")
        free = [each for each in sinks if not each.in_use]
        if not free:
            raise PhoneError(f"every {name} sink endpoint of the speaker is in use")
        for each in free:
            if codings.supports(codings.offered(each, codec), wanted):
                return each
        raise PhoneError(f"the speaker's {name} endpoints do not support {wanted}")

    def _adopt(self, protocol: avdtp.Protocol) -> None:
        """Takes a new signalling channel, of either side's making."""
        self.protocol = protocol
        for codec in self._codecs:
            everything = codings.capabilities(codec, None)
            source = protocol.add_source(everything, None, delay_reporting=True)
            source.on(source.EVENT_DELAY_REPORT, self._delay_reported)
            source.on(source.EVENT_CONFIGURATION, partial(self._configured_by_speaker, source))
            source.on(source.EVENT_RTP_CHANNEL_OPEN, self._stream_opened)
            source.on(source.EVENT_START, lambda: self._log.add("stream", state="streaming"))
            source.on(source.EVENT_STOP, self._suspended)
            source.on(source.EVENT_ABORT, lambda: self._log.add("stream", state="aborted"))
        protocol.on(protocol.EVENT_CLOSE, lambda: self._signalling_closed(protocol))
        self._log.add("profile", name="a2dp", open=True)

    def _signalling_closed(self, protocol: avdtp.Protocol) -> None:
        if self.protocol is protocol:
            self.protocol, self.stream, self.coding = None, None, None
            self._log.add("profile", name="a2dp", open=False)
            self.on_closed("the speaker closed A2DP or the link went down")

    def _configured_by_speaker(self, source: avdtp.LocalSource) -> None:
        self.stream = source.stream
        self.coding = next(filter(None, map(codings.chosen, source.configuration)), None)
        self._log.add("stream", state="configured", coding=self.coding, by="speaker")

    def _stream_opened(self) -> None:
        stream = self._require_stream()
        self._log.add("stream", state="open", mtu=stream.rtp_channel.peer_mtu)
        stream.rtp_channel.on(
            stream.rtp_channel.EVENT_CLOSE, lambda: self._media_closed(stream)
        )
        self.on_opened()

    def _media_closed(self, stream: avdtp.Stream) -> None:
        # Bumble leaves a stream we opened in CLOSING, and its endpoint in use for ever.
        stream.rtp_channel = None
        stream.change_state(State.IDLE)
        if self.stream is stream:
            self.stream, self.coding = None, None
            self._log.add("stream", state="closed", by="speaker")
            self.on_closed("the speaker closed the media channel")

    def _suspended(self) -> None:
        # Bumble says this of our own suspend too, before the speaker has answered it.
        if not self._suspending:
            self._log.add("stream", state="suspended", by="speaker")
            self.on_suspended()

    def _delay_reported(self, delay: int) -> None:
        self._log.add("delay-report", ms=delay / 10)

    def _require_protocol(self) -> avdtp.Protocol:
        if self.protocol is None:
            raise PhoneError("A2DP is not connected: call connect() first")
        return self.protocol

    def _require_stream(self) -> avdtp.Stream:
        if self.stream is None:
            raise PhoneError("there is no stream: the speaker closed it, or none was opened")
        return self.stream


async def offers(link: Connection, service: UUID) -> bool:
    """Asks the other side's SDP server for a service."""
    async with Client(link) as client:
        found = await client.search_attributes(
            [service], [SDP_SERVICE_CLASS_ID_LIST_ATTRIBUTE_ID]
        )
    return bool(found)
