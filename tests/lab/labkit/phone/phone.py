"""A virtual phone as scenarios use it: plain blocking calls with deadlines.

Invariant: every public method returns when the thing has happened, or raises PhoneError saying
what the phone tried, what came back, and the last things it saw.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from bumble import core
from bumble.avctp import AVCTP_PSM
from bumble.avdtp import AVDTP_PSM
from bumble.core import BT_HANDSFREE_SERVICE

from labkit.aac import Aac, Layout
from labkit.phone import loop
from labkit.phone.calling import Calling
from labkit.phone.codings import Coding
from labkit.phone.events import Event, EventLog, PhoneError
from labkit.phone.handset import Confirm, Found, Handset, Io
from labkit.phone.listening import Listening
from labkit.phone.models import MODELS, Model
from labkit.phone.playback import LinkQuality, Playback
from labkit.phone.player import Player
from labkit.phone.service_level import HandsFreeRecord
from labkit.phone.source import offers
from labkit.phone.telephone import Telephone
from labkit.radio import Radio
from labkit.sbc import Allocation, Channels, Sbc
from labkit.signals import Signal, as_signal

Result = TypeVar("Result")

_EVENTS_IN_ERRORS = 12
_HANDS_FREE_SECONDS = 15.0
_TAIL_FRAMES = 3
"""Silent frames after a piece: they flush the codec, so that the last of them is pure silence."""


class Phone(Calling, Listening):
    """A virtual phone on a radio. Use it as a context manager, or call `close`.

    With `calls` ("iphone", "android", "android-swb", "plain", or a `Model` of one's own) it is a
    hands-free gateway too, see calling.py; without, the speaker finds music on it and nothing else.
    Without `absolute_volume` it is an old phone: its slider and the speaker's know nothing of each
    other. With `covers` its tracks may have some (covers.py). `codecs` are those of its music, the one
    that it likes best first: an iPhone has ("aac", "sbc"). What its player app can do is in
    listening.py.
    """

    def __init__(
        self,
        radio: Radio,
        name: str = "Anna's iPhone",
        io: Io = "none",
        address: str | None = None,
        confirm: Confirm = lambda _: True,
        calls: str | Model | None = None,
        absolute_volume: bool = True,
        covers: bool = False,
        codecs: Sequence[str] = ("sbc",),
    ) -> None:
        self.name = name
        self._codecs = codecs
        self.address = address or radio.next_phone_address()
        self._log = EventLog()
        self._controller = radio.attach(self.address)
        self._in_range = True
        self._speaker: str | None = None
        self._handset: Handset
        self._player: Player
        self._telephone = None
        model = MODELS[calls] if isinstance(calls, str) else calls
        self._do("switch on", self._power_on(io, confirm, model, absolute_volume, covers), 10)

    async def _power_on(
        self, io: Io, confirm: Confirm, model: Model | None, absolute_volume: bool, covers: bool
    ) -> None:
        self._handset = Handset(self.name, io, confirm, self._log)
        self._player = Player(self._handset, self._log, absolute_volume, covers, self._codecs)
        if model is not None:
            self._telephone = Telephone(self._handset, self._log, model)
            self._telephone.on_use = self._player.rest
        await self._handset.power_on(self._controller)

    async def _power_off(self) -> None:
        if self._telephone is not None:
            self._telephone.close()
        await self._handset.power_off()

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Phone({self.name!r}, {self.address})"

    def close(self) -> None:
        """Switches the phone off and frees its address."""
        try:
            self._do("switch off", self._power_off(), 5)
        finally:
            self._controller.close()

    # What it sees

    @property
    def events(self) -> list[Event]:
        """Everything the phone saw so far."""
        return self._log.all()

    def wait_event(
        self,
        kind: str,
        timeout: float = 10.0,
        since: float = 0.0,
        matching: Callable[[Event], bool] = lambda _: True,
    ) -> Event:
        """Returns the first such event after `since` (monotonic seconds), waiting if need be."""
        event = self._log.wait(kind, timeout, since, matching)
        if event is None:
            raise self._error(f"saw no {kind!r} within {timeout:g} s")
        return event

    @property
    def connected_to(self) -> str | None:
        """The address of the device at the other end of the link, if there is a link."""
        link = self._handset.link
        return link.peer_address.to_string(with_type_qualifier=False) if link else None

    def discover(self, timeout: float = 6.0) -> list[Found]:
        """Inquires for `timeout` seconds and returns what answered, with names.

        Rootcanal answers inquiries every two seconds: in less than three, seeing nothing means
        nothing.
        """
        return self._do("discover", self._handset.discover(timeout, None), timeout + 20)

    def sees(self, address: str, timeout: float = 6.0) -> Found | None:
        """Inquires until that device answers; None when it did not within `timeout`."""
        found = self._do("discover", self._handset.discover(timeout, address), timeout + 20)
        return next((each for each in found if each.address == address), None)

    # Bonds and links

    def pair(self, address: str, timeout: float = 20.0, bonding: bool = True) -> None:
        """Pairs and encrypts, leaving the link up.

        With `bonding=False` it is the stranger who asks for an encrypted link without a bond.
        """
        what = f"pair with {address}" if bonding else f"authenticate to {address} without bonding"
        self._do(what, self._handset.pair(address, bonding, timeout), timeout)
        self._speaker = address

    def reach(self, address: str | None = None, timeout: float = 15.0) -> None:
        """Pages the bonded speaker and encrypts with the stored key; opens no profile."""
        address = self._address(address)
        self._do(f"reach {address}", self._handset.reach(address, timeout), timeout)

    def connect(self, address: str | None = None, timeout: float = 20.0) -> None:
        """Connects what a phone connects: A2DP up to an open stream, AVRCP if it is there, and
        with `calls` the hands-free profile if it is there.

        The address is needed only by a phone that paired with several speakers.
        """
        address = self._address(address)
        self._do(f"connect to {address}", self._connect(address, timeout), timeout)

    async def _connect(self, address: str, timeout: float) -> None:
        await self._player.connect(address, timeout)
        link = self._handset.link
        if self._telephone and link and await offers(link, BT_HANDSFREE_SERVICE):
            await self._telephone.connect(link)

    async def _connect_hands_free(self) -> None:
        link = await self._handset.reach(self._address(None), _HANDS_FREE_SECONDS)
        await self._calling().connect(link)

    def attack_open_avdtp(self, address: str, timeout: float = 15.0) -> None:
        """Opens the A2DP signalling channel without asking whether we are welcome, on the link
        there is or a new one: what a stranger does after `pair(bonding=False)`. Raises PhoneError
        when it is refused."""
        opened = self._handset.open_channel(address, AVDTP_PSM, timeout)
        self._do("open AVDTP uninvited", opened, timeout)

    def attack_open_avctp(self, address: str, timeout: float = 15.0) -> None:
        """Opens the channel of keys and volume likewise."""
        opened = self._handset.open_channel(address, AVCTP_PSM, timeout)
        self._do("open AVCTP uninvited", opened, timeout)

    def attack_open_hands_free(self, address: str, timeout: float = 15.0) -> None:
        """Opens the channel of the hands-free profile likewise."""
        self._do("open hands-free uninvited", self._intrude(address, timeout), timeout)

    def attack_open_voice(self, address: str, timeout: float = 20.0) -> None:
        """Opens a voice link likewise, with or without the hands-free profile."""
        self._do("open a voice link uninvited", self._intrude_voice(address, timeout), timeout)

    async def _intrude(self, address: str, timeout: float) -> None:
        link = await self._handset.page(address, timeout)
        await self._calling().intrude(link)

    async def _intrude_voice(self, address: str, timeout: float) -> None:
        await self._handset.page(address, timeout)
        await self._calling().audio.intrude()

    def hands_free_record(self, timeout: float = 15.0) -> HandsFreeRecord:
        """Asks the bonded speaker anew what its record says of its hands-free unit."""
        asked = self._ask_hands_free(timeout)
        return self._do("ask for the hands-free record", asked, timeout)

    async def _ask_hands_free(self, timeout: float) -> HandsFreeRecord:
        link = await self._handset.reach(self._address(None), timeout)
        return await self._calling().find(link)

    def is_bonded(self, address: str) -> bool:
        """Says whether this phone keeps a bond with that device."""
        return self._handset.is_bonded(address)

    def forget(self, address: str | None = None) -> None:
        """Deletes the bond on the phone's side ("Forget this device")."""
        address = self._address(address)
        self._do(f"forget {address}", self._handset.forget(address), 5)

    def disconnect(self, timeout: float = 10.0) -> None:
        """Ends the link to the speaker; no harm when there is none."""
        self._do("disconnect", self._handset.hang_up(), timeout)

    def out_of_range(self) -> None:
        """Walks away: both sides lose the link some seconds later (event "disconnected")."""
        if self._in_range:
            self._controller.leave_range()
            self._in_range = False

    def out_of_range_at(self, kind: str) -> None:
        """Walks away in the moment of the next event of this kind: the phone answers nothing that
        comes after it."""
        self._log.once(kind, self.out_of_range)

    def in_range(self) -> None:
        """Comes back."""
        if not self._in_range:
            self._controller.enter_range()
            self._in_range = True

    def link_quality(
        self,
        loss: float = 0.0,
        jitter_ms: float = 0.0,
        seed: int = 0,
        pauses: Sequence[tuple[float, float]] = (),
        slot_ms: float = 0.0,
        clock_ppm: float = 0.0,
    ) -> None:
        """Makes the air lose and delay this phone's media packets, and its clock run too fast (that
        from when it plays next); without arguments, perfect. See `LinkQuality`."""
        self._player.quality = LinkQuality(
            loss, jitter_ms, seed, tuple(pauses), slot_ms, clock_ppm
        )

    # Music

    def play(
        self,
        source: Signal | np.ndarray | str | Path,
        codec: str | None = None,
        rate: int | None = None,
        channels: Channels | Layout | None = None,
        blocks: int = 16,
        subbands: int = 8,
        bitpool: int = 53,
        allocation: Allocation = "loudness",
        bit_rate: int = 256_000,
        seconds: float | None = None,
        frames_per_packet: int | None = None,
        announced: bool = True,
        endless: bool = False,
        timeout: float = 25.0,
    ) -> Playback:
        """Starts playing and returns at once; `wait()` on the result for the end.

        Connects first when it has to, and configures the stream anew when the parameters differ.
        Without a `codec` it is the one that the phone likes best; `blocks` to `allocation` are SBC's,
        `bit_rate` is AAC's. `rate` is the stream's; without it the sound's own. `seconds` cuts the
        sound short. What is not `announced`, such as the ping of a message, is none of its player's.
        What is `endless` is played over and over, until somebody ends it; AAC clicks at each turn.
        """
        codec = codec or self._codecs[0]
        if codec not in self._codecs:
            raise self._error(f"has no codec {codec!r}, only {', '.join(self._codecs)}")
        sound = as_signal(source, rate)
        coding: Coding
        if codec == "aac":
            coding = Aac(rate or sound.rate, channels or "stereo", bit_rate)
        else:
            stream = rate or sound.rate, channels or "joint"
            coding = Sbc(*stream, blocks, subbands, allocation, bitpool)
        pcm = sound.at(coding.rate).pcm(coding.channel_count)
        if seconds is not None:
            pcm = pcm[: round(seconds * coding.rate)]
        tail = _TAIL_FRAMES * coding.frame_samples + -len(pcm) % coding.frame_samples
        frames = coding.encode(np.pad(pcm, ((0, tail), (0, 0))))
        if endless:
            frames = frames[:-_TAIL_FRAMES] + frames[-1:]
        address = self._address(None)
        start = self._player.play(
            address, coding, frames, frames_per_packet, timeout, announced, endless
        )
        return self._do(f"play to {address}", start, timeout)

    @property
    def coding(self) -> Coding | None:
        """What the open stream is coded in."""
        return self._player.source.coding

    def sinks(self, timeout: float = 5.0) -> list[str]:
        """Asks the connected speaker for the codecs of its endpoints, in their order."""
        return self._do("ask for endpoints", self._player.source.sinks(), timeout)

    def suspend(self, timeout: float = 5.0) -> None:
        """Pauses the piece and suspends the stream."""
        self._do("suspend", self._player.suspend(), timeout)

    def stutter(self, starts: bool, timeout: float = 5.0) -> None:
        """Suspends the stream and, if it `starts` it again, does that in the same breath. Returns when
        both have reached the speaker's kernel, whether or not bluetoothd has read them."""
        self._do("stutter", self._player.stutter(starts), timeout)

    def resume(self, timeout: float = 5.0) -> None:
        """Goes on with the paused piece."""
        self._do("resume", self._player.resume(), timeout)

    def stop(self, timeout: float = 5.0) -> None:
        """Ends the piece and suspends the stream; harmless when nothing plays."""
        self._do("stop", self._player.stop(), timeout)

    def linger(self, lingers: bool = True) -> None:
        """Makes the phone keep its stream open while it is paused, as many do for some seconds and
        some for good, or suspend it at once (the default)."""
        self._player.lingers = lingers

    def late_remote(self, seconds: float) -> None:
        """Makes AVRCP come so many seconds (less than ten) after the music, from the phone's side
        only. Set it before the phone connects."""
        self._do("come late with AVRCP", self._player.remote.come_late(seconds), 5)

    # Errors

    def _address(self, given: str | None) -> str:
        address = given or self._speaker
        if address is None:
            raise self._error("does not know which speaker is meant: pair first")
        return address

    def _do(self, what: str, operation: Coroutine[Any, Any, Result], timeout: float) -> Result:
        try:
            return loop.run(operation, timeout)
        except PhoneError as failure:
            raise self._error(f"could not {what}: {failure}", failure.code) from failure
        except TimeoutError:
            raise self._error(f"could not {what} within {timeout:g} s") from None
        except loop.LinkLost as failure:
            raise self._error(f"could not {what}: {failure}") from None
        except core.BaseError as failure:
            raise self._error(f"could not {what}: {failure}", failure.error_code) from failure
        except core.BaseBumbleError as failure:
            raise self._error(f"could not {what}: {failure!r}") from failure

    def _error(self, what: str, code: int | None = None) -> PhoneError:
        seen = "".join(f"\n  {event}" for event in self._log.all()[-_EVENTS_IN_ERRORS:])
        return PhoneError(f"{self.name} {what}; it saw:{seen or ' nothing'}", code)
