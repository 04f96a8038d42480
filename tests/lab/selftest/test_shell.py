"""The prompt on a virtual Pi."""

import os
import pty
from pathlib import Path

from labkit.shell import terminals


def test_console_is_found_by_the_process_that_has_its_outer_end():
    outer, console = pty.openpty()
    try:
        assert os.ttyname(console) in terminals(Path("/proc/self/fdinfo"))
    finally:
        os.close(outer)
        os.close(console)
