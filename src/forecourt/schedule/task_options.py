"""The words about how a due task runs: where, beside itself or not, how late, with which dispatch options."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from forecourt.jobs.policy import Policy
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.fluent import Fluent
from forecourt.schedule.rules import ON_TIME, DispatchOptions, Misfire, merged

GRACE = timedelta(hours=12)
"""How late a missed daily, or rarer, task still runs unless it says otherwise."""


class TaskOptions(Fluent):
    """One server, no overlap, and missed due times caught up where that helps, unless these words say otherwise."""

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
        """Skip a due time while an earlier run is going: the default, said to undo a group's `allow_overlapping`."""
        return self._set(overlapping=False)

    def catch_up(self, *, within: timedelta | float | None = None, every: bool = False) -> Self:
        """Run missed due times no older than `within` (a timedelta, or seconds): the latest only, or `every` one.

        Without `within`, the latest runs up to 12 hours late, and every one however late.
        """
        limit = timedelta(seconds=within) if isinstance(within, (int, float)) else within
        if limit is not None and (not isinstance(limit, timedelta) or limit < ON_TIME):
            raise self._named(
                TimetableError(
                    f"catch_up(within={within!r}): expected a timedelta, or seconds, of {ON_TIME.total_seconds():.0f} at least: "
                    "up to then a due time counts as met"
                )
            )
        if every:
            return self._set(misfire=Misfire("every", limit))
        return self._set(misfire=Misfire("once", limit or GRACE))

    def skip_missed(self) -> Self:
        """Never run a missed due time."""
        return self._set(misfire=Misfire("skip"))

    def using(self, *, queue: str | None = None, priority: int | None = None) -> Self:
        """Dispatch the task's calls to this queue, at this priority (lower first), instead of the job's own."""
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
        return self._set(description=words)

    def with_attributes(self, **attributes: Any) -> Self:
        """Metadata of your own, kept with the task; nested mappings merge, the last word wins."""
        return self._change(lambda own: replace(own, attributes=merged(own.attributes, attributes)))
