"""Where files lie: in three folders under FORECOURT_VAR, or under the same three names in the
bucket of FORECOURT_STORAGE_URL.
"""

from pathlib import Path

from forecourt.marketplace.bucket import Bucket
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.storage import Storage
from forecourt.settings import settings


def files() -> Storage:
    """Uploads and photos."""
    return bucket("storage") or Folder(settings().storage)


def archive() -> Storage:
    """Archived events."""
    return bucket("archive") or Folder(settings().archive)


def bucket(name: str) -> Bucket | None:
    """The part of the bucket with this name; None when files lie in folders."""
    address = settings().storage_url
    return None if address is None else Bucket(address, name)


def public() -> Path | Bucket:
    """The sitemap."""
    return bucket("public") or settings().public
