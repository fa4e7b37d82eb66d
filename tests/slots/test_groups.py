"""Group commit: calls share a transaction, and each is still a call of its own, exactly once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

import workshop
from fleet import Looking, claim, wait_until, work_until_empty, worker
from forecourt.jobs.job import Job
from forecourt.jobs.outcome import ClaimLost, Finished, Outcome, Raised
from forecourt.slots.executor import Executor
from forecourt.slots.group import Groups, Size
from forecourt.slots.log_capture import LogCapture

TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM forecourt.done"
SLOW_COMMITS = """
CREATE FUNCTION public.take_long() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(2);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER take_long AFTER INSERT ON traces DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION public.take_long();
"""
ASLEEP = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
WAITING_LONG = """
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database()
  AND wait_event_type = 'Lock'
  AND clock_timestamp() - query_start > '0.3 seconds'
"""
LOSE_A_DEADLOCK = """
DO $$ BEGIN
    IF current_setting('lock_timeout') <> '0' THEN
        RAISE deadlock_detected;
    END IF;
END $$
"""
LONGEST = "forecourt.slots.group.LONGEST"
JOBS = [workshop.transact_in_groups, workshop.write_in_groups]


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_calls_share_commits(looking: Looking, job: Job[..., None]) -> None:
    job.dispatch_many([{"call": f"call {n}"} for n in range(400)])
    work_until_empty(processes=1)
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(400, 400)]
    assert looking.count("done") == 400
    assert looking.one(TRANSACTIONS) < 300, "a group ends after 20 ms, however few calls a busy machine has run by then"
    assert looking.one("SELECT sum(finished)::int FROM forecourt.minutes") == 400


def test_where_commits_take_long_a_slot_goes_on_claiming_calls_to_share_one(looking: Looking, database: str) -> None:
    """A call that runs alone counts without its commit, of two seconds here: else a slot would take
    its job for a slow one, claim one call at a time, and never again have two that could share."""
    with psycopg.connect(database, autocommit=True) as tx:
        tx.execute(SLOW_COMMITS)
    workshop.write_in_groups.dispatch(call="alone")
    work_until_empty(processes=1)
    assert looking.one("SELECT sum(run_seconds) FROM forecourt.minutes") < 1.9


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_one_that_raises_is_rolled_back_alone(looking: Looking, job: Job[..., None]) -> None:
    job.dispatch_many([{"call": f"call {n}", "fail": n % 10 == 3} for n in range(100)])
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(90, 90)]
    assert looking.rows("SELECT count(*), min(attempts), max(attempts) FROM forecourt.failed") == [(10, 2, 2)]
    assert looking.rows("SELECT count(*), max(attempts) FROM forecourt.done") == [(90, 1)]


def test_of_a_group_that_dies_only_the_guilty_call_pays(looking: Looking) -> None:
    workshop.write_in_groups_or_die.dispatch_many([{"call": f"call {n}"} for n in range(5)])
    workshop.write_in_groups_or_die.dispatch(call="killer")
    workshop.write_in_groups_or_die.dispatch_many([{"call": f"call {n}"} for n in range(5, 10)])
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT args ->> 'call', error, attempts FROM forecourt.failed") == [("killer", "SlotDied", 3)]
    assert looking.rows("SELECT count(*), max(attempts) FROM forecourt.done") == [(10, 1)]
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(10, 10)]


@pytest.mark.parametrize("sql", ["COMMIT", "COMMIT AND CHAIN", "ROLLBACK"])
def test_a_call_that_ends_the_transaction_by_hand_fails_and_doubles_nobody_else_s_effects(
    looking: Looking, sql: str
) -> None:
    workshop.commit_in_a_group.dispatch_many([{"call": "before"}, {"call": "guilty", "sql": sql}, {"call": "after"}])
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    [(call, error, attempts)] = looking.rows("SELECT args ->> 'call', error, attempts FROM forecourt.failed")
    assert (call, error.rpartition(".")[2], attempts) == ("guilty", "TransactionEnded", 1)
    traces = Counter(call for (call,) in looking.rows("SELECT call FROM traces"))
    assert (traces["before"], traces["after"]) == (1, 1)
    assert traces["guilty"] == (0 if sql == "ROLLBACK" else 1)


def test_what_became_of_a_group_is_asked_until_the_database_answers(
    looking: Looking, database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a call's effects that another one committed by hand would be repeated."""
    monkeypatch.setattr(LONGEST, 60.0)
    workshop.commit_in_a_group.dispatch_many(
        [{"call": "before"}, {"call": "guilty", "sql": "COMMIT; SELECT pg_sleep(60)"}]
    )
    begun_anew: list[int] = []
    elsewhere = make_conninfo(database, dbname="postgres")
    with ThreadPoolExecutor(1) as threads, psycopg.connect(elsewhere, autocommit=True) as server:
        running = threads.submit(lambda: next(in_groups(looking, begun_anew.append)))
        pid = wait_until(lambda: looking.rows(ASLEEP), what="a call that sleeps")[0][0]
        allow = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        name = Identifier(looking.connection.info.dbname)
        server.execute(allow.format(name, False))
        server.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: len(begun_anew) >= 2, what="a group asked for in vain")
        server.execute(allow.format(name, True))
        before, guilty = running.result()
    assert before == Finished()
    assert isinstance(guilty, Raised)
    assert guilty.error.endswith("TransactionEnded")
    assert set(begun_anew) == {1}
    assert "what became of a group of commit_in_a_group is asked again" in caplog.text
    assert looking.traces("before") == looking.traces("guilty") == 1


@pytest.mark.parametrize("job", [workshop.untidy_in_groups, workshop.untidy_alone], ids=str)
def test_what_a_call_leaves_undone_in_its_session_is_no_business_of_the_next(
    looking: Looking, job: Job[..., None]
) -> None:
    well = ["first", "a savepoint left open", "after the first", "after the second", "last"]
    raises = ["a savepoint left open, and raised", "an error swallowed", "a flush that fails"]
    job.dispatch_many([{"call": call} for call in (*well[:3], *raises[:2], well[3], raises[2], well[4])])
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert sorted(call for (call,) in looking.rows("SELECT call FROM traces")) == sorted(well)
    failed = dict(looking.rows("SELECT args ->> 'call', error FROM forecourt.failed"))
    assert {call: error.rpartition(".")[2] for call, error in failed.items()} == {
        raises[0]: "ValueError",
        raises[1]: "InFailedSqlTransaction",
        raises[2]: "IntegrityError",
    }
    assert looking.one("SELECT count(*) FROM forecourt.done") == len(well)


def test_a_call_that_is_no_longer_ours_harms_no_other_of_its_group(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LONGEST, 60.0)  # both are one group, however busy the machine is
    workshop.write_in_groups.dispatch_many([{"call": "other"}, {"call": "long " * 5000}])
    claimed = claim(looking.connection, limit=2)
    looking.connection.execute("UPDATE forecourt.running SET token = token + 1000 WHERE id = %s", [claimed[1].id])
    jobs = workshop.app.jobs.fixed()
    groups = Groups(Executor(jobs), jobs, LogCapture())
    grouped = groups.run(claimed, lambda _: True, lambda _: None)
    assert [done.outcome for done in grouped.completions] == [Finished(committed=True), ClaimLost()]
    assert looking.traces() == looking.traces("other") == 1


def in_groups(looking: Looking, again: Callable[[int], None] = lambda _: None) -> Iterator[list[Outcome]]:
    """What the waiting calls end as, group by group, as a slot runs them. `again` is told of each
    call that begins anew: its place in its group."""
    jobs = workshop.app.jobs.fixed()
    groups = Groups(Executor(jobs), jobs, LogCapture())
    calls = claim(looking.connection, limit=10)
    while calls:
        grouped = groups.run(calls, lambda _: True, again)
        yield [done.outcome for done in grouped.completions]
        calls = calls[len(grouped.completions) :]


@pytest.mark.parametrize(
    "sql",
    [
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "CREATE TEMPORARY TABLE staging () ON COMMIT DROP",
        "DECLARE listings CURSOR FOR SELECT 1",
        LOSE_A_DEADLOCK,
    ],
)
def test_what_fails_for_its_company_alone_costs_no_call_a_try(
    looking: Looking, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.setattr(LONGEST, 60.0)
    workshop.begin_with_sql_in_groups.dispatch_many([{"call": f"call {n}", "sql": sql} for n in range(3)])
    assert list(chain.from_iterable(in_groups(looking))) == [Finished(committed=True)] * 3
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(3, 3)]


def test_of_a_group_whose_commit_fails_only_the_guilty_call_pays(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking.connection.execute(
        "ALTER TABLE traces ADD CONSTRAINT once EXCLUDE (call WITH =) DEFERRABLE INITIALLY DEFERRED"
    )
    workshop.begin_with_sql_in_groups.dispatch_many([{"call": "before"}, {"call": "twice"}, {"call": "twice"}])
    monkeypatch.setattr(LONGEST, 60.0)
    first, second, third = list(chain.from_iterable(in_groups(looking)))
    assert first == second == Finished(committed=True)
    assert isinstance(third, Raised)
    assert third.error.endswith("ExclusionViolation")
    assert looking.traces() == 2


def test_a_group_waits_for_no_lock_that_lasts_and_commits_what_went_well_before_it(
    looking: Looking, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    """The holder lets go when the group has given up, and after 20 s if it waits for ever."""
    monkeypatch.setattr(LONGEST, 60.0)
    looking.connection.execute(
        "CREATE TABLE hot (key int PRIMARY KEY, n int NOT NULL); INSERT INTO hot VALUES (1, 0), (2, 0)"
    )
    touched = "SELECT n FROM hot ORDER BY key"
    when_it_gave_up = []

    def let_go(place: int) -> None:
        when_it_gave_up.append((place, looking.rows(touched)))
        holder.commit()

    with psycopg.connect(database) as holder:
        holder.execute("UPDATE hot SET n = 0 WHERE key = 2")
        workshop.touch_hot_row.dispatch_many([{"key": 1}, {"key": 2}, {"key": 1}])
        late = threading.Timer(20, holder.commit)
        late.start()
        outcomes = list(chain.from_iterable(in_groups(looking, let_go)))
        late.cancel()
    assert when_it_gave_up == [(1, [(1,), (0,)])]
    assert outcomes == [Finished(committed=True)] * 3
    assert looking.rows(touched) == [(2,), (1,)]


def test_a_groups_first_call_waits_as_it_would_by_itself(looking: Looking, database: str) -> None:
    looking.connection.execute("CREATE TABLE hot (key int PRIMARY KEY, n int NOT NULL); INSERT INTO hot VALUES (1, 0)")
    begun_anew: list[int] = []
    with psycopg.connect(database) as holder, ThreadPoolExecutor(1) as threads:
        holder.execute("UPDATE hot SET n = 0 WHERE key = 1")
        workshop.touch_hot_row.dispatch_many([{"key": 1}, {"key": 1}])
        running = threads.submit(lambda: list(chain.from_iterable(in_groups(looking, begun_anew.append))))
        with psycopg.connect(database, autocommit=True) as watching:
            wait_until(lambda: watching.execute(WAITING_LONG).fetchone() == (1,), what="a call that waits for long")
        holder.commit()
        assert running.result() == [Finished(committed=True)] * 2
    assert begun_anew == []


def test_a_group_ends_with_its_time_and_after_failure_is_half_as_large(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.begin_with_sql_in_groups.dispatch_many([{"call": f"call {n}"} for n in range(3)])
    monkeypatch.setattr(LONGEST, 0.0)
    assert [len(group) for group in in_groups(looking)] == [1, 1, 1]
    workshop.begin_with_sql_in_groups.dispatch_many(
        [{"call": f"lost {n}", "sql": LOSE_A_DEADLOCK if n == 1 else "SELECT 1"} for n in range(8)]
    )
    monkeypatch.setattr(LONGEST, 60.0)
    assert [len(group) for group in in_groups(looking)][:3] == [2, 2, 2]


def test_what_somebody_else_has_locked_is_waited_for_one_by_one(looking: Looking, database: str) -> None:
    looking.connection.execute(
        "CREATE TABLE hot (key int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO hot (key) SELECT generate_series(1, 5)"
    )
    with psycopg.connect(database) as holder:
        holder.execute("UPDATE hot SET n = 0 WHERE key = 3")
        workshop.touch_hot_row.dispatch_many([{"key": 3}] * 10 + [{"key": n % 5 + 1} for n in range(40)])
        with worker(processes=2):
            wait_until(lambda: looking.one(WAITING_LONG), what="a call that waits longer than a group may")
            holder.commit()
            wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT n FROM hot ORDER BY key") == [(8,), (8,), (18,), (8,), (8,)]
    assert looking.rows("SELECT count(*), max(attempts), max(jsonb_array_length(history)) FROM forecourt.done") == [
        (50, 1, 0)
    ]


def test_groups_that_lock_crosswise_lose_and_double_nothing(looking: Looking) -> None:
    looking.connection.execute(
        "CREATE TABLE hot (key int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO hot (key) SELECT generate_series(0, 9)"
    )
    # Else every deadlock of groups ends as a lock that was waited for too long.
    looking.connection.execute(
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 5', current_database()); END$$"
    )

    def feed(step: int) -> None:
        for first in range(0, 300, 50):
            workshop.touch_hot_row.dispatch_many([{"key": (first + n) * step % 10} for n in range(50)])

    feeding = [threading.Thread(target=feed, args=(step,)) for step in (3, 7)]
    with worker(processes=4):
        for thread in feeding:
            thread.start()
        for thread in feeding:
            thread.join()
        wait_until(lambda: looking.live() == 0)
    assert looking.one("SELECT sum(n)::int FROM hot") == 600
    assert looking.rows("SELECT count(*), max(attempts) FROM forecourt.done") == [(600, 1)]


def test_what_a_call_keeps_of_its_connection_is_of_no_use_to_it_in_the_next_call_of_its_group(looking: Looking) -> None:
    workshop.keep_connection_in_groups.dispatch_many([{"n": n} for n in range(20)])
    work_until_empty(processes=1)
    assert looking.traces("none") == 0 < looking.traces()
    assert looking.count("done") == 20


def test_a_call_that_hangs_behind_others_of_its_group_costs_them_nothing(looking: Looking) -> None:
    workshop.hang_in_groups.dispatch_many([{"seconds": 60 if n % 8 == 7 else 0} for n in range(16)])
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT args -> 'seconds', error FROM forecourt.failed") == [(60, "TimedOut")] * 2
    assert looking.rows("SELECT count(*), max(attempts) FROM forecourt.done") == [(14, 1)]


def test_a_group_is_committed_after_20_ms(looking: Looking) -> None:
    workshop.take_a_while_in_groups.dispatch_many([{"seconds": 0.011}] * 12)
    work_until_empty(processes=1)
    sizes = [size for (size,) in looking.rows("SELECT count(*) FROM traces GROUP BY call")]
    assert sum(sizes) == 12
    assert max(sizes) <= 2, "the third would begin after 22"


def test_where_groups_stand_in_each_other_s_way_they_are_seldom_tried() -> None:
    size = Size(50)
    for _ in range(2):
        size.failed()
    assert size.calls == 1
    for _ in range(100):
        size.went_well(1)
    assert size.calls == 1, "not before 128"
    for _ in range(28):
        size.went_well(1)
    assert size.calls == 2


def test_where_they_do_not_they_grow_to_what_the_job_says() -> None:
    size = Size(50)
    for _ in range(20):
        size.went_well(size.calls)
    assert size.calls == 50
