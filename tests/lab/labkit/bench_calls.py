"""`lab bench`: calls in numbers, of dotd and of its peers alike.

Invariant: of a packet from the speaker the phone can hear a sample when all of the packet is there,
so what it takes to fill one counts; the phone's own packets count from when their samples are due.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from labkit import analysis, clock, signals
from labkit.air import Air
from labkit.attempts import Attempts
from labkit.call_taker import CallTaker
from labkit.figures import Figure, Reading, costs, delays, of_each
from labkit.link import GuestError
from labkit.phone import Event, Heard, Phone, PhoneError
from labkit.pi import MICROPHONE_RATE
from labkit.recording import Recording
from labkit.signals import Signal, decibel
from labkit.voice import CODECS, MSBC, CodecName, VoiceCodec

CALLER = "+4930123456"
VOICE_TIMEOUT = 10.0
RINGING = 1.0
"""Seconds: nobody answers sooner."""

FAR_TONE = signals.tone(700, 4.0, -12, MSBC.rate)
NEAR_TONE = signals.tone(1100, 8.0, -12, MICROPHONE_RATE)
HEARING = 2.0
"""Seconds after which both sides ought to have heard each other's tone."""
NOT_SILENT = -60.0
"""dBFS at the phone: what a canceller leaves of a voice while it learns is a voice."""
PACE_SECONDS = 10.0

CODEC_NAMES: dict[CodecName, str] = {"msbc": "mSBC", "cvsd": "CVSD"}
CLICK_HZ = 2500.0
"""What CVSD's sampling rate can hold."""
CLICK_EVERY = 0.7
SETTLING = 3
"""Clicks in which the buffers settle."""
CALLS_HEARD = 3
"""Calls over which the clicks are spread: each begins with buffers of its own."""


def measure(
    taker: CallTaker, phone: Phone, repeat: int, minutes: float, calls: int
) -> Iterator[Figure]:
    """All figures of one call taker; the phone is one that it does not know yet."""
    attempts = Attempts(taker, phone)
    with attempts.one("pairing and connecting for calls"):
        taker.meet(phone)
    if phone.is_hands_free:
        yield from calls_in_a_row(taker, phone, attempts, calls)
        yield from mouth_to_ear(taker, phone, attempts, max(repeat, 10))
        yield from footprint(taker, phone, attempts, minutes, repeat)
    yield attempts.figure()
    deaths = taker.deaths
    how = "; ".join(sorted(set(deaths))) or "the journal's lines of main processes that exited"
    yield Figure(f"deaths of its processes{taker.suffix}", "", [float(len(deaths))], how)


# A call


def talk(taker: CallTaker, phone: Phone, codec: CodecName = "msbc") -> tuple[float, Event]:
    """Somebody calls and is answered; returns when that was told, and the voice link's event."""
    phone.ring(CALLER)
    taker.wait_ringing()
    clock.sleep(RINGING)
    pressed = clock.now()
    taker.answer()
    opened = phone.wait_event(
        "audio", VOICE_TIMEOUT, pressed, lambda event: event.details["state"] == "open"
    )
    if opened.details["codec"] != codec:
        raise PhoneError(f"their voice came as {opened.details['codec']}, not {codec}")
    return pressed, opened


def hang_up(taker: CallTaker, phone: Phone) -> None:
    """The caller ends the call, which has had its voice until now."""
    if phone.voice_codec is None:
        raise PhoneError("the voice ended before the call")
    phone.hang_up()
    taker.wait_quiet()


def wait_until(time: float) -> None:
    """Waits for a moment of the lab's clock."""
    clock.sleep(max(0.0, time - clock.now()))


# Answering, and packets


@dataclass
class OneOfMany:
    """What one of the calls in a row gave: milliseconds, and packets a second."""

    heard_here: float
    heard_there: float
    phones_share: float
    to_speaker: float
    from_speaker: float
    phone_late: float


def calls_in_a_row(
    taker: CallTaker, phone: Phone, attempts: Attempts, count: int
) -> Iterator[Figure]:
    """From the command to hearing each other, and then the packets of some seconds, many times."""
    many: dict[int, OneOfMany] = {}
    phone.keep_talking(FAR_TONE)
    with Air(taker.pi.machine.air_traces[-1]) as air:
        for number in attempts.up_to(count):
            with attempts.one(f"call {number} of {count} in a row"):
                many[number] = one_of_many(taker, phone, air)
                print(f"call {number} of {count}{taker.suffix}", flush=True)
    phone.keep_talking(None)
    yield from answering(list(many.values()), taker.suffix)
    yield from pace(many, count, taker.suffix)


def one_of_many(taker: CallTaker, phone: Phone, air: Air) -> OneOfMany:
    """A call in which both sides speak from the first moment on."""
    pi = taker.pi
    with (
        pi.recording() as played,
        phone.listening() as heard,
        pi.microphone(NEAR_TONE, loop=True),
    ):
        pressed, opened = talk(taker, phone)
        heard.wait_more(HEARING)
        wait_until(opened.time + HEARING)
    here = first_audible(played, pressed) - pressed
    there = first_heard(heard) - pressed
    air.count()
    began = clock.now()
    clock.sleep(PACE_SECONDS)
    packets, seconds = air.count(), clock.now() - began
    late = phone.voice_counts.latest
    hang_up(taker, phone)
    return OneOfMany(
        here * 1000,
        there * 1000,
        phones_share(phone, pressed) * 1000,
        packets.to_speaker / seconds,
        packets.from_speaker / seconds,
        late * 1000,
    )


def first_audible(played: Recording, since: float, who: str = "the caller") -> float:
    """When the card first played something, after this."""
    for segment in played.segments or []:
        first = max(0, math.ceil(segment.clock.frame_at(since)))
        onset = analysis.onset(segment.samples[first:], segment.clock.rate)
        if onset is not None:
            return segment.clock.time_of(first + onset * segment.clock.rate)
    raise GuestError(f"{who} was not heard in the room")


def first_heard(heard: Heard) -> float:
    """When the far party could first hear something."""
    loud = np.flatnonzero(np.abs(heard.samples) > decibel(NOT_SILENT))
    if not len(loud):
        raise PhoneError("the room was not heard by the caller")
    return at_the_ear(heard, int(loud[0]), MSBC)


def at_the_ear(heard: Heard, sample: int, codec: VoiceCodec) -> float:
    """When the far party can hear a sample: a frame is decoded when all of it is there."""
    return heard.time_of(sample) + codec.frame_samples / codec.rate


def phones_share(phone: Phone, since: float) -> float:
    """Of the time from the command to the voice, what the phone takes to propose a codec and,
    when that is agreed on, to open the link."""
    events = [event for event in phone.events if event.time >= since]

    def first(kind: str, detail: str, begin: str) -> float:
        for event in events:
            if event.kind == kind and str(event.details[detail]).startswith(begin):
                return event.time
        raise PhoneError(f"saw no {kind!r} of {begin!r}")

    proposing = first("told", "line", "+BCS:") - first("asked", "what", "answer")
    opening = first("audio", "state", "open") - first("asked", "what", "codec")
    return proposing + opening


def answering(calls: list[OneOfMany], suffix: str) -> list[Figure]:
    """The figures of taking a call."""
    here, there = [each.heard_here for each in calls], [each.heard_there for each in calls]
    both = [max(each.heard_here, each.heard_there) for each in calls]
    share = [each.phones_share for each in calls]
    ours = [late - phones for late, phones in zip(both, share, strict=True)]
    command = "from the start of the command that answers"
    return [
        Figure(f"answer to two-way audio{suffix}", "ms", both, "the later of the next two"),
        Figure(
            f"answer to two-way audio, beyond the phone's share{suffix}",
            "ms",
            ours,
            "call by call, that less the last of these",
        ),
        Figure(
            f"answer to the caller heard in the room{suffix}",
            "ms",
            here,
            f"{command} to the first sample above -50 dBFS out of the card",
        ),
        Figure(
            f"answer to the room heard by the caller{suffix}",
            "ms",
            there,
            f"{command} to the first sample above {NOT_SILENT:g} dBFS at the phone",
        ),
        Figure(
            f"answer, the phone's own share{suffix}",
            "ms",
            share,
            "ATA to +BCS, and AT+BCS to the open voice link",
        ),
    ]


def pace(calls: dict[int, OneOfMany], count: int, suffix: str) -> list[Figure]:
    """The figures of the packets of voice: nominal are 133.3 of mSBC a second."""
    how = f"SCO packets of {PACE_SECONDS:g} s of each call, counted at the speaker's HCI"
    figures = []
    for way in ("to", "from"):
        rates = {number: getattr(each, f"{way}_speaker") for number, each in calls.items()}
        for which, numbers in (
            (f"{count} calls in a row", list(rates)),
            ("the first call", [1]),
            (f"call {count}", [count]),
        ):
            values = [rates[number] for number in numbers if number in rates]
            name = f"SCO packets {way} the speaker, {which}{suffix}"
            figures.append(Figure(name, "/s", values, how))
    late = [each.phone_late for each in calls.values()]
    how = "its latest packet of each call; what is late here is the host's fault"
    return [*figures, Figure(f"lateness of the phone itself{suffix}", "ms", late, how)]


# Mouth to ear


def mouth_to_ear(
    taker: CallTaker, phone: Phone, attempts: Attempts, repeat: int
) -> Iterator[Figure]:
    """How late a click of one side is heard by the other, by codec."""
    each_call = math.ceil(repeat / CALLS_HEARD)
    for codec, name in CODEC_NAMES.items():
        phone.prefer_codecs(codec)
        here: list[float] = []
        there: list[float] = []
        for number in attempts.up_to(CALLS_HEARD):
            with attempts.one(f"call {number} of {CALLS_HEARD} with clicks, {name}"):
                talk(taker, phone, codec)
                heard_here = clicks_here(taker, phone, CODECS[codec], each_call)
                heard_there = clicks_there(taker, phone, CODECS[codec], each_call)
                hang_up(taker, phone)
                here += heard_here
                there += heard_there
        how = "click's due time on the phone to the click out of the card"
        yield Figure(f"phone to speaker, {name}{taker.suffix}", "ms", here, how)
        how = "click into the card's capture to when the phone has the packet and can play it"
        yield Figure(f"microphone to phone, {name}{taker.suffix}", "ms", there, how)
    phone.prefer_codecs("msbc", "cvsd")


def click_sound(count: int, rate: int) -> Signal:
    """Some clicks to settle, and then so many."""
    seconds = CLICK_EVERY * (SETTLING + count + 1)
    return signals.clicks(CLICK_EVERY, seconds, rate=rate, frequency=CLICK_HZ)


def clicks_here(taker: CallTaker, phone: Phone, codec: VoiceCodec, count: int) -> list[float]:
    """Clicks of the far party, as they are heard in the room."""
    sound = click_sound(count, codec.rate)
    with taker.pi.recording() as played:
        said = phone.speak(sound).wait()
        wait_until(said.time_of(0) + said.seconds + CLICK_EVERY)
    found = analysis.click_times(played.samples, played.rate, CLICK_HZ)
    times = [played.clock.time_of(each * played.rate) for each in found]
    return delays(times, [said.time_of(mark) for mark in sound.marks[SETTLING:]], CLICK_EVERY)


def clicks_there(taker: CallTaker, phone: Phone, codec: VoiceCodec, count: int) -> list[float]:
    """Clicks in the room, as the far party hears them."""
    sound = click_sound(count, MICROPHONE_RATE)
    with phone.listening() as heard, taker.pi.microphone(sound) as said:
        heard.wait_more(sound.seconds + CLICK_EVERY)
    found = analysis.click_times(heard.samples, heard.rate, CLICK_HZ)
    times = [at_the_ear(heard, round(each * heard.rate), codec) for each in found]
    return delays(times, [said.time_of(mark) for mark in sound.marks[SETTLING:]], CLICK_EVERY)


# Costs


def footprint(
    taker: CallTaker, phone: Phone, attempts: Attempts, minutes: float, repeat: int
) -> Iterator[Figure]:
    """CPU time and memory while both sides speak."""
    spent: list[Reading] = []
    sizes: list[Reading] = []
    with attempts.one("a long call"):
        talk(taker, phone)
        with taker.pi.microphone(signals.speech(6), loop=True):
            phone.speak(speech_of(60 * minutes + 30, MSBC.rate))
            readings = costs(taker.pi, taker.processes, minutes, repeat)
        hang_up(taker, phone)
        spent, sizes = readings
    how = "schedstat of all threads"
    yield from of_each(f"CPU of {{}}, a minute of call{taker.suffix}", "s", spent, how)
    how = "PSS of smaps_rollup"
    yield from of_each(f"memory of {{}}, in a call{taker.suffix}", "MB", sizes, how)


def speech_of(seconds: float, rate: int) -> Signal:
    """Somebody who speaks for at least so long."""
    piece = signals.speech(6).at(rate)
    times = math.ceil(seconds / piece.seconds)
    return Signal(np.tile(piece.samples, (times, 1)), rate)
