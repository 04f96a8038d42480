"""Virtual phones: Bumble devices that behave like the phones people own.

`Phone` is the whole public surface; see phone.py. What a phone saw is in `phone.events`, and
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
    profile             name ("a2dp", "avrcp"), open
    endpoints           sbc_sinks: {seid: in use}
    stream              state ("configured", "open", "streaming", "suspended", "closed",
                        "aborted"), and sbc, seid, mtu, by ("phone", "speaker") where known
    endpoint-not-released  seid: still in use two seconds after it was closed
    delay-report        ms
    playback-ended      packets, failure
    volume              volume (0-127), by
    volume-not-watched  why
    key                 key ("play", "pause", ...), obeyed
    metadata-asked
    phone-failed        why: something the phone did by itself did not work
"""

from labkit.phone.events import Event, PhoneError
from labkit.phone.handset import Found
from labkit.phone.phone import Phone
from labkit.phone.playback import Playback

__all__ = ["Event", "Found", "Phone", "PhoneError", "Playback"]
