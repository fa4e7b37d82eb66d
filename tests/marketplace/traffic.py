"""Raw events for tests, and a look at what became of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.orm import Session

DAY = timedelta(days=1)


def now(session: Session) -> datetime:
    """The database's time."""
    moment = session.scalar(text("SELECT now()"))
    assert isinstance(moment, datetime)
    return moment


def today(session: Session) -> date:
    return now(session).astimezone(UTC).date()


def midday(session: Session, days_ago: int) -> datetime:
    """Noon, UTC, of so many days ago."""
    return datetime.combine(today(session), datetime.min.time(), UTC) + timedelta(hours=12) - days_ago * DAY


def event(
    session: Session | Connection, listing_id: int, at: datetime, kind: str = "view", ip: str | None = "203.0.113.7"
) -> None:
    session.execute(
        text(
            """
            INSERT INTO car_listing_analytics (car_listing_id, event_type, user_ip, created_at)
            VALUES (:listing_id, :kind, :ip, :at)
            """
        ),
        {"listing_id": listing_id, "kind": kind, "ip": ip, "at": at},
    )


def events(session: Session) -> int:
    """How many raw events the database holds."""
    count = session.scalar(text("SELECT count(*) FROM car_listing_analytics"))
    assert isinstance(count, int)
    return count


def views(session: Session) -> dict[tuple[int, date], int]:
    """Each listing's views a day, as the daily stats have them."""
    rows = session.execute(text("SELECT car_listing_id, date, total_views FROM car_listing_daily_stats"))
    return {(listing_id, day): count for listing_id, day, count in rows}


def stats(session: Session) -> list[Row[Any]]:
    """The daily stats, whole."""
    return list(
        session.execute(
            text(
                """
                SELECT car_listing_id, date, total_views, unique_visitors, contact_phone_clicks,
                       contact_whatsapp_clicks, favorites, shares, total_events
                FROM car_listing_daily_stats
                ORDER BY car_listing_id, date
                """
            )
        )
    )
