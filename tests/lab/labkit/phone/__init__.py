"""Virtual phones: Bumble devices that behave like the phones people own.

`Phone` is the whole public surface; see phone.py, listening.py for its player app, and calling.py
for what phones made with `calls=` can do besides. What a phone saw is in `phone.events`, and
`phone.wait_event(kind, timeout, since, matching)` waits for more. The kinds and their details:

    inquiry-result      address, name, rssi
    paging              address
    connected           address, incoming
    disconnected        address, reason (HCI), meaning
    encrypted           address, on
    pairing-started     address, bonding
    numbers-compared    number, agreed
    pairing-refused     address, why: somebody wanted to pair and the user had not asked
    pairing-failed      address, why
    paired              address; "authenticated" when it was without bonding
    channel-refused     psm, result (L2CAP)
    profile             name ("a2dp", "avrcp", or "covers": a session for them), open
    endpoints           codec ("sbc", "aac"), sinks: {seid: in use}
    stream              state ("configured", "open", "streaming", "suspended", "closed",
                        "aborted"), and coding, seid, mtu, by ("phone", "speaker") where known
    endpoint-not-released  seid: still in use two seconds after it was closed
    delay-report        ms
    playback-ended      packets, failure
    volume              volume (0-127), by
    volume-not-watched  why
    key                 key ("play", "pause", ...), obeyed; and pressed=False when a held "rewind"
                        or "fast_forward" was let go: of other keys that is not told
    track               title, uid: another track is the current one
    list-ended          the list was over: the phone pauses at its first track
    setting             name ("shuffle", "repeat"), value, by
    setting-refused     asked (AVRCP's numbers), why
    metadata-asked
    app-asked           name: the speaker read the list of players
    cover-asked         handle, what ("thumbnail", "image", "properties"), found
    phone-failed        why: something the phone did by itself did not work

and of phones made with `calls=`:

    hfp                 state ("offered", "open", "ready", "closed"), and version, features, by
    asked               what ("answer", "hang-up", "dial", "redial", "dtmf", "hold", "assistant",
                        "speaker-volume", "microphone-volume", "noise-reduction", "indicator",
                        "audio", "codec", "calls"; "command" for the rest), value, line
    told                line: what the phone sent, answers and the rest
    refused             line, why, code (CME)
    violation           line, why: the speaker did what the profile does not allow
    call                index, state ("incoming", "waiting", "dialing", "alerting", "active",
                        "held", "ended"), number, incoming
    codec               codec ("lc3", "msbc", "cvsd"), agreed
    audio               state ("open", "closed", "failed", "withheld"), codec, by, reason
"""

from labkit.phone.app import Repeat, Track
from labkit.phone.call import Call, State
from labkit.phone.events import Event, PhoneError
from labkit.phone.handset import Found
from labkit.phone.models import MODELS, Faults, Model
from labkit.phone.phone import Phone
from labkit.phone.playback import Playback
from labkit.phone.speech import Heard, Utterance, VoiceCounts

__all__ = [
    "MODELS",
    "Call",
    "Event",
    "Faults",
    "Found",
    "Heard",
    "Model",
    "Phone",
    "PhoneError",
    "Playback",
    "Repeat",
    "State",
    "Track",
    "Utterance",
    "VoiceCounts",
]
