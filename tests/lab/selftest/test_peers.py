"""The bench beside its peers: traces, what a recording of the piece tells, the table and the picture."""

import itertools

import numpy as np
import pytest
from labkit import bench_peers, rasters, signals, traces
from labkit.bench_peers import Heard, piece
from labkit.comparison import MISSING, Comparison, Run
from labkit.phone.playback import LinkQuality
from labkit.recording import SampleClock, Segment
from labkit.sbc import Sbc

BEGAN = 100.0
RATE = 44100


def test_the_air_is_closed_in_its_pauses():
    quality = LinkQuality(pauses=((1.0, 1.1), (2.0, 2.5)))
    moments = [0.0, 0.999, 1.0, 1.05, 1.1, 1.7, 2.4, 9.0]
    assert [quality.opened(each) for each in moments] == [0.0, 0.999, 1.1, 1.1, 1.1, 1.7, 2.5, 9.0]
    assert LinkQuality().opened(3.0) == 3.0


@pytest.mark.parametrize("seed", range(5))
def test_wi_fi_leaves_bluetooth_enough_for_music(seed):
    pauses = traces.coexistence(60, seed)
    assert pauses == traces.coexistence(60, seed) != traces.coexistence(60, seed + 1)
    gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(pauses)]
    assert min(gaps) > 0.03, "a pause begins before the one before it is over"
    taken = np.array([end - begin for begin, end in pauses])
    assert np.all(np.isclose(taken, traces.BEACON) | (taken > 0.299 * traces.BEACONS))
    assert 0.25 < np.mean(taken > 2 * traces.BEACON) < 0.75, "half of the time there is a transfer"
    # Packets of 14.5 ms wait for the end of a pause and then take a slot each.
    worst = max(lateness(pauses, traces.SLOT / 1000))
    assert 0.06 < worst < 0.12


def lateness(pauses, slot, every=0.0145):
    """By how much each packet of a minute is late."""
    quality, free = LinkQuality(pauses=pauses), 0.0
    for number in range(int(60 / every)):
        free = quality.opened(max(free + slot, number * every))
        yield free - number * every


def test_each_trace_is_what_a_phone_can_be_told():
    for trace in traces.TRACES.values():
        quality = LinkQuality(**trace.quality(10, 1))
        assert (quality == LinkQuality()) == (trace.name == "clean")


def heard(delay=0.1, seconds=12.0, spoil=lambda samples: None, bend=1.0):
    """What a speaker with this delay plays of the piece, coded and decoded."""
    sound, coding = piece(seconds), Sbc()
    pcm = sound.pcm(2)
    frames = coding.encode(np.pad(pcm, ((0, -len(pcm) % coding.frame_samples), (0, 0))))
    samples = coding.decode(frames).astype(np.float32) / 32768
    if bend != 1.0:
        places = np.arange(0, len(samples) - 1, bend)
        both = [np.interp(places, np.arange(len(samples)), each) for each in samples.T]
        samples = np.stack(both, axis=1)
    spoil(samples)
    clock = SampleClock(RATE, BEGAN + delay, 0.0)
    judged = Heard(Segment(samples, clock, "S16_LE"), BEGAN + 1, BEGAN + seconds - 1)
    judged.judge()
    return judged, [BEGAN + mark / RATE for mark in sound.marks]


def test_a_whole_piece_has_no_fault_and_one_delay():
    judged, sent = heard()
    assert judged.faults == []
    assert max(map(abs, judged.bends)) < 1
    delays = [late for _, late in judged.latencies(sent)]
    assert len(delays) == 13
    # SBC itself takes 73 samples.
    assert delays == pytest.approx([100 + 73 / 44.1] * len(delays), abs=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_every_gap_is_found_at_its_place(seed):
    dice = np.random.default_rng(seed)
    places = 2.0 + np.arange(8) + dice.uniform(0, 0.5, 8)

    def spoil(samples):
        for place in places:
            first = round(place * RATE)
            samples[first : first + round(dice.uniform(0.005, 0.05) * RATE)] = 0

    judged, _ = heard(spoil=spoil)
    # As the recording's clock says, and as seconds of what is judged.
    expected = places + 0.1 - 1
    assert [moment for moment, _ in judged.faults] == pytest.approx(expected, abs=0.03)
    assert {kind for _, kind in judged.faults} == {"gap"}


def test_samples_left_out_are_a_fault_and_a_shorter_delay():
    def spoil(samples):
        at = 5 * RATE
        samples[at:-256] = samples[at + 256 :].copy()

    judged, sent = heard(spoil=spoil)
    assert [kind for _, kind in judged.faults] == ["jump"]
    delays = [late for _, late in judged.latencies(sent)]
    assert max(delays) - min(delays) == pytest.approx(256 / 44.1, abs=0.2)


def test_a_bent_pitch_is_measured_and_no_fault():
    judged, _ = heard(bend=1.0005)
    assert judged.faults == []
    assert judged.bends == pytest.approx([500] * len(judged.bends), abs=3)


def test_a_speaker_that_falls_silent_has_no_faults_but_silence():
    def spoil(samples):
        samples[3 * RATE :] = 0

    judged, sent = heard(spoil=spoil)
    assert judged.silent in (7, 8)
    assert judged.faults == judged.bends == []
    assert len(judged.latencies(sent)) < 5


def run(speaker="dotd", trace="clean", number=1, late=50.0, told=52.0, faults=0, slope=0.0):
    return Run(
        speaker=speaker,
        trace=trace,
        number=number,
        seconds=30.0,
        cpu={"dotd": 1.0, "PipeWire": 0.5},
        memory={"dotd": 9.0, "PipeWire": 3.0},
        told=told,
        phone_late=0.1,
        audible=80.0,
        latencies=[(at, late + slope * at / 3600) for at in range(30)],
        faults=[(1.0 + at, "gap") for at in range(faults)],
        bends=[0.0, -20.0, 10.0],
    )


def cells(comparison):
    lines = comparison.table().splitlines()
    assert lines[1] == "|---|---|---|"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]
    return {label: row for label, *row in rows}


def test_the_table_has_medians_of_runs_and_says_where_nothing_was_measured():
    runs = [run(number=n, late=40.0 + 10 * n, faults=n - 1) for n in (1, 2, 3)]
    runs += [run("PipeWire", told=None, late=80.0), run(trace="drift", slope=36.0)]
    comparison = Comparison(["dotd", "PipeWire"], runs, ["PipeWire: it broke"])
    table = cells(comparison)
    assert table[""] == ["dotd", "PipeWire"]
    assert table["latency, clean: median (p95, p99)"] == ["60.0 ms (70, 70)", "80.0 ms (80, 80)"]
    assert table["faults a minute, clean"] == ["2 (up to 4)", "0"]
    assert table["pitch, the worst second, clean"] == ["20 ppm", "20 ppm"]
    assert table["told to the phone, less what the clicks say, clean"] == ["-8.0 ms", "nothing told"]
    assert table["CPU for a minute, all processes, clean"] == ["1.5 s (1.5 - 1.5)", "1.5 s"]
    assert table["drift, the phone's clock 100 ppm fast"] == ["+36.0 ms/h", MISSING]
    assert table["turns that failed"] == ["0", "1"]


def test_a_run_in_which_no_click_was_heard_leaves_holes(tmp_path):
    silent = run()
    silent.latencies, silent.bends = [], []
    comparison = Comparison(["dotd"], [silent])
    assert "none" in silent.text
    assert f"| latency, clean: median (p95, p99) | {MISSING} |" in comparison.table()
    rasters.draw(comparison, tmp_path / "empty.png")


def test_the_picture_is_drawn(tmp_path):
    runs = [run(name, trace, n) for name in ("a", "b") for trace in ("clean", "jitter") for n in (1, 2)]
    rasters.draw(Comparison(["a", "b"], runs), tmp_path / "runs.png")
    assert (tmp_path / "runs.png").read_bytes().startswith(b"\x89PNG")


class Fragile(bench_peers.Speaker):
    """A speaker that breaks when it is to rise, or to fall."""

    name, processes = "glass", {}

    def __init__(self, breaks):
        self.breaks, self.fell = breaks, 0
        self.pi = type("Pi", (), {"machine": type("Machine", (), {"alive": True})})

    def rise(self, phone):
        self._may_break("rise")

    def fall(self, phone):
        self.fell += 1
        self._may_break("fall")

    def _may_break(self, when):
        if when in self.breaks:
            raise bench_peers.PhoneError(f"it broke in its {when}; it saw:\n much")

    def _start(self): ...

    def _stop(self): ...


class Nobody:
    def link_quality(self): ...


@pytest.mark.parametrize("breaks", [("rise",), ("fall",), ("rise", "fall")])
def test_what_goes_wrong_ends_a_turn_and_is_told(breaks):
    failures, speaker = [], Fragile(breaks)
    assert list(bench_peers.turn(speaker, Nobody(), [], 1.0, 1, failures)) == []
    assert failures == [f"glass: it broke in its {each}" for each in breaks]
    assert speaker.fell == 1


def test_the_piece_has_its_tone_on_the_left_and_its_clicks_on_the_right():
    sound = piece(3.0)
    assert len(sound.marks) == 4
    left, right = sound.samples.T
    tone = signals.tone(bench_peers.TONE, 3.0, bench_peers.TONE_LEVEL).samples[:, 0]
    assert np.array_equal(left, tone) and np.count_nonzero(right) < 0.01 * len(right)
