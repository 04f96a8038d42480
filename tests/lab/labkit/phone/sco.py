"""eSCO links: asked for and accepted, and a codec's packets sent and received over them.

Runs on the phones' thread.

Invariants: packets go out on an absolute timer of the lab's clock, whatever comes in; lateness is
counted and never made up by skipping; one that the simulated air loses still uses up its sequence
number and its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from bumble import hci
from bumble.device import Connection, ScoLink

from labkit import clock
from labkit.phone.speech import Utterance, VoiceCounts, VoiceQuality
from labkit.voice import AIR_FRAME, VoiceCodec

_AIR_BYTES_PER_SECOND = 8000
"""Both directions of every voice link, on the air."""

_Setup = hci.HCI_Enhanced_Setup_Synchronous_Connection_Command
_EV3_AND_2EV3 = _Setup.PacketType.EV3 | _Setup.PacketType.NO_3_EV3
_EV3_AND_2EV3 |= _Setup.PacketType.NO_2_EV5 | _Setup.PacketType.NO_3_EV5
_ANY_ESCO = _Setup.PacketType.EV3 | _Setup.PacketType.EV4 | _Setup.PacketType.EV5
_MOST_LATENCY_MS = {"cvsd": 12, "msbc": 13, "lc3": 13}
"""The S4 and T2 settings of the profile."""


class VoiceLink:
    """One open eSCO link with its codec."""

    def __init__(
        self,
        sco: ScoLink,
        codec: VoiceCodec,
        packet_bytes: int = AIR_FRAME,
        quality: Callable[[], VoiceQuality] = VoiceQuality,
        heard: Callable[[float, bytes, int, np.ndarray], None] = lambda *_: None,
    ) -> None:
        self.codec = codec
        self.counts = VoiceCounts(codec.name)
        self.sco = sco
        self._packet_bytes = packet_bytes
        self._quality = quality
        self._heard = heard
        self._encoder, self._decoder = codec.encoder(), codec.decoder()
        self._encoded = b""
        self._speech: list[Utterance] = []
        sco.sink = self._received
        self._sending = asyncio.ensure_future(self._send())

    def speak(self, sound: Utterance) -> None:
        """Says this after what is being said."""
        self._speech.append(sound)

    def hush(self, why: str) -> None:
        """Ends what is being said."""
        for sound in self._speech:
            sound.end(why)
        self._speech.clear()

    def end(self, why: str) -> None:
        """Stops sending; call it when the link is down."""
        self._sending.cancel()
        self.hush(why)

    async def close(self) -> None:
        """Takes the link down."""
        await self.sco.disconnect()

    async def _send(self) -> None:
        interval = self._packet_bytes / self.codec.bytes_per_second
        start = clock.now()
        index = 0
        while True:
            due = start + index * interval
            while (left := due - clock.now()) > 0:
                await asyncio.sleep(clock.host(left))
            self.counts.latest = max(self.counts.latest, -left)
            packet = self._quality().fate(index, self._packet(due))
            if packet is None:
                self.counts.dropped += 1
            else:
                self.sco.device.host.send_sco_sdu(self.sco.handle, packet)
                self.counts.sent += 1
            index += 1

    def _packet(self, due: float) -> bytes:
        while len(self._encoded) < self._packet_bytes:
            self._encoded += self._encoder.encode(self._next_frame(due))
        packet = self._encoded[: self._packet_bytes]
        self._encoded = self._encoded[self._packet_bytes :]
        return packet

    def _next_frame(self, due: float) -> np.ndarray:
        if not self._speech:
            return np.zeros(self.codec.frame_samples, "<i2")
        sound = self._speech[0]
        frame = sound.take(self.codec.frame_samples, due)
        if sound.exhausted:
            self._speech.remove(sound)
            sound.end()
        return np.pad(frame, (0, self.codec.frame_samples - len(frame)))

    def _received(self, packet: hci.HCI_SynchronousDataPacket) -> None:
        now, counts = clock.now(), self.counts
        counts.arrivals.append(now)
        counts.sizes.add(len(packet.data))
        if packet.packet_status != packet.Status.CORRECTLY_RECEIVED_DATA:
            counts.marked += 1
        samples = self._decoder.decode(packet.data)
        counts.gaps, counts.bad = self._decoder.gaps, self._decoder.bad
        self._heard(now, packet.data, self.codec.rate, samples)


async def request_voice(link: Connection, codec: VoiceCodec) -> None:
    """Asks the controllers for an eSCO link; the device's "sco_connection" event brings it."""
    await prepare_voice(link, codec)
    air, ours = hci.CodecID.CVSD, hci.CodecID.LINEAR_PCM
    if codec.name != "cvsd":
        air = ours = hci.CodecID.TRANSPARENT
    bandwidth = int(codec.bytes_per_second)
    await link.device.send_async_command(
        _Setup(
            connection_handle=link.handle,
            transmit_bandwidth=_AIR_BYTES_PER_SECOND,
            receive_bandwidth=_AIR_BYTES_PER_SECOND,
            transmit_coding_format=hci.CodingFormat(air),
            receive_coding_format=hci.CodingFormat(air),
            transmit_codec_frame_size=AIR_FRAME,
            receive_codec_frame_size=AIR_FRAME,
            input_bandwidth=bandwidth,
            output_bandwidth=bandwidth,
            input_coding_format=hci.CodingFormat(ours),
            output_coding_format=hci.CodingFormat(ours),
            input_coded_data_size=16,
            output_coded_data_size=16,
            input_pcm_data_format=hci.PcmDataFormat.TWOS_COMPLEMENT,
            output_pcm_data_format=hci.PcmDataFormat.TWOS_COMPLEMENT,
            input_pcm_sample_payload_msb_position=0,
            output_pcm_sample_payload_msb_position=0,
            input_data_path=_Setup.DataPath.HCI,
            output_data_path=_Setup.DataPath.HCI,
            input_transport_unit_size=0,
            output_transport_unit_size=0,
            max_latency=_MOST_LATENCY_MS[codec.name],
            packet_type=_EV3_AND_2EV3,
            retransmission_effort=_Setup.RetransmissionEffort.OPTIMIZE_FOR_QUALITY,
        )
    )


async def accept_voice(link: Connection, codec: VoiceCodec) -> None:
    """Accepts the eSCO link the other side asks for; the same event brings it."""
    await prepare_voice(link, codec)
    await link.device.send_async_command(
        hci.HCI_Accept_Synchronous_Connection_Request_Command(
            bd_addr=link.peer_address,
            transmit_bandwidth=_AIR_BYTES_PER_SECOND,
            receive_bandwidth=_AIR_BYTES_PER_SECOND,
            max_latency=0xFFFF,
            voice_setting=codec.voice_setting,
            retransmission_effort=_Setup.RetransmissionEffort.DONT_CARE,
            packet_type=_ANY_ESCO,
        )
    )


async def prepare_voice(link: Connection, codec: VoiceCodec) -> None:
    """Tells the controller what the voice will be: the other side's is compared with it."""
    await link.device.host.send_sync_command(
        hci.HCI_Write_Voice_Setting_Command(voice_setting=codec.voice_setting)
    )
