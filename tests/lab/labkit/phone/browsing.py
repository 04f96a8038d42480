"""The AVCTP browsing channel of a phone: the name of its one player, and no more.

Runs on the phones' thread. BlueZ learns a player's name here and nowhere else: it asks for the list
of players once it knows that one is addressed.

The channel is in L2CAP's basic mode, although AVRCP wants retransmissions: where an acknowledgement
is late, Bumble asks for it in a way that nobody answers, and sends nothing ever after. As phones do
not offer retransmissions at all (handset.py), Linux falls back to basic mode.

Invariant: every question has an answer; whatever is not the list of players is refused with the
status that says why, so that the speaker goes on at once.
"""

from __future__ import annotations

import struct

from bumble import avctp, avrcp, core, l2cap
from bumble.avrcp import MediaPlayerItem, PduId, Scope, StatusCode
from bumble.device import Device

from labkit.phone.app import App
from labkit.phone.events import EventLog
from labkit.phone.target import PLAYER_ID

GENERAL_REJECT = 0xA0
"""What answers a question that this channel does not know at all (AVRCP 6.15.1)."""

_Feature = MediaPlayerItem.Features
_FEATURES = (
    _Feature.PLAY
    | _Feature.STOP
    | _Feature.PAUSE
    | _Feature.REWIND
    | _Feature.FAST_FORWARD
    | _Feature.FORWARD
    | _Feature.BACKWARD
    | _Feature.ADVANCED_CONTROL_PLAYER
)
"""The keys, and that it speaks AVRCP 1.4 or newer; neither folders nor a list to look into."""

_REFUSALS: dict[int, StatusCode] = {
    PduId.SET_BROWSED_PLAYER: StatusCode.PLAYER_NOT_BROWSABLE,
    PduId.CHANGE_PATH: StatusCode.DOES_NOT_EXIST,
    PduId.GET_ITEM_ATTRIBUTES: StatusCode.DOES_NOT_EXIST,
    PduId.GET_TOTAL_NUMBER_OF_ITEMS: StatusCode.INVALID_SCOPE,
    PduId.SEARCH: StatusCode.SEARCH_NOT_SUPPORTED,
}


class Browsing:
    """The target of the browsing channel."""

    def __init__(self, device: Device, app: App, log: EventLog) -> None:
        self._app = app
        self._log = log
        spec = l2cap.ClassicChannelSpec(avctp.AVCTP_BROWSING_PSM)
        device.create_l2cap_server(spec, self._accept)

    def _accept(self, channel: l2cap.ClassicChannel) -> None:
        protocol = avctp.Protocol(channel)
        protocol.register_command_handler(
            avrcp.AVRCP_PID, lambda label, pdu: self._asked(protocol, label, pdu)
        )

    def _asked(self, protocol: avctp.Protocol, label: int, pdu: bytes) -> None:
        try:
            pdu_id, length = struct.unpack_from(">BH", pdu)
            answer_id, answer = self._answer(pdu_id, pdu[3 : 3 + length])
        except (core.BaseBumbleError, struct.error, IndexError):
            answer_id, answer = GENERAL_REJECT, bytes([StatusCode.INVALID_COMMAND])
        if protocol.l2cap_channel.state == l2cap.ClassicChannel.State.OPEN:
            header = struct.pack(">BH", answer_id, len(answer))
            protocol.send_response(label, avrcp.AVRCP_PID, header + answer)

    def _answer(self, pdu_id: int, parameters: bytes) -> tuple[int, bytes]:
        """The id and the parameters of the answer to a question."""
        if pdu_id == PduId.GET_FOLDER_ITEMS:
            command = avrcp.Command.from_bytes(pdu_id, parameters)
            assert isinstance(command, avrcp.GetFolderItemsCommand)
            return pdu_id, self._list(command)
        if pdu_id in _REFUSALS:
            return pdu_id, bytes([_REFUSALS[pdu_id]])
        return GENERAL_REJECT, bytes([StatusCode.INVALID_COMMAND])

    def _list(self, command: avrcp.GetFolderItemsCommand) -> bytes:
        if command.scope != Scope.MEDIA_PLAYER_LIST:
            return bytes([StatusCode.INVALID_SCOPE])
        if command.start_item > command.end_item:
            return bytes([StatusCode.INVALID_PARAMETER])
        if command.start_item > 0:
            return bytes([StatusCode.RANGE_OUT_OF_BOUNDS])
        self._log.add("app-asked", name=self._app.name)
        player = MediaPlayerItem(
            player_id=PLAYER_ID,
            major_player_type=MediaPlayerItem.MajorPlayerType.AUDIO,
            player_sub_type=MediaPlayerItem.PlayerSubType(0),
            play_status=self._app.status,
            feature_bitmask=_FEATURES,
            character_set_id=avrcp.CharacterSetId.UTF_8,
            displayable_name=self._app.name,
        )
        return bytes(
            avrcp.GetFolderItemsResponse(
                status=StatusCode.OPERATION_COMPLETED, uid_counter=0, items=[player]
            )
        )
