"""A day on a sundial, for tests: tasks that strike exactly once, and a clock that is told what time
it is.

As a program it reads an instant from each line of its input, does the round of that instant, and
answers with a line.
"""

import os
import sys
from datetime import datetime

from forecourt import Forecourt, Session, Timetable, job
from forecourt.database.engine import make_engine
from forecourt.jobs.context import current
from forecourt.schedule.clock import Clock
from workshop import LEAVE


@job(tries=5, backoff=0)
def strike(*, session: Session) -> None:
    """Leaves a trace of its task and due time in the transaction that ends the call."""
    call = current.get()
    assert call is not None
    session.execute(LEAVE, {"call": f"{call.options['task']} {call.options['due_at']}", "pid": os.getpid()})


@job
def pulse() -> None:
    """The least that can be due each second."""


timetable = Timetable("America/Chicago")

with timetable.group("day") as day:
    day.allow_overlapping()  # a simulated hour takes a blink, a call does not
    day.add(strike, name="every five minutes").every_five_minutes()
    day.add(strike, name="hourly").hourly()
    day.add(strike, name="in the hour that comes twice").daily_at("01:30")
    day.add(strike, name="daily").daily_at("12:00")
    day.add(strike, name="midnight in Cairo").daily().timezone("Africa/Cairo")

app = Forecourt(timetable, queues=("default",))

seconds = Timetable("UTC")
seconds.add(pulse).every_second().allow_overlapping()

hand = Forecourt(seconds)
"""An application whose clock has something to do each second."""


def main() -> None:
    """Do the rounds that the input asks for."""
    engine = make_engine(application_name=f"sundial {os.getpid()}")
    clock = Clock(timetable, engine, environment="test")
    for line in sys.stdin:
        clock.run_once(datetime.fromisoformat(line.strip()))
        print("done", flush=True)
    engine.dispose()


if __name__ == "__main__":
    main()
