"""The codecs of a virtual phone's music, as AVDTP spells them and as RTP packets carry them.

Invariant: what is written here of a coding reads as the same coding.
"""

from __future__ import annotations

from bumble import a2dp, avdtp
from bumble.a2dp import AacMediaCodecInformation as AacInformation
from bumble.a2dp import SbcMediaCodecInformation as SbcInformation

from labkit import aac, sbc
from labkit.aac import Aac
from labkit.sbc import Sbc

Coding = Sbc | Aac

CODECS: dict[str, type[Coding]] = {"sbc": Sbc, "aac": Aac}

_INFORMATION = {
    Sbc: (a2dp.CodecType.SBC, SbcInformation),
    Aac: (a2dp.CodecType.MPEG_2_4_AAC, AacInformation),
}
_MOST_FRAMES = 15
"""The header of SBC's payloads has four bits for the number of frames."""

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_LOW_COMPLEXITY = (
    AacInformation.ObjectType.MPEG_2_AAC_LC | AacInformation.ObjectType.MPEG_4_AAC_LC
)


def name(codec: type[Coding]) -> str:
    """What a codec is called here."""
    return next(name for name, each in CODECS.items() if each is codec)


def capabilities(codec: type[Coding], coding: Coding | None) -> avdtp.MediaCodecCapabilities:
    """Spells one coding, or without it everything that phones can do of the codec."""
    number, _ = _INFORMATION[codec]
    spell = _sbc_information if codec is Sbc else _aac_information
    return avdtp.MediaCodecCapabilities(avdtp.AVDTP_AUDIO_MEDIA_TYPE, number, spell(coding))


def _sbc_information(wanted: Sbc | None) -> SbcInformation:
    return SbcInformation(
        SbcInformation.SamplingFrequency(_bits(sbc.RATES, wanted and wanted.rate)),
        SbcInformation.ChannelMode(_bits(sbc.CHANNEL_MODES, wanted and wanted.channels)),
        SbcInformation.BlockLength(_bits(sbc.BLOCKS, wanted and wanted.blocks)),
        SbcInformation.Subbands(_bits(sbc.SUBBANDS, wanted and wanted.subbands)),
        SbcInformation.AllocationMethod(_bits(("snr", "loudness"), wanted and wanted.allocation)),
        2,
        wanted.bitpool if wanted else 250,
    )


def _aac_information(wanted: Aac | None) -> AacInformation:
    rates = [wanted.rate] if wanted else aac.RATES
    return AacInformation(
        AacInformation.ObjectType.MPEG_2_AAC_LC,
        AacInformation.SamplingFrequency(sum(_bits(_AAC_RATES, each) for each in rates)),
        AacInformation.Channels(_bits(aac.CHANNELS, wanted and wanted.channels)),
        1,
        wanted.bit_rate if wanted else 320_000,
    )


def _bits(choices: tuple, chosen: object) -> int:
    """A2DP's bit fields name the first choice by the highest bit; None stands for all."""
    if chosen is None:
        return (1 << len(choices)) - 1
    return 1 << (len(choices) - 1 - choices.index(chosen))


def offered(endpoint: avdtp.DiscoveredStreamEndPoint, codec: type[Coding]):
    """What a sink endpoint can do of a codec; None when it is something else."""
    if endpoint.tsep != avdtp.AVDTP_TSEP_SNK:
        return None
    return next(filter(None, (_information(each, codec) for each in endpoint.capabilities)), None)


def supports(offer: SbcInformation | AacInformation, wanted: Coding) -> bool:
    """Says whether an endpoint's capabilities cover this coding."""
    asked = capabilities(type(wanted), wanted).media_codec_information
    if isinstance(wanted, Aac):
        return (
            bool(offer.object_type & asked.object_type)
            and bool(offer.sampling_frequency & asked.sampling_frequency)
            and bool(offer.channels & asked.channels)
            and offer.bitrate >= asked.bitrate
        )
    return (
        bool(offer.sampling_frequency & asked.sampling_frequency)
        and bool(offer.channel_mode & asked.channel_mode)
        and bool(offer.block_length & asked.block_length)
        and bool(offer.subbands & asked.subbands)
        and bool(offer.allocation_method & asked.allocation_method)
        and offer.minimum_bitpool_value <= wanted.bitpool <= offer.maximum_bitpool_value
    )


def _information(capability: avdtp.ServiceCapabilities, codec: type[Coding]):
    if isinstance(capability, avdtp.MediaCodecCapabilities):
        _, information = _INFORMATION[codec]
        if isinstance(capability.media_codec_information, information):
            return capability.media_codec_information
    return None


def chosen(capability: avdtp.ServiceCapabilities) -> Coding | None:
    """Reads a configured capability, in which every field names one choice; None when it is no
    codec's."""
    if information := _information(capability, Sbc):
        return Sbc(
            _choice(sbc.RATES, information.sampling_frequency),
            _choice(sbc.CHANNEL_MODES, information.channel_mode),
            _choice(sbc.BLOCKS, information.block_length),
            _choice(sbc.SUBBANDS, information.subbands),
            _choice(("snr", "loudness"), information.allocation_method),
            information.maximum_bitpool_value,
        )
    if information := _information(capability, Aac):
        return Aac(
            _choice(_AAC_RATES, information.sampling_frequency),
            _choice(aac.CHANNELS, information.channels),
            information.bitrate,
        )
    return None


def _choice(choices: tuple, bits: int):
    return choices[len(choices) - bits.bit_length()]


def units(coding: Coding, frames: list[bytes], frames_per_packet: int, size: int) -> list[list[bytes]]:
    """Makes media payloads of at most `size` bytes, together what is due at once: of SBC so many
    frames, which are one payload; of AAC an element, in as many as it takes."""
    if isinstance(coding, Aac):
        return [[frame[at : at + size] for at in range(0, len(frame), size)] for frame in frames]
    return [[payload] for payload in packetize(frames, frames_per_packet)]


def packetize(frames: list[bytes], frames_per_packet: int) -> list[bytes]:
    """Groups frames into media payloads with A2DP's one-byte SBC header."""
    return [
        bytes([len(group)]) + b"".join(group)
        for group in (
            frames[start : start + frames_per_packet]
            for start in range(0, len(frames), frames_per_packet)
        )
    ]


def most_frames(coding: Coding, size: int) -> int:
    """How many frames fit one packet: phones fill it, but with AAC."""
    if isinstance(coding, Aac):
        return 1
    return max(1, min(_MOST_FRAMES, (size - 1) // coding.frame_bytes))
