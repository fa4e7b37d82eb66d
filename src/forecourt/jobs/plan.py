"""A call that is not dispatched yet: a link of a chain, a member or a callback of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from forecourt.jobs.definition import Definition
from forecourt.jobs.dispatch import Call, Dispatch, Transaction
from forecourt.store import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLD = ("failure", "batch")
"""Parameters of callbacks that the engine fills in: why a call failed, and how a batch stands."""


@dataclass(frozen=True, slots=True)
class ResultOf:
    """Stands for the result of a workflow's step among the arguments of a later one."""

    workflow: object
    step: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A job with checked arguments; `job.call(...)` makes it. `told`: which of `failure` and
    `batch` its function takes; `results`: the arguments that are results of a workflow's steps."""

    job: Definition[..., Any]
    args: dict[str, Any]
    told: tuple[str, ...]
    results: dict[str, ResultOf] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Definition[..., Any], args: Mapping[str, Any]) -> Plan:
        """Raises WrongArguments, or ValueError for a unique job: a duplicate that enters nothing
        would break the sequence.
        """
        if job.policy.unique is not None:
            raise ValueError(f"{job.name} is unique: such a call cannot be part of a chain, a batch or a workflow")
        results = {name: value for name, value in args.items() if isinstance(value, ResultOf)}
        told = tuple(name for name in TOLD if name in job.arguments.described() and name not in args)
        plan = cls(job, {name: value for name, value in args.items() if name not in results}, told, results)
        if not results:
            job.check(plan._with_blanks())
        elif job.prepare is not None:
            raise ValueError(f"{job.name} prepares its arguments when it is dispatched, so none can be a later result")
        else:
            job.arguments.check_all_but(results, plan._with_blanks())
        return plan

    def stored(self) -> dict[str, Any]:
        """As it lies in a row until the engine dispatches it. Raises ValueError for a plan that
        takes results.
        """
        if self.results:
            raise ValueError(f"{self.job.name} takes the result of a workflow's step, so it can only be a step itself")
        return self._stored(Dispatch(self.job).text(self._with_blanks()))

    def stored_with_results(self) -> dict[str, Any]:
        """The same for a workflow's step."""
        if not self.results:
            return self.stored() | {"results": {}}
        text = self.job.arguments.check_all_but(self.results, self._with_blanks())
        return self._stored(text) | {"results": {name: result.step for name, result in self.results.items()}}

    def _stored(self, text: str) -> dict[str, Any]:
        dispatch = Dispatch(self.job)
        placement = dispatch.placement()
        return {
            "job": placement.job,
            "queue": placement.queue,
            "priority": placement.priority,
            "args": json_text.loads(text),
            "told": self.told,
        }

    def _with_blanks(self) -> dict[str, Any]:
        return self.args | {name: {} for name in self.told}


def enter(
    plans: Iterable[Plan], session: Transaction | None, options: dict[str, Any], following: Iterable[Plan] = ()
) -> list[Call]:
    """Dispatch these calls now, each with the same notes for the engine, which name the calls that
    follow.
    """
    plans, jobs = list(plans), {plan.job.name: plan.job for plan in following}
    for plan in plans:
        plan.stored()  # which raises for what only a workflow can enter
    return [Dispatch(plan.job, session, options=options, following=jobs).dispatch(**plan.args) for plan in plans]
