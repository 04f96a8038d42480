"""Keeping Python's garbage collector from stopping the phones.

Phones and tests share one Python process, and its collector stops all of that for up to a tenth of
a second: in a call that is a hole in the voice of every phone. So while there is a radio it does not
run by itself.
"""

import gc


def begin() -> None:
    """From now on nothing is collected but by `collect`. What is there is not looked at."""
    gc.collect()
    gc.freeze()
    gc.disable()


def collect() -> None:
    """Collects now, when no phone is speaking."""
    gc.collect()


def end() -> None:
    """From now on it runs by itself again."""
    gc.enable()
    gc.unfreeze()
