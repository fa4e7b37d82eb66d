"""The application that is driven through storms: calls whose every execution can be counted
afterwards.
"""

import os
import random
import signal
import time
import uuid

from sqlalchemy import Connection, text

from forecourt import Forecourt, Session, Timetable, job
from forecourt.database import engine
from forecourt.jobs.context import current

TABLES = """
CREATE TABLE effects (call text NOT NULL);
CREATE INDEX ON effects (call);
CREATE TABLE runs (run uuid PRIMARY KEY, call text NOT NULL, listed boolean NOT NULL, over boolean NOT NULL DEFAULT false);
CREATE INDEX ON runs (call);
"""
EFFECT = text("INSERT INTO effects (call) VALUES (:call)")
BEGIN = text("INSERT INTO runs (run, call, listed) VALUES (:run, :call, :listed)")
END = text("UPDATE runs SET over = true WHERE run = :run")

HOLD = text("SELECT id FROM forecourt.workers WHERE id = :worker FOR KEY SHARE")

POISON_TRIES = 3


@job(tries=0, backoff=0)
def take_effect(call: str, *, session: Session) -> None:
    """Exactly once."""
    session.execute(EFFECT, {"call": call})
    time.sleep(random.uniform(0, 0.03))


@job(tries=0, backoff=0, batch=20)
def take_effect_together(call: list[str], *, session: Session) -> None:
    """Exactly once, each of them."""
    session.execute(EFFECT, [{"call": one} for one in call])
    time.sleep(random.uniform(0, 0.03))


def worker_is_listed(connection: Connection) -> bool:
    """Whether the worker of this slot has not been given up, nor can be while the transaction
    lasts. If it is given up later, then after this call was marked as begun; if it has been, the
    call is another worker's by now."""
    slot = connection.execute(text("SHOW application_name")).scalar_one()
    worker = int(slot.rpartition(" ")[2].partition(".")[0])
    return connection.execute(HOLD, {"worker": worker}).one_or_none() is not None


@job(tries=0, backoff=0)
def drive(call: str, longest: float = 0.05) -> None:
    """At least once: says in transactions of its own that it began, and that it came to its end."""
    run = uuid.uuid4()
    with engine().begin() as connection:
        connection.execute(BEGIN, {"run": run, "call": call, "listed": worker_is_listed(connection)})
    time.sleep(random.uniform(0, longest))
    with engine().begin() as connection:
        connection.execute(END, {"run": run})


@job(tries=0, backoff=0)
def stall(call: str) -> None:
    """As `drive`, but now and then it takes so long that what waits behind it is taken back."""
    if random.random() < 0.2:
        drive.function(call)
        time.sleep(random.uniform(0.06, 0.3))
    else:
        drive.function(call, longest=0.002)


@job(tries=POISON_TRIES, backoff=0)
def crash(call: str) -> None:
    """Kills its slot every time."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


@job(tries=0, backoff=0)
def mark_second(*, session: Session) -> None:
    """Exactly once for each second that a clock has seen."""
    call = current.get()
    assert call is not None
    session.execute(EFFECT, {"call": f"second {call.options['due_at']}"})


timetable = Timetable("UTC")
timetable.add(mark_second).every_second().catch_up(every=True).allow_overlapping()

app = Forecourt(timetable, queues=("default",))
