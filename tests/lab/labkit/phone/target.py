"""AVRCP as a phone answers it: what plays, how far, the settings, and the app's one player.

Runs on the phones' thread. Bumble's AVRCP with the answers it lacks: metadata, length and position,
notifications of the position, settings that can be refused, the addressed player.

Invariant: every question gets one answer, also one that makes no sense, so that a speaker never
waits for its time to run out; nothing is sent over a channel that is not open.
"""

from __future__ import annotations

import struct
from typing import Literal, Protocol

from bumble import avc, avrcp, core, l2cap
from bumble.avrcp import ApplicationSetting, EventId, MediaAttributeId, StatusCode

from labkit.phone.app import App, Repeat
from labkit.phone.events import EventLog

PLAYER_ID = 1
"""The one player of the phone; 0 would tell BlueZ that there is none."""

_EVENTS = [
    EventId.PLAYBACK_STATUS_CHANGED,
    EventId.TRACK_CHANGED,
    EventId.PLAYBACK_POS_CHANGED,
    EventId.PLAYER_APPLICATION_SETTING_CHANGED,
    EventId.ADDRESSED_PLAYER_CHANGED,
]
_REPEATS: dict[Repeat, int] = {
    "off": ApplicationSetting.RepeatModeStatus.OFF,
    "single": ApplicationSetting.RepeatModeStatus.SINGLE_TRACK_REPEAT,
    "all": ApplicationSetting.RepeatModeStatus.ALL_TRACK_REPEAT,
}
_SHUFFLES = {
    False: ApplicationSetting.ShuffleOnOffStatus.OFF,
    True: ApplicationSetting.ShuffleOnOffStatus.ALL_TRACKS_SHUFFLE,
}
_REPEAT = ApplicationSetting.AttributeId.REPEAT_MODE
_SHUFFLE = ApplicationSetting.AttributeId.SHUFFLE_ON_OFF
_SETTINGS: dict[ApplicationSetting.AttributeId, list[int]] = {
    _REPEAT: list(_REPEATS.values()),
    _SHUFFLE: list(_SHUFFLES.values()),
}

Setting = Literal["shuffle", "repeat"]
Code = avc.ResponseFrame.ResponseCode


class Owner(Protocol):
    """Whoever decides what comes of the speaker's wishes."""

    app: App
    obedient: bool

    @property
    def cover_handle(self) -> str | None:
        """What the current track's cover is asked for with, while it can be."""

    async def key(self, key: avc.PassThroughFrame.OperationId, pressed: bool) -> None:
        """Takes a key."""

    def set_by_speaker(self, name: Setting, value: bool | Repeat) -> None:
        """Takes a setting, which has been answered."""


class Target(avrcp.Protocol):
    """The channel for keys and questions, in both directions."""

    def __init__(self, owner: Owner, log: EventLog) -> None:
        super().__init__(_Answers(owner))
        self._owner = owner
        self._log = log

    def notify_settings(self) -> None:
        """Tells the speaker the settings, if it wants to know."""
        entry = avrcp.PlayerApplicationSettingChangedEvent.Setting
        told = [entry(*each) for each in current_settings(self._owner.app).items()]
        self.notify_player_application_settings_changed(told)

    def send_response(self, transaction_label: int, response: avc.ResponseFrame) -> None:
        """Answers, unless whoever asked has left."""
        channel = self.avctp_protocol and self.avctp_protocol.l2cap_channel
        if channel is not None and channel.state == l2cap.ClassicChannel.State.OPEN:
            super().send_response(transaction_label, response)

    def _on_command_pdu(self, pdu_id: avrcp.PduId, pdu: bytes) -> None:
        assert self.receive_command_state is not None
        label = self.receive_command_state.transaction_label
        try:
            match avrcp.Command.from_bytes(pdu_id, pdu):
                case avrcp.GetElementAttributesCommand() as command:
                    self._answer_attributes(label, list(command.attribute_ids))
                case avrcp.SetAddressedPlayerCommand() as command:
                    self._answer_addressed(label, command.player_id)
                case _:
                    super()._on_command_pdu(pdu_id, pdu)
        except (core.BaseBumbleError, struct.error, IndexError):
            self.send_rejected_avrcp_response(label, pdu_id, StatusCode.INVALID_COMMAND)
        finally:
            self.receive_command_state = None  # Else Bumble drops the next command.

    def _answer_attributes(self, label: int, wanted: list[MediaAttributeId]) -> None:
        self._log.add("metadata-asked")
        attributes = [
            avrcp.MediaAttribute(each, avrcp.CharacterSetId.UTF_8, text)
            for each, text in attributes_of(self._owner.app, self._owner.cover_handle).items()
            if not wanted or each in wanted
        ]
        response = avrcp.GetElementAttributesResponse(attributes)
        self.send_avrcp_response(label, Code.IMPLEMENTED_OR_STABLE, response)

    def _answer_addressed(self, label: int, player_id: int) -> None:
        if player_id != PLAYER_ID:
            self.send_rejected_avrcp_response(
                label, avrcp.PduId.SET_ADDRESSED_PLAYER, StatusCode.INVALID_PLAYER_ID
            )
            return
        response = avrcp.SetAddressedPlayerResponse(StatusCode.OPERATION_COMPLETED)
        self.send_avrcp_response(label, Code.ACCEPTED, response)

    def _on_get_play_status_command(
        self, transaction_label: int, command: avrcp.GetPlayStatusCommand
    ) -> None:
        app = self._owner.app
        length = app.track.length_ms
        response = avrcp.GetPlayStatusResponse(
            song_length=avrcp.GetPlayStatusResponse.UNAVAILABLE if length is None else length,
            song_position=app.position_ms,
            play_status=app.status,
        )
        self.send_avrcp_response(transaction_label, Code.IMPLEMENTED_OR_STABLE, response)

    def _on_register_notification_command(
        self, transaction_label: int, command: avrcp.RegisterNotificationCommand
    ) -> None:
        if command.event_id != EventId.PLAYBACK_POS_CHANGED:
            super()._on_register_notification_command(transaction_label, command)
            return
        # The interval is not kept: BlueZ asks for the longest, as it wants to know of jumps only.
        event = avrcp.PlaybackPositionChangedEvent(self._owner.app.position_ms)
        response = avrcp.RegisterNotificationResponse(event)
        self.send_avrcp_response(transaction_label, Code.INTERIM, response)
        self._register_notification_listener(transaction_label, command)

    def _on_set_player_application_setting_value_command(
        self, transaction_label: int, command: avrcp.SetPlayerApplicationSettingValueCommand
    ) -> None:
        pairs = list(zip(command.attribute, command.value, strict=True))
        refusal = None
        if not pairs or not all(value in _SETTINGS.get(each, ()) for each, value in pairs):
            refusal = StatusCode.INVALID_PARAMETER
        elif not self._owner.obedient:
            refusal = StatusCode.INTERNAL_ERROR
        if refusal is not None:
            asked = {int(each): value for each, value in pairs}
            self._log.add("setting-refused", asked=asked, why=refusal.name)
            self.send_rejected_avrcp_response(transaction_label, command.pdu_id, refusal)
            return
        response = avrcp.SetPlayerApplicationSettingValueResponse()
        self.send_avrcp_response(transaction_label, Code.ACCEPTED, response)
        for each, value in pairs:
            self._owner.set_by_speaker(*_named(each, value))


class _Answers(avrcp.Delegate):
    """What Bumble asks by itself."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(_EVENTS, supported_player_app_settings=_SETTINGS)
        self.addressed_player_id = PLAYER_ID
        self._owner = owner

    async def on_key_event(
        self, key: avc.PassThroughFrame.OperationId, pressed: bool, data: bytes
    ) -> None:
        await self._owner.key(key, pressed)

    async def get_playback_status(self) -> avrcp.PlayStatus:
        return self._owner.app.status

    async def get_current_track_uid(self) -> int:
        return self._owner.app.uid

    async def get_current_player_app_settings(self) -> dict[ApplicationSetting.AttributeId, int]:
        return current_settings(self._owner.app)


def current_settings(app: App) -> dict[ApplicationSetting.AttributeId, int]:
    """Spells the app's settings as AVRCP does."""
    return {_REPEAT: _REPEATS[app.repeat], _SHUFFLE: _SHUFFLES[app.shuffle]}


def attributes_of(app: App, cover_handle: str | None) -> dict[MediaAttributeId, str]:
    """What there is to tell of the current track; how many there are, only if it has a number."""
    track = app.track
    numbered = track.number is not None
    told = {
        MediaAttributeId.TITLE: track.title,
        MediaAttributeId.ARTIST_NAME: track.artist,
        MediaAttributeId.ALBUM_NAME: track.album,
        MediaAttributeId.TRACK_NUMBER: track.number,
        MediaAttributeId.TOTAL_NUMBER_OF_TRACKS: len(app.tracks) if numbered else None,
        MediaAttributeId.GENRE: track.genre,
        MediaAttributeId.PLAYING_TIME: track.length_ms,
        MediaAttributeId.DEFAULT_COVER_ART: cover_handle,
    }
    return {each: str(text) for each, text in told.items() if text is not None}


def _named(attribute: ApplicationSetting.AttributeId, value: int) -> tuple[Setting, bool | Repeat]:
    if attribute == _SHUFFLE:
        return "shuffle", value == _SHUFFLES[True]
    return "repeat", next(name for name, each in _REPEATS.items() if each == value)
