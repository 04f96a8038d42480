"""Virtual phones: Bumble devices that behave like the phones people own.

`Phone` is the whole public surface; see phone.py.
"""

from labkit.phone.events import Event, PhoneError
from labkit.phone.handset import Found
from labkit.phone.phone import Phone
from labkit.phone.playback import Playback

__all__ = ["Event", "Found", "Phone", "PhoneError", "Playback"]
