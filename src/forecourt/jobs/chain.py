"""Chains: calls that run one after the other, each dispatched in the transaction that ends the one
before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from forecourt.database.bridge import AsyncSource
from forecourt.jobs.dispatch import Call, Dispatch, Transaction, entered_in
from forecourt.jobs.plan import Plan, all_plans, planned


@dataclass(frozen=True, slots=True)
class Chain:
    """Calls in order. Each begins when the one before has succeeded or was discarded; exactly one
    next call follows.

    When one fails for good the chain stops, and `catch` is dispatched. Retrying the failed call
    resumes the chain.
    """

    plans: tuple[Plan, ...]
    on_failure: Plan | None = None

    def catch(self, plan: Plan) -> Chain:
        """Dispatch this when a call of the chain fails for good. Its function may take
        `failure: dict`.
        """
        return replace(self, on_failure=planned(plan))

    def dispatch(self, *, session: Transaction | None = None) -> Call:
        """Enter the first call; with `session`, in that transaction."""
        first, *rest = self.plans
        options: dict[str, Any] = {"chain": [plan.stored() for plan in rest]}
        if self.on_failure is not None:
            options["catch"] = self.on_failure.stored()
            rest.append(self.on_failure)
        first.refuse_results()
        following = {plan.job.name: plan.job for plan in rest}
        return Dispatch(first.job, session, options=options, following=following).dispatch(**first.args)

    async def adispatch(self, *, session: Transaction | AsyncSource | None = None) -> Call:
        """The same from a coroutine; `session` may be an asynchronous one."""
        return await entered_in(session, lambda tx: self.dispatch(session=tx))


def chain(*plans: Plan) -> Chain:
    """A chain of `job.call(...)`s. Raises ValueError for an empty one."""
    if not plans:
        raise ValueError("a chain needs at least one call: chain(first.call(...), second.call(...))")
    return Chain(all_plans(plans))
