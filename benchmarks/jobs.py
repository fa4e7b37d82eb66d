"""The application that the measured workers load."""

from forecourt import Forecourt, Timetable, job


@job
def nothing(n: int) -> None:
    """A call that does nothing: what remains is the queue."""


app = Forecourt(Timetable("UTC"))
"""Only the queues that are measured."""
