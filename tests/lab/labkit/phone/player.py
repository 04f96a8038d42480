"""What a phone does with its profiles: connects them, plays, pauses, obeys.

Runs on the phones' thread; it ties the handset, the A2DP source and the remote control together.

Invariants: at most one piece plays; it ends finished, stopped, replaced or failed, and says which.
Only one operation at a time touches the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from bumble.avrcp import PlayStatus
from bumble.avdtp import State
from bumble.core import BaseBumbleError

from labkit import clock
from labkit.phone import codings
from labkit.phone.codings import Coding
from labkit.phone.events import EventLog, PhoneError
from labkit.phone.handset import Handset
from labkit.phone.playback import LinkQuality, Playback
from labkit.phone.remote import RemoteControl
from labkit.phone.source import A2dpSource

_BACKGROUND_SECONDS = 10.0


class Player:
    """The phone's player and the profiles it plays over."""

    def __init__(
        self,
        handset: Handset,
        log: EventLog,
        absolute_volume: bool = True,
        covers: bool = False,
        codecs: Sequence[str] = ("sbc",),
    ) -> None:
        self._handset = handset
        self._log = log
        self.source = A2dpSource(handset, log, codecs)
        self.remote = RemoteControl(handset, log, absolute_volume, covers)
        self.quality = LinkQuality()
        self.playback: Playback | None = None
        self._sending: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._rests = False
        self.lingers = False
        self._announced = True
        self.source.on_opened = self.remote.watch_volume
        self.source.on_suspended = self._paused_by_speaker
        self.source.on_closed = self._cut_off
        self.remote.on_play = self._play_key
        self.remote.on_pause = self._pause_key

    async def connect(self, address: str, timeout: float) -> None:
        """Does what a phone does when its user taps the speaker's name."""
        link = await self._handset.reach(address, timeout)
        await self.source.connect(link)
        if self.source.state == State.IDLE:
            await self.source.open_best()
        if self.remote.lateness is None:
            await self.remote.connect(link)
        else:
            self._in_background(self.remote.connect_late(link))

    async def play(
        self,
        address: str,
        coding: Coding,
        frames: list[bytes],
        per_packet: int | None,
        timeout: float,
        announced: bool = True,
        endless: bool = False,
    ) -> Playback:
        """Starts a piece, after connecting and configuring as needed; its last frame must be
        silence. One that is not `announced` is none of the player's, which says nothing; one that
        is `endless` has no end."""
        async with self._busy:
            self._end_piece("another piece was started")
            await self._stop_sending()
            if self._handset.link is None or self.source.protocol is None:
                await self.connect(address, timeout)
            await self.source.open(coding)
            self.playback = self._piece(coding, frames, per_packet, endless)
            self._announced = announced
            await self.source.start()
            self._send(self.playback)
            return self.playback

    def _piece(
        self, coding: Coding, frames: list[bytes], per_packet: int | None, endless: bool
    ) -> Playback:
        """Packs a piece for the stream that is open; its last frame is silent, fills its last packet
        and follows it, unless there is no end."""
        size = self.source.payload_size
        per_packet = per_packet or codings.most_frames(coding, size)
        silent = [frames[-1]] * per_packet
        if endless:
            frames = frames[:-1] * per_packet  # Whole packets, so there is no padding.
        frames = frames + silent[: -len(frames) % per_packet]
        (silence,) = codings.units(coding, silent, per_packet, size)
        units = codings.units(coding, frames, per_packet, size)
        samples = per_packet * coding.frame_samples
        return Playback(coding, units, silence, samples, lambda: self.quality, self._log, endless)

    async def suspend(self) -> None:
        """Pauses: stops sending, then suspends the stream."""
        async with self._busy:
            await self._pause(PlayStatus.PAUSED)

    async def stutter(self, starts: bool) -> None:
        """Suspends the stream, and starts it again at once if it does."""
        async with self._busy:
            if not starts:
                await self._stop_sending()
            await self.source.stutter(starts)
            await self._handset.arrived()

    async def resume(self) -> None:
        """Goes on with the paused piece where it stopped."""
        async with self._busy:
            playback = self.playback
            if playback is None or playback.finished:
                raise PhoneError("nothing is paused: the piece has ended or none was played")
            if self._sending is None:
                if self.source.state != State.STREAMING:
                    await self.source.start()
                self._send(playback)

    async def stop(self) -> None:
        """Ends the piece and suspends the stream; harmless when nothing plays."""
        async with self._busy:
            self._end_piece("stopped")
            await self._pause(PlayStatus.STOPPED)

    def rest(self, during: bool) -> None:
        """Music rests during the phone's own calls, and goes on after them."""
        if during and self._sending is not None and self._goes_on():
            self._rests = True
            self._in_background(self.suspend())
        elif not during and self._rests:
            self._rests = False
            if self._goes_on():
                self._in_background(self.resume())

    def _goes_on(self) -> bool:
        return self.playback is not None and not self.playback.finished

    async def _pause(self, status: PlayStatus) -> None:
        await self._stop_sending()
        if not (self.lingers and status == PlayStatus.PAUSED):
            await self.source.suspend()
        self._tell(status)

    def _send(self, playback: Playback) -> None:
        self._tell(PlayStatus.PLAYING)
        self._sending = asyncio.ensure_future(self._send_to_the_end(playback))

    def _tell(self, status: PlayStatus) -> None:
        if self._announced:
            self.remote.playing(status)

    async def _send_to_the_end(self, playback: Playback) -> None:
        if await playback.transmit(self.source.send):
            # In a task of its own: pausing cancels this one.
            self._in_background(self._rest(playback))

    async def _rest(self, playback: Playback) -> None:
        """Suspends the stream after the last piece, as phones do."""
        async with self._busy:
            if self.playback is playback:
                await self._pause(PlayStatus.STOPPED)

    async def _stop_sending(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None and not sending.done():
            sending.cancel()
            await asyncio.wait([sending])

    def _in_background(self, operation: Coroutine[Any, Any, None]) -> None:
        """Runs what nobody waits for; a failure is an event, and never blocks what comes next."""

        async def limited() -> None:
            try:
                await asyncio.wait_for(operation, clock.host(_BACKGROUND_SECONDS))
            except (PhoneError, TimeoutError, BaseBumbleError) as failure:
                self._log.add("phone-failed", why=repr(failure))

        task = asyncio.ensure_future(limited())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _play_key(self) -> None:
        if self._goes_on():
            self._in_background(self.resume())

    def _pause_key(self) -> None:
        self._in_background(self.suspend())

    def _paused_by_speaker(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _cut_off(self, why: str) -> None:
        self._paused_by_speaker()
        self._end_piece(why)
        # Not before the other channels of a link that is gone have closed: nothing goes out there.
        asyncio.get_running_loop().call_soon(self.remote.cut_off)

    def _end_piece(self, why: str) -> None:
        if self.playback is not None:
            self.playback.end(why)
