"""What the phone's SDP server says of its hands-free gateway and its player.

Invariant: version and features are true to what the gateway and the player then do.
"""

from __future__ import annotations

from bumble import avctp, avrcp, core, sdp
from bumble.sdp import DataElement, ServiceAttribute

from labkit.phone.models import Model

TARGET_RECORD = 0x00010002
GATEWAY_RECORD = 0x00010004
_AVCTP_VERSION = (1, 4)
_NETWORK_ATTRIBUTE = 0x0301
_CAN_REJECT_CALLS = 1


def gateway_record(channel: int, model: Model) -> list[ServiceAttribute]:
    """The record of a gateway that listens on this RFCOMM channel (HFP 6.3)."""

    def sequence(*elements: DataElement) -> DataElement:
        return DataElement.sequence(list(elements))

    gateway = DataElement.uuid(core.BT_HANDSFREE_AUDIO_GATEWAY_SERVICE)
    protocols = sequence(
        sequence(DataElement.uuid(core.BT_L2CAP_PROTOCOL_ID)),
        sequence(
            DataElement.uuid(core.BT_RFCOMM_PROTOCOL_ID), DataElement.unsigned_integer_8(channel)
        ),
    )
    profiles = sequence(
        sequence(
            DataElement.uuid(core.BT_HANDSFREE_SERVICE),
            DataElement.unsigned_integer_16(model.version),
        )
    )
    values = {
        sdp.SDP_SERVICE_RECORD_HANDLE_ATTRIBUTE_ID: DataElement.unsigned_integer_32(GATEWAY_RECORD),
        sdp.SDP_SERVICE_CLASS_ID_LIST_ATTRIBUTE_ID: sequence(
            gateway, DataElement.uuid(core.BT_GENERIC_AUDIO_SERVICE)
        ),
        sdp.SDP_PROTOCOL_DESCRIPTOR_LIST_ATTRIBUTE_ID: protocols,
        sdp.SDP_BROWSE_GROUP_LIST_ATTRIBUTE_ID: sequence(
            DataElement.uuid(sdp.SDP_PUBLIC_BROWSE_ROOT)
        ),
        sdp.SDP_BLUETOOTH_PROFILE_DESCRIPTOR_LIST_ATTRIBUTE_ID: profiles,
        _NETWORK_ATTRIBUTE: DataElement.unsigned_integer_8(_CAN_REJECT_CALLS),
        sdp.SDP_SUPPORTED_FEATURES_ATTRIBUTE_ID: DataElement.unsigned_integer_16(
            model.sdp_features
        ),
    }
    return [ServiceAttribute(attribute, value) for attribute, value in sorted(values.items())]


def player_record(
    version: tuple[int, int], features: avrcp.TargetFeatures, covers_psm: int | None = None
) -> list[ServiceAttribute]:
    """The record of a player with a browsing channel, and one for covers if it has that (AVRCP 8):
    Bumble's, but with these in a list of protocol stacks, which is what the attribute is."""
    record = avrcp.TargetServiceSdpRecord(TARGET_RECORD, _AVCTP_VERSION, version, features)
    avctp_version = DataElement.unsigned_integer_16(_AVCTP_VERSION[0] << 8 | _AVCTP_VERSION[1])
    stacks = [_stack(avctp.AVCTP_BROWSING_PSM, core.BT_AVCTP_PROTOCOL_ID, avctp_version)]
    if covers_psm is not None:
        stacks.append(_stack(covers_psm, core.BT_OBEX_PROTOCOL_ID))
    additional = sdp.SDP_ADDITIONAL_PROTOCOL_DESCRIPTOR_LIST_ATTRIBUTE_ID
    others = [each for each in record.to_service_attributes() if each.id != additional]
    return [*others, ServiceAttribute(additional, DataElement.sequence(stacks))]


def _stack(psm: int, protocol: core.UUID, *parameters: DataElement) -> DataElement:
    """A protocol on a channel of its own."""
    channel = [DataElement.uuid(core.BT_L2CAP_PROTOCOL_ID), DataElement.unsigned_integer_16(psm)]
    above = [DataElement.uuid(protocol), *parameters]
    return DataElement.sequence([DataElement.sequence(each) for each in (channel, above)])
