"""AVRCP of a virtual phone: the speaker's keys and questions in, the volume slider out.

Runs on the phones' thread. The phone is target (the app in app.py, which target.py and browsing.py
answer for) and controller (absolute volume, which old phones lack), as phones are.

Invariant: one AVCTP channel; what was asked over a channel that closed is failed, never left
waiting; whatever the app does, by whomever or by time, the speaker is told what it asked to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bumble import avc, avctp, avrcp, core, l2cap
from bumble.device import Connection, Device

from labkit import clock
from labkit.phone.app import App, Repeat, Shown, Track
from labkit.phone.browsing import Browsing
from labkit.phone.covers import Covers
from labkit.phone.events import EventLog, PhoneError
from labkit.phone.handset import Handset
from labkit.phone.records import TARGET_RECORD, player_record
from labkit.phone.source import offers
from labkit.phone.target import Setting, Target

CONTROLLER_RECORD = 0x00010003
_AVRCP_VERSION = (1, 5)
_GIVING_WAY_SECONDS = 2.0
_COVERS_VERSION = (1, 6)
"""The first that has covers."""
_OLD_SLIDER = avrcp.ControllerFeatures.CATEGORY_1
_SLIDER = _OLD_SLIDER | avrcp.ControllerFeatures.CATEGORY_2
_PLAYER = (
    avrcp.TargetFeatures.CATEGORY_1
    | avrcp.TargetFeatures.PLAYER_APPLICATION_SETTINGS
    | avrcp.TargetFeatures.SUPPORTS_BROWSING
)

_Key = avc.PassThroughFrame.OperationId
_SEEKS = {_Key.FAST_FORWARD: 1, _Key.REWIND: -1}


class RemoteControl:
    """The phone's AVRCP profile."""

    def __init__(
        self, handset: Handset, log: EventLog, absolute_volume: bool = True, covers: bool = False
    ) -> None:
        self._log = log
        self._absolute_volume = absolute_volume
        self.obedient = True
        self.lateness: float | None = None
        """Seconds after its music until it comes; None is at once."""
        self.app = App()
        self.volume: int | None = None
        self.on_play: Callable[[], None] | None = None
        self.on_pause: Callable[[], None] | None = None
        self._told: Shown = self.app.shown
        self._alarm: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None
        self.protocol = Target(self, log)
        self.protocol.on(avrcp.Protocol.EVENT_START, self._opened)
        self.protocol.on(avrcp.Protocol.EVENT_STOP, self._closed)
        self.protocol.listen(handset.device)
        self._channels = handset.device.l2cap_channel_manager
        self._browsing = Browsing(handset.device, self.app, log)
        self._covers = Covers(handset.device, self.app, log) if covers else None
        self._publish(handset.device)

    def _publish(self, device: Device) -> None:
        """Says in the records what there is."""
        covers = self._covers
        version = _COVERS_VERSION if covers else _AVRCP_VERSION
        player = _PLAYER | avrcp.TargetFeatures.SUPPORTS_COVER_ART if covers else _PLAYER
        psm = covers.psm if covers else None
        device.sdp_service_records[TARGET_RECORD] = player_record(version, player, psm)
        device.sdp_service_records[CONTROLLER_RECORD] = avrcp.ControllerServiceSdpRecord(
            CONTROLLER_RECORD,
            avrcp_version=version,
            supported_features=_SLIDER if self._absolute_volume else _OLD_SLIDER,
        ).to_service_attributes()

    @property
    def cover_handle(self) -> str | None:
        """What the current track's cover is asked for with, while it can be."""
        return self._covers.handle if self._covers is not None else None

    @property
    def connected(self) -> bool:
        """Says whether the AVCTP channel is open."""
        return self.protocol.avctp_protocol is not None

    async def connect(self, link: Connection) -> None:
        """Connects AVRCP when the speaker offers it and has not connected it itself."""
        if self.connected or not await offers(link, core.BT_AV_REMOTE_CONTROL_TARGET_SERVICE):
            return
        if self.connected:  # The speaker was quicker while we asked.
            return
        try:
            await self.protocol.connect(link)
        except l2cap.L2capError:
            # Where both connect at once, both give way and try again (AVRCP 1.6.2, 4.1.1).
            if not await self._speaker_connects():
                await self.protocol.connect(link)

    async def _speaker_connects(self) -> bool:
        """Gives the speaker time to be the one that connects; says whether it was."""
        deadline = clock.now() + _GIVING_WAY_SECONDS
        while not self.connected and clock.now() < deadline:
            await asyncio.sleep(0.05)
        return self.connected

    async def come_late(self, seconds: float) -> None:
        """From now on comes so long after the music, and by itself only: the speaker, which would be
        sooner, is refused."""
        self.lateness = seconds
        self._channels.servers.pop(avctp.AVCTP_PSM, None)

    async def connect_late(self, link: Connection) -> None:
        """Connects AVRCP when it is time."""
        await asyncio.sleep(clock.host(self.lateness or 0.0))
        await self.connect(link)

    # The volume

    async def set_volume(self, volume: int) -> int:
        """Moves the phone's slider (0-127); returns the volume the speaker took."""
        if not self._absolute_volume:
            raise PhoneError("its slider moves its own volume: it has no absolute volume")
        if not self.connected:
            raise PhoneError("AVRCP is not connected, so the slider moves nothing")
        answer = await self.protocol.send_avrcp_command(
            avc.CommandFrame.CommandType.CONTROL, avrcp.SetAbsoluteVolumeCommand(volume)
        )
        if not isinstance(answer.response, avrcp.SetAbsoluteVolumeResponse):
            raise PhoneError(f"the speaker refused the volume: {answer.response}")
        self._volume_is(answer.response.volume, by="phone")
        return answer.response.volume

    def watch_volume(self) -> None:
        """Asks to be told of volume changes, unless that is already so or the phone is too old.

        Asked again at every opened stream: BlueZ refuses while it has no transport.
        """
        if not self._absolute_volume or not self.connected:
            return
        if self._watching is None or self._watching.done():
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

    # The app, as the phone's own user and its player move it

    def playing(self, status: avrcp.PlayStatus) -> None:
        """The player plays, pauses or stops."""
        self._act(lambda: self.app.set_status(status))

    def cut_off(self) -> None:
        """The way to the speaker is gone: a player that plays pauses, as phones do."""
        if self.app.playing:
            self.playing(avrcp.PlayStatus.PAUSED)

    async def load(self, tracks: Sequence[Track]) -> None:
        """Gives the app another list."""
        if self._covers is None and any(track.cover is not None for track in tracks):
            raise PhoneError("it has no covers: it must be made with covers=True")
        self._act(lambda: self.app.load(tracks))

    async def skip(self, back: bool) -> None:
        """The user taps next or previous."""
        self._act(self.app.backward if back else self.app.forward)

    async def jump(self, position_ms: int) -> None:
        """The user drags the position, in milliseconds."""
        self._act(lambda: self.app.jump(position_ms))

    async def choose(self, name: Setting, value: bool | Repeat) -> None:
        """The user moves a setting."""
        self._set(name, value, "phone")

    async def place(self) -> tuple[Track, int]:
        """The current track and how far into it, in milliseconds."""
        return self.app.track, self.app.position_ms

    # What the speaker wants

    async def key(self, key: avc.PassThroughFrame.OperationId, pressed: bool) -> None:
        """Takes a key of the speaker's: noted always, obeyed by default. A held key may come as
        several presses, and a held seek key ends in a release, which is noted too."""
        name = _Key(key).name.lower()
        if not pressed:
            if key in _SEEKS:
                self._log.add("key", key=name, obeyed=self.obedient, pressed=False)
                self._act(lambda: self.app.seek(0))
            return
        self._log.add("key", key=name, obeyed=self.obedient)
        if not self.obedient:
            return
        if (direction := _SEEKS.get(key)) is not None:
            self._act(lambda: self.app.seek(direction))
        elif key in (_Key.FORWARD, _Key.BACKWARD):
            self._act(self.app.forward if key == _Key.FORWARD else self.app.backward)
        action = {_Key.PLAY: self.on_play, _Key.PAUSE: self.on_pause, _Key.STOP: self.on_pause}
        if (handler := action.get(key)) is not None:
            handler()

    def set_by_speaker(self, name: Setting, value: bool | Repeat) -> None:
        """Takes a setting of the speaker's."""
        self._set(name, value, "speaker")

    # Within

    def _set(self, name: Setting, value: bool | Repeat, by: str) -> None:
        move = self.app.set_shuffle if name == "shuffle" else self.app.set_repeat
        self._act(lambda: move(value))
        self._log.add("setting", name=name, value=value, by=by)

    def _act(self, action: Callable[[], None] = lambda: None) -> None:
        """Does something to the app, and tells the speaker what has come of it and of time."""
        action()
        before, now = self._told, self.app.shown
        self._told = now
        if now.uid != before.uid:
            self._log.add("track", title=self.app.track.title, uid=now.uid)
            self.protocol.notify_track_changed(now.uid)
        if now.status != before.status:
            self.protocol.notify_playback_status_changed(now.status)
        if now.marks != before.marks:
            self.protocol.notify_playback_position_changed(self.app.position_ms)
        if (now.shuffle, now.repeat) != (before.shuffle, before.repeat):
            self.protocol.notify_settings()
        self._set_alarm()
        if self.app.over:
            self.app.over = False
            self._log.add("list-ended")
            if self.on_pause is not None:
                self.on_pause()

    def _set_alarm(self) -> None:
        """Wakes up when the track ends, to tell of the next one."""
        if self._alarm is not None:
            self._alarm.cancel()
        due = self.app.due()
        self._alarm = None
        if due is not None:
            delay = clock.host(max(0.0, due))
            self._alarm = asyncio.get_running_loop().call_later(delay, self._act)

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
        self._act(lambda: self.app.seek(0))  # Nobody holds a key of a speaker that is gone.
