"""Promises of calls that run at once: as in a slot, and without a database unless the job takes a
session.
"""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from counter import add_up, count_up, index, salute, sell, store, welcome, write_file
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import rascals
import workshop
from fleet import Looking
from forecourt import Discard, Forecourt, Middleware, Release, Session, batch, chain, job
from forecourt.database import engine
from forecourt.jobs.arguments import WrongArguments
from forecourt.jobs.context import RunningCall
from forecourt.jobs.job import Job
from forecourt.jobs.transaction import TransactionEnded
from forecourt.testing import fake_queue, run_as_inline, run_now

# -- one call: run_now -----------------------------------------------------------------------------


@pytest.mark.usefixtures("nowhere")
def test_a_call_without_a_session_runs_without_a_database_and_returns_its_result() -> None:
    assert run_now(salute, who="Ada", times=2) == "hello hello Ada"
    assert run_now(add_up, number=5) == 5, "a batched job gets a list of one"
    with pytest.raises(OperationalError):
        run_now(workshop.transact, call="one")


@pytest.mark.usefixtures("nowhere")
def test_arguments_are_checked_prepared_and_gone_through_json() -> None:
    with pytest.raises(WrongArguments, match="'who' is missing"):
        run_now(salute)
    with pytest.raises(WrongArguments, match="instance of Decimal"):
        run_now(sell, listing_id=7, price=9.5)
    assert run_now(store, path="photo.jpg") == "stored/photo.jpg"
    with pytest.raises(TypeError, match="expected a job"):
        run_now(len)  # type: ignore[arg-type]


@job(name="inline.give_back")
def give_back(what: str) -> object:
    ends = {"Release": Release(30), "Discard": Discard("sold"), "generator": (n for n in range(3))}
    return give_back_later(what) if what == "coroutine" else ends[what]


async def later(what: str) -> None: ...


@job(name="inline.give_back_later")
async def give_back_later(what: str) -> object:
    return later(what)


@pytest.mark.usefixtures("nowhere")
def test_what_is_returned_where_it_had_to_be_raised_or_run_is_no_success() -> None:
    for what in ("Release", "Discard"):
        with pytest.raises(TypeError, match=f"inline.give_back returned a {what}, which has to be raised"):
            run_now(give_back, what=what)
    for what in ("generator", "coroutine"):
        with pytest.raises(TypeError, match=f"returned a {what}: nothing of it has run; make it `async def`"):
            run_now(give_back, what=what)
    with pytest.raises(
        TypeError, match=r"inline.give_back_later returned a coroutine: nothing of it has run; await it"
    ):
        run_now(give_back_later, what="x")


class Watch(Middleware):
    def __init__(self) -> None:
        self.seen: list[RunningCall] = []

    def before(self, call: RunningCall) -> None:
        self.seen.append(call)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def app(watch: Watch) -> Forecourt:
    return Forecourt(middleware=[watch])


@pytest.fixture
def seen(watch: Watch) -> list[RunningCall]:
    """The calls that the application's middleware has seen."""
    return watch.seen


@pytest.mark.usefixtures("nowhere")
def test_middleware_stands_around(app: Forecourt, seen: list[RunningCall]) -> None:
    run_now(salute, app, who="Ada")
    assert [(call.job, call.attempt, call.options) for call in seen] == [("salute", 1, {})]


@pytest.mark.usefixtures("nowhere")
def test_progress_that_is_reported_goes_nowhere_and_needs_no_database() -> None:
    assert run_now(count_up, to=3) == 3


def test_a_session_is_committed_when_the_job_returns(looking: Looking) -> None:
    run_now(workshop.transact, call="one")
    assert looking.traces("one") == 1
    assert looking.count("done") == 0, "it was never in the queue"


def test_a_session_is_rolled_back_when_the_job_raises_and_the_error_goes_through(looking: Looking) -> None:
    with pytest.raises(RuntimeError, match="a job must not commit"):
        run_now(workshop.commit_inside, call="one")
    with pytest.raises(ValueError, match="thirteen"):
        run_now(workshop.collect, n=13)
    assert looking.traces() == 0


def test_release_and_discard_go_through_with_what_they_say(looking: Looking) -> None:
    with pytest.raises(Release) as released:
        run_now(workshop.come_back, call="one", times=2)
    assert (released.value.delay, released.value.why) == (0, "not yet")
    with pytest.raises(Discard, match="nobody wants it"):
        run_now(workshop.drop, call="one")


# -- every dispatch: run_as_inline -----------------------------------------------------------------


@pytest.mark.usefixtures("nowhere")
def test_what_is_dispatched_runs_at_once_also_from_within_a_job(
    app: Forecourt, seen: list[RunningCall], tmp_path: Path
) -> None:
    with run_as_inline(app):
        welcome.dispatch(who="Ada")
        call = write_file.using(delay=3600).dispatch(path=str(tmp_path / "written"))
    assert (tmp_path / "written").read_text() == "here"
    assert [call.job for call in seen] == ["welcome", "salute", "write_file"]
    assert call.id == seen[-1].id
    with pytest.raises(OperationalError):
        salute.dispatch(who="outside of the block it goes to the database")


@pytest.mark.usefixtures("nowhere")
def test_many_calls_of_a_batched_job_run_together_and_others_one_by_one(
    app: Forecourt, seen: list[RunningCall]
) -> None:
    with run_as_inline(app):
        assert len(add_up.dispatch_many([{"number": n} for n in range(5)])) == 5
        assert len(salute.dispatch_many([{"who": "Ada"}, {"who": "Bob"}])) == 2
        assert add_up.dispatch_many([]) == []
    assert [call.job for call in seen] == ["add_up"] * 3 + ["salute"] * 2


@pytest.mark.usefixtures("nowhere")
def test_wrong_arguments_are_an_error_before_anything_runs(app: Forecourt, seen: list[RunningCall]) -> None:
    with run_as_inline(app):
        with pytest.raises(WrongArguments):
            salute.dispatch_many([{"who": "Ada"}, {"who": 7}])
        with pytest.raises(ValueError, match="priority"):
            salute.using(priority=99999).dispatch(who="Ada")
    assert seen == []


def test_what_a_call_raises_goes_through_but_a_discard_ends_it_quietly(looking: Looking) -> None:
    with run_as_inline():
        workshop.drop.dispatch(call="one")
        with pytest.raises(ValueError, match="two cannot work"):
            workshop.fail.dispatch(call="two")
        with pytest.raises(Release):
            workshop.come_back.dispatch(call="three", times=2)
    assert looking.traces() == 3
    assert looking.live() == 0


@pytest.mark.parametrize("kind", ["session", "connection"])
def test_with_a_session_the_effects_are_part_of_the_callers_transaction(looking: Looking, kind: str) -> None:
    used: Any = Session(engine()) if kind == "session" else engine().connect()
    with used, run_as_inline():
        workshop.transact.using(session=used).dispatch(call="one")
        assert used.execute(text("SELECT count(*) FROM traces")).scalar_one() == 1
        assert looking.traces() == 0, "not visible before the commit"
        used.rollback()
        assert looking.traces() == 0
        workshop.transact.using(session=used).dispatch(call="two")
        used.commit()
    assert looking.traces("two") == 1


def test_a_call_that_raises_takes_back_its_own_effects_and_leaves_the_callers(looking: Looking) -> None:
    with Session(engine()) as session, run_as_inline():
        session.execute(workshop.LEAVE, {"call": "caller", "pid": 0})
        with pytest.raises(RuntimeError, match="must not commit"):
            workshop.commit_inside.using(session=session).dispatch(call="job")
        session.commit()
    assert looking.rows("SELECT call FROM traces") == [("caller",)]


@pytest.mark.parametrize(
    ("rascal", "args"),
    [
        (rascals.roll_back, {}),
        (rascals.close_the_session, {}),
        *((rascals.commit_by_hand, {"sql": sql, "more": True}) for sql in ("COMMIT", "COMMIT AND CHAIN", "ROLLBACK")),
    ],
    ids=lambda given: getattr(given, "name", given),
)
def test_a_call_that_ends_the_callers_transaction_by_hand_fails_as_in_a_slot(
    looking: Looking, rascal: Job[..., Any], args: dict[str, Any]
) -> None:
    with Session(engine()) as session, run_as_inline():
        with pytest.raises(TransactionEnded, match="ended by hand"):
            rascal.using(session=session).dispatch(**args)
        session.rollback()


def test_calls_within_each_other_share_the_callers_transaction(looking: Looking) -> None:
    @job(name="inline.outer")
    def outer(*, session: Session) -> None:
        workshop.transact.using(session=session).dispatch(call="inner")
        session.execute(workshop.LEAVE, {"call": "outer", "pid": 0})

    with Session(engine()) as session, run_as_inline():
        outer.using(session=session).dispatch()
        outer.using(session=session).dispatch()
        session.commit()
    assert looking.rows("SELECT call FROM traces ORDER BY id") == [("inner",), ("outer",)] * 2


def test_what_cannot_join_a_transaction_is_refused_with_a_way_out(looking: Looking, database: str) -> None:
    with psycopg.connect(database) as connection, run_as_inline():
        with pytest.raises(TypeError, match=r"not of a psycopg connection; use fake_queue\(\) or drain\(\) here"):
            workshop.transact.using(session=connection).dispatch(call="one")
        with pytest.raises(TypeError, match="not str"):
            salute.using(session="postgresql://").dispatch(who="Ada")  # type: ignore[arg-type]
        salute.using(session=connection).dispatch(who="without a session of its own it runs")


def test_a_chain_runs_to_its_end(looking: Looking) -> None:
    with run_as_inline():
        chain(
            workshop.leave_trace.call(call="a"), workshop.drop.call(call="b"), workshop.transact.call(call="c")
        ).dispatch()
    assert [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")] == ["a", "b", "c"]


def test_a_chain_stops_at_a_failure_which_is_caught_once_and_goes_through(looking: Looking) -> None:
    links = [workshop.leave_trace.call(call="a"), workshop.fail.call(call="b"), workshop.leave_trace.call(call="c")]
    with run_as_inline(), pytest.raises(ValueError, match="b cannot work"):
        chain(*links).catch(workshop.mourn.call(call="caught")).dispatch()
    assert [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")] == ["a", "b", "caught ValueError"]


def test_a_batch_is_refused_with_a_way_out(looking: Looking) -> None:
    with run_as_inline(), pytest.raises(RuntimeError, match=r"use drain\(\) here"):
        batch([workshop.nothing.call(n=1)]).dispatch()
    assert looking.count("batches") == 0


@pytest.mark.usefixtures("nowhere")
def test_a_fake_inside_keeps_its_jobs_from_running(app: Forecourt, seen: list[RunningCall]) -> None:
    with run_as_inline(app), fake_queue(only=[index]) as fake:
        salute.dispatch(who="Ada")
        index.dispatch(listing_id=7)
    fake.assert_count(1)
    assert [call.job for call in seen] == ["salute"]
