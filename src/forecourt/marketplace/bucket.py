"""Storage in a bucket that speaks S3, for any number of hosts without a shared folder.

What was sent is known by its SHA-256, which the server checks when it takes it and which lies
beside it as metadata: whatever comes back is compared.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from forecourt.bucket_address import BucketAddress
from forecourt.marketplace.scratch import scratch
from forecourt.marketplace.storage import (
    DamagedError,
    NotStoredError,
    StorageError,
    StorageUnavailable,
    checked_key,
    is_key,
)

if TYPE_CHECKING:
    from obstore.store import S3Store

DIGEST = "sha256"
"""The name of the metadata that says what was sent."""

PIECE = 2**20
TYPES = {
    ".avif": "image/avif",
    ".gz": "application/gzip",
    ".jpg": "image/jpeg",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".xml": "application/xml",
}
FOR_EVER = "public, max-age=31536000, immutable"
PHOTOS = "photos/"

CODE = re.compile(r"<Code>(\w+)</Code>")
UNKNOWN_TO_US = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed"}
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What lies under `prefix`/`part` of a bucket. Uploads in parts that a kill left unfinished are
    invisible, and the bucket's own rule for them removes them."""

    address: BucketAddress
    part: str

    @property
    def where(self) -> str:
        """The bucket and its part."""
        return f"{self.address}, {self.part}"

    def mark(self) -> UUID:
        """The same on every host that names this bucket, however it spells its own key to it."""
        place = f"{self.address.endpoint or 's3:'}/{self.address.bucket}/{self.address.prefix}"
        return uuid5(NAMESPACE_URL, place)

    def put(self, key: str, data: bytes) -> None:
        """Stores `data`, unless the key is there."""
        if not self.exists(key):
            self._send(key, data, sha256(data).hexdigest())

    @contextmanager
    def draft(self, key: str) -> Iterator[Path]:
        """A file of this host's, which is sent at the end."""
        with scratch() as folder:
            path = folder / checked_key(key).rpartition("/")[2]
            yield path
            self.send_file(key, path)

    def send_file(self, key: str, path: Path) -> bool:
        """Puts a file under `key`, in place of what was there, and returns False when the same
        bytes were.
        """
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        if self._digest_of(key) == digest:
            return False
        self._send(key, path, digest)
        return True

    def read(self, key: str) -> bytes:
        """The bytes under `key`. Raises NotStoredError when there are none, and DamagedError when
        they are not what was sent.
        """
        return b"".join(self._pieces(key))

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """A file of this host's with what the bucket has."""
        with scratch() as folder:
            path = folder / checked_key(key).rpartition("/")[2]
            with path.open("wb") as out:
                for piece in self._pieces(key):
                    out.write(piece)
            yield path

    def exists(self, key: str) -> bool:
        """Whether `read` would find something."""
        return self._digest_of(key) is not None

    def delete(self, key: str) -> None:
        """Removes `key`, if it is there."""
        with self.deleting() as delete:
            delete(key)

    @contextmanager
    def deleting(self) -> Iterator[Callable[[str], None]]:
        """Gives a `delete` for many keys, which go together at the end."""
        keys: list[str] = []
        yield lambda key: keys.append(checked_key(key))
        if keys:
            with self._asking(f"delete {len(keys)} keys, {keys[0]} first"):
                _obstore().delete(self._store(), keys)

    def keys(self, prefix: str = "", *, older_than: float = 0.0) -> Iterator[str]:
        """Every key with this prefix and age, in order."""
        latest = datetime.now(UTC) - timedelta(seconds=older_than)
        folder = prefix.rpartition("/")[0]
        with self._asking(f"list {prefix or 'what it has'}"):
            for page in _obstore().list(self._store(), checked_key(folder) if folder else None):
                for found in page:
                    key = found["path"]
                    if key.startswith(prefix) and is_key(key) and (not older_than or found["last_modified"] <= latest):
                        yield key

    def require_answer(self) -> None:
        """Raises StorageUnavailable, within seconds and after one try, where the bucket does not
        answer.
        """
        with self._asking("list what it has"):
            store = _opened(self.address, self.part, os.getpid(), patient=False)
            next(iter(_obstore().list(store, chunk_size=1)), None)

    def remove_unfinished(self, older_than: float) -> int:
        """None: an upload is there when it is whole."""
        return 0

    def _send(self, key: str, content: bytes | Path, digest: str) -> None:
        attributes = {"Content-Type": TYPES.get(Path(key).suffix, "application/octet-stream"), DIGEST: digest}
        if key.startswith(PHOTOS):
            attributes["Cache-Control"] = FOR_EVER
        with self._asking(f"take {key}"):
            _obstore().put(self._store(), checked_key(key), content, attributes=attributes)

    def _digest_of(self, key: str) -> str | None:
        """What is known of the content of `key`, nothing if somebody else has put it there; None
        when it is not there.
        """
        try:
            with self._asking(f"say whether it has {key}"):
                found = _obstore().get(self._store(), checked_key(key), options={"head": True})
        except NotStoredError:
            return None
        return str(found.attributes.get(DIGEST, ""))

    def _pieces(self, key: str) -> Iterator[bytes]:
        with self._asking(f"give {key}"):
            found = _obstore().get(self._store(), checked_key(key))
            digest = sha256()
            for piece in found.stream(PIECE):
                digest.update(piece)
                yield bytes(piece)
        sent = found.attributes.get(DIGEST)
        if sent is not None and digest.hexdigest() != sent:
            raise DamagedError(f"{key} in {self.where} is damaged: it is not what was sent there")

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Whatever the bucket answers, in our words."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (FileNotFoundError, BaseError) as error:
            raise self._explained(what, error) from None

    def _explained(self, what: str, error: Exception) -> Exception:
        text = str(error)
        code = found[1] if (found := CODE.search(text)) else ""
        if code == "NoSuchBucket":
            return StorageUnavailable(
                f"there is no bucket {self.address}, so it could not {what}: make it, or correct FORECOURT_STORAGE_URL"
            )
        if isinstance(error, FileNotFoundError):
            return NotStoredError(f"nothing is stored in {self.where} under the key that was to {what}")
        if code in UNKNOWN_TO_US or type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
            return StorageUnavailable(
                f"{self.address} does not let us in ({code or 'access denied'}), so it could not {what}: see the key in "
                "FORECOURT_STORAGE_URL, and what it may do"
            )
        return StorageUnavailable(f"{self.where} did not {what}: {_first_words(text)}")

    def _store(self) -> "S3Store":
        return _opened(self.address, self.part, os.getpid(), patient=True)


@lru_cache(maxsize=16)
def _opened(address: BucketAddress, part: str, _process: int, *, patient: bool) -> "S3Store":
    """Connections of this process: what was forked from it makes its own."""
    _obstore()
    from obstore.store import S3Store

    given: dict[str, Any] = {
        "endpoint": address.endpoint,
        "region": address.region
        or (None if "AWS_REGION" in os.environ or "AWS_DEFAULT_REGION" in os.environ else "us-east-1"),
        "access_key_id": address.key,
        "secret_access_key": address.secret,
    }
    return S3Store(
        address.bucket,
        prefix=f"{address.prefix}/{part}".lstrip("/"),
        checksum_algorithm="SHA256",
        client_options={
            "allow_http": (address.endpoint or "").startswith("http://"),
            "connect_timeout": "5s" if patient else "2s",
            "timeout": "60s" if patient else "5s",
        },
        retry_config={"max_retries": 3 if patient else 0, "retry_timeout": timedelta(seconds=40)},
        **{name: value for name, value in given.items() if value is not None},
    )


def _obstore() -> Any:
    """Here and not above: it starts threads, and slots are forked from a process that must have
    none.
    """
    try:
        import obstore
    except ModuleNotFoundError:
        raise StorageError(
            "FORECOURT_STORAGE_URL names a bucket, for which `pip install 'forecourt[s3]'` is needed"
        ) from None
    return obstore


def _first_words(text: str) -> str:
    """What the library says, without the structures behind it."""
    return " ".join(text.partition("\n\nDebug source")[0].split())[:300]
