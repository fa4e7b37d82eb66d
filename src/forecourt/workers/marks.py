"""What each slot is running, in a small shared file that outlives every process of the worker.

When a whole worker is killed, whoever rescues its calls on this host reads here which of them had started: those lose a try, the
others were only claimed and lose nothing. A file mapping costs a slot one store a call.
"""

import mmap
import os
import re
import struct
from pathlib import Path

from forecourt.settings import settings

CELL = struct.Struct("=q")
PATTERN = re.compile(r"marks-\d+-\d+")


class Marks:
    """One cell for each call that a slot may run at once: its id, or 0."""

    def __init__(self, path: Path, slots: int) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            # Written rather than truncated to size: a store into a hole for which the disk has no room would kill the slot.
            file.write(bytes(max(0, slots * CELL.size - file.seek(0, os.SEEK_END))))
            file.flush()
            self._cells = mmap.mmap(file.fileno(), slots * CELL.size)

    def set(self, slot: int, call: int) -> None:
        """Say that a slot starts this call."""
        CELL.pack_into(self._cells, slot * CELL.size, call)

    def clear(self, slot: int) -> None:
        """Say that a slot runs nothing."""
        CELL.pack_into(self._cells, slot * CELL.size, 0)

    def close(self) -> None:
        """Unmap, and remove the file. The worker that ends in order does this last."""
        self._cells.close()
        self.path.unlink(missing_ok=True)


def folder() -> Path:
    """Where the workers of this host that share a FORECOURT_VAR leave their marks."""
    return (settings().var / "run").absolute()


def of(name: str) -> Path | None:
    """The file that a worker's row names, if it is one of this folder's marks: a row says what whoever wrote it likes."""
    path = Path(name)
    return path if path.parent == folder() and PATTERN.fullmatch(path.name) and not path.is_symlink() else None


def forget(path: Path | None) -> None:
    """Remove a lost worker's file."""
    if path is not None and path.is_file():
        path.unlink(missing_ok=True)


def read(path: Path | None) -> set[int]:
    """The calls that were running when the worker ended; empty when there is no such file."""
    try:
        content = b"" if path is None else path.read_bytes()
    except OSError:
        return set()
    return {cell for (cell,) in CELL.iter_unpack(content[: len(content) - len(content) % CELL.size]) if cell}
