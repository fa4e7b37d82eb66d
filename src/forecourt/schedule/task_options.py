"""The words about how a due task runs: where, beside itself or not, how late, with which dispatch
options.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from forecourt.jobs import option_values
from forecourt.jobs.policy import Policy
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.fluent import Fluent
from forecourt.schedule.rules import ON_TIME, DispatchOptions, Misfire, merged


class TaskOptions(Fluent):
    """One server, no overlap, and missed due times caught up where that helps, unless these words
    say otherwise.
    """

    def on_every_server(self) -> Self:
        """Run on each host that runs a clock, not on one of them."""
        return self._set(every_server=True)

    def on_one_server(self) -> Self:
        """Run on one host only: the default, said to undo a group's `on_every_server`."""
        return self._set(every_server=False)

    def allow_overlapping(self) -> Self:
        """Run also while an earlier run is still going."""
        return self._set(overlapping=True)

    def without_overlapping(self) -> Self:
        """Skip a due time while an earlier run is going: the default, said to undo a group's
        `allow_overlapping`.
        """
        return self._set(overlapping=False)

    def catch_up(self, *, within: timedelta | float | None = None, every: bool = False) -> Self:
        """Run missed due times no older than `within` (a timedelta, or seconds): the latest only,
        or `every` one.

        Without `within`, the latest runs until half the time to its next one has passed, which is
        the default, and every one however late.
        """
        if not isinstance(every, bool):
            raise self._named(
                TimetableError(f"catch_up(every={every!r}): expected True or False; how late, within= says")
            )
        limit = None if within is None else self._span("catch_up(within", within, "up to then a due time counts as met")
        return self._set(misfire=Misfire("every" if every else "once", limit))

    def skip_missed(self) -> Self:
        """Never run a missed due time."""
        return self._set(misfire=Misfire("skip"))

    def deadline(self, within: timedelta | float) -> Self:
        """A run must have ended so long after its due time (a timedelta, or seconds). One that has
        not, because it waits or still goes on, is noted as overdue, and `on_overdue` is called; the
        run itself goes on."""
        return self._set(deadline=self._span("deadline(within", within, "nothing starts sooner for certain"))

    def jitter(self, most: timedelta | float) -> Self:
        """Put off each run by up to so much (a timedelta, or seconds), so that many tasks or hosts
        that are due together do not start together. The due time stays what it is: history,
        deadline and overlap count from it."""
        span = _as_span(most)
        if span is None or not timedelta() < span <= timedelta(days=1):
            raise self._named(TimetableError(f"jitter({most!r}): expected a timedelta, or seconds, up to a day"))
        return self._set(jitter=span)

    def using(self, *, queue: str | None = None, priority: int | None = None) -> Self:
        """Dispatch the task's calls to this queue, at this priority (lower first), instead of the
        job's own.
        """
        given = DispatchOptions()
        if queue is not None:
            given["queue"] = queue
        if priority is not None:
            given["priority"] = priority
        try:
            Policy(**given)
        except (TypeError, ValueError) as mistake:
            raise self._named(TimetableError(f"using: {mistake}")) from None
        return self._change(lambda own: replace(own, options={**own.options, **given}))

    def describe(self, words: str) -> Self:
        """What the task is for, as operators read it."""
        try:
            return self._set(description=option_values.words(words, "describe"))
        except ValueError as mistake:
            raise self._named(TimetableError(str(mistake))) from None

    def with_attributes(self, **attributes: Any) -> Self:
        """Metadata of your own, kept with the task; nested mappings merge, the last word wins."""
        return self._change(lambda own: replace(own, attributes=merged(own.attributes, attributes)))

    def _span(self, word: str, given: timedelta | float, why: str) -> timedelta:
        span = _as_span(given)
        if span is None or span < ON_TIME:
            least = f"{ON_TIME.total_seconds():.0f}"
            raise self._named(
                TimetableError(
                    f"{word}={given!r}): expected a timedelta, or seconds, from {least} to a hundred years: {why}"
                )
            )
        return span


def _as_span(given: timedelta | float) -> timedelta | None:
    with suppress(ValueError):
        return timedelta(seconds=option_values.seconds(given))
    return None
