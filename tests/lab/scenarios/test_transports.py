"""A phone that suspends and starts faster than BlueZ and dotd agree on it.

bluetoothd and dotd are held still in turn, so that what usually takes a few milliseconds of bad luck
happens every time.
"""

from contextlib import ExitStack, contextmanager

from telephony import saw

from labkit import signals
from turns import TONES, tone

WATCH = "busctl monitor --limit-messages=1 --match=\"type='method_call',member='{}'\""


@contextmanager
def still(speaker, unit):
    """Meanwhile the processes of this unit are held."""
    speaker.pi.sh(f"systemctl kill -s STOP {unit}")
    try:
        yield
    finally:
        speaker.pi.sh(f"systemctl kill -s CONT {unit}")


@contextmanager
def called(speaker, method):
    """dotd calls this method of BlueZ before this ends."""
    speaker.pi.sh("rm -f /run/watch")
    seen = speaker.pi.background(f"{WATCH.format(method)} 2> /run/watch")
    told = "cat /run/watch 2> /dev/null || true"
    speaker.pi.wait_for(lambda: "Monitoring" in speaker.pi.sh(told).stdout, what="a watch")
    yield
    assert seen.result().rc == 0


def transport(speaker):
    """What BlueZ says of the only transport."""
    path = speaker.pi.sh("busctl tree --list org.bluez | grep '/fd'").stdout.strip()
    state = f"busctl get-property org.bluez {path} org.bluez.MediaTransport1 State"
    return speaker.pi.sh(state).stdout.split('"')[1]


def test_suspend_overtakes_the_question(speaker, phone):
    speaker.welcome(phone)
    phone.play(signals.tone(seconds=60.0))
    speaker.wait_playing(phone)
    phone.suspend()
    speaker.wait_silent(phone)
    with ExitStack() as bluetooth:
        with called(speaker, "TryAcquire"), still(speaker, "dotd"):
            phone.resume()
            bluetooth.enter_context(still(speaker, "bluetooth"))
        phone.stutter(starts=False)
    speaker.pi.wait_for(lambda: transport(speaker) == "idle", what="a transport nobody holds")
    phone.resume()
    speaker.wait_playing(phone)


def test_suspend_that_is_over_before_it_is_told(speaker, phones):
    anna, ben = phones(2)
    for phone in (anna, ben):
        speaker.welcome(phone)
    anna.obey(False)
    for phone, frequency in zip((anna, ben), TONES, strict=False):
        began = speaker.pi.now()
        phone.play(tone(frequency))
        speaker.wait_playing(phone)
    saw(anna, "key", began, key="pause")
    began = speaker.pi.now()
    with still(speaker, "bluetooth"):
        anna.stutter(starts=True)
    speaker.wait_playing(anna)
    saw(ben, "key", began, key="pause")
    speaker.wait_silent(ben)
