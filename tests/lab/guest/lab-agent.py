#!/usr/bin/python3
"""The lab's hand inside the virtual Pi: does what the host asks for.

Runs from the first second of every boot (lab-agent.service) on Python's
standard library alone. Talks JSON messages over raw Ethernet frames, because
the guest has no network and must not need one.

Invariant: every request gets exactly one answer, also when it fails. A lost
frame is an error the host is told about, never a silent gap. The frame layout
is shared with labkit/link.py.
"""

import base64
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

AGENT_INTERFACE = "vec0"
RADIO_INTERFACE = "vec1"
ETHERTYPE = 0x88B5
HEADER = struct.Struct("!6s6sHHHI")  # to, from, type, more, length, sequence
PAYLOAD_MAX = 1400
BROADCAST = b"\xff" * 6
SHARE = Path("/lab")
INLINE_OUTPUT = 16 * 1024
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


class Link:
    """Whole messages to and from the host."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
        for interface in AGENT_INTERFACE, RADIO_INTERFACE:
            raise_interface(self.socket, interface)
        self.socket.bind((AGENT_INTERFACE, ETHERTYPE))
        self.sending = threading.Lock()
        self.sent = 0
        self.received = 0

    def send(self, message):
        data = json.dumps(message).encode()
        with self.sending:
            while True:
                chunk, data = data[:PAYLOAD_MAX], data[PAYLOAD_MAX:]
                header = HEADER.pack(
                    BROADCAST, b"\2dot\0\0", ETHERTYPE, bool(data), len(chunk), self.sent
                )
                self.socket.send(header + chunk)
                self.sent += 1
                if not data:
                    return

    def receive(self):
        data = b""
        while True:
            frame, address = self.socket.recvfrom(4096)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            _, _, _, more, length, sequence = HEADER.unpack_from(frame)
            if sequence != self.received:
                raise SystemExit(f"frame {sequence} came, {self.received} was due")
            self.received += 1
            data += frame[HEADER.size : HEADER.size + length]
            if not more:
                return json.loads(data)


def raise_interface(sock, interface):
    request = bytearray(struct.pack("16sH22x", interface.encode(), 0))
    fcntl.ioctl(sock, SIOCGIFFLAGS, request)
    (flags,) = struct.unpack_from("16xH", request)
    struct.pack_into("H", request, 16, flags | IFF_UP)
    fcntl.ioctl(sock, SIOCSIFFLAGS, request)


class Agent:
    """Answers requests; each runs in a thread of its own, so that a long
    command does not hold up the next."""

    def __init__(self, link):
        self.link = link
        self.adapter = None
        self.at_the_card = {}
        self.actions = {
            "run": self.run,
            "write": self.write,
            "plug": self.plug,
            "unplug": self.unplug,
            "record": self.record,
            "speak": self.speak,
            "end_sound": self.end_sound,
        }

    def serve(self):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.link.send({"event": "hello", "boot": boot, "clock": time.monotonic_ns()})
        while True:
            request = self.link.receive()
            if request["do"] == "clock":  # answered here: a thread would blur it
                self.link.send({"id": request["id"], "clock": time.monotonic_ns()})
            elif request["do"] == "reboot":  # answered first: systemd stops this agent, too
                self.link.send({"id": request["id"]})
                subprocess.Popen(["systemctl", "reboot"])
            else:
                threading.Thread(target=self.answer, args=(request,), daemon=True).start()

    def answer(self, request):
        try:
            reply = self.actions[request["do"]](request)
        except Exception as error:  # whatever it is, the host must hear of it
            reply = {"error": f"{type(error).__name__}: {error}"}
        self.link.send({"id": request["id"], **reply})

    def run(self, request):
        command = ["/bin/bash", "-c", request["cmd"]]
        if request.get("user"):
            command = ["runuser", "-u", request["user"], "--", *command]
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
        try:
            out, err = child.communicate(timeout=request["limit"])
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
            return {"timeout": True, **self.output(request, out, err)}
        return {"rc": child.returncode, **self.output(request, out, err)}

    def output(self, request, out, err):
        """Small outputs travel in the answer, big ones as files."""
        reply = {}
        for name, data in ("stdout", out), ("stderr", err):
            if len(data) <= INLINE_OUTPUT:
                reply[name] = data.decode(errors="replace")
            else:
                path = f"output-{request['token']}.{name}"
                write_synced(SHARE / path, data)
                reply[name + "_file"] = path
        return reply

    def write(self, request):
        path = Path(request["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(request["data"]))
        if request.get("mode"):
            path.chmod(request["mode"])
        return {}

    def plug(self, request):
        if self.adapter and self.adapter.poll() is None:
            return {"error": "an adapter is plugged already"}
        self.adapter = subprocess.Popen(
            [SHARE / "lab-hci", RADIO_INTERFACE, str(request["generation"])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        name = self.adapter.stdout.readline().strip()
        if not name:
            return {"error": self.adapter.stderr.read()}
        threading.Thread(target=self.watch_adapter, args=(self.adapter,), daemon=True).start()
        return {"adapter": name}

    def watch_adapter(self, adapter):
        reason = adapter.stderr.read()
        if adapter.wait() != -signal.SIGTERM:
            self.link.send({"event": "adapter-died", "reason": reason})

    def unplug(self, _request):
        if not self.adapter or self.adapter.poll() is not None:
            return {"error": "no adapter is plugged"}
        self.adapter.terminate()
        self.adapter.wait()
        return {}

    def record(self, request):
        return self.begin_sound(request["name"], "lab-recorder")

    def speak(self, request):
        return self.begin_sound(request["name"], "lab-microphone", *request["words"])

    def begin_sound(self, name, program, *words):
        """Starts a program at the far side of the sound card; its first line says that it runs."""
        started = subprocess.Popen(
            [SHARE / program, SHARE / name, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if not started.stdout.readline():
            return {"error": started.stderr.read()}
        self.at_the_card[name] = started
        return {}

    def end_sound(self, request):
        ending = self.at_the_card.pop(request["name"])
        ending.send_signal(signal.SIGINT)
        _, complaint = ending.communicate(timeout=20)
        if ending.returncode:
            return {"error": complaint}
        return {}


def write_synced(path, data):
    """The host reads the file as soon as it hears of it."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    Agent(Link()).serve()
