"""A call that is not dispatched yet: a link of a chain, a member or a callback of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

from forecourt.jobs.definition import Definition
from forecourt.jobs.dispatch import Call, Dispatch, Transaction
from forecourt.jobs.option_values import all_of
from forecourt.store import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TOLD = ("failure", "batch")
"""Parameters of callbacks that the engine fills in: why a call failed, and how a batch stands."""


@dataclass(frozen=True, slots=True)
class ResultOf:
    """Stands for the result of a workflow's step among the arguments of a later one."""

    workflow: object
    step: int

    def __call__(self) -> NoReturn:
        """Raises TypeError: a step's result is not waited for."""
        raise TypeError(
            "a step's result is given to a later step as it is, first.result without (): it is not there yet"
        )


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

    def refuse_results(self) -> None:
        """Raise ValueError for a plan that takes results, which only a workflow can enter."""
        if self.results:
            raise ValueError(f"{self.job.name} takes the result of a workflow's step, so it can only be a step itself")

    def stored(self) -> dict[str, Any]:
        """As it lies in a row until the engine dispatches it. Raises ValueError for a plan that
        takes results.
        """
        self.refuse_results()
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


NOT_DISPATCHED = "expected a call that is not dispatched yet, such as greet.call(listing_id=7)"


def planned(given: Plan) -> Plan:
    """What was given, if it is a call that is not dispatched yet. Raises TypeError."""
    return all_plans((given,))[0]


def all_plans(given: Iterable[Plan]) -> tuple[Plan, ...]:
    """The same for many."""
    return all_of(given, Plan, NOT_DISPATCHED)


def enter(plans: Sequence[Plan], session: Transaction | None, options: dict[str, Any]) -> list[Call]:
    """Dispatch these calls now, in this order, each with the same notes for the engine: neighbours
    of one job in one statement."""
    for plan in plans:
        plan.refuse_results()
    entered: list[Call] = []
    for job, alike in groupby(plans, attrgetter("job")):
        entered += Dispatch(job, session, options=options).dispatch_many([plan.args for plan in alike])
    return entered
