"""`lab bench`: the speaker in numbers, as JSON and as a table.

All in one boot of one virtual Pi, each figure the median of ten or more with its spread; its peer
has a boot of its own, because two of them cannot share an adapter and a card. No figure is a pass
or a fail: they are compared over time, and with others measured in the same run.

Invariant: every time is taken on the host's monotonic clock, to which recordings, phones and the
guest's journal are mapped; the way of measuring stands beside each figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from labkit import (
    analysis,
    bench_calls,
    bench_codecs,
    bench_household,
    bench_peers,
    clock,
    signals,
    starting,
)
from labkit.call_taker import DOTD, CallTaker, Dotd
from labkit.figures import Figure, costs, delays, memory, of_each, wake_ups
from labkit.laboratory import Laboratory, Parts
from labkit.native import Native
from labkit.phone import Phone
from labkit.pi import Pi
from labkit.radio import Radio
from labkit.rasters import draw
from labkit.speakers import PEERS
from labkit.traces import TRACES

PARTS = {
    "start": "the speaker's own start, and its size",
    "pairing": "phones that pair",
    "music": "what a phone plays: delays, CPU, memory",
    "codecs": "what each codec takes, in instructions",
    "household": "three phones: who takes over, who comes back; and a list of 10,000",
    "calls": "calls that are taken with dotd",
    "peer": "calls that are taken with PipeWire's native backend",
}
PHONE = "Anna's iPhone"
CLICK_EVERY = 0.7
SUSPENDED = 8.0
"""Seconds after which a card that nobody plays to is closed for sure."""
RESTING = 6.0
"""Seconds over which a speaker at rest is watched."""
LAB_HEADROOM = "/usr/share/wireplumber/wireplumber.conf.d/lab.conf"
"""What makes the card deaf to stalls of the host, at the price of 43 ms."""


def main(arguments: list[str] | None = None) -> int:
    """Measures what is asked for and prints the table."""
    parser = argparse.ArgumentParser(
        prog="lab bench",
        epilog="parts: " + "; ".join(f"{name}: {what}" for name, what in PARTS.items()),
    )
    parser.add_argument("--to", type=Path, default=Path("bench.json"), help="the JSON file")
    parser.add_argument(
        "--repeat", type=int, help="values behind each median (10; with --against 5 runs)"
    )
    parser.add_argument(
        "--minutes", type=float, default=1.0, help="of music and of a call, for CPU and memory"
    )
    parser.add_argument("--calls", type=int, default=20, help="in a row")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help="see below"
    )
    add_comparison(parser)
    options = parser.parse_args(arguments)
    if options.against:
        compare(options)
        return 0
    options.repeat = options.repeat or 10
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="dotd-bench-") as artifacts, Radio() as radio:
        laboratory = Laboratory(Parts.from_environment(), Path(artifacts), radio)
        try:
            for figure in measure(laboratory, options):
                print(f"{figure.name}: {figure.text}", flush=True)
                figures.append(figure)
        finally:
            write(figures, options.to)
            laboratory.close()
    return 0


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """Adds what only the comparison with peers takes."""
    group = parser.add_argument_group(
        "beside its peers",
        "Music instead of the parts above: latency, faults, CPU and memory on the same traces, in "
        "turn, in one boot; a table, a JSON file and a picture beside that. Traces: "
        + "; ".join(f"{each.name}: {each.what}" for each in TRACES.values()),
    )

    def names(known: Iterable[str]) -> Callable[[str], list[str]]:
        def read(text: str) -> list[str]:
            given = text.split(",")
            if unknown := [each for each in given if each not in known]:
                raise argparse.ArgumentTypeError(f"no {unknown[0]!r} among {', '.join(known)}")
            return given

        return read

    group.add_argument("--against", type=names(PEERS), metavar="PEER,...", help=", ".join(PEERS))
    group.add_argument("--traces", type=names(TRACES), metavar="TRACE,...", help="default: all")
    group.add_argument("--seconds", type=float, default=30.0, help="of each trace (30)")
    group.add_argument("--drift", type=float, default=10.0, help="minutes of drift, 0 for none (10)")


def compare(options: argparse.Namespace) -> None:
    """Measures dotd and its peers in turn, and prints the table."""
    plan = bench_peers.Plan(
        options.against,
        options.traces or tuple(TRACES),
        options.repeat or 5,
        options.seconds,
        options.drift,
    )
    with tempfile.TemporaryDirectory(prefix="dotd-bench-") as artifacts, Radio() as radio:
        laboratory = Laboratory(Parts.from_environment(), Path(artifacts), radio)
        try:
            laboratory.shared_pi().sh(f"rm {LAB_HEADROOM}")
            comparison = bench_peers.measure(laboratory, radio, plan, options.to)
        finally:
            laboratory.close()
    print(f"\n{comparison.table()}\n\nAll values: {options.to}", flush=True)
    if comparison.traces:
        picture = options.to.with_suffix(".png")
        draw(comparison, picture)
        print(f"A picture of them: {picture}")


def write(figures: list[Figure], to: Path) -> None:
    """Keeps what was measured, and prints the table."""
    in_order = beside(figures)
    report = [{**asdict(figure), "median": figure.median} for figure in in_order]
    to.write_text(json.dumps(report, indent=1) + "\n")
    print("\n| figure | median | spread | n |\n|---|---|---|---|")
    print("\n".join(figure.row() for figure in in_order))


def beside(figures: list[Figure]) -> list[Figure]:
    """The figures, each of the peer's behind the speaker's own of the same thing."""

    def thing(figure: Figure) -> str:
        return figure.name.removesuffix(Native.suffix)

    things = [thing(figure) for figure in figures]
    return sorted(figures, key=lambda figure: things.index(thing(figure)))


def measure(laboratory: Laboratory, options: argparse.Namespace) -> Iterator[Figure]:
    """All figures, in an order in which each leaves the speaker as the next needs it."""
    if "codecs" in options.only:
        yield from bench_codecs.measure()
    if set(options.only) - {"peer", "codecs"}:
        pi = laboratory.shared_pi()
        pi.sh(f"rm {LAB_HEADROOM}; systemctl restart dotd-wireplumber")
        yield from of_dotd(pi, laboratory.radio, options)
    if "peer" in options.only:
        with laboratory.fresh_pi() as pi:
            pi.sh(f"rm {LAB_HEADROOM}")
            yield from calls(Native(pi), laboratory.radio, options)


def of_dotd(pi: Pi, radio: Radio, options: argparse.Namespace) -> Iterator[Figure]:
    """The speaker's own figures."""
    if "start" in options.only:
        yield start_to_discoverable(pi, options.repeat)
        yield size(pi)
    if "pairing" in options.only:
        yield pair_to_trusted(pi, radio, options.repeat)
    if "music" in options.only:
        yield from music(pi, radio, options)
    if "household" in options.only:
        yield from bench_household.measure(pi, radio, options.repeat)
    if "calls" in options.only:
        yield from calls(Dotd(pi), radio, options)


def music(pi: Pi, radio: Radio, options: argparse.Namespace) -> Iterator[Figure]:
    """What a phone plays."""
    pi.clean()
    wait_ready(pi)
    with Phone(radio, name=PHONE) as phone:
        phone.pair(pi.address)
        pi.wait_status(lambda status: [each["trusted"] for each in status["phones"]] == [True])
        pi.dotctl("volume", "100")
        yield from play_to_audible(pi, phone, options.repeat)
        yield from latency(pi, phone, max(options.repeat, 10))
        yield from footprint(pi, phone, options.minutes, options.repeat)


def calls(taker: CallTaker, radio: Radio, options: argparse.Namespace) -> Iterator[Figure]:
    """What people say and hear in calls."""
    with Phone(radio, name=PHONE, calls="iphone") as phone:
        yield from bench_calls.measure(
            taker, phone, options.repeat, options.minutes, options.calls
        )


def wait_ready(pi: Pi) -> None:
    """Waits for the window of the first start and for a sound output."""
    pi.wait_status(
        lambda status: status["pairing"]["open"]
        and status["bluetooth"]["discoverable"]
        and status["sound"]["state"] == "ready",
        30,
    )


def start_to_discoverable(pi: Pi, repeat: int) -> Figure:
    """From the start of the process to BlueZ saying that the adapter is discoverable."""
    times = []
    for _ in range(repeat):
        pi.sh("systemctl stop dotd; rm -f /var/lib/dotd/*")
        times.append(starting.told_by_bluez(pi, starting.DISCOVERABLE))
    return Figure(
        "service start to discoverable", "ms", times, "ExecMainStartTimestamp to BlueZ's signal"
    )


def size(pi: Pi) -> Figure:
    """How big the program is."""
    megabytes = int(pi.sh("stat -c %s /usr/bin/dotd").stdout) / 1e6
    return Figure("size of the dotd binary", "MB", [megabytes], "the installed, stripped file")


def pair_to_trusted(pi: Pi, radio: Radio, repeat: int) -> Figure:
    """From the tap on the phone to the phone in the list, as the journal dates it."""
    times = []
    for _ in range(repeat):
        pi.clean()
        wait_ready(pi)
        with Phone(radio, name=PHONE) as phone:
            tapped = pi.now()
            phone.pair(pi.address)
            pi.wait_status(lambda s: [each["trusted"] for each in s["phones"]] == [True])
            times.append((journal_time(pi, "paired") - tapped) * 1000)
    return Figure(
        "pair request to trusted", "ms", times, "the phone's page to the journal's line; no inquiry"
    )


def journal_time(pi: Pi, word: str) -> float:
    """When the journal said this, on the host's clock."""
    line = pi.sh(f"journalctl -u dotd -o json -g '{word}' -n 1 --no-pager").stdout
    offset, _ = pi.machine.clock_offset()
    return int(json.loads(line)["__MONOTONIC_TIMESTAMP"]) / 1e6 - offset


def play_to_audible(pi: Pi, phone: Phone, repeat: int) -> list[Figure]:
    """From play on a bonded, disconnected phone to the first sample one can hear."""
    whole, stream = [], []
    for _ in range(repeat):
        phone.disconnect()
        pi.wait_status(lambda s: not any(each["connected"] for each in s["phones"]))
        with pi.recording() as heard:
            pressed = pi.now()
            playback = phone.play(signals.tone(seconds=1.5))
            playback.wait()
            phone.stop()
        onset = analysis.onset(heard.samples, heard.rate)
        audible = heard.clock.time_of(onset * heard.rate)
        whole.append((audible - pressed) * 1000)
        stream.append((audible - playback.packets[0].sent) * 1000)
    return [
        Figure(
            "play on a bonded, disconnected phone to audible",
            "ms",
            whole,
            "page, encryption, AVDTP and start, all of it the phone's doing",
        ),
        Figure("first packet to audible", "ms", stream, "packet sent to first sample above -50 dBFS"),
    ]


def latency(pi: Pi, phone: Phone, clicks: int) -> list[Figure]:
    """From a click's due time on the phone to the click out of the sound card."""
    sound = signals.clicks(CLICK_EVERY, CLICK_EVERY * (clicks + 6), bed=-30.0)
    with pi.recording() as heard:
        playback = phone.play(sound)
        playback.wait()
        phone.stop()
    found = [
        heard.clock.time_of(time * heard.rate)
        for time in analysis.click_times(heard.samples, heard.rate)
    ]
    # The first clicks fall into the time in which the buffer settles.
    sent = [playback.time_of(mark) for mark in sound.marks][3:]
    values = delays(found, sent, CLICK_EVERY)
    told = [event.details["ms"] for event in phone.events if event.kind == "delay-report"]
    figures = [Figure("A2DP latency, click to click", "ms", values, "due on the phone to the DAC")]
    if told:
        how = "the last delay report; what a click measures is the line above"
        figures.append(Figure("A2DP latency, as told to the phone", "ms", told[-1:], how))
    return figures


def rest(pi: Pi, repeat: int) -> Iterator[Figure]:
    """How often a speaker wakes up with which nobody is connected, and whether its card is open."""
    clock.sleep(SUSPENDED)
    readings = []
    for _ in range(repeat):
        before, began = wake_ups(pi, DOTD), pi.now()
        clock.sleep(RESTING)
        after, ended = wake_ups(pi, DOTD), pi.now()
        readings.append({name: (after[name] - before[name]) / (ended - began) for name in after})
    yield from of_each("wake-ups of {} a second, idle", "", readings, "voluntary switches of all threads")
    busy = pi.sh("grep -lv closed /proc/asound/card*/pcm*p/sub*/status | wc -l").stdout
    yield Figure("sound cards that are open, idle", "", [float(busy)], "/proc/asound")


def footprint(pi: Pi, phone: Phone, minutes: float, repeat: int) -> Iterator[Figure]:
    """CPU time and memory, idle and playing, read after each of `repeat` parts of the time."""
    phone.disconnect()
    pi.wait_status(lambda s: not any(each["connected"] for each in s["phones"]))
    idle = [memory(pi, DOTD) for _ in range(repeat)]
    yield from rest(pi, repeat)
    phone.play(signals.tone(seconds=60 * minutes + 15))
    pi.wait_status(lambda s: any(each["playing"] for each in s["phones"]))
    spent, playing = costs(pi, DOTD, minutes, repeat)
    phone.stop()
    yield from of_each("CPU of {}, a minute of music", "s", spent, "schedstat of all threads")
    yield from of_each("memory of {}, idle", "MB", idle, "PSS of smaps_rollup")
    yield from of_each("memory of {}, playing", "MB", playing, "PSS of smaps_rollup")


if __name__ == "__main__":
    sys.exit(main())
