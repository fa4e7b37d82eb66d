"""Promises of the expiry of paid placements."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from showroom import ago, calls, listing, notifications, sponsored, user, wait_until_blocked
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_delivery import deliver
from traffic import DAY, event, midday, today

from forecourt.database import engine, in_transaction_of
from forecourt.marketplace.business_changes import change
from forecourt.marketplace.models import CarListing, CarListingDailyStats
from forecourt.marketplace.notices import send_sponsorship_expired_notification
from forecourt.marketplace.placed import NotPlaced, extend, placed
from forecourt.marketplace.placements import (
    expire_featured_listings,
    expire_sponsored_listings,
    remind_of_ending_sponsorships,
)
from forecourt.marketplace.views import increment_views_count
from forecourt.settings import settings

NOTIFICATION = "send_sponsorship_expired_notification"


def test_an_ended_sponsorship_is_cleared_and_its_owner_s_notification_enqueued(session: Session) -> None:
    ended = ago(session, "1 second")
    car = sponsored(session, ended, updated_at=ago(session, "9 days"))
    assert expire_sponsored_listings(session=session) == {"expired": 1, "notifications": 1}
    session.refresh(car)
    assert (car.is_sponsored, car.sponsored_until) == (False, None)
    assert car.updated_at > ended
    assert calls(session, NOTIFICATION) == [
        {"listing_id": car.id, "sponsored_until": ended.astimezone(UTC).isoformat()}
    ]


def test_an_end_that_python_has_no_date_for_stops_nobody_s(session: Session) -> None:
    cars = [sponsored(session, ago(session, "1 second")) for _ in range(4)]
    for car, until in zip(cars, ("infinity", "-infinity", "0044-03-15 BC"), strict=False):
        session.execute(
            text("UPDATE car_listings SET sponsored_until = :until WHERE id = :id"), {"until": until, "id": car.id}
        )
    assert [(each.id, each.until is None) for each in placed(session)][2:] == [(cars[3].id, False), (cars[0].id, True)]
    with pytest.raises(NotPlaced, match="has no end to move"):
        extend(session, cars[0].id, "sponsored", 3)
    assert expire_sponsored_listings(session=session) == {"expired": 3, "notifications": 3}


def test_a_sponsorship_that_ends_this_very_moment_is_over(session: Session) -> None:
    sponsored(session, ago(session, "0"))
    assert expire_sponsored_listings(session=session)["expired"] == 1


def test_running_and_endless_sponsorships_are_left_alone(session: Session) -> None:
    running, endless = sponsored(session, ago(session, "-1 second")), sponsored(session, None)
    listing(session, sponsored_until=ago(session, "1 day"))
    assert expire_sponsored_listings(session=session) == {"expired": 0, "notifications": 0}
    session.refresh(running)
    session.refresh(endless)
    assert running.is_sponsored
    assert endless.is_sponsored
    assert calls(session, NOTIFICATION) == []


def test_a_trashed_listing_loses_its_sponsorship_but_its_owner_is_not_told(session: Session) -> None:
    car = sponsored(session, ago(session, "1 day"), deleted_at=ago(session, "2 days"))
    assert expire_sponsored_listings(session=session) == {"expired": 1, "notifications": 0}
    session.refresh(car)
    assert not car.is_sponsored
    assert calls(session, NOTIFICATION) == []


def test_a_second_run_expires_nothing_and_tells_nobody(session: Session) -> None:
    sponsored(session, ago(session, "1 day"))
    expire_sponsored_listings(session=session)
    assert expire_sponsored_listings(session=session) == {"expired": 0, "notifications": 0}
    assert len(calls(session, NOTIFICATION)) == 1


def test_a_rolled_back_run_tells_nobody(session: Session) -> None:
    car = sponsored(session, ago(session, "1 day"))
    session.commit()
    expire_sponsored_listings(session=session)
    session.rollback()
    session.refresh(car)
    assert car.is_sponsored
    assert calls(session, NOTIFICATION) == []


def test_two_overlapping_runs_tell_each_owner_once(session: Session) -> None:
    for _ in range(20):
        sponsored(session, ago(session, "1 day"))
    session.commit()
    assert expire_sponsored_listings(session=session)["notifications"] == 20
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(_expire)
        wait_until_blocked()
        session.commit()
        assert late.result(30) == {"expired": 0, "notifications": 0}
    assert len(calls(session, NOTIFICATION)) == 20


def test_a_sponsorship_renewed_while_the_run_waits_is_spared(session: Session) -> None:
    car = sponsored(session, ago(session, "1 day"))
    session.commit()
    car.sponsored_until = ago(session, "-30 days")
    session.flush()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(_expire)
        wait_until_blocked()
        session.commit()
        assert run.result(30) == {"expired": 0, "notifications": 0}
    session.refresh(car)
    assert car.is_sponsored


def test_a_featured_listing_whose_time_is_over_loses_flag_end_and_position(session: Session) -> None:
    over = listing(session, is_featured=True, featured_until=ago(session, "1 second"), featured_position=3)
    running = listing(session, is_featured=True, featured_until=ago(session, "-1 hour"), featured_position=1)
    endless = listing(session, is_featured=True, featured_position=2)
    assert expire_featured_listings(session=session) == {"expired": 1, "moved_up": 0}
    for row in (over, running, endless):
        session.refresh(row)
    assert (over.is_featured, over.featured_until, over.featured_position) == (False, None, None)
    assert (running.is_featured, running.featured_position) == (True, 1)
    assert (endless.is_featured, endless.featured_position) == (True, 2)
    assert expire_featured_listings(session=session) == {"expired": 0, "moved_up": 0}


def test_views_that_are_counted_meanwhile_never_deadlock_with_the_end_of_a_placement(session: Session) -> None:
    moves = listing(session, is_featured=True, featured_position=2)
    over = listing(session, is_featured=True, featured_until=ago(session, "1 second"), featured_position=1)
    both = [moves.id, over.id]
    session.commit()

    def expire() -> dict[str, int]:
        with Session(engine()) as own, own.begin():
            return expire_featured_listings(session=own)

    with ThreadPoolExecutor() as pool:
        session.execute(text("SELECT FROM car_listings WHERE id = :id FOR NO KEY UPDATE"), {"id": moves.id})
        run = pool.submit(expire)
        wait_until_blocked()
        assert increment_views_count(session, both) == {"views": 2, "listings": 2}
        session.commit()
        assert run.result(30) == {"expired": 1, "moved_up": 1}


def test_the_positions_of_featured_listings_close_up_without_gaps_in_their_order(session: Session) -> None:
    def featured(position: int | None, until: str | None = None, **columns: Any) -> CarListing:
        end = ago(session, until) if until else None
        return listing(session, is_featured=True, featured_position=position, featured_until=end, **columns)

    changed = ago(session, "9 days")
    first, over, third = featured(1), featured(2, "1 second"), featured(3, updated_at=changed)
    seventh, twin, none, trashed = featured(7), featured(7), featured(None), featured(4, deleted_at=changed)
    assert expire_featured_listings(session=session) == {"expired": 1, "moved_up": 3}
    session.expire_all()
    assert [car.featured_position for car in (first, third, seventh, twin)] == [1, 2, 3, 4]
    assert [car.featured_position for car in (over, none, trashed)] == [None, None, 4]
    assert third.updated_at == changed
    assert expire_featured_listings(session=session) == {"expired": 0, "moved_up": 0}


def test_an_owner_is_reminded_three_days_before_the_end_and_once_for_each_end(session: Session) -> None:
    soon = sponsored(session, ago(session, "-2 days 23 hours"), sponsored_since=ago(session, "20 days"))
    later = sponsored(session, ago(session, "-3 days -1 hour"), sponsored_since=ago(session, "20 days"))
    sponsored(session, ago(session, "-2 days"))  # bought a moment ago, for two days
    sponsored(
        session, ago(session, "-1 day"), sponsored_since=ago(session, "9 days"), deleted_at=ago(session, "1 hour")
    )
    assert remind_of_ending_sponsorships(session=session) == {"ending": 1, "reminded": 1}
    assert remind_of_ending_sponsorships(session=session) == {"ending": 1, "reminded": 0}
    [notice] = notifications(session)
    assert (notice.user_id, notice.kind) == (soon.owner_id, "sponsorship_ending")
    session.commit()
    soon.sponsored_until = ago(session, "-30 days")
    session.commit()
    assert deliver(str(notice.id)) == {"suppressed": 1}  # renewed meanwhile
    later.sponsored_until = ago(session, "-1 day")
    soon.sponsored_until = ago(session, "-2 days")
    session.flush()
    assert remind_of_ending_sponsorships(session=session)["reminded"] == 2
    change(in_transaction_of(session), "reminder_days", "0", who="a test")
    assert remind_of_ending_sponsorships(session=session) == {"ending": 0, "reminded": 0}


def test_a_listing_knows_since_when_it_is_sponsored(session: Session) -> None:
    car = listing(session)
    assert car.sponsored_since is None
    car.is_sponsored, car.sponsored_until = True, ago(session, "-30 days")
    session.commit()
    session.refresh(car)
    began = car.sponsored_since
    assert began is not None
    car.sponsored_until = ago(session, "-60 days")  # renewed: without a break
    session.commit()
    session.refresh(car)
    assert car.sponsored_since == began


def test_the_mail_at_the_end_tells_what_the_sponsorship_brought_with_a_chart(session: Session) -> None:
    """From the daily stats, and for days that no night has rolled up yet from their events."""
    until = midday(session, 0)
    car = sponsored(session, until, sponsored_since=until - 3 * DAY, owner=user(session))
    for days_ago, views, contacts in ((4, 100, 9), (3, 5, 0), (2, 7, 2)):
        session.add(
            CarListingDailyStats(
                car_listing_id=car.id,
                date=today(session) - days_ago * DAY,
                total_views=views,
                contact_phone_clicks=contacts,
                contact_whatsapp_clicks=contacts,
            )
        )
        session.execute(
            text("INSERT INTO analytics_days (date, events) VALUES (:day, 1)"), {"day": today(session) - days_ago * DAY}
        )
    event(session, car.id, midday(session, 2))  # counted already
    for kind in ("view", "view", "view", "contact_phone", "bot"):
        event(session, car.id, midday(session, 1), kind)
    event(session, car.id, until - DAY / 24)
    event(session, car.id, until + DAY / 24)  # after its end
    session.execute(
        text("UPDATE car_listings SET is_sponsored = false, sponsored_until = NULL WHERE id = :id"), {"id": car.id}
    )
    ended = until.isoformat()
    send_sponsorship_expired_notification(session, car.id, ended)
    session.commit()
    [notice] = notifications(session)
    assert deliver(str(notice.id)) == {"filed": 1}
    [file] = settings().outbox.iterdir()
    message = BytesParser(policy=default).parsebytes(file.read_bytes())
    body = message.get_body(("plain",))
    assert body is not None
    assert "was seen 16 times and brought 5 contacts" in " ".join(body.get_content().split())
    assert "Views a day, from the first: 5, 7, 3, 1." in body.get_content()
    pages = [part for part in message.walk() if part.get_content_type() in ("text/html", "image/png")]
    assert "cid:views" in pages[0].get_content()
    assert pages[1]["Content-ID"] == "<views>"
    assert pages[1].get_content().startswith(b"\x89PNG")


def _expire() -> dict[str, int]:
    with Session(engine()) as own, own.begin():
        return expire_sponsored_listings(session=own)
