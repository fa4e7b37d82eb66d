"""What the marketplace's duties leave behind, where it is the application: a fresh sitemap, partitions for the events to come."""

from datetime import UTC, datetime

from forecourt.doctor.check import House, Result, grade
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import marked
from forecourt.settings import settings

OLD, VERY_OLD = 36 * 3600.0, 72 * 3600.0

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
    index = settings().public / "sitemap.xml"
    if not index.exists():
        return [
            Result(
                marked("sitemap"),
                "warn",
                _("there is none at %(path)s", path=index),
                duration(OLD),
                "forecourt sitemap generate",
            )
        ]
    age = (datetime.now(UTC) - datetime.fromtimestamp(index.stat().st_mtime, UTC)).total_seconds()
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
