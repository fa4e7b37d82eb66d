"""Promises of the view counter."""

import threading

from showroom import ago, listing
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import engine
from forecourt.marketplace.models import CarListing
from forecourt.marketplace.views import increment_views_count


def test_a_view_is_one_more(session: Session) -> None:
    car = listing(session, views_count=41)
    increment_views_count([car.id], session=session)
    session.refresh(car)
    assert car.views_count == 42


def test_many_calls_are_summed_by_listing(session: Session) -> None:
    rio, golf, idle = listing(session), listing(session), listing(session)
    counted = increment_views_count([golf.id, rio.id, golf.id, golf.id], session=session)
    for car in (rio, golf, idle):
        session.refresh(car)
    assert [rio.views_count, golf.views_count, idle.views_count] == [1, 3, 0]
    assert counted == {"views": 4, "listings": 2}


def test_a_listing_that_is_gone_is_a_no_op_and_spoils_nothing(session: Session) -> None:
    car = listing(session)
    assert increment_views_count([car.id + 1, car.id], session=session) == {"views": 1, "listings": 1}
    session.refresh(car)
    assert car.views_count == 1


def test_updated_at_stays_because_nothing_that_a_visitor_sees_changed(session: Session) -> None:
    car = listing(session, updated_at=ago(session, "9 days"))
    before = car.updated_at
    increment_views_count([car.id], session=session)
    session.refresh(car)
    assert car.updated_at == before


def test_an_attempt_that_is_rolled_back_counts_nothing_and_its_retry_counts_once(session: Session) -> None:
    car = listing(session)
    session.commit()
    increment_views_count([car.id, car.id], session=session)
    session.rollback()
    increment_views_count([car.id, car.id], session=session)
    session.commit()
    assert car.views_count == 2


def test_dispatching_it_takes_one_listing_at_a_time(session: Session) -> None:
    car = listing(session)
    increment_views_count.using(session=session).dispatch(listing_id=car.id)
    queued = session.execute(text("SELECT queue, args FROM forecourt.ready")).all()
    assert [tuple(row) for row in queued] == [("medium", {"listing_id": car.id})]


def test_two_workers_with_the_same_listings_in_opposite_order_never_deadlock(session: Session) -> None:
    cars = [listing(session).id for _ in range(40)]
    session.commit()
    start = threading.Barrier(2)
    failures: list[Exception] = []

    def work(ids: list[int]) -> None:
        try:
            for _ in range(40):
                start.wait(30)
                with Session(engine()) as own, own.begin():
                    increment_views_count(ids, session=own)
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=work, args=(ids,)) for ids in (cars, cars[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    counts = session.query(CarListing.views_count).all()
    assert [count for (count,) in counts] == [80] * 40
