"""What everybody says of the phones of a household: dotctl, BlueZ, PipeWire, the phones themselves, and
the sound card.

Invariant: who is heard is told by the tones on what the card played, and by nobody's word.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from turns import LEVEL, LOUD, TONES, check_alone, heard

from labkit import signals
from labkit.pi import SOUND_SERVER
from labkit.recording import Recording

ASK = f"""set -e
dotctl status --json
busctl --json=short call org.bluez / org.freedesktop.DBus.ObjectManager GetManagedObjects
{SOUND_SERVER} pw-dump
"""
STATES = {"forward-seek": "forward", "reverse-seek": "rewind", "error": "stopped"}
"""What dotd calls those states of a player that BlueZ calls something else."""
LISTENED = 0.3
"""Seconds for which a recording goes on, once all agree."""
STEADY = 8
"""Pieces at its end, in each of which is heard whoever is heard: until then the sound may be on its way
to the card."""
CLEAR = 3.0
"""A tone that is nearer than so many dB to what counts as heard may count or not."""


@dataclass
class Seen:
    """A phone, as each of those who know of it sees it."""

    shown: dict
    """By dotctl."""
    said: dict
    """What people said of it last: some of what dotctl shows."""
    device: dict
    transport: dict | None
    player: dict | None
    node: str | None
    """The state of its stream in PipeWire."""
    linked: bool
    """By the phone itself."""
    streams: bool

    def disagreements(self, ceiling: int) -> list[str]:
        """What does not fit together."""
        shown, device = self.shown, self.device
        active = self.transport is not None and self.transport["State"] == "active"
        sides = {
            "connected": (shown["connected"], device.get("Connected", False), self.linked),
            "bonded": (shown["bonded"], device.get("Bonded", False)),
            "streams": (self.streams, active, self.node == "running"),
            "has a player": (shown["player"] is not None, self.player is not None),
            **{what: (shown[what], said) for what, said in self.said.items()},
        }
        if self.player and shown["player"]:
            state = self.player.get("Status", "unknown")
            sides["player"] = (shown["player"]["state"], STATES.get(state, state))
        if self.transport is not None:
            sides["volume"] = (shown["volume"], percent(self.transport.get("Volume")))
        wrong = [f"{what}: {said}" for what, said in sides.items() if len(set(said)) > 1]
        if shown["connected"] and not shown["trusted"]:
            wrong.append("connected, and not trusted")
        if shown["trusted"] == shown["blocked"]:
            wrong.append("trusted and blocked, or neither")
        unwanted = shown["blocked"] or shown["preference"] == "never"
        if unwanted and (shown["called"] or shown["next_call"]):
            wrong.append("called, though it is blocked or never to be")
        if not 0 <= shown["volume"] <= ceiling:
            wrong.append(f"volume {shown['volume']} of {ceiling}")
        if shown["playing"] and not active:
            wrong.append("playing, and nothing comes of it")
        return wrong


def percent(avrcp: int | None) -> int | None:
    """The volume that a slider (0 to 127) stands for, if there is one."""
    return None if avrcp is None else (avrcp * 100 + 63) // 127


def disagreements(speaker, family: list, said: dict) -> tuple[list[str], dict]:
    """All that does not fit together just now, but for what is heard; and the status."""
    status, devices, nodes = asked(speaker.pi)
    shown = {each["address"]: each for each in status["phones"]}
    wrong = [
        f"{what} is {status[what]['state']}"
        for what, well in (("bluetooth", "on"), ("sound", "ready"))
        if status[what]["state"] != well
    ]
    for phone in family:
        if phone.address not in shown:
            wrong.append(f"{phone.name}: not in the list")
            continue
        known = devices.get(phone.address, {})
        seen = Seen(
            shown[phone.address],
            said[phone],
            known.get("Device1", {}),
            known.get("MediaTransport1"),
            known.get("MediaPlayer1"),
            nodes.get(phone.address),
            phone.connected_to is not None,
            streams(phone),
        )
        told = seen.disagreements(status["sound"]["max_volume"])
        wrong += [f"{phone.name}: {each}" for each in told]
    playing = [each["name"] for each in shown.values() if each["playing"]]
    streaming = [phone for phone in family if nodes.get(phone.address) == "running"]
    if len(playing) != min(len(streaming), 1):
        wrong.append(f"{playing} are heard, and {len(streaming)} phones play")
    if strangers := set(shown) - {phone.address for phone in family}:
        wrong.append(f"strangers: {strangers}")
    return wrong, status


def asked(pi) -> tuple[dict, dict, dict]:
    """What is told just now: the status; what BlueZ knows, and the state of what dotd plays of music in
    PipeWire, by the address of the phone."""
    decoder, found, text = json.JSONDecoder(), [], pi.sh(ASK).stdout.lstrip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    status, bluez, sound = found
    (tree,) = bluez["data"]
    return status, devices_in(tree), nodes_in(sound)


def devices_in(tree: dict) -> dict[str, dict]:
    """The properties of each interface of each device of BlueZ's."""
    found = {}
    for path, interfaces in tree.items():
        device = next((part for part in path.split("/") if part.startswith("dev_")), "")
        known = found.setdefault(device[4:].replace("_", ":"), {})
        for interface, properties in interfaces.items():
            plain = {name: value["data"] for name, value in properties.items()}
            known[interface.rpartition(".")[2]] = plain
    return found


def nodes_in(sound: list) -> dict[str, str]:
    """The states of dotd's streams of music."""
    found = {}
    for each in sound:
        info = each.get("info") or {}
        properties = info.get("props") or {}
        if properties.get("application.name") == "dotd" and properties.get("media.role") == "Music":
            address = properties["node.name"].removeprefix("dotd.").replace("_", ":")
            found[address] = info["state"]
    return found


def streams(phone) -> bool:
    """Whether the phone has its stream running."""
    told = [
        event.details.get("state")
        for event in phone.events
        if event.kind == "stream" or (event.kind == "profile" and event.details["name"] == "a2dp")
    ]
    return told[-1:] == ["streaming"]


def had_to_stop(phone, since: float) -> bool:
    """Whether the phone has had a reason since then to stop: a key, a call of its own, the loss of its
    way to the speaker, its user. That its piece was over is none, nor that the speaker suspended it."""
    reasons = {
        "key": lambda details: details["key"] in ("pause", "stop") and details["obeyed"],
        "call": lambda _: True,
        "playback-ended": lambda details: details["failure"],
    }
    return any(
        event.kind in reasons and reasons[event.kind](event.details)
        for event in phone.events
        if event.time >= since
    )


def misheard(recording: Recording, family: list, status: dict) -> list[str]:
    """Who is heard at the end of a recording and is not said to play, or is not heard although it is. The
    phones of a family play the TONES in its order; that two are heard together, at any time, fails."""
    tones = TONES[: len(family)]
    parts = [heard(Recording(recording.name, [each]), tones) for each in recording.segments]
    parts = [pieces for pieces in parts if len(pieces)]
    for pieces in parts:
        check_alone(pieces)
    if not parts or len(parts[-1]) < STEADY:
        return ["too little was recorded"]
    shown = {each["address"]: each for each in status["phones"]}
    wrong = []
    for phone, share in zip(family, parts[-1][-STEADY:].mean(axis=0), strict=True):
        known = shown[phone.address]
        level = LEVEL + signals.loudness(known["volume"])
        plays = known["playing"] and not status["sound"]["muted"]
        if share and not (plays and level > LOUD - CLEAR):
            wrong.append(f"{phone.name} is heard, and should not be")
        if share < 1 and plays and level > LOUD + CLEAR:
            wrong.append(f"{phone.name} should be heard, and is not")
    return wrong
