"""Promises of the view counter."""

import threading

import pytest
from showroom import ago, calls, listing
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import engine
from forecourt.marketplace.models import CarListing
from forecourt.marketplace.views import count_view, increment_views_count
from forecourt.marketplace.visitors import is_person


def test_a_view_is_one_more(session: Session) -> None:
    car = listing(session, views_count=41)
    increment_views_count(session, [car.id])
    session.refresh(car)
    assert car.views_count == 42


def test_many_calls_are_summed_by_listing(session: Session) -> None:
    rio, golf, idle = listing(session), listing(session), listing(session)
    counted = increment_views_count(session, [golf.id, rio.id, golf.id, golf.id])
    for car in (rio, golf, idle):
        session.refresh(car)
    assert [rio.views_count, golf.views_count, idle.views_count] == [1, 3, 0]
    assert counted == {"views": 4, "listings": 2}


def test_a_listing_that_is_gone_is_a_no_op_and_spoils_nothing(session: Session) -> None:
    car = listing(session)
    assert increment_views_count(session, [car.id + 1, car.id]) == {"views": 1, "listings": 1}
    session.refresh(car)
    assert car.views_count == 1


def test_updated_at_stays_because_nothing_that_a_visitor_sees_changed(session: Session) -> None:
    car = listing(session, updated_at=ago(session, "9 days"))
    before = car.updated_at
    increment_views_count(session, [car.id])
    session.refresh(car)
    assert car.updated_at == before


def test_an_attempt_that_is_rolled_back_counts_nothing_and_its_retry_counts_once(session: Session) -> None:
    car = listing(session)
    session.commit()
    increment_views_count(session, [car.id, car.id])
    session.rollback()
    increment_views_count(session, [car.id, car.id])
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
                    increment_views_count(own, ids)
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


PEOPLE = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 9; CUBOT_P40) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Linux; Android 13; wv) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/480.0.0;]",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36 Telegram-Android/11.2",
    "okhttp/4.12.0",
    "SouqCars/3.1 CFNetwork/1498.700.2 Darwin/23.6.0",
    None,
]
PROGRAMS = [
    "WhatsApp/2.24.20.89 A",
    "WhatsApp/2.23.18.76 i",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "TelegramBot (like TwitterBot)",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36",
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "python-requests/2.32.3",
    "curl/8.9.1",
    "Go-http-client/2.0",
    "",
    "  ",
]


@pytest.mark.parametrize("user_agent", PEOPLE)
def test_a_person_s_view_counts(session: Session, user_agent: str | None) -> None:
    assert is_person(user_agent)
    assert session.scalar(text("SELECT seen_by(:user_agent)"), {"user_agent": user_agent}) == "view"


@pytest.mark.parametrize("user_agent", PROGRAMS)
def test_a_whatsapp_preview_or_any_other_program_is_no_view(session: Session, user_agent: str) -> None:
    assert not is_person(user_agent)
    assert session.scalar(text("SELECT seen_by(:user_agent)"), {"user_agent": user_agent}) == "bot"


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "preview", "Prefetch"])
def test_a_page_that_a_browser_fetches_ahead_is_no_view(session: Session, purpose: str) -> None:
    assert not is_person(PEOPLE[0], purpose)
    seen = session.scalar(text("SELECT seen_by(:agent, :purpose)"), {"agent": PEOPLE[0], "purpose": purpose})
    assert seen == "bot"


def test_only_people_s_views_are_dispatched(session: Session) -> None:
    car = listing(session)
    for user_agent in (PEOPLE[0], "WhatsApp/2.24.20.89 A", PEOPLE[1]):
        count_view(car.id, user_agent=user_agent, session=session)
    assert calls(session, "increment_views_count") == [{"listing_id": car.id}] * 2
