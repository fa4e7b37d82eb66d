"""Local storage: bytes under a key, written once and never half.

A key names its content (a hash is part of it), so nothing is ever overwritten, retries cost nothing, and what a key
holds can be cached forever.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

# Lower case only, so that two keys never meet on a file system that ignores case. No part starts with a dot: there is
# no way up, and a temporary file is never a key. A part leaves room in the 255 bytes of a file name.
_PART = r"[a-z0-9_-][a-z0-9._-]{0,127}"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_LONGEST_KEY = 255
_MARK = ".forecourt-storage"
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")


class StorageError(Exception):
    """A key that storage cannot serve; the message names it and says why."""


class NotStoredError(StorageError):
    """Nothing lies under this key."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Files under `root`. Any number of processes may share it.

    A full disk and the like surface as OSError: they may be gone at the next try, a StorageError will not.
    """

    root: Path

    def put(self, key: str, data: bytes) -> None:
        """Stores `data` under `key`; does nothing when the key is there already.

        On return the bytes survive a power cut. A crash on the way leaves the key absent, never half-written; the
        temporary file it may leave behind is invisible to every method here.
        """
        path = self._path(key)
        try:
            if not path.is_file():
                self._write(path, data)
            # Also when the key was there: a rename that another process just made may not have reached the disk.
            self._flush_folders_of(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise StorageError(f"key {key!r} collides with a key that is a folder of it, or inside it") from error

    def read(self, key: str) -> bytes:
        """The bytes under `key`. Raises NotStoredError when there are none."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotStoredError(f"nothing is stored under key {key!r} in {self.root}") from None

    def exists(self, key: str) -> bool:
        """Whether `read` would find something."""
        return self._path(key).is_file()

    def mark(self) -> UUID:
        """What tells this folder from every other, made at the first call: hosts that share the folder find the same."""
        path = self.root / _MARK
        with suppress(FileNotFoundError):
            return UUID(path.read_text().strip())
        temporary, file = _temporary_beside(path)
        with os.fdopen(file, "w") as out:
            out.write(f"{uuid4()}\n")
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):  # another process was first, and its mark counts
            os.link(temporary, path)
        temporary.unlink()
        self._flush_folders_of(path)
        return UUID(path.read_text().strip())

    def age(self, key: str) -> float:
        """Seconds since `key` was first stored; 0 when it is gone meanwhile."""
        try:
            return max(0.0, time.time() - self._path(key).stat().st_mtime)
        except (FileNotFoundError, NotADirectoryError):
            return 0.0

    def delete(self, key: str) -> None:
        """Removes `key` and the folders that this empties. A key that is not there is a success: deletes may repeat."""
        with self.deleting() as delete:
            delete(key)

    @contextmanager
    def deleting(self) -> Iterator[Callable[[str], None]]:
        """Gives a `delete` for many keys. What it did survives a power cut when the block ends: that takes one flush a
        folder, where each file by itself would take its own."""
        folders: set[Path] = set()

        def delete(key: str) -> None:
            path = self._path(key)
            folders.add(path.parent)
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()

        yield delete
        for folder in {self._without_empty(folder) for folder in folders}:
            with suppress(FileNotFoundError):
                _flush(folder)  # or a power cut brings the photo back after its row is gone

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that starts with `prefix`, lazily. One that is stored or deleted meanwhile may show or not."""
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self.root
        for where, folders, names in os.walk(start):
            folders.sort()
            for name in sorted(names):
                key = Path(where, name).relative_to(self.root).as_posix()
                if key.startswith(prefix) and _KEY.fullmatch(key):
                    yield key

    def remove_unfinished(self, older_than: float) -> int:
        """Removes what writers that were killed left half-written, so many seconds ago or earlier. Returns how many."""
        removed = 0
        for where, _, names in os.walk(self.root):
            for name in names:
                path = Path(where, name)
                with suppress(FileNotFoundError):
                    if _TEMPORARY.fullmatch(name) and time.time() - path.stat().st_mtime >= older_than:
                        path.unlink()
                        removed += 1
        return removed

    def _path(self, key: str) -> Path:
        if len(key) > _LONGEST_KEY or not _KEY.fullmatch(key):
            raise StorageError(
                f"{key[:80]!r} is not a storage key: expected parts of a-z 0-9 . _ - joined by '/', none starting "
                f"with a dot, {_LONGEST_KEY} characters at most"
            )
        return self.root / key

    def _without_empty(self, folder: Path) -> Path:
        """Removes this folder and those above it while they are empty, and returns the one that stays."""
        for each in (folder, *folder.parents):
            if each == self.root:
                break
            try:
                each.rmdir()  # refuses a folder that another process is filling right now
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                break
        return each

    def _write(self, path: Path, data: bytes) -> None:
        temporary, file = _temporary_beside(path)
        try:
            with os.fdopen(file, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _flush_folders_of(self, path: Path) -> None:
        with suppress(FileNotFoundError):  # a delete right behind this put took the folder
            for folder in path.parents:
                _flush(folder)
                if folder == self.root:
                    return


def _temporary_beside(path: Path) -> tuple[Path, int]:
    """A new file in the folder of `path`, open for writing. A rename is atomic within one file system only."""
    for _ in range(100):
        temporary = path.parent / f".{uuid4().hex}.tmp"
        with suppress(FileNotFoundError):  # a delete removed the folder while it was still empty: make it again
            _make(path.parent)
            return temporary, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    raise OSError(f"the folder {path.parent} keeps vanishing")


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir()
        _flush(folder.parent)


def _flush(folder: Path) -> None:
    """Brings the names in `folder` to the disk: a rename or an unlink is durable only then."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
