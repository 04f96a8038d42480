"""The speaker's end of a phone's covers: an OBEX client over the air, as obexd is one.

Invariant: `say` sends a packet as it is and returns the answer as it is.
"""

from __future__ import annotations

import asyncio
import struct

from bumble import l2cap
from labkit.phone import obex
from labkit.phone.obex import Header, Op
from speaker import Speaker

TARGET = bytes.fromhex("7163dd544a7e11e2b47c0050c2490048")
TAKES = 32767
"""What obexd offers L2CAP to take,"""
MOST = 672
"""and what obexd 5.82 asks for in one packet: it takes the phone's MTU for its own."""
THUMBNAIL, IMAGE, PROPERTIES = b"x-bt/img-thm\0", b"x-bt/img-img\0", b"x-bt/img-properties\0"


def connect_packet(target: bytes = TARGET, most: int = MOST) -> bytes:
    """Asks for a session."""
    fields = struct.pack(">BBH", 0x10, 0, most)
    return obex.encode(Op.CONNECT, {Header.TARGET: target}, fields)


class Imaging:
    """A channel to a phone's responder."""

    def __init__(self, speaker: Speaker, psm: int) -> None:
        self.pieces = 0
        self.connection = b""
        self._speaker = speaker
        speaker.ask(self._open(psm))

    async def _open(self, psm: int) -> None:
        spec = l2cap.ClassicChannelSpec(psm, mtu=TAKES)
        self._channel = await self._speaker.handset.link.create_l2cap_channel(spec)
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self._channel.sink = self._answers.put_nowait

    def leave(self) -> None:
        """Closes the channel, whatever goes on over it."""
        self._speaker.ask(self._channel.disconnect())

    def say(self, packet: bytes) -> bytes:
        """Sends a packet and waits for its answer."""
        return self._speaker.ask(self._say(packet))

    async def _say(self, packet: bytes) -> bytes:
        self._channel.write(packet)
        return await self._answers.get()

    def connect(self, **options) -> int:
        """Begins a session; returns the code of the answer."""
        answer = self.say(connect_packet(**options))
        _, headers = obex.parse(answer, 4)
        self.connection = headers.get(Header.CONNECTION, self.connection)
        return answer[0]

    def disconnect(self) -> int:
        """Ends the session; returns the code of the answer."""
        return self.say(obex.encode(Op.DISCONNECT, {Header.CONNECTION: self.connection}))[0]

    def question(self, kind: bytes, handle: str, op: Op = Op.GET_FINAL) -> bytes:
        """Asks for an image, or for what is known of it."""
        headers = {
            Header.CONNECTION: self.connection,
            Header.TYPE: kind,
            Header.IMAGE_HANDLE: obex.spelled(handle),
        }
        return obex.encode(op, headers)

    def get(self, kind: bytes, handle: str) -> tuple[int, bytes]:
        """Asks until there is no more; returns the last code, and what came in so many `pieces`."""
        answer = self.say(self.question(kind, handle))
        received, self.pieces = b"", 0
        while True:
            _, headers = obex.parse(answer)
            more = answer[0] == obex.Code.CONTINUE
            received += headers.get(Header.BODY if more else Header.END_OF_BODY, b"")
            self.pieces += 1
            if not more:
                return answer[0], received
            answer = self.say(obex.encode(Op.GET_FINAL))
