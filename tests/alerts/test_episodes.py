"""Of each trouble one message when it has lasted a little, and one when it is over; at night only
what cannot wait.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest

from forecourt.doctor.check import Result
from forecourt.store import alerts
from forecourt.watch.episodes import CALM, PATIENCE, News, follow, outlook

Follow = Callable[..., tuple[list[str], list[str]]]

WAITS = Result("queue low", "warn", "oldest call waits for 2 min", advice="more slots")
NOBODY = Result("workers", "fail", "0 alive", advice="start one")
ONCE = Result("failure OSError greet", "warn", "new, 2 of its calls", tell="once")
PAUSED = Result("queue high", "warn", "paused by anna", tell="never")
WELL = Result("disk", "ok", "80 % free")


@pytest.fixture
def after(tx: psycopg.Connection) -> Follow:
    """What is told, so long after the first look, of what is wrong by then: the subjects that
    began, and that are over.
    """
    first: datetime = tx.execute("SELECT now()").fetchone()[0]

    def look(
        minutes: float, *results: Result, quiet: bool = False, made: bool = True, application: str = "shop:app"
    ) -> tuple[list[str], list[str]]:
        with tx.transaction():
            news: News = follow(
                tx, application, results if made else None, first + timedelta(minutes=minutes), quiet=quiet
            )
        return [alert.subject for alert in news.began], [alert.subject for alert in news.ended]

    return look


def test_a_trouble_is_told_once_when_it_has_lasted_and_once_when_it_is_over(after: Follow) -> None:
    assert after(0, WAITS, WELL) == ([], [])
    assert after(0.5, WAITS) == ([], []), "it may go by itself"
    assert after(1, WAITS) == (["queue low"], [])
    assert after(1.5, WAITS) == ([], [])
    assert after(90, WAITS) == ([], []), "one message an episode, however long it lasts"
    assert after(91) == ([], []), "it may come back"
    assert after(92, WAITS) == ([], [])
    assert after(93) == ([], [])
    assert after(93 + CALM.total_seconds() / 60) == ([], ["queue low"])
    assert after(100) == ([], [])
    assert after(101, WAITS) == ([], [])
    assert after(102, WAITS) == (["queue low"], []), "the next episode"


def test_what_goes_by_itself_was_never_told_and_is_forgotten(after: Follow, tx: psycopg.Connection) -> None:
    assert after(0, WAITS) == ([], [])
    assert after(0.5) == ([], [])
    assert tx.execute("SELECT count(*) FROM forecourt.alerts").fetchone() == (0,)
    assert after(1, WAITS) == ([], [])


def test_what_becomes_worse_is_told_again_and_what_becomes_better_is_not(after: Follow) -> None:
    worse = Result("queue low", "fail", "oldest call waits for 20 min")
    after(0, WAITS)
    assert after(1, WAITS) == (["queue low"], [])
    assert after(2, worse) == (["queue low"], [])
    assert after(3, WAITS) == ([], [])
    assert after(4, worse) == ([], [])


def test_in_quiet_hours_only_failures_are_told_and_that_they_are_over(after: Follow) -> None:
    after(0, WAITS, NOBODY, quiet=True)
    assert after(1, WAITS, NOBODY, quiet=True) == (["workers"], [])
    assert after(2, WAITS, quiet=True) == ([], [])
    assert after(6, WAITS, quiet=True) == ([], ["workers"])
    assert after(7, WAITS) == (["queue low"], []), "the morning tells what waited, if it is still so"
    after(8, quiet=True)
    assert after(60, quiet=True) == ([], []), "its end rings no phone either"
    assert after(61) == ([], ["queue low"])


def test_an_event_is_told_at_once_and_has_no_end(after: Follow) -> None:
    assert after(0, ONCE) == (["failure OSError greet"], [])
    assert after(1, ONCE) == ([], [])
    assert after(15) == ([], [])
    assert after(30) == ([], [])
    assert after(31) == ([], [])


def test_an_event_of_the_quiet_hours_is_told_afterwards_whatever_came_since(after: Follow) -> None:
    assert after(0, ONCE, quiet=True) == ([], [])
    assert after(30, quiet=True) == ([], []), "the check no longer sees it"
    assert after(60) == (["failure OSError greet"], [])
    assert [after(minute) for minute in (61, 70)] == [([], [])] * 2


def test_what_would_be_told_is_what_is_told(after: Follow, tx: psycopg.Connection) -> None:
    now: datetime = tx.execute("SELECT now()").fetchone()[0]
    morning = now + timedelta(hours=5)

    def told(watched: bool = True) -> list[tuple[str, timedelta | None]]:
        known = alerts.open_ones(tx, "shop:app")
        found = outlook(known, [WAITS, NOBODY, ONCE, PAUSED, WELL], now, morning, watched=watched)
        return [(one.result.name, one.tell_at and one.tell_at - now) for one in found]

    assert told(watched=False) == [("queue low", None), ("workers", None), ("failure OSError greet", None)]
    assert told() == [
        ("queue low", timedelta(hours=5)), ("workers", PATIENCE), ("failure OSError greet", timedelta(hours=5))
    ]  # fmt: skip
    after(-2, WAITS, NOBODY)
    after(-1, WAITS, NOBODY)
    assert told() == [("failure OSError greet", timedelta(hours=5))]


def test_what_somebody_wanted_so_is_never_told(after: Follow) -> None:
    assert [after(minute, PAUSED) for minute in range(4)] == [([], [])] * 4


def test_checks_that_could_not_be_made_are_a_trouble_and_say_nothing_of_the_others(after: Follow) -> None:
    after(0, NOBODY)
    assert after(1, NOBODY) == (["workers"], [])
    after(2, made=False)
    assert after(30, made=False) == (["checks"], []), "and the workers are not taken for well"
    after(31, NOBODY)
    assert after(40, NOBODY) == ([], ["checks"])


def test_what_one_application_does_not_have_is_not_over_for_another(after: Follow) -> None:
    duty = Result("task count_stock", "fail", "failed at 05:00")
    after(0, duty)
    assert after(1, duty) == (["task count_stock"], [])
    for minute in range(2, 9):
        assert after(minute, application="cars:app") == ([], [])
        assert after(minute, duty) == ([], [])
