"""One of two applications that share a database: it bakes, on its own queue and on the one that
both serve.
"""

import time
from pathlib import Path

from sqlalchemy import text

from forecourt import Forecourt, Session, Timetable, job

LEAVE = text("INSERT INTO traces (call, pid) VALUES (:call, pg_backend_pid())")


@job
def bake(n: int, *, session: Session) -> None:
    session.execute(LEAVE, {"call": f"bread {n}"})


@job(queue="oven")
def fire_the_oven(*, session: Session) -> None:
    session.execute(LEAVE, {"call": "fire"})


@job(queue="oven")
def let_rise(folder: str) -> None:
    """Says so in a file, and waits until another file allows it to go on."""
    (Path(folder) / "rising").touch()
    while not (Path(folder) / "risen").exists():
        time.sleep(0.01)


timetable = Timetable()
timetable.add(fire_the_oven).every_second()
timetable.add(bake, name="daily_bread", n=0).daily_at("04:00")

app = Forecourt(timetable, queues=("oven", "default"))
