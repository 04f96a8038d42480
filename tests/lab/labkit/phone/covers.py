"""The covers of a phone's tracks: BIP's responder for AVRCP's cover art (AVRCP 1.6.2, 5.14).

Runs on the phones' thread. The speaker finds the PSM in the player's record, opens a channel and an
OBEX session over it, and then, not before, is told the current track's handle when it asks what
plays. That it could ask again, nobody tells it: it has the handle when the next track begins.

The channel is in L2CAP's basic mode, although GOEP wants retransmissions. Bumble could have them on
this channel alone, but what a device can do is announced for all of it, and then Linux wants them
for AVRCP's browsing as well, where Bumble cuts it off. As it is, Linux falls back to basic mode
here as there (browsing.py). The MTU is L2CAP's default, as an iPhone leaves it: obexd 5.82 takes it
for its own, so an image comes in many packets.

Invariant: a handle is good for one track of the list that is loaded, in the session that is open: in
the next one the same handle is another track's, as far as there are others. There is at most one
session.
"""

from __future__ import annotations

import io

import numpy as np
from bumble import l2cap
from bumble.device import Device
from matplotlib import image

from labkit.phone import obex
from labkit.phone.app import App
from labkit.phone.events import EventLog

PIXELS = 200
"""Width and height of a cover's thumbnail."""

_MTU = 672
_TILES = 8
_KINDS = {
    b"x-bt/img-thm": "thumbnail",
    b"x-bt/img-img": "image",
    b"x-bt/img-properties": "properties",
}


class Covers:
    """The responder. Whatever size of an image is asked for, it has the track's only."""

    target = bytes.fromhex("7163DD544A7E11E2B47C0050C2490048")

    def __init__(self, device: Device, app: App, log: EventLog) -> None:
        self._app = app
        self._log = log
        self._sessions = 0
        self._is_open = False
        spec = l2cap.ClassicChannelSpec(mtu=_MTU)
        self.psm = device.create_l2cap_server(spec, self._accept).psm

    @property
    def handle(self) -> str | None:
        """The handle of the current track, if it has a cover that can be asked for."""
        shown = self._app.uid
        return next((handle for uid, handle, _ in self._handles() if uid == shown), None)

    # What a session asks

    def open(self) -> int | None:
        """Lets a session begin, if there is none."""
        if self._is_open:
            return None
        self._is_open = True
        self._sessions += 1
        self._log.add("profile", name="covers", open=True)
        return self._sessions

    def close(self) -> None:
        """A session has ended, and its handles with it."""
        self._is_open = False
        self._log.add("profile", name="covers", open=False)

    def find(self, asked: obex.Headers) -> bytes | obex.Code:
        """The image, or what there is to know of it."""
        what = _KINDS.get(asked.get(obex.Header.TYPE, b"").rstrip(b"\0"))
        if what is None or obex.Header.IMAGE_HANDLE not in asked:
            return obex.Code.BAD_REQUEST
        wanted = obex.text(asked[obex.Header.IMAGE_HANDLE])
        cover = next((cover for _, handle, cover in self._handles() if handle == wanted), None)
        self._log.add("cover-asked", handle=wanted, what=what, found=cover is not None)
        if cover is None:
            return obex.Code.NOT_FOUND
        return _properties(wanted, cover) if what == "properties" else cover

    # Within

    def _handles(self) -> list[tuple[int, str, bytes]]:
        """All that can be asked for now: the track's number, its handle, its cover."""
        if not self._is_open:
            return []
        tracks = [(uid, it.cover) for uid, it in self._app.numbered.items() if it.cover is not None]
        numbers = [uid for uid, _ in tracks]
        if self._sessions % 2 == 0:
            numbers.reverse()
        return [
            (uid, f"{number % 10_000_000:07}", cover)
            for (uid, cover), number in zip(tracks, numbers, strict=True)
        ]

    def _accept(self, channel: l2cap.ClassicChannel) -> None:
        session = obex.Session(self, _MTU)

        def asked(packet: bytes) -> None:
            answer = session.answer(packet, channel.peer_mtu)
            if channel.state == l2cap.ClassicChannel.State.OPEN:
                channel.write(answer)

        channel.sink = asked
        channel.on(l2cap.ClassicChannel.EVENT_CLOSE, session.close)


def draw(seed: int) -> bytes:
    """A cover that looks like no other seed's: a JPEG of coloured tiles, some kilobytes."""
    colours = np.random.default_rng(seed).integers(0, 256, (_TILES, _TILES, 3), np.uint8)
    tile = PIXELS // _TILES
    file = io.BytesIO()
    image.imsave(file, colours.repeat(tile, 0).repeat(tile, 1), format="jpg")
    return file.getvalue()


def _properties(handle: str, cover: bytes) -> bytes:
    """What BIP says of an image that is there in one size."""
    height, width = image.imread(io.BytesIO(cover), format="jpg").shape[:2]
    said = (
        f'<image-properties version="1.0" handle="{handle}">\n'
        f'<native encoding="JPEG" pixel="{width}*{height}" size="{len(cover)}"/>\n'
        "</image-properties>\n"
    )
    return said.encode()
