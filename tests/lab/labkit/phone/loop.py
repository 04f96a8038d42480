"""The thread in which all virtual phones live.

Bumble is asyncio code; scenarios are plain synchronous tests. One event loop in one background
thread runs every phone of the process, and `run` is the only door between the two worlds.

Invariant: Bumble objects are touched by this thread only.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from labkit import clock
from labkit.radio import prefer

Result = TypeVar("Result")

_SWITCH_SECONDS = 0.0005
"""How long a computing test may keep Python's lock from the phones."""

_GRACE = 5.0
"""Seconds a cancelled operation has to clean up before the caller stops waiting for it."""


class LinkLost(Exception):
    """The link an operation needed went down before it was done."""


_start_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def background_loop() -> asyncio.AbstractEventLoop:
    """Returns the phones' event loop, started at first use."""
    global _loop
    with _start_lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            # A daemon thread: an unfinished phone must not keep a failed test run alive.
            threading.Thread(target=_live, args=(_loop,), name="phones", daemon=True).start()
        return _loop


def _live(loop: asyncio.AbstractEventLoop) -> None:
    """Runs the phones ahead of the test, the guest and whatever else the machine does: a phone
    that is late measures the machine, not the speaker."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    prefer(threading.get_native_id())
    loop.run_forever()


def run(operation: Coroutine[Any, Any, Result], timeout: float) -> Result:
    """Runs a coroutine on the phones' thread and returns its result.

    Raises TimeoutError after `timeout` seconds, when the operation has been cancelled and has
    cleaned up; LinkLost when the link went down under it.
    """

    async def limited() -> Result:
        return await asyncio.wait_for(operation, clock.host(timeout))

    future = asyncio.run_coroutine_threadsafe(limited(), background_loop())
    try:
        return future.result(clock.host(timeout) + _GRACE)
    except concurrent.futures.CancelledError:
        # Bumble cancels whatever waits for a connection that ended.
        raise LinkLost("the link went down meanwhile") from None
    except BaseException:
        future.cancel()
        raise
