"""`lab bench`: what it takes to receive music, from packets to sound, in instructions.

Invariant: what it takes to start is in no figure: each is the difference of a long and a short stream.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labkit import setup, signals
from labkit.aac import Aac
from labkit.figures import Figure
from labkit.phone import codings
from labkit.phone.codings import Coding
from labkit.phone.playback import rtp_packet
from labkit.sbc import Sbc

SECONDS = (4, 12)
STREAMS: dict[str, Coding] = {
    "SBC 44.1 kHz joint stereo, bit pool 53": Sbc(),
    "SBC 44.1 kHz dual channel, bit pool 38 (XQ)": Sbc(44100, "dual", bitpool=38),
    "AAC 44.1 kHz stereo, 256 kbit/s": Aac(44100, "stereo", 256_000),
}
MTU = 660
"""Bytes of a packet behind RTP's header, with L2CAP's usual MTU."""
NUMBERS = {"sbc": 0, "aac": 1}
"""How src/a2dp knows the codec of a file of packets, which are all of 44.1 kHz stereo there."""


def measure() -> Iterator[Figure]:
    """Instructions a second of music, of each codec that dotd has."""
    folder = setup.REPOSITORY / "dist" / "cost"
    folder.mkdir(parents=True, exist_ok=True)
    for name, coding in STREAMS.items():
        files = [write(folder / f"{seconds}", coding, seconds) for seconds in SECONDS]
        short, long = counted(files)
        each = (long - short) / (SECONDS[1] - SECONDS[0]) / 1e6
        yield Figure(f"instructions for a second of {name}", "million", [each], "callgrind")


def write(file: Path, coding: Coding, seconds: float) -> Path:
    """Writes the packets of so many seconds of a piece, as fuzz/cost takes them."""
    sound = signals.music(2, coding.rate)
    pcm = np.resize(sound.pcm(coding.channel_count), (round(seconds * coding.rate), coding.channel_count))
    frames = coding.encode(pcm[: len(pcm) // coding.frame_samples * coding.frame_samples])
    most = codings.most_frames(coding, MTU)
    data = bytes([NUMBERS[codings.name(type(coding))]])
    sequence = 0
    for at, unit in enumerate(codings.units(coding, frames, most, MTU)):
        for part, payload in enumerate(unit):
            marked = isinstance(coding, Aac) and part == len(unit) - 1
            packet = rtp_packet(sequence, at * most * coding.frame_samples, payload, marked)
            data += struct.pack(">H", len(packet)) + packet
            sequence += 1
    file.write_bytes(data)
    return file


def counted(files: list[Path]) -> list[int]:
    """What fuzz/cost counts for each file."""
    inside = [str(file.relative_to(setup.REPOSITORY)) for file in files]
    lab = setup.trees.LAB / "lab"
    done = subprocess.run(
        [lab, "builder", "fuzz/cost", *inside], stdout=subprocess.PIPE, text=True, check=True
    )
    return [int(line) for line in done.stdout.split()]
