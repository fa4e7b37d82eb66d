"""What the marketplace's duties leave behind, where it is the application: a fresh sitemap, partitions for the events to come."""

from pathlib import Path

from forecourt.doctor.check import House, Result, grade
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import marked
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
        words = _("there is none at %(path)s", path=place / "sitemap.xml")
        return [Result(marked("sitemap"), "warn", words, duration(OLD), "forecourt sitemap generate")]
    published = house.tx.execute(LAST_SITEMAP).fetchall()[0][0]
    if published is None:
        words = _("none was published yet")
        return [Result(marked("sitemap"), "warn", words, duration(OLD), "forecourt sitemap generate")]
    age = (house.now - published).total_seconds()
    return [
        Result(
            marked("sitemap"),
            grade(age, OLD, VERY_OLD),
            _("%(time)s old", time=duration(max(age, 0))),
            duration(OLD),
            "forecourt sitemap generate",
            age,
            "seconds",
        )
    ]


def storage(_house: House) -> list[Result]:
    """Whether the bucket answers, where files lie in one."""
    bucket = places.bucket("storage")
    if bucket is None:
        return []
    try:
        next(bucket.keys(), None)
    except (StorageUnavailable, StorageError) as error:
        return [
            Result(
                marked("storage"),
                "fail",
                str(error),
                "",
                _("Photos, archive and sitemap wait for it, and nothing is lost."),
            )
        ]
    return [Result(marked("storage"), "ok", _("%(address)s answers", address=bucket.address))]


def events(house: House) -> list[Result]:
    """Whether tomorrow's events have a partition."""
    if "aggregate_daily_analytics" not in house.app.timetable:
        return []
    there = bool(house.tx.execute(EVENTS_OF_TOMORROW).fetchall()[0][0])
    words = _("there is one for tomorrow") if there else _("there is none for tomorrow")
    return [
        Result(
            marked("partitions of events"),
            "ok" if there else "warn",
            words,
            _("one for tomorrow"),
            "forecourt schedule trigger aggregate_daily_analytics",
        )
    ]
