"""`lab bench`: the speaker in numbers, as JSON and as a table.

All in one boot of one virtual Pi, each figure the median of ten or more with its spread. No figure
is a pass or a fail: they are compared over time, and with others measured in the same run.

Invariant: every time is taken on the host's monotonic clock, to which recordings, phones and the
guest's journal are mapped; the way of measuring stands beside each figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit import analysis, signals
from labkit.laboratory import Laboratory, Parts
from labkit.phone import Phone
from labkit.pi import Pi
from labkit.radio import Radio

PROCESSES = {
    "dotd": "dotd",
    "PipeWire": "dotd-pipewire",
    "WirePlumber": "dotd-wireplumber",
    "bluetoothd": "bluetooth",
}
CLICK_EVERY = 0.7
LAB_HEADROOM = "/usr/share/wireplumber/wireplumber.conf.d/lab.conf"
"""What makes the card deaf to stalls of the host, at the price of 43 ms."""


@dataclass
class Figure:
    """One measured quantity."""

    name: str
    unit: str
    values: list[float]
    how: str

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def row(self) -> str:
        """A line of the Markdown table."""
        spread = f"{min(self.values):.4g} - {max(self.values):.4g}" if len(self.values) > 1 else ""
        return f"| {self.name} | {self.median:.4g} {self.unit} | {spread} | {len(self.values)} |"


def main(arguments: list[str] | None = None) -> int:
    """Measures everything and prints the table."""
    parser = argparse.ArgumentParser(prog="lab bench")
    parser.add_argument("--to", type=Path, default=Path("bench.json"), help="the JSON file")
    parser.add_argument("--repeat", type=int, default=10, help="values behind each median")
    parser.add_argument("--minutes", type=float, default=1.0, help="of music for CPU and memory")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dotd-bench-") as artifacts, Radio() as radio:
        laboratory = Laboratory(Parts.from_environment(), Path(artifacts), radio)
        try:
            figures = measure(laboratory, options.repeat, options.minutes)
        finally:
            laboratory.close()
    report = [{**asdict(figure), "median": figure.median} for figure in figures]
    options.to.write_text(json.dumps(report, indent=1) + "\n")
    print("\n| figure | median | spread | n |\n|---|---|---|---|")
    print("\n".join(figure.row() for figure in figures))
    return 0


def measure(laboratory: Laboratory, repeat: int, minutes: float) -> list[Figure]:
    """All figures, in an order in which each leaves the speaker as the next needs it."""
    pi = laboratory.shared_pi()
    pi.sh(f"rm {LAB_HEADROOM}; systemctl restart dotd-wireplumber")
    figures = []

    def take(figure: Figure) -> None:
        print(f"{figure.name}: {figure.median:.4g} {figure.unit}", flush=True)
        figures.append(figure)

    take(start_to_discoverable(pi, repeat))
    take(pair_to_trusted(pi, laboratory.radio, repeat))
    pi.clean()
    wait_ready(pi)
    with Phone(laboratory.radio, name="Anna's iPhone") as phone:
        phone.pair(pi.address)
        pi.wait_status(lambda status: [each["trusted"] for each in status["phones"]] == [True])
        pi.dotctl("volume", "100")
        for each in play_to_audible(pi, phone, repeat):
            take(each)
        for each in latency(pi, phone, max(repeat, 10)):
            take(each)
        for each in footprint(pi, phone, minutes, repeat):
            take(each)
    size = int(pi.sh("stat -c %s /usr/bin/dotd").stdout) / 1e6
    take(Figure("size of the dotd binary", "MB", [size], "stat of the installed, stripped file"))
    return figures


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
        pi.sh("systemctl stop dotd; rm -f /var/lib/dotd/*; rm -f /run/lab-bus.json")
        pi.sh(
            "systemd-run -q --collect --unit=lab-bus bash -c 'busctl monitor --json=short "
            "--match=type=signal,path=/org/bluez/hci0 > /run/lab-bus.json'"
        )
        pi.wait_for(lambda: pi.sh("busctl list | grep -c busctl", check=False).stdout.strip() != "0")
        pi.sh("systemctl start dotd")
        pi.wait_for(
            lambda: pi.sh("grep -c '\"Discoverable\".*true' /run/lab-bus.json", False).rc == 0
        )
        line = pi.sh("grep -m1 '\"Discoverable\".*true' /run/lab-bus.json; systemctl stop lab-bus")
        seen = json.loads(line.stdout.splitlines()[0])["timestamp-realtime"]
        start = pi.sh("date +%s%6N -d \"$(systemctl show --timestamp=us -P ExecMainStartTimestamp dotd)\"")
        times.append((seen - int(start.stdout)) / 1000)
    return Figure(
        "service start to discoverable", "ms", times, "ExecMainStartTimestamp to BlueZ's signal"
    )


def pair_to_trusted(pi: Pi, radio: Radio, repeat: int) -> Figure:
    """From the tap on the phone to the phone in the list, as the journal dates it."""
    times = []
    for _ in range(repeat):
        pi.clean()
        wait_ready(pi)
        with Phone(radio, name="Anna's iPhone") as phone:
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
    delays = [
        min((time - due for time in found if -0.01 < time - due < CLICK_EVERY), default=None)
        for due in sent
    ]
    values = [delay * 1000 for delay in delays if delay is not None]
    told = [event.details["ms"] for event in phone.events if event.kind == "delay-report"]
    figures = [Figure("A2DP latency, click to click", "ms", values, "due on the phone to the DAC")]
    if told:
        how = "the last delay report; what a click measures is the line above"
        figures.append(Figure("A2DP latency, as told to the phone", "ms", told[-1:], how))
    return figures


def footprint(pi: Pi, phone: Phone, minutes: float, repeat: int) -> list[Figure]:
    """CPU time and memory, idle and playing, read after each of `repeat` parts of the time."""
    phone.disconnect()
    pi.wait_status(lambda s: not any(each["connected"] for each in s["phones"]))
    idle = [memory(pi) for _ in range(repeat)]
    part = 60 * minutes / repeat
    phone.play(signals.tone(seconds=60 * minutes + 15))
    pi.wait_status(lambda s: any(each["playing"] for each in s["phones"]))
    playing, spent = [], []
    before, began = processor_time(pi), pi.now()
    for _ in range(repeat):
        time.sleep(max(0.0, began + part - pi.now()))
        after, ended = processor_time(pi), pi.now()
        spent.append({name: (after[name] - before[name]) * 60 / (ended - began) for name in after})
        before, began = after, ended
        playing.append(memory(pi))
    phone.stop()

    def figures(what: str, unit: str, readings: list[dict[str, float]], how: str) -> list[Figure]:
        return [
            Figure(what.format(name), unit, [each[name] for each in readings], how)
            for name in PROCESSES
        ]

    return [
        *figures("CPU of {}, a minute of music", "s", spent, "schedstat of all threads"),
        *figures("memory of {}, idle", "MB", idle, "PSS of smaps_rollup"),
        *figures("memory of {}, playing", "MB", playing, "PSS of smaps_rollup"),
    ]


def each_process(pi: Pi, command: Callable[[str], str]) -> dict[str, float]:
    """Runs a command that prints one number for the main process of each service."""
    values = {}
    for name, unit in PROCESSES.items():
        pid = pi.sh(f"systemctl show -P MainPID {unit}").stdout.strip()
        values[name] = float(pi.sh(command(pid)).stdout)
    return values


def processor_time(pi: Pi) -> dict[str, float]:
    """Seconds each process has run, all threads together."""
    sums = each_process(
        pi, lambda pid: f"cat /proc/{pid}/task/*/schedstat | awk '{{s += $1}} END {{print s}}'"
    )
    return {name: value / 1e9 for name, value in sums.items()}


def memory(pi: Pi) -> dict[str, float]:
    """Proportional set size of each process, in MB."""
    sizes = each_process(pi, lambda pid: f"awk '/^Pss:/ {{print $2}}' /proc/{pid}/smaps_rollup")
    return {name: kilobytes / 1024 for name, kilobytes in sizes.items()}


if __name__ == "__main__":
    sys.exit(main())
