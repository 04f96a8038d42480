"""`lab bench --against`: music by dotd and by its peers, on the same traces, in turn, in one boot.

The phone plays a tone on the left and clicks on the right: the tone tells what a listener would hear as
a fault, and how its pitch was bent; each click how late it came out of the sound card.

Invariant: who measures lets the guest alone while sound is judged: it is asked for CPU time before and
after that, and for memory after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from labkit import analysis, calm, clock, signals
from labkit.attempts import reason
from labkit.comparison import Comparison, Run
from labkit.figures import delays, memory, processor_time
from labkit.glitches import glitches
from labkit.laboratory import Laboratory
from labkit.link import GuestError
from labkit.phone import Phone, PhoneError, Playback
from labkit.pi import Pi
from labkit.radio import Radio
from labkit.recording import Recording, Segment
from labkit.signals import Signal
from labkit.speakers import PEERS, Dotd, Speaker
from labkit.traces import TRACES, Trace

PHONE = "Anna's iPhone"
TONE = 997.0
"""No period of it is a whole number of samples, so that nobody can repeat one without a seam."""
TONE_LEVEL = -12.0
CLICK_EVERY = 0.7
"""Not a part of a second, so that clicks meet what comes once a second at every place."""
SETTLING = 4.0
"""Seconds in which buffers settle, before sound is judged."""
REST = 2.0
"""Seconds between two pieces, so that each is one of its own."""
TOO_FAST = 100.0
"""By how many ppm the phone's clock is too fast when drift is measured: usual crystals are."""
DRIFT = Trace("drift", "the phone's clock 100 ppm too fast", lambda *_: {"clock_ppm": TOO_FAST})
_NEAR = 0.05
"""Seconds around a fault in which it disturbs the measure of pitch."""
CHUNK = 30.0
"""Seconds of sound that are looked at in one piece."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured: `seconds` of each trace, `repeat` times; drift over so many minutes."""

    peers: Sequence[str]
    traces: Sequence[str] = tuple(TRACES)
    repeat: int = 5
    seconds: float = 30.0
    drift: float = 10.0


@dataclass
class Heard:
    """What a recording of one piece tells, from `begin` to `end` on the lab's clock."""

    segment: Segment
    begin: float
    end: float
    faults: list[tuple[float, str]] = field(default_factory=list)
    bends: list[float] = field(default_factory=list)
    silent: int = 0

    def part(self, begin: float, end: float, channel: int) -> np.ndarray:
        """What one channel played between these times."""
        first, last = (round(self.segment.clock.frame_at(each)) for each in (begin, end))
        return self.segment.samples[max(0, first) : max(0, last), channel]

    def judge(self) -> None:
        """Looks for faults of the tone, and at its pitch."""
        rate = self.segment.clock.rate
        edges = np.arange(self.begin, self.end, CHUNK)
        for begin in edges:
            end = min(begin + CHUNK, self.end)
            tone = self.part(begin, end, 0)
            if len(tone) < 2 * rate:
                continue
            silent = self._silent_seconds(tone)
            self.silent += len(silent)
            if len(silent) > len(tone) // rate // 2:
                continue  # what is a fault is told by what is usual
            found = glitches(tone, rate, TONE)
            self.faults += [(begin + each.time - self.begin, each.kind) for each in found]
            broken = {
                second
                for each in found
                for edge in (each.time - _NEAR, each.time + each.seconds + _NEAR)
                for second in (int(max(edge, 0)),)
            }
            bends = enumerate(analysis.pitch(tone, rate, TONE))
            self.bends += [ppm for second, ppm in bends if second not in broken | silent]

    def _silent_seconds(self, tone: np.ndarray) -> set[int]:
        """The seconds in half of which and more the tone is not heard."""
        rate = self.segment.clock.rate
        loud = analysis.envelope(tone, rate, TONE) > signals.decibel(TONE_LEVEL - 20)
        return {
            second
            for second in range(len(tone) // rate)
            if np.mean(loud[second * rate : (second + 1) * rate]) < 0.5
        }

    def latencies(self, sent: Sequence[float]) -> list[tuple[float, float]]:
        """How many milliseconds after it was due each click was played, with when it was due."""
        rate, found = self.segment.clock.rate, []
        for due in sent:
            if self.begin <= due <= self.end - CLICK_EVERY:
                early = due - 0.01
                clicks = analysis.click_times(self.part(early, due + CLICK_EVERY, 1), rate)
                late = delays([early + each for each in clicks], [due], CLICK_EVERY)
                found += [(due - self.begin, each) for each in late]
        return found


def measure(laboratory: Laboratory, radio: Radio, plan: Plan, to: Path) -> Comparison:
    """Everything, in one boot."""
    pi = laboratory.shared_pi()
    dotd = Dotd(pi)
    speakers: list[Speaker] = [dotd, *(PEERS[name](pi) for name in plan.peers)]
    comparison = Comparison([each.name for each in speakers])
    with Phone(radio, name=PHONE) as phone:
        dotd.meet(phone)
        dotd.fall(phone)
        for each in speakers:
            each.install()
        try:
            for run in turns(speakers, phone, plan, comparison.failures):
                print(run.text, flush=True)
                comparison.runs.append(run)
        except KeyboardInterrupt:
            print("ended early, with what there is", flush=True)
        finally:
            to.write_text(json.dumps(asdict(comparison), indent=1) + "\n")
    return comparison


def turns(
    speakers: Sequence[Speaker], phone: Phone, plan: Plan, failures: list[str]
) -> Iterator[Run]:
    """Each speaker in turn, with all traces, as often as is planned; then what drifts."""
    traces = [TRACES[name] for name in plan.traces]
    for number in range(1, plan.repeat + 1):
        for speaker in speakers:
            yield from turn(speaker, phone, traces, plan.seconds, number, failures)
    for speaker in speakers if plan.drift else ():
        yield from turn(speaker, phone, [DRIFT], 60 * plan.drift, 1, failures)


def turn(
    speaker: Speaker,
    phone: Phone,
    traces: Sequence[Trace],
    seconds: float,
    number: int,
    failures: list[str],
) -> Iterator[Run]:
    """One speaker, on each of these traces; what goes wrong ends its turn, and is told."""

    def failed(failure: Exception) -> None:
        if not speaker.pi.machine.alive:
            raise failure
        failures.append(f"{speaker.name}: {reason(failure)}")
        print(f"failed, {failures[-1]}", flush=True)

    try:
        speaker.rise(phone)
        for place, trace in enumerate(traces):
            if place:
                speaker.meet_anew(phone)
            yield one_run(speaker, phone, trace, seconds, number)
    except (GuestError, PhoneError) as failure:
        failed(failure)
    try:
        phone.link_quality()
        speaker.fall(phone)
    except (GuestError, PhoneError) as failure:
        failed(failure)


def one_run(speaker: Speaker, phone: Phone, trace: Trace, seconds: float, number: int) -> Run:
    """Plays one piece and looks at what came of it."""
    pi = speaker.pi
    calm.collect()
    pi.recordings.clear()
    clock.sleep(REST)
    whole = SETTLING + seconds + 6
    sound = piece(whole)
    phone.link_quality(**trace.quality(whole, number))
    with pi.recording() as recorded:
        playback = phone.play(sound)
        clock.sleep(SETTLING)
        before, asked = processor_time(pi, speaker.processes), pi.now()
        begin = pi.now()
        clock.sleep(seconds)
        end = pi.now()
        after, answered = processor_time(pi, speaker.processes), pi.now()
        size = memory(pi, speaker.processes)
        phone.stop()
    minutes = (answered - asked) / 60
    run = Run(
        speaker=speaker.name,
        trace=trace.name,
        number=number,
        seconds=end - begin,
        cpu={name: (after[name] - before[name]) / minutes for name in after},
        memory=size,
        told=last_told(phone, playback.started, end),
        phone_late=float(np.percentile(playback.lateness, 99)) * 1000,
    )
    listen(run, recorded, sound, playback, begin, end)
    return run


def piece(seconds: float) -> Signal:
    """The tone and the clicks."""
    tone = signals.tone(TONE, seconds, TONE_LEVEL)
    clicks = signals.clicks(CLICK_EVERY, seconds)
    both = np.stack([tone.samples[:, 0], clicks.samples[:, 0]], axis=1)
    return Signal(both, tone.rate, clicks.marks)


def listen(
    run: Run, recorded: Recording, sound: Signal, playback: Playback, begin: float, end: float
) -> None:
    """Puts down what the recording tells."""
    segment = max(recorded.segments or [], key=lambda each: len(each.samples), default=None)
    if segment is None:
        raise GuestError("nothing was played")
    onset = analysis.onset(segment.samples[:, :1], segment.clock.rate)
    if onset is None:
        raise GuestError("nothing was heard")
    first = segment.clock.time_of(onset * segment.clock.rate)
    run.audible = (first - (playback.packets[0].sent or playback.started)) * 1000
    heard = Heard(segment, begin, end)
    heard.judge()
    run.faults, run.bends, run.silent = heard.faults, heard.bends, heard.silent
    run.latencies = heard.latencies([playback.time_of(mark) for mark in sound.marks])


def last_told(phone: Phone, begin: float, end: float) -> float | None:
    """What the speaker told the phone of its delay last, in ms: of this connection, if at all."""
    for event in reversed(phone.events):
        if event.time < begin and event.kind == "disconnected":
            return None
        if event.time < end and event.kind == "delay-report":
            return event.details["ms"]
    return None
