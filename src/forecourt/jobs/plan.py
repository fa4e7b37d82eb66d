"""A call that is not dispatched yet: a link of a chain, a member or a callback of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forecourt.jobs.definition import Definition
from forecourt.jobs.dispatch import Call, Dispatch, Transaction
from forecourt.store import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLD = ("failure", "batch")
"""Parameters of callbacks that the engine fills in: why a call failed, and how a batch stands."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A job with checked arguments; `job.call(...)` makes it. `told`: which of `failure` and `batch` its function takes."""

    job: Definition[..., Any]
    args: dict[str, Any]
    told: tuple[str, ...]

    @classmethod
    def of(cls, job: Definition[..., Any], args: Mapping[str, Any]) -> Plan:
        """Raises WrongArguments, or ValueError for a unique job: a duplicate that enters nothing would break the sequence."""
        if job.policy.unique is not None:
            raise ValueError(f"{job.name} is unique: such a call cannot be part of a chain or a batch")
        told = tuple(name for name in TOLD if name in job.arguments.described() and name not in args)
        plan = cls(job, dict(args), told)
        job.check(plan._with_blanks())
        return plan

    def stored(self) -> dict[str, Any]:
        """As it lies in a row until the engine dispatches it."""
        dispatch = Dispatch(self.job)
        placement = dispatch.placement()
        return {
            "job": placement.job,
            "queue": placement.queue,
            "priority": placement.priority,
            "args": json_text.loads(dispatch.text(self._with_blanks())),
            "told": self.told,
        }

    def _with_blanks(self) -> dict[str, Any]:
        return self.args | {name: {} for name in self.told}


def enter(plans: Iterable[Plan], session: Transaction | None, options: dict[str, Any]) -> list[Call]:
    """Dispatch these calls now, each with the same notes for the engine."""
    return [Dispatch(plan.job, session=session).with_options(options).dispatch(**plan.args) for plan in plans]
