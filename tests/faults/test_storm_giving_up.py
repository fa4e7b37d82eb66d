"""Who is given up, and who is not: only the silent, only after they were watched, and never anybody
else with them.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import workshop
from fleet import Looking, wait_until
from forecourt import process as identity
from forecourt.database.transactions import Transactions
from forecourt.process import Identity, own
from forecourt.slots import markers
from forecourt.slots.markers import Markers
from forecourt.store import ready, running, workers
from forecourt.store.ready import Claimed
from forecourt.store.running import Ended, Failed, Postponed
from forecourt.workers import rescuer
from forecourt.workers.rescuer import Rescuer

Connection = psycopg.Connection[tuple[object, ...]]


TABLES = (
    "SELECT c.oid::regclass::text FROM pg_class AS c WHERE relnamespace = 'forecourt'::regnamespace AND relkind = 'r'"
)

ACKNOWLEDGEMENTS: dict[str, Callable[[Connection, Claimed], set[int]]] = {
    "finish": lambda tx, call: running.finish(tx, [Ended(call.id, call.token, 1.0, "finished", None)]),
    "postpone": lambda tx, call: running.postpone(tx, [Postponed(call.id, call.token, 0.0, True, "[]")]),
    "fail": lambda tx, call: running.fail(tx, [Failed(call.id, call.token, 1.0, "Error", "words", "[]")]),
    "give_back": lambda tx, call: running.give_back(tx, [(call.id, call.token)]),
}


@pytest.fixture
def tx(looking: Looking, database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def watcher(tx: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rescuer]:
    """Another worker's rescuer, which need not watch for long."""
    monkeypatch.setattr(rescuer, "WATCH", 0.3)
    me = enter(tx, "watcher")
    transactions = Transactions()
    yield Rescuer(transactions, lambda: me)
    transactions.close()


def enter(tx: Connection, host: str, marks: str = "") -> int:
    """A worker on some other machine."""
    return workers.register(
        tx, host=host, boot=host, pid=1, pid_started="1", slots=1, queues=["default"], version="0", marks=marks
    )


def silence(tx: Connection, worker: int, since: str = "1 minute") -> None:
    tx.execute("UPDATE forecourt.workers SET beat_at = now() - %s::interval WHERE id = %s", (since, worker))


def take(tx: Connection, worker: int) -> list[Claimed]:
    return ready.claim(tx, queues=["default"], limit=1, worker=worker, slot=0, low={})


def claim(tx: Connection, worker: int) -> Claimed:
    [call] = take(tx, worker)
    return call


def everything(tx: Connection) -> dict[str, list[str]]:
    """Every row of every table."""
    names = [str(name) for (name,) in tx.execute(TABLES)]
    rows = sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1")
    return {name: [str(row) for (row,) in tx.execute(rows.format(sql.Identifier(*name.split("."))))] for name in names}


@pytest.mark.parametrize("since", ["1 minute", "-1 hour"])
def test_a_worker_is_given_up_when_it_stays_silent_while_it_is_watched(
    tx: Connection, looking: Looking, watcher: Rescuer, since: str
) -> None:
    """A last beat in the future, as after the database's clock was set back, is no sign of life
    either.
    """
    lost = enter(tx, "lost")
    silence(tx, lost, since)
    workshop.leave_trace.dispatch(call="one")
    tx.execute(
        "WITH gone AS (DELETE FROM forecourt.ready RETURNING id, job, queue, args)"
        " INSERT INTO forecourt.running (id, job, queue, args, token, worker) SELECT *, 1, %s FROM gone",
        (lost,),
    )
    assert watcher.run_once() == 0
    assert looking.rows("SELECT host FROM forecourt.workers ORDER BY host") == [("lost",), ("watcher",)]
    wait_until(watcher.run_once)
    assert looking.rows("SELECT host FROM forecourt.workers") == [("watcher",)]
    assert looking.count("ready") == 1


def test_after_an_outage_everybody_may_say_first_that_they_live(
    tx: Connection, looking: Looking, watcher: Rescuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away, so nobody could beat: all last beats are old, and those who come back
    first must not judge.
    """
    living = enter(tx, "living")
    silence(tx, living)
    watcher.run_once()
    threading.Event().wait(0.4)  # the outage, in which the watcher, too, saw nothing
    watcher.run_once()
    assert workers.beat(tx, living, busy=0, stopping=False), "not given up for a silence that nobody watched"
    watcher.run_once()
    assert looking.count("workers") == 2


def test_a_worker_on_no_list_claims_nothing_and_one_that_claims_is_not_taken_off_it(
    tx: Connection, looking: Looking, database: str
) -> None:
    """Between a claim and giving its worker up there is no moment in which the claim would be
    nobody's.
    """
    claiming, gone = enter(tx, "claiming"), enter(tx, "gone")
    workshop.nothing.dispatch_many([{"n": 1}, {"n": 2}])
    workers.remove(tx, [gone])
    with tx.transaction():
        assert take(tx, claiming)
        assert not take(tx, gone), "and there is one more call"
        with psycopg.connect(database) as other:
            assert workers.lock(other, [claiming]) == []
            assert workers.beat(other, claiming, busy=1, stopping=False), "a beat does not wait for a claim"
    with psycopg.connect(database) as other:
        assert workers.lock(other, [claiming]) == [claiming]


@pytest.mark.parametrize("acknowledge", ACKNOWLEDGEMENTS.values(), ids=ACKNOWLEDGEMENTS)
def test_an_acknowledgement_of_an_earlier_claim_changes_nothing_while_another_worker_runs_the_call(
    tx: Connection, looking: Looking, acknowledge: Callable[[Connection, Claimed], set[int]]
) -> None:
    workshop.only_one.dispatch(key=1)
    first = claim(tx, enter(tx, "first"))
    assert running.give_back(tx, [(first.id, first.token)]) == {first.id}
    second = claim(tx, enter(tx, "second"))
    assert second.id == first.id
    before = everything(tx)
    assert acknowledge(tx, first) == set()
    assert everything(tx) == before
    assert acknowledge(tx, second) == {second.id}
    assert everything(tx) != before


def test_a_worker_that_was_cut_off_in_the_middle_of_a_claim_is_given_up_too(
    tx: Connection, looking: Looking, watcher: Rescuer, database: str
) -> None:
    """Its session waits for the commit that never comes, and holds the worker's row and the calls
    that it was claiming.
    """
    lost = enter(tx, "lost")
    silence(tx, lost)
    workshop.leave_trace.dispatch(call="one")
    with psycopg.connect(database, application_name=workers.slot_name(lost, 3)) as cut_off:
        assert take(cut_off, lost)
        watcher.run_once()
        wait_until(lambda: watcher.run_once() or looking.count("workers") == 1)
        assert looking.rows("SELECT args FROM forecourt.ready FOR UPDATE SKIP LOCKED") == [({"call": "one"},)]
        with pytest.raises(psycopg.OperationalError):
            cut_off.commit()


def test_only_the_lost_workers_own_sessions_are_ended(tx: Connection, database: str, server_url: str) -> None:
    """Other databases of the same server have workers with the same numbers."""
    lost = enter(tx, "lost")
    slot, jobs = workers.slot_name(lost, 0), workers.jobs_name(lost, 11)
    with (
        psycopg.connect(database, autocommit=True, application_name=slot) as its_slot,
        psycopg.connect(database, autocommit=True, application_name=jobs) as its_jobs,
        psycopg.connect(server_url, autocommit=True, application_name=slot) as somebody_elses,
    ):
        workers.end_sessions(tx, workers.session_names([lost]))
        for ended in (its_slot, its_jobs):
            with pytest.raises(psycopg.OperationalError):
                ended.execute("SELECT pg_sleep(5)")
        assert somebody_elses.execute("SELECT 1").fetchone() == (1,)


def test_this_machine_knows_a_dead_process_at_once(tx: Connection, looking: Looking, watcher: Rescuer) -> None:

    me = own()
    workers.register(
        tx, host=me.host, boot=me.boot, pid=me.pid, pid_started="before", slots=1, queues=[], version="0", marks=""
    )
    watcher.run_once()
    assert looking.rows("SELECT host FROM forecourt.workers") == [("watcher",)]
    assert me.host == socket.gethostname()


def test_a_row_deletes_no_file_but_the_marks_of_a_worker_of_this_host(
    tx: Connection, watcher: Rescuer, tmp_path: Path
) -> None:
    """Whoever can write the row could otherwise have any file removed by whoever rescues."""
    mine = markers.folder()
    mine.mkdir(parents=True)
    me = own()
    precious = tmp_path / "marks-1-1"
    other = mine / "database.conf"
    foreign = mine / "marks-2-2"
    link = mine / "marks-3-3"
    pipe = mine / "marks-4-4"
    precious.write_bytes(bytes(8))
    for file in (other, foreign):
        file.write_bytes(markers.SIGNATURE + bytes(8))
    link.symlink_to(foreign)
    os.mkfifo(pipe)
    for file in (precious, other, link, pipe, mine / ".." / ".." / precious.name):
        tx.execute(
            "UPDATE forecourt.workers SET host = %s, boot = %s, pid_started = 'never' WHERE id = %s",
            (me.host, me.boot, enter(tx, "gone", str(file))),
        )
    silence(tx, enter(tx, "elsewhere", str(foreign)))
    wait_until(lambda: watcher.run_once() or tx.execute("SELECT count(*) = 1 FROM forecourt.workers").fetchall()[0][0])
    assert all(file.exists() for file in (precious, other, foreign, link, pipe))


def test_the_marks_of_a_worker_with_another_folder_count(
    tx: Connection, looking: Looking, watcher: Rescuer, tmp_path: Path
) -> None:
    """Two workers of one host need not share a FORECOURT_VAR."""
    me = own()
    theirs = Markers(tmp_path / "elsewhere" / "marks-1-1", 1)
    lost = workers.register(
        tx, host=me.host, boot=me.boot, pid=me.pid, pid_started="before", slots=1, queues=[], version="0",
        marks=str(theirs.path),
    )  # fmt: skip
    workshop.leave_trace.dispatch(call="one")
    call = claim(tx, lost)
    page = theirs.pages[0]
    page.open(0, call.id, call.token)
    page.begin(0, 1, 0)
    page.words[markers.HELD] = 1
    watcher.run_once()
    assert looking.rows("SELECT attempts, history -> 0 ->> 'outcome' FROM forecourt.ready") == [(1, "WorkerLost")]
    assert not theirs.path.exists()


def test_a_rescuer_that_does_not_know_the_job_gives_back_and_never_fails(
    tx: Connection, looking: Looking, watcher: Rescuer
) -> None:
    lost = enter(tx, "lost")
    silence(tx, lost)
    workshop.leave_trace.dispatch(call="one")
    claim(tx, lost)
    tx.execute("UPDATE forecourt.running SET attempts = 99, started_at = now()")
    wait_until(lambda: watcher.run_once() or looking.count("running") == 0)
    assert looking.rows("SELECT attempts FROM forecourt.ready") == [(100,)]


def test_a_process_that_proc_hides_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under hidepid or ProtectProc=invisible, where only a signal tells that there is
    somebody.
    """
    child = subprocess.Popen(["true"])
    monkeypatch.setattr(identity, "_stat", lambda pid: None)
    assert not identity.is_gone(Identity("here", identity.boot_id(), 1, "1"))
    child.wait()
    assert identity.is_gone(Identity("here", identity.boot_id(), child.pid, "1"))
