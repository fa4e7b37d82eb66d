"""Whatever a call does to its process or its connection is an attempt of that call, and no other
call, slot or worker feels it.
"""

from collections.abc import Iterator
from typing import Any

import pytest

import rascals
from fleet import Looking, Process, wait_until, worker
from forecourt import chain
from forecourt.jobs.job import Job

ENDS: dict[str, tuple[Job[..., Any], dict[str, Any], str, str]] = {
    "fork": (rascals.fork_and_return, {}, "done", "parent"),
    "fork and raise": (rascals.fork_and_raise, {}, "done", "parent"),
    "fork with a session": (rascals.fork_with_a_session, {}, "done", "parent"),
    "close descriptors": (rascals.close_all_descriptors, {}, "failed", "SlotDied"),
    "os._exit": (rascals.exit_at_once, {}, "failed", "SlotDied"),
    "sys.exit": (rascals.exit_politely, {}, "failed", "SystemExit"),
    "threads": (rascals.leave_threads, {}, "done", ""),
    "signals": (rascals.ignore_signals, {}, "done", ""),
    "a timer": (rascals.leave_a_timer, {}, "done", ""),
    "printing": (rascals.print_without_end, {}, "done", ""),
    "surroundings": (rascals.change_surroundings, {}, "done", ""),
    "recursion": (rascals.recurse_without_end, {}, "failed", "Recursion|SlotDied"),
    "COMMIT": (rascals.commit_by_hand, {"sql": "COMMIT", "more": False}, "failed", "TransactionEnded"),
    "COMMIT and more": (rascals.commit_by_hand, {"sql": "COMMIT", "more": True}, "failed", "TransactionEnded"),
    "COMMIT AND CHAIN": (
        rascals.commit_by_hand,
        {"sql": "COMMIT AND CHAIN", "more": True},
        "failed",
        "TransactionEnded",
    ),
    "ROLLBACK": (rascals.commit_by_hand, {"sql": "ROLLBACK", "more": True}, "failed", "TransactionEnded"),
    "the driver's commit": (rascals.commit_through_the_driver, {}, "failed", "TransactionEnded"),
    "COMMIT, then raise": (rascals.commit_and_raise, {}, "failed", "TransactionEnded"),
    "COMMIT and more, then raise": (rascals.commit_more_and_raise, {}, "failed", "TransactionEnded"),
    "RESET ALL": (rascals.commit_by_hand, {"sql": "RESET ALL", "more": True}, "failed", "TransactionEnded"),
    "a coroutine": (rascals.return_a_coroutine, {}, "failed", "TypeError"),
    "session.begin": (rascals.begin_a_block, {}, "failed", "RuntimeError"),
    "with session": (rascals.close_the_session, {}, "failed", "TransactionEnded"),
    "session.rollback": (rascals.roll_back, {}, "failed", "TransactionEnded"),
    "with connection": (rascals.close_the_connection, {"commit": True}, "failed", "TransactionEnded"),
    "connection.close": (rascals.close_the_connection, {"commit": False}, "failed", "TransactionEnded"),
    "async with connection": (rascals.close_the_connection_async, {}, "failed", "TransactionEnded"),
    "with connection in a group": (rascals.close_the_connection_in_a_group, {}, "failed", "TransactionEnded"),
    "a task that exits": (rascals.exit_in_a_task, {}, "failed", "SystemExit"),
    "loop.stop": (rascals.stop_the_loop, {}, "done", ""),
    "a savepoint": (rascals.use_a_savepoint, {}, "done", ""),
    "COMMIT in a batch": (rascals.commit_together, {"n": 1}, "failed", "TransactionEnded"),
    "left on the connection": (rascals.leave_things_on_the_connection, {"fail": False}, "done", ""),
    "left there by a failure": (rascals.leave_things_on_the_connection, {"fail": True}, "failed", "ValueError"),
    "left on an own one": (rascals.leave_things_on_an_own_connection, {}, "done", ""),
    "a Discard of one's own": (rascals.discard_in_own_words, {}, "done", "discarded by the job"),
    "fork in a thread": (rascals.fork_in_a_thread, {}, "done", "parent"),
    "surroundings in a thread": (rascals.change_surroundings_in_a_thread, {}, "done", ""),
    "close descriptors in a thread": (rascals.close_all_descriptors_in_a_thread, {}, "failed", "SlotDied"),
    "fork in a coroutine": (rascals.fork_in_a_coroutine, {}, "done", "parent"),
    "fork beside another coroutine": (rascals.fork_beside_another_coroutine, {}, "done", "1"),
    "fork in a coroutine with a session": (rascals.fork_in_a_coroutine_with_a_session, {}, "done", "parent"),
    "surroundings in a coroutine": (rascals.change_surroundings_in_a_coroutine, {}, "done", ""),
    **{
        f"{how} in a coroutine": (rascals.end_the_transaction_in_a_coroutine, {"how": how}, where, error)
        for how, where, error in (
            ("commit", "failed", "RuntimeError"),
            ("begin", "failed", "RuntimeError"),
            ("rollback", "failed", "TransactionEnded"),
            ("with session", "done", ""),  # closing it ends nothing here
            ("the driver's commit", "failed", "TransactionEnded"),
            ("COMMIT AND CHAIN", "failed", "TransactionEnded"),
            ("savepoint", "done", ""),
        )
    },
    "sys.exit in a coroutine": (rascals.exit_politely_in_a_coroutine, {}, "failed", "SystemExit"),
    "close descriptors in a coroutine": (rascals.close_all_descriptors_in_a_coroutine, {}, "failed", "SlotDied"),
    **{
        f"left on a coroutine's connection, {then or 'in order'}": (
            rascals.leave_things_on_the_connection_in_a_coroutine,
            {"then": then},
            "failed" if then else "done",
            words,
        )
        for then, words in (
            ("", ""),
            ("raise", "ValueError"),
            ("COMMIT", "TransactionEnded"),
            ("COMMIT and raise", "TransactionEnded"),
        )
    },
    "a mute result": (rascals.return_something_mute, {}, "done", "__repr__ raised RuntimeError"),
    **{
        f"{kind}{where}": (job, {"kind": kind}, "failed", words)
        for kind, words in (
            ("mute", "MuteError"),
            ("interrupting", "InterruptingError"),
            ("surrogate", "OddError"),
            ("deep group", "ExceptionGroup|SlotDied"),
            ("circle", "ValueError"),
        )
        for where, job in (("", rascals.raise_trouble), (" in a thread", rascals.raise_trouble_in_a_thread))
    },
}
"""Which job, with what, ends where, and what its result or its error says (one of these words)."""


@pytest.fixture
def process(looking: Looking) -> Iterator[Process]:
    with worker(processes=1, app="rascals:app") as process:
        wait_until(lambda: "worker started" in process.said())
        yield process


def ended(looking: Looking, id: int) -> tuple[str, str]:
    """Where a call ended, and what its end says."""
    rows = looking.rows(
        "SELECT 'done', coalesce(result::text, '') FROM forecourt.done WHERE id = %(id)s UNION ALL "
        "SELECT 'failed', error FROM forecourt.failed WHERE id = %(id)s".replace("%(id)s", str(int(id)))
    )
    return rows[0] if rows else ("", "")


@pytest.mark.timeout(600)  # some eighty calls one after the other, on a machine that may be busy
def test_each_ends_by_itself_and_leaves_no_trace(looking: Looking, process: Process) -> None:
    """One slot runs them all, and between any two a call that looks around sees what the first one
    saw.
    """

    def look() -> list[Any]:
        calls = [rascals.look_around.dispatch()]
        if "coroutine" in name:  # they have connections of their own
            calls.append(rascals.look_around_in_a_coroutine.dispatch())
        wait_until(
            lambda: all(ended(looking, call.id)[0] for call in calls),
            what=f"a look after {name}: {process.said()[-2000:]}",
        )
        return [ended(looking, call.id)[1] for call in calls]

    name = "the beginning, with a coroutine"
    at_first = look()
    found = {}
    for name, (job, args, _, _) in ENDS.items():
        call = job.dispatch(**args)
        wait_until(lambda id=call.id: ended(looking, id)[0], what=f"{name}: {process.said()[-2000:]}")  # type: ignore[misc]
        found[name] = ended(looking, call.id)
        found_there = look()
        assert found_there == at_first[: len(found_there)], name
    wrong = {
        name: found[name]
        for name, (_, _, where, words) in ENDS.items()
        if found[name][0] != where or not any(word in found[name][1] for word in words.split("|"))
    }
    assert wrong == {}
    assert process.popen.poll() is None, "the worker lives"
    unheard = "SELECT count(*) FROM forecourt.done WHERE job = 'look_around' AND history -> 0 -> 'log' IS NULL"
    assert looking.one(unheard) == 0, "what is logged is kept, also after a call has set logging up anew"
    attempts = looking.rows("SELECT job FROM forecourt.failed WHERE attempts <> 1 AND error LIKE '%%TransactionEnded'")
    assert attempts == [], "what was committed by hand is not done again"
    kept = {call for (call,) in looking.rows("SELECT call FROM traces")}
    committed = {"by hand", "through the driver", "and raise", "more and raise", "together"}
    committed |= {"with connection", "with connection, async", "with connection, in a group"}
    committed |= {f"in a coroutine, {how}" for how in ("the driver's commit", "COMMIT AND CHAIN")}
    committed |= {f"in a coroutine, {how}" for how in ("with session", "savepoint")}
    assert kept == committed | {"forked", "forked in a coroutine", "before the savepoint"}
    assert looking.traces("forked%") == 2, "a forked child commits nothing"
    assert looking.traces("with connection%") == 3, "what was committed is not done again"
    assert looking.traces("%and raise") == 2, "nor is it done again when the function raises afterwards"


def test_a_batch_that_commits_by_hand_is_not_halved_and_done_again(looking: Looking) -> None:
    rascals.commit_together.dispatch_many([{"n": n} for n in range(4)])  # one round
    with worker(processes=1, app="rascals:app"):
        wait_until(lambda: looking.count("failed") == 4)
    assert looking.traces("together") == 1


@pytest.mark.parametrize(
    "text", ["x" * 300_000, "😀" * 60_000, '"' * 150_000, "\n" * 20_000], ids=["long", "wide", "quoted", "lines"]
)
def test_arguments_of_any_size_arrive(looking: Looking, process: Process, text: str) -> None:
    rascals.count_letters.dispatch(text=text)
    chain(rascals.count_letters.call(text="first"), rascals.count_letters.call(text=text)).dispatch()
    wait_until(lambda: looking.live() == 0, what=process.said())
    results = looking.rows("SELECT result FROM forecourt.done ORDER BY result::int")
    assert results == [(5,), (len(text),), (len(text),)]


def test_a_chain_may_have_thousands_of_links(looking: Looking, process: Process) -> None:
    chain(*(rascals.count_letters.call(text="x" * 60) for _ in range(5_000))).dispatch()
    wait_until(lambda: looking.count("done") >= 3, what=process.said())
    assert looking.live() == 1
    assert process.popen.poll() is None


def test_a_connection_that_breaks_between_two_calls_is_replaced_in_silence(looking: Looking, process: Process) -> None:
    rascals.use_a_savepoint.dispatch()
    wait_until(lambda: looking.count("done") == 1)
    looking.connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'forecourt slot of %'"
    )
    rascals.use_a_savepoint.dispatch()
    wait_until(lambda: looking.count("done") == 2, what=process.said())
    assert "Exception during reset" not in process.said()
    assert looking.one("SELECT max(attempts) FROM forecourt.done") == 1
