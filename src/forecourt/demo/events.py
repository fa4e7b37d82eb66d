"""What visitors did: events of so many days back, most of them on few listings, the latest days not
yet rolled up.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from psycopg import Connection, sql
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.marketplace.analytics import aggregate_daily_analytics
from forecourt.settings import settings

MISSED = 3
"""Days up to yesterday that nobody has rolled up yet."""

# A day's table takes its events before it becomes a partition: events that come late through the
# parent would each be noted for the next night, and these are not late, they are history.
MADE = "SELECT to_regclass(format('public.%%I', %(name)s::text)) IS NOT NULL"
MAKE = "CREATE TABLE public.{name} (LIKE public.car_listing_analytics INCLUDING ALL)"
ATTACH = (
    "ALTER TABLE public.car_listing_analytics ATTACH PARTITION public.{name} FOR VALUES FROM ({lower}) TO ({upper})"
)

# A power of a draw from 0 to 1 makes the first listings popular and the last ones rare. Today's
# events come before now.
FILL = """
INSERT INTO public.{name} (car_listing_id, created_at, event_type, user_ip)
SELECT (%(listings)s::bigint[])[
           1 + trunc((demo.dice(n, 11, 100000) / 1e5::float8) ^ 5 * cardinality(%(listings)s::bigint[]))::integer
       ],
       at,
       CASE
           WHEN kind < 80 THEN 'view'
           WHEN kind < 87 THEN 'contact_phone'
           WHEN kind < 93 THEN 'contact_whatsapp'
           WHEN kind < 97 THEN 'favorite'
           ELSE 'share'
       END,
       CASE WHEN n %% 20 = 0 THEN '2001:db8::'::inet ELSE '198.18.0.0'::inet END + demo.dice(n, 12, 4000)
FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(count)s - 1) AS n
CROSS JOIN LATERAL (
    SELECT begins + demo.dice(n, 13, 86400000) / 86400000::float8 * least(interval '1 day', now() - begins),
           demo.dice(n, 14, 100)
    FROM (SELECT %(day)s::date::timestamp AT TIME ZONE 'UTC') AS day(begins)
) AS drawn(at, kind)
ORDER BY at
"""

TODAY = text("SELECT (now() AT TIME ZONE 'UTC')::date")
# Rolling up noted yesterday as done, and here and there a day of which only the first hours were
# there.
UNDO_THE_LATEST = text(
    "DELETE FROM analytics_days WHERE date >= (CAST(:day AS date)::timestamp AT TIME ZONE 'UTC' AT TIME ZONE :zone)::date"
)


def fill(session: Session, listings: list[int], days: int, count: int, tell: Callable[[int], None]) -> None:
    """Make `count` events on `listings`, over the `days` days up to now, and roll up all but the
    latest.

    `tell` is called with the days made so far.
    """
    tx = in_transaction_of(session)
    today: date = session.scalars(TODAY).one()
    history = [today - timedelta(days=back) for back in reversed(range(days))]
    for made, day in enumerate(history, start=1):
        if day == today - timedelta(days=MISSED):
            aggregate_daily_analytics(session=session)
        back = (today - day).days
        _make_day(tx, day, listings, first=back * 1_000_000, count=count // days)
        tell(made)
    session.execute(UNDO_THE_LATEST, {"day": today - timedelta(days=MISSED), "zone": settings().timezone})


def come_late(session: Session, listings: list[int], night: int, count: int) -> None:
    """More events of yesterday, and a few that a phone kept for half a year. `night` makes them
    others than before.
    """
    tx = in_transaction_of(session)
    today: date = session.scalars(TODAY).one()
    table = sql.SQL(FILL).format(name=sql.Identifier("car_listing_analytics"))
    for back, many in ((1, count), (185, count // 10), (190, count // 10)):
        first = (night * 1_000 + back) * 1_000_000
        tx.execute(table, {"day": today - timedelta(days=back), "listings": listings, "first": first, "count": many})


def _make_day(tx: Connection[Any], day: date, listings: list[int], *, first: int, count: int) -> None:
    values = {"day": day, "listings": listings, "first": first, "count": count}
    name = f"car_listing_analytics_{day:%Y%m%d}"
    row = tx.execute(MADE, {"name": name}).fetchone()
    if row is not None and row[0]:
        tx.execute(sql.SQL(FILL).format(name=sql.Identifier("car_listing_analytics")), values)
        return
    tx.execute(sql.SQL(MAKE).format(name=sql.Identifier(name)))
    tx.execute(sql.SQL(FILL).format(name=sql.Identifier(name)), values)
    bounds = {"lower": sql.Literal(f"{day}Z"), "upper": sql.Literal(f"{day + timedelta(days=1)}Z")}
    tx.execute(sql.SQL(ATTACH).format(name=sql.Identifier(name), **bounds))
