"""What storage promises, whether it is a folder or a bucket: bytes under a key, written once and
never half.

A key names its content (a hash or a random part), so nothing is ever overwritten, retries cost
nothing, and what a key holds can be cached forever.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from uuid import UUID

# Lower case only, so that two keys never meet on a file system that ignores case. No part starts
# with a dot: there is no way up, and a temporary file is never a key. A part leaves room in the 255
# bytes of a file name.
_PART = r"[a-z0-9_-][a-z0-9._-]{0,127}"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_LONGEST_KEY = 255


class StorageError(Exception):
    """A key that storage cannot serve, or storage that is not there to be used; the message says
    which and why.
    """


class NotStoredError(StorageError):
    """Nothing lies under this key."""


class StorageUnavailable(OSError):
    """The bucket could not be asked, or did not do what it was asked. Nothing was lost, and the
    next try begins anew.
    """


class DamagedError(StorageUnavailable):
    """What lies under a key is not what was put there."""


class Storage(Protocol):
    """Any number of processes may share it. A full disk, a network that is down and the like
    surface as OSError: they may be gone at the next try, a StorageError will not."""

    @property
    def where(self) -> str:
        """Which folder or bucket this is, for people."""

    def mark(self) -> UUID:
        """What tells this storage from every other: hosts that share it find the same."""

    def put(self, key: str, data: bytes) -> None:
        """Stores `data` under `key`; does nothing when the key is there already. On return the
        bytes survive a power cut; a crash on the way leaves the key absent, never half-written."""

    def draft(self, key: str) -> AbstractContextManager[Path]:
        """Gives the path of a file to be written, which is stored under `key` when the block ends,
        in place of what was there. When the block raises, or is killed, nothing is stored."""

    def read(self, key: str) -> bytes:
        """The bytes under `key`. Raises NotStoredError when there are none."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """Gives the path of a file with the bytes under `key`, to be read while the block lasts.
        Raises NotStoredError.
        """

    def exists(self, key: str) -> bool:
        """Whether `read` would find something."""

    def delete(self, key: str) -> None:
        """Removes `key`. One that is not there is a success: deletes may repeat."""

    def deleting(self) -> AbstractContextManager[Callable[[str], None]]:
        """Gives a `delete` for many keys. What it did survives a power cut when the block ends."""

    def keys(self, prefix: str = "", *, older_than: float = 0.0) -> Iterator[str]:
        """Every key that starts with `prefix` and was stored so many seconds ago or earlier,
        lazily. One that is stored or deleted meanwhile may show or not."""

    def remove_unfinished(self, older_than: float) -> int:
        """Removes what writers that were killed left half-written, so many seconds ago or earlier.
        Returns how many.
        """


def checked_key(key: str) -> str:
    """`key`, if it is one. Raises StorageError."""
    if not is_key(key):
        raise StorageError(
            f"{key[:80]!r} is not a storage key: expected parts of a-z 0-9 . _ - joined by '/', none starting "
            f"with a dot, {_LONGEST_KEY} characters at most"
        )
    return key


def is_key(name: str) -> bool:
    """Whether it is made as keys are."""
    return len(name) <= _LONGEST_KEY and _KEY.fullmatch(name) is not None
