"""Carries HCI packets between a radio controller and the guest's lab-hci.

    hci_pump.py LINK_FD CONTROLLER_FD GENERATION TRACE

A program of its own, so that the phones and the tests, which share one Python
process, cannot delay the speaker's radio. One runs for each time the adapter
is plugged in; it is ended when the adapter is unplugged. All packets go into
the btsnoop file TRACE (`btmon -r` and Wireshark read it): traced here, they
cost the guest nothing and survive its crash.

Invariant: as in guest/lab-hci.c, with which it shares the frame layout: every
packet once and in order, or an end with a message.
"""

import os
import select
import socket
import struct
import sys
import time

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
    flags = direction | (COMMAND_OR_EVENT if packet[0] in (1, 4) else 0)
    now = SNOOP_EPOCH + time.time_ns() // 1000
    file.write(SNOOP_RECORD.pack(len(packet), len(packet), flags, 0, now) + packet)


def pump(link: socket.socket, controller: socket.socket, generation: int, snoop) -> str:
    """Runs until one side ends; returns why."""
    stream = bytearray()
    sent = expected = 0
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
                controller.sendall(packet)
                trace(snoop, packet, 0)
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
                header = HEADER.pack(
                    BROADCAST, HOST_ADDRESS, ETHERTYPE_HCI, generation, len(packet), sent
                )
                link.send(header + packet)
                sent += 1
                trace(snoop, packet, TO_HOST)


def main() -> None:
    link_fd, controller_fd, generation = map(int, sys.argv[1:4])
    link, controller = socket.socket(fileno=link_fd), socket.socket(fileno=controller_fd)
    link.setblocking(True)
    controller.setblocking(True)
    parent = os.getppid()
    try:
        with open(sys.argv[4], "wb", buffering=0) as snoop:
            snoop.write(SNOOP_HEADER)
            reason = pump(link, controller, generation, snoop)
    except OSError as error:
        reason = str(error)
    if os.getppid() == parent:
        sys.exit(f"hci_pump: {reason}")


if __name__ == "__main__":
    main()
