"""Sweeps storage: files to which nothing refers any more, because whoever was to give them up never came to it.

An upload whose call was killed, cancelled, cleared or forgotten; the variants that were written before a crash; what a dispatch
spooled that was then rolled back. The reaper of the trash takes what was given up in order; this takes the rest.

It is safe against work in flight: a file is left alone for a day, whatever else is known of it; an upload as long as any call
that waits, runs or may be retried names it; a photo as long as a transaction holds its key, and when a listing has it.
"""

import logging
from collections.abc import Iterator
from itertools import islice

from sqlalchemy.orm import Session

from forecourt import job
from forecourt.database import in_transaction_of
from forecourt.database import session as transaction
from forecourt.marketplace.storage import Storage
from forecourt.marketplace.trash import FORGET_HOLDERS, FREE, IN_USE
from forecourt.marketplace.uploads import INCOMING
from forecourt.settings import settings
from forecourt.store.mentions import mentioned

DAY = 86_400.0
"""Seconds for which a file is left alone. A transaction that spools an upload, or an application that stores a photo of its own
before it writes the row, is over by then."""

BATCH = 1_000
"""Files in one transaction: each costs a lock until it ends."""

AN_UPLOAD = f"({INCOMING}[a-z0-9_-][a-z0-9._-]*)"

log = logging.getLogger(__name__)


@job(queue="low", timeout=3600)
def sweep_storage() -> dict[str, int]:
    """Delete uploads that no call names and photos that no listing has, if they are older than a day.

    Returns how many of each, and how many half-written files went. Running it again, or twice at once, does no harm.
    """
    storage = Storage(settings().storage)
    counts = {
        "uploads": sum(_swept_uploads(storage)),
        "photos": sum(_swept_photos(storage)),
        "unfinished": storage.remove_unfinished(DAY),
    }
    log.info("Swept storage: %d uploads, %d photo files", counts["uploads"], counts["photos"])
    return counts


def _swept_uploads(storage: Storage) -> Iterator[int]:
    # Listed first, then asked for: a call that names one is dispatched after it was stored.
    old = [key for key in storage.keys(INCOMING) if storage.age(key) >= DAY]
    with transaction() as tx:
        wanted = mentioned(in_transaction_of(tx), AN_UPLOAD, failed=True)
    yield _delete(storage, [key for key in old if key not in wanted])


def _swept_photos(storage: Storage) -> Iterator[int]:
    old = (key for key in storage.keys("photos/") if storage.age(key) >= DAY)
    while keys := list(islice(old, BATCH)):
        with transaction() as tx:
            yield _delete(storage, _without_holders(tx, keys))


def _without_holders(tx: Session, keys: list[str]) -> list[str]:
    """Those that nobody writes right now and no listing has; until the transaction ends nobody can begin to write them."""
    free = set(tx.scalars(FREE, {"keys": keys}))
    in_use = set(tx.scalars(IN_USE, {"keys": list(free)}))
    tx.execute(FORGET_HOLDERS, {"keys": list(free - in_use)})
    return sorted(free - in_use)


def _delete(storage: Storage, keys: list[str]) -> int:
    with storage.deleting() as delete:
        for key in keys:
            delete(key)
    return len(keys)
