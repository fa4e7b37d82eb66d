"""Promises of the ways in for events: in Python and in SQL."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from showroom import listing
from sqlalchemy import text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from forecourt.database import engine, in_transaction_of
from forecourt.marketplace.events import Event, Request, record_event, record_events, record_requests
from forecourt.marketplace.models import CarListing
from forecourt.marketplace.views import count_recorded_views

PHONE = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"
OTHER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0"
WHATSAPP = "WhatsApp/2.24.20.89 A"


def raw(session: Session) -> list[tuple[int, str, str | None]]:
    rows = session.execute(
        text("SELECT car_listing_id, event_type, host(user_ip) FROM car_listing_analytics ORDER BY id")
    )
    return [tuple(row) for row in rows]


def views(session: Session, car: CarListing) -> int:
    count_recorded_views(session=session)
    session.refresh(car)
    return car.views_count


def test_an_event_is_kept_and_a_view_is_also_one_more_in_views_count(session: Session) -> None:
    car = listing(session, views_count=41)
    for kind in ("view", "contact_phone", "contact_whatsapp", "favorite", "share"):
        assert record_event(car.id, kind, ip="203.0.113.7", user_agent=PHONE, session=session) == kind
    assert {ip for _, _, ip in raw(session)} == {"203.0.113.0"}  # the default
    assert [kind for _, kind, _ in raw(session)] == ["view", "contact_phone", "contact_whatsapp", "favorite", "share"]
    assert views(session, car) == 42
    assert count_recorded_views(session=session) == {"views": 0, "listings": 0}


def test_a_visitor_s_views_of_a_listing_count_once_in_half_an_hour(session: Session) -> None:
    rio, golf = listing(session), listing(session)
    for car in (rio, rio, golf):
        record_event(car.id, "view", ip="203.0.113.7", user_agent=PHONE, session=session)
    record_event(rio.id, "view", ip="203.0.113.7", user_agent=OTHER, session=session)  # another behind the same address
    assert (views(session, rio), views(session, golf), len(raw(session))) == (2, 1, 4)
    session.execute(text("UPDATE views_counted SET counted_at = counted_at - interval '30 minutes'"))
    record_event(rio.id, "view", ip="203.0.113.7", user_agent=PHONE, session=session)
    assert views(session, rio) == 3


def test_views_of_visitors_of_whom_nothing_is_known_count_each(session: Session) -> None:
    car = listing(session)
    record_events([Event(car.id, "view"), Event(car.id, "view")], session=session)
    assert views(session, car) == 2


def test_programs_previews_and_pages_fetched_ahead_are_kept_apart_and_counted(session: Session) -> None:
    car = listing(session)
    outcomes = record_events(
        [
            Event(car.id, "view", "203.0.113.7", WHATSAPP),
            Event(car.id, "view", "203.0.113.8", "TelegramBot (like TwitterBot)"),
            Event(car.id, "view", "203.0.113.9", "facebookexternalhit/1.1"),
            Event(car.id, "view", "203.0.113.9", PHONE, purpose="prefetch"),
            Event(car.id, "share", "203.0.113.9", "python-requests/2.32.3"),
            Event(car.id, "view", "203.0.113.9", PHONE),
        ],
        session=session,
    )
    assert outcomes == ["bot"] * 5 + ["view"]
    assert views(session, car) == 1
    counted = session.execute(text("SELECT kind, visits FROM program_visits ORDER BY kind")).all()
    assert [tuple(row) for row in counted] == [("ahead", 1), ("bot", 1), ("preview", 3)]


def test_the_business_decides_what_is_a_program_what_of_an_address_is_kept_and_when_a_view_counts_again(
    session: Session,
) -> None:
    car = listing(session)
    changed = {"view_minutes": "5", "programs": "souq_cars,100%", "previews_count": "yes", "visitor_address": "kept"}
    for name, value in changed.items():
        session.execute(
            text("INSERT INTO business_settings (name, value) VALUES (:name, :value)"), {"name": name, "value": value}
        )
    agents = [PHONE, "Souq_Cars/3.1", "SouqXCars/3.1", "Made 100% by a program", WHATSAPP]
    outcomes = record_events([Event(car.id, "view", "203.0.113.7", agent) for agent in agents], session=session)
    assert outcomes == ["view", "bot", "view", "bot", "view"]
    assert {ip for _, _, ip in raw(session)} == {"203.0.113.7"}
    session.execute(text("UPDATE views_counted SET counted_at = counted_at - interval '5 minutes'"))
    record_event(car.id, "view", ip="203.0.113.7", user_agent=PHONE, session=session)
    assert views(session, car) == 4


def test_of_a_listing_that_there_is_not_nothing_is_kept(session: Session) -> None:
    car = listing(session)
    assert record_events([Event(car.id + 1, "view"), Event(car.id, "view")], session=session) == ["unknown", "view"]
    assert [listing_id for listing_id, _, _ in raw(session)] == [car.id]


@pytest.mark.parametrize(
    ("address", "four", "six"),
    [("kept", "203.0.113.7", "2001:db8:1:2:3::4"), ("truncated", "203.0.113.0", "2001:db8:1::")],
)
def test_an_address_is_kept_or_truncated(session: Session, address: str, four: str, six: str) -> None:
    car = listing(session)
    for ip in ("203.0.113.7", "2001:db8:1:2:3::4", "::ffff:203.0.113.7"):
        recorded = text("SELECT record_event(:id, 'view', CAST(:ip AS inet), address => :address)")
        session.execute(recorded, {"id": car.id, "ip": ip, "address": address})
    assert [ip for _, _, ip in raw(session)] == [four, six, four]


def test_visitors_are_told_apart_where_a_server_writes_their_addresses_of_ipv4_as_of_ipv6(session: Session) -> None:
    car = listing(session)
    for ip in ("::ffff:203.0.113.7", "::ffff:198.51.100.7", "198.51.100.7"):
        record_event(car.id, "view", ip=ip, user_agent=PHONE, session=session)
    assert views(session, car) == 2


def test_a_key_stands_for_a_visitor_until_the_day_s_salt_is_gone(session: Session) -> None:
    car = listing(session)
    seen = text("SELECT record_event(:id, 'view', CAST(:ip AS inet), :agent, address => 'hashed')")

    def keys() -> list[str | None]:
        visitors = [("203.0.113.7", PHONE), ("203.0.113.7", PHONE), ("203.0.113.7", OTHER), ("203.0.113.8", PHONE)]
        same_network = [("2001:db8:1:2:3::4", PHONE), ("2001:db8:1:2:ffff::9", PHONE)]
        for ip, agent in visitors + same_network:
            session.execute(seen, {"id": car.id, "ip": ip, "agent": agent})
        return [ip for _, _, ip in raw(session)][-6:]

    first = keys()
    assert len(set(first)) == 4
    assert first[0] == first[1]
    assert first[4] == first[5]
    assert all(key is not None and key.startswith("fd") and "203.0.113" not in key for key in first)
    session.execute(text("UPDATE visitor_salts SET begins_at = begins_at - interval '3 days'"))
    count_recorded_views(session=session)
    assert not set(first) & set(keys())
    oldest = session.scalar(text("SELECT min(begins_at) >= now() - interval '1 day' FROM visitor_salts"))
    assert oldest is True  # with the salt goes the way back


def test_a_salt_is_made_when_no_job_made_one(session: Session) -> None:
    session.execute(text("UPDATE visitor_salts SET begins_at = begins_at - interval '3 days'"))
    salts = {bytes(session.scalars(text("SELECT visitor_salt()")).one()) for _ in range(2)}
    assert len(salts) == 1
    assert session.scalars(text("SELECT count(*) FROM visitor_salts")).one() == 1


def test_what_cannot_be_recorded_names_itself_and_changes_nothing(session: Session) -> None:
    car = listing(session)
    session.commit()
    with pytest.raises(DataError, match="'viewed' is not a type of event"):
        session.execute(text("SELECT record_event(:id, 'viewed')"), {"id": car.id})
    session.rollback()
    with pytest.raises(DataError, match="1 listings and 2 types"):
        session.execute(text("SELECT record_events(ARRAY[:id], ARRAY['view', 'share'])"), {"id": car.id})
    session.rollback()
    old = datetime.now(UTC) - timedelta(days=8)
    with pytest.raises(Exception, match="cannot be recorded"):
        record_events([Event(car.id, "view"), Event(car.id, "view", at=old)], session=session)
    session.rollback()
    assert raw(session) == []


def test_a_request_that_comes_twice_is_recorded_once(session: Session) -> None:
    car = listing(session)
    session.commit()
    tx = in_transaction_of(session)
    first = Request([Event(car.id, "view"), Event(car.id + 9, "view")], "key")
    answers = record_requests(tx, [first, Request([Event(car.id, "share")]), Request([Event(car.id, "view")], "key")])
    assert answers == [
        {"recorded": 1, "bots": 0, "unknown": 1},
        {"recorded": 1, "bots": 0, "unknown": 0},
        {"recorded": 1, "bots": 0, "unknown": 1},
    ]
    assert record_requests(tx, [Request([Event(car.id, "favorite")], "key")]) == answers[:1]
    assert [kind for _, kind, _ in raw(session)] == ["view", "share"]


def test_two_that_record_the_same_visits_in_opposite_order_never_deadlock(session: Session) -> None:
    cars = [listing(session).id for _ in range(40)]
    session.commit()
    start = threading.Barrier(2)
    failures: list[Exception] = []

    def work(ids: list[int]) -> None:
        try:
            for _ in range(15):
                start.wait(30)
                with Session(engine()) as own, own.begin():
                    own.execute(text("UPDATE views_counted SET counted_at = counted_at WHERE false"))
                    record_events([Event(id, "view", "203.0.113.7", PHONE) for id in ids], session=own)
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=work, args=(ids,)) for ids in (cars, cars[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert count_recorded_views(session=session) == {"views": 40, "listings": 40}


def test_what_is_rolled_back_was_not_counted_and_what_is_counted_twice_counts_once(session: Session) -> None:
    car = listing(session)
    record_event(car.id, "view", session=session)
    session.commit()
    record_event(car.id, "view", session=session)
    session.rollback()
    count_recorded_views(session=session)
    session.rollback()  # killed before its commit
    assert views(session, car) == 1


def test_who_comes_back_after_a_day_and_the_count_never_wait_for_each_other(session: Session) -> None:
    car, other = listing(session), listing(session)
    for seen in (car, other):
        record_event(seen.id, "view", ip="203.0.113.7", user_agent=PHONE, session=session)
    session.execute(text("UPDATE views_counted SET counted_at = counted_at - interval '2 days'"))
    session.commit()
    with Session(engine()) as visiting:
        record_event(car.id, "view", ip="203.0.113.7", user_agent=PHONE, session=visiting)
        session.execute(text("SET LOCAL lock_timeout = '3s'"))
        count_recorded_views(session=session)
        assert session.scalars(text("SELECT car_listing_id FROM views_counted")).all() == [car.id]
        session.commit()
        visiting.commit()
    assert [views(session, seen) for seen in (car, other)] == [2, 1]
