"""What the marketplace's duties leave behind, where it is the application: a fresh sitemap,
partitions for the events to come, days rolled up, old events archived, mails sent. Nothing of it is
imported where it is not."""

import os
from pathlib import Path

from forecourt.doctor.check import House, Result, Status, grade
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import marked, some
from forecourt.settings import settings
from forecourt.store import alerts

OLD, VERY_OLD = 36 * 3600.0, 72 * 3600.0
BEHIND, FAR_BEHIND = 2, 7
"""Days between the last one that is rolled up and today."""

MONTH = 35
"""Days beyond its age until the monthly archive must have come; twice as many, and it has
failed.
"""

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

ROLLED_UP = """
SELECT (now() AT TIME ZONE %(zone)s)::date - max(date)
FROM public.analytics_days
WHERE aggregated_at IS NOT NULL
"""

OLDEST_EVENTS = """
SELECT (now() AT TIME ZONE 'UTC')::date - min(to_date(substring(c.relname FROM '_([0-9]{8})$'), 'YYYYMMDD'))
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('public.car_listing_analytics')
  AND c.relname ~ '^car_listing_analytics_[0-9]{8}$'
"""

UNSENT = """
SELECT (SELECT count(*)
        FROM (
            SELECT
            FROM public.notifications
            WHERE mail_status IN ('pending', 'sending')
              AND created_at < now() - interval '1 day'
            LIMIT 10000
        ) AS few) AS waiting,
       (SELECT min(server) FROM public.mail_outages WHERE until > now()) AS away
"""

# The latest by number, so that what was settled in years is not read through.
NEW_TWINS = """
SELECT count(*), max(found_at)
FROM (
    SELECT found_at, settled_at
    FROM public.photo_twins
    ORDER BY id DESC
    LIMIT 1000
) AS latest
WHERE settled_at IS NULL
  AND found_at > now() - interval '1 day'
"""


def sitemap(house: House) -> list[Result]:
    """How old the published sitemap is."""
    if "generate_sitemap" not in house.app.timetable:
        return []
    from forecourt.marketplace import places

    place = places.public()
    if isinstance(place, Path) and not os.access(place / "sitemap.xml", os.F_OK):  # and so none that is out of reach
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


def storage(house: House) -> list[Result]:
    """Whether the bucket answers, where files lie in one."""
    if not house.app.has_marketplace:
        return []
    from forecourt.marketplace import places
    from forecourt.marketplace.storage import StorageError, StorageUnavailable

    bucket = places.bucket("storage")
    if bucket is None:
        return []
    try:
        bucket.require_answer()
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


def rollup(house: House) -> list[Result]:
    """Whether the days are rolled up."""
    if "aggregate_daily_analytics" not in house.app.timetable:
        return []
    days = house.tx.execute(ROLLED_UP, {"zone": settings().timezone}).fetchall()[0][0]
    if days is None:
        return [Result(marked("roll-up"), "ok", _("no day has been rolled up yet"))]
    words = _("the last day was %(time)s ago", time=some(days, "day", "days"))
    advice = _("This makes up for all days that are missing:") + " forecourt analytics aggregate"
    limit = some(BEHIND, "day", "days")
    return [Result(marked("roll-up"), grade(days, BEHIND, FAR_BEHIND), words, limit, advice, days, "days")]


def archive(house: House) -> list[Result]:
    """Whether events that are old enough have been archived."""
    if "archive_old_analytics" not in house.app.timetable:
        return []
    from forecourt.marketplace.business import business

    keep = business(house.tx).archive_days
    age = house.tx.execute(OLDEST_EVENTS).fetchall()[0][0] or 0
    status = grade(age, keep + MONTH, keep + 2 * MONTH)
    words = _("the oldest events are %(time)s old", time=some(max(age, 0), "day", "days"))
    limit = some(keep + MONTH, "day", "days")
    return [Result(marked("archive"), status, words, limit, "forecourt analytics archive", age, "days")]


def mails(house: House) -> list[Result]:
    """Whether notices reach their readers."""
    if "fail_lost_mails" not in house.app.timetable:
        return []
    waiting, away = house.tx.execute(UNSENT).fetchall()[0]
    words = _("none waits for long")
    if away:
        words = _("%(server)s does not answer", server=away)
    elif waiting:
        words = _("%(mails)s waiting for more than a day", mails=some(waiting, "mail", "mails"))
    advice = _("Is FORECOURT_SMTP_URL right, and does that server answer?") + " forecourt notices list --status pending"
    status: Status = "warn" if away or waiting else "ok"
    return [Result(marked("mails"), status, words, some(1, "day", "days"), advice, waiting, "mails")]


def twins(house: House) -> list[Result]:
    """Whether photos were found on two listings within a day that nobody has looked at. Told once
    on each day that brought some.
    """
    if "sweep_storage" not in house.app.timetable:
        return []
    count, latest = house.tx.execute(NEW_TWINS).fetchall()[0]
    if not count:
        return [Result(marked("twins"), "ok", _("none was found within a day"))]
    words = _("%(photos)s on another listing as well", photos=some(count, "photo is", "photos are"))
    advice = _("Look at them, and settle each:") + " forecourt photos twins, forecourt photos settle ID"
    # The name of another day is another trouble, so a day that brings new ones is told although
    # older ones are still open. What a day brings after it was told is told with the next.
    day, today = (at.astimezone(settings().zone).date() for at in (latest, house.now))
    told_at = alerts.told_at(house.tx, settings().app, f"twins {day}")
    if told_at is not None and told_at < latest:
        day = today
    return [Result(f"twins {day}", "warn", words, "", advice, count, "photos", tell="once")]
