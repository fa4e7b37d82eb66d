"""Storage in a folder, of this host or mounted on many."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from forecourt.marketplace.durable import flush, make_folder, publish
from forecourt.marketplace.storage import NotStoredError, StorageError, checked_key, is_key

_MARK = ".forecourt-storage"
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")


@dataclass(frozen=True, slots=True)
class Folder:
    """Files under `root`. What a killed writer leaves is a temporary file, invisible to every
    method but `remove_unfinished`.
    """

    root: Path

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.root)

    def put(self, key: str, data: bytes) -> None:
        """Stores `data`, unless the key is there."""
        path = self._path(key)
        try:
            if not path.is_file():
                self._write(path, data)
            # Also when the key was there: a rename that another process just made may not have
            # reached the disk.
            self._flush_folders_of(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise StorageError(f"key {key!r} collides with a key that is a folder of it, or inside it") from error

    @contextmanager
    def draft(self, key: str) -> Iterator[Path]:
        """A file beside the key's place, which it takes at the end."""
        path = self._path(key)
        temporary, file = _temporary_beside(path)
        os.close(file)
        try:
            yield temporary
            publish(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """The file itself."""
        if not self.exists(key):
            raise NotStoredError(f"nothing is stored under key {key!r} in {self.root}")
        yield self._path(key)

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
        """What tells this folder from every other, made at the first call: hosts that share the
        folder find the same.
        """
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

    def delete(self, key: str) -> None:
        """Removes `key` and the folders that this empties. A key that is not there is a success:
        deletes may repeat.
        """
        with self.deleting() as delete:
            delete(key)

    @contextmanager
    def deleting(self) -> Iterator[Callable[[str], None]]:
        """Gives a `delete` for many keys. What it did survives a power cut when the block ends:
        that takes one flush a folder, where each file by itself would take its own."""
        folders: set[Path] = set()

        def delete(key: str) -> None:
            path = self._path(key)
            folders.add(path.parent)
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()

        yield delete
        for folder in {self._without_empty(folder) for folder in folders}:
            with suppress(FileNotFoundError):
                flush(folder)  # or a power cut brings the photo back after its row is gone

    def keys(self, prefix: str = "", *, older_than: float = 0.0) -> Iterator[str]:
        """Every key with this prefix and age, folder by folder, in order."""
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self.root
        for where, folders, names in os.walk(start):
            folders.sort()
            for name in sorted(names):
                path = Path(where, name)
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix) and is_key(key) and (not older_than or _age(path) >= older_than):
                    yield key

    def remove_unfinished(self, older_than: float) -> int:
        """Removes what writers that were killed left half-written, so many seconds ago or earlier.
        Returns how many.
        """
        removed = 0
        for where, _, names in os.walk(self.root):
            for name in names:
                path = Path(where, name)
                with suppress(FileNotFoundError):
                    if _TEMPORARY.fullmatch(name) and _age(path) >= older_than:
                        path.unlink()
                        removed += 1
        return removed

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _without_empty(self, folder: Path) -> Path:
        """Removes this folder and those above it while they are empty, and returns the one that
        stays.
        """
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
                flush(folder)
                if folder == self.root:
                    return


def _temporary_beside(path: Path) -> tuple[Path, int]:
    """A new file in the folder of `path`, open for writing. A rename is atomic within one file
    system only.
    """
    for _ in range(100):
        temporary = path.parent / f".{uuid4().hex}.tmp"
        with suppress(FileNotFoundError):  # a delete removed the folder while it was still empty: make it again
            make_folder(path.parent)
            return temporary, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    raise OSError(f"the folder {path.parent} keeps vanishing")


def _age(path: Path) -> float:
    """Seconds since a file was written; none when it is gone meanwhile."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except (FileNotFoundError, NotADirectoryError):
        return 0.0
