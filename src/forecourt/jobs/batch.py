"""Batches: calls that are counted together, and the calls that follow when they are through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from forecourt.database.bridge import AsyncSource
from forecourt.jobs.context import current
from forecourt.jobs.dispatch import Call, Transaction, entered_in, interceptors, transaction_for
from forecourt.jobs.option_values import words
from forecourt.jobs.plan import Plan, all_plans, enter, planned
from forecourt.store import batches


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls that belong together. Its callbacks are calls themselves, each dispatched exactly once,
    in the transaction that ends the call which made them due. Their functions may take
    `batch: dict` (id, name, total, failed, cancelled), `catch` also `failure: dict`.
    """

    plans: tuple[Plan, ...]
    name: str = ""
    failures_allowed: bool = False
    on_success: Plan | None = None
    on_failure: Plan | None = None
    at_last: Plan | None = None

    def then(self, plan: Plan) -> Batch:
        """Dispatch this when every call has succeeded."""
        return replace(self, on_success=planned(plan))

    def catch(self, plan: Plan) -> Batch:
        """Dispatch this at the first call that fails for good."""
        return replace(self, on_failure=planned(plan))

    def finally_(self, plan: Plan) -> Batch:
        """Dispatch this when no call is left, however they ended."""
        return replace(self, at_last=planned(plan))

    def allow_failures(self) -> Batch:
        """Go on after a failure. Otherwise the first one cancels the calls that have not begun."""
        return replace(self, failures_allowed=True)

    def dispatch(self, *, session: Transaction | None = None) -> int:
        """Enter all calls, and return the batch's id; with `session`, in that transaction."""
        for interceptor in reversed(interceptors):
            id = interceptor.begin_batch(self.name, [plan.job for plan in self.plans])
            if id is not None:
                enter(self.plans, session, {"batch": id})
                return id
        with transaction_for(session) as tx:
            id = batches.begin(
                tx,
                name=self.name,
                total=len(self.plans),
                allow_failures=self.failures_allowed,
                then=None if self.on_success is None else self.on_success.stored(),
                catch=None if self.on_failure is None else self.on_failure.stored(),
                at_last=None if self.at_last is None else self.at_last.stored(),
            )
            enter(self.plans, tx, {"batch": id})
            return id

    async def adispatch(self, *, session: Transaction | AsyncSource | None = None) -> int:
        """The same from a coroutine; `session` may be an asynchronous one."""
        return await entered_in(session, lambda tx: self.dispatch(session=tx))


def batch(plans: Iterable[Plan], *, name: str = "") -> Batch:
    """A batch of `job.call(...)`s. Raises ValueError for an empty one."""
    given = all_plans(plans)
    if not given:
        raise ValueError("a batch needs at least one call: batch([job.call(...), ...])")
    return Batch(given, words(name, "batch: name"))


def add_to_batch(plans: Iterable[Plan], *, session: Transaction | None = None) -> list[Call]:
    """From inside a call of a batch: enter further calls into it. Raises RuntimeError outside
    one.
    """
    call = current.get()
    id = None if call is None else call.options.get("batch")
    if id is None:
        raise RuntimeError("add_to_batch: the running call belongs to no batch")
    given = all_plans(plans)
    with transaction_for(session) as tx:
        batches.grow(tx, id, len(given))
        return enter(given, tx, {"batch": id})
