"""Dispatch: from Python, in the caller's transaction, in bulk, and from SQL."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import UndefinedTable
from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import workshop
from fleet import Looking
from forecourt import Workflow, batch, job
from forecourt.app import load
from forecourt.database import engine, in_transaction_of
from forecourt.jobs.arguments import WrongArguments


@pytest.fixture
def declared(looking: Looking) -> Looking:
    with engine().begin() as connection:
        load("workshop:app").declare(in_transaction_of(connection))
    return looking


def test_a_dispatched_call_is_ready_at_once(looking: Looking) -> None:
    call = workshop.nothing.dispatch(n=3)
    assert looking.rows("SELECT id, job, queue, args, attempts FROM forecourt.ready") == [
        (call.id, "nothing", "default", {"n": 3}, 0)
    ]


def test_wrong_arguments_are_an_error_at_the_caller_and_enter_nothing(looking: Looking) -> None:
    with pytest.raises(WrongArguments):
        workshop.nothing.dispatch(n="three")
    with pytest.raises(WrongArguments):
        workshop.nothing.dispatch_many([{"n": 1}, {"n": "two"}])
    assert looking.live() == 0


def test_without_a_schema_the_error_says_what_makes_one(looking: Looking) -> None:
    with engine().connect() as connection:
        connection.execute(text("DROP SCHEMA forecourt CASCADE"))
        with pytest.raises(UndefinedTable) as caught:
            workshop.nothing.using(session=connection).dispatch(n=3)
    assert caught.value.__notes__ == [
        "This database has no Forecourt schema yet: run `forecourt db migrate`, or `forecourt up`"
    ]


def test_a_delayed_call_waits_in_scheduled_by_the_databases_clock(looking: Looking) -> None:
    workshop.nothing.using(delay=timedelta(minutes=5)).dispatch(n=1)
    at = datetime(2030, 1, 1, tzinfo=UTC)
    workshop.nothing.using(at=at).dispatch(n=2)
    waits = looking.rows(
        "SELECT args->>'n', run_at, round(extract(epoch FROM run_at - now())) FROM forecourt.scheduled ORDER BY 1"
    )
    assert 295 <= waits[0][2] <= 300
    assert waits[1][1] == at


def test_queue_and_priority_can_be_chosen_for_one_dispatch(looking: Looking) -> None:
    workshop.nothing.using(queue="high", priority=-5).dispatch(n=1)
    assert looking.rows("SELECT queue, priority FROM forecourt.ready") == [("high", -5)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"delay": 5, "at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"at": datetime(2030, 1, 1)},  # noqa: DTZ001 - naive on purpose
        {"at": "2030-01-01"},
        {"delay": -1},
    ],
)
def test_contradictory_circumstances_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not both|time zone|negative"):
        workshop.nothing.using(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"queue": ""}, {"queue": "a,b"}, {"priority": 99999}])
def test_a_queue_or_priority_out_of_range_is_refused(looking: Looking, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"queue|priority"):
        workshop.nothing.using(**wrong).dispatch(n=1)  # type: ignore[arg-type]
    assert looking.live() == 0


@pytest.mark.parametrize("kind", ["session", "scoped session", "connection", "psycopg", "psycopg with rows as dicts"])
def test_commit_makes_the_call_visible_and_rollback_forgets_it(looking: Looking, database: str, kind: str) -> None:
    opened: dict[str, Callable[[], Any]] = {
        "session": lambda: Session(engine()),
        "scoped session": lambda: scoped_session(sessionmaker(engine())),
        "connection": lambda: engine().connect(),
        "psycopg": lambda: psycopg.connect(database),
        "psycopg with rows as dicts": lambda: psycopg.connect(database, row_factory=dict_row),
    }
    with closing(opened[kind]()) as used:
        workshop.nothing.using(session=used).dispatch(n=1)
        assert looking.count("ready") == 0, "not visible before the commit"
        used.rollback()
        assert looking.count("ready") == 0
        workshop.nothing.using(session=used).dispatch_many([{"n": 1}, {"n": 2}])
        used.commit()
        assert looking.count("ready") == 2


def test_something_else_than_a_session_is_refused_by_its_type(looking: Looking) -> None:
    with pytest.raises(
        TypeError,
        match="expected a SQLAlchemy Session or Connection, a Django connection or a psycopg connection, not str",
    ):
        workshop.nothing.using(session="postgresql://").dispatch(n=1)  # type: ignore[arg-type]


def test_many_calls_keep_their_order(looking: Looking) -> None:
    calls = workshop.nothing.dispatch_many({"n": n} for n in range(2000))
    assert [call.id for call in calls] == sorted(call.id for call in calls)
    assert looking.rows("SELECT (args->>'n')::int FROM forecourt.ready ORDER BY id") == [(n,) for n in range(2000)]
    assert workshop.nothing.dispatch_many([]) == []


@pytest.mark.parametrize(
    "options", [{"tries": -1}, {"timeout": -1}, {"batch": 0}, {"queue": ""}, {"priority": 10**6}, {"backoff": []}]
)
def test_a_policy_out_of_range_is_an_error_at_decoration(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        job(**options)(lambda: None)  # type: ignore[call-overload]


# -- from SQL: any language ------------------------------------------------------------------------


def test_any_language_dispatches_with_one_sql_call(declared: Looking) -> None:
    id = declared.one("""SELECT forecourt.dispatch('leave_trace', '{"call": "from PHP"}')""")
    assert declared.rows("SELECT id, job, queue, args FROM forecourt.ready") == [
        (id, "leave_trace", "default", {"call": "from PHP"})
    ]
    declared.one("""SELECT forecourt.dispatch('nothing', delay => '5 minutes', queue => 'low')""")
    assert declared.rows("SELECT queue FROM forecourt.scheduled") == [("low",)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("'nobody', '{}'", "no job is named 'nobody'"),
        ("'leave_trace', '{}'", "argument 'call' is missing"),
        ("""'leave_trace', '{"call": 5}'""", "argument 'call' must be of type string, not 5"),
        ("""'leave_trace', '{"call": "x", "more": 1}'""", "no such argument: 'more'"),
        ("'leave_trace', '[1]'", "must be a JSON object"),
        ("""'nothing', '{"n": 1.5}'""", "must be of type integer, not 1.5"),
        ("""'wire_money', '{"account": 4711, "owner": "x"}'""", 'must be of type string, not "•••"'),
        ("'nothing', queue => 'high,low'", "queue: 'high,low' is not a name"),
        ("'nothing', delay => '9000 years'", "a delay of 9000 years is more than a hundred years"),
        ("""'swallow', jsonb_build_object('text', repeat('x', 34000000))""", "bytes of arguments"),
    ],
)
def test_bad_input_from_sql_is_named_and_changes_nothing(declared: Looking, call: str, words: str) -> None:
    with pytest.raises(psycopg.Error, match=words):
        declared.rows(f"SELECT forecourt.dispatch({call})")
    assert declared.live() == 0


def test_declaring_again_changes_nothing(declared: Looking) -> None:
    with engine().begin() as connection:
        assert load("workshop:app").declare(in_transaction_of(connection)) == 0
        connection.execute(text("UPDATE forecourt.job_definitions SET queue = 'old' WHERE name = 'nothing'"))
        assert load("workshop:app").declare(in_transaction_of(connection)) == 1


def test_an_instant_that_no_page_could_show_is_refused(looking: Looking) -> None:
    with pytest.raises(ValueError, match="at= is not before the year 9000"):
        workshop.nothing.using(at=datetime.max.replace(tzinfo=UTC)).dispatch()
    assert looking.live() == 0


def test_what_takes_several_statements_is_one_transaction_also_where_each_commits_by_itself(
    looking: Looking, database: str
) -> None:
    """As Django's connections are by default: a step could end before its call is noted, and a
    batch wait for calls that were never entered.
    """
    flow = Workflow()
    flow.add(workshop.nothing.call())
    with psycopg.connect(database, autocommit=True) as connection:
        flow.dispatch(session=connection)
        batch([workshop.nothing.call(), workshop.nothing.call()]).dispatch(session=connection)
    assert looking.one("SELECT count(DISTINCT xmin::text) FROM forecourt.ready") == 2
    assert looking.rows(
        "SELECT w.xmin = s.xmin, s.xmin = r.xmin FROM forecourt.workflows w, forecourt.steps s, forecourt.ready r"
        " WHERE r.id = s.call_id"
    ) == [(True, True)]
    assert looking.rows(
        "SELECT r.xmin = b.xmin FROM forecourt.ready r, forecourt.batches b WHERE r.batch_id = b.id"
    ) == [
        (True,),
        (True,),
    ]


def test_a_call_that_would_expire_before_it_began_is_refused(looking: Looking) -> None:
    with pytest.raises(ValueError, match=r"a delay of 7200 s is not shorter than its retry_until of 1 s"):
        workshop.retry_for_a_second.using(delay=7200).dispatch(call="late")
    with pytest.raises(ValueError, match="is not shorter than its retry_until"):
        workshop.retry_for_a_second.using(at=datetime.now(UTC) + timedelta(hours=1)).dispatch(call="late")
    load("workshop:app").declare(looking.connection)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is not shorter than its retry_until"):
        looking.one("SELECT forecourt.dispatch('retry_for_a_second', '{\"call\": \"late\"}', interval '2 hours')")
    assert looking.live() == 0
