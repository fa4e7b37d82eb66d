"""The smallest application that `forecourt up` can run: a heartbeat, each second so that tests need
not wait for it.
"""

from forecourt import Forecourt, Timetable, job


@job(queue="high", tries=1)
def heartbeat() -> None:
    """Happen."""


timetable = Timetable()
timetable.add(heartbeat).every_second()

app = Forecourt(timetable)
