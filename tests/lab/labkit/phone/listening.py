"""The player app and the volume as scenarios use them: the listening half of `Phone`'s methods.

Invariant: as in phone.py; what the user does here is told to a speaker that asked to know before
the method returns, and what the speaker does with its keys shows here and as events.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from labkit.phone.app import Repeat, Track
from labkit.phone.player import Player

Result = TypeVar("Result")

_SECONDS = 5.0
"""More than anything takes that happens on the phone alone."""


class Listening:
    """What a phone does with its player app besides playing sound."""

    _player: Player

    def _do(self, what: str, operation: Coroutine[Any, Any, Result], timeout: float) -> Result:
        raise NotImplementedError

    # The app

    @property
    def app(self) -> str:
        """The app's name. BlueZ asks for it once, soon after it has connected: set it before."""
        return self._player.remote.app.name

    @app.setter
    def app(self, name: str) -> None:
        self._player.remote.app.name = name

    def load(self, tracks: Sequence[Track]) -> None:
        """Gives the app a list and goes to its first track; whoever plays plays on.

        A track without a number gets its place in the list. The tracks' lengths are independent of
        the sound that `play` sends: when the list is over, the phone pauses at its first track, and
        a play key goes on with the sound from there. Only a phone that has covers takes tracks
        that have.
        """
        numbered = [
            track if track.number is not None else replace(track, number=place)
            for place, track in enumerate(tracks, 1)
        ]
        self._do("load a list", self._player.remote.load(numbered), _SECONDS)

    def metadata(self, **fields: str) -> None:
        """Sets what the phone answers about its music: title, artist, album, genre. It becomes a
        list of one track without end, of which nothing else is told."""
        self._do("load a track", self._player.remote.load([Track(**fields)]), _SECONDS)

    @property
    def track(self) -> Track:
        """The current track."""
        return self._do("look at the app", self._player.remote.place(), _SECONDS)[0]

    @property
    def position_ms(self) -> int:
        """How far into the current track, in milliseconds."""
        return self._do("look at the app", self._player.remote.place(), _SECONDS)[1]

    def skip(self, back: bool = False) -> None:
        """The user taps next, or previous: the track's beginning, if it is more than 3 s old."""
        self._do("skip", self._player.remote.skip(back), _SECONDS)

    def jump(self, position_ms: int) -> None:
        """The user drags the position within the track, to so many milliseconds."""
        self._do("jump", self._player.remote.jump(position_ms), _SECONDS)

    @property
    def shuffle(self) -> bool:
        """Whether the list is shuffled."""
        return self._player.remote.app.shuffle

    def set_shuffle(self, on: bool) -> None:
        """The user shuffles the list ("all tracks"), or puts it in order. The current track goes
        on; shuffled, the others follow it backwards."""
        self._do("set shuffle", self._player.remote.choose("shuffle", on), _SECONDS)

    @property
    def repeat(self) -> Repeat:
        """What is repeated: "off", "single" or "all"."""
        return self._player.remote.app.repeat

    def set_repeat(self, repeat: Repeat) -> None:
        """The user chooses what is repeated: "off", "single" or "all"."""
        self._do("set repeat", self._player.remote.choose("repeat", repeat), _SECONDS)

    # The remote control

    def obey(self, obedient: bool = True) -> None:
        """Makes the phone follow the speaker's keys and settings (the default), or ignore the keys
        and refuse the settings."""
        self._player.remote.obedient = obedient

    @property
    def volume(self) -> int | None:
        """The absolute volume (0-127) as the phone knows it; None before it knows one."""
        return self._player.remote.volume

    def set_volume(self, volume: int, timeout: float = 5.0) -> int:
        """Moves the phone's slider (0-127); returns the volume the speaker took."""
        return self._do("set the volume", self._player.remote.set_volume(volume), timeout)
