"""Promises of what is told about listings and providers, and of the commands that tell it."""

import csv
import io
import json
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner, Result
from showroom import listing, provider
from sqlalchemy import text
from sqlalchemy.orm import Session
from traffic import DAY, event, midday, today

from forecourt.cli import forecourt
from forecourt.cli.analytics_reports import spark
from forecourt.cli.errors import Degraded, NotFound
from forecourt.marketplace import rankings
from forecourt.marketplace.views import increment_views_count
from forecourt.settings import settings


def run(*words: object, error: type[Exception] | None = None) -> Result:
    result = CliRunner().invoke(forecourt, [str(word) for word in words])
    assert type(result.exception) is error if error else result.exception is None, result.output
    return result


def stat(session: Session, listing_id: int, day: date, views: int, visitors: int = 0, contacts: int = 0) -> None:
    session.execute(
        text(
            """
            INSERT INTO car_listing_daily_stats
                (car_listing_id, date, total_views, unique_visitors, contact_phone_clicks, total_events)
            VALUES (:listing, :day, :views, :visitors, :contacts, :views + :contacts)
            """
        ),
        {"listing": listing_id, "day": day, "views": views, "visitors": visitors, "contacts": contacts},
    )


@pytest.fixture
def dealer(session: Session) -> Any:
    """A dealer with two listings: one with 40 contacts of 400 views, another with 1 of 3; and a
    stranger's.
    """
    dealer = provider(session, "100", name="Sham Cars")
    good = listing(session, title="Kia Rio", car_provider_id=dealer.id)
    lucky = listing(session, title="Kia Cerato", car_provider_id=dealer.id)
    stranger = listing(session, title="=Opel Corsa")
    for before in range(4):
        stat(session, good.id, today(session) - before * DAY, 100, 60, 10)
    stat(session, good.id, today(session) - 4 * DAY, 50)
    stat(session, lucky.id, today(session) - DAY, 3, 2, 1)
    stat(session, stranger.id, today(session) - DAY, 200, 90)
    session.commit()
    return dealer


def test_a_report_has_every_day_and_what_came_before(session: Session, dealer: Any) -> None:
    found = json.loads(run("analytics", "report", "listing", 1, "--days", 4, "--json").stdout)
    assert [day["views"] for day in found["days"]] == [100] * 4
    assert (found["views"], found["contacts"], found["views_before"], found["provider"]) == (400, 40, 50, "Sham Cars")
    drawn = run("analytics", "report", "listing", 1, "--days", 6).stdout
    assert "Listing 1: Kia Rio, Sham Cars" in drawn
    assert "views      ·▅████     100 at most a day      450 in all" in drawn
    assert "450 views (none in the days before)" in drawn
    rows = list(
        csv.DictReader(io.StringIO(run("analytics", "report", "provider", dealer.id, "--days", 2, "--csv").stdout))
    )
    assert [(row["date"], row["views"], row["contacts"]) for row in rows] == [
        (str(today(session) - DAY), "103", "11"),
        (str(today(session)), "100", "10"),
    ]
    run("analytics", "report", "listing", 99, error=NotFound)


def test_a_chart_of_one_line_shows_where_there_was_nothing_and_has_sixty_signs_at_most() -> None:
    assert spark([0, 0, 0]) == "···"
    assert spark([0, 1, 100]) == "·▁█"
    assert len(spark(list(range(1_000)))) == 60
    assert spark([5] * 365) == "█" * 60


def test_conversion_prefers_what_many_views_have_shown(session: Session, dealer: Any) -> None:
    found = json.loads(run("analytics", "conversion", "--json").stdout)
    assert [(row["id"], round(row["rate"], 2)) for row in found] == [(1, 0.09), (2, 0.33), (3, 0.0)]
    makes = json.loads(run("analytics", "conversion", "--by", "make", "--json").stdout)
    assert [(row["name"], row["views"], row["contacts"]) for row in makes] == [("Kia", 453, 41), ("=Opel", 200, 0)]
    [of_dealer] = json.loads(run("analytics", "conversion", "--by", "provider", "--json").stdout)
    assert (of_dealer["id"], of_dealer["name"], of_dealer["views"]) == (dealer.id, "Sham Cars", 453)
    assert "'=Opel Corsa,200,0,0.0" in run("analytics", "conversion", "--csv").stdout, "no formula for a spreadsheet"


def test_trending_is_what_rose_and_can_be_seen(session: Session) -> None:
    cars = [listing(session) for _ in range(4)]
    yesterday = today(session) - DAY
    for before in range(31):
        stat(session, cars[0].id, yesterday - before * DAY, 100)
        stat(session, cars[1].id, yesterday - before * DAY, 300 if before < 3 else 50)
    stat(session, cars[2].id, yesterday, 90)
    cars[2].is_hidden = True
    stat(session, cars[3].id, yesterday, 1)
    session.commit()
    found = json.loads(run("analytics", "trending", "--json").stdout)
    assert [row["id"] for row in found] == [cars[1].id, cars[3].id]
    assert (found[0]["views"], round(found[0]["times"], 1)) == (900, 5.8)


def test_events_are_shown_newest_first_with_truncated_addresses(session: Session) -> None:
    event(session, 7, midday(session, 2), ip="203.0.113.77")
    event(session, 7, midday(session, 1), "share", "2001:db8:1:2::3")
    event(session, 8, midday(session, 1))
    session.commit()
    found = json.loads(run("analytics", "events", "--listing", 7, "--json").stdout)
    assert [(row["event_type"], row["visitor"]) for row in found] == [
        ("share", "2001:db8:1::"),
        ("view", "203.0.113.0"),
    ]
    assert "203.0.113.77" not in run("analytics", "events", "--listing", 7, "--csv").stdout


def test_counters_that_cannot_be_right_are_found_and_those_too_low_are_raised(session: Session) -> None:
    cars = [listing(session, views_count=count) for count in (3, 0, 9, 1)]
    for car in cars[:3]:
        for n in range(3):
            event(session, car.id, midday(session, 1), ip=f"203.0.113.{n}")
        event(session, car.id, midday(session, 1), "share", ip="198.51.100.1")
    for _ in range(3):  # one visitor, three views: counted once
        event(session, cars[3].id, midday(session, 1))
    session.commit()
    increment_views_count.dispatch(listing_id=cars[1].id)  # two of its three are on their way
    session.execute(text("INSERT INTO views_to_count VALUES (:id, 1)"), {"id": cars[1].id})
    session.commit()
    found = json.loads(run("analytics", "reconcile", "--json", error=Degraded).stdout)
    assert {
        row["id"]: (row["views_count"], row["waiting"], row["least"], row["most"]) for row in found["listings"]
    } == {
        cars[1].id: (0, 2, 3, 3),
        cars[2].id: (9, 0, 3, 3),
    }
    assert "1 were raised" in run("analytics", "reconcile", "--fix", error=Degraded).stderr
    for car in cars:
        session.refresh(car)
    assert [car.views_count for car in cars] == [3, 1, 9, 1]
    assert [row.id for row in rankings.disagreeing(session)] == [cars[2].id]


def test_hours_are_shown_by_days_of_the_business_zone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_TIMEZONE", "Asia/Damascus")
    settings.cache_clear()
    noon = midday(session, 1)
    session.execute(
        text(
            "INSERT INTO analytics_hours VALUES (:noon, 8, 1, 1, 0, 0, 10), (:noon + interval '1 hour', 4, 0, 0, 0, 0, 4)"
        ),
        {"noon": noon},
    )
    session.commit()
    found = json.loads(run("analytics", "hours", "--days", 3, "--json").stdout)
    assert {(row["hour"], row["views"], row["contacts"]) for row in found if row["events"]} == {
        (f"{noon:%Y-%m-%dT12:00:00Z}", 8, 2),
        (f"{noon:%Y-%m-%dT13:00:00Z}", 4, 0),
    }
    lines = run("analytics", "hours", "--days", 3).stdout.splitlines()
    [line] = [line for line in lines if "12 views" in line]
    assert f"{noon:%a %d %b}  {'·' * 15}█▅{'·' * 7} " in line
