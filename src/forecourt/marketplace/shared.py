"""Whether the hosts keep uploads and photos in one place, a folder or a bucket.

A photo that was uploaded on one host and is looked for on another is a night's work lost. So each
host notes the mark that it finds in its storage, and a dispatch is refused as long as a worker's
host is known to have another. What is known comes from the hosts themselves: a worker that does not
find an upload puts the call back for another worker, and from then on every dispatch says what is
wrong.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from forecourt.database import session as transaction
from forecourt.marketplace.storage import Storage
from forecourt.process import hostname
from forecourt.settings import settings

KNOWN_FOR = 60.0
"""Seconds for which a process believes what it found: a dispatch of a thousand photo sets asks
once.
"""

NOTE = text(
    """
    INSERT INTO storage_folders (host, path, mark)
    VALUES (:host, :path, :mark)
    ON CONFLICT (host) DO UPDATE
    SET path = excluded.path,
        mark = excluded.mark,
        seen_at = now()
    """
)
OTHERS = text(
    """
    SELECT host, path
    FROM storage_folders AS other
    WHERE mark <> :mark
      AND host <> :host
      AND (NOT :working
           OR EXISTS (
               SELECT FROM forecourt.workers
               WHERE workers.host = other.host
                 AND beat_at > now() - interval '1 minute'
           ))
    ORDER BY host
    """
)

log = logging.getLogger(__name__)
_believed: dict[tuple[str | None, str], float] = {}


class NotShared(RuntimeError):
    """Uploads of this host would not be found by a worker on another."""


def require_shared(storage: Storage) -> None:
    """Note this host's storage. Raises NotShared while a host with workers keeps its files in
    another. The private server is one machine's own, so there is nothing to ask."""
    if settings().database_url is None:
        return
    place = settings().database_url, storage.where
    if time.monotonic() < _believed.get(place, 0.0):
        return
    if others := _others(storage, working=True):
        raise NotShared(
            f"uploads lie in {storage.where} on {hostname()}, and the workers on {_named(others)} keep theirs in a folder of "
            "their own, so they would not find them. Name one bucket on all of these hosts with FORECOURT_STORAGE_URL; or mount "
            "one folder on them, and let FORECOURT_VAR name it; or serve the queue `high` on this host alone"
        )
    _believed[place] = time.monotonic() + KNOWN_FOR


def lies_elsewhere(storage: Storage, uploads: Sequence[str]) -> str | None:
    """Why uploads that are not here may be on another host; None when all are here, or there is no
    other folder.
    """
    missing = [key for key in uploads if not storage.exists(key)]
    if not missing or settings().database_url is None:
        return None
    others = _others(storage, working=False)
    if not others:
        return None
    why = (
        f"{missing[0]} is not in {storage.where} on {hostname()}, and {_named(others)} has a folder of its own: name one bucket "
        "on all hosts with FORECOURT_STORAGE_URL, or mount one folder on them, and let FORECOURT_VAR name it"
    )
    log.error("%s", why)
    return why


def _others(storage: Storage, *, working: bool) -> Sequence[Row[Any]]:
    here = {"host": hostname(), "path": storage.where, "mark": storage.mark()}
    with transaction() as tx:
        tx.execute(NOTE, here)
        return tx.execute(OTHERS, here | {"working": working}).all()


def _named(folders: Sequence[Row[Any]]) -> str:
    return ", ".join(f"{folder.host} ({folder.path})" for folder in folders)
