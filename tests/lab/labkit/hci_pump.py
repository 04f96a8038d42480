"""Carries HCI packets between a radio controller and the guest's lab-hci.

    hci_pump.py LINK_FD CONTROLLER_FD GENERATION TRACE CHIP

A program of its own, so that the phones and the tests, which share one Python
process, cannot delay the speaker's radio. One runs for each time the adapter
is plugged in; it is ended when the adapter is unplugged. All packets go into
the btsnoop file TRACE (`btmon -r` and Wireshark read it): traced here, they
cost the guest nothing and survive its crash. CHIP (see CHIPS) says what the
controller looks like to the guest.

Invariant: as in guest/lab-hci.c, with which it shares the frame layout: every
packet once and in order, or an end with a message.
"""

import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator

ETHERTYPE_HCI = 0x88B6
HEADER = struct.Struct("!6s6sHHHI")  # to, from, type, generation, length, sequence
PAYLOAD_MAX = 1480
BROADCAST = b"\xff" * 6
HOST_ADDRESS = b"\2lab\0\0"
# Packet type: size of the header after it, where in it the length is, and its format.
H4_LENGTHS = {1: (3, 2, "B"), 2: (4, 2, "<H"), 3: (3, 2, "B"), 4: (2, 1, "B"), 5: (4, 2, "<H")}
SNOOP_HEADER = b"btsnoop\0" + struct.pack(">II", 1, 1002)  # version 1, H4
SNOOP_RECORD = struct.Struct(">IIIIq")  # length, kept length, flags, drops, microseconds
SNOOP_EPOCH = 0x00DCDDB30F2F8000  # the Unix epoch, in microseconds since the year 0
TO_HOST, COMMAND_OR_EVENT = 1, 2

COMMAND, VOICE, EVENT = 1, 3, 4
COMMAND_COMPLETE = 0x0E
RESET, READ_VERSION, WRITE_SCO_PCM = 0x0C03, 0x1001, 0xFC1C
BROADCOM = 0x000F
MAKER_IN_VERSION = 11
OVER_HCI = 1


class Chip:
    """A controller as it is."""

    def from_guest(self, packet: bytes) -> bytes | None:
        """Takes a packet on its way to the controller; returns an answer in the place of the
        controller's."""
        return None

    def to_guest(self, packet: bytes) -> bytes | None:
        """Returns a packet as the guest gets it; None if it does not."""
        return packet


class BroadcomChip(Chip):
    """One of Broadcom's, which sends the sound of calls to its pins until it is told otherwise, and
    again after a reset."""

    takes_orders = True

    def __init__(self) -> None:
        self._over_hci = False

    def from_guest(self, packet: bytes) -> bytes | None:
        """The controller behind does not know Broadcom's own command: one that takes no orders
        leaves the answer to it, which is no."""
        opcode = opcode_of(packet) if packet[0] == COMMAND else None
        if opcode == RESET:
            self._over_hci = False
        if opcode != WRITE_SCO_PCM or not self.takes_orders:
            return None
        self._over_hci = packet[4] == OVER_HCI
        return struct.pack("<BBBBHB", EVENT, COMMAND_COMPLETE, 4, 1, WRITE_SCO_PCM, 0)

    def to_guest(self, packet: bytes) -> bytes | None:
        """Claims another maker (Core, volume 4, part E, 7.4.1), and keeps the voice."""
        if packet[0] == VOICE and not self._over_hci:
            return None
        if packet[:2] == bytes([EVENT, COMMAND_COMPLETE]) and packet[4:6] == le16(READ_VERSION):
            end = MAKER_IN_VERSION + 2
            return packet[:MAKER_IN_VERSION] + le16(BROADCOM) + packet[end:]
        return packet


class DeafBroadcomChip(BroadcomChip):
    """One that refuses to be told."""

    takes_orders = False


CHIPS = {"plain": Chip, "broadcom": BroadcomChip, "deaf-broadcom": DeafBroadcomChip}


def le16(number: int) -> bytes:
    """A number as HCI writes it."""
    return struct.pack("<H", number)


def opcode_of(packet: bytes) -> int:
    """Which command it is."""
    return struct.unpack_from("<H", packet, 1)[0]


def split_packets(stream: bytearray) -> list[bytes]:
    """Takes the complete H4 packets off the front of the stream."""
    packets = []
    while stream:
        header, position, code = H4_LENGTHS[stream[0]]
        if len(stream) < 1 + header:
            break
        size = 1 + header + struct.unpack_from(code, stream, 1 + position)[0]
        if len(stream) < size:
            break
        packets.append(bytes(stream[:size]))
        del stream[:size]
    return packets


def trace(file, packet: bytes, direction: int) -> None:
    """Appends one packet to a btsnoop file."""
    flags = direction | (COMMAND_OR_EVENT if packet[0] in (COMMAND, EVENT) else 0)
    now = SNOOP_EPOCH + time.time_ns() // 1000
    file.write(SNOOP_RECORD.pack(len(packet), len(packet), flags, 0, now) + packet)


def read_trace(data: bytes, at: int = len(SNOOP_HEADER)) -> Iterator[tuple[int, bytes]]:
    """Reads a btsnoop file from a record on: the flags and the packet of each that is whole."""
    while at + SNOOP_RECORD.size <= len(data):
        _, length, flags, _, _ = SNOOP_RECORD.unpack_from(data, at)
        at += SNOOP_RECORD.size
        if at + length > len(data):
            return
        yield flags, data[at : at + length]
        at += length


def pump(
    link: socket.socket, controller: socket.socket, generation: int, snoop, chip: Chip
) -> str:
    """Runs until one side ends; returns why."""
    stream = bytearray()
    sent = expected = 0

    def give_guest(packet: bytes) -> None:
        nonlocal sent
        header = HEADER.pack(BROADCAST, HOST_ADDRESS, ETHERTYPE_HCI, generation, len(packet), sent)
        link.send(header + packet)
        sent += 1
        trace(snoop, packet, TO_HOST)

    poll = select.poll()
    poll.register(link, select.POLLIN)
    poll.register(controller, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready == link.fileno():
                frame = link.recv(4096)
                if not frame:
                    return "the guest is gone"
                if len(frame) < HEADER.size:
                    continue
                _, _, kind, frame_generation, length, sequence = HEADER.unpack_from(frame)
                if kind != ETHERTYPE_HCI or frame_generation != generation:
                    continue
                if sequence != expected:
                    return f"HCI packet {sequence} came, {expected} was due: the link lost packets"
                expected += 1
                packet = frame[HEADER.size : HEADER.size + length]
                trace(snoop, packet, 0)
                if answer := chip.from_guest(packet):
                    give_guest(answer)
                else:
                    controller.sendall(packet)
                continue
            data = controller.recv(65536)
            if not data:
                return "the radio is gone"
            # See radio.acknowledge_at_once: else every packet comes 40 ms late.
            controller.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            stream += data
            for packet in split_packets(stream):
                if len(packet) > PAYLOAD_MAX:
                    return f"an HCI packet of {len(packet)} bytes does not fit a frame"
                if given := chip.to_guest(packet):
                    give_guest(given)


def main() -> None:
    link_fd, controller_fd, generation = map(int, sys.argv[1:4])
    link, controller = socket.socket(fileno=link_fd), socket.socket(fileno=controller_fd)
    link.setblocking(True)
    controller.setblocking(True)
    parent = os.getppid()
    try:
        with open(sys.argv[4], "wb", buffering=0) as snoop:
            snoop.write(SNOOP_HEADER)
            reason = pump(link, controller, generation, snoop, CHIPS[sys.argv[5]]())
    except OSError as error:
        reason = str(error)
    if os.getppid() == parent:
        sys.exit(f"hci_pump: {reason}")


if __name__ == "__main__":
    main()
