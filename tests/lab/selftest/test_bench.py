"""The bench's own arithmetic: figures, packets counted in a trace, what its peer tells."""

from types import SimpleNamespace

import numpy as np
import pytest
from labkit import analysis, bench, bench_calls, native
from labkit.air import Air
from labkit.attempts import Attempts
from labkit.bench_calls import OneOfMany
from labkit.figures import Figure, delays, of_each
from labkit.hci_pump import SNOOP_HEADER, TO_HOST, trace
from labkit.phone import Heard, PhoneError
from labkit.recording import Recording, SampleClock, Segment
from labkit.voice import CODECS

ACL, VOICE = 2, 3


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
    assert native.card_ends(dump) == {"Audio/Sink"}
