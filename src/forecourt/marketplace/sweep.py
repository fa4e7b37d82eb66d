"""Sweeps storage: files to which nothing refers any more, because whoever was to give them up never
came to it.

An upload whose call was killed, cancelled, cleared or forgotten; the variants that were written
before a crash; what a dispatch spooled that was then rolled back. The reaper of the trash takes
what was given up in order; this takes the rest.

It is safe against work in flight: a file is left alone for a day, whatever else is known of it; an
upload as long as any call that waits, runs or may be retried names it; a photo as long as a
transaction holds its key, and when a listing has it. Files of other names than ours are never
touched, and when most photos have no listing it is the database that is the wrong one.
"""

import logging
import re
from collections.abc import Iterator
from itertools import islice

from sqlalchemy.orm import Session

from forecourt import job
from forecourt.database import in_transaction_of
from forecourt.database import session as transaction
from forecourt.marketplace import places
from forecourt.marketplace.storage import Storage
from forecourt.marketplace.trash import FORGET_HOLDERS, FREE, IN_USE
from forecourt.marketplace.uploads import INCOMING
from forecourt.store.mentions import mentioned

DAY = 86_400.0
"""Seconds for which a file is left alone. A transaction that spools an upload, or an application
that stores a photo of its own before it writes the row, is over by then."""

BATCH = 1_000
"""Files in one transaction: each costs a lock until it ends."""

FEW = 100
"""So many photo files without a listing are believed, whatever part of all they are."""

OURS = re.compile(r"photos/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{32}-(?:\d+\.webp|preview\.jpg)")
AN_UPLOAD = f"({INCOMING}[a-z0-9_-][a-z0-9._-]*)"

log = logging.getLogger(__name__)


class TooManyOrphans(RuntimeError):
    """More than half of the photos would go, so none went."""


@job(queue="low", timeout=3600, fail_on=TooManyOrphans)
def sweep_storage(force: bool = False) -> dict[str, int]:
    """Delete uploads that no call names and photos that no listing has, if they are older than a
    day.

    Returns how many of each, and how many half-written files went. Running it again, or twice at
    once, does no harm. Raises TooManyOrphans, and deletes nothing, when no listing has more than
    half of the photos, unless `force`.
    """
    storage = places.files()
    if not force:
        _require_sense(storage)
    counts = {
        "uploads": sum(_swept_uploads(storage)),
        "photos": sum(_swept_photos(storage)),
        "unfinished": storage.remove_unfinished(DAY),
    }
    log.info("Swept storage: %d uploads, %d photo files", counts["uploads"], counts["photos"])
    return counts


def _swept_uploads(storage: Storage) -> Iterator[int]:
    # Listed first, then asked for: a call that names one is dispatched after it was stored.
    old = list(storage.keys(INCOMING, older_than=DAY))
    with transaction() as tx:
        wanted = mentioned(in_transaction_of(tx), AN_UPLOAD, failed=True)
    yield _delete(storage, [key for key in old if key not in wanted])


def _swept_photos(storage: Storage) -> Iterator[int]:
    for keys in _old_photos(storage):
        with transaction() as tx:
            yield _delete(storage, _without_holders(tx, keys))


def _require_sense(storage: Storage) -> None:
    total = orphans = 0
    for keys in _old_photos(storage):
        total += len(keys)
        with transaction() as tx:
            orphans += len(_without_holders(tx, keys))
            tx.rollback()
    if orphans > FEW and orphans * 2 > total:
        raise TooManyOrphans(
            f"no listing has {orphans} of the {total} photo files in {storage.where}, so nothing was deleted: is this the place of "
            "this database? If it is, run `forecourt queue dispatch sweep_storage '{\"force\": true}'`"
        )


def _old_photos(storage: Storage) -> Iterator[list[str]]:
    """The photo files that were stored a day ago or earlier, so many at a time."""
    old = (key for key in storage.keys("photos/", older_than=DAY) if OURS.fullmatch(key))
    while keys := list(islice(old, BATCH)):
        yield keys


def _without_holders(tx: Session, keys: list[str]) -> list[str]:
    """Those that nobody writes right now and no listing has; until the transaction ends nobody can
    begin to write them.
    """
    free = set(tx.scalars(FREE, {"keys": keys}))
    in_use = set(tx.scalars(IN_USE, {"keys": list(free)}))
    tx.execute(FORGET_HOLDERS, {"keys": list(free - in_use)})
    return sorted(free - in_use)


def _delete(storage: Storage, keys: list[str]) -> int:
    with storage.deleting() as delete:
        for key in keys:
            delete(key)
    return len(keys)
