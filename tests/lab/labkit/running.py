"""The virtual Pis that run on this host, found by the folders they live in.

Standard library only: `lab shell` looks before anything is made.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PREFIX = "dotd-lab-"
MEMORY_FOLDER = Path("/dev/shm")


def machines() -> list[Path]:
    """The folders of the virtual Pis that the caller may look into, oldest first."""
    found = []
    places = Path(tempfile.gettempdir()), MEMORY_FOLDER
    for pid_file in (each for place in places for each in place.glob(f"{PREFIX}*/pid")):
        try:
            os.kill(int(pid_file.read_text()), 0)
            found.append((pid_file.parent.stat().st_mtime, pid_file.parent))
        except (OSError, ValueError):
            continue  # Another user's, or it has just ended.
    return [folder for _, folder in sorted(found)]
