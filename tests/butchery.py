"""The other of two applications that share a database."""

from sqlalchemy import text

from forecourt import Forecourt, Session, Timetable, job

LEAVE = text("INSERT INTO traces (call, pid) VALUES (:call, pg_backend_pid())")


@job
def cut(n: int, *, session: Session) -> None:
    session.execute(LEAVE, {"call": f"meat {n}"})


@job(queue="cellar")
def cool_the_cellar(*, session: Session) -> None:
    session.execute(LEAVE, {"call": "cool"})


timetable = Timetable("Europe/Berlin")
timetable.add(cool_the_cellar).every_second()

app = Forecourt(timetable, queues=("default", "cellar"))
