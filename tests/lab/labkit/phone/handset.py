"""The radio half of a virtual phone: inquiry, paging, pairing, encryption, bonds.

Runs on the phones' thread (see loop.py). A handset talks to one speaker at a time, as the lab's
scenarios do; `link` is the open connection to it, whichever side opened it.

Invariants: a bond exists only after pairing with bonding, until `forget`; the handset never agrees
to pair unless its own user asked for it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bumble import core, hci
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.host import Host
from bumble.l2cap import ClassicChannelSpec, L2CAP_Information_Request, L2capError
from bumble.keys import MemoryKeyStore, PairingKeys
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import StreamPacketSink, StreamPacketSource

from labkit.phone.events import EventLog, PhoneError
from labkit.radio import Controller, acknowledge_at_once

Io = Literal["none", "display"]
"""What a phone can show and ask: "none" pairs by just works, "display" by comparing numbers."""

Confirm = Callable[[int], bool]
"""The user of a phone with a display: gets the six digits, says whether they match."""

SMARTPHONE = 0x5A020C
"""Class of device: a phone, smart phone, with networking, capturing, transfer and telephony."""

_NOBODY_PSM = 0x10EF
"""A dynamic one that no service of the speaker's has."""

_L2CAP_FEATURES = (L2CAP_Information_Request.ExtendedFeatures.FIXED_CHANNELS,)
"""No enhanced retransmission mode: browsing.py says why."""

_IO_CAPABILITY = {
    "none": PairingDelegate.IoCapability.NO_OUTPUT_NO_INPUT,
    "display": PairingDelegate.IoCapability.DISPLAY_OUTPUT_AND_YES_NO_INPUT,
}


@dataclass(frozen=True)
class Found:
    """A device that answered an inquiry."""

    address: str
    name: str
    class_of_device: int
    rssi: int


class Handset:
    """A Bumble device that behaves like a phone's Bluetooth."""

    def __init__(self, name: str, io: Io, confirm: Confirm, log: EventLog) -> None:
        self.io = io
        self.confirm = confirm
        self.log = log
        self.bonds = Bonds()
        self.link: Connection | None = None
        self.pairing_with: str | None = None
        self._paging: str | None = None
        self.bonding = True
        self.device = Device(
            name=name,
            config=DeviceConfiguration(
                name=name,
                class_of_device=SMARTPHONE,
                le_enabled=False,
                classic_enabled=True,
                # Cross-transport keys belong to LE, which these phones do not have.
                classic_smp_enabled=False,
                connectable=True,
                discoverable=False,
                l2cap_extended_features=_L2CAP_FEATURES,
            ),
        )
        self.device.keystore = self.bonds
        self.device.pairing_config_factory = self._pairing_config
        self.device.on(Device.EVENT_CONNECTION, self._linked)

    async def power_on(self, controller: Controller) -> None:
        """Takes a controller and starts listening to pages."""
        # A duplicate: the controller may be closed by another thread, and asyncio must never find
        # its file descriptor reused.
        stream = controller.socket.dup()
        stream.setblocking(False)
        transport, source = await asyncio.get_running_loop().create_connection(
            lambda: _HciSource(stream), sock=stream
        )
        self.device.host = Host(source, StreamPacketSink(transport))
        await self.device.power_on()

    async def power_off(self) -> None:
        """Ends the link and lets go of the controller."""
        if self.link is not None:
            await self.hang_up()
        await self.device.power_off()
        self.device.host.hci_sink.close()

    async def discover(self, timeout: float, address: str | None) -> list[Found]:
        """Inquires and asks for the names that inquiry responses did not carry.

        With an address it returns as soon as that device has answered.
        """
        answers: dict[str, tuple[int, int, str | None]] = {}
        enough = asyncio.Event()

        def answered(peer: hci.Address, class_of_device: int, data: core.AdvertisingData, rssi):
            text = plain(peer)
            name = data.get(core.AdvertisingData.COMPLETE_LOCAL_NAME)
            if text not in answers:
                self.log.add("inquiry-result", address=text, name=name, rssi=rssi)
            answers[text] = (class_of_device, rssi, name if isinstance(name, str) else None)
            if text == address:
                enough.set()

        self.device.on(Device.EVENT_INQUIRY_RESULT, answered)
        try:
            await self.device.start_discovery(auto_restart=True)
            try:
                await asyncio.wait_for(enough.wait(), timeout)
            except TimeoutError:
                pass
            await self.device.stop_discovery()
        finally:
            self.device.remove_listener(Device.EVENT_INQUIRY_RESULT, answered)
        return [
            Found(text, name or await self._ask_name(text), class_of_device, rssi)
            for text, (class_of_device, rssi, name) in answers.items()
        ]

    async def _ask_name(self, address: str) -> str:
        try:
            return await self.device.request_remote_name(public(address))
        except hci.HCI_Error:
            return ""  # It answered the inquiry and left before it was paged.

    async def page(self, address: str, timeout: float) -> Connection:
        """Returns the link to that device, paging it when there is none."""
        if self.link is not None:
            if plain(self.link.peer_address) == address:
                return self.link
            raise PhoneError(f"already connected to {plain(self.link.peer_address)}")
        self.log.add("paging", address=address)
        self._paging = address
        try:
            connection = await self.device.connect_classic(public(address), timeout=timeout)
        finally:
            self._paging = None
        return self.link or connection

    async def pair(self, address: str, bonding: bool, timeout: float) -> None:
        """Authenticates by Secure Simple Pairing and encrypts.

        With `bonding=False` it asks for a key that neither side keeps: the "no bonding" link of a
        stranger that wants a profile without being trusted.
        """
        if self.is_bonded(address):
            raise PhoneError(f"already paired with {address}: call forget() first")
        link = await self.page(address, timeout)
        self.pairing_with, self.bonding = address, bonding
        self.bonds.keeping = bonding
        self.log.add("pairing-started", address=address, bonding=bonding)
        try:
            await self.secure(link)
        except BaseException as failure:
            self.log.add("pairing-failed", address=address, why=str(failure) or "given up")
            await self.forget(address)
            await self.hang_up()
            raise
        finally:
            self.pairing_with = None
            self.bonds.keeping = True
        self.log.add("paired" if bonding else "authenticated", address=address)

    async def reach(self, address: str, timeout: float) -> Connection:
        """Returns an encrypted link to a bonded device."""
        if not self.is_bonded(address):
            raise PhoneError(f"not paired with {address}: call pair() first")
        link = await self.page(address, timeout)
        await self.secure(link)
        return link

    async def secure(self, link: Connection) -> None:
        """Authenticates and encrypts the link; with a bond, by its key."""
        if not link.authenticated:
            await link.authenticate()
        if not link.is_encrypted:
            await link.encrypt()

    async def open_channel(self, address: str, psm: int, timeout: float) -> None:
        """Opens an L2CAP channel on the link as it is, or on a new one."""
        link = await self.page(address, timeout)
        try:
            await link.create_l2cap_channel(ClassicChannelSpec(psm=psm))
        except L2capError as refusal:
            self.log.add("channel-refused", psm=psm, result=refusal.error_code)
            raise

    async def arrived(self) -> None:
        """Waits until the speaker's kernel has all that was sent by now: it answers in order, and this
        by itself."""
        try:
            await self.link.create_l2cap_channel(ClassicChannelSpec(psm=_NOBODY_PSM))
        except L2capError:
            return
        raise PhoneError("the speaker listens where nobody should")

    async def hang_up(self) -> None:
        """Disconnects the link, if there is one."""
        if self.link is not None:
            await self.link.disconnect()

    async def forget(self, address: str) -> None:
        """Deletes the bond on this side only."""
        await self.bonds.delete(str(public(address)))

    def is_bonded(self, address: str) -> bool:
        """Says whether this side keeps a key for that device."""
        return str(public(address)) in self.bonds.all_keys

    def _linked(self, connection: Connection) -> None:
        address = plain(connection.peer_address)
        # Not by the role: BlueZ switches it while it answers a page.
        incoming = self._paging != address
        self.link = connection
        self.log.add("connected", address=address, incoming=incoming)

        def ended(reason: int) -> None:
            if self.link is connection:
                self.link = None
            self.log.add(
                "disconnected",
                address=address,
                reason=reason,
                meaning=hci.HCI_Constant.error_name(reason),
            )

        def encrypted() -> None:
            self.log.add("encrypted", address=address, on=connection.is_encrypted)

        connection.on(Connection.EVENT_DISCONNECTION, ended)
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, encrypted)

    def _pairing_config(self, connection: Connection) -> PairingConfig:
        return PairingConfig(
            mitm=self.io == "display",
            bonding=self.bonding,
            delegate=_User(self, plain(connection.peer_address)),
        )


class _HciSource(StreamPacketSource):
    """HCI packets from rootcanal, without its waiting for our acknowledgements."""

    def __init__(self, stream: socket.socket) -> None:
        super().__init__()
        self._stream = stream

    def data_received(self, data: bytes) -> None:
        acknowledge_at_once(self._stream)
        super().data_received(data)


class Bonds(MemoryKeyStore):
    """The keys a phone keeps, in memory for as long as the phone exists."""

    def __init__(self) -> None:
        super().__init__()
        self.keeping = True

    async def update(self, name: str, keys: PairingKeys) -> None:
        """Keeps a new key, unless it was made for a link without bonding."""
        if self.keeping:
            await super().update(name, keys)


class _User(PairingDelegate):
    """The person holding the phone while it pairs."""

    def __init__(self, handset: Handset, peer: str) -> None:
        super().__init__(io_capability=_IO_CAPABILITY[handset.io])
        self._handset = handset
        self._peer = peer

    async def confirm(self, auto: bool = False) -> bool:
        return self._wanted()

    async def compare_numbers(self, number: int, digits: int) -> bool:
        if not self._wanted():
            return False
        agreed = await asyncio.get_running_loop().run_in_executor(
            None, self._handset.confirm, number
        )
        self._handset.log.add("numbers-compared", number=number, agreed=agreed)
        return agreed

    def _wanted(self) -> bool:
        if self._handset.pairing_with == self._peer:
            return True
        self._handset.log.add("pairing-refused", address=self._peer, why="the user did not ask")
        return False


def public(address: str) -> hci.Address:
    """Turns "AA:BB:…" into Bumble's form of a BR/EDR address."""
    return hci.Address(address, hci.Address.PUBLIC_DEVICE_ADDRESS)


def plain(address: hci.Address) -> str:
    """Turns Bumble's form of an address into "AA:BB:…"."""
    return address.to_string(with_type_qualifier=False)
