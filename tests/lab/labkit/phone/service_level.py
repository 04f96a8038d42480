"""The channel of the hands-free profile: found by SDP, opened by either side, ended by either.

Runs on the phones' thread.

Invariants: there is one channel at most, and `gateway` is what speaks over it; `on_open` and
`on_closed` take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from bumble import core, hfp, rfcomm
from bumble.device import Connection

from labkit import clock
from labkit.phone.events import EventLog, PhoneError
from labkit.phone.gateway import Gateway
from labkit.phone.handset import Handset
from labkit.phone.models import Faults, Model
from labkit.phone.records import GATEWAY_RECORD, gateway_record

_CLOSE_SECONDS = 3.0


class HandsFreeRecord(NamedTuple):
    """What the speaker's SDP record says of its hands-free unit."""

    channel: int
    version: int
    features: int


class ServiceLevel:
    """The phone's end of the hands-free profile."""

    def __init__(
        self, handset: Handset, log: EventLog, model: Model, faults: Callable[[], Faults]
    ) -> None:
        self.gateway: Gateway | None = None
        self.on_open: Callable[[Gateway], None] = lambda _: None
        self.on_closed: Callable[[], None] = lambda: None
        self._log = log
        self._model = model
        self._faults = faults
        self._ready = asyncio.Event()
        self._dlc: rfcomm.DLC | None = None
        self._client: rfcomm.Client | None = None
        self._refusing: asyncio.Future[None] | None = None
        self._shutting_down: asyncio.Future[None] | None = None
        channel = rfcomm.Server(handset.device).listen(lambda dlc: self._adopt(dlc, "speaker"))
        handset.device.sdp_service_records[GATEWAY_RECORD] = gateway_record(channel, model)

    async def connect(self, link: Connection) -> None:
        """Returns when the connection is complete, opening it unless the speaker has."""
        if self.gateway is None:
            found = await self.find(link)
            if self.gateway is None:  # The speaker may have been quicker while we asked.
                await self._open(link, found.channel)
        await self._ready.wait()

    async def intrude(self, link: Connection) -> None:
        """Opens the channel, whatever the link is; returns when it is open."""
        found = await self.find(link)
        await self._open(link, found.channel)

    async def find(self, link: Connection) -> HandsFreeRecord:
        """Asks for the speaker's record."""
        found = await hfp.find_hf_sdp_record(link)
        if found is None:
            raise PhoneError("the speaker's SDP records offer no hands-free unit")
        record = HandsFreeRecord(*map(int, found))
        self._log.add("hfp", state="offered", version=record.version, features=record.features)
        return record

    async def _open(self, link: Connection, channel: int) -> None:
        client = rfcomm.Client(link)
        try:
            multiplexer = await client.start()
            dlc = await multiplexer.open_dlc(channel)
        except core.BaseBumbleError:
            self._shutting_down = asyncio.ensure_future(_shut_down(client))
            raise
        self._adopt(dlc, "phone")
        if self._dlc is dlc:
            self._client = client

    async def disconnect(self) -> None:
        """Closes the channel; fine if there is none."""
        dlc, client = self._dlc, self._client
        if dlc is None:
            return
        await dlc.disconnect()
        if client is not None:
            await _shut_down(client)

    def _adopt(self, dlc: rfcomm.DLC, by: str) -> None:
        if self.gateway is not None:
            if by == "speaker":
                self.gateway.violation("", "a second hands-free channel")
            self._refusing = asyncio.ensure_future(dlc.disconnect())
            return
        gateway = Gateway(self._model, self._log, dlc.write, self._faults)
        gateway.on_ready = self._ready.set
        self.gateway, self._dlc = gateway, dlc
        self._log.add("hfp", state="open", by=by)
        self.on_open(gateway)
        acknowledge = dlc.on_disc_frame

        def disconnected(frame: rfcomm.RFCOMM_Frame) -> None:
            # Bumble acknowledges it and tells nobody.
            acknowledge(frame)
            dlc.multiplexer.on_dlc_disconnection(dlc)
            self._closed(gateway)

        dlc.on_disc_frame = disconnected
        dlc.on(dlc.EVENT_CLOSE, lambda: self._closed(gateway))
        dlc.sink = gateway.feed

    def _closed(self, gateway: Gateway) -> None:
        if self.gateway is not gateway:
            return
        gateway.close()
        self.gateway = self._dlc = self._client = None
        self._ready.clear()
        self._log.add("hfp", state="closed")
        self.on_closed()


async def _shut_down(client: rfcomm.Client) -> None:
    """Ends an RFCOMM session, in a task of its own: Bumble cancels what waits for a channel that
    the other side closes first."""
    closing = asyncio.ensure_future(client.shutdown())
    await asyncio.wait([closing], timeout=clock.host(_CLOSE_SECONDS))
