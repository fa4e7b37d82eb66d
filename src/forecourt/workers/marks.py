"""What each slot is running, in a small shared file that outlives every process of the worker.

When a whole worker is killed, whoever rescues its calls on this host reads here which of them had started: those lose a try, the
others were only claimed and lose nothing. A file mapping costs a slot one store a call.
"""

import mmap
import os
import re
import stat
import struct
from contextlib import suppress
from pathlib import Path

from forecourt.settings import settings

CELL = struct.Struct("=q")
PATTERN = re.compile(r"marks-\d+-\d+")
SIGNATURE = b"4court!\n"
"""What the file begins with, so that nothing else is taken for one."""
LARGEST = 1024 * 1024


class Marks:
    """One cell for each call that a slot may run at once: its id, or 0."""

    def __init__(self, path: Path, slots: int) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            # Written rather than truncated to size: a store into a hole for which the disk has no room would kill the slot.
            if file.seek(0, os.SEEK_END) == 0:
                file.write(SIGNATURE + bytes(slots * CELL.size))
                file.flush()
            self._cells = mmap.mmap(file.fileno(), len(SIGNATURE) + slots * CELL.size)

    def set(self, slot: int, call: int) -> None:
        """Say that a slot starts this call."""
        CELL.pack_into(self._cells, len(SIGNATURE) + slot * CELL.size, call)

    def clear(self, slot: int) -> None:
        """Say that a slot runs nothing."""
        CELL.pack_into(self._cells, len(SIGNATURE) + slot * CELL.size, 0)

    def close(self) -> None:
        """Unmap, and remove the file. The worker that ends in order does this last."""
        self._cells.close()
        self.path.unlink(missing_ok=True)


def folder() -> Path:
    """Where the workers of this FORECOURT_VAR leave their marks."""
    return (settings().var / "run").absolute()


def of(name: str) -> Path | None:
    """The file that a worker's row names, wherever it lies on this host, if marks are what it is: a row says what whoever wrote it
    likes."""
    path = Path(name)
    return path if PATTERN.fullmatch(path.name) and _content(path).startswith(SIGNATURE) else None


def forget(path: Path | None) -> None:
    """Remove a lost worker's file; another user's stays."""
    if path is not None:
        with suppress(OSError):
            path.unlink()


def read(path: Path | None) -> set[int]:
    """The calls that were running when the worker ended; empty when there is no such file."""
    cells = b"" if path is None else _content(path)[len(SIGNATURE) :]
    return {cell for (cell,) in CELL.iter_unpack(cells[: len(cells) - len(cells) % CELL.size]) if cell}


def _content(path: Path) -> bytes:
    """What is in a plain file; nothing if it is none."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - a descriptor
            return file.read(LARGEST) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return b""
