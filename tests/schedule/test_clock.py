"""Promises of the clock: each due time becomes one call, or a row that says why not."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from rounds import MINUTE, NOON, begun, clear, clock_of, enqueued, ticks, why
from sqlalchemy import Engine, create_engine
from timetables import NamedJob

import workshop
from fleet import Looking, claim, wait_until
from forecourt import Timetable, job
from forecourt.database import database_url, engine, in_transaction_of, session
from forecourt.jobs.job import Job
from forecourt.process import own
from forecourt.schedule import condition_checks
from forecourt.schedule.clock import Clock
from forecourt.schedule.events import NotRun
from forecourt.settings import settings
from forecourt.store import ending, failed, pauses
from forecourt.store.running import Failed
from hands import Hands

SECOND = timedelta(seconds=1)


def refuse(args: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError("the spool is full")


@job(prepare=refuse)
def spool(call: str = "") -> None:
    """Cannot be dispatched."""


def leave_at_once(args: dict[str, Any]) -> dict[str, Any]:
    raise SystemExit(3)


@job(prepare=leave_at_once)
def quit_early() -> None:
    """Would end the process that dispatches it."""


@job(unique=True)
def alone() -> None:
    """Of which there is one call at a time."""


@pytest.fixture
def timetable(database: str) -> Timetable:
    return Timetable("UTC")


# -- one due time, one tick, one call --------------------------------------------------------------


def test_a_due_time_becomes_a_tick_and_a_call_in_one_transaction(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.leave_trace, call="noon").hourly().using(queue="low", priority=7)
    clock = begun(timetable, NOON - MINUTE)
    looking.connection.execute("LISTEN forecourt_ready")
    looking.rows("SELECT pg_advisory_lock_shared(1718579829, hashtext('low'))")  # as a worker that waits
    [event] = clock.run_once(NOON)
    [told] = looking.connection.notifies(timeout=20, stop_after=1)
    assert told.payload == "low"
    [(call, queue, priority, args, options)] = looking.rows(
        "SELECT id, queue, priority, args, options FROM forecourt.ready"
    )
    assert event == (type(event))("leave_trace", NOON, call)
    assert (queue, priority, args) == ("low", 7, {"call": "noon"})
    assert (options["task"], options["due_at"]) == ("leave_trace", NOON.isoformat())
    assert looking.rows("SELECT id, call_id, status, host FROM forecourt.ticks") == [
        (options["tick"], call, "enqueued", "")
    ]
    assert looking.one("SELECT t.xmin = r.xmin FROM forecourt.ticks t, forecourt.ready r") is True
    assert clock.next_due() == NOON + timedelta(hours=1)


def test_a_dispatch_that_raises_leaves_neither_claim_nor_call_and_is_that_task_s_alone(
    timetable: Timetable, looking: Looking
) -> None:
    timetable.add(spool).hourly()
    timetable.add(quit_early).hourly()
    timetable.add(workshop.nothing).hourly()
    events = begun(timetable, NOON - MINUTE).run_once(NOON)
    assert enqueued(events) == [("nothing", NOON)]
    assert looking.rows("SELECT job FROM forecourt.ready") == [("nothing",)]
    assert ticks(looking) == [("nothing", NOON, "enqueued"), ("quit_early", NOON, "failed"), ("spool", NOON, "failed")]
    assert why(looking, "spool", NOON) == "its dispatch raised RuntimeError: the spool is full"
    assert looking.one("SELECT call_id FROM forecourt.ticks WHERE task = 'spool'") is None


def test_a_unique_job_that_is_there_already_is_not_dispatched_again(timetable: Timetable, looking: Looking) -> None:
    timetable.add(alone).hourly()
    call = alone.dispatch()
    clock = begun(timetable, NOON - MINUTE)
    assert enqueued(clock.run_once(NOON)) == []
    assert why(looking, "alone", NOON) == f"its job is unique, and call {call.id} is there already"
    assert looking.rows("SELECT status, call_id FROM forecourt.ticks") == [("skipped", None)]
    assert looking.count("ready") == 1


def test_a_call_that_the_database_refuses_fails_its_own_task_and_no_other(
    timetable: Timetable, looking: Looking
) -> None:
    for call in ("first", "bad", "last"):
        timetable.add(workshop.leave_trace, name=call, call=call).hourly()
    looking.connection.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON forecourt.ready
        FOR EACH ROW WHEN (new.args ->> 'call' = 'bad') EXECUTE FUNCTION refuse();
    """)
    events = begun(timetable, NOON - MINUTE).run_once(NOON)
    assert sorted(enqueued(events)) == [("first", NOON), ("last", NOON)]
    assert ticks(looking) == [("bad", NOON, "failed"), ("first", NOON, "enqueued"), ("last", NOON, "enqueued")]
    assert why(looking, "bad", NOON).startswith("its dispatch raised CheckViolation: not this one")
    assert looking.one("SELECT count(*) FROM forecourt.ticks t JOIN forecourt.ready r ON r.id = t.call_id") == 2


def test_unique_and_plain_jobs_that_are_due_together_keep_their_own_rules(
    timetable: Timetable, looking: Looking
) -> None:
    timetable.add(alone).hourly()
    timetable.add(alone, name="the same again").hourly()
    timetable.add(workshop.nothing).hourly()
    events = begun(timetable, NOON - MINUTE).run_once(NOON)
    assert sorted(enqueued(events)) == [("alone", NOON), ("nothing", NOON)]
    assert ticks(looking) == [
        ("alone", NOON, "enqueued"),
        ("nothing", NOON, "enqueued"),
        ("the same again", NOON, "skipped"),
    ]
    assert looking.count("ready") == 2


@pytest.mark.parametrize("of", [workshop.nothing, alone])
def test_a_round_that_the_database_breaks_off_leaves_nothing_and_is_made_up(
    timetable: Timetable, looking: Looking, of: Job[..., Any]
) -> None:
    timetable.add(of, name="nothing").hourly()
    answers = iter([True, False])
    timetable.add(of, name="asked").hourly().when(lambda: next(answers))
    clock = begun(timetable, NOON - MINUTE)
    looking.connection.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON forecourt.ready EXECUTE FUNCTION refuse();
    """)
    with pytest.raises(psycopg.OperationalError, match="no space left"):
        clock.run_once(NOON)
    assert ticks(looking) == []
    assert looking.count("clocks") == 0, "a clock that gets nothing done does not say that it lives"
    looking.connection.execute("DROP TRIGGER refuse ON forecourt.ready")
    assert enqueued(clock.run_once(NOON + MINUTE)) == [("nothing", NOON)]
    assert looking.count("clocks") == 1
    assert ticks(looking, "asked") == [("asked", NOON, "skipped")], "its condition is asked anew"


def test_a_round_run_twice_does_nothing_the_second_time(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.nothing).hourly()
    first, second = begun(timetable, NOON - MINUTE), clock_of(timetable)
    second.begin()
    assert enqueued(first.run_once(NOON)) == [("nothing", NOON)]
    assert first.run_once(NOON) == second.run_once(NOON) == clock_of(timetable).run_once(NOON) == []
    assert second.next_due() == NOON + timedelta(hours=1)
    assert looking.count("ready") == 1


def test_a_due_time_that_was_claimed_is_not_claimed_again_by_a_clock_that_is_set_back(
    timetable: Timetable, looking: Looking
) -> None:
    timetable.add(workshop.nothing).hourly().allow_overlapping()
    begun(timetable, NOON - MINUTE).run_once(NOON)
    looking.connection.execute("UPDATE forecourt.tasks SET evaluated_until = evaluated_until - interval '1 minute'")
    assert clock_of(timetable).run_once(NOON) == []
    assert (looking.count("ticks"), looking.count("ready")) == (1, 1)


def test_a_clock_that_is_late_moves_nothing_back(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.nothing).every_minute().allow_overlapping()
    first, late = begun(timetable), begun(timetable)
    late.run_once(NOON)
    first.run_once(NOON + 2 * MINUTE)
    assert late.run_once(NOON + MINUTE) == []
    assert late.next_due() == first.next_due() == NOON + 3 * MINUTE
    assert looking.one("SELECT evaluated_until FROM forecourt.tasks") == NOON + 2 * MINUTE


def test_ten_threads_on_two_clocks_claim_each_due_time_once(timetable: Timetable, looking: Looking) -> None:
    names = [f"task {number}" for number in range(20)]
    for name in names:
        timetable.add(workshop.nothing, name=name).every_minute().allow_overlapping()
    clocks = [begun(timetable), begun(timetable)]
    minutes = [NOON + n * MINUTE for n in range(1, 6)]
    claimed: list[tuple[str, datetime]] = []
    together = threading.Barrier(10)

    def tick(clock: Clock) -> None:
        for minute in minutes:
            together.wait()
            claimed.extend(enqueued(clock.run_once(minute)))
            together.wait()
            claimed.extend(enqueued(clock.run_once(minute + SECOND)))  # what another held a moment ago

    threads = [threading.Thread(target=tick, args=(clocks[number % 2],)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [(name, minute) for name in sorted(names) for minute in minutes]
    assert ticks(looking) == [(name, minute, "enqueued") for name in sorted(names) for minute in minutes]
    assert looking.count("ready") == 100


# -- what a clock knows when it starts -------------------------------------------------------------


def test_a_new_task_begins_when_it_is_first_seen(timetable: Timetable) -> None:
    timetable.add(workshop.nothing).daily_at("11:59").catch_up(every=True)
    clock = clock_of(timetable)
    assert clock.run_once(NOON) == []
    assert clock.next_due() == NOON + timedelta(hours=23, minutes=59)


def test_a_clock_goes_on_where_the_last_one_stopped(timetable: Timetable) -> None:
    timetable.add(workshop.nothing).daily_at("13:00")
    begun(timetable)
    later = NOON + timedelta(hours=2)
    assert enqueued(clock_of(timetable).run_once(later)) == [("nothing", NOON + timedelta(hours=1))]


def test_a_clock_that_runs_on_makes_up_for_a_database_that_was_restored_or_failed_over(
    timetable: Timetable, looking: Looking
) -> None:
    day, hands = timedelta(days=1), Hands(looking, NOON - MINUTE)
    timetable.add(workshop.nothing).daily_at("12:00").allow_overlapping()
    clock = clock_of(timetable)
    clock.run_once()
    hands.turn(NOON)
    assert enqueued(clock.run_once()) == [("nothing", NOON)]
    looking.connection.execute("DELETE FROM forecourt.ticks")
    looking.connection.execute("UPDATE forecourt.tasks SET evaluated_until = %s", [NOON - MINUTE])
    engine().dispose()  # its session ends with the server that it was on
    hands.turn(NOON + MINUTE)
    assert enqueued(clock.run_once()) == [("nothing", NOON)]
    looking.connection.execute("DELETE FROM forecourt.tasks")
    hands.turn(NOON + day)
    assert clock.run_once() == [], "nobody knows how far it was evaluated"
    assert enqueued(clock.run_once()) == [("nothing", NOON + day)]


def test_a_task_whose_frequency_changed_begins_anew(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.nothing).daily_at("13:00")
    begun(timetable)
    changed = Timetable("UTC")
    changed.add(workshop.nothing).daily_at("13:30")
    later = NOON + timedelta(hours=2)
    clock = clock_of(changed)
    assert clock.run_once(later) == []
    assert clock.next_due() == NOON + timedelta(hours=25, minutes=30)
    assert ticks(looking) == []


def test_without_a_given_time_the_database_s_clock_is_the_clock(timetable: Timetable, looking: Looking) -> None:
    hands = Hands(looking, datetime(2030, 1, 1, 11, 59, 30, tzinfo=UTC))
    timetable.add(workshop.nothing).hourly()
    clock = clock_of(timetable)
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert clock.run_once() == []
    assert clock.next_due() == noon
    hands.turn(noon + SECOND)
    assert enqueued(clock.run_once()) == [("nothing", noon)]


@pytest.fixture
def statements(database: str) -> Iterator[tuple[list[str], Engine]]:
    """What is asked of the database through an engine, as it is asked."""
    asked: list[str] = []

    class Counting(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> "Counting":
            asked.append(str(query))
            return super().execute(query, *args, **kwargs)

    engine = create_engine(database_url(), connect_args={"cursor_factory": Counting})
    yield asked, engine
    engine.dispose()


def test_ten_thousand_tasks_cost_a_round_no_more_statements_than_one(
    timetable: Timetable, statements: tuple[list[str], Engine]
) -> None:
    asked, engine = statements
    soon = datetime.now(UTC).hour + 2  # nothing becomes due while the test runs, at whatever hour that is
    for number in range(10_000):
        timetable.add(NamedJob(f"task {number}")).daily_at(f"{(soon + number % 12) % 24}:{number % 60}")
    clock = Clock(timetable, engine, environment="test")
    clock.begin()
    entered = [statement for statement in asked if "forecourt." in statement]
    assert len(entered) == 4, "one takes the turn, one enters all tasks, one looks for those ahead, one reads them"
    assert clock.run_once() == []  # the first one also says that the clock lives
    asked.clear()
    assert clock.run_once() == []
    assert len([statement for statement in asked if "now()" in statement]) == 1
    assert not any("forecourt." in statement for statement in asked)


def test_four_hundred_due_tasks_cost_a_round_no_more_statements_than_one(
    timetable: Timetable, statements: tuple[list[str], Engine], looking: Looking
) -> None:
    asked, engine = statements
    counts = []
    for minute, count in enumerate([1, 400]):
        while len(timetable) < count:
            timetable.add(workshop.nothing, name=f"task {len(timetable)}").every_minute()
        clock = Clock(timetable, engine, environment="test")
        clock.begin(NOON + minute * MINUTE)
        looking.connection.execute("DELETE FROM forecourt.ready")
        asked.clear()
        assert len(enqueued(clock.run_once(NOON + (minute + 1) * MINUTE))) == count
        counts.append(len([statement for statement in asked if "forecourt." in statement]))
    assert counts[0] == counts[1]


# -- why a due time does not run -------------------------------------------------------------------


def fall_over() -> bool:
    raise LookupError("no\x00such\ntable")


def leave() -> bool:
    raise SystemExit(3)


def closed() -> bool:
    return False


def test_a_condition_that_is_false_skips_the_due_time_and_says_which(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.nothing).hourly().when(closed)
    timetable.add(workshop.nothing, name="other").hourly().skip(closed)
    events = begun(timetable, NOON - MINUTE).run_once(NOON)
    assert NotRun("nothing", NOON, "skipped", "when(closed) was false") in events
    assert ticks(looking) == [("nothing", NOON, "skipped"), ("other", NOON, "enqueued")]


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (fall_over, "its condition raised LookupError: no\\x00such\ntable"),
        (leave, "its condition raised SystemExit: 3"),
    ],
)
def test_a_condition_that_raises_fails_its_own_task_and_no_other(
    timetable: Timetable, looking: Looking, test: Callable[[], bool], said: str
) -> None:
    timetable.add(workshop.nothing, name="broken").hourly().when(test)
    timetable.add(workshop.nothing).hourly()
    events = begun(timetable, NOON - MINUTE).run_once(NOON)
    assert enqueued(events) == [("nothing", NOON)]
    assert ticks(looking) == [("broken", NOON, "failed"), ("nothing", NOON, "enqueued")]
    assert why(looking, "broken", NOON) == said


def test_a_task_of_another_environment_is_not_looked_at(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.nothing, name="elsewhere").hourly().environments("production")
    timetable.add(workshop.nothing, name="here").hourly().environments("production", "test")
    assert enqueued(begun(timetable, NOON - MINUTE).run_once(NOON)) == [("here", NOON)]
    assert looking.rows("SELECT name FROM forecourt.tasks") == [("here",)]


# -- overlap ---------------------------------------------------------------------------------------


def test_a_due_time_is_skipped_while_an_earlier_call_lives_and_says_who_holds_it(
    timetable: Timetable, looking: Looking
) -> None:
    timetable.add(workshop.nothing).every_minute()
    timetable.add(workshop.nothing, name="wide").every_minute().allow_overlapping()
    clock = begun(timetable, NOON - MINUTE)
    clock.run_once(NOON)
    call = looking.one("SELECT call_id FROM forecourt.ticks WHERE task = 'nothing'")
    clock.run_once(NOON + MINUTE)
    assert ticks(looking, "nothing") == [("nothing", NOON, "enqueued"), ("nothing", NOON + MINUTE, "skipped")]
    said = why(looking, "nothing", NOON + MINUTE)
    assert f"the run of 2026-11-23 12:00:00 UTC waits for a worker: call {call}, since " in said
    assert [status for _, _, status in ticks(looking, "wide")] == ["enqueued", "enqueued"]


def test_clearing_its_queue_frees_the_task(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.nothing).every_minute()
    clock = begun(timetable, NOON - MINUTE)
    clock.run_once(NOON)
    clear("default")
    clock.run_once(NOON + MINUTE)
    assert ticks(looking) == [("nothing", NOON, "cancelled"), ("nothing", NOON + MINUTE, "enqueued")]


def test_a_call_that_waits_for_its_next_try_holds_its_task(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.nothing).every_minute()
    clock = begun(timetable, NOON - MINUTE)
    clock.run_once(NOON)
    looking.connection.execute("""
        WITH gone AS (DELETE FROM forecourt.ready RETURNING *)
        INSERT INTO forecourt.scheduled (id, job, queue, options, run_at)
        SELECT id, job, queue, options, now() + interval '1 hour' FROM gone
    """)
    assert enqueued(clock.run_once(NOON + MINUTE)) == []


def test_a_failed_run_that_is_retried_by_hand_is_held_by_none_and_holds_the_next(
    timetable: Timetable, looking: Looking
) -> None:
    timetable.add(workshop.nothing).every_minute()
    clock, tx = begun(timetable, NOON - MINUTE), looking.connection
    clock.run_once(NOON)
    [first] = claim(tx)
    tick = {"tick": looking.one("SELECT id FROM forecourt.ticks")}
    ending.end(tx, [Failed(first.id, first.token, 0.0, "ValueError", "", "[]", options=tick)])
    assert enqueued(clock.run_once(NOON + MINUTE)) == [("nothing", NOON + MINUTE)]
    assert failed.retry(tx, [first.id]) == 1
    tx.execute("DELETE FROM forecourt.ready WHERE id <> %s", [first.id])
    assert [event.why.partition(" waits")[0] for event in clock.run_once(NOON + 2 * MINUTE)] == [
        "the run of 2026-11-23 12:00:00 UTC"
    ]


# -- pauses ----------------------------------------------------------------------------------------


def pause(kind: pauses.Kind, name: str = "", until: datetime | None = None) -> None:
    with session() as opened:
        pauses.pause(in_transaction_of(opened), kind, name, until=until, who="Salma", why="stocktaking")


@pytest.fixture
def watched(timetable: Timetable) -> Timetable:
    """Three tasks: one in a group, one alone, one that goes on while the schedule is paused."""
    with timetable.group("night") as night:
        night.add(workshop.nothing, name="grouped").every_minute()
    timetable.add(workshop.nothing, name="alone").every_minute()
    timetable.add(workshop.nothing, name="tireless").every_minute().even_when_paused()
    return timetable


@pytest.mark.parametrize(
    ("kind", "name", "running"),
    [
        ("schedule", "", {"tireless"}),
        ("group", "night", {"alone", "tireless"}),
        ("task", "alone", {"grouped", "tireless"}),
        ("task", "tireless", {"grouped", "alone"}),
        ("group", "day", {"grouped", "alone", "tireless"}),
        ("queue", "alone", {"grouped", "alone", "tireless"}),
    ],
)
def test_a_pause_skips_what_it_names_and_nothing_else(
    watched: Timetable, looking: Looking, kind: pauses.Kind, name: str, running: set[str]
) -> None:
    clock = begun(watched, NOON - MINUTE)
    pause(kind, name)
    assert {task for task, _ in enqueued(clock.run_once(NOON))} == running
    skipped = {task for task, _, status in ticks(looking) if status == "skipped"}
    assert skipped == {"grouped", "alone", "tireless"} - running
    what = "the schedule" if kind == "schedule" else f"{kind} {name}"
    for task in skipped:
        assert why(looking, task, NOON).startswith(f"{what} is paused by Salma since ")
        assert why(looking, task, NOON).endswith(": stocktaking")


def test_a_pause_ends_at_its_time_and_what_it_skipped_stays_skipped(watched: Timetable, looking: Looking) -> None:
    clock = begun(watched, NOON - MINUTE)
    pause("task", "alone", until=NOON + 2 * MINUTE)
    for minute in range(4):
        clock.run_once(NOON + minute * MINUTE)
        clear()
    assert [status for _, _, status in ticks(looking, "alone")] == ["skipped", "skipped", "cancelled", "cancelled"]
    assert "until 2026-11-23 12:02 UTC: stocktaking" in why(looking, "alone", NOON)


def test_a_second_pause_after_an_expired_one_counts_from_now(watched: Timetable, looking: Looking) -> None:
    pause("schedule", until=NOON)
    looking.connection.execute(
        "UPDATE forecourt.pauses SET since = now() - interval '2 days', until = now() - interval '1 day'"
    )
    pause("schedule")
    assert looking.one("SELECT now() - since < interval '1 minute' FROM forecourt.pauses") is True
    looking.connection.execute("UPDATE forecourt.pauses SET since = now() - interval '2 days'")
    pause("schedule")
    assert looking.one("SELECT now() - since > interval '1 day' FROM forecourt.pauses") is True, (
        "it went on all the time"
    )


# -- hosts and zones -------------------------------------------------------------------------------


def test_on_every_server_each_host_has_its_tick_and_its_queue(timetable: Timetable, looking: Looking) -> None:
    timetable.add(workshop.nothing).every_minute().on_every_server().after(print).on_skipped(print)
    timetable.add(workshop.nothing, name="nothing@b").every_minute().using(queue="low")  # a name like any other
    clocks = [begun(timetable, NOON - MINUTE, host=host) for host in ("a", "b", "a")]
    for clock in clocks:
        clock.run_once(NOON)
    assert looking.rows("SELECT host, status FROM forecourt.ticks ORDER BY host") == [
        ("", "enqueued"),
        ("a", "enqueued"),
        ("b", "enqueued"),
    ]
    clear("low")
    assert looking.rows("SELECT queue, options #>> '{follow,queue}' FROM forecourt.ready ORDER BY queue") == [
        ("@a", "@a"),
        ("@b", "@b"),
    ]
    clear("@a")
    for clock in clocks:
        clock.run_once(NOON + MINUTE)
    assert looking.rows("SELECT host, status FROM forecourt.ticks WHERE due_at = %s ORDER BY host", NOON + MINUTE) == [
        ("", "enqueued"),
        ("a", "enqueued"),
        ("b", "skipped"),
    ], "an overlap on one host is no overlap on the other"
    told = "SELECT queue, args ->> 'task' FROM forecourt.ready WHERE job = 'forecourt.task_incident'"
    assert looking.rows(told) == [("@b", "nothing")], "and is told where it is"


NIGHTS = {
    "the clock jumps from 02:00 to 03:00": (
        "America/Chicago",
        datetime(2025, 3, 9, 6, tzinfo=UTC),
        {"02:30 daily": ["08:00"], "03:30 daily": ["08:30"], "hourly": ["06:00", "07:00", "08:00", "09:00", "10:00"]},
    ),
    "the clock goes back from 02:00 to 01:00": (
        "America/Chicago",
        datetime(2025, 11, 2, 5, tzinfo=UTC),
        {"01:30 daily": ["06:30"], "02:00 daily": ["08:00"], "hourly": ["05:00", "06:00", "07:00", "08:00", "09:00"]},
    ),
    "the clock skips midnight": (
        "Africa/Cairo",
        datetime(2026, 4, 23, 20, tzinfo=UTC),
        {"00:00 daily": ["22:00"], "00:30 daily": ["22:00"], "hourly": ["20:00", "21:00", "22:00", "23:00", "00:00"]},
    ),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_in_the_night_of_a_shift_each_due_time_comes_once(looking: Looking, night: str) -> None:
    zone, first, expected = NIGHTS[night]
    timetable = Timetable(zone)
    for name in expected:
        task = timetable.add(workshop.nothing, name=name).allow_overlapping()
        task.hourly() if name == "hourly" else task.daily_at(name.removesuffix(" daily"))
    clock = begun(timetable, first - SECOND)
    for minute in range(4 * 60 + 30):
        clock.run_once(first + minute * MINUTE)
    found: dict[str, list[str]] = {name: [] for name in expected}
    for task_name, due_at, status in ticks(looking):
        assert status == "enqueued"
        found[task_name].append(f"{due_at:%H:%M}")
    assert found == expected


# -- clocks that disagree, and a database whose clock was wrong ------------------------------------


def version(*minutes: int, host: str = "a") -> Clock:
    """A clock of an application that has the task at these minutes of every hour."""
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing, name="task").hourly_at(minutes).allow_overlapping()
    return clock_of(timetable, host=host)


def test_a_new_task_is_due_in_the_minute_of_its_deploy(looking: Looking) -> None:
    hands = Hands(looking, NOON + 20 * SECOND)
    assert enqueued(version(0).run_once()) == [("task", NOON)]
    often = Timetable("UTC")
    often.add(workshop.nothing, name="often").every_second()
    assert clock_of(often).run_once() == [], "the seconds of this minute that are over are not missed"
    hands.turn(NOON + 30 * SECOND)
    assert enqueued(version(0).run_once()) == []


def test_two_versions_that_take_turns_each_meet_their_due_times(
    looking: Looking, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a rolling deploy with crontab: each minute both begin anew, and one says that they
    disagree.
    """
    hands = Hands(looking, NOON - MINUTE)
    found = []
    for minute in range(8):
        for number, minutes in enumerate([(2, 5), (3, 6)]):
            hands.turn(NOON + minute * MINUTE + (number + 1) * SECOND)
            found += enqueued(version(*minutes).run_once())
    assert [due.minute for _, due in found] == [2, 3, 5, 6]
    assert "clocks disagree about when these tasks are due" in caplog.text


def test_a_version_that_worked_on_while_another_one_came_makes_up_for_its_own_stop(looking: Looking) -> None:
    hands = Hands(looking, NOON)
    version(45).run_once()
    hands.turn(NOON + 10 * SECOND)
    daemon = version(10, 20, 30)
    daemon.run_once()
    hands.turn(NOON + 15 * MINUTE)
    assert enqueued(version(10, 20, 30).run_once()) == [("task", NOON + 10 * MINUTE)], "the other came before it"
    version(50).run_once()
    hands.turn(NOON + 20 * MINUTE)
    assert enqueued(daemon.run_once()) == [("task", NOON + 20 * MINUTE)]
    hands.turn(NOON + 32 * MINUTE)
    assert enqueued(version(10, 20, 30).run_once()) == [("task", NOON + 30 * MINUTE)], "it never gave way"


def test_going_back_to_an_old_version_makes_nothing_up(looking: Looking) -> None:
    hands = Hands(looking, NOON)
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing, name="task").daily_at("13:00")
    clock_of(timetable).run_once()
    hands.turn(NOON + 30 * MINUTE)
    version(45).run_once()
    hands.turn(NOON + 120 * MINUTE)
    assert clock_of(timetable).run_once() == [], "at 13:00 the other version was in charge"


def test_after_the_database_s_clock_ran_ahead_tasks_go_on(looking: Looking, caplog: pytest.LogCaptureFixture) -> None:
    hands = Hands(looking, NOON + 600 * MINUTE)
    daemon = version(0)
    daemon.run_once()
    hands.turn(NOON + 30 * SECOND)
    assert daemon.run_once() == []
    assert "the database's clock ran ahead and was set back" in caplog.text
    caplog.clear()
    version(10, 20).run_once()
    hands.turn(NOON + 21 * MINUTE)
    assert enqueued(version(10, 20).run_once()) == [("task", NOON + 20 * MINUTE)], "the other began before it after all"
    hands.turn(NOON + 60 * MINUTE)
    assert enqueued(daemon.run_once()) == [("task", NOON + 60 * MINUTE)]
    hands.turn(NOON + 59 * MINUTE)
    assert enqueued(version(0).run_once()) == []
    assert "ran ahead" not in caplog.text, "a minute is nothing"


def test_what_a_clock_that_ran_ahead_took_for_missed_runs_when_it_is_due_and_what_ran_does_not_run_again(
    looking: Looking,
) -> None:
    hands, hour = Hands(looking, NOON), 60 * MINUTE
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing, name="once").hourly().allow_overlapping()
    timetable.add(workshop.nothing, name="everywhere").hourly().allow_overlapping().on_every_server()
    daemons = [clock_of(timetable, host=host) for host in ("a", "b")]

    def due_at(at: datetime) -> list[tuple[str, datetime]]:
        hands.turn(at)
        return sorted(due for daemon in daemons for due in enqueued(daemon.run_once()))

    for at in (NOON, NOON + 10 * hour):
        assert due_at(at) == [("everywhere", at), ("everywhere", at), ("once", at)]
    assert due_at(NOON + hour / 2) == []
    for at in (NOON + hour, NOON + 9 * hour):
        assert due_at(at) == [("everywhere", at), ("everywhere", at), ("once", at)]
    assert due_at(NOON + 10 * hour) == []


def test_a_task_for_every_server_whose_queue_nobody_serves_is_pointed_out(
    timetable: Timetable, looking: Looking, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    timetable.add(workshop.nothing).every_minute().on_every_server()
    monkeypatch.setenv("FORECOURT_HOST", "web-1")
    settings.cache_clear()
    clock = Clock(timetable, engine(), environment="test")
    clock.begin(NOON)
    clock.run_once(NOON + MINUTE)
    assert "nobody serves the queue @web-1" in caplog.text
    assert "FORECOURT_HOST" in caplog.text
    assert own().host == "web-1", "a worker calls itself the same"
    caplog.clear()
    clock.run_once(NOON + 2 * MINUTE)
    assert caplog.text.count("nobody serves") == 0, "said once"


# -- conditions that take their time ---------------------------------------------------------------


def test_a_slow_condition_holds_up_its_own_task_and_nothing_else(
    timetable: Timetable, looking: Looking, database: str
) -> None:
    answer = threading.Event()
    timetable.add(workshop.nothing, name="slow").every_minute().when(lambda: answer.wait(20))
    timetable.add(workshop.nothing, name="quick").every_minute().when(lambda: True).allow_overlapping()
    timetable.add(workshop.nothing, name="plain").every_minute().allow_overlapping()
    clock, other = begun(timetable), begun(timetable, host="b")
    assert {task for task, _ in enqueued(clock.run_once(NOON + MINUTE))} == {"quick", "plain"}
    assert clock.waits()
    assert enqueued(other.run_once(NOON + MINUTE)) == [], "what is not answered is nobody's yet"
    with psycopg.connect(database) as tx:
        names = [row[0] for row in tx.execute("SELECT name FROM forecourt.tasks FOR UPDATE SKIP LOCKED")]
        assert len(names) == 3, "nothing is locked while a condition is asked"
    assert {task for task, _ in enqueued(clock.run_once(NOON + 2 * MINUTE))} == {"quick", "plain"}
    answer.set()
    found = wait_until(lambda: enqueued(clock.run_once(NOON + 2 * MINUTE)))
    assert found == [("slow", NOON + 2 * MINUTE)]
    assert not clock.waits()


def test_a_condition_that_never_answers_fails_its_due_time_and_says_so(
    timetable: Timetable, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    never, asked = threading.Event(), list[int]()
    timetable.add(workshop.nothing, name="stuck").every_minute().when(lambda: asked.append(1) or never.wait())
    clock = begun(timetable)
    assert clock.run_once(NOON + MINUTE) == []
    monkeypatch.setattr(condition_checks, "TIMEOUT", 0.1)
    [event] = wait_until(lambda: clock.run_once(NOON + MINUTE))
    assert (event.status, "has not answered for" in event.why) == ("failed", True)
    assert not clock.waits()
    [event] = clock.run_once(NOON + 2 * MINUTE)
    assert (event.status, len(asked)) == ("failed", 1), "it still hangs, and nobody asks it twice at once"
    never.set()


# -- jitter ----------------------------------------------------------------------------------------


def test_jitter_spreads_what_is_due_together_and_leaves_its_due_time_alone(
    timetable: Timetable, looking: Looking
) -> None:
    for n in range(20):
        timetable.add(workshop.nothing, name=f"task {n}").hourly().jitter(600)
    clocks = begun(timetable), begun(timetable, host="b")
    due = NOON + timedelta(hours=1)
    assert {at for _, at in enqueued(clocks[0].run_once(due))} == {due}
    assert clocks[1].run_once(due) == []
    starts = [row[0] - due for row in looking.rows("SELECT run_at FROM forecourt.scheduled ORDER BY run_at")]
    assert len(set(starts)) == 20
    assert timedelta() <= starts[0] < timedelta(seconds=200) < starts[-1] < timedelta(seconds=600)
    [first, *_] = timetable
    assert first.delay_of(due, "") == first.delay_of(due, ""), "two clocks would draw the same"
    others = {first.delay_of(due, host) for host in ("", "a", "b")} | {first.delay_of(due + MINUTE, "")}
    assert len(others) == 4, "another host and another due time, another delay"
    held = [event for event in clocks[0].run_once(due + timedelta(hours=1)) if isinstance(event, NotRun)]
    assert len(held) == 20, "a call that waits for its start holds its task, like any other"
