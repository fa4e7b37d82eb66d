"""The nightly sweeps, each in one pass, beside the row-by-row way: select, and for each row all
that has to be done.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
from sqlalchemy import text

from benchmarks.ground import Ground
from benchmarks.market import have_listings
from benchmarks.measure import Figures, Row, Scale, at_least, in_turn, ratios
from forecourt.database import session
from forecourt.marketplace import places
from forecourt.marketplace.placements import expire_sponsored_listings
from forecourt.marketplace.trash import cleanup_soft_deleted, reap_blobs
from forecourt.settings import settings

LISTINGS = 100_000
SAMPLE = 1_000
"""Rows that the row-by-row way works through; its rate is taken from them. As many listings have
files, three each.
"""

ROUNDS = 3
"""At most: filling the tables takes longer than what is measured."""

YESTERDAY = datetime.now(UTC) - timedelta(days=1)
LAST_MONTH = datetime.now(UTC) - timedelta(days=31)

EMPTY = """
TRUNCATE car_listings, car_listing_daily_stats, photo_holders, blob_deletions, forecourt.ready, forecourt.scheduled CASCADE;
DROP SCHEMA IF EXISTS peer CASCADE;
"""
STATS = text("INSERT INTO car_listing_daily_stats (car_listing_id, date) SELECT id, current_date FROM car_listings")

# The same listings in a table as the reference's framework makes it, without an index on photos;
# its stats and events go with a listing by cascade, and its jobs wait in the framework's own table.
PEER = """
CREATE SCHEMA peer;
CREATE TABLE peer.car_listings AS SELECT * FROM car_listings;
ALTER TABLE peer.car_listings ADD PRIMARY KEY (id), ADD UNIQUE (slug);
CREATE INDEX ON peer.car_listings (owner_id);
CREATE INDEX ON peer.car_listings (is_sponsored, sponsored_until);
CREATE INDEX ON peer.car_listings (deleted_at);
CREATE TABLE peer.car_listing_daily_stats AS SELECT * FROM car_listing_daily_stats;
ALTER TABLE peer.car_listing_daily_stats
    ADD PRIMARY KEY (car_listing_id, date),
    ADD FOREIGN KEY (car_listing_id) REFERENCES peer.car_listings ON DELETE CASCADE;
CREATE TABLE peer.jobs (
    id bigserial PRIMARY KEY,
    queue varchar(255) NOT NULL,
    payload text NOT NULL,
    attempts smallint NOT NULL,
    reserved_at integer,
    available_at integer NOT NULL,
    created_at integer NOT NULL
);
CREATE INDEX ON peer.jobs (queue);
"""

ENDED = """
SELECT * FROM peer.car_listings WHERE is_sponsored = true AND sponsored_until <= now() AND id > %s ORDER BY id LIMIT 500
"""
EXPIRE = "UPDATE peer.car_listings SET is_sponsored = false, sponsored_until = NULL, updated_at = now() WHERE id = %s"
DISPATCH = """
INSERT INTO peer.jobs (queue, payload, attempts, reserved_at, available_at, created_at)
VALUES ('low', %s, 0, NULL, %s, %s)
RETURNING id
"""
PAYLOAD: dict[str, Any] = {
    "uuid": "0193550c-7c5b-7d0e-8a2e-0f6d7c1b2a3d",
    "displayName": "App\\Jobs\\SendSponsorshipExpiredNotification",
    "job": "Illuminate\\Queue\\CallQueuedHandler@call",
    "maxTries": 3,
    "maxExceptions": None,
    "failOnTimeout": False,
    "backoff": "10,30,60",
    "timeout": 30,
    "retryUntil": None,
    "data": {"commandName": "App\\Jobs\\SendSponsorshipExpiredNotification"},
}
TRASHED = """
SELECT id, photos FROM peer.car_listings
WHERE deleted_at IS NOT NULL AND deleted_at <= now() - interval '30 days' AND id > %s
ORDER BY id
LIMIT 500
"""
DELETE = "DELETE FROM peer.car_listings WHERE id = %s"


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Each side does all of its work in each round, on the same rows, and is counted."""
    listings = scale.of(LISTINGS)
    sample = min(SAMPLE, listings)
    with ground.fresh() as url, psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        return [*_expiring(connection, scale, listings, sample), *_deleting(connection, scale, listings, sample)]


def _expiring(connection: psycopg.Connection, scale: Scale, listings: int, sample: int) -> list[Row]:
    def ours() -> float:
        _fill(connection, listings, sponsored_until=YESTERDAY)
        begun = time.perf_counter()
        with session() as tx:
            counts = expire_sponsored_listings(session=tx)
        seconds = time.perf_counter() - begun
        assert counts == {"expired": listings, "notifications": listings}, counts
        assert connection.execute("SELECT count(*) FROM forecourt.ready").fetchone() == (listings,)
        return listings / seconds

    def row_by_row() -> float:
        rate = _row_by_row(connection, ENDED, sample, _expire)
        assert connection.execute("SELECT count(*) FROM peer.jobs").fetchone() == (sample,)
        return rate

    mine, theirs = in_turn(min(ROUNDS, scale.rounds), ours, row_by_row)
    return [
        at_least(
            "expiring sponsored listings, notifications enqueued",
            20,
            ratios(mine, theirs),
            f"{listings:,} listings: {Figures(mine, '/s')}; an UPDATE and a dispatch for each {Figures(theirs, '/s')}, "
            f"measured on {sample:,}",
            "row by row",
        )
    ]


def _deleting(connection: psycopg.Connection, scale: Scale, listings: int, sample: int) -> list[Row]:
    files: list[float] = []

    def ours() -> float:
        _fill(connection, listings, deleted_at=LAST_MONTH)
        begun = time.perf_counter()
        with session() as tx:
            counts = cleanup_soft_deleted(session=tx)
        seconds = time.perf_counter() - begun
        assert counts == {"deleted": listings, "stats": listings, "events": 0, "files": 3 * listings, "kept": 0}, counts
        files.append(_reaped(connection, sample))
        return listings / seconds

    def row_by_row() -> float:
        _store(_keys(connection, sample))
        rate = _row_by_row(connection, TRASHED, sample, _force_delete)
        assert connection.execute("SELECT count(*) FROM peer.car_listings").fetchone() == (listings - sample,)
        return rate

    mine, theirs = in_turn(min(ROUNDS, scale.rounds), ours, row_by_row)
    both = [1 / (1 / rows + 3 / rate) for rows, rate in zip(mine, files, strict=True)]
    loop = f"unlink and DELETE for each {Figures(theirs, '/s')}, measured on {sample:,}"
    return [
        at_least(
            "deleting trashed listings, photos noted for the reaper",
            20,
            ratios(mine, theirs),
            f"{listings:,} listings with their stats: {Figures(mine, '/s')}; {loop}",
            "row by row",
        ),
        Row(
            "deleting trashed listings and their photo files",
            "",
            f"{ratios(both, theirs)} row by row",
            None,
            f"the reaper deletes {Figures(tuple(files), ' files/s')} for good, three a listing; {loop}, not flushed to disk",
        ),
    ]


def _fill(connection: psycopg.Connection, listings: int, **columns: datetime) -> None:
    connection.execute(EMPTY.encode())
    with session() as tx:
        have_listings(tx, 1, listings, with_photos=True, **columns)
        tx.execute(STATS)
    connection.execute(PEER.encode())
    connection.execute("VACUUM (ANALYZE)")
    connection.execute("CHECKPOINT")


def _row_by_row(
    connection: psycopg.Connection, query: str, sample: int, work: Callable[[psycopg.Connection, int, Any], None]
) -> float:
    """Rows a second that are selected in chunks and worked on one by one, each statement a
    transaction.
    """
    begun = time.perf_counter()
    done = after = 0
    while done < sample:
        for id_, *row in connection.execute(query.encode(), (after,)).fetchall()[: sample - done]:
            work(connection, id_, row)
            after = id_
            done += 1
    return done / (time.perf_counter() - begun)


def _expire(connection: psycopg.Connection, id_: int, row: Any) -> None:
    connection.execute(EXPIRE, (id_,))
    command = f'O:43:"App\\Jobs\\SendSponsorshipExpiredNotification":1:{{s:9:"listingId";i:{id_};}}'
    payload = PAYLOAD | {"data": PAYLOAD["data"] | {"command": command}}
    now = int(time.time())
    connection.execute(DISPATCH, (orjson.dumps(payload).decode(), now, now))


def _force_delete(connection: psycopg.Connection, id_: int, row: Any) -> None:
    for photo in row[0]:
        for variant in photo["variants"]:
            (settings().storage / variant["key"]).unlink()
    connection.execute(DELETE, (id_,))


def _keys(connection: psycopg.Connection, sample: int) -> list[str]:
    rows = connection.execute("SELECT unnest(photo_keys(photos)) FROM peer.car_listings WHERE id <= %s", (sample,))
    return [key for (key,) in rows]


def _store(keys: list[str]) -> None:
    """Files under these keys, small and not flushed: only their names matter here."""
    for key in keys:
        path: Path = settings().storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF")


def _reaped(connection: psycopg.Connection, sample: int) -> float:
    """Files a second, of the first listings."""
    keys = _keys(connection, sample)
    _store(keys)
    connection.execute("DELETE FROM blob_deletions WHERE NOT keys <@ %s", (keys,))
    connection.execute("VACUUM (ANALYZE) blob_deletions, photo_holders")
    connection.execute("TRUNCATE forecourt.ready")
    deleted = 0
    begun = time.perf_counter()
    while connection.execute("SELECT EXISTS (SELECT FROM blob_deletions)").fetchone() == (True,):
        with session() as tx:
            deleted += reap_blobs(session=tx)["deleted"]
    seconds = time.perf_counter() - begun
    assert deleted == len(keys), f"{deleted} of {len(keys)} files"
    assert not any(places.files().exists(key) for key in keys), "files were left"
    return deleted / seconds
