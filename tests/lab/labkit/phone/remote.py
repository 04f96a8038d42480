"""AVRCP of a virtual phone: the speaker's keys and questions in, the volume slider out.

Runs on the phones' thread. The phone is target (player: play, pause, metadata) and controller
(absolute volume), as phones are.

Invariant: one AVCTP channel; what was asked over a channel that closed is failed, never left
waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bumble import avc, avrcp, core
from bumble.device import Connection

from labkit.phone.events import EventLog, PhoneError
from labkit.phone.handset import Handset
from labkit.phone.source import offers

TARGET_RECORD = 0x00010002
CONTROLLER_RECORD = 0x00010003
_AVRCP_VERSION = (1, 5)
_PLAYER_EVENTS = [avrcp.EventId.PLAYBACK_STATUS_CHANGED, avrcp.EventId.TRACK_CHANGED]
_SLIDER = avrcp.ControllerFeatures.CATEGORY_1 | avrcp.ControllerFeatures.CATEGORY_2
_PLAYER = avrcp.TargetFeatures.CATEGORY_1
_TRACK = 1
"""The unique id of the one track these phones have."""

_Key = avc.PassThroughFrame.OperationId


class RemoteControl:
    """The phone's AVRCP profile."""

    def __init__(self, handset: Handset, log: EventLog) -> None:
        self._log = log
        self.obedient = True
        self.metadata = {"title": "Test piece", "artist": "The lab", "album": "dotd"}
        self.volume: int | None = None
        self.on_play: Callable[[], None] | None = None
        self.on_pause: Callable[[], None] | None = None
        self._player = _Player(self)
        self._watching: asyncio.Task[None] | None = None
        self.protocol = _Protocol(self)
        self.protocol.on(avrcp.Protocol.EVENT_START, self._opened)
        self.protocol.on(avrcp.Protocol.EVENT_STOP, self._closed)
        self.protocol.listen(handset.device)
        records = handset.device.sdp_service_records
        records[TARGET_RECORD] = avrcp.TargetServiceSdpRecord(
            TARGET_RECORD, avrcp_version=_AVRCP_VERSION, supported_features=_PLAYER
        ).to_service_attributes()
        records[CONTROLLER_RECORD] = avrcp.ControllerServiceSdpRecord(
            CONTROLLER_RECORD, avrcp_version=_AVRCP_VERSION, supported_features=_SLIDER
        ).to_service_attributes()

    @property
    def connected(self) -> bool:
        """Says whether the AVCTP channel is open."""
        return self.protocol.avctp_protocol is not None

    async def connect(self, link: Connection) -> None:
        """Connects AVRCP when the speaker offers it and has not connected it itself."""
        if self.connected or not await offers(link, core.BT_AV_REMOTE_CONTROL_TARGET_SERVICE):
            return
        if not self.connected:  # The speaker may have been quicker while we asked.
            await self.protocol.connect(link)

    async def set_volume(self, volume: int) -> int:
        """Moves the phone's slider (0-127); returns the volume the speaker took."""
        if not self.connected:
            raise PhoneError("AVRCP is not connected, so the slider moves nothing")
        answer = await self.protocol.send_avrcp_command(
            avc.CommandFrame.CommandType.CONTROL, avrcp.SetAbsoluteVolumeCommand(volume)
        )
        if not isinstance(answer.response, avrcp.SetAbsoluteVolumeResponse):
            raise PhoneError(f"the speaker refused the volume: {answer.response}")
        self._volume_is(answer.response.volume, by="phone")
        return answer.response.volume

    def playing(self, status: avrcp.PlayStatus) -> None:
        """Tells the speaker what the player does."""
        if self._player.playback_status != status:
            self._player.playback_status = status
            self.protocol.notify_playback_status_changed(status)

    def watch_volume(self) -> None:
        """Asks to be told of volume changes, unless that is already so.

        Asked again at every opened stream: BlueZ refuses while it has no transport.
        """
        if self.connected and (self._watching is None or self._watching.done()):
            self._watching = asyncio.ensure_future(self._watch_volume())

    async def _watch_volume(self) -> None:
        try:
            async for volume in self.protocol.monitor_volume():
                self._volume_is(volume, by="speaker")
        except avrcp.Protocol.UnexpectedResponseCodeError as refusal:
            self._log.add("volume-not-watched", why=str(refusal.response_code))
        except core.BaseBumbleError as closed:
            self._log.add("volume-not-watched", why=str(closed))

    def _volume_is(self, volume: int, by: str) -> None:
        if volume != self.volume:
            self.volume = volume
            self._log.add("volume", volume=volume, by=by)

    async def key(self, key: avc.PassThroughFrame.OperationId, pressed: bool) -> None:
        """Takes a key of the speaker's: noted always, obeyed by default."""
        if not pressed:
            return
        self._log.add("key", key=_Key(key).name.lower(), obeyed=self.obedient)
        if not self.obedient:
            return
        action = {_Key.PLAY: self.on_play, _Key.PAUSE: self.on_pause, _Key.STOP: self.on_pause}
        if (handler := action.get(key)) is not None:
            handler()

    def answer_metadata(self, label: int, wanted: list[int]) -> None:
        """Answers the speaker's question for title, artist and so on."""
        self._log.add("metadata-asked")
        known = {
            avrcp.MediaAttributeId.TITLE: "title",
            avrcp.MediaAttributeId.ARTIST_NAME: "artist",
            avrcp.MediaAttributeId.ALBUM_NAME: "album",
        }
        attributes = [
            avrcp.MediaAttribute(each, avrcp.CharacterSetId.UTF_8, self.metadata[name])
            for each, name in known.items()
            if name in self.metadata and (not wanted or each in wanted)
        ]
        self.protocol.send_avrcp_response(
            label,
            avc.ResponseFrame.ResponseCode.IMPLEMENTED_OR_STABLE,
            avrcp.GetElementAttributesResponse(attributes),
        )

    @property
    def player(self) -> avrcp.Delegate:
        """What Bumble asks about the player."""
        return self._player

    def _opened(self) -> None:
        self._log.add("profile", name="avrcp", open=True)
        self.watch_volume()

    def _closed(self) -> None:
        self._log.add("profile", name="avrcp", open=False)
        self.volume = None  # The next channel tells anew, and the log shall show it.
        self.protocol.notification_listeners.clear()
        for pending in list(self.protocol.pending_commands.values()):
            if not pending.response.done():
                pending.response.set_exception(core.InvalidStateError("AVCTP closed"))
            self.protocol.recycle_pending_command(pending)


class _Player(avrcp.Delegate):
    """The phone's player as AVRCP sees it."""

    def __init__(self, remote: RemoteControl) -> None:
        super().__init__(supported_events=_PLAYER_EVENTS)
        self.current_track_uid = _TRACK
        self._remote = remote

    async def on_key_event(
        self, key: avc.PassThroughFrame.OperationId, pressed: bool, data: bytes
    ) -> None:
        await self._remote.key(key, pressed)


class _Protocol(avrcp.Protocol):
    """Bumble's AVRCP with the one answer it lacks, and deaf to questions of who has left."""

    def __init__(self, remote: RemoteControl) -> None:
        super().__init__(remote.player)
        self._remote = remote

    def send_response(self, transaction_label: int, frame: avc.ResponseFrame) -> None:
        if self.avctp_protocol is not None:
            super().send_response(transaction_label, frame)

    def _on_command_pdu(self, pdu_id: avrcp.PduId, pdu: bytes) -> None:
        if pdu_id != avrcp.PduId.GET_ELEMENT_ATTRIBUTES:
            super()._on_command_pdu(pdu_id, pdu)
            return
        assert self.receive_command_state is not None
        label = self.receive_command_state.transaction_label
        self.receive_command_state = None
        wanted = [int.from_bytes(pdu[start : start + 4]) for start in range(9, len(pdu), 4)]
        self._remote.answer_metadata(label, wanted)
