"""What the marketplace's duties leave behind, where it is the application: a fresh sitemap, partitions for the events to come."""

from pathlib import Path

from forecourt.doctor.check import House, Result, grade
from forecourt.durations import duration
from forecourt.marketplace import places
from forecourt.marketplace.storage import StorageError, StorageUnavailable

OLD, VERY_OLD = 36 * 3600.0, 72 * 3600.0

LAST_SITEMAP = "SELECT max(published_at) FROM public.sitemap_runs"

EVENTS_OF_TOMORROW = """
SELECT EXISTS (
    SELECT
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('public.car_listing_analytics')
      AND c.relname = 'car_listing_analytics_' || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD')
)
"""


def sitemap(house: House) -> list[Result]:
    """How old the published sitemap is."""
    if "generate_sitemap" not in house.app.timetable:
        return []
    place = places.public()
    if isinstance(place, Path) and not (place / "sitemap.xml").exists():
        words = f"there is none at {place / 'sitemap.xml'}"
        return [Result("sitemap", "warn", words, duration(OLD), "forecourt sitemap generate")]
    published = house.tx.execute(LAST_SITEMAP).fetchall()[0][0]
    if published is None:
        return [Result("sitemap", "warn", "none was published yet", duration(OLD), "forecourt sitemap generate")]
    age = (house.now - published).total_seconds()
    return [
        Result(
            "sitemap",
            grade(age, OLD, VERY_OLD),
            f"{duration(max(age, 0))} old",
            duration(OLD),
            "forecourt sitemap generate",
            age,
            "seconds",
        )
    ]


def storage(_: House) -> list[Result]:
    """Whether the bucket answers, where files lie in one."""
    bucket = places.bucket("storage")
    if bucket is None:
        return []
    try:
        next(bucket.keys(), None)
    except (StorageUnavailable, StorageError) as error:
        return [
            Result("storage", "fail", str(error), "", "Photos, archive and sitemap wait for it, and nothing is lost.")
        ]
    return [Result("storage", "ok", f"{bucket.address} answers")]


def events(house: House) -> list[Result]:
    """Whether tomorrow's events have a partition."""
    if "aggregate_daily_analytics" not in house.app.timetable:
        return []
    there = bool(house.tx.execute(EVENTS_OF_TOMORROW).fetchall()[0][0])
    words = "there is one for tomorrow" if there else "there is none for tomorrow"
    return [
        Result(
            "partitions of events",
            "ok" if there else "warn",
            words,
            "one for tomorrow",
            "forecourt schedule trigger aggregate_daily_analytics",
        )
    ]
