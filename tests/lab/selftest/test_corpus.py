"""Seeds for the fuzzer are what a phone said, from a trace that is made here frame by frame."""

import importlib.util
import struct
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "fuzz" / "corpus-from-btsnoop"
DLCI = 14
SECOND = 1_000_000


@pytest.fixture
def corpus():
    loader = SourceFileLoader("corpus_from_btsnoop", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def trace(corpus):
    return Trace(corpus)


class Trace:
    """Writes a trace with one link, whose ACL packets carry at most 20 bytes."""

    def __init__(self, corpus):
        self.check = corpus.check
        self.bytes = corpus.HEADER
        self.time = 0

    def record(self, packet, received):
        size = len(packet)
        self.bytes += struct.pack(">IIIIq", size, size, int(received), 0, self.time) + packet

    def say(self, text, received, dlci=DLCI, credits=b""):
        control = 0xFF if credits else 0xEF
        head = bytes([dlci << 2 | 1, control])
        frame = head + bytes([len(text) << 1 | 1]) + credits + text + bytes([self.check(head)])
        packet = struct.pack("<HH", len(frame), 0x41) + frame
        for start in range(0, len(packet), 20):
            piece = packet[start : start + 20]
            word = 7 | (1 if start else 2) << 12
            self.record(struct.pack("<BHH", 2, word, len(piece)) + piece, received)

    def begin(self):
        self.say(b"AT+BRSF=511\r", received=False)


def test_check_is_that_of_gsm_07_10(corpus):
    # SABM and UA for the multiplexer, as every RFCOMM link begins with.
    assert corpus.check(bytes([0x03, 0x3F, 0x01])) == 0x1C
    assert corpus.check(bytes([0x03, 0x73, 0x01])) == 0xD7


def test_what_the_phone_said_is_kept_with_our_commands_and_the_time(corpus, trace):
    trace.say(b"\r\nRING\r\n", received=True)  # before the connection: of another one
    trace.begin()
    trace.say(b"\r\n+BRSF: 4095\r\n\r\nOK\r\n", received=True, credits=b"\x05")
    trace.say(b"\r\n+CIEV: 9,9\r\n", received=True, dlci=3)
    trace.time += 7 * SECOND
    trace.say(b"ATA\r", received=False)
    trace.record(b"\x04\x0e\x04\x01\x03\x0c\x00", received=True)
    trace.say(b"\r\nOK\r\n", received=True)
    assert corpus.conversations(trace.bytes) == [
        b"\r\n+BRSF: 4095\r\n\r\nOK\r\n\xff\xff\xf5\r\nOK\r\n"
    ]


def test_bytes_that_are_no_frame_are_left_out(corpus, trace):
    trace.begin()
    whole = trace.bytes
    trace.say(b"\r\nOK\r\n", received=True)
    spoilt = trace.bytes[:-1] + bytes([trace.bytes[-1] ^ 1])
    assert corpus.conversations(trace.bytes) == [b"\r\nOK\r\n"]
    for cut in (spoilt, trace.bytes[:-1], whole):
        assert corpus.conversations(cut) == []
    with pytest.raises(ValueError):
        corpus.conversations(b"btsnoop")


def test_only_what_is_new_becomes_a_seed(corpus, trace, tmp_path, capsys):
    for number in (b"1", b"22"):
        trace.begin()
        trace.say(b"\r\n+CIEV: 2," + number + b"\r\n", received=True)
    trace.begin()
    trace.say(b"\r\nRING\r\n", received=True)
    file = tmp_path / "hci0-1.btsnoop"
    file.write_bytes(trace.bytes)
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    corpus.main(seeds, file)
    assert sorted(seed.read_bytes() for seed in seeds.iterdir()) == [
        b"\r\n+CIEV: 2,1\r\n",
        b"\r\nRING\r\n",
    ]
