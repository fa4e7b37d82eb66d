"""Limits hold across the fleet, cost a call nothing, and never stay stuck."""

import os
import random
import signal
import string
import threading
from dataclasses import asdict
from pathlib import Path

import psycopg
import pytest

import workshop
from fleet import Looking, Process, claim, wait_until, work_until_empty, worker
from forecourt import at_most, job
from forecourt.database.connecting import connect
from forecourt.process import own
from forecourt.settings import settings
from forecourt.slots.admission import refuse
from forecourt.store import limits, workers


def most_at_once(looking: Looking, key: int) -> int:
    most = busy = 0
    for (call,) in looking.rows("SELECT call FROM traces WHERE call LIKE %s ORDER BY id", f"% {key} %"):
        busy += 1 if call.startswith("begin") else -1
        most = max(most, busy)
    return most


def test_no_more_than_so_many_run_at_once_for_each_key_on_all_workers(looking: Looking) -> None:
    workshop.two_at_once.dispatch_many([{"key": n % 2, "call": f"{n}"} for n in range(24)])
    with worker(processes=3), worker(processes=3):
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("end%") == 24
    assert (most_at_once(looking, 0), most_at_once(looking, 1)) == (2, 2)
    assert looking.count("holds") == 0, "a place is free when its call has ended, not when somebody sweeps"
    assert looking.rows("SELECT max(attempts), max(jsonb_array_length(history)) FROM forecourt.done") == [(1, 0)]


def test_a_place_is_free_again_after_its_slot_was_killed(looking: Looking, tmp_path: Path) -> None:
    workshop.limited_both_ways.dispatch_many([{"call": f"call {n}", "folder": str(tmp_path)} for n in range(2)])
    with worker(processes=2):
        wait_until(lambda: looking.traces("call%"))
        os.kill(looking.one("SELECT pid FROM traces"), signal.SIGKILL)
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0, timeout=40)
    assert looking.count("done") == 2


def test_no_more_than_so_many_begin_in_a_window(looking: Looking) -> None:
    workshop.three_in_three_seconds.dispatch_many([{"call": f"call {n}"} for n in range(7)])
    with worker(processes=2):
        wait_until(lambda: looking.live() == 0)
    seconds = [
        row[0]
        for row in looking.rows(
            "SELECT extract(epoch FROM at - (SELECT min(at) FROM traces))::float8 FROM traces ORDER BY at"
        )
    ]
    assert len(seconds) == 7
    assert seconds[2] < 2.5
    assert seconds[3] > 2.5, seconds
    assert seconds[6] > 5.5, seconds


def test_a_call_that_the_limit_stops_burns_nothing_of_the_rate(looking: Looking, tmp_path: Path) -> None:
    workshop.limited_both_ways.dispatch_many([{"call": f"call {n}", "folder": str(tmp_path)} for n in range(4)])
    with worker(processes=3):
        wait_until(lambda: looking.traces("call%") == 1)
        wait_until(lambda: looking.count("scheduled") == 3)
        assert looking.one("SELECT used FROM forecourt.rates") == 1
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0)
    assert looking.one("SELECT used FROM forecourt.rates") == 4


def test_waiting_for_a_limit_is_visible_and_can_be_cancelled(looking: Looking, tmp_path: Path) -> None:
    workshop.limited_both_ways.dispatch_many([{"call": f"call {n}", "folder": str(tmp_path)} for n in range(2)])
    with worker(processes=2):
        wait_until(lambda: looking.count("scheduled") == 1)
        waiting = looking.one("SELECT id FROM forecourt.scheduled")
        assert looking.one("SELECT limit_key FROM forecourt.scheduled").startswith("limited_both_ways limit")
        assert Process("queue", "cancel", str(waiting)).wait() == 0
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("call%") == 1


def test_a_late_acknowledgement_frees_no_place_of_the_same_call_s_next_claim(looking: Looking, database: str) -> None:
    key = "one limit {}"
    with psycopg.connect(database, autocommit=True) as tx:
        limits.hold(tx, [(key, 1, 100)])  # of a worker that was given up
        limits.hold(tx, [(key, 1, 200)])  # the same call, claimed again
        limits.free(tx, [(1, 100)])
        assert looking.rows("SELECT token FROM forecourt.holds") == [(200,)]


def test_the_sweep_of_holds_spares_a_claim_that_is_being_committed(looking: Looking, database: str) -> None:
    """An old claim of the same call has left its hold, and the sweep begins before the new claim's
    transaction ends.
    """
    call = workshop.nothing.dispatch(n=1)
    with psycopg.connect(database) as claiming, psycopg.connect(database) as sweeping:
        limits.hold(sweeping, [("key", call.id, 0)])
        sweeping.commit()
        [claimed] = claim(claiming)
        limits.hold(claiming, [("key", call.id, claimed.token)])
        sweep = threading.Thread(target=lambda: limits.forget(sweeping))
        sweep.start()
        sweep.join(0.5)  # long enough for a sweep that waits; one that does not is over
        claiming.commit()
        sweep.join()
        sweeping.commit()
    assert looking.rows("SELECT token FROM forecourt.holds") == [(claimed.token,)]


@pytest.mark.parametrize("pooled", ["false", "true"])
def test_a_limit_holds_on_a_role_whose_transactions_see_what_was_when_they_began(
    looking: Looking, monkeypatch: pytest.MonkeyPatch, pooled: str
) -> None:
    """Two slots claim at the same time; the second has to see what the first one has admitted
    meanwhile.
    """
    name = looking.one("SELECT quote_ident(current_database())")
    looking.connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'".encode())
    monkeypatch.setenv("FORECOURT_POOLED", pooled)
    settings.cache_clear()
    jobs = {"limited_by_default": workshop.limited_by_default}
    workshop.limited_by_default.dispatch_many([{}, {}])
    with connect() as first, connect() as second:
        assert refuse(first, jobs, claim(first)) == set()
        [waiting] = claim(second, worker=2)
        first.commit()
        assert refuse(second, jobs, [waiting]) == {waiting.id}


def test_keys_may_be_as_long_as_arguments_may(looking: Looking) -> None:
    """Letters that do not compress: an index row holds 2,700 bytes."""
    long = "".join(random.Random(1).choices(string.ascii_letters, k=10_000))
    workshop.one_at_a_time_by_text.dispatch_many([{"text": long}, {"text": long}])
    workshop.nothing.dispatch(n=1)
    with worker(processes=2):
        wait_until(lambda: looking.count("done") == 3)


def test_calls_that_go_back_unstarted_take_their_charge_with_them(looking: Looking) -> None:
    """Five are allowed a minute, and one slot runs them in turn: those that waited behind the first
    were only claimed.
    """
    workshop.five_a_minute.dispatch_many([{"call": f"call {n}", "seconds": 1.5} for n in range(5)])
    with worker(processes=1):
        wait_until(lambda: looking.count("done") == 5, timeout=20)
    assert looking.one("SELECT used FROM forecourt.rates") == 5
    # The database's clock is set back by an hour.
    looking.connection.execute("UPDATE forecourt.rates SET ends_at = ends_at + interval '1 hour'")
    workshop.five_a_minute.dispatch_many([{"call": "later", "seconds": 0}] * 6)
    with worker(processes=2):
        wait_until(lambda: looking.count("done") == 10)
    assert looking.one("SELECT used FROM forecourt.rates") == 5
    assert looking.one("SELECT run_at < now() + interval '60 seconds' FROM forecourt.scheduled")


def test_what_was_claimed_and_not_admitted_yet_goes_back_with_its_connection(looking: Looking, database: str) -> None:
    """Somebody decides on the same limit for long: an idle slot has claimed, which is committed,
    and waits to be admitted when its connection is lost.
    """
    limit = workshop.limited_by_default.policy.limit
    assert limit is not None
    with psycopg.connect(database) as deciding, worker(processes=1):
        limits.lock(deciding, [limit.key("limited_by_default", {"lane": 0})])
        workshop.limited_by_default.dispatch()
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        pid = wait_until(lambda: looking.one(waiting))
        assert (looking.count("ready"), looking.count("running"), looking.count("holds")) == (0, 1, 0)
        looking.rows("SELECT pg_terminate_backend(%s)", pid)
        wait_until(lambda: looking.one(waiting) not in (None, pid))  # it was given back, and claimed anew
        deciding.rollback()
        wait_until(lambda: looking.count("done") == 1)
    assert looking.rows("SELECT outcome, attempts FROM forecourt.done") == [("finished", 1)]


def test_an_argument_that_is_left_out_counts_as_its_default(looking: Looking, database: str) -> None:
    workshop.limited_by_default.dispatch()
    workshop.limited_by_default.dispatch(lane=0)
    with psycopg.connect(database) as tx:
        claimed = claim(tx, limit=2)
        assert len(refuse(tx, {"limited_by_default": workshop.limited_by_default}, claimed)) == 1


def test_what_limits_hold_off_does_not_make_a_queue_look_empty(looking: Looking, database: str) -> None:
    """More calls than a first claim takes have to wait, and behind them is one that need not."""
    with psycopg.connect(database, autocommit=True) as tx:
        running = workshop.limited_by_default.dispatch()
        me = own()
        alive = workers.register(tx, **asdict(me), slots=1, queues=["default"], version="0", marks="")
        [claimed] = claim(tx, worker=alive)
        assert not refuse(tx, {"limited_by_default": workshop.limited_by_default}, [claimed])
    workshop.limited_by_default.dispatch_many([{}] * 120)
    workshop.nothing.dispatch_many([{}, {}])
    once = Process("queue", "work", "--processes", "1", "--once")
    assert once.wait() == 0, once.said()
    assert looking.rows("SELECT job FROM forecourt.done") == [("nothing",)]
    work_until_empty(processes=1)
    assert looking.rows("SELECT job FROM forecourt.done") == [("nothing",), ("nothing",)]
    assert (looking.count("scheduled"), looking.one("SELECT id FROM forecourt.running")) == (120, running.id)


def test_limits_out_of_range_are_errors_at_decoration() -> None:
    with pytest.raises(ValueError, match="limit= names colour, which it does not take"):
        job(name="limited.wrong", limit=at_most(1, by="colour"))(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="batch"):
        job(name="limited.batch", batch=5, limit=1)(lambda: None)  # type: ignore[call-overload]
