"""Carries HCI packets between a radio controller and the guest's lab-hci.

    hci_pump.py LINK_FD CONTROLLER_FD GENERATION

A program of its own, so that the phones and the tests, which share one Python
process, cannot delay the speaker's radio. One runs for each time the adapter
is plugged in; it is ended when the adapter is unplugged.

Invariant: as in guest/lab-hci.c, with which it shares the frame layout: every
packet once and in order, or an end with a message.
"""

import os
import select
import socket
import struct
import sys

ETHERTYPE_HCI = 0x88B6
HEADER = struct.Struct("!6s6sHHHI")  # to, from, type, generation, length, sequence
PAYLOAD_MAX = 1480
BROADCAST = b"\xff" * 6
HOST_ADDRESS = b"\2lab\0\0"
# Packet type: size of the header after it, where in it the length is, and its format.
H4_LENGTHS = {1: (3, 2, "B"), 2: (4, 2, "<H"), 3: (3, 2, "B"), 4: (2, 1, "B"), 5: (4, 2, "<H")}


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


def pump(link: socket.socket, controller: socket.socket, generation: int) -> str:
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
                controller.sendall(frame[HEADER.size : HEADER.size + length])
                continue
            data = controller.recv(65536)
            if not data:
                return "the radio is gone"
            stream += data
            for packet in split_packets(stream):
                if len(packet) > PAYLOAD_MAX:
                    return f"an HCI packet of {len(packet)} bytes does not fit a frame"
                header = HEADER.pack(
                    BROADCAST, HOST_ADDRESS, ETHERTYPE_HCI, generation, len(packet), sent
                )
                link.send(header + packet)
                sent += 1


def main() -> None:
    link_fd, controller_fd, generation = map(int, sys.argv[1:])
    link, controller = socket.socket(fileno=link_fd), socket.socket(fileno=controller_fd)
    link.setblocking(True)
    controller.setblocking(True)
    parent = os.getppid()
    try:
        reason = pump(link, controller, generation)
    except OSError as error:
        reason = str(error)
    if os.getppid() == parent:
        sys.exit(f"hci_pump: {reason}")


if __name__ == "__main__":
    main()
