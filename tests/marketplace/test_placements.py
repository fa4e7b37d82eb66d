"""Promises of the expiry of paid placements."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

from showroom import ago, calls, listing, sponsored, wait_until_blocked
from sqlalchemy.orm import Session

from forecourt.database import engine
from forecourt.marketplace.placements import expire_featured_listings, expire_sponsored_listings

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
    assert expire_featured_listings(session=session) == {"expired": 1}
    for row in (over, running, endless):
        session.refresh(row)
    assert (over.is_featured, over.featured_until, over.featured_position) == (False, None, None)
    assert (running.is_featured, running.featured_position) == (True, 1)
    assert (endless.is_featured, endless.featured_position) == (True, 2)
    assert expire_featured_listings(session=session) == {"expired": 0}


def _expire() -> dict[str, int]:
    with Session(engine()) as own, own.begin():
        return expire_sponsored_listings(session=own)
