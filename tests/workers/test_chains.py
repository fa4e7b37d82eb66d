"""Chains and batches: what follows a call follows it exactly once."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

import workshop
from fleet import Looking, Process, wait_until, work_until_empty, worker
from forecourt import Workflow, batch, chain, job
from forecourt.database import engine
from forecourt.jobs.arguments import WrongArguments


def order(looking: Looking) -> list[str]:
    return [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")]


def test_the_links_of_a_chain_run_one_after_the_other(looking: Looking) -> None:
    chain(*(workshop.leave_trace.call(call=f"link {n}") for n in range(5))).dispatch()
    assert looking.live() == 1
    work_until_empty()
    assert order(looking) == [f"link {n}" for n in range(5)]


def test_a_failing_link_stops_the_chain_and_catch_is_called_once(looking: Looking) -> None:
    links = [workshop.leave_trace.call(call="a"), workshop.fail.call(call="b"), workshop.leave_trace.call(call="c")]
    chain(*links).catch(workshop.mourn.call(call="caught")).dispatch()
    with worker():
        wait_until(lambda: looking.traces("caught%"))
        wait_until(lambda: looking.live() == 0)
    assert order(looking) == ["a", "b", "b", "caught ValueError"]


def test_a_discarded_link_lets_the_chain_go_on(looking: Looking) -> None:
    chain(workshop.drop.call(call="a"), workshop.leave_trace.call(call="b")).dispatch()
    work_until_empty()
    assert order(looking) == ["a", "b"]


def test_retrying_the_failed_link_resumes_the_chain(looking: Looking) -> None:
    chain(workshop.leave_by_exit.call(call="a"), workshop.leave_trace.call(call="b")).dispatch()
    work_until_empty()
    looking.connection.execute("UPDATE forecourt.failed SET job = 'leave_trace'")  # as if its code had been mended
    assert Process("queue", "retry", "all").wait() == 0
    work_until_empty()
    assert order(looking) == ["a", "a", "b"]


def test_a_killed_transactional_link_is_followed_once(looking: Looking, tmp_path: Path) -> None:
    chain(workshop.hold_and_wait.call(call="a", folder=str(tmp_path)), workshop.leave_trace.call(call="b")).dispatch()
    with worker():
        [started] = wait_until(lambda: list(tmp_path.glob("a.*.started")))
        os.kill(int(started.suffixes[0][1:]), signal.SIGKILL)
        (tmp_path / "a.go").touch()
        wait_until(lambda: looking.traces("b"))
        wait_until(lambda: looking.live() == 0)
    assert order(looking) == ["a", "b"]


def test_a_chain_and_a_batch_follow_the_callers_transaction(looking: Looking) -> None:
    with Session(engine()) as session:
        chain(workshop.nothing.call(n=1)).dispatch(session=session)
        batch([workshop.nothing.call(n=1)]).dispatch(session=session)
        session.rollback()
    assert (looking.live(), looking.count("batches")) == (0, 0)


def test_wrong_arguments_are_an_error_where_the_chain_is_built() -> None:
    with pytest.raises(WrongArguments):
        workshop.leave_trace.call(cal="typo")
    with pytest.raises(ValueError, match="at least one call"):
        chain()
    with pytest.raises(ValueError, match="unique"):
        workshop.only_one.call(key=1)
    link: Any = workshop.nothing.call(n=1)
    for mistake in (
        lambda: chain(workshop.nothing),
        lambda: chain([link]),
        lambda: batch([chain(link)]),
        lambda: batch([link]).then(workshop.nothing),
        lambda: chain(link).catch(workshop.nothing),
        lambda: Workflow().add(workshop.nothing),
    ):
        with pytest.raises(TypeError, match=r"not dispatched yet, such as greet.call\(listing_id=7\), not "):
            mistake()


def test_the_calls_of_a_batch_are_prepared_once_and_keep_their_order(looking: Looking) -> None:
    prepared: list[int] = []

    @job(name="chains.spool", prepare=lambda args: prepared.append(args["n"]) or args)
    def spool(n: int) -> None: ...

    calls = [spool.call(n=1), spool.call(n=2), workshop.nothing.call(n=3), spool.call(n=4)]
    id = batch(calls).dispatch()
    assert prepared == [1, 2, 4]
    entered = looking.rows("SELECT args ->> 'n', batch_id FROM forecourt.ready ORDER BY id")
    assert entered == [("1", id), ("2", id), ("3", id), ("4", id)]


def test_then_and_finally_follow_when_all_succeeded(looking: Looking) -> None:
    calls = [workshop.transact.call(call=f"member {n}") for n in range(20)]
    whole = (
        batch(calls, name="import")
        .then(workshop.wrap_up.call(call="then"))
        .finally_(workshop.wrap_up.call(call="finally"))
    )
    id = whole.catch(workshop.mourn.call(call="catch")).dispatch()
    with worker(processes=3):
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("member%") == 20
    assert sorted(order(looking))[:2] == ["finally import total=20 failed=0 cancelled=0", "member 0"]
    assert looking.traces("then import total=20 failed=0 cancelled=0") == 1
    assert looking.traces("catch%") == 0
    assert looking.rows("SELECT id, pending, finished_at IS NOT NULL FROM forecourt.batches") == [(id, 0, True)]


def test_the_first_failure_cancels_what_has_not_begun_and_catch_comes_once(looking: Looking) -> None:
    calls = [
        workshop.leave_by_exit.call(call="bad"),
        *(workshop.leave_trace.call(call=f"member {n}") for n in range(3)),
    ]
    whole = batch(calls, name="import").then(workshop.wrap_up.call(call="then"))
    whole.catch(workshop.mourn.call(call="catch")).finally_(workshop.wrap_up.call(call="finally")).dispatch()
    work_until_empty("--max-jobs", "1")
    with worker():
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("member%") == 0
    assert looking.traces("catch SystemExit") == 1
    assert looking.traces("finally import total=4 failed=1 cancelled=3") == 1
    assert looking.traces("then%") == 0


def test_with_failures_allowed_the_others_run_and_finally_follows(looking: Looking) -> None:
    calls = [
        workshop.leave_by_exit.call(call="bad"),
        *(workshop.leave_trace.call(call=f"member {n}") for n in range(3)),
    ]
    whole = batch(calls, name="import").allow_failures().then(workshop.wrap_up.call(call="then"))
    whole.finally_(workshop.wrap_up.call(call="finally")).dispatch()
    with worker():
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("member%") == 3
    assert looking.traces("finally import total=4 failed=1 cancelled=0") == 1
    assert looking.traces("then%") == 0


def test_a_call_may_add_to_its_batch(looking: Looking) -> None:
    batch([workshop.multiply.call(call="seed")], name="grown").then(workshop.wrap_up.call(call="then")).dispatch()
    with worker():
        wait_until(lambda: looking.traces("then%"))
    assert looking.traces("seed more%") == 3
    assert looking.traces("then grown total=4 failed=0 cancelled=0") == 1


def test_cancelling_a_waiting_member_counts_it(looking: Looking) -> None:
    calls = [workshop.leave_trace.call(call=f"member {n}") for n in range(2)]
    batch(calls, name="import").finally_(workshop.wrap_up.call(call="finally")).dispatch()
    first = looking.one("SELECT min(id) FROM forecourt.ready")
    assert Process("queue", "cancel", str(first)).wait() == 0
    with worker():
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("finally import total=2 failed=0 cancelled=1") == 1


def test_integers_of_any_size_arrive_as_they_were(looking: Looking) -> None:
    big = 2**70 + 1
    chain(workshop.echo.call(value=big), workshop.echo.call(value=-big)).catch(workshop.echo.call(value=big)).dispatch()
    batch([workshop.nothing.call()]).then(workshop.echo.call(value=big)).dispatch()
    work_until_empty()
    values = looking.rows("SELECT args -> 'value' FROM forecourt.done WHERE job = 'echo' ORDER BY id")
    assert sorted(values) == [(-big,), (big,), (big,)]


def test_clearing_a_queue_counts_in_batches_and_their_callbacks_come(looking: Looking) -> None:
    waits = workshop.leave_trace.call(call="never")
    batch([waits, waits], name="night").finally_(workshop.wrap_up.call(call="over")).dispatch()
    assert Process("queue", "clear", "default", "--yes").wait() == 0
    work_until_empty()
    assert order(looking) == ["over night total=2 failed=0 cancelled=2"]


def test_adding_to_a_batch_in_a_long_transaction_keeps_no_other_call_from_its_end(
    looking: Looking, tmp_path: Path
) -> None:
    members = [workshop.grow_and_wait.call(folder=str(tmp_path)), workshop.leave_trace.call(call="beside")]
    batch(members, name="growing").then(workshop.wrap_up.call(call="over")).dispatch()
    with worker():
        wait_until(lambda: (tmp_path / "grown").exists())
        wait_until(lambda: looking.rows("SELECT job FROM forecourt.done") == [("leave_trace",)])
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0)
    assert set(order(looking)) == {"beside", "added", "over growing total=3 failed=0 cancelled=0"}
