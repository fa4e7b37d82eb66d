"""Folders of this host's, for files on their way into a bucket or out of it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir

PREFIX = "forecourt-scratch-"
GRACE = 60.0
"""Seconds for which a folder that nobody has locked is left alone: its maker may be about to."""


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, which goes when the block ends. What a killed process left goes first: an
    archive's file has gigabytes, and nobody else would ever look for it.
    """
    _remove_forsaken()
    with TemporaryDirectory(prefix=PREFIX) as name:
        folder = os.open(name, os.O_RDONLY)
        try:
            flock(folder, LOCK_EX)  # ends with this process, however it ends
            yield Path(name)
        finally:
            os.close(folder)


def _remove_forsaken() -> None:
    for path in Path(gettempdir()).glob(PREFIX + "*"):
        with suppress(OSError):  # another user's, or another process was first
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(folder).st_mtime <= time.time() - GRACE:
                    flock(folder, LOCK_EX | LOCK_NB)
                    rmtree(path)
            finally:
                os.close(folder)
