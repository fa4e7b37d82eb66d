"""Users, providers and listings for tests, and a look at what was enqueued."""

from datetime import datetime
from decimal import Decimal
from time import sleep
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import engine
from forecourt.marketplace.models import CarListing, CarProvider, Notification, User
from forecourt.marketplace.notices import send_sponsorship_expired_notification
from forecourt.marketplace.placements import expire_sponsored_listings

Row = TypeVar("Row", User, CarProvider, CarListing)


def user(session: Session, name: str = "Sami", **columns: Any) -> User:
    return _added(session, User(name=name, **({"email": f"{name.lower()}@example.com"} | columns)))


def provider(session: Session, balance: str, **columns: Any) -> CarProvider:
    if "user" not in columns:
        columns["user"] = user(session, f"user{session.query(User).count()}")
    return _added(session, CarProvider(**({"name": "Dealer", "wallet_balance": Decimal(balance)} | columns)))


def listing(session: Session, **columns: Any) -> CarListing:
    number = session.query(CarListing).count()
    if "owner" not in columns:
        columns["owner"] = user(session, f"owner{number}")
    return _added(session, CarListing(**({"title": "Kia Rio", "slug": f"kia-rio-{number}"} | columns)))


def sponsored(session: Session, until: datetime | None, **columns: Any) -> CarListing:
    return listing(session, is_sponsored=True, sponsored_until=until, **columns)


def expired(session: Session, **columns: Any) -> CarListing:
    """A listing whose sponsorship has just been cleared, with its notification's call waiting."""
    car = sponsored(session, ago(session, "1 day"), **columns)
    expire_sponsored_listings(session=session)
    return car


def tell(session: Session) -> dict[str, int]:
    """Run the waiting notification's call."""
    return send_sponsorship_expired_notification(
        **calls(session, "send_sponsorship_expired_notification")[-1], session=session
    )


def told(session: Session, **columns: Any) -> Notification:
    """A committed notice of an expired sponsorship, with its mail still to be sent."""
    expired(session, **columns)
    assert tell(session) == {"told": 1}
    session.commit()
    return notifications(session)[-1]


def ago(session: Session, interval: str) -> datetime:
    """The database's time, an interval earlier."""
    moment = session.scalar(text("SELECT now() - CAST(:interval AS interval)"), {"interval": interval})
    assert isinstance(moment, datetime)
    return moment


def calls(session: Session, job: str) -> list[dict[str, Any]]:
    """The arguments of this job's waiting calls."""
    return list(session.scalars(text("SELECT args FROM forecourt.ready WHERE job = :job ORDER BY id"), {"job": job}))


def notifications(session: Session) -> list[Notification]:
    session.expire_all()
    return session.query(Notification).order_by(Notification.dedupe_key).all()


def wait_until_blocked() -> None:
    """Return once some session of this database waits for a lock."""
    for _ in range(3000):
        with engine().connect() as connection:  # its own transaction each time: PostgreSQL freezes the view in one
            waiting = connection.scalar(
                text("""
                    SELECT count(*)
                    FROM pg_stat_activity
                    WHERE datname = current_database()
                      AND wait_event_type = 'Lock'
                """)
            )
        if waiting:
            return
        sleep(0.02)
    raise AssertionError("nobody waits for a lock")


def until_unlocked(session: Session) -> None:
    """Return once the killed process's connection, and with it its lock, is gone."""
    for _ in range(3000):
        session.commit()
        if not session.scalar(text("SELECT count(*) FROM pg_locks, pg_sleep(0.02) WHERE locktype = 'advisory'")):
            return
    raise AssertionError("the lock of a dead process stays")


def _added(session: Session, row: Row) -> Row:
    session.add(row)
    session.flush()
    return row
