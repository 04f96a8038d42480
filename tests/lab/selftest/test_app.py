"""A phone's player app by itself: where it is in its list, by keys and by time."""

import pytest
from bumble.avrcp import PlayStatus
from labkit.phone.app import App, Track

LIST = [
    Track("One", "Anna", "Numbers", "Folk", length_ms=200_000),
    Track("Two", "Anna", "Numbers", "Folk", length_ms=100_000),
    Track("Drei für Ünü", "Ben", length_ms=50_000),
]


class Time:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def app(time):
    """An app with the list, playing."""
    app = App(time)
    app.load(LIST)
    app.set_status(PlayStatus.PLAYING)
    return app


def where(app: App) -> tuple[str, int]:
    return app.track.title, app.position_ms


def test_time_moves_the_position_only_while_the_app_plays(app, time):
    time.now += 2
    assert where(app) == ("One", 2000)
    app.set_status(PlayStatus.PAUSED)
    time.now += 60
    assert where(app) == ("One", 2000)
    app.set_status(PlayStatus.PLAYING)
    time.now += 1
    assert where(app) == ("One", 3000)
    app.set_status(PlayStatus.STOPPED)
    time.now += 1
    assert where(app) == ("One", 0)


def test_tracks_follow_each_other_until_the_list_is_over(app, time):
    assert app.due() == 200
    time.now += 201
    assert where(app) == ("Two", 1000)
    time.now += 100
    assert where(app) == (LIST[2].title, 1000) and not app.over
    time.now += 50
    assert where(app) == ("One", 0) and app.over
    assert app.status == PlayStatus.PAUSED and app.due() is None


def test_long_neglected_the_app_catches_up(app, time):
    time.now += 310
    assert where(app) == (LIST[2].title, 10_000)


def test_a_track_without_length_never_ends(app, time):
    app.load([Track("Radio")])
    time.now += 1e6
    assert where(app) == ("Radio", 1_000_000_000) and app.due() is None


def test_repeat_single_and_all(app, time):
    app.set_repeat("single")
    time.now += 405
    assert where(app) == ("One", 5000)
    app.forward()
    assert where(app) == ("Two", 0)
    app.set_repeat("all")
    time.now += 100 + 50 + 3
    assert where(app) == ("One", 3000)
    app.backward()
    assert where(app) == (LIST[2].title, 0)
    app.forward()
    assert where(app) == ("One", 0)


def test_shuffle_goes_another_way_through_all_tracks_and_back(app):
    app.forward()
    app.set_shuffle(True)
    order = [app.track.title]
    for _ in range(2):
        app.forward()
        order.append(app.track.title)
    assert order == ["Two", LIST[2].title, "One"]
    app.set_shuffle(False)
    app.forward()
    assert app.track.title == "Two"


def test_previous_means_the_beginning_after_three_seconds(app, time):
    app.forward()
    time.now += 3.5
    app.backward()
    assert where(app) == ("Two", 0)
    time.now += 2.5
    app.backward()
    assert where(app) == ("One", 0)
    app.backward()
    assert where(app) == ("One", 0)


def test_seeking_runs_eight_times_as_fast_both_ways(app, time):
    app.seek(1)
    assert app.status == PlayStatus.FWD_SEEK and app.playing
    time.now += 10
    assert where(app) == ("One", 80_000)
    app.seek(-1)
    time.now += 3
    assert where(app) == ("One", 56_000) and app.status == PlayStatus.REV_SEEK
    time.now += 60
    app.seek(0)
    assert where(app) == ("One", 0) and app.status == PlayStatus.PLAYING
    app.seek(1)
    time.now += 26
    assert where(app) == ("Two", 8000)


def test_another_list_begins_anew_and_its_tracks_are_others(app, time):
    time.now += 150
    first = app.uid
    app.load([Track("New", length_ms=1000), *LIST])
    assert where(app) == ("New", 0) and app.uid not in range(first, first + len(LIST))
    assert app.status == PlayStatus.PLAYING


def test_each_track_has_a_number_of_its_own(app):
    assert [track.title for track in app.numbered.values()] == [track.title for track in LIST]
    app.forward()
    assert app.numbered[app.uid] == app.track == LIST[1]
    before = set(app.numbered)
    app.load(LIST)
    assert not before & set(app.numbered)


def test_tracks_that_cannot_be_told_are_refused():
    for wrong in ({"length_ms": 0}, {"title": "ü" * 201}):
        with pytest.raises(ValueError):
            Track(**wrong)
    with pytest.raises(ValueError):
        App().load([])
