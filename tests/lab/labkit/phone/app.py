"""The player app of a virtual phone: a list of tracks, the place in it, shuffle and repeat.

It makes no sound. What the speaker hears is the piece that `Phone.play` sends; the app is what the
phone says about it. No Bluetooth and no timers here, and the clock comes in.

Invariant: the current track is one of the list and the position within it; time moves the position
only while the app plays or seeks, and `marks` counts whatever else moved it or its speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from bumble.avrcp import PlayStatus

from labkit import clock

Repeat = Literal["off", "single", "all"]

NAME = "Lab Music"
SEEK_SPEED = 8
"""How many times as fast the position runs while a seek key is held."""
RESTART_MS = 3000
"""Later than this in a track, "previous" means its beginning."""
MOST_TEXT = 400
"""Bytes of text a track may have: what is told of it goes out in one AV/C frame of 512."""


@dataclass(frozen=True)
class Track:
    """One track, as far as the phone tells of it: what is None, it does not tell.

    `number` is its number on the album; without `length_ms` (milliseconds) it never ends. `cover`
    is a JPEG (covers.py draws some), for phones that have covers.
    """

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genre: str | None = None
    number: int | None = None
    length_ms: int | None = None
    cover: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.length_ms is not None and self.length_ms <= 0:
            raise ValueError(f"a track of {self.length_ms} ms has no end to reach")
        texts = (self.title, self.artist, self.album, self.genre)
        if sum(len(text.encode()) for text in texts if text) > MOST_TEXT:
            raise ValueError(f"the texts of a track have {MOST_TEXT} bytes at most")


DEFAULT = Track("Test piece", "The lab", "dotd")
"""What a phone has that was not given a list."""


class Shown(NamedTuple):
    """What a speaker can be told of, at one moment."""

    status: PlayStatus
    uid: int
    shuffle: bool
    repeat: Repeat
    marks: int


class App:
    """The app. `now` tells seconds; `over` is set when a list has ended and reset by who saw it."""

    def __init__(self, now: Callable[[], float] = clock.now) -> None:
        self.name = NAME
        self.over = False
        self.shuffle = False
        self.repeat: Repeat = "off"
        self.tracks: list[Track] = [DEFAULT]
        self._now = now
        self._status = PlayStatus.STOPPED
        self._seeking = 0
        self._first_uid = 1
        self._order = [0]
        self._place = 0
        self._at = 0.0
        self._since = now()
        self._marks = 0

    @property
    def shown(self) -> Shown:
        """What there is to tell now."""
        self._settle()
        return Shown(self.status, self.uid, self.shuffle, self.repeat, self._marks)

    @property
    def playing(self) -> bool:
        """Whether it plays, also while it seeks from there."""
        self._settle()
        return self._status == PlayStatus.PLAYING

    @property
    def status(self) -> PlayStatus:
        """What AVRCP calls what the app does: seeking is a state of its own."""
        self._settle()
        if self._seeking:
            return PlayStatus.FWD_SEEK if self._seeking > 0 else PlayStatus.REV_SEEK
        return self._status

    @property
    def track(self) -> Track:
        """The current track."""
        self._settle()
        return self.tracks[self._order[self._place]]

    @property
    def uid(self) -> int:
        """The number that only this track of this list has."""
        self._settle()
        return self._first_uid + self._order[self._place]

    @property
    def numbered(self) -> dict[int, Track]:
        """The list's tracks by the numbers that only they have."""
        return dict(enumerate(self.tracks, self._first_uid))

    @property
    def position_ms(self) -> int:
        """How far into the track, in milliseconds."""
        self._settle()
        return int(self._here())

    def due(self) -> float | None:
        """Seconds until the track ends at today's speed; None when it does not."""
        length = self.tracks[self._order[self._place]].length_ms
        if length is None or self._speed <= 0:
            return None
        return (length - self._here()) / 1000 / self._speed

    # What its user, or the speaker, does

    def load(self, tracks: Sequence[Track]) -> None:
        """Takes another list and goes to its first track, playing on if it plays."""
        if not tracks:
            raise ValueError("a list needs a track")
        self._settle()
        self._first_uid += len(self.tracks)
        self.tracks = list(tracks)
        self._order = [0]
        self._go(0)
        self.set_shuffle(self.shuffle)

    def set_status(self, status: PlayStatus) -> None:
        """Plays, pauses or stops (`PlayStatus`); who stops goes back to the track's beginning."""
        self._settle()
        if status == self._status:
            return
        here = 0.0 if status == PlayStatus.STOPPED else self._here()
        self._status = status
        if status == PlayStatus.STOPPED:
            self._seeking = 0
        self._mark(here)

    def forward(self) -> None:
        """Goes to the next track; there is none after the last, unless all repeat."""
        self._settle()
        self._skip(1)

    def backward(self) -> None:
        """Goes to the beginning of the track, or from there to the previous one if it has one."""
        self._settle()
        if self._here() > RESTART_MS or not self._skip(-1):
            self._go(self._place)

    def seek(self, direction: int) -> None:
        """Begins to run forwards (1) or backwards (-1), or ends that (0); not while stopped."""
        self._settle()
        direction = 0 if self._status == PlayStatus.STOPPED else direction
        if direction != self._seeking:
            here = self._here()
            self._seeking = direction
            self._mark(here)

    def jump(self, position_ms: int) -> None:
        """Moves the position within the track."""
        self._settle()
        length = self.track.length_ms
        self._mark(max(0, position_ms if length is None else min(position_ms, length)))

    def set_shuffle(self, on: bool) -> None:
        """Shuffles what follows, or puts the list in order; the current track goes on.

        Shuffled, the others come backwards: an order that a test can tell from the list's.
        """
        self._settle()
        current = self._order[self._place]
        everything = range(len(self.tracks))
        others = [each for each in reversed(everything) if each != current]
        self._order = [current, *others] if on else list(everything)
        self._place = self._order.index(current)
        self.shuffle = on

    def set_repeat(self, repeat: Repeat) -> None:
        """Chooses what follows the end of a track: see `Repeat`."""
        if repeat not in get_args(Repeat):
            raise ValueError(f"{repeat!r} is none of {get_args(Repeat)}")
        self._settle()
        self.repeat = repeat

    # Within

    @property
    def _speed(self) -> int:
        return self._seeking * SEEK_SPEED if self._seeking else self._status == PlayStatus.PLAYING

    def _here(self) -> float:
        return max(0.0, self._at + (self._now() - self._since) * 1000 * self._speed)

    def _mark(self, at: float) -> None:
        self._at, self._since = at, self._now()
        self._marks += 1

    def _go(self, place: int) -> None:
        self._place, self._seeking = place, 0
        self._mark(0.0)

    def _skip(self, step: int) -> bool:
        place = self._place + step
        if self.repeat == "all":
            place %= len(self._order)
        if not 0 <= place < len(self._order):
            return False
        self._go(place)
        return True

    def _settle(self) -> None:
        """Goes on to the tracks that have begun since somebody looked."""
        while (left := self.due()) is not None and left <= 0:
            self._end(-left * 1000 * self._speed)

    def _end(self, beyond: float) -> None:
        """The track has ended, by so many milliseconds; a list that is over waits at its top."""
        last = self._place + 1 == len(self._order)
        if self.repeat == "single":
            self._mark(beyond)
        elif not last or self.repeat == "all":
            self._place = 0 if last else self._place + 1
            self._mark(beyond)
        else:
            self._status = PlayStatus.PAUSED
            self.over = True
            self._go(0)
