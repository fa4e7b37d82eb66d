"""Promises of a task that an operator runs now: one run at a time, at once, and no deadline of
another day.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta

import psycopg
import pytest
from rounds import NOON, begun

import workshop
from fleet import Looking, claim, wait_until
from forecourt import Timetable
from forecourt.operations import triggering
from forecourt.process import hostname, own, own_queue
from forecourt.store import ending, failed, tasks, ticks, workers
from forecourt.store.running import Failed


def test_of_two_operators_who_run_a_task_at_the_same_time_one_hears_of_the_other(
    looking: Looking, database: str
) -> None:
    timetable = Timetable("UTC")
    task = timetable.add(workshop.nothing).hourly()
    clock = begun(timetable)
    heard: list[str] = []

    def run_it_too() -> None:
        try:
            triggering.trigger(other, task, who="omar")
        except triggering.Holding as holding:
            heard.append(str(holding))

    with psycopg.connect(database) as other, psycopg.connect(database) as one:  # which lets go first
        call = triggering.trigger(one, task, who="anna")
        second = threading.Thread(target=run_it_too)
        second.start()
        wait_until(lambda: not second.is_alive() or looking.waiting())
        due = NOON + timedelta(hours=1)
        assert clock.run_once(due) == [], "a clock leaves it to its next round"
        one.commit()
        second.join()
    assert [words.partition(", since")[0] for words in heard] == [f"nothing is under way as call {call}"]
    assert [event.status for event in clock.run_once(due)] == ["skipped"]  # type: ignore[union-attr]


def test_of_two_operators_one_hears_of_the_other_also_before_any_clock_has_run(looking: Looking, database: str) -> None:
    task = Timetable("UTC").add(workshop.nothing).hourly()
    with ThreadPoolExecutor(1) as thread, psycopg.connect(database) as other, psycopg.connect(database) as one:
        call = triggering.trigger(one, task, who="anna")
        second = thread.submit(triggering.trigger, other, task, who="omar")
        wait_until(lambda: second.done() or looking.waiting())
        one.commit()
        with pytest.raises(triggering.Holding, match=f"under way as call {call}"):
            second.result()


def test_a_run_by_hand_takes_no_due_time_from_the_timetable(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    timetable, due = Timetable("UTC"), NOON + timedelta(hours=1)
    task = timetable.add(workshop.nothing).hourly().allow_overlapping()
    clock = begun(timetable)
    monkeypatch.setattr(tasks, "frozen", due)
    assert triggering.trigger(looking.connection, task, who="anna")
    assert [event.due_at for event in clock.run_once(due)] == [due]
    monkeypatch.setattr(tasks, "frozen", due + timedelta(seconds=1))
    assert triggering.trigger(looking.connection, task, who="anna"), "it may overlap"
    assert looking.count("ready") == 3


def test_jitter_and_a_deadline_that_is_over_do_not_count_for_who_runs_it_by_hand(looking: Looking) -> None:
    tx = looking.connection
    task = Timetable("UTC").add(workshop.nothing).hourly().jitter(600).deadline(600)
    call = triggering.trigger(tx, task, who="anna")
    [claimed] = claim(tx)
    assert claimed.id == call, "it is ready at once"
    ending.end(tx, [Failed(call, claimed.token, 0.0, "ValueError", "", "[]", options={"tick": 1})])
    tx.execute("UPDATE forecourt.ticks SET deadline_at = now() - interval '1 minute'")
    assert failed.retry(tx, [call]) == 1
    assert ticks.mark_overdue(tx, [task.name], tasks.now(tx), 10) == []


def test_a_task_for_every_server_is_not_entered_by_hand_where_no_worker_would_take_it(looking: Looking) -> None:
    task = Timetable("UTC").add(workshop.nothing).hourly().on_every_server()
    with pytest.raises(triggering.NotEntered, match=r"no worker runs on this one, .*: run it by hand on a host with"):
        triggering.trigger(looking.connection, task, who="anna")
    assert looking.live() == 0
    worker = asdict(own()) | {"slots": 1, "queues": [own_queue(hostname())], "version": "test", "marks": ""}
    workers.register(looking.connection, **worker)
    assert triggering.trigger(looking.connection, task, who="anna") == looking.one("SELECT id FROM forecourt.ready")
