"""The bench's own arithmetic: figures, packets counted in a trace, what its peer tells, who is heard on
a recording, and a list of very many phones."""

from types import SimpleNamespace

import numpy as np
import pytest
from labkit import analysis, bench, bench_calls, bench_crowd, bench_household, native, pipewire
from labkit.air import Air
from labkit.attempts import Attempts
from labkit.bench_calls import OneOfMany
from labkit.figures import Figure, delays, of_each
from labkit.hci_pump import SNOOP_HEADER, TO_HOST, trace
from labkit.house import LEVEL, TONES, has_stream
from labkit.link import GuestError
from labkit.phone import Event, Heard, PhoneError
from labkit.recording import Recording, SampleClock, Segment
from labkit.signals import decibel
from labkit.voice import CODECS

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib  # Before Python 3.11 pytest brings it.

ACL, VOICE = 2, 3
BEGAN = 100.0
"""When the recordings of this file begin, on the lab's clock."""
BENT = 1.004
"""How far the speaker's rate servo bends a pitch."""


def test_a_figure_is_a_row_of_the_table_even_with_nothing_in_it():
    assert Figure("delay", "ms", [3.0, 1.0, 2.5], "").row() == "| delay | 2.5 ms | 1 - 3 | 3 |"
    assert Figure("delay", "ms", [133.33], "").row() == "| delay | 133.3 ms |  | 1 |"
    empty = Figure("delay", "ms", [], "")
    assert empty.median is None and empty.row() == "| delay | none |  | 0 |"


def test_each_process_has_a_figure():
    readings = [{"dotd": 1.0, "PipeWire": 2.0}, {"dotd": 3.0, "PipeWire": 4.0}]
    figures = of_each("CPU of {}", "s", readings, "how")
    assert [(each.name, each.values) for each in figures] == [
        ("CPU of dotd", [1.0, 3.0]),
        ("CPU of PipeWire", [2.0, 4.0]),
    ]
    assert of_each("CPU of {}", "s", [], "how") == []


def test_a_peer_s_figure_stands_behind_the_speaker_s():
    names = ["a", "b", f"a{native.Native.suffix}", f"c{native.Native.suffix}"]
    figures = [Figure(name, "", [], "") for name in names]
    assert [each.name for each in bench.beside(figures)] == [names[0], names[2], names[1], names[3]]


def test_delays_leave_out_what_is_not_found():
    found = [0.05, 1.08, 2.9]
    assert delays(found, [0.0, 1.0, 2.0, 3.0], 0.7) == pytest.approx([50, 80])


def test_packets_of_voice_are_counted_once_also_in_pieces(tmp_path):
    path = tmp_path / "hci0.btsnoop"
    whole = tmp_path / "whole"
    with open(whole, "wb") as file:
        file.write(SNOOP_HEADER)
        for direction in (TO_HOST, TO_HOST, 0):
            trace(file, bytes([ACL, 1, 0, 2, 0, 7, 7]), direction)
            trace(file, bytes([VOICE, 1, 0, 60]) + bytes(60), direction)
    data = whole.read_bytes()
    with open(path, "wb", buffering=0) as file:
        file.write(data[:16])
        with Air(path) as air:
            assert air.count() == (0, 0)
            counts = []
            for byte in range(16, len(data)):
                file.write(data[byte : byte + 1])
                counts.append(air.count())
    assert np.sum(counts, axis=0).tolist() == [2, 1]


@pytest.mark.parametrize("codec", ["cvsd", "msbc"])
def test_clicks_of_a_call_survive_its_codec(codec):
    codec = CODECS[codec]
    sound = bench_calls.click_sound(5, codec.rate)
    encoder, decoder = codec.encoder(), codec.decoder()
    pcm, size = sound.pcm(1)[:, 0], codec.frame_samples
    heard = Heard()
    for at in range(0, len(pcm) - size + 1, size):
        packet = encoder.encode(pcm[at : at + size])
        # As if each frame came just when its last sample was due.
        arrived = (at + size) / codec.rate
        heard.add(arrived, packet, codec.rate, decoder.decode(packet))
    found = analysis.click_times(heard.samples, codec.rate, bench_calls.CLICK_HZ)
    times = [bench_calls.at_the_ear(heard, round(each * codec.rate), codec) for each in found]
    marks = [mark / codec.rate for mark in sound.marks]
    late = delays(times, marks[bench_calls.SETTLING :], bench_calls.CLICK_EVERY)
    frame = 1000 * size / codec.rate
    assert len(late) == 5
    assert np.ptp(late) < 0.2, "where in its frame a click falls must not matter"
    assert frame - 0.1 < late[0] < frame + 6, "a frame, and what the codec itself delays"


def test_the_first_sound_after_a_moment_is_found_whatever_the_format():
    def segment(start, rate, first):
        samples = np.zeros((rate, 2), np.float32)
        samples[first:] = 0.1
        return Segment(samples, SampleClock(rate, start, 0.0), "S16_LE")

    silent, loud = segment(10.0, 48000, 48000), segment(11.5, 44100, 4410)
    played = Recording("one", [silent, loud])
    assert bench_calls.first_audible(played, 10.5) == pytest.approx(11.6)
    assert bench_calls.first_audible(played, 12.0) == pytest.approx(12.0, abs=1e-4)
    with pytest.raises(bench_calls.GuestError):
        bench_calls.first_audible(Recording("two", [silent]), 10.0)


class Fragile:
    """A call taker that has to be started anew after every failure."""

    suffix = ", of glass"
    pi = SimpleNamespace(machine=SimpleNamespace(alive=True))

    def __init__(self):
        self.recoveries = 0

    def recover(self, _):
        self.recoveries += 1
        raise PhoneError("and does not come back")


def test_failures_are_counted_until_it_is_of_no_use():
    taker, tried = Fragile(), []
    attempts = Attempts(taker, None)
    for number in attempts.up_to(9):
        with attempts.one(f"call {number}"):
            tried.append(number)
            if number in (2, 4, 5, 6):
                raise PhoneError("it could not speak: no\n voice; it saw:\n  much")
    figure = attempts.figure()
    assert tried == [1, 2, 3, 4, 5, 6] and taker.recoveries == 4
    assert (figure.name, figure.text) == ("attempts that failed, of glass", "4 of 6")
    assert figure.how.startswith("call 2: it could not speak: no voice; call 4: ")


def test_what_is_no_failure_of_the_calls_ends_the_bench():
    attempts = Attempts(Fragile(), None)
    with pytest.raises(ZeroDivisionError), attempts.one("a call"):
        _ = 1 / 0


def test_calls_that_failed_leave_holes():
    call = OneOfMany(300.0, 200.0, 100.0, 133.0, 132.0, 1.0)
    figures = {each.name: each.values for each in bench_calls.pace({2: call, 3: call}, 3, "")}
    assert figures["SCO packets from the speaker, 3 calls in a row"] == [132.0, 132.0]
    assert figures["SCO packets from the speaker, the first call"] == []
    assert figures["SCO packets to the speaker, call 3"] == [133.0]
    both, *_ = bench_calls.answering([call], "")
    assert both.values == [300.0]


def test_the_peer_s_calls_and_cards_are_read():
    state = {"State": {"type": "s", "data": "incoming"}}
    objects = {"/ag1/call1": {native.CALL: state}, "/ag1/other": {"org.example": {}}}
    assert native.states(objects) == {"/ag1/call1": "incoming"}
    dump = [
        {"info": None},
        {"info": {"props": {"media.class": "Audio/Sink", "api.alsa.path": "front:0"}}},
        {"info": {"props": {"media.class": "Audio/Source"}}},
    ]
    assert pipewire.card_ends(dump) == {"Audio/Sink"}


def test_what_failed_says_nothing_of_another_kind():
    def fails():
        raise PhoneError("it does not answer")

    attempts = Attempts(Fragile(), None, "nothing")
    assert attempts.series("call", 9, fails) == []
    assert attempts.series("song", 2, iter((1, 2)).__next__) == [1, 2]
    figure = attempts.figure()
    assert figure.text == "3 of 5" and figure.how.startswith("call 1: it does not answer; call 2: ")


# A household


def played(*tones, rate=48000, seconds=2.0, seed=1):
    """A recording of tones, each a frequency and its amplitude at each time, in some noise."""
    times = np.arange(round(seconds * rate)) / rate
    mono = np.random.default_rng(seed).normal(0, decibel(-60), len(times))
    for frequency, amplitude in tones:
        mono += decibel(LEVEL) * amplitude(times) * np.sin(2 * np.pi * BENT * frequency * times)
    samples = np.stack([mono, mono], axis=1).astype(np.float32)
    return Recording("one", [Segment(samples, SampleClock(rate, BEGAN, 0.0), "S16_LE")])


def until(end, fade=1e-6):
    """The amplitude of what is over at this time, by when it has faded out."""
    return lambda times: np.clip((end - times) / fade, 0, 1)


def since(begin, fade=1e-6):
    """The amplitude of what begins at this time, and fades in."""
    return lambda times: np.clip((times - begin) / fade, 0, 1)


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("begin", [0.7013, 0.9013], ids=["together for a while", "after a pause"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_known_when_one_phone_is_silent_and_the_other_audible(rate, begin, seed):
    heard = played(
        (TONES[0], until(0.8021)), (TONES[1], since(begin)), rate=rate, seed=seed
    )
    turn = bench_household.turn(heard, BEGAN + 0.6)
    assert turn.silent == pytest.approx(202.1, abs=3)
    assert turn.audible == pytest.approx((begin - 0.6) * 1000, abs=3)


def test_a_phone_that_fades_out_is_heard_until_it_is_20_db_softer():
    heard = played((TONES[0], until(0.8, 0.05)), (TONES[1], since(0.9, 0.01)))
    turn = bench_household.turn(heard, BEGAN + 0.6)
    assert turn.silent == pytest.approx(195, abs=3)
    assert turn.audible == pytest.approx(301, abs=3)


@pytest.mark.parametrize(
    ("tones", "why"),
    [
        ([(TONES[0], until(0.8))], "not heard at all"),
        ([(TONES[1], since(0.8))], "not heard at all"),
        ([(TONES[0], until(9.0)), (TONES[1], since(0.8))], "not heard to end"),
        ([(TONES[0], until(0.5)), (TONES[1], since(0.8))], "not heard to end"),
        ([(TONES[0], until(0.8)), (TONES[1], since(0.3))], "before it played"),
    ],
    ids=["nobody new", "nobody before", "it plays on", "it had ended", "too early"],
)
def test_what_is_no_takeover_is_no_value(tones, why):
    with pytest.raises(GuestError, match=why):
        bench_household.turn(played(*tones), BEGAN + 0.6)


@pytest.mark.parametrize(("old", "new"), [(1.0, 0.216), (0.216, 1.0)], ids=["down", "up"])
@pytest.mark.parametrize("seed", range(3))
def test_a_volume_has_moved_when_it_is_half_way(old, new, seed):
    ramp = since(0.85, 0.02)
    heard = played((TONES[0], lambda times: old + (new - old) * ramp(times)), seed=seed)
    assert bench_household.moved(heard, BEGAN + 0.7) == pytest.approx(160, abs=1)


def test_a_volume_that_stays_is_no_value():
    for amplitude in (lambda _: 1.0, lambda _: 0.01, until(0.85)):
        with pytest.raises(GuestError):
            bench_household.moved(played((TONES[0], amplitude)), BEGAN + 0.7)


@pytest.mark.parametrize(
    ("events", "rests"),
    [
        ([], False),
        (["configured", "open"], True),
        (["open", "streaming"], False),
        (["streaming", "suspended"], True),
        (["suspended", "closed"], False),
        (["suspended", None], False),
    ],
)
def test_a_phone_has_a_stream_that_rests(events, rests):
    def event(state):
        if state is None:
            return Event(0.0, "profile", {"name": "a2dp", "open": False})
        return Event(0.0, "stream", {"state": state})

    seen = [*map(event, events), Event(0.0, "profile", {"name": "avrcp", "open": True})]
    assert has_stream(SimpleNamespace(events=seen)) == rests


@pytest.mark.parametrize("count", [bench_crowd.FEW, bench_crowd.MANY])
def test_a_long_list_is_one_that_dotd_can_read(count):
    text = bench_crowd.state_of(count)
    state = tomllib.loads(text)
    assert state["version"] == 1
    assert len({each["address"] for each in state["phones"]}) == count
    assert len({each["name"] for each in state["phones"]}) == count
    first, last = state["phones"][0], state["phones"][-1]
    assert set(first) == {"address", "name", "first-seen", "last-seen"}
    assert last["address"] == f"02:00:00:00:{(count - 1) >> 8:02X}:{(count - 1) & 255:02X}"


def test_starts_with_a_list_have_figures_even_without_any():
    start = bench_crowd.Start(600.0, 700.0, 0.5, 8.0, 50.0)
    rows = {each.name: each.values for each in bench_crowd.figures([start], 10_000)}
    assert rows["dotctl phones, 10,000 phones in the list"] == [50.0]
    assert all(each.median is None for each in bench_crowd.figures([], 3))
