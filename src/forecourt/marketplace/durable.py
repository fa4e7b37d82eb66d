"""A finished file takes its name all at once, and keeps it through a power cut."""

import os
from contextlib import suppress
from pathlib import Path


def publish(temporary: Path, target: Path) -> None:
    """Give `temporary` the name `target`, in place of what was there. Both lie in the same folder.

    A reader sees the old file or the whole new one. On return the new one survives a power cut.
    """
    flush(temporary)
    temporary.replace(target)
    flush(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they survive a power cut with what is put in
    them.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        # Another process was first, and may have removed it again, which `exist_ok` takes for a
        # file in the way: whoever then opens something in it hears what is so.
        with suppress(FileExistsError):
            folder.mkdir()
        flush(folder.parent)


def flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk: a rename or an unlink is durable only
    then.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
