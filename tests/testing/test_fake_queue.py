"""Promises of the fake queue: everything is recorded as it would have been entered, and no database
is touched.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import counter
import pytest
from counter import add_up, index, salute, sell, store, welcome
from sqlalchemy.exc import OperationalError

import workshop
from fleet import Looking
from forecourt import Session, Timetable, batch, chain
from forecourt.database import engine
from forecourt.jobs.arguments import WrongArguments
from forecourt.schedule.clock import Clock
from forecourt.testing import FakeQueue, fake_queue, run_now

pytestmark = pytest.mark.usefixtures("nowhere")


def test_every_way_to_dispatch_is_recorded_and_touches_no_database() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    with fake_queue() as fake:
        salute.dispatch(who="Ada")
        salute.using(queue="high", priority=-5, delay=timedelta(minutes=1)).dispatch(who="Bob", times=2)
        salute.using(at=at, session=Session()).dispatch_many([{"who": "Cleo"}, {"who": "Dan"}])
    assert [
        (call.job, call.args, call.queue, call.priority, call.delay, call.at, call.in_transaction)
        for call in fake.calls
    ] == [
        (salute, {"who": "Ada", "times": 1}, "low", 3, None, None, False),
        (salute, {"who": "Bob", "times": 2}, "high", -5, 60, None, False),
        (salute, {"who": "Cleo", "times": 1}, "low", 3, None, at, True),
        (salute, {"who": "Dan", "times": 1}, "low", 3, None, at, True),
    ]
    with pytest.raises(OperationalError):
        salute.dispatch(who="outside of the block it goes to the database")


def test_a_dispatch_gets_a_call_whose_id_is_in_no_table() -> None:
    with fake_queue() as fake:
        one = salute.dispatch(who="Ada")
        two, three = salute.dispatch_many([{"who": "Bob"}, {"who": "Cleo"}])
        assert salute.dispatch_many([]) == []
    assert [call.id for call in fake.calls] == [one.id, two.id, three.id]
    assert len({one.id, two.id, three.id}) == 3
    assert max(one.id, two.id, three.id) < 0
    assert one.job == "salute"
    with pytest.raises(LookupError, match="fake_queue or run_as_inline took it"):
        one.result()


def test_dispatches_inside_jobs_and_in_other_threads_are_recorded() -> None:
    with fake_queue() as fake:
        run_now(welcome, who="Ada")
        thread = threading.Thread(target=salute.dispatch, kwargs={"who": "Bob"})
        thread.start()
        thread.join()
    fake.assert_dispatched_on("high", salute, who="Ada")
    fake.assert_dispatched_on("low", salute, who="Bob")


def test_wrong_arguments_are_an_error_and_record_nothing() -> None:
    with fake_queue() as fake:
        with pytest.raises(WrongArguments, match="no such argument: 'wh'"):
            salute.dispatch(wh="Ada")
        with pytest.raises(WrongArguments, match="valid string"):
            salute.dispatch_many([{"who": "Ada"}, {"who": 7}])
        with pytest.raises(ValueError, match="queue"):
            salute.using(queue="a,b").dispatch(who="Ada")
        with pytest.raises(
            TypeError,
            match="expected a SQLAlchemy Session or Connection, a Django connection or a psycopg connection, not str",
        ):
            salute.using(session="postgresql://").dispatch(who="Ada")  # type: ignore[arg-type]
    fake.assert_nothing_dispatched()


def test_arguments_are_recorded_as_the_function_would_get_them() -> None:
    with fake_queue() as fake:
        sell.dispatch(listing_id=7, price=Decimal("9.50"))
        add_up.dispatch_many({"number": number} for number in (1, 2))
    fake.assert_dispatched(sell, price=Decimal("9.50"), at=counter.MIDNIGHT)
    assert [call.args for call in fake.dispatched(add_up)] == [{"number": 1}, {"number": 2}]


def test_what_prepares_arguments_is_left_out() -> None:
    counter.prepared.clear()
    with fake_queue() as fake:
        store.dispatch(path="photo.jpg")
    fake.assert_dispatched(store, path="photo.jpg")
    assert counter.prepared == []


def test_the_duplicate_of_a_unique_call_is_not_recorded_within_one_fake() -> None:
    for _ in range(2):
        with fake_queue() as fake:
            first = index.dispatch(listing_id=7, why="sold")
            again = index.dispatch(listing_id=7, why="changed")
            index.dispatch(listing_id=8)
        assert (again.id, again.duplicate, first.duplicate) == (first.id, True, False)
        fake.assert_dispatched_once(index, listing_id=7)
        fake.assert_count(2)


def test_a_chain_is_recorded_as_its_first_call_and_what_would_follow() -> None:
    with fake_queue() as fake:
        chain(welcome.call(who="Ada"), salute.call(who="Bob"), salute.call(who="Cleo")).catch(
            add_up.call(number=1)
        ).dispatch()
        salute.dispatch(who="Dan")
    fake.assert_count(2)
    fake.assert_chained(welcome, salute, salute)
    fake.assert_chained(welcome, salute.call(who="Bob"), salute.call(who="Cleo"))
    fake.assert_dispatched(salute, where=lambda call: not call.chain)
    fake.assert_not_dispatched(salute, who="Bob")
    for links in (
        [welcome, salute],
        [welcome, salute, add_up],
        [salute, salute],
        [welcome, salute.call(who="Eve"), salute],
    ):
        with pytest.raises(AssertionError):
            fake.assert_chained(*links)
    with pytest.raises(AssertionError) as failure:
        fake.assert_chained(welcome, salute.call(who="Eve"))
    assert str(failure.value) == (
        "welcome, then salute(who='Eve') was not dispatched as a chain. Dispatched:\n"
        "  welcome(who='Ada') on default, then salute(who='Bob', times=1), then salute(who='Cleo', times=1),"
        " on failure add_up(number=1)\n"
        "  salute(who='Dan', times=1) on low, priority 3"
    )


# -- which jobs are faked --------------------------------------------------------------------------


def test_only_the_named_jobs_are_faked() -> None:
    with fake_queue(only=[salute]) as fake:
        salute.dispatch(who="Ada")
        with pytest.raises(OperationalError):
            index.dispatch(listing_id=7)
    fake.assert_count(1)


def test_all_but_the_named_jobs_are_faked() -> None:
    with fake_queue(except_=[salute]) as fake:
        index.dispatch(listing_id=7)
        with pytest.raises(OperationalError):
            salute.dispatch_many([{"who": "Ada"}])
    fake.assert_count(1)


def test_what_an_inner_fake_lets_pass_the_outer_one_takes() -> None:
    with fake_queue() as outer, fake_queue(only=[salute]) as inner:
        salute.dispatch(who="Ada")
        index.dispatch(listing_id=7)
    inner.assert_dispatched_once(salute)
    assert [call.job for call in outer.calls] == [index]


def test_a_fake_that_lets_a_job_pass_does_not_claim_to_know_about_it() -> None:
    with fake_queue(only=[salute]) as fake, pytest.raises(ValueError, match="this fake lets index pass"):
        fake.assert_not_dispatched(index)


def test_contradictory_or_wrong_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="only= or except_=, not both"), fake_queue(only=[salute], except_=[index]):
        pass
    with pytest.raises(TypeError, match="expected a job, that is a function under @job, in a list, not <job"):
        fake_queue(only=salute).__enter__()  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a job, that is a function under @job, not 'salute'"):
        FakeQueue(only=["salute"])  # type: ignore[list-item]


def test_the_fake_ends_with_its_block_also_when_that_raises() -> None:
    with pytest.raises(KeyError), fake_queue():
        raise KeyError
    with pytest.raises(OperationalError):
        salute.dispatch(who="Ada")


# -- assertions ------------------------------------------------------------------------------------


@pytest.fixture
def fake() -> FakeQueue:
    """A fake that has seen something."""
    with fake_queue() as fake:
        salute.dispatch(who="Ada")
        salute.using(queue="high", delay=60).dispatch(who="Bob", times=2)
        index.using(session=Session()).dispatch(listing_id=7)
    return fake


TOLD = """ Dispatched:
  salute(who='Ada', times=1) on low, priority 3
  salute(who='Bob', times=2) on high, priority 3, after 60 s
  index(listing_id=7, why='') on default, in a transaction"""


@pytest.mark.parametrize(
    "holds",
    [
        lambda fake: fake.assert_dispatched(salute),
        lambda fake: fake.assert_dispatched(salute, who="Bob"),
        lambda fake: fake.assert_dispatched(salute, times=2),
        lambda fake: fake.assert_dispatched(salute, where=lambda call: call.args["times"] == 2),
        lambda fake: fake.assert_dispatched_once(index),
        lambda fake: fake.assert_dispatched_once(salute, who="Ada"),
        lambda fake: fake.assert_dispatched_on("low", salute),
        lambda fake: fake.assert_dispatched_on("high", salute, who="Bob"),
        lambda fake: fake.assert_dispatched_later(salute),
        lambda fake: fake.assert_dispatched_later(salute, delay=timedelta(minutes=1), who="Bob"),
        lambda fake: fake.assert_dispatched_in_transaction(index, listing_id=7),
        lambda fake: fake.assert_not_dispatched(add_up),
        lambda fake: fake.assert_not_dispatched(salute, who="Cleo"),
        lambda fake: fake.assert_count(3),
    ],
)
def test_what_is_true_is_asserted_in_silence(fake: FakeQueue, holds: Callable[[FakeQueue], None]) -> None:
    holds(fake)


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        (lambda fake: fake.assert_dispatched(add_up), "add_up was not dispatched."),
        (lambda fake: fake.assert_dispatched(salute, who="Cleo"), "salute(who='Cleo') was not dispatched."),
        (lambda fake: fake.assert_dispatched(salute, times=3), "salute was dispatched 2 times, expected 3 times."),
        (
            lambda fake: fake.assert_dispatched(salute, where=lambda call: call.priority < 0),
            "salute was not dispatched.",
        ),
        (lambda fake: fake.assert_dispatched_once(salute), "salute was dispatched 2 times, expected once."),
        (
            lambda fake: fake.assert_dispatched_on("low", salute, who="Bob"),
            "salute(who='Bob') was not dispatched on queue 'low'.",
        ),
        (lambda fake: fake.assert_dispatched_later(index), "index was not dispatched for later."),
        (
            lambda fake: fake.assert_dispatched_later(salute, delay=30),
            "salute was not dispatched for later, after 30 s.",
        ),
        (
            lambda fake: fake.assert_dispatched_later(salute, at=counter.MIDNIGHT),
            "salute was not dispatched for later, at 2026-11-23 00:00:00+00:00.",
        ),
        (
            lambda fake: fake.assert_dispatched_in_transaction(salute),
            "salute was not dispatched in the caller's transaction, with using(session=...).",
        ),
        (
            lambda fake: fake.assert_not_dispatched(index, listing_id=7),
            "index(listing_id=7) was dispatched once, expected not at all.",
        ),
        (lambda fake: fake.assert_nothing_dispatched(), "3 calls were dispatched, expected none."),
        (lambda fake: fake.assert_count(2), "3 calls were dispatched, expected 2."),
    ],
)
def test_a_failure_says_what_was_expected_and_lists_what_was_dispatched(
    fake: FakeQueue, fails: Callable[[FakeQueue], None], words: str
) -> None:
    with pytest.raises(AssertionError) as failure:
        fails(fake)
    assert str(failure.value) == words + TOLD


def test_a_failure_with_nothing_dispatched_says_so() -> None:
    with (
        fake_queue() as fake,
        pytest.raises(AssertionError, match=r"^salute was not dispatched\. Nothing was dispatched\.$"),
    ):
        fake.assert_dispatched(salute)


def test_a_failure_stays_readable_with_many_calls_and_long_arguments() -> None:
    with fake_queue() as fake:
        salute.dispatch_many([{"who": "x" * 5000}] * 1000)
    with pytest.raises(AssertionError) as failure:
        fake.assert_nothing_dispatched()
    assert "and 970 more" in str(failure.value)
    assert len(str(failure.value)) < 10_000


@pytest.mark.parametrize("name", ["assert_dispatched", "assert_not_dispatched", "dispatched"])
def test_an_assertion_about_an_argument_that_the_job_does_not_take_is_a_mistake(fake: FakeQueue, name: str) -> None:
    with pytest.raises(WrongArguments, match=r"salute: no such argument: 'whom' \(it takes who, times\)"):
        getattr(fake, name)(salute, whom="Ada")


def test_an_assertion_about_something_that_is_no_job_is_a_mistake(fake: FakeQueue) -> None:
    function: Any = test_an_assertion_about_something_that_is_no_job_is_a_mistake
    with pytest.raises(TypeError, match="expected a job, that is a function under @job, not <function"):
        fake.assert_not_dispatched(function)


def test_the_calls_that_fit_can_be_looked_at(fake: FakeQueue) -> None:
    [bob] = fake.dispatched(salute, who="Bob")
    assert (bob.queue, bob.delay, bob.later) == ("high", 60, True)
    assert fake.dispatched(add_up) == []


# -- with a database -------------------------------------------------------------------------------


def test_what_is_not_faked_enters_the_real_queue(looking: Looking) -> None:
    with fake_queue(only=[salute]) as fake:
        salute.dispatch(who="Ada")
        workshop.nothing.dispatch(n=3)
    fake.assert_dispatched_once(salute)
    assert looking.rows("SELECT job FROM forecourt.ready") == [("nothing",)]


def test_a_batch_is_recorded_as_one_without_a_database() -> None:
    with fake_queue() as fake:
        batch([salute.call(who="Ada"), salute.call(who="Grace")], name="greetings").dispatch()
        fake.assert_batched(salute.call(who="Ada"), salute, name="greetings")
        fake.assert_count(2)
        with pytest.raises(AssertionError, match="no batch named 'other' of"):
            fake.assert_batched(salute, salute, name="other")
        with pytest.raises(AssertionError, match="no batch"):
            fake.assert_batched(salute)


def test_a_batch_of_which_only_some_jobs_are_faked_is_refused() -> None:
    with fake_queue(only=[salute]), pytest.raises(RuntimeError, match="only some jobs are faked"):
        batch([salute.call(who="Ada"), add_up.call(number=1)], name="mixed").dispatch()


def test_the_calls_of_due_tasks_are_recorded_too(looking: Looking) -> None:
    timetable = Timetable("UTC")
    timetable.add(salute, who="Ada").every_minute()
    clock = Clock(timetable, engine(), environment="local")
    clock.begin(counter.MIDNIGHT)
    with fake_queue() as fake:
        clock.run_once(counter.MIDNIGHT + timedelta(minutes=1))
    fake.assert_dispatched_in_transaction(salute, who="Ada")
    assert looking.live() == 0
